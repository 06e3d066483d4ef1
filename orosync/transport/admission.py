"""Places of a listener: how many connections may be inside, how many of them unauthenticated, and how many of those of
one address; how fast those of one address come in; and the few places that only the back end can take.

It must not know transports or what a connection is: it counts, says yes, "later" or no, and writes down each no.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from functools import partial

from twisted.internet.interfaces import IAddress, IReactorTime
from zope.interface import implementer

from orosync.headers.forwarding import address_group
from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts
from orosync.transport.connection_rates import ConnectionRates
from orosync.transport.settings import BackEndSign, ListenerSettings
from orosync.transport.turns import Turns

MOST_UNDECIDED = 64
"""Connections beyond all places of which the head of the request may still be read, since the back end may have sent
it. One more and the oldest has to go: the back end sends its request at once."""

LARGE_HEAD = 1024
"""Bytes of a request's head that each unauthenticated connection may hold; with cookies browsers send more."""

LARGE_HEADS = 8 << 20
"""Bytes beyond that which all of a listener may hold together. Where that is not enough the oldest has to go: a head is
sent at once, and whoever has sent it is known soon."""


class Answer(Enum):
    """What becomes of a connection. DELAYED: its ``proceed`` is called when it is its turn."""

    ADMITTED = "admitted"
    DELAYED = "delayed"
    REFUSED = "refused"


ADMITTED, DELAYED, REFUSED = Answer


class Limit(Enum):
    """Why there is no place: the reason code, and the key to raise."""

    CONNECTIONS = ("too_many", "max_connections")
    UNAUTHENTICATED = ("too_many_unauthenticated", "max_unauthenticated")
    ADDRESS = ("too_many_of_address", "unauthenticated_per_address")
    HEADS = ("too_many_large_heads", "header_limit")


class State(Enum):
    """Where a place is counted."""

    UNDECIDED = "undecided"
    UNAUTHENTICATED = "unauthenticated"
    AUTHENTICATED = "authenticated"
    LEFT = "left"


UNDECIDED, UNAUTHENTICATED, AUTHENTICATED, LEFT = State


@implementer(IAddress)
class Place:
    """One connection's, or one long-poll transport's. ``peer`` is who is connected, past a proxy that passes on TCP as
    it is: then ``proxy`` is the TCP peer, else "". ``unnamed``: such a proxy does not say whom the connection is for.
    For Twisted a place stands for the peer's address. ``withdraw`` ends a connection that has to go for others.
    """

    __slots__ = (
        "_turnstile",
        "group",
        "held",
        "limit",
        "paced",
        "peer",
        "proceed",
        "proxy",
        "state",
        "unnamed",
        "withdraw",
    )

    def __init__(self, turnstile: Turnstile, peer: str) -> None:
        self._turnstile = turnstile
        self.peer = peer
        self.proxy = ""
        self.unnamed = False
        self.state = UNAUTHENTICATED
        self.group: str | None = None
        self.limit = Limit.CONNECTIONS
        self.paced = False
        self.held = 0
        self.proceed = self.withdraw = _nothing

    @property
    def undecided(self) -> bool:
        """Beyond all places, until the head of its request has been read."""
        return self.state is UNDECIDED

    def comes_from(self, source: str, unnamed: bool) -> None:
        """A proxy has said whom the connection is for: ``source``, "" for itself or, with ``unnamed``, somebody."""
        if source:
            self.proxy, self.peer = self.peer, source
        self.unnamed = unnamed

    def located(self, address: str) -> Answer:
        """The client's address is known now, nothing of its request."""
        return self._turnstile.located(self, address, None)

    def requested(self, address: str, facts: ConnectionFacts | None) -> Answer:
        """The head of its request has been read, and tells the client's address. ``facts`` are None for a request that
        the back end never makes."""
        sign = self._turnstile.sign
        shown = partial(sign.is_shown_by, facts) if sign is not None and facts is not None else _never
        return self._turnstile.located(self, address, shown)

    def hold_head(self, size: int, withdraw: Callable[[], object]) -> None:
        """It holds a head of ``size`` bytes, until it is authenticated or leaves; ``withdraw`` ends the connection when
        others need the room."""
        self._turnstile.hold(self, size, withdraw)

    def is_wanted(self) -> bool:
        """Whether others may need its place soon: it is unauthenticated, as more than half of those places are."""
        return self.state is UNAUTHENTICATED and self._turnstile.crowded()

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink."""
        self._turnstile.move(self, AUTHENTICATED if authenticated else UNAUTHENTICATED)

    def leave(self) -> None:
        """The connection is gone; no matter how often."""
        self._turnstile.left(self)


class Turnstile:
    """All places of a listener. ``inside`` counts connections and open long-poll transports, ``unauthenticated`` those
    of them that are that; those that are undecided are counted in neither."""

    def __init__(self, settings: ListenerSettings, clock: IReactorTime, journal: IJournal) -> None:
        self.inside = 0
        self.unauthenticated = 0
        self.sign: BackEndSign | None = settings.back_end
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._addresses: dict[str, int] = {}
        self._rates = ConnectionRates(settings.connection_rate, settings.connection_burst)
        self._turns = Turns(clock, self._granted)
        self._undecided: OrderedDict[Place, None] = OrderedDict()
        self._heads: OrderedDict[Place, None] = OrderedDict()
        self._held = 0

    # -- coming

    def enter(self, peer: str) -> Place | None:
        """One more has come. None: there is no place, and the journal knows."""
        place, limit = Place(self, peer), self._full(0)
        if limit is None:
            self._count(place)
        elif self._may_be_back_end(peer):
            self._put_aside(place, limit)
        else:
            self._refuse(limit, peer)
            return None
        return place

    def located(self, place: Place, address: str, shown: Callable[[], bool] | None) -> Answer:
        """See Place; ``shown``: whether the request is one of the back end, None as long as that is not known."""
        if place.state is UNDECIDED:
            if shown is None:
                return ADMITTED
            if self._full(self._settings.backend_places if shown() else 0) is not None:
                self._refuse(place.limit, address)
                return REFUSED
            del self._undecided[place]
            place.state = UNAUTHENTICATED
            self._count(place)
        later = shown is None and self._may_be_back_end(place.peer)
        if place.group is None:
            group = address_group(address)
            if self.crowded() and self._addresses.get(group, 0) >= self._settings.unauthenticated_per_address:
                if later:
                    self._uncount(place)
                    self._put_aside(place, Limit.ADDRESS)
                    return ADMITTED
                if shown is None or not shown():
                    self._refuse(Limit.ADDRESS, address)
                    return REFUSED
            place.group = group
            if place.state is UNAUTHENTICATED:
                self._count_address(group, 1)
        if place.paced or later:
            return ADMITTED
        place.paced = True
        return self._pace(place, place.group, address, shown)

    def _pace(self, place: Place, group: str, address: str, shown: Callable[[], bool] | None) -> Answer:
        if group not in self._turns and self._granted(group):
            return ADMITTED
        if shown is not None and shown():
            return ADMITTED
        self._turns.add(group, place)
        name, rate = self._settings.name, self._settings.connection_rate
        self._journal.note(
            "connection.delayed", "rate", listener=name, address=address, limit=rate, key="connection_rate"
        )
        return DELAYED

    def _granted(self, group: str) -> bool:
        return self._rates.take(group, self._clock.seconds()) or not self.crowded()

    def _may_be_back_end(self, peer: str) -> bool:
        return self.sign is not None and self._settings.backend_places > 0 and self.sign.may_come_from(peer)

    def _put_aside(self, place: Place, limit: Limit) -> None:
        """``place`` is beyond ``limit``; its request will tell whether it is the back end's."""
        place.state, place.limit = UNDECIDED, limit
        self._undecided[place] = None
        if len(self._undecided) > MOST_UNDECIDED:
            oldest = next(iter(self._undecided))
            self._send_away(oldest, oldest.limit)

    def _send_away(self, place: Place, limit: Limit) -> None:
        """End a connection, so that others have its room."""
        withdraw = place.withdraw
        self._refuse(limit, place.peer)
        self.left(place)
        withdraw()

    # -- being here, and leaving

    def hold(self, place: Place, size: int, withdraw: Callable[[], object]) -> None:
        """See Place.hold_head."""
        if place.state is not UNAUTHENTICATED:
            return
        held = max(size - LARGE_HEAD, 0)
        self._held += held - place.held
        place.held = held
        if not held:
            self._heads.pop(place, None)
            return
        place.withdraw = withdraw
        self._heads[place] = None
        while self._held > LARGE_HEADS and (oldest := next(iter(self._heads))) is not place:
            self._send_away(oldest, Limit.HEADS)

    def move(self, place: Place, state: State) -> None:
        """``place`` is authenticated now, or no longer."""
        if place.state is state or (place.state is not UNAUTHENTICATED and place.state is not AUTHENTICATED):
            return
        if place.held:
            self._let_go(place)
        place.state = state
        more = 1 if state is UNAUTHENTICATED else -1
        self.unauthenticated += more
        if place.group is not None:
            self._count_address(place.group, more)

    def left(self, place: Place) -> None:
        """See Place.leave."""
        if place.state is LEFT:
            return
        if place.held:
            self._let_go(place)
        if place.state is UNDECIDED:
            del self._undecided[place]
        else:
            self._uncount(place)
        place.state = LEFT
        place.proceed = place.withdraw = _nothing
        if place.group is not None:
            self._turns.remove(place.group, place)

    def stop(self) -> None:
        """The listener is closed: whoever waits gets its turn, and its answer."""
        self._turns.stop()

    # -- counting

    def _let_go(self, place: Place) -> None:
        """Its head is no longer counted."""
        self._heads.pop(place, None)
        self._held -= place.held
        place.held = 0
        place.withdraw = _nothing

    def _count(self, place: Place) -> None:
        self.inside += 1
        if place.state is UNAUTHENTICATED:
            self.unauthenticated += 1
            if place.group is not None:
                self._count_address(place.group, 1)

    def _uncount(self, place: Place) -> None:
        self.inside -= 1
        if place.state is UNAUTHENTICATED:
            self.unauthenticated -= 1
            if place.group is not None:
                self._count_address(place.group, -1)

    def _count_address(self, group: str, more: int) -> None:
        """As many more unauthenticated places of ``group``."""
        count = self._addresses.get(group, 0) + more
        if count:
            self._addresses[group] = count
        else:
            del self._addresses[group]

    def _full(self, more: int) -> Limit | None:
        """What is used up, with ``more`` places than there are for everybody."""
        if self.inside >= self._settings.max_connections + more:
            return Limit.CONNECTIONS
        if self.unauthenticated >= self._settings.max_unauthenticated + more:
            return Limit.UNAUTHENTICATED
        return None

    def crowded(self) -> bool:
        """Whether more than half of the unauthenticated places are taken, the one that is looked at not counted."""
        return 2 * (self.unauthenticated - 1) > self._settings.max_unauthenticated

    def _refuse(self, limit: Limit, address: str) -> None:
        kind, key = limit.value
        name, most = self._settings.name, LARGE_HEADS if limit is Limit.HEADS else getattr(self._settings, key)
        self._journal.note("connection.refused", kind, listener=name, address=address, limit=most, key=key)


def _nothing() -> object:
    """Before a connection has said what shall be done."""
    return None


def _never() -> bool:
    return False
