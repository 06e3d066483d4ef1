"""The dealer: hands calls to callees and their answers back, as deliveries (WAMP, "Routed Remote Procedure Calls").

Callers of this module have authorized the request and checked its URIs. Payloads pass through unread. Members that
are passed in have joined and have not left; this is not checked again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.calls import CALL_TIMED_OUT, Calls
from orosync.router.deliveries import Delivery, ExtraDetails, Member, choice, flag
from orosync.router.meta_call import Procedure
from orosync.router.meta_events import News, registered, unregistered
from orosync.router.pending import LATE, PendingCall
from orosync.router.registrations import (
    DEFAULT_OPTIONS,
    Draw,
    Invoke,
    RegisterOptions,
    Registration,
    RegistrationObserver,
    Registrations,
)
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Result, Unregistered
from orosync.wamp.payload import FEATURE, Payload, described, understood
from orosync.wamp.uris import is_reserved
from orosync.wamp.v2 import CALL

PENDING_LIMIT = 10_000
QUEUE_LIMIT = 100

CALL_CANCELING = "callee.call_canceling"
REGISTRATION_REVOCATION = "callee.registration_revocation"

_CALLEE_LEFT = Payload.of(["the callee has left before it answered"], None)
_SEALED = Payload.of([f"the caller has not announced {FEATURE}, in which the callee answers"], None)


class CancelMode(Enum):
    """How a caller wants its call ended (WAMP, "Call Canceling")."""

    SKIP = "skip"
    KILL = "kill"
    KILLNOWAIT = "killnowait"


class Dealer:
    """The registrations and the calls in progress of one realm.

    ``pending_limit`` bounds the calls in progress of each caller and of each callee; over it a CALL is refused
    with ``wamp.error.unavailable``, and so is one that would be more than ``queue_limit`` waiting for the same
    procedure. ``draw`` chooses a callee for the policy ``random``. ``meta_procedures`` are WAMP's own procedures, which
    have no callee. ``tell`` turns meta events into deliveries, ``now`` tells the time, in seconds since 1970, and
    ``seconds`` measures spans (the default, ``float``, is always 0.0).
    """

    def __init__(
        self,
        pending_limit: int = PENDING_LIMIT,
        draw: Draw = random.choice,
        *,
        queue_limit: int = QUEUE_LIMIT,
        trustlevels: Mapping[str, int] | None = None,
        tell: Callable[[News], list[Delivery]] = lambda news: [],
        now: Callable[[], float] = float,
        seconds: Callable[[], float] = float,
    ) -> None:
        self._calls = Calls(pending_limit, queue_limit, draw, trustlevels, seconds)
        self.pending = self._calls.pending
        self._registrations = Registrations(now)
        self._index = self._registrations.index
        self._tell = tell
        self._observer: RegistrationObserver | None = None
        self.meta_procedures: dict[str, Procedure] = {}

    def share(self, observer: RegistrationObserver, ids: Callable[[str, Match], int]) -> None:
        """From now on tell ``observer`` who becomes a callee and who is none any more. ``ids`` gives the id of each new
        registration: the same on all nodes."""
        self._observer, self._registrations.ids = observer, ids

    def register(
        self,
        member: Member,
        procedure: str,
        match: Match = Match.EXACT,
        invoke: str = Invoke.SINGLE,
        options: RegisterOptions = DEFAULT_OPTIONS,
        force: bool = False,
    ) -> tuple[Registration, list[Delivery]]:
        """Make ``member`` a callee. The deliveries are to be made after the REGISTERED.

        ``force``: the present callees lose the procedure to ``member`` (REGISTER.Options.force_reregister, as in
        Crossbar.io); calls that they work on stay with them, calls that wait are handed to ``member``.

        RequestError INVALID_URI for a procedure reserved for WAMP itself; INVALID_ARGUMENT for an unknown policy;
        PROCEDURE_ALREADY_EXISTS when it is registered for a single callee, under another policy, or by ``member``; with
        ``force`` when the router's own process has registered it.
        """
        if is_reserved(procedure):
            raise RequestError(uris.INVALID_URI, "procedures beginning with wamp. are reserved")
        policy = choice({"invoke": invoke}, "invoke", Invoke.SINGLE)
        if self._observer is not None:
            self._observer.registering(member, procedure, match)
        former = self._index.get(procedure, match) if force else None
        if former is None:
            registration = self._registrations.join(member, procedure, match, policy, options)
            if self._observer is not None:
                self._observer.registered(member, registration, options, force)
            return registration, self._tell(registered(member, registration)) + self._calls.serve(registration)
        if any(callee.inside for callee in former.callees):
            raise RequestError(uris.PROCEDURE_ALREADY_EXISTS, "the router itself has the procedure: choose another")
        waiting = self._calls.take_waiting(former)
        deliveries: list[Delivery] = []
        for callee in tuple(former.callees):
            if callee is member and self._observer is not None:  # its registration keeps its id
                deliveries += self.unregister(callee, former.id)
            else:
                deliveries += self.revoke(callee, former.id, uris.UNREGISTERED)
        registration = self._registrations.join(member, procedure, match, policy, options)
        former.taken_over_by(registration)
        if self._observer is not None:
            self._observer.registered(member, registration, options, force)
        deliveries += self._tell(registered(member, registration))
        return registration, deliveries + self._calls.requeue(registration, waiting)

    def unregister(self, member: Member, registration_id: int) -> list[Delivery]:
        """End a registration of ``member`` and return the deliveries to others. The calls it works on go on.

        RequestError NO_SUCH_REGISTRATION, also when another session has it.
        """
        registration = member.registrations.pop(registration_id, None)
        if registration is None:
            raise RequestError(uris.NO_SUCH_REGISTRATION, f"this session has no registration {registration_id}")
        self._registrations.part(member, registration)
        if self._observer is not None:
            self._observer.unregistered(member, registration)
        return self._tell(unregistered(member, registration)) + self._calls.serve(registration)

    def revoke(self, member: Member, registration_id: int, reason: str | None = None) -> list[Delivery]:
        """Take a registration away from ``member``, with an UNREGISTERED if it announced that feature (WAMP,
        "Registration Revocation"). RequestError NO_SUCH_REGISTRATION as for ``unregister``."""
        deliveries = self.unregister(member, registration_id)
        if REGISTRATION_REVOCATION not in member.features:
            return deliveries
        details: dict[str, Any] = {"registration": registration_id}
        if reason is not None:
            details["reason"] = reason
        return [Delivery((member,), Unregistered(0, details)), *deliveries]

    def has(self, member: Member, procedure: str, match: Match = Match.EXACT) -> bool:
        """Whether ``member`` has registered exactly this procedure or pattern."""
        registration = self._index.get(procedure, match)
        return registration is not None and registration.id in member.registrations

    def lookup(self, procedure: str, match: Match = Match.EXACT) -> Registration | None:
        """The registration of exactly this procedure or pattern, None when there is none."""
        return self._index.get(procedure, match)

    def find(self, registration_id: int) -> Registration | None:
        """The registration with this id."""
        return self._registrations.find(registration_id)

    def __iter__(self) -> Iterator[Registration]:
        """All registrations."""
        return iter(self._registrations)

    def match(self, procedure: str) -> Registration | None:
        """The one registration that a call of ``procedure`` would go to.

        A pattern, however broad, never stands in for a procedure of WAMP itself.
        """
        return self._index.exact.get(procedure) if is_reserved(procedure) else self._index.best(procedure)

    def call(
        self,
        caller: Member,
        request: int,
        procedure: str,
        options: Mapping[str, Any],
        payload: Payload | None,
        disclose: bool = False,
        extra_details: ExtraDetails | None = None,
    ) -> list[Delivery]:
        """Hand a CALL to a callee; ``disclose``: the INVOCATION names the caller (WAMP, "Caller Identification").

        ``extra_details`` are further keys of INVOCATION.Details (see ``router.deliveries``).
        A CALL with the request id of a progressive call invocation is its next part (WAMP, "Progressive Call
        Invocations"); one that comes after its end has no effect.

        ProtocolViolation when ``caller`` uses a request id that is still in progress, or an option that it has not
        announced. RequestError NO_SUCH_PROCEDURE; INVALID_ARGUMENT for an option of a wrong type;
        FEATURE_NOT_SUPPORTED for what the callee cannot take; UNAVAILABLE over a bound.
        """
        # Checked first: an ERROR for this id would be taken for the answer to the call that has it.
        stream = self.pending.check_request(caller, request)
        if stream is not None:
            return [] if stream is LATE else self._calls.next_part(stream, options, payload)
        registration = self._index.exact.get(procedure) or self.match(procedure)
        if registration is None:
            meta_procedure = self.meta_procedures.get(procedure)
            if meta_procedure is not None:
                return meta_procedure(caller, request, payload)
            raise RequestError(uris.NO_SUCH_PROCEDURE, f"no callee has registered {procedure}")
        return self._calls.begin(caller, request, registration, procedure, options, payload, disclose, extra_details)

    def relay(
        self,
        caller: Member,
        request: int,
        callee: Member,
        procedure: str,
        match: Match,
        details: Mapping[str, Any],
        payload: Payload | None,
    ) -> list[Delivery]:
        """Hand the call of another node, for which ``caller`` stands, to ``callee``, which that node has chosen.

        ``details`` of the INVOCATION are as that node made them. A ``request`` that is in progress: its next part. A
        callee without a free slot gets the call later. RequestError UNAVAILABLE when it has not registered
        ``procedure`` (any more), or is over a bound.
        """
        pending = self.pending.called(caller, request)
        if pending is not None:
            return self._calls.next_part_relayed(pending, details, payload)
        registration = self._index.get(procedure, match)
        if registration is None or registration.id not in callee.registrations:
            raise RequestError(uris.UNAVAILABLE, f"the callee of {procedure} has gone")
        return self._calls.relay(caller, request, callee, registration, details, payload)

    def is_stream(self, caller: Member, request: int) -> bool:
        """Whether ``caller`` sends, or has recently sent, the payload of a call with this id in several parts."""
        return self.pending.is_stream(caller, request)

    def timed(self, caller: Member, request: int) -> PendingCall | None:
        """The call that ``caller`` has just made with this id, if it has a time limit that the router enforces, or will
        enforce when another callee gets it: its ``state`` has the limit and needs a ``watch``."""
        pending = self.pending.called(caller, request)
        if pending is None or pending.state is None or not pending.state.timeout:
            return None
        return pending

    def yielded(
        self, callee: Member, request: int, options: Mapping[str, Any], payload: Payload | None
    ) -> list[Delivery]:
        """Relay a YIELD (WAMP, "Progressive Call Results"); one for an invocation that is over has no effect.

        ProtocolViolation when ``callee`` never got that invocation, for an option of a wrong type, or one that it has
        not announced.
        """
        pending = self.pending.invoked(callee, request)
        if pending is None:
            return []
        details: dict[str, Any] = {}
        if options:
            progress = _progress(options)
            sealed = described(options, callee.features, "callee")
            if sealed is not None:
                if not understood(sealed, pending.caller.features, "caller"):
                    return self._close(pending, Error(CALL, pending.request, {}, uris.FEATURE_NOT_SUPPORTED), _SEALED)
                details.update(sealed)
            if progress:
                return self._progressed(pending, {"progress": True, **details}, payload)
        self.pending.close(pending)
        answer = Delivery((pending.caller,), Result(pending.request, details), payload)
        return [answer] if pending.state is None else [answer, *self._calls.release(pending)]

    def failed(
        self, callee: Member, request: int, details: Mapping[str, Any], error: str, payload: Payload | None
    ) -> list[Delivery]:
        """Relay an ERROR for an INVOCATION; one for an invocation that is over has no effect.

        Of ``details`` only those of a sealed payload are relayed. ProtocolViolation when ``callee`` never got that
        invocation, or as for ``yielded``.
        """
        pending = self.pending.invoked(callee, request)
        if pending is None:
            return []
        if error == uris.UNAVAILABLE:
            elsewhere = self._calls.reroute(pending)
            if elsewhere is not None:
                return elsewhere
        sealed = described(details, callee.features, "callee") if details else None
        if sealed is not None and not understood(sealed, pending.caller.features, "caller"):
            sealed, payload = None, _SEALED
        return self._close(pending, Error(CALL, pending.request, dict(sealed or {}), error), payload)

    def cancel(self, caller: Member, request: int, options: Mapping[str, Any]) -> list[Delivery]:
        """End a call of ``caller`` (WAMP, "Call Canceling"); no effect when the call is over.

        The default mode is killnowait: the caller is answered at once and the callee is interrupted. A callee that has
        not announced call canceling is not interrupted in any mode. ProtocolViolation for an unknown mode: WAMP has no
        ERROR for a CANCEL.
        """
        try:
            mode = choice(options, "mode", CancelMode.KILLNOWAIT)
        except RequestError as error:
            raise ProtocolViolation(error.message) from None
        pending = self.pending.called(caller, request)
        if pending is None:
            return []
        deliveries: list[Delivery] = []
        if mode is not CancelMode.SKIP or _is_elsewhere(pending):
            deliveries += _interrupt(pending, mode)
        if not _interruptible(pending) or mode is not CancelMode.KILL:
            deliveries += self._close(pending, Error(CALL, request, {}, uris.CANCELED))
        return deliveries

    def expired(self, pending: PendingCall) -> list[Delivery]:
        """End a call whose time limit has passed (WAMP, "Call Timeouts"): ERROR ``wamp.error.timeout`` to the caller,
        INTERRUPT to the callee. No effect when the call is over."""
        if self.pending.called(pending.caller, pending.request) is not pending:
            return []
        error = Error(CALL, pending.request, {}, uris.TIMEOUT)
        return _interrupt(pending, CancelMode.KILLNOWAIT) + self._close(pending, error, CALL_TIMED_OUT)

    def withdraw(self, caller: Member, request: int) -> list[Delivery]:
        """End a call of ``caller`` that its own session answers, and interrupt the callee. No effect when there is no
        such call."""
        pending = self.pending.called(caller, request)
        if pending is None:
            return []
        deliveries = _interrupt(pending, CancelMode.KILLNOWAIT)
        self.pending.close(pending)
        return deliveries + self._calls.release(pending)

    def leave(self, member: Member) -> list[Delivery]:
        """End all registrations and calls of ``member`` and return the deliveries to others. It is not referenced any
        more.

        Its callers get ERROR ``wamp.error.canceled``; its callees are interrupted, if they announced call canceling.
        """
        if not member.registrations and self._observer is None and member not in self.pending:
            return []  # nearly every connection that ends
        left = list(member.registrations.values())
        member.registrations.clear()
        deliveries: list[Delivery] = []
        for registration in left:
            self._registrations.part(member, registration)
            deliveries += self._tell(unregistered(member, registration))
        if self._observer is not None:
            self._observer.left(member)
        deliveries = self._abandon(member) + deliveries
        for registration in left:
            deliveries += self._calls.serve(registration)
        return deliveries

    def _abandon(self, member: Member) -> list[Delivery]:
        """End the calls that ``member`` made (INTERRUPT to the callees) and those that it works on (ERROR)."""
        made, taken = self.pending.leave(member)
        deliveries: list[Delivery] = []
        if not (made or taken):
            return deliveries
        for pending in made:
            deliveries += _interrupt(pending, CancelMode.KILLNOWAIT)
        for pending in taken:
            error = Error(CALL, pending.request, {}, uris.CANCELED)
            deliveries.append(Delivery((pending.caller,), error, _CALLEE_LEFT))
        # Calls that still wait come first: a callee that becomes free must not be given a call that is over.
        for pending in sorted(made, key=lambda pending: pending.callee is not None):
            if pending.state is not None:
                deliveries += self._calls.release(pending)
        return deliveries

    def _progressed(self, pending: PendingCall, details: dict[str, Any], payload: Payload | None) -> list[Delivery]:
        # A caller that did not ask for progressive results would take this one for the final result.
        if not pending.progressive:
            return []
        state = pending.state
        if state is not None:
            state.relayed = True
            if state.watch is not None:
                state.watch.progressed()
        return [Delivery((pending.caller,), Result(pending.request, details), payload)]

    def _close(self, pending: PendingCall, error: Error, payload: Payload | None = None) -> list[Delivery]:
        self.pending.close(pending)
        return [Delivery((pending.caller,), error, payload), *self._calls.release(pending)]


def _interruptible(pending: PendingCall) -> bool:
    callee = pending.callee
    return callee is not None and (CALL_CANCELING in callee.features or callee.elsewhere)


def _is_elsewhere(pending: PendingCall) -> bool:
    return pending.callee is not None and pending.callee.elsewhere


def _interrupt(pending: PendingCall, mode: CancelMode) -> list[Delivery]:
    """At most one INTERRUPT for each invocation, since the callee may have forgotten it after the first; none for a
    callee that has not announced call canceling."""
    if pending.interrupted or not _interruptible(pending):
        return []
    assert pending.callee is not None
    pending.interrupted = True
    return [Delivery((pending.callee,), Interrupt(pending.invocation, {"mode": mode.value}))]


def _progress(options: Mapping[str, Any]) -> bool:
    try:
        return flag(options, "progress")
    except RequestError as error:
        # A YIELD is not answered, so there is no ERROR to send.
        raise ProtocolViolation(error.message) from None
