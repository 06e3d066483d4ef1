"""Retained events as clients ask for them, and channels that retain for everybody (P9): frames in, frames out."""

from __future__ import annotations

from typing import Any

from orosync.authz.channels import Channel
from orosync.authz.topics import TopicRules
from orosync.testing import principal
from tests.session.meta_case import MetaCase

KEPT = "oro/state"
ROLES: dict[str, Any] = {role: frozenset() for role in ("user", "guest", "admin")}


class Asking(MetaCase):
    """PUBLISH.Options.retain and SUBSCRIBE.Options.get_retained (P9)."""

    def retained(self, topic: str, value: object, **options: Any) -> None:
        self.assertEqual(self.anna.ask([16, 1, {"retain": True, **options}, topic, [value]]), [])

    def test_subscribed_first(self) -> None:
        """SUBSCRIBED comes before the retained event, which has its details.retained and its publication's id."""
        ((_, _, publication),) = self.anna.ask([16, 1, {"retain": True, "acknowledge": True}, "com.x", [1], {"a": 2}])
        answer, event = self.ben.ask([32, 7, {"get_retained": True}, "com.x"])
        self.assertEqual(answer[:2], [33, 7])
        self.assertEqual(event, [36, answer[2], publication, {"retained": True}, [1], {"a": 2}])

    def test_not_asked(self) -> None:
        """Neither without retain nor without get_retained; null is no."""
        self.anna.ask([16, 1, {"retain": None}, "com.y", [1]], [16, 2, {}, "com.z", [1]])
        self.retained("com.x", 1)
        for topic, options in (("com.x", {}), ("com.x", {"get_retained": None}), ("com.y", {"get_retained": True})):
            self.subscribed(self.ben, topic, **options)
            self.assertEqual(self.also, [], topic)

    def test_wrong_types(self) -> None:
        """An option of a wrong type is refused."""
        (answer,) = self.ben.ask([32, 7, {"get_retained": 1}, "com.x"])
        self.assertEqual(answer[4], "wamp.error.invalid_argument")
        (answer,) = self.ben.ask([16, 8, {"retain": "yes", "acknowledge": True}, "com.x"])
        self.assertEqual(answer[4], "wamp.error.invalid_argument")

    def test_pattern_and_filters(self) -> None:
        """For patterns too, and never for whom the publisher did not mean, by session, authid or role."""
        for number, options in enumerate(
            (
                {},
                {"eligible": []},
                {"eligible_authid": ["anna"]},
                {"exclude_authrole": ["guest"]},
                {"exclude": [self.ben.session_id]},
                {"eligible": [float(self.ben.session_id)]},
            )
        ):
            self.retained(f"com.t{number}", number, **options)
        self.subscribed(self.ben, "com.", match="prefix", get_retained=True)
        self.assertEqual([one[4] for one in self.also], [[0], [5]])
        self.assertEqual([one[3] for one in self.also], [{"topic": f"com.t{n}", "retained": True} for n in (0, 5)])

    def test_testament(self) -> None:
        """A testament may be retained as well."""
        options = {"publish_options": {"retain": True}}
        self.call("wamp.session.add_testament", "com.gone", ["bye"], None, by=self.anna, **options)
        self.anna.session.closed(False, None, "")
        self.subscribed(self.ben, "com.gone", get_retained=True)
        self.assertEqual([one[4] for one in self.also], [["bye"]])

    def test_announced(self) -> None:
        """WELCOME announces event_retention."""
        (welcome,) = self.fixture.v2(join=False).ask([1, "oro", {"roles": {"caller": {}}}])
        self.assertIs(welcome[2]["roles"]["broker"]["features"]["event_retention"], True)


class Channels(MetaCase):
    """Topics that a channel declares retained."""

    def setUp(self) -> None:
        super().setUp()
        kept = Channel(KEPT, {}, subscribers=ROLES, publishers=ROLES, source="[topics:x]", key="x", retained=True)
        plain = Channel("oro/other", {}, subscribers=ROLES, publishers=ROLES, source="[topics:x]", key="y")
        self.rules = TopicRules([kept, plain])
        self.fixture.realm_context.chain.replace([self.rules])

    def test_without_being_asked_to(self) -> None:
        """Every publisher's last event, v1's too, for v2 subscribers that ask for it."""
        old = self.fixture.v1()
        for publish in (lambda: self.anna.ask([16, 1, {}, KEPT, [1]]), lambda: old.ask([7, KEPT, {"v": 1}])):
            publish()
            ((_, _, _, details, arguments),) = self.subscribed_again()
            self.assertEqual(details, {"retained": True})
        self.assertEqual(arguments, [{"v": 1}])

    def subscribed_again(self) -> list[Any]:
        self.ben.say([34, 90, self.subscribed(self.ben, KEPT, get_retained=True)])
        also = self.also
        self.ben.heard()
        return also

    def test_v1_subscriber(self) -> None:
        """A v1 subscriber gets it behind its SUBSCRIBE, and nothing behind WELCOME."""
        self.anna.ask([16, 1, {}, KEPT, ["now"]], [16, 2, {}, "oro/other", ["not kept"]])
        old = self.fixture.v1(principal("dora"))
        self.assertEqual(old.heard(), [])
        self.assertEqual(old.ask([5, "oro/other"]), [])
        self.assertEqual(old.ask([5, KEPT]), [[8, KEPT, "now"]])

    def test_v1_filters(self) -> None:
        """What a v1 publisher excludes stays excluded."""
        old, other = self.fixture.v1(), self.fixture.v1()
        old.ask([7, KEPT, 1, [other.session_id]])
        self.assertEqual((other.ask([5, KEPT]), old.ask([5, KEPT])), ([], [[8, KEPT, 1]]))

    def test_not_the_router(self) -> None:
        """What orosync itself says is not retained, nor anything where it tells the state itself."""
        self.fixture.realm.broker.publish(KEPT, None)
        self.assertEqual(len(self.fixture.realm.retention), 0)

        class Watcher:
            topic = KEPT

            def subscribed(self, session: int, who: Any) -> None: ...

            def last_unsubscribed(self) -> None: ...

        self.fixture.realm_context.watch([Watcher()])
        self.anna.ask([16, 1, {"retain": True}, KEPT, [1]])
        self.assertEqual(len(self.fixture.realm.retention), 0)

    def test_rules_replaced(self) -> None:
        """Rules that retain nothing cost nothing; new rules hold at once."""
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        self.assertIsNone(self.fixture.realm.broker.recorder)
        self.anna.ask([16, 1, {}, KEPT, [1]])
        self.assertEqual(len(self.fixture.realm.retention), 0)
        self.fixture.realm_context.chain.replace([self.rules])
        self.anna.ask([16, 2, {}, KEPT, [1]])
        self.assertEqual(len(self.fixture.realm.retention), 1)

    def test_counted(self) -> None:
        """What had to go before its time is counted."""
        self.fixture.realm.retention.most = 1
        self.anna.ask([16, 1, {"retain": True}, KEPT, [1]], [16, 2, {"retain": True}, "oro/other", [1]])
        self.assertEqual(self.fixture.journal.counts["retained.dropped", "full"], 1)
