"""Verification of tickets, and the publisher right: which connections may use a ticket of the back end.

A ticket of the back end proves that the client holds the application's secret, or that the application gave the ticket
away: it does so to every visitor without a user who asks its ticket route. So the ticket alone is not enough. A
listener grants the right outright (PHP's own, on loopback), or, on a port that browsers share, the connection must come
from where PHP runs and look like PHP's: no proxy in between, no cookie, and the Origin that PHP sends.

Of a ticket the cheap checks come first, then the look-up and the digest. An unknown user, a disabled one and a changed
password take the same path, so that response times do not tell them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from ipaddress import ip_network

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import ConfigError, Refused, Unavailable
from orosync.headers import UNIX, Network, address_group, within
from orosync.identity.cache import TTLCache
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.signatures import Signatures
from orosync.identity.ticket import LONGEST_TICKET, ReplayCache, Ticket, check_age, last_value, parse
from orosync.identity.user_credentials import disabled, found, password_fingerprint
from orosync.interfaces import IDirectory, IJournal
from orosync.model import ConnectionFacts, Principal, User

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ORIGIN = "127.0.0.1"
"""The Origin that Oro's PHP sends, whatever host it connects to, in every version since 4.1 (SyncBundle,
``Client/Wamp/Factory/WampClientFactory.php``)."""

METHOD = "ticket"
BACK_END = "backend"
REMEMBERED_REFUSALS = 10_000
REFUSED_FOR = 10.0
"""Seconds for which a refusal is remembered."""

OWN_LANE = "own"
"""The lane in the hasher's queue of tickets that orosync itself asked for; others have their address group's."""


class PublisherRight:
    """The right to publish, by listener: ``granted`` names the listeners that grant it outright, ``publisher_from`` has
    networks, to which a granting listener is limited and from which other listeners grant it too.

    A listener in neither grants it to no connection. On ``programs``, listeners without WAMP v1 and so without Oro's
    PHP, a back end may have no Origin. ConfigError for a network that is none ("127.0.0.1", "10.0.0.0/8", "::1" are).
    """

    def __init__(
        self,
        granted: Collection[str] = (),
        publisher_from: Mapping[str, Iterable[str | Network]] | None = None,
        programs: Collection[str] = (),
    ) -> None:
        self._granted = frozenset(granted)
        self._programs = frozenset(programs)
        self._remote = True
        self._networks: dict[str, tuple[Network, ...]] = {}
        faults: list[str] = []
        for listener, networks in (publisher_from or {}).items():
            parsed: list[Network] = []
            for network in networks:
                try:
                    parsed.append(ip_network(network))
                except ValueError as error:
                    faults.append(f"[listen:{listener}] publisher_from: {error}")
            self._networks[listener] = tuple(parsed)
        if faults:
            raise ConfigError(faults)

    def may_come_from(self, listener: str, peer: str) -> bool:
        """Whether a connection of ``peer`` to ``listener`` could have the right; asked before anything is read."""
        networks = self._networks.get(listener, ())
        return within(peer, networks) if networks else listener in self._granted

    def on_this_machine(self) -> PublisherRight:
        """The same right, from this machine only: for a secret that is publicly known.

        That is loopback and UNIX sockets without a forwarding header. Only programs of this machine reach a UNIX
        socket, and its mode says which; a proxy in front of it shows by its headers, as on loopback.
        """
        narrowed = copy(self)
        narrowed._remote = False
        return narrowed

    def objection(self, facts: ConnectionFacts) -> str | None:
        """Why this connection may not publish, for the log; None if it may."""
        if not self._remote and (facts.forwarded or not (facts.source == UNIX or within(facts.source, LOOPBACK))):
            return "the secret is the one that Oro is published with, so the back end may come from this machine alone"
        networks = self._networks.get(facts.listener, ())
        granted = facts.listener in self._granted
        if not granted and not networks:
            return f"listener {facts.listener} grants no right to publish"
        if networks and not within(facts.source, networks):
            return f"peer {facts.source} is not in publisher_from of listener {facts.listener}"
        if granted:
            return None
        if facts.forwarded:
            return "it came through a proxy (it has a forwarding header)"
        if facts.cookies or "cookie" in facts.headers:
            return "it has a cookie, as browsers do"
        # Without HTTP (RawSocket) there is no Origin, and no browser.
        without = facts.origin is None and (facts.listener in self._programs or not (facts.host or facts.headers))
        if facts.origin != ORIGIN and not without:
            return f"its Origin is not the {ORIGIN} that Oro's PHP sends"
        return None


class ListenerBackEnd:
    """Recognizes the back end's connections to ``listener``, for which places are reserved, before its ticket is
    verified. ``alone``: the listener is the back end's only."""

    def __init__(self, right: PublisherRight, listener: str, alone: bool) -> None:
        self._right = right
        self._listener = listener
        self._alone = alone

    def may_come_from(self, peer: str) -> bool:
        """See BackEndSign."""
        return self._right.may_come_from(self._listener, peer)

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        """See BackEndSign: it may publish, and brings a ticket without a user or comes to the back end's listener."""
        if self._right.objection(facts) is not None:
            return False
        return self._alone or _has_back_end_ticket(facts.query)


def _has_back_end_ticket(query: str) -> bool:
    try:
        value = last_value(query, "ticket")
        return value is not None and parse(value.decode("ascii").replace(" ", "+")).is_back_end
    except (ValueError, Refused):
        return False


@frozen(kw_only=True)
class TicketSettings:
    """What an authenticator by ticket and its TicketVerifier work with, and the rules for its tickets.

    ``now`` tells the time of day, in seconds since 1970, which decides how old a ticket is: at most ``ttl`` seconds,
    and at most ``future`` ahead of it. A ticket has ``ticket_limit`` bytes at most. Users become ``role``; a ticket
    without a user becomes ``publisher_role`` where ``publisher_right`` allows it. ``accept_disabled`` admits disabled
    users, as Oro's own server does. Users without a password hash are admitted with ``accept_without_password`` only,
    those whose hash is among the ``shared`` ones never. With ``used``, which remembers them, a user's ticket is good
    for one connection, the back end's for its address (a group of ``headers.address_group``).
    """

    name: str
    directory: IDirectory
    journal: IJournal
    clock: IReactorTime
    now: Now
    publisher_right: PublisherRight
    role: str
    publisher_role: str
    ttl: float
    future: float
    ticket_limit: int = LONGEST_TICKET
    accept_disabled: bool = False
    accept_without_password: bool = False
    shared: SharedPasswords | None = None
    used: ReplayCache | None = None
    failures: FailureBuckets = field(factory=FailureBuckets)


class TicketVerifier:
    """Verifies tickets by ``settings``."""

    def __init__(self, settings: TicketSettings, signatures: Signatures) -> None:
        self._settings = settings
        self._signatures = signatures
        self._refused: TTLCache[tuple[str, str]] = TTLCache(REMEMBERED_REFUSALS)

    async def verify(self, facts: ConnectionFacts, text: str, authid: str | None) -> Principal:
        """The principal of the ticket ``text``; ``authid`` is the one in HELLO, None if there is none.

        Reason codes of Refused: malformed, expired, future, authid_mismatch, no_publish_right, unknown_user,
        bad_digest, disabled, no_password, shared_password, used; of Unavailable: too_many_failures, hash_queue_full,
        hasher_down, directory_down, backplane_down.
        """
        exempt, ticket = False, None
        try:
            ticket = parse(text, self._settings.ticket_limit)
            check_age(ticket, self._settings.now(), self._settings.ttl, self._settings.future)
            if authid is not None and authid not in _names(ticket):
                raise Refused("authid_mismatch", f"HELLO names {authid!r}, its ticket {ticket.username!r}")
            exempt = self._is_back_end(ticket, facts)
            group = address_group(facts.address)
            if not exempt:
                self._settings.failures.check(group, self._settings.clock.seconds(), "tickets")
            principal = await self._verified(ticket, group)
            if self._settings.used is not None:
                await self._settings.used.take(ticket, group, self._settings.ttl + self._settings.future)
        except Refused as refusal:
            raise self.failed(facts, _with_user(refusal, ticket), exempt) from None
        self._settings.journal.count("ticket", "accepted")
        return principal

    async def verify_own(self, text: str) -> Principal:
        """The user of a ticket that orosync itself asked the application for. Reason codes as of ``verify``. It never
        admits a back end, and a failure is counted against no address."""
        ticket = parse(text, self._settings.ticket_limit)
        check_age(ticket, self._settings.now(), self._settings.ttl, self._settings.future)
        if ticket.is_back_end:
            raise Refused("no_publish_right", "ticket of the back end: the application was asked for a user's")
        # It comes from the application itself: its name is true, even if other users have the same password or none.
        return await self._verified(ticket, OWN_LANE, own=True)

    async def _verified(self, ticket: Ticket, lane: str, own: bool = False) -> Principal:
        """The expensive part: look up, hash, and only then tell what was wrong."""
        remembered = self._refused.get(ticket.key, self._settings.clock.seconds())
        if remembered is not None:
            raise Refused(*remembered)
        user = None if ticket.is_back_end else await found(self._settings.directory, ticket.username)
        password = None if user is None else user.password_hash.encode()
        moment = self._settings.clock.seconds()
        barred = None if user is None else self._bar(user, own)
        # A barred user's valid ticket is not remembered: it would be refused sooner than others are.
        signed = await self._signatures.signed(ticket, password, lane, moment, moment if barred else self._end(ticket))
        if ticket.is_back_end:
            if signed:
                return self._principal(BACK_END, self._settings.publisher_role, is_backend=True)
            raise self._remember(ticket, "bad_digest", "ticket of the back end: its digest is of another secret")
        who = f"ticket of {ticket.username!r}"
        if user is None:
            raise self._remember(ticket, "unknown_user", f"{who}: there is no such user")
        if not signed:
            raise self._remember(ticket, "bad_digest", f"{who}: its digest is of another secret or password")
        if barred is not None:
            raise self._remember(ticket, barred[0], f"{who}: {barred[1]}")
        return self._principal(user.username, self._settings.role, user)

    def _bar(self, user: User, own: bool) -> tuple[str, str] | None:
        """Why ``user`` is refused even with a valid ticket, as reason code and text."""
        if not user.enabled and not self._settings.accept_disabled:
            reason = disabled(user)
            return reason.code, f"the user {reason.reason}"
        if own:
            return None
        if not user.password_hash.strip():
            if self._settings.accept_without_password:
                return None
            return (
                "no_password",
                "the user has no password in Oro, so the ticket of any user without one would be as good",
            )
        if self._settings.shared is not None and self._settings.shared.has(user):
            return "shared_password", f"user {user.id} has the password hash of another user, whose ticket it may be"
        return None

    def _end(self, ticket: Ticket) -> float:
        """When ``ticket`` expires, by ``clock`` and if the time of day is not set meanwhile: so long it is
        remembered."""
        return self._settings.clock.seconds() + ticket.created_at + self._settings.ttl + 1 - self._settings.now()

    def _is_back_end(self, ticket: Ticket, facts: ConnectionFacts) -> bool:
        if not ticket.is_back_end:
            return False
        objection = self._settings.publisher_right.objection(facts)
        if objection is not None:
            raise Refused("no_publish_right", f"ticket of the back end: {objection}")
        return True

    def _principal(self, authid: str, role: str, user: User | None = None, is_backend: bool = False) -> Principal:
        return Principal(
            authid=authid,
            authrole=role,
            authmethod=METHOD,
            authprovider=self._settings.name,
            user_id=user.id if user else None,
            organizations=user.organizations if user else frozenset(),
            roles=user.roles if user else frozenset(),
            is_backend=is_backend,
            authenticated_at=self._settings.now(),
            password_fingerprint=password_fingerprint(user) if user else b"",
        )

    def _remember(self, ticket: Ticket, kind: str, reason: str) -> Refused:
        moment = self._settings.clock.seconds()
        self._refused.put(ticket.key, (kind, reason), moment, moment + REFUSED_FOR)
        return Refused(kind, reason)

    def failed(self, facts: ConnectionFacts, refusal: Refused, exempt: bool = False) -> Refused:
        """``refusal``, counted; against the address too unless it is our fault or the back end's."""
        self._settings.journal.count("ticket", refusal.code)
        if not exempt and not isinstance(refusal, Unavailable):
            self._settings.failures.record(address_group(facts.address), self._settings.clock.seconds())
        return refusal


def _with_user(refusal: Refused, ticket: Ticket | None) -> Refused:
    """``refusal`` with a reason that says whose ticket it is."""
    if ticket is None or ticket.is_back_end or repr(ticket.username) in refusal.reason:
        return refusal
    return type(refusal)(refusal.code, f"ticket of {ticket.username!r}: {refusal.reason}")


def _names(ticket: Ticket) -> tuple[str, ...]:
    """The authids that HELLO may have with this ticket."""
    return (ticket.username, BACK_END) if ticket.is_back_end else (ticket.username,)
