"""Notices proxies that hide where clients come from, and tells an administrator once what to do about them.

A proxy that adds no forwarding header makes all its clients look alike. Limits for each address then bind all of them
together, and a rule about addresses (``publisher_from``) protects nothing. It must not decide anything: nobody is
refused for it.

What all sessions of the process share: the realms, limits, wires and deadlines, and who is here.

It must not know sockets or protocol messages.

Going down gently: everybody is asked to leave, spread over time, so that they do not all return at once.

It must not know what kinds of sessions there are, nor why the router stops.
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
from orosync.session.dispatch import Wires
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import RealmMember
from orosync.session.revalidation import Revalidation
from orosync.session.timers import Deadlines
from orosync.transport.message_rates import NO_LIMIT, MessageRates, TokenBucket

EVENT = "proxy.hidden"
MOST_USERS = 20
"""So many different users of one address are more than one desk has."""

MOST_ADDRESSES = 1024
"""Whose users are remembered, those seen last."""

PAGE_METHODS = frozenset({"ticket", "cookie"})
"""How Oro's pages log in."""

BROWSER = "Mozilla/"
"""What every browser's User-Agent begins with."""

REMEDY = (
    "if this is a proxy: in nginx write proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; and name it in "
    "trusted_proxies (a TCP load balancer: proxy_protocol = yes)"
)


class HiddenProxies:
    """One listener's. ``publisher_from`` are the networks whose clients may publish because of their address, none
    where the listener grants that outright. Each thing is told once."""

    def __init__(self, journal: IJournal, listener: str, publisher_from: Sequence[Network] = ()) -> None:
        self._journal = journal
        self._listener = listener
        self._publisher_from = publisher_from
        self._users: OrderedDict[str, set[int]] | None = OrderedDict()

    def admitted(self, facts: ConnectionFacts, principal: Principal) -> None:
        """A client has been let in."""
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


class ListenerSession(RealmMember, Protocol):
    """A session as the lobby sees it: something that can be asked to go."""

    def shutdown(self) -> None: ...

    def dismiss(self, refusal: Refused) -> None: ...


@attrs.define(eq=False)
class ListenerContext:
    """One for each listener; ``realms``, ``revalidation`` and ``sessions`` may be shared between them.

    ``authenticators`` names those that this listener admits (None: all that the realm names);
    ``user_limit`` bounds the sessions of one authid in a realm; ``subscription_limit``, ``registration_limit`` and
    ``call_limit`` what one session has, the last its calls in progress; ``rates`` how much a client may say (None: as
    much as it likes). ``hidden_proxies`` is told who has been let in (None: nothing is to be noticed). With ``inside``
    it is that of the router's own process: who comes in there is known without an authenticator's word. ``goodbye``:
    when the router stops, WAMP v2 sessions are told so.
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

    def authenticator(self, realm_context: RealmContext, offered: Sequence[str]) -> tuple[IAuthenticator, str] | None:
        """The first offered method that the realm can do here (WAMP, section "Authentication Methods")."""
        admitted = self.admitted(realm_context)
        for method in offered:
            for authenticator in admitted:
                if method in authenticator.methods:
                    return authenticator, method
        return None

    def led(self, principal: Principal, asked: RealmContext, session: int) -> RealmContext:
        """The realm that ``principal`` joins: the one ``asked`` for, or where its authenticator sends it. Refused
        ("realm_not_served") where that realm does not take the authenticator's word, or has the session's id, which has
        been told already (WAMP-CRA)."""
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
        """``principal`` has been let in; what its connection tells of proxies in between is looked at."""
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

    def entered(self, guest: ListenerSession) -> None:
        self.sessions.add(guest)

    def left(self, guest: ListenerSession) -> None:
        self.sessions.discard(guest)


STEP = 0.05
"""Seconds between two groups."""

RATE = 500
"""Guests asked to leave in a second, where the time allows: each of them comes back with a request to PHP."""


def drain(sessions: Collection[ListenerSession], clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Call ``shutdown`` of every guest within ``seconds``.

    Fires when all have gone, or after ``seconds`` and a second more if some do not go.
    """
    done: Deferred[None] = Deferred()
    waiting = list(sessions)
    group = max(int(RATE * STEP), int(len(waiting) * STEP / max(seconds, STEP)) + 1)
    end = clock.seconds() + seconds + 1

    def step() -> None:
        leaving = waiting[:group]
        del waiting[:group]
        for guest in leaving:
            guest.shutdown()
        if (waiting or sessions) and clock.seconds() < end:
            clock.callLater(STEP, step)
        else:
            done.callback(None)

    step()
    return done
