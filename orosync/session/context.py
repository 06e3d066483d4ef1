"""What the sessions of a listener share: realms, limits, wires, deadlines, and the set of those that are connected.

``drain`` asks them to leave, spread over time, so that they do not all come back at once. ``HiddenProxies`` notices
proxies that hide where clients come from, and tells an administrator once what to do: a proxy that adds no forwarding
header makes all its clients look alike, so that limits for each address bind all of them together, and a rule about
addresses (``publisher_from``) protects nothing. No client is refused for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.errors import Refused
from orosync.headers import Network, within
from orosync.interfaces import IAuthenticator, IJournal
from orosync.model import ConnectionFacts, Principal
from orosync.router.deliveries import Member
from orosync.session.dispatch import Wires
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import RealmMember
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines
from orosync.transport.message_rates import NO_LIMIT, MessageRates, TokenBucket
from orosync.wamp.messages import Goodbye

DRAIN_STEP = 0.05
"""Seconds between two groups."""

DRAIN_RATE = 500
"""Sessions asked to leave in a second, where the time allows: each of them comes back with a request to PHP."""

EVENT = "proxy.hidden"
MOST_USERS = 20
"""Different users of one address, from which on a proxy is suspected."""

MOST_ADDRESSES = 1024
"""Addresses whose users are remembered, those seen last."""

PAGE_METHODS = frozenset({"ticket", "cookie"})
"""How Oro's pages log in."""

BROWSER = "Mozilla/"
"""What every browser's User-Agent begins with."""

REMEDY = (
    "if this is a proxy: in nginx write proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; and name it in "
    "trusted_proxies (a TCP load balancer: proxy_protocol = yes)"
)


class ListenerSession(RealmMember, Protocol):
    """A session that can be ended from outside. ``protocol``: "v1" or "v2"; ``serializer``: "json", "msgpack" or
    "cbor". ``queued`` gives the bytes that wait for its client to read."""

    protocol: str

    @property
    def serializer(self) -> str: ...

    def queued(self) -> int: ...

    def expel(self, goodbye: Goodbye) -> None: ...

    def shutdown(self) -> None: ...

    def dismiss(self, refusal: Refused) -> None: ...


def session_of(member: Member) -> ListenerSession | None:
    """The session that joined ``member``: its ``expel`` is a method of it. None: a session of orosync's own."""
    owner: ListenerSession | None = getattr(member.expel, "__self__", None)
    return owner


def ending(code: int | None, reason: str) -> str:
    """Why a connection is over, of ``ISession.closed``: ``code`` is the peer's, None where it said no goodbye."""
    if code is None:
        return reason
    return f"closed by the client ({code})" + (f": {reason}" if reason else "")


@attrs.define(eq=False)
class ListenerContext:
    """One for each listener; ``realms``, ``revalidation`` and ``sessions`` may be shared between them.

    ``authenticators`` names those that this listener admits (None: all that the realm names);
    ``user_limit`` bounds the sessions of one authid in a realm; ``subscription_limit``, ``registration_limit`` and
    ``call_limit`` what one session has, the last its calls in progress; ``rates`` are the rate limits of messages
    (None: there are none). ``hidden_proxies`` is told which clients are admitted (None: nothing is noticed).
    ``inside``: the clients are components of this process and need no authentication. ``goodbye``: when the router
    stops, WAMP v2 sessions get a GOODBYE.
    """

    realms: Mapping[str, RealmContext]
    journal: IJournal
    wires: Wires
    deadlines: Deadlines
    revalidation: Revalidation
    sessions: set[ListenerSession]
    authenticators: Collection[str] | None = None
    user_limit: int = 50
    subscription_limit: int = 128
    registration_limit: int = 128
    call_limit: int = 1000
    rates: MessageRates | None = None
    hidden_proxies: HiddenProxies | None = None
    inside: bool = False
    goodbye: bool = True

    def realm(self, name: str) -> RealmContext | None:
        return self.realms.get(name)

    def admitted(self, realm_context: RealmContext) -> Sequence[IAuthenticator]:
        """The realm's authenticators that may be used on this listener, in the realm's order."""
        allowed = self.authenticators
        return [one for one in realm_context.authenticators if allowed is None or one.name in allowed]

    def able(self, realm_context: RealmContext, offered: Sequence[str]) -> tuple[Sequence[IAuthenticator], str]:
        """The first offered method that the realm can do here (WAMP, section "Authentication Methods"), and the
        authenticators that can do it, in the realm's order; none and "" where it can do none."""
        admitted = self.admitted(realm_context)
        for method in offered:
            able = [one for one in admitted if method in one.methods]
            if able:
                return able, method
        return (), ""

    def realm_of(self, principal: Principal, asked: RealmContext, session: int) -> RealmContext:
        """The realm that ``principal`` joins: the one ``asked`` for, or where its authenticator sends it. Refused
        ("realm_not_served") where that realm does not use the authenticator, or the session's id is in use there: the
        client has it already (WAMP-CRA)."""
        if not principal.realm or principal.realm == asked.name:
            return asked
        realm_context = self.realm(principal.realm)
        if (
            realm_context is None
            or not realm_context.knows(principal.authprovider)
            or session in realm_context.realm.members
        ):
            reason = f"{principal.authprovider} sends {principal.authid} to {principal.realm}, which does not name it"
            raise Refused("realm_not_served", reason)
        return realm_context

    def admitted_from(self, facts: ConnectionFacts, principal: Principal) -> None:
        """``principal`` has been admitted; its connection may show that a proxy is in between."""
        if self.hidden_proxies is not None:
            self.hidden_proxies.admitted(facts, principal)

    def has_room(self, realm_context: RealmContext, principal: Principal) -> bool:
        """Whether this user may have one more session; the back end's short visits are not counted."""
        if principal.is_backend or principal.authmethod == "anonymous":
            return True
        return realm_context.realm.sessions_of(principal.authid) < self.user_limit

    def bucket(self, facts: ConnectionFacts, principal: Principal | None) -> TokenBucket:
        """For a new connection, of ``principal`` if the handshake has made it known; the back end has no limit."""
        if self.rates is None:
            return NO_LIMIT
        return self.rates.bucket(facts.address, unlimited=principal is not None and principal.is_backend)

    def entered(self, session: ListenerSession) -> None:
        self.sessions.add(session)

    def left(self, session: ListenerSession) -> None:
        self.sessions.discard(session)


def drain(sessions: Collection[ListenerSession], clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Call ``shutdown`` of every session within ``seconds``.

    Fires when all have gone, or after ``seconds`` and a second more if some do not go.
    """
    done: Deferred[None] = Deferred()
    waiting = list(sessions)
    group = max(int(DRAIN_RATE * DRAIN_STEP), int(len(waiting) * DRAIN_STEP / max(seconds, DRAIN_STEP)) + 1)
    end = clock.seconds() + seconds + 1

    def step() -> None:
        leaving = waiting[:group]
        del waiting[:group]
        for session in leaving:
            session.shutdown()
        if (waiting or sessions) and clock.seconds() < end:
            clock.callLater(DRAIN_STEP, step)
        else:
            done.callback(None)

    step()
    return done


class HiddenProxies:
    """Those before one listener. ``publisher_from`` are the networks whose clients may publish because of their
    address, none where the listener grants that outright. Each finding is told once."""

    def __init__(self, journal: IJournal, listener: str, publisher_from: Sequence[Network] = ()) -> None:
        self._journal = journal
        self._listener = listener
        self._publisher_from = publisher_from
        self._users: OrderedDict[str, set[int]] | None = OrderedDict()

    def admitted(self, facts: ConnectionFacts, principal: Principal) -> None:
        """A client has been admitted."""
        if principal.is_backend or facts.forwarded or facts.address != facts.source:
            return
        if self._publisher_from:
            self._beside_the_publisher(facts, principal)
        if self._users is not None and principal.authmethod != "anonymous":
            self._count(self._users, facts, principal)

    def _beside_the_publisher(self, facts: ConnectionFacts, principal: Principal) -> None:
        page = principal.authmethod in PAGE_METHODS or facts.headers.get("user-agent", "").startswith(BROWSER)
        if page and within(facts.source, self._publisher_from):
            self._publisher_from = ()
            self._journal.note(
                EVENT,
                "publisher_from",
                listener=self._listener,
                address=facts.source,
                reason="pages come from an address of publisher_from without a forwarding header: a proxy hides where "
                "they come from, and publishing is not protected by the address",
                remedy=f"{REMEDY}; or give PHP a listener of its own with publisher = yes",
            )

    def _count(self, known: OrderedDict[str, set[int]], facts: ConnectionFacts, principal: Principal) -> None:
        users = known.get(facts.source)
        if users is None:
            users = known[facts.source] = set()
            if len(known) > MOST_ADDRESSES:
                known.popitem(last=False)
        else:
            known.move_to_end(facts.source)
        users.add(hash(principal.authid))
        if len(users) >= MOST_USERS:
            self._users = None
            self._journal.note(
                EVENT,
                "many_users",
                listener=self._listener,
                address=facts.source,
                reason=f"{MOST_USERS} users come from one address without a forwarding header: limits for each address "
                "bind them together",
                remedy=f"{REMEDY}; if it is an office behind one address, all is well",
            )
