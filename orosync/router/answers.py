"""How calls end: their results and errors on the way back, cancelling, time limits, and somebody leaving (WAMP, "Call
Canceling", "Call Timeouts", "Progressive Call Results").

It must not know registrations, how a callee is chosen, or the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from orosync.errors import ProtocolViolation, RequestError
from orosync.router.calls import TOO_LONG, Calls
from orosync.router.delivery import Delivery, Member
from orosync.router.invocations import PendingCall
from orosync.router.options import choice, flag
from orosync.wamp import names
from orosync.wamp.messages import Error, Interrupt, Result
from orosync.wamp.passthru import FEATURE, described, understood
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

CALL_CANCELING = "callee.call_canceling"

_CALLEE_LEFT = Payload.of(["the callee has left before it answered"], None)
_SEALED = Payload.of([f"the caller has not announced {FEATURE}, in which the callee answers"], None)


class CancelMode(Enum):
    """How a caller wants its call ended (WAMP, "Call Canceling")."""

    SKIP = "skip"
    KILL = "kill"
    KILLNOWAIT = "killnowait"


class Answers:
    """The half of a dealer that ends calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._pending = calls.pending

    def yielded(
        self, callee: Member, request: int, options: Mapping[str, Any], payload: Payload | None
    ) -> list[Delivery]:
        """Relay a YIELD; nothing comes of one for an invocation that is over.

        ProtocolViolation when ``callee`` never got that invocation, for an option of a wrong type, or one that it has
        not announced.
        """
        pending = self._pending.invoked(callee, request)
        if pending is None:
            return []
        details: dict[str, Any] = {}
        if options:
            progress = _progress(options)
            sealed = described(options, callee.features, "callee")
            if sealed is not None:
                if not understood(sealed, pending.caller.features, "caller"):
                    return self._close(pending, Error(CALL, pending.request, {}, names.FEATURE_NOT_SUPPORTED), _SEALED)
                details.update(sealed)
            if progress:
                return self._progressed(pending, {"progress": True, **details}, payload)
        self._pending.close(pending)
        answer = Delivery((pending.caller,), Result(pending.request, details), payload)
        return [answer] if pending.particulars is None else [answer, *self._calls.freed(pending)]

    def failed(
        self, callee: Member, request: int, details: Mapping[str, Any], error: str, payload: Payload | None
    ) -> list[Delivery]:
        """Relay an ERROR for an INVOCATION; nothing comes of one for an invocation that is over.

        ``details`` speak of the callee's message and stay behind, but for those of a sealed payload. ProtocolViolation
        when ``callee`` never got that invocation, or as for ``yielded``.
        """
        pending = self._pending.invoked(callee, request)
        if pending is None:
            return []
        if error == names.UNAVAILABLE:
            elsewhere = self._calls.reroute(pending)
            if elsewhere is not None:
                return elsewhere
        sealed = described(details, callee.features, "callee") if details else None
        if sealed is not None and not understood(sealed, pending.caller.features, "caller"):
            sealed, payload = None, _SEALED
        return self._close(pending, Error(CALL, pending.request, dict(sealed or {}), error), payload)

    def cancel(self, caller: Member, request: int, options: Mapping[str, Any]) -> list[Delivery]:
        """End a call of ``caller``; nothing comes of it when the call is over.

        Without a mode it is killnowait: the caller is answered at once and the callee need not go on. A callee that
        has not announced call canceling is left alone, whatever the mode. ProtocolViolation for an unknown mode:
        WAMP has no ERROR for a CANCEL.
        """
        try:
            mode = choice(options, "mode", CancelMode.KILLNOWAIT)
        except RequestError as error:
            raise ProtocolViolation(error.message) from None
        pending = self._pending.called(caller, request)
        if pending is None:
            return []
        deliveries: list[Delivery] = []
        if mode is not CancelMode.SKIP:
            deliveries += _interrupt(pending, mode)
        if not _interruptible(pending) or mode is not CancelMode.KILL:
            deliveries += self._close(pending, Error(CALL, request, {}, names.CANCELED))
        return deliveries

    def expired(self, pending: PendingCall) -> list[Delivery]:
        """A call has taken as long as it may: ERROR ``wamp.error.timeout``, and the callee need not go on. Nothing
        comes of it when the call is over."""
        if self._pending.called(pending.caller, pending.request) is not pending:
            return []
        error = Error(CALL, pending.request, {}, names.TIMEOUT)
        return _interrupt(pending, CancelMode.KILLNOWAIT) + self._close(pending, error, TOO_LONG)

    def withdraw(self, caller: Member, request: int) -> list[Delivery]:
        """A call of ``caller`` is answered by somebody else; the callee need not go on. Nothing comes of it when there
        is no such call."""
        pending = self._pending.called(caller, request)
        if pending is None:
            return []
        deliveries = _interrupt(pending, CancelMode.KILLNOWAIT)
        self._pending.close(pending)
        return deliveries + self._calls.freed(pending)

    def _abandon(self, member: Member) -> list[Delivery]:
        """``member`` leaves: those who wait for it are told, those who work for it may stop."""
        made, taken = self._pending.leave(member)
        deliveries: list[Delivery] = []
        for pending in made:
            deliveries += _interrupt(pending, CancelMode.KILLNOWAIT)
        for pending in taken:
            error = Error(CALL, pending.request, {}, names.CANCELED)
            deliveries.append(Delivery((pending.caller,), error, _CALLEE_LEFT))
        # What waited first: whoever becomes free must not be given what is over.
        for pending in sorted(made, key=lambda pending: pending.callee is not None):
            if pending.particulars is not None:
                deliveries += self._calls.freed(pending)
        return deliveries

    def _progressed(self, pending: PendingCall, details: dict[str, Any], payload: Payload | None) -> list[Delivery]:
        # A caller that did not ask would take it for the final one.
        if not pending.progressive:
            return []
        particulars = pending.particulars
        if particulars is not None:
            particulars.relayed = True
            if particulars.watch is not None:
                particulars.watch.progressed()
        return [Delivery((pending.caller,), Result(pending.request, details), payload)]

    def _close(self, pending: PendingCall, error: Error, payload: Payload | None = None) -> list[Delivery]:
        self._pending.close(pending)
        return [Delivery((pending.caller,), error, payload), *self._calls.freed(pending)]


def _interruptible(pending: PendingCall) -> bool:
    return pending.callee is not None and CALL_CANCELING in pending.callee.features


def _interrupt(pending: PendingCall, mode: CancelMode) -> list[Delivery]:
    """One INTERRUPT at most for each invocation, which the callee may have forgotten after the first; and none for a
    callee that cannot be interrupted."""
    if pending.interrupted or not _interruptible(pending):
        return []
    assert pending.callee is not None
    pending.interrupted = True
    return [Delivery((pending.callee,), Interrupt(pending.invocation, {"mode": mode.value}))]


def _progress(options: Mapping[str, Any]) -> bool:
    try:
        return flag(options, "progress")
    except RequestError as error:
        # There is no request of the callee's that an ERROR could answer.
        raise ProtocolViolation(error.message) from None
