"""What all sessions of the process share: the realms, limits, wires and deadlines, and who is here.

It must not know sockets or protocol messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs

from orosync.errors import Refused
from orosync.interfaces import IAuthenticator, IJournal
from orosync.model import ConnectionFacts, Principal
from orosync.session.deadlines import Deadlines
from orosync.session.hidden_proxies import HiddenProxies
from orosync.session.hosted import HostedRealm
from orosync.session.recheck import Rechecks
from orosync.session.review import Tenant
from orosync.session.wire import Wires
from orosync.transport.message_rates import NO_LIMIT, MessageRates, TokenBucket


class Guest(Tenant, Protocol):
    """A session as the lobby sees it: something that can be asked to go."""

    def shutdown(self) -> None: ...

    def dismiss(self, refusal: Refused) -> None: ...


@attrs.define(eq=False)
class Lobby:
    """One for each listener; ``realms``, ``rechecks`` and ``guests`` may be shared between them.

    ``authenticators`` names those that this listener admits (None: all that the realm names);
    ``user_limit`` bounds the sessions of one authid in a realm; ``subscription_limit``, ``registration_limit`` and
    ``call_limit`` what one session has, the last its calls in progress; ``rates`` how much a client may say (None: as
    much as it likes). ``hidden_proxies`` is told who has been let in (None: nothing is to be noticed). With ``inside``
    it is that of the router's own process: who comes in there is known without an authenticator's word. ``goodbye``:
    when the router stops, WAMP v2 sessions are told so.
    """

    realms: Mapping[str, HostedRealm]
    journal: IJournal
    wires: Wires
    deadlines: Deadlines
    rechecks: Rechecks
    guests: set[Guest]
    authenticators: Collection[str] | None = None
    user_limit: int = 50
    subscription_limit: int = 128
    registration_limit: int = 128
    call_limit: int = 1000
    rates: MessageRates | None = None
    hidden_proxies: HiddenProxies | None = None
    inside: bool = False
    goodbye: bool = True

    def realm(self, name: str) -> HostedRealm | None:
        return self.realms.get(name)

    def admitted(self, hosted: HostedRealm) -> Sequence[IAuthenticator]:
        """The realm's authenticators that may be used on this listener, in the realm's order."""
        allowed = self.authenticators
        return [one for one in hosted.authenticators if allowed is None or one.name in allowed]

    def authenticator(self, hosted: HostedRealm, offered: Sequence[str]) -> tuple[IAuthenticator, str] | None:
        """The first offered method that the realm can do here (WAMP, section "Authentication Methods")."""
        admitted = self.admitted(hosted)
        for method in offered:
            for authenticator in admitted:
                if method in authenticator.methods:
                    return authenticator, method
        return None

    def led(self, principal: Principal, asked: HostedRealm, session: int) -> HostedRealm:
        """The realm that ``principal`` joins: the one ``asked`` for, or where its authenticator sends it. Refused
        ("realm_not_served") where that realm does not take the authenticator's word, or has the session's id, which has
        been told already (WAMP-CRA)."""
        if not principal.realm or principal.realm == asked.name:
            return asked
        hosted = self.realm(principal.realm)
        if hosted is None or not hosted.knows(principal.authprovider) or session in hosted.realm.members:
            reason = f"{principal.authprovider} sends {principal.authid} to {principal.realm}, which does not name it"
            raise Refused("realm_not_served", reason)
        return hosted

    def admitted_from(self, facts: ConnectionFacts, principal: Principal) -> None:
        """``principal`` has been let in; what its connection tells of proxies in between is looked at."""
        if self.hidden_proxies is not None:
            self.hidden_proxies.admitted(facts, principal)

    def has_room(self, hosted: HostedRealm, principal: Principal) -> bool:
        """Whether this user may have one more session; the back end's short visits are not counted."""
        if principal.precious or principal.authmethod == "anonymous":
            return True
        return hosted.realm.sessions_of(principal.authid) < self.user_limit

    def bucket(self, facts: ConnectionFacts, principal: Principal | None) -> TokenBucket:
        """For a new connection, of ``principal`` if the handshake has made it known; the back end has no limit."""
        if self.rates is None:
            return NO_LIMIT
        return self.rates.bucket(facts.address, unlimited=principal is not None and principal.precious)

    def entered(self, guest: Guest) -> None:
        self.guests.add(guest)

    def left(self, guest: Guest) -> None:
        self.guests.discard(guest)
