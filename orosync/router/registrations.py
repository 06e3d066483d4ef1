"""Registrations: which callees stand behind a procedure, and whose turn it is.

One Registration for each (procedure, match), whatever the number of callees (WAMP, "Shared Registration"). This
file must not know of calls in progress or of who may register.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.patterns import UriIndex
from orosync.wamp import names

if TYPE_CHECKING:
    from orosync.router.delivery import Member


class Invoke(StrEnum):
    """Which of several callees gets a call (WAMP, ``REGISTER.Options.invoke``)."""

    SINGLE = "single"
    FIRST = "first"
    LAST = "last"
    ROUNDROBIN = "roundrobin"
    RANDOM = "random"


Draw = Callable[[Sequence["Member"]], "Member"]


class Registration:
    """``callees`` in the order they registered; never empty while it is filed.

    ``curious`` are the session ids of the callees that asked to be told who calls.
    """

    __slots__ = ("_next", "callees", "curious", "id", "invoke", "match", "procedure")

    def __init__(self, id: int, procedure: str, match: Match, invoke: Invoke) -> None:
        self.id = id
        self.procedure = procedure
        self.match = match
        self.invoke = invoke
        self.callees: list[Member] = []
        self.curious: set[int] = set()
        self._next = 0

    def __repr__(self) -> str:
        return f"<Registration {self.id} {self.match.value} {self.procedure!r}, {len(self.callees)} callees>"

    def pick(self, draw: Draw) -> Member:
        """The callee that gets the next call; ``draw`` chooses one of several for the policy ``random``."""
        callees = self.callees
        if len(callees) == 1 or self.invoke is Invoke.FIRST:
            return callees[0]
        if self.invoke is Invoke.LAST:
            return callees[-1]
        if self.invoke is Invoke.RANDOM:
            return draw(callees)
        callee = callees[self._next]
        self._next = (self._next + 1) % len(callees)
        return callee

    def drop(self, member: Member) -> None:
        """Take a callee off; the others keep their order and their turn."""
        position = self.callees.index(member)
        del self.callees[position]
        self.curious.discard(member.session)
        if position < self._next:
            self._next -= 1
        if self._next >= len(self.callees):
            self._next = 0


class Registrations:
    """All registrations of one realm, filed by procedure. Ids are small integers, never used twice."""

    __slots__ = ("_draw", "_last", "index")

    def __init__(self, draw: Draw = random.choice) -> None:
        self.index: UriIndex[Registration] = UriIndex()
        self._last = 0
        self._draw = draw

    def join(
        self, member: Member, procedure: str, match: Match, invoke: Invoke, disclose_caller: bool = False
    ) -> Registration:
        """Register ``member``.

        RequestError PROCEDURE_ALREADY_EXISTS when somebody has the procedure for itself or with another policy,
        or ``member`` already has it.
        """
        registration = self.index.get(procedure, match)
        if registration is None:
            self._last += 1
            registration = Registration(self._last, procedure, match, invoke)
            self.index.add(procedure, match, registration)
        elif registration.invoke is not invoke or invoke is Invoke.SINGLE or registration.id in member.registrations:
            raise RequestError(names.PROCEDURE_ALREADY_EXISTS, _taken(registration, invoke))
        registration.callees.append(member)
        if disclose_caller:
            registration.curious.add(member.session)
        member.registrations[registration.id] = registration
        return registration

    def part(self, member: Member, registration: Registration) -> None:
        """Take a registered ``member`` off; the registration goes with its last callee.

        ``member.registrations`` is left for the caller to correct: who leaves forgets all of them at once.
        """
        registration.drop(member)
        if not registration.callees:
            self.index.remove(registration.procedure, registration.match)

    def pick(self, registration: Registration) -> Member:
        """The callee that gets the next call."""
        return registration.pick(self._draw)


def _taken(registration: Registration, invoke: Invoke) -> str:
    if registration.invoke is not invoke:
        return f"the procedure is registered with invoke = {registration.invoke.value}"
    if invoke is Invoke.SINGLE:
        return "the procedure is registered already"
    return "this session has registered the procedure already"
