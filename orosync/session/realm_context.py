"""A realm in service: the router's realm with what its sessions need around it, made from its configuration section."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.authz.chain import Chain
from orosync.clocks import Now
from orosync.config.realms import RealmSection
from orosync.errors import SHOWN, RequestError
from orosync.interfaces import IAuthenticator, IJournal, ITopicWatcher
from orosync.model import ConnectionFacts, Match, Principal, SessionFacts
from orosync.router.deliveries import Member
from orosync.router.history import Both, HistoryLimits, PublicationObserver, Recorder
from orosync.router.realm import Realm
from orosync.router.registrations import Invoke
from orosync.session import features
from orosync.session.dispatch import Dispatcher
from orosync.session.history import HistoryProcedure
from orosync.session.testaments import TestamentProcedures
from orosync.wamp import uris
from orosync.wamp.forwarding import Memory, new_mark
from orosync.wamp.ids import random_id

DEPARTURES = 1000
"""Sessions that have left which are remembered, those that left last."""


class Departure(NamedTuple):
    """A session that has left. ``time`` in seconds, by the realm's clock; ``reason`` is cut short: it may be a client's
    words."""

    time: float
    session: int
    user: str
    address: str
    reason: str


class RegistrationGate(Protocol):
    """What other nodes have to say before a REGISTER is carried out."""

    def register(
        self,
        member: Member,
        procedure: str,
        match: Match,
        invoke: Invoke,
        force: bool,
        then: Callable[[], None],
        refuse: Callable[[RequestError], None],
    ) -> Deferred[None] | None:
        """Call ``then``, which carries it out, at once (and return None) or when the Deferred fires, unless ``member``
        has left by then. A RequestError of ``then`` is raised, or later given to ``refuse`` like one of other nodes."""


@attrs.define(eq=False)
class RealmContext:
    """``authenticators`` in the order in which a handshake is offered to them; ``watchers`` by topic.

    ``disclosing``: clients may ask to be named to others, and callees to be told who calls. ``sequential``: the request
    ids of a client have to be 1, 2, 3 ...

    ``unlimited`` are the roles without a rate limit; forwarders are among them.

    ``forwarders`` are the roles that may publish and call for other sessions (``forward_for``); ``mark`` tells this
    realm from every other in the trails of forwarded messages (``wamp.forwarding``), and ``forwarded`` remembers those
    that came. ``withholding``: publications that are to be acknowledged are refused, since other nodes cannot get them.
    ``departures`` are the sessions that have left, the last one last. ``present`` counts those that are there by
    protocol and role, orosync's own as "local". ``registration_gate`` and ``caught_up``: where the
    realm is on several nodes. ``caught_up`` fires when the news of the others have arrived that were told by now (None:
    there are no others at the moment).
    """

    realm: Realm
    chain: Chain
    authenticators: Sequence[IAuthenticator]
    journal: IJournal
    dispatcher: Dispatcher
    clock: IReactorTime
    strict_uris: bool = False
    disclosing: bool = True
    sequential: bool = False
    forwarders: Collection[str] = ()
    mark: str = attrs.field(factory=new_mark, init=False)
    forwarded: Memory = attrs.field(factory=Memory, init=False)
    unlimited: set[str] = attrs.field(factory=set, init=False)
    watchers: Mapping[str, ITopicWatcher] = attrs.field(factory=dict, init=False)
    present: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    registration_gate: RegistrationGate | None = attrs.field(default=None, init=False)
    caught_up: Callable[[], Deferred[None] | None] | None = attrs.field(default=None, init=False)
    departures: deque[Departure] = attrs.field(factory=lambda: deque(maxlen=DEPARTURES), init=False)
    withholding: bool = attrs.field(default=False, init=False)
    _own: set[int] = attrs.field(factory=set, init=False)
    _observer: PublicationObserver | None = attrs.field(default=None, init=False)
    _testaments: TestamentProcedures = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.exempt(())
        self._testaments = TestamentProcedures(
            self.realm, self.chain, self.dispatcher, self.journal, self.strict_uris, self.disclosing
        )
        HistoryProcedure(self.realm, self.chain, self.dispatcher, self.journal)
        self.realm.retention.on_dropped = lambda: self.journal.count("retained.dropped", "full")
        self.chain.on_replaced = self._record
        self._record()

    def _record(self) -> None:
        """Have publications recorded, if events of any topic are retained by themselves or kept as history."""
        realm, found = self.realm, self._observer
        if self.chain.retains or len(realm.history):
            recorder = Recorder(realm.retention, self.chain.retained, realm.history)
            found = recorder if found is None else Both(found, recorder)
        realm.broker.recorder = found

    def observe(self, observer: PublicationObserver | None) -> None:
        """From now on tell ``observer`` of each publication; None: nobody. An unobserved realm pays nothing for it."""
        self._observer = observer
        self._record()

    @property
    def name(self) -> str:
        return self.realm.name

    @property
    def roles(self) -> Mapping[str, Any]:
        """What WELCOME announces here."""
        return features.roles(bool(self.realm.history))

    def free_id(self) -> int:
        """A session id that is not in use in the realm."""
        while True:
            session = random_id()
            if session not in self.realm.members and session not in self._own:
                return session

    def own_id(self) -> int:
        """A session id for orosync itself: no client of the realm will have it."""
        session = self.free_id()
        self._own.add(session)
        return session

    def introduced(self, principal: Principal, session: int, facts: ConnectionFacts) -> Principal:
        """``principal`` as authorizers are to see it: with its session, if any of them needs to know it."""
        if not self.chain.sessions:
            return principal
        return attrs.evolve(principal, session=SessionFacts(session, facts))

    def exempt(self, roles: Iterable[str]) -> None:
        """From now on these roles have no rate limit, in sessions that have joined already too."""
        self.unlimited.clear()
        self.unlimited.update(roles, self.forwarders)

    def knows(self, authprovider: str) -> bool:
        """Whether this realm takes the word of that authenticator."""
        return any(authenticator.name == authprovider for authenticator in self.authenticators)

    def join(self, member: Member, facts: ConnectionFacts | None = None, protocol: str = "local") -> None:
        """``member`` joins, over the connection of ``facts`` (None: it is in this process), with WAMP "v1" or "v2"."""
        member.since = self.clock.seconds()
        self.present[protocol, member.principal.authrole] += 1
        self.dispatcher.deliver(self.realm.join(member))
        if self.journal.debug:
            self.journal.note("session.joined", member.principal.authmethod, **self._who(member, facts, protocol))
        else:
            self.journal.count("session.joined", member.principal.authmethod)

    def leave(
        self, member: Member, facts: ConnectionFacts | None = None, protocol: str = "local", reason: str = ""
    ) -> None:
        """The member is gone, ``reason`` says why: members that waited for it are told, and its testaments are
        published. The other arguments as for ``join``."""
        address, reason = "" if facts is None else facts.address, reason[:SHOWN]
        now, user = self.clock.seconds(), member.principal.authid
        self.departures.append(Departure(now, member.session, user, address, reason))
        key = (protocol, member.principal.authrole)
        self.present[key] -= 1
        if not self.present[key]:
            del self.present[key]  # an authenticator may invent any number of roles
        self.dispatcher.deliver(self.realm.leave(member))
        testaments = self.realm.testaments.take(member.session)
        if testaments:
            self._testaments.publish(member, testaments)
        if self.journal.debug:
            fields = self._who(member, facts, protocol)
            fields |= {"seconds": round(now - member.since, 3), "reason": reason}
            self.journal.note("session.left", member.principal.authmethod, **fields)
        else:
            self.journal.count("session.left", member.principal.authmethod)

    def _who(self, member: Member, facts: ConnectionFacts | None, protocol: str) -> dict[str, object]:
        """What the log says of a session; its method is the reason code."""
        who = member.principal
        fields: dict[str, object] = {
            "user": who.authid,
            "role": who.authrole,
            "realm": self.name,
            "session": member.session,
            "protocol": protocol,
        }
        if facts is not None:
            fields |= {"address": facts.address, "listener": facts.listener}
        return fields

    def news_about(self, procedure: str, error: RequestError) -> Deferred[None] | None:
        """Fires when a CALL that was refused with ``error`` is to be tried once more: another node may have told just
        now that the procedure is registered there. None: it is not."""
        if self.caught_up is None or error.uri != uris.NO_SUCH_PROCEDURE or uris.is_reserved(procedure):
            return None
        return self.caught_up()

    def watch(self, watchers: Iterable[ITopicWatcher]) -> None:
        """From now on tell ``watchers`` who listens to their topics. An unwatched realm pays nothing for it."""
        self.watchers = {watcher.topic: watcher for watcher in watchers}
        # They tell each new subscriber the present state, which the last event need not be.
        self.realm.retention.never = frozenset(self.watchers)
        self.realm.broker.last_unsubscribed = {
            topic: watcher.last_unsubscribed for topic, watcher in self.watchers.items()
        }

    def subscribed(self, topic: str, session: int, principal: Principal) -> None:
        """Tell the topic's watcher, if it has one, of a new subscriber."""
        watcher = self.watchers.get(topic)
        if watcher is not None:
            watcher.subscribed(session, principal)


def make_realm_context(
    section: RealmSection,
    chain: Chain,
    authenticators: Sequence[IAuthenticator],
    journal: IJournal,
    dispatcher: Dispatcher,
    clock: IReactorTime,
    now: Now,
) -> RealmContext:
    """The realm with everything around it. ``now`` tells the time of day, in seconds since 1970."""
    return RealmContext(
        make_realm(section, now, clock.seconds),
        chain,
        authenticators,
        journal,
        dispatcher,
        clock,
        strict_uris=section.uris == "strict",
        disclosing=section.disclose,
        sequential=section.request_ids == "sequential",
        forwarders=section.forwarders,
    )


def make_realm(section: RealmSection, now: Now, seconds: Callable[[], float] = float) -> Realm:
    """The realm; ``now`` tells the time of day, in seconds since 1970, ``seconds`` measures spans."""
    return Realm(
        section.name,
        now=now,
        seconds=seconds,
        queue_limit=section.call_queue,
        retained_events=section.retained_events,
        retained_bytes=section.retained_bytes,
        history=[HistoryLimits(line.match, line.uri, line.events, line.bytes, line.age) for line in section.history],
    )
