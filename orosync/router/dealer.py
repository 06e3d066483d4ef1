"""The dealer: hands calls to callees and their answers back, as deliveries (WAMP, "Routed Remote Procedure Calls").

Everything that reaches it has been authorised and its URIs have been checked. It must not know who may do what,
how a delivery travels, or the time. Payloads pass through it unseen.

Only members that have joined and not left may be handed in; nothing here checks it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import Enum
from typing import Any

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.delivery import Delivery, Member
from orosync.router.invocations import PendingCall, PendingCalls
from orosync.router.meta_call import Procedure
from orosync.router.options import choice, flag
from orosync.router.registrations import Draw, Invoke, Registration, Registrations
from orosync.wamp import names
from orosync.wamp.messages import Error, Interrupt, Invocation, Result, Unregistered
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

CALL_CANCELING = "callee.call_canceling"
PROGRESSIVE_RESULTS = "callee.progressive_call_results"
REGISTRATION_REVOCATION = "callee.registration_revocation"
PENDING_LIMIT = 10_000

_CALL = 48
_CALLEE_LEFT = Payload.of(["the callee has left before it answered"], None)


class CancelMode(Enum):
    """How a caller wants its call ended (WAMP, "Call Canceling")."""

    SKIP = "skip"
    KILL = "kill"
    KILLNOWAIT = "killnowait"


class Dealer:
    """The registrations and the calls in progress of one realm.

    ``pending_limit`` bounds the calls in progress of each caller and of each callee; over it a CALL is refused
    with ``wamp.error.unavailable``. ``draw`` chooses a callee for the policy ``random``. ``own`` holds WAMP's own
    procedures, which have no callee.
    """

    def __init__(self, pending_limit: int = PENDING_LIMIT, draw: Draw = random.choice) -> None:
        self._registrations = Registrations(draw)
        self._index = self._registrations.index
        self._pending = PendingCalls(pending_limit)
        self.own: dict[str, Procedure] = {}

    def register(
        self,
        member: Member,
        procedure: str,
        match: Match = Match.EXACT,
        invoke: str = Invoke.SINGLE,
        disclose_caller: bool = False,
    ) -> Registration:
        """Make ``member`` a callee; ``disclose_caller``: it is to be told who calls.

        RequestError INVALID_URI for a procedure reserved for WAMP itself; INVALID_ARGUMENT for an unknown policy;
        PROCEDURE_ALREADY_EXISTS when somebody has it for itself or under another policy, or ``member`` has it.
        """
        if is_reserved(procedure):
            raise RequestError(names.INVALID_URI, "procedures beginning with wamp. are reserved")
        policy = choice({"invoke": invoke}, "invoke", Invoke.SINGLE)
        return self._registrations.join(member, procedure, match, policy, disclose_caller)

    def unregister(self, member: Member, registration_id: int) -> None:
        """End a registration of ``member``; the calls it works on go on.

        RequestError NO_SUCH_REGISTRATION, also when it is somebody else's.
        """
        registration = member.registrations.pop(registration_id, None)
        if registration is None:
            raise RequestError(names.NO_SUCH_REGISTRATION, f"this session has no registration {registration_id}")
        self._registrations.part(member, registration)

    def revoke(self, member: Member, registration_id: int, reason: str | None = None) -> list[Delivery]:
        """Take a registration away from ``member``, who is told if it can understand that (WAMP, "Registration
        Revocation"); the calls it works on go on. RequestError NO_SUCH_REGISTRATION as for ``unregister``."""
        self.unregister(member, registration_id)
        if REGISTRATION_REVOCATION not in member.features:
            return []
        details: dict[str, Any] = {"registration": registration_id}
        if reason is not None:
            details["reason"] = reason
        return [Delivery((member,), Unregistered(0, details))]

    def lookup(self, procedure: str, match: Match = Match.EXACT) -> Registration | None:
        """The registration of this very procedure or pattern, None when nobody has it."""
        return self._index.get(procedure, match)

    def match(self, procedure: str) -> Registration | None:
        """The one registration that a call of ``procedure`` would go to.

        A pattern, however broad, never stands in for a procedure of WAMP itself.
        """
        registration = self._index.exact.get(procedure)
        if registration is None and not is_reserved(procedure):
            registration = self._index.best(procedure)
        return registration

    def call(
        self,
        caller: Member,
        request: int,
        procedure: str,
        options: Mapping[str, Any],
        payload: Payload | None,
        disclose: bool = False,
        told: Mapping[str, Any] | None = None,
    ) -> list[Delivery]:
        """Hand a CALL to a callee; ``disclose``: tell it who calls (WAMP, "Caller Identification").

        ``told`` is what else the INVOCATION's details hold; where it names a caller, it is that one that is disclosed.

        ProtocolViolation when ``caller`` uses a request id that is still in progress. RequestError
        NO_SUCH_PROCEDURE; INVALID_ARGUMENT for an option of a wrong type; UNAVAILABLE over the bound.
        """
        # First of all: an ERROR for this id would pass for the answer to the call that has it.
        self._pending.check_request(caller, request)
        registration = self.match(procedure)
        if registration is None:
            own = self.own.get(procedure)
            if own is not None:
                return own(caller, request, payload)
            raise RequestError(names.NO_SUCH_PROCEDURE, f"nobody has registered {procedure}")
        progress_wanted = bool(options) and flag(options, "receive_progress")
        callee = self._registrations.pick(registration)
        # WAMP would have the callee announce call_canceling as well; autobahn-js and wampy do not.
        progressive = progress_wanted and PROGRESSIVE_RESULTS in callee.features
        pending = self._pending.open(caller, request, callee, progressive)
        details: dict[str, Any] = {}
        if registration.match is not Match.EXACT:
            details["procedure"] = procedure
        if progressive:
            details["receive_progress"] = True
        if disclose or callee.session in registration.curious:
            details["caller"] = caller.session
            details["caller_authid"] = caller.principal.authid
            details["caller_authrole"] = caller.principal.authrole
        if told is not None:
            details.update(told)
        return [Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)]

    def yielded(
        self, callee: Member, request: int, options: Mapping[str, Any], payload: Payload | None
    ) -> list[Delivery]:
        """Relay a YIELD; nothing comes of one for an invocation that is over.

        ProtocolViolation when ``callee`` never got that invocation, or ``progress`` is not a boolean.
        """
        pending = self._pending.invoked(callee, request)
        if pending is None:
            return []
        if options and _progress(options):
            # A caller that did not ask would take it for the final one.
            if not pending.progressive:
                return []
            return [Delivery((pending.caller,), Result(pending.request, {"progress": True}), payload)]
        self._pending.close(pending)
        return [Delivery((pending.caller,), Result(pending.request, {}), payload)]

    def failed(
        self, callee: Member, request: int, details: Mapping[str, Any], error: str, payload: Payload | None
    ) -> list[Delivery]:
        """Relay an ERROR for an INVOCATION; nothing comes of one for an invocation that is over.

        ``details`` speak of the callee's message and stay behind. ProtocolViolation when ``callee`` never got that
        invocation.
        """
        pending = self._pending.invoked(callee, request)
        if pending is None:
            return []
        self._pending.close(pending)
        return [Delivery((pending.caller,), Error(_CALL, pending.request, {}, error), payload)]

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
        interruptible = CALL_CANCELING in pending.callee.features
        if interruptible and mode is not CancelMode.SKIP:
            deliveries += _interrupt(pending, mode)
        if not interruptible or mode is not CancelMode.KILL:
            self._pending.close(pending)
            deliveries.append(Delivery((caller,), Error(_CALL, request, {}, names.CANCELED)))
        return deliveries

    def leave(self, member: Member) -> list[Delivery]:
        """End all registrations and calls of ``member``; nothing names it afterwards.

        Who called it gets ERROR ``wamp.error.canceled``; who works for it is interrupted, if it can be.
        """
        for registration in member.registrations.values():
            self._registrations.part(member, registration)
        member.registrations.clear()
        made, taken = self._pending.leave(member)
        deliveries: list[Delivery] = []
        for pending in made:
            if CALL_CANCELING in pending.callee.features:
                deliveries += _interrupt(pending, CancelMode.KILLNOWAIT)
        for pending in taken:
            error = Error(_CALL, pending.request, {}, names.CANCELED)
            deliveries.append(Delivery((pending.caller,), error, _CALLEE_LEFT))
        return deliveries


def _interrupt(pending: PendingCall, mode: CancelMode) -> list[Delivery]:
    """One INTERRUPT at most for each invocation: a callee may have forgotten it after the first."""
    if pending.interrupted:
        return []
    pending.interrupted = True
    return [Delivery((pending.callee,), Interrupt(pending.invocation, {"mode": mode.value}))]


def _progress(options: Mapping[str, Any]) -> bool:
    try:
        return flag(options, "progress")
    except RequestError as error:
        # There is no request of the callee's that an ERROR could answer.
        raise ProtocolViolation(error.message) from None
