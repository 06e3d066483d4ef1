"""Admission: which connections of a listener get a place before their client is known.

``ConnectionLimit`` counts the places of a listener: all connections, those that are not authenticated, and of these how
many one address has. Connections of an address that exceed its rate (``ConnectionRates``) are delayed, in order
(``delayed_connections``). A few places are kept for the back end, which is recognised by its request: until that has
been read, a connection beyond all places may be undecided. Each refusal is logged with its reason code. Where admission
stands between accept and handshake is told in ``listener``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from functools import partial

from twisted.internet.interfaces import IAddress, IReactorTime
from zope.interface import implementer

from orosync.headers import address_group
from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts
from orosync.transport.delayed_connections import DelayedConnections
from orosync.transport.settings import BackEndSign, ListenerSettings

MOST_ADDRESSES = 50_000
"""Groups of addresses whose rate is kept at once."""

MOST_UNDECIDED = 64
"""Connections beyond all places of which the head of the request may still be read, since the back end may have sent
it. With one more the oldest is refused: the back end sends its request at once."""

LARGE_HEAD = 1024
"""Bytes of a request's head that each unauthenticated connection may hold; with cookies browsers send more."""

LARGE_HEADS = 8 << 20
"""Bytes beyond that which all connections of a listener may hold together. Where that is not enough the oldest is
refused: a head is sent at once, and its client is authenticated soon."""


class PlaceAnswer(Enum):
    """Whether a connection may go on. DELAYED: later, then its ``proceed`` is called."""

    ADMITTED = "admitted"
    DELAYED = "delayed"
    REFUSED = "refused"


ADMITTED, DELAYED, REFUSED = PlaceAnswer


class Limit(Enum):
    """Why there is no place: the reason code, and the configuration key to raise."""

    CONNECTIONS = ("too_many", "max_connections")
    UNAUTHENTICATED = ("too_many_unauthenticated", "max_unauthenticated")
    ADDRESS = ("too_many_of_address", "unauthenticated_per_address")
    HEADS = ("too_many_large_heads", "header_limit")


class State(Enum):
    """How a place is counted. UNDECIDED: not at all, until the head of its request has been read."""

    UNDECIDED = "undecided"
    UNAUTHENTICATED = "unauthenticated"
    AUTHENTICATED = "authenticated"
    LEFT = "left"


UNDECIDED, UNAUTHENTICATED, AUTHENTICATED, LEFT = State


@implementer(IAddress)
class Place:
    """The place of one connection, or of one long-poll transport.

    ``peer`` is the address of the TCP peer, or of the client that a TCP proxy names: then ``proxy`` is the TCP peer,
    else "". ``unnamed``: the TCP proxy does not name its client. ``proceed`` continues a delayed connection,
    ``withdraw`` ends one whose room others need. Twisted gets the place where it expects the peer's address.
    """

    __slots__ = (
        "_connection_limit",
        "group",
        "held",
        "limit",
        "peer",
        "proceed",
        "proxy",
        "rate_checked",
        "state",
        "unnamed",
        "withdraw",
    )

    def __init__(self, connection_limit: ConnectionLimit, peer: str) -> None:
        self._connection_limit = connection_limit
        self.peer = peer
        self.proxy = ""
        self.unnamed = False
        self.state = UNAUTHENTICATED
        self.group: str | None = None
        self.limit = Limit.CONNECTIONS
        self.rate_checked = False
        self.held = 0
        self.proceed = self.withdraw = _nothing

    @property
    def undecided(self) -> bool:
        """Beyond all places; the head of its request will tell whether it is one of the back end."""
        return self.state is UNDECIDED

    def set_source(self, source: str, unnamed: bool) -> None:
        """A TCP proxy has named its client: ``source``, or "" for the proxy itself and, with ``unnamed``, for any."""
        if source:
            self.proxy, self.peer = self.peer, source
        self.unnamed = unnamed

    def admit_address(self, address: str) -> PlaceAnswer:
        """The client's address is known, and nothing of its request."""
        return self._connection_limit.admit(self, address, None)

    def admit_request(self, address: str, facts: ConnectionFacts | None) -> PlaceAnswer:
        """The head of the request has been read, and tells the client's address. ``facts`` are None for a request that
        the back end never makes."""
        sign = self._connection_limit.sign
        shown = partial(sign.is_shown_by, facts) if sign is not None and facts is not None else _never
        return self._connection_limit.admit(self, address, shown)

    def hold_head(self, size: int, withdraw: Callable[[], object]) -> None:
        """The connection holds a head of ``size`` bytes, until it is authenticated or ends; ``withdraw`` ends it when
        others need the room."""
        self._connection_limit.hold(self, size, withdraw)

    def is_wanted(self) -> bool:
        """Whether others may need its place soon: it is unauthenticated, as more than half of those places are."""
        return self.state is UNAUTHENTICATED and self._connection_limit.crowded()

    def set_authenticated(self, authenticated: bool) -> None:
        """See ILink."""
        self._connection_limit.move(self, AUTHENTICATED if authenticated else UNAUTHENTICATED)

    def release(self) -> None:
        """The connection is gone. Calling it again changes nothing."""
        self._connection_limit.release(self)


class ConnectionLimit:
    """All places of a listener. ``inside`` counts connections and open long-poll transports, ``unauthenticated`` those
    of them that are not authenticated; undecided ones are counted in neither."""

    def __init__(self, settings: ListenerSettings, clock: IReactorTime, journal: IJournal) -> None:
        self.inside = 0
        self.unauthenticated = 0
        self.sign: BackEndSign | None = settings.back_end
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._addresses: dict[str, int] = {}
        self._rates = ConnectionRates(settings.connection_rate, settings.connection_burst)
        self._delayed = DelayedConnections(clock, self._may_proceed)
        self._undecided: OrderedDict[Place, None] = OrderedDict()
        self._heads: OrderedDict[Place, None] = OrderedDict()
        self._held = 0

    # -- admitting

    def acquire(self, peer: str) -> Place | None:
        """A place for a new connection. None: there is none, which has been logged."""
        place, limit = Place(self, peer), self._exhausted(0)
        if limit is None:
            self._count(place)
        elif self._may_be_back_end(peer):
            self._set_undecided(place, limit)
        else:
            self._log_refusal(limit, peer)
            return None
        return place

    def admit(self, place: Place, address: str, shown: Callable[[], bool] | None) -> PlaceAnswer:
        """See Place. ``shown`` tells whether the request is one of the back end; None before it has been read."""
        if place.state is UNDECIDED:
            if shown is None:
                return ADMITTED
            if self._exhausted(self._settings.backend_places if shown() else 0) is not None:
                self._log_refusal(place.limit, address)
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
                    self._set_undecided(place, Limit.ADDRESS)
                    return ADMITTED
                if shown is None or not shown():
                    self._log_refusal(Limit.ADDRESS, address)
                    return REFUSED
            place.group = group
            if place.state is UNAUTHENTICATED:
                self._count_address(group, 1)
        if place.rate_checked or later:
            return ADMITTED
        place.rate_checked = True
        return self._check_rate(place, place.group, address, shown)

    def _check_rate(self, place: Place, group: str, address: str, shown: Callable[[], bool] | None) -> PlaceAnswer:
        if group not in self._delayed and self._may_proceed(group):
            return ADMITTED
        if shown is not None and shown():
            return ADMITTED
        self._delayed.add(group, place)
        name, rate = self._settings.name, self._settings.connection_rate
        self._journal.note(
            "connection.delayed", "rate", listener=name, address=address, limit=rate, key="connection_rate"
        )
        return DELAYED

    def _may_proceed(self, group: str) -> bool:
        return self._rates.take(group, self._clock.seconds()) or not self.crowded()

    def _may_be_back_end(self, peer: str) -> bool:
        return self.sign is not None and self._settings.backend_places > 0 and self.sign.may_come_from(peer)

    def _set_undecided(self, place: Place, limit: Limit) -> None:
        """``place`` is beyond ``limit``; its request will tell whether it is one of the back end."""
        place.state, place.limit = UNDECIDED, limit
        self._undecided[place] = None
        if len(self._undecided) > MOST_UNDECIDED:
            oldest = next(iter(self._undecided))
            self._evict(oldest, oldest.limit)

    def _evict(self, place: Place, limit: Limit) -> None:
        """End a connection to make room for others."""
        withdraw = place.withdraw
        self._log_refusal(limit, place.peer)
        self.release(place)
        withdraw()

    # -- admitted, and released

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
            self._evict(oldest, Limit.HEADS)

    def move(self, place: Place, state: State) -> None:
        """``place`` is authenticated now, or no longer."""
        if place.state is state or (place.state is not UNAUTHENTICATED and place.state is not AUTHENTICATED):
            return
        if place.held:
            self._release_head(place)
        place.state = state
        more = 1 if state is UNAUTHENTICATED else -1
        self.unauthenticated += more
        if place.group is not None:
            self._count_address(place.group, more)

    def release(self, place: Place) -> None:
        """See Place.release."""
        if place.state is LEFT:
            return
        if place.held:
            self._release_head(place)
        if place.state is UNDECIDED:
            del self._undecided[place]
        else:
            self._uncount(place)
        place.state = LEFT
        place.proceed = place.withdraw = _nothing
        if place.group is not None:
            self._delayed.remove(place.group, place)

    def stop(self) -> None:
        """The listener is closed: delayed connections proceed, and get their answer."""
        self._delayed.stop()

    # -- counting

    def _release_head(self, place: Place) -> None:
        """The head that ``place`` holds is no longer counted."""
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
        """``more`` unauthenticated places of ``group``; it may be negative."""
        count = self._addresses.get(group, 0) + more
        if count:
            self._addresses[group] = count
        else:
            del self._addresses[group]

    def _exhausted(self, more: int) -> Limit | None:
        """The limit that is used up, if all clients had ``more`` places than are configured."""
        if self.inside >= self._settings.max_connections + more:
            return Limit.CONNECTIONS
        if self.unauthenticated >= self._settings.max_unauthenticated + more:
            return Limit.UNAUTHENTICATED
        return None

    def crowded(self) -> bool:
        """Whether more than half of the unauthenticated places are taken, without the one being decided on."""
        return 2 * (self.unauthenticated - 1) > self._settings.max_unauthenticated

    def _log_refusal(self, limit: Limit, address: str) -> None:
        kind, key = limit.value
        name, most = self._settings.name, LARGE_HEADS if limit is Limit.HEADS else getattr(self._settings, key)
        self._journal.note("connection.refused", kind, listener=name, address=address, limit=most, key=key)


class ConnectionRates:
    """A token bucket for each group of addresses (``headers.address_group``): ``burst`` connections at once, then
    ``rate`` a second. A bucket that has filled up again is forgotten. Past ``limit`` groups the one that has been idle
    for longest is forgotten too.
    """

    def __init__(self, rate: float, burst: int, limit: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # group: tokens left, at

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, group: str, now: float) -> bool:
        """One more connection of ``group``, at ``now`` (monotonic, in seconds): False where that is over its rate."""
        buckets = self._buckets
        self.forget(now)
        tokens, at = buckets.get(group, (self._burst, now))
        tokens = min(self._burst, tokens + max(now - at, 0.0) * self._rate)
        # A tick of the timer need not be exact: what lacks only rounding is a whole token.
        taken = tokens > 1.0 - 1e-6
        buckets[group] = (max(tokens - 1.0, 0.0) if taken else tokens, now)
        buckets.move_to_end(group)
        if len(buckets) > self._limit:
            buckets.popitem(last=False)
        return taken

    def forget(self, now: float) -> None:
        """Drop the buckets that have filled up again; they come first, in the order of their last connections."""
        buckets, full = self._buckets, now - self._burst / self._rate
        while buckets:
            group, (_, at) = next(iter(buckets.items()))
            if at > full:
                break
            del buckets[group]


def _nothing() -> object:
    """``proceed`` and ``withdraw`` before a connection has set them."""
    return None


def _never() -> bool:
    return False
