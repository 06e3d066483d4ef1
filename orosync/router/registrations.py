"""Registrations: the callees of a procedure, which of them gets the next call, and how many calls each takes at once.

One Registration for each (procedure, match), whatever the number of callees (WAMP, "Shared Registration"). Callees may
limit their calls (``REGISTER.Options.concurrency``); calls wait here until a callee has a free slot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.patterns import UriIndex
from orosync.wamp import uris
from orosync.wamp.ids import free_id

Waiting = TypeVar("Waiting")

_NO_SESSIONS: frozenset[int] = frozenset()


class Invoke(StrEnum):
    """Which of several callees gets a call (WAMP, ``REGISTER.Options.invoke``)."""

    SINGLE = "single"
    FIRST = "first"
    LAST = "last"
    ROUNDROBIN = "roundrobin"
    RANDOM = "random"


class RegisterOptions(NamedTuple):
    """What a callee asks for besides its procedure (WAMP, ``REGISTER.Options``).

    ``disclose_caller``: INVOCATIONs name the caller. ``forward_timeout``: the callee enforces time limits itself.
    ``concurrency``: how many calls it takes at once (None: any number).
    """

    disclose_caller: bool = False
    forward_timeout: bool = False
    concurrency: int | None = None


DEFAULT_OPTIONS = RegisterOptions()

Draw = Callable[[Sequence[Member]], Member]
"""Chooses one of several callees, for the policy ``random``."""


class Slots:
    """The slots of one callee in one registration: it takes ``limit`` calls at once and works on ``taken``."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0


class Capacity(Generic[Waiting]):
    """The slots of all callees of one registration, and the calls ``waiting`` for one, in the order in which they came.
    ``relayed`` of them wait for one certain callee: they are of other nodes.

    A callee without a limit is always free. A call keeps the ``Slots`` that it took one of, and gives it back there: a
    callee that unregisters and registers again has new slots, and the answers to its earlier calls free none of them.
    """

    __slots__ = ("_slots", "relayed", "waiting")

    def __init__(self) -> None:
        self._slots: dict[int, Slots] = {}
        self.waiting: deque[Waiting] = deque()
        self.relayed = 0

    def limit(self, session: int, limit: int) -> None:
        """The callee with this session id takes ``limit`` calls at once, from now on."""
        self._slots[session] = Slots(limit)

    def is_free(self, session: int) -> bool:
        """Whether the callee takes one more call."""
        slots = self._slots.get(session)
        return slots is None or slots.taken < slots.limit

    def take(self, session: int) -> Slots | None:
        """Take a slot of the callee: returns the Slots that it belongs to, None for a callee without a limit."""
        slots = self._slots.get(session)
        if slots is not None:
            slots.taken += 1
        return slots

    def forget(self, session: int) -> None:
        """Remove the slots of a callee that is none any more."""
        self._slots.pop(session, None)


class Succession:
    """Shared by a registration and those that took it over (``force_reregister``): ``current`` is the last of them.
    Only calls in progress refer to the others."""

    __slots__ = ("current",)
    current: Registration


class Registration:
    """``callees`` in the order they registered; never empty while it is filed.

    ``wants_caller`` are the session ids of the callees that asked to have the caller disclosed, ``forwards_timeout`` of
    those that enforce time limits themselves. ``capacity`` is None while no callee has a limit. ``created``: when, in
    seconds since 1970.
    """

    __slots__ = (
        "_next",
        "callees",
        "capacity",
        "created",
        "forwards_timeout",
        "id",
        "invoke",
        "match",
        "procedure",
        "succession",
        "wants_caller",
    )  # fmt: skip

    def __init__(self, id: int, procedure: str, match: Match, invoke: Invoke, created: float = 0.0) -> None:
        self.id = id
        self.created = created
        self.procedure = procedure
        self.match = match
        self.invoke = invoke
        self.callees: list[Member] = []
        self.wants_caller: set[int] = set()
        self.forwards_timeout: frozenset[int] = _NO_SESSIONS
        self.capacity: Capacity[Any] | None = None
        self.succession: Succession | None = None
        self._next = 0

    def __repr__(self) -> str:
        return f"<Registration {self.id} {self.match.value} {self.procedure!r}, {len(self.callees)} callees>"

    def pick(self, draw: Draw) -> Member:
        """The callee that gets the next call; ``draw`` chooses one of several for the policy ``random``."""
        callees = self.callees  # WAMP, "Shared Registration"
        if len(callees) == 1 or self.invoke is Invoke.FIRST:
            return callees[0]
        if self.invoke is Invoke.LAST:
            return callees[-1]
        if self.invoke is Invoke.RANDOM:
            return draw(callees)
        callee = callees[self._next]
        self._next = (self._next + 1) % len(callees)
        return callee

    def pick_free(self, draw: Draw) -> Member | None:
        """As ``pick``, among the callees with a free slot; None when there is none."""
        if self.capacity is None:
            return self.pick(draw)
        free = [callee for callee in self.callees if self.is_free(callee)]
        if not free:
            return None
        if self.invoke is Invoke.LAST:
            return free[-1]
        if self.invoke is Invoke.RANDOM:
            return draw(free)
        if self.invoke is not Invoke.ROUNDROBIN:
            return free[0]
        callees = self.callees
        count = len(callees)
        turn = next(place % count for place in range(self._next, self._next + count) if callees[place % count] in free)
        self._next = (turn + 1) % count
        return callees[turn]

    def is_free(self, callee: Member) -> bool:
        """Whether ``callee`` takes one more call."""
        return self.capacity is None or self.capacity.is_free(callee.session)

    def current(self) -> Registration:
        """This registration, or the one that has taken the procedure over since."""
        return self if self.succession is None else self.succession.current

    def taken_over_by(self, successor: Registration) -> None:
        """``successor`` has the procedure now."""
        if self.succession is None:
            self.succession = Succession()
        successor.succession = self.succession
        self.succession.current = successor

    def successor(self, tried: Sequence[Member], draw: Draw) -> Member | None:
        """The callee for a call that the last of ``tried`` was not available for (WAMP, "Call Re-Routing"); None: no
        callee is left."""
        left = [callee for callee in self.callees if callee not in tried and self.is_free(callee)]
        if not left:
            return None
        if self.invoke is Invoke.RANDOM:
            return draw(left)
        if self.invoke is Invoke.LAST:
            return left[-1]
        if self.invoke is Invoke.FIRST:
            return left[0]
        # The next one after the callee that was tried last, all the way round.
        callees, last = self.callees, tried[-1]
        start = callees.index(last) + 1 if last in callees else self._next
        return next(each for each in (*callees[start:], *callees[:start]) if each in left)

    def apply(self, member: Member, options: RegisterOptions) -> None:
        """Apply the options of ``member``, a callee."""
        if options.disclose_caller:
            self.wants_caller.add(member.session)
        if options.forward_timeout:
            self.forwards_timeout = self.forwards_timeout | {member.session}
        if options.concurrency is not None:
            if self.capacity is None:
                self.capacity = Capacity()
            self.capacity.limit(member.session, options.concurrency)

    def drop(self, member: Member) -> None:
        """Remove a callee; the others keep their order and their turn."""
        position = self.callees.index(member)
        del self.callees[position]
        self.wants_caller.discard(member.session)
        if self.capacity is not None:
            self.capacity.forget(member.session)
        if member.session in self.forwards_timeout:
            self.forwards_timeout = self.forwards_timeout - {member.session}
        if position < self._next:
            self._next -= 1
        if self._next >= len(self.callees):
            self._next = 0


class RegistrationObserver(Protocol):
    """Is told who becomes a callee, and who is one no more. It must not raise."""

    def registering(self, callee: Member, procedure: str, match: Match) -> None:
        """It is about to: nothing has been decided."""

    def registered(self, callee: Member, registration: Registration, options: RegisterOptions, forced: bool) -> None:
        """``forced``: it takes the procedure over from all others."""

    def unregistered(self, callee: Member, registration: Registration) -> None:
        """The calls that it works on go on."""

    def left(self, member: Member) -> None:
        """A member has left, with all its registrations and calls."""


class Registrations:
    """All registrations of one realm, filed by procedure and by id. Ids are small integers, never used twice, unless
    ``ids`` gives them."""

    __slots__ = ("_by_id", "_last", "_now", "ids", "index")

    def __init__(self, now: Callable[[], float] = float) -> None:
        """``now`` tells the time, in seconds since 1970."""
        self._now = now
        self.index: UriIndex[Registration] = UriIndex()
        self._by_id: dict[int, Registration] = {}
        self._last = 0
        self.ids: Callable[[str, Match], int] = self._counted

    def _counted(self, procedure: str, match: Match) -> int:
        self._last += 1
        return self._last

    def __iter__(self) -> Iterator[Registration]:
        for match in Match:
            yield from self.index.entries(match)

    def find(self, number: int) -> Registration | None:
        """The registration with this id."""
        return self._by_id.get(number)

    def join(
        self, member: Member, procedure: str, match: Match, invoke: Invoke, options: RegisterOptions = DEFAULT_OPTIONS
    ) -> Registration:
        """Register ``member``.

        RequestError PROCEDURE_ALREADY_EXISTS when the procedure is registered for a single callee, with another
        policy, or by ``member``.
        """
        registration = self.index.get(procedure, match)
        if registration is None:
            number = free_id(self.ids(procedure, match), self._by_id)
            registration = Registration(number, procedure, match, invoke, self._now())
            self.index.add(procedure, match, registration)
            self._by_id[registration.id] = registration
        elif registration.invoke is not invoke or invoke is Invoke.SINGLE or registration.id in member.registrations:
            raise RequestError(uris.PROCEDURE_ALREADY_EXISTS, _taken(registration, invoke))
        registration.callees.append(member)
        if options is not DEFAULT_OPTIONS:
            registration.apply(member, options)
        member.registrations[registration.id] = registration
        return registration

    def part(self, member: Member, registration: Registration) -> None:
        """Remove ``member`` from its registration, which is dropped with its last callee.

        ``member.registrations`` is left to the caller: a member that leaves clears all of them at once.
        """
        registration.drop(member)
        if not registration.callees:
            self.index.remove(registration.procedure, registration.match)
            del self._by_id[registration.id]


def _taken(registration: Registration, invoke: Invoke) -> str:
    if registration.invoke is not invoke:
        return f"the procedure is registered with invoke = {registration.invoke.value}"
    if invoke is Invoke.SINGLE:
        return "the procedure is registered already"
    return "this session has registered the procedure already"
