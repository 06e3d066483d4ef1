"""The dealer: hands calls to callees and their answers back, as deliveries (WAMP, "Routed Remote Procedure Calls").

Everything that reaches it has been authorised and its URIs have been checked. It must not know who may do what,
how a delivery travels, or the time. Payloads pass through it unseen.

Only members that have joined and not left may be handed in; nothing here checks it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.answers import CALL_CANCELING as CALL_CANCELING
from orosync.router.answers import Answers
from orosync.router.calls import Calls
from orosync.router.delivery import Delivery, Member
from orosync.router.invocations import LATE, PendingCall
from orosync.router.meta_call import Procedure
from orosync.router.meta_events import News, registered, unregistered
from orosync.router.options import choice
from orosync.router.registrations import NO_WISHES, Draw, Invoke, Registration, Registrations, Wishes
from orosync.wamp import names
from orosync.wamp.messages import Unregistered
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

PENDING_LIMIT = 10_000
QUEUE_LIMIT = 100
REGISTRATION_REVOCATION = "callee.registration_revocation"


class Dealer(Answers):
    """The registrations and the calls in progress of one realm.

    ``pending_limit`` bounds the calls in progress of each caller and of each callee; over it a CALL is refused
    with ``wamp.error.unavailable``, and so is one that would be more than ``queue_limit`` waiting for the same
    procedure. ``draw`` chooses a callee for the policy ``random``. ``own`` holds WAMP's own procedures, which have no
    callee. ``tell`` turns news into deliveries, and ``now`` tells the time, in seconds since 1970.
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
    ) -> None:
        super().__init__(Calls(pending_limit, queue_limit, draw, trustlevels))
        self._registrations = Registrations(now)
        self._index = self._registrations.index
        self._tell = tell
        self.own: dict[str, Procedure] = {}

    def register(
        self,
        member: Member,
        procedure: str,
        match: Match = Match.EXACT,
        invoke: str = Invoke.SINGLE,
        wishes: Wishes = NO_WISHES,
        force: bool = False,
    ) -> tuple[Registration, list[Delivery]]:
        """Make ``member`` a callee. The deliveries are to be made after the REGISTERED.

        ``force``: all who have the procedure lose it to ``member`` (REGISTER.Options.force_reregister, as in
        Crossbar.io); calls that they work on stay with them, calls that wait are handed to ``member``.

        RequestError INVALID_URI for a procedure reserved for WAMP itself; INVALID_ARGUMENT for an unknown policy;
        PROCEDURE_ALREADY_EXISTS when somebody has it for itself or under another policy, or ``member`` has it; with
        ``force`` when the router's own process has it.
        """
        if is_reserved(procedure):
            raise RequestError(names.INVALID_URI, "procedures beginning with wamp. are reserved")
        policy = choice({"invoke": invoke}, "invoke", Invoke.SINGLE)
        former = self._index.get(procedure, match) if force else None
        if former is None:
            registration = self._registrations.join(member, procedure, match, policy, wishes)
            return registration, self._tell(registered(member, registration)) + self._calls.serve(registration)
        if any(callee.inside for callee in former.callees):
            raise RequestError(names.PROCEDURE_ALREADY_EXISTS, "the router itself has the procedure: choose another")
        waiting = self._calls.not_begun(former)
        deliveries: list[Delivery] = []
        for callee in tuple(former.callees):
            deliveries += self.revoke(callee, former.id, names.UNREGISTERED)
        registration = self._registrations.join(member, procedure, match, policy, wishes)
        former.taken_over_by(registration)
        deliveries += self._tell(registered(member, registration))
        return registration, deliveries + self._calls.go_to(registration, waiting)

    def unregister(self, member: Member, registration_id: int) -> list[Delivery]:
        """End a registration of ``member``: what others are to be told. The calls it works on go on.

        RequestError NO_SUCH_REGISTRATION, also when it is somebody else's.
        """
        registration = member.registrations.pop(registration_id, None)
        if registration is None:
            raise RequestError(names.NO_SUCH_REGISTRATION, f"this session has no registration {registration_id}")
        self._registrations.part(member, registration)
        return self._tell(unregistered(member, registration)) + self._calls.serve(registration)

    def revoke(self, member: Member, registration_id: int, reason: str | None = None) -> list[Delivery]:
        """Take a registration away from ``member``, who is told if it can understand that (WAMP, "Registration
        Revocation"). RequestError NO_SUCH_REGISTRATION as for ``unregister``."""
        deliveries = self.unregister(member, registration_id)
        if REGISTRATION_REVOCATION not in member.features:
            return deliveries
        details: dict[str, Any] = {"registration": registration_id}
        if reason is not None:
            details["reason"] = reason
        return [Delivery((member,), Unregistered(0, details)), *deliveries]

    def has(self, member: Member, procedure: str, match: Match = Match.EXACT) -> bool:
        """Whether ``member`` has registered this very procedure or pattern."""
        registration = self._index.get(procedure, match)
        return registration is not None and registration.id in member.registrations

    def lookup(self, procedure: str, match: Match = Match.EXACT) -> Registration | None:
        """The registration of this very procedure or pattern, None when nobody has it."""
        return self._index.get(procedure, match)

    def find(self, registration_id: int) -> Registration | None:
        """The registration with this id, whoever has it."""
        return self._registrations.find(registration_id)

    def __iter__(self) -> Iterator[Registration]:
        """Every registration that somebody has."""
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
        told: Mapping[str, Any] | None = None,
    ) -> list[Delivery]:
        """Hand a CALL to a callee; ``disclose``: tell it who calls (WAMP, "Caller Identification").

        ``told`` is what else the INVOCATION's details hold; where it names a caller, it is that one that is disclosed.
        A CALL under the id of a stream goes on with that (WAMP, "Progressive Call Invocations"); nothing comes of one
        that is late.

        ProtocolViolation when ``caller`` uses a request id that is still in progress, or an option that it has not
        announced. RequestError NO_SUCH_PROCEDURE; INVALID_ARGUMENT for an option of a wrong type;
        FEATURE_NOT_SUPPORTED for what the callee cannot take; UNAVAILABLE over a bound.
        """
        # First of all: an ERROR for this id would pass for the answer to the call that has it.
        stream = self._pending.check_request(caller, request)
        if stream is not None:
            return [] if stream is LATE else self._calls.go_on(stream, options, payload)
        registration = self._index.exact.get(procedure) or self.match(procedure)
        if registration is None:
            own = self.own.get(procedure)
            if own is not None:
                return own(caller, request, payload)
            raise RequestError(names.NO_SUCH_PROCEDURE, f"nobody has registered {procedure}")
        return self._calls.begin(caller, request, registration, procedure, options, payload, disclose, told)

    def is_stream(self, caller: Member, request: int) -> bool:
        """Whether ``caller`` sends, or has sent not long ago, the payload of a call under this id in several parts."""
        return self._pending.is_stream(caller, request)

    def timed(self, caller: Member, request: int) -> PendingCall | None:
        """The call that ``caller`` has just made under this id, if it has a time limit that is ours to keep, or may
        become so when another callee gets it: its particulars tell, and want a ``watch``."""
        pending = self._pending.called(caller, request)
        if pending is None or pending.particulars is None or not pending.particulars.timeout:
            return None
        return pending

    def leave(self, member: Member) -> list[Delivery]:
        """End all registrations and calls of ``member``: what others are to be told. Nothing names it afterwards.

        Who called it gets ERROR ``wamp.error.canceled``; who works for it is interrupted, if it can be.
        """
        left = list(member.registrations.values())
        member.registrations.clear()
        deliveries: list[Delivery] = []
        for registration in left:
            self._registrations.part(member, registration)
            deliveries += self._tell(unregistered(member, registration))
        deliveries = self._abandon(member) + deliveries
        for registration in left:
            deliveries += self._calls.serve(registration)
        return deliveries
