"""A random life of one broker's members, checked at every step against the definitions of WAMP."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, Member
from orosync.router.filters import Filters
from orosync.router.meta_events import (
    ON_JOIN,
    ON_LEAVE,
    SUBSCRIBED,
    SUBSCRIPTION_CREATED,
    SUBSCRIPTION_DELETED,
    UNSUBSCRIBED,
    session_details,
    subscription_details,
)
from orosync.router.realm import Realm
from orosync.wamp.messages import Event
from orosync.wamp.payload import Payload
from orosync.wamp.uris import matches
from tests.router.members import FAR, member, names_of

TOPICS = ["a", "a.b", "a.b.c", "b.b.c", "a.bc"]
PATTERNS = [
    *[(topic, Match.EXACT) for topic in TOPICS],
    *[(prefix, Match.PREFIX) for prefix in ("", "a", "a.b", "b.")],
    *[(pattern, Match.WILDCARD) for pattern in ("a.", ".b.c", "..", "a.b.c")],
    ("wamp.session.on_leave", Match.EXACT),
    ("wamp.subscription.", Match.PREFIX),
]
ROLES = ["staff", "chief"]
WHO = st.integers(min_value=0, max_value=50)
SESSIONS = st.lists(st.integers(min_value=FAR, max_value=FAR + 8), max_size=4).map(frozenset)
ROLE_LISTS = st.lists(st.sampled_from(ROLES), max_size=2).map(frozenset)
AUTHIDS = st.lists(st.integers(min_value=0, max_value=8).map("user-{}".format), max_size=4).map(frozenset)
FILTERS = st.one_of(
    st.none(),
    st.builds(
        Filters,
        exclude=st.none() | SESSIONS,
        eligible=st.none() | SESSIONS,
        exclude_authid=st.none() | AUTHIDS,
        eligible_authid=st.none() | AUTHIDS,
        exclude_authrole=st.none() | ROLE_LISTS,
        eligible_authrole=st.none() | ROLE_LISTS,
    ),
)
PUBLICATIONS = st.tuples(WHO, st.sampled_from(TOPICS), st.booleans(), FILTERS, st.booleans())


class BrokerMachine(RuleBasedStateMachine):
    """Members come, subscribe, publish and go; ``wanted`` is what each has subscribed to, by subscription id."""

    def __init__(self) -> None:
        super().__init__()
        self.realm = Realm("machine")
        self.realm.broker.last_unsubscribed = {
            topic: partial(self.note_deserted, topic) for topic, match in PATTERNS if match is Match.EXACT
        }
        self.present: list[Member] = []
        self.wanted: dict[int, dict[int, tuple[str, Match]]] = {}
        self.inbox: dict[int, list[tuple[int, int]]] = {}
        self.published: set[int] = set()
        self.joined = self.serial = 0
        self.by_id = False
        self.last_unsubscribed: list[str] = []

    def note_deserted(self, topic: str) -> None:
        assert self.realm.broker.lookup(topic) is None, "told too early"
        self.last_unsubscribed.append(topic)

    def listened(self) -> set[str]:
        """The topics that have exact subscriptions."""
        return {topic for mine in self.wanted.values() for topic, match in mine.values() if match is Match.EXACT}

    def expect_news(self, deliveries: list[Delivery], news: list[tuple[str, list[Any]]]) -> None:
        """Whoever listens to WAMP's own topics is told, of each thing once, in order; nobody else is told anything."""
        events: dict[int, tuple[str, list[Any], list[tuple[int, int]]]] = {}
        for receivers, event, payload, topic in deliveries:
            assert type(event) is Event and payload is not None
            number = int(event.publication)
            got = events.setdefault(number, (topic, payload.values()[0], []))
            got[2].extend((receiver.session, int(event.subscription)) for receiver in receivers)
        expected = []
        for topic, arguments in news:
            listening = [
                (session, number)
                for session, mine in self.wanted.items()
                for number, (pattern, match) in mine.items()
                if matches(pattern, match, topic)
            ]
            if listening:
                expected.append((topic, arguments, sorted(listening)))
        assert [(topic, arguments, sorted(got)) for topic, arguments, got in events.values()] == expected

    def end(self, picked: Member, number: int, wanted: tuple[str, Match]) -> list[tuple[str, list[Any]]]:
        """The meta events when a subscription of a member has ended, as the last one or not."""
        if wanted[0].startswith("wamp."):
            return []
        ended = [picked.session, number]
        others = [mine for session, mine in self.wanted.items() if session != picked.session]
        last = not any(number in mine for mine in others)
        return [(UNSUBSCRIBED, ended)] + [(SUBSCRIPTION_DELETED, ended)] * last

    def expect_deserted(self, before: set[str]) -> None:
        assert sorted(self.last_unsubscribed) == sorted(before - self.listened()), (
            "last_unsubscribed was not called once for each topic"
        )
        self.last_unsubscribed.clear()

    @initialize(subscriptions=st.lists(st.sampled_from(PATTERNS), min_size=6, max_size=12))
    def open_for_business(self, subscriptions: list[tuple[str, Match]]) -> None:
        """Some are there from the beginning and listen."""
        for who, wanted in enumerate(subscriptions):
            if who < 4:
                self.join()
            self.subscribe_once(who, wanted)

    @rule()
    def look_up_by_id(self) -> None:
        """From now on subscriptions are looked up by their ids, too."""
        self.by_id = True

    @rule()
    def join(self) -> None:
        """Somebody comes, under an id that nobody has had."""
        features = "subscriber.subscription_revocation" if self.joined % 3 else ""
        picked = member(self.joined, authrole=ROLES[self.joined % 2], features=features)
        self.joined += 1
        self.expect_news(self.realm.join(picked), [(ON_JOIN, [session_details(picked)])])
        self.present.append(picked)
        self.wanted[picked.session] = {}
        self.inbox[picked.session] = []

    @precondition(lambda self: self.present)
    @rule(who=WHO)
    def leave(self, who: int) -> None:
        """Somebody goes: nothing names it any more."""
        picked = self.present.pop(who % len(self.present))
        before = self.listened()
        mine = self.wanted.pop(picked.session)
        news = [one for number, wanted in mine.items() for one in self.end(picked, number, wanted)]
        news.append((ON_LEAVE, [picked.session, picked.principal.authid, picked.principal.authrole]))
        self.expect_news(self.realm.leave(picked), news)
        assert self.left_over(picked) == []
        assert not picked.subscriptions
        self.expect_deserted(before)

    def left_over(self, picked: Member) -> list[object]:
        """What names a member that has left."""
        return names_of(self.realm, picked)

    @precondition(lambda self: self.present)
    @rule(subscriptions=st.lists(st.tuples(WHO, st.sampled_from(PATTERNS)), min_size=1, max_size=4))
    def subscribe(self, subscriptions: list[tuple[int, tuple[str, Match]]]) -> None:
        """Some subscribe, one after the other."""
        for who, wanted in subscriptions:
            self.subscribe_once(who, wanted)

    def subscribe_once(self, who: int, wanted: tuple[str, Match]) -> None:
        """Somebody subscribes: who wants the same shares its id, who has it already keeps it."""
        picked = self.present[who % len(self.present)]
        known = self.wanted[picked.session].values()
        news = [] if wanted in known or wanted[0].startswith("wamp.") else [SUBSCRIBED]
        if news and not any(wanted in mine.values() for mine in self.wanted.values()):
            news.insert(0, SUBSCRIPTION_CREATED)
        subscription, deliveries = self.realm.broker.subscribe(picked, *wanted)
        for mine in self.wanted.values():
            for number, other in mine.items():
                assert (number == subscription.id) == (other == wanted)
        self.wanted[picked.session][subscription.id] = wanted
        about = {SUBSCRIBED: subscription.id, SUBSCRIPTION_CREATED: subscription_details(subscription)}
        self.expect_news(deliveries, [(topic, [picked.session, about[topic]]) for topic in news])

    @precondition(lambda self: self.present)
    @rule(who=WHO, number=st.integers(min_value=0, max_value=12))
    def unsubscribe(self, who: int, number: int) -> None:
        """Somebody ends a subscription: its own, or it is refused and nothing changes."""
        picked = self.present[who % len(self.present)]
        mine = self.wanted[picked.session]
        before = self.listened()
        try:
            deliveries = self.realm.broker.unsubscribe(picked, number)
        except RequestError:
            assert number not in mine
        else:
            self.expect_news(deliveries, self.end(picked, number, mine.pop(number)))
        self.expect_deserted(before)

    @precondition(lambda self: self.present)
    @rule(who=WHO, number=st.integers(min_value=0, max_value=12))
    def revoke(self, who: int, number: int) -> None:
        """A subscription is taken away: from who has it, who is told if it can understand."""
        picked = self.present[who % len(self.present)]
        mine = self.wanted[picked.session]
        before = self.listened()
        try:
            deliveries = self.realm.broker.revoke(picked, number, "why")
        except RequestError:
            assert number not in mine
        else:
            if picked.features:
                revocation = deliveries.pop(0)
                assert (tuple(revocation.receivers), revocation.topic) == ((picked,), "")
                assert revocation.message.head() == [35, 0, {"subscription": number, "reason": "why"}]
            self.expect_news(deliveries, self.end(picked, number, mine.pop(number)))
        self.expect_deserted(before)

    @precondition(lambda self: self.present)
    @rule(publications=st.lists(PUBLICATIONS, min_size=1, max_size=4))
    def publish(self, publications: list[tuple[int, str, bool, Filters | None, bool]]) -> None:
        """Some publish, one after the other."""
        for publication in publications:
            self.publish_once(*publication)

    def publish_once(self, who: int, topic: str, exclude_me: bool, filters: Filters | None, disclose: bool) -> None:
        """Somebody publishes: exactly the right members get it, once for each of their subscriptions."""
        publisher = self.present[who % len(self.present)]
        self.serial += 1
        payload = Payload.of([self.serial])
        number, deliveries = self.realm.broker.publish(topic, payload, publisher, exclude_me, filters, disclose)
        assert number not in self.published
        assert 1 <= number <= 2**53
        self.published.add(number)
        got = []
        for receivers, event, carried, about in deliveries:
            assert type(event) is Event
            assert (event.publication, carried, about) == (number, payload, topic)
            assert receivers, "a delivery to nobody"
            for receiver in receivers:
                assert receiver in self.present
                got.append((receiver.session, event.subscription))
                self.inbox[receiver.session].append((publisher.session, self.serial))
                assert event.details == self.details(event, receiver, topic, publisher if disclose else None)
        expected = [
            (picked.session, subscription)
            for picked in self.present
            if self.may_get(picked, publisher, exclude_me, filters)
            for subscription, (pattern, match) in self.wanted[picked.session].items()
            if matches(pattern, match, topic)
        ]
        assert sorted(got) == sorted(expected)

    def may_get(
        self, picked: Member, publisher: Member, exclude_me: bool, filters: Filters | None, known: bool = True
    ) -> bool:
        """WAMP's definition. ``known``: the lists may name the session; it was there when they were written."""
        if exclude_me and picked is publisher:
            return False
        lists, session = filters or Filters(), picked.session if known else -1
        authid, role = picked.principal.authid, picked.principal.authrole
        return (
            (lists.eligible is None or session in lists.eligible)
            and (lists.exclude is None or session not in lists.exclude)
            and (lists.eligible_authid is None or authid in lists.eligible_authid)
            and (lists.exclude_authid is None or authid not in lists.exclude_authid)
            and (lists.eligible_authrole is None or role in lists.eligible_authrole)
            and (lists.exclude_authrole is None or role not in lists.exclude_authrole)
        )

    def details(self, event: Event, receiver: Member, topic: str, publisher: Member | None) -> dict[str, Any]:
        expected: dict[str, Any] = {}
        if self.wanted[receiver.session][int(event.subscription)][1] is not Match.EXACT:
            expected["topic"] = topic
        if publisher is not None:
            expected["publisher"] = publisher.session
            expected["publisher_authid"] = publisher.principal.authid
            expected["publisher_authrole"] = publisher.principal.authrole
        return expected

    @invariant()
    def order_is_kept(self) -> None:
        """What one publisher says reaches each receiver in the order in which it was said."""
        for received in self.inbox.values():
            for publisher in {publisher for publisher, _ in received}:
                serials = [serial for other, serial in received if other == publisher]
                assert serials == sorted(serials)

    @invariant()
    def books_agree(self) -> None:
        """What members and broker remember of each other is the same, and is what was asked for."""
        broker = self.realm.broker
        filed = list(broker)
        if self.by_id:
            assert [broker.find(each.id) for each in filed] == filed
        by_id = broker._subscriptions._by_id
        assert by_id is None or len(by_id) == len(filed)
        for picked in self.present:
            mine = self.wanted[picked.session]
            assert {found.id: (found.topic, found.match) for found in picked.subscriptions.values()} == mine
            for number, found in picked.subscriptions.items():
                assert found.id == number
                assert found.members[picked.session] is picked
                assert self.realm.broker.lookup(found.topic, found.match) is found
