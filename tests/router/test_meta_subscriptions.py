"""WAMP's procedures about subscriptions, as clients call them: frames in, frames out (P5)."""

from __future__ import annotations

from orosync.testing import principal
from tests.session.fixture import HELLO
from tests.session.meta_case import MISSING, MetaCase


class Subscriptions(MetaCase):
    """Four subscriptions: a topic that two have, another one, a prefix and a wildcard pattern."""

    def setUp(self) -> None:
        super().setUp()
        self.fixture.clock.advance(86400)
        self.both = self.subscribed(self.anna, "com.x")
        self.subscribed(self.ben, "com.x")
        self.other = self.subscribed(self.ben, "com.y")
        self.prefix = self.subscribed(self.anna, "com.", match="prefix")
        self.wildcard = self.subscribed(self.ben, ".x", match="wildcard")

    def test_list(self) -> None:
        """wamp.subscription.list: ids by kind of matching."""
        expected = {"exact": [self.both, self.other], "prefix": [self.prefix], "wildcard": [self.wildcard]}
        self.assertEqual(self.call("wamp.subscription.list"), [expected])

    def test_lookup(self) -> None:
        """wamp.subscription.lookup: the one to this very topic or pattern, or null."""
        table = [
            (["com.x"], self.both),
            (["com.x", {"match": "exact"}], self.both),
            (["com.", {"match": "prefix"}], self.prefix),
            ([".x", {"match": "wildcard"}], self.wildcard),
            (["com.", {}], None),
            (["com.x", {"match": "prefix"}], None),
            (["com.z", None], None),
        ]
        for args, expected in table:
            self.assertEqual(self.call("wamp.subscription.lookup", *args), [expected], args)
        self.bad("wamp.subscription.lookup", (), (7,), ("com.x", {"match": "fuzzy"}), ("com.x", 7))

    def test_match(self) -> None:
        """wamp.subscription.match: all that an event there would reach, or null."""
        for topic, expected in (
            ("com.x", [self.both, self.prefix, self.wildcard]),
            ("com.z", [self.prefix]),
            ("org.x", [self.wildcard]),
            ("org", None),
        ):
            self.assertEqual(self.call("wamp.subscription.match", topic), [expected], topic)
        self.bad("wamp.subscription.match", (), (7,))

    def test_get(self) -> None:
        """wamp.subscription.get: what it is to, and since when."""
        about = {"id": self.prefix, "created": "1970-01-02T00:00:00.000Z", "uri": "com.", "match": "prefix"}
        self.assertEqual(self.call("wamp.subscription.get", float(self.prefix)), [about])

    def test_subscribers(self) -> None:
        """wamp.subscription.list_subscribers and wamp.subscription.count_subscribers."""
        both = [self.anna.session_id, self.ben.session_id]
        self.assertEqual(self.call("wamp.subscription.list_subscribers", self.both), [both])
        self.assertEqual(self.call("wamp.subscription.count_subscribers", self.both), [2])
        self.assertEqual(self.call("wamp.subscription.count_subscribers", self.wildcard), [1])

    def test_no_such_subscription(self) -> None:
        """An id that no subscription has, or that is none."""
        for name in ("get", "list_subscribers", "count_subscribers", "remove_subscriber"):
            procedure = f"wamp.subscription.{name}"
            self.assertEqual(self.refused(procedure, MISSING, 1), "no_such_subscription", name)
            self.bad(procedure, (), ("x",), (None,), (1.5,))

    def test_remove_subscriber(self) -> None:
        """wamp.subscription.remove_subscriber: P10 by the meta API; the others keep what they have."""
        loud = self.enter("loud", subscriber={"subscription_revocation": True})
        self.subscribed(loud, "com.x")
        remove = "wamp.subscription.remove_subscriber"
        self.assertEqual(self.call(remove, self.both, loud.session_id, "com.acme.no_longer"), [])
        self.assertEqual(loud.heard(), [[35, 0, {"subscription": self.both, "reason": "com.acme.no_longer"}]])
        self.assertEqual(self.call(remove, self.both, self.anna.session_id), [])
        self.assertEqual((self.anna.heard(), self.ben.heard()), ([], []))
        self.assertEqual(self.call("wamp.subscription.list_subscribers", self.both), [[self.ben.session_id]])

    def test_remove_nobody(self) -> None:
        """Who has not the subscription cannot lose it."""
        remove = "wamp.subscription.remove_subscriber"
        for session in (self.admin.session_id, MISSING):
            self.assertEqual(self.refused(remove, self.both, session), "no_such_session")
        self.bad(remove, (self.both,), (self.both, "x"))
        for reason in ("no longer", "", 7):
            self.assertEqual(self.refused(remove, self.both, self.anna.session_id, reason), "invalid_uri")
        self.assertEqual(len(self.call("wamp.subscription.list_subscribers", self.both)[0]), 2)

    def test_announced(self) -> None:
        """WELCOME announces what there is, on the roles that WAMP says."""
        (welcome,) = self.fixture.v2(principal("x"), join=False).ask(HELLO)
        broker, dealer = (welcome[2]["roles"][role]["features"] for role in ("broker", "dealer"))
        for feature in ("session_meta_api", "subscription_meta_api", "subscription_revocation"):
            self.assertIs(broker.get(feature), True, feature)
        for feature in ("session_meta_api", "testament_meta_api"):
            self.assertIs(dealer.get(feature), True, feature)
