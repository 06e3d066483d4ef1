"""WAMP's own topics, as clients hear them: frames in, frames out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.roles import Permission, RolePermissions
from orosync.config.readers import BUILTIN
from orosync.config.rules import permissions
from orosync.model import Action, Decision, Match, Verdict
from orosync.testing import principal
from orosync.wamp.meta_topics import TOPICS, matched_by
from tests.session.meta_case import MetaCase


class Hearing(SynchronousTestCase):
    """Which meta topics a subscription hears."""

    def test_patterns(self) -> None:
        """Exactly those that it matches; nearly every subscription none."""
        table = [
            ("wamp.session.on_join", Match.EXACT, 1),
            ("wamp.session.on_joy", Match.EXACT, 0),
            ("oro/data/update", Match.EXACT, 0),
            ("", Match.PREFIX, 10),
            ("wamp.", Match.PREFIX, 10),
            ("wam", Match.PREFIX, 10),
            ("wamp.subscription.on_", Match.PREFIX, 4),
            ("wamp.x", Match.PREFIX, 0),
            ("com.", Match.PREFIX, 0),
            ("..", Match.WILDCARD, 10),
            ("wamp..on_create", Match.WILDCARD, 2),
            (".session.", Match.WILDCARD, 2),
            ("com..on_create", Match.WILDCARD, 0),
            ("wamp.", Match.WILDCARD, 0),
        ]
        self.assertEqual(len(TOPICS), 10)
        for topic, match, expected in table:
            self.assertEqual(len(matched_by(topic, match)), expected, (topic, match))


class Sessions(MetaCase):
    """wamp.session.on_join, wamp.session.on_leave."""

    def test_on_join(self) -> None:
        """wamp.session.on_join tells who came, v1 clients too, and nothing of itself to who was not there."""
        self.subscribed(self.anna, "wamp.session.on_join")
        carl = self.enter("carl")
        old = self.fixture.v1(principal("dora"))
        expected = [
            {"session": int(who.session_id), "authid": name, "authrole": "user", "authmethod": "ticket",
             "authprovider": provider}
            for who, name, provider in ((carl, "carl", "guests"), (old, "dora", "oro"))
        ]  # fmt: skip
        self.assertEqual(self.events(self.anna), [("wamp.session.on_join", [one]) for one in expected])
        self.assertEqual(carl.heard(), [])

    def test_on_leave(self) -> None:
        """wamp.session.on_leave tells who has gone, by GOODBYE, by dropping the connection, or v1."""
        self.subscribed(self.anna, "wamp.session.on_leave")
        old = self.fixture.v1(principal("dora"))
        for gone, name, role in ((self.ben, "ben", "guest"), (self.admin, "admin", "admin"), (old, "dora", "user")):
            if gone is self.ben:
                gone.say([6, {}, "wamp.close.close_realm"])
            gone.session.closed(False, None, "")
            expected = [int(gone.session_id), name, role]
            self.assertEqual(self.events(self.anna), [("wamp.session.on_leave", expected)])

    def test_nobody_listens(self) -> None:
        """Without a listener nothing is said and nothing is done; after the last one has gone neither."""
        broker = self.fixture.realm.broker
        self.assertEqual(broker.meta_listeners, frozenset())
        number = self.subscribed(self.anna, "wamp.session.on_join")
        self.assertEqual(broker.meta_listeners, {"wamp.session.on_join"})
        self.anna.ask([34, 1, number])
        self.assertEqual(broker.meta_listeners, frozenset())
        self.subscribed(self.anna, "", match="prefix")
        self.assertEqual(broker.meta_listeners, frozenset(TOPICS))
        self.anna.session.closed(False, None, "")
        self.assertEqual(broker.meta_listeners, frozenset())

    def test_authorised(self) -> None:
        """Listening is a right like any other."""
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "wamp.session.on_join"] = Decision(Verdict.DENY, "rule 7")
        (answer,) = self.anna.ask([32, 1, {}, "wamp.session.on_join"])
        self.assertEqual(answer[:5], [8, 32, 1, {}, "wamp.error.not_authorized"])


class Subscriptions(MetaCase):
    """P5: wamp.subscription.on_create, wamp.subscription.on_subscribe, wamp.subscription.on_unsubscribe,
    wamp.subscription.on_delete."""

    def setUp(self) -> None:
        super().setUp()
        self.subscribed(self.admin, "wamp.subscription.", match="prefix")

    def events_sent(self) -> list[tuple[str, list[object]]]:
        """What ``admin`` heard: the last word of each topic, and the arguments."""
        return [(one[3]["topic"].rpartition(".")[2], one[4]) for one in self.admin.heard()]

    def test_life_of_a_subscription(self) -> None:
        """on_create before the first on_subscribe, on_delete behind the last on_unsubscribe, each once."""
        anna, ben = self.anna.session_id, self.ben.session_id
        self.fixture.clock.advance(3600)
        number = self.subscribed(self.anna, "com.x")
        about = {"id": number, "created": "1970-01-01T01:00:00.000Z", "uri": "com.x", "match": "exact"}
        self.assertEqual(self.events_sent(), [("on_create", [anna, about]), ("on_subscribe", [anna, number])])
        self.subscribed(self.ben, "com.x")
        self.subscribed(self.ben, "com.x")
        self.assertEqual(self.events_sent(), [("on_subscribe", [ben, number])])
        self.anna.ask([34, 1, number])
        self.assertEqual(self.events_sent(), [("on_unsubscribe", [anna, number])])
        self.ben.session.closed(False, None, "")
        self.assertEqual(self.events_sent(), [("on_unsubscribe", [ben, number]), ("on_delete", [ben, number])])

    def test_v1_and_patterns(self) -> None:
        """Subscriptions of v1 clients and to patterns are news too."""
        old = self.fixture.v1()
        old.say([5, "oro/ping"])
        number = self.subscribed(self.anna, "com.", match="prefix")
        session = int(old.session_id)
        found = self.events_sent()
        self.assertEqual([name for name, _ in found], ["on_create", "on_subscribe"] * 2)
        self.assertEqual([found[0][1][0], found[1][1]], [session, [session, number - 1]])
        self.assertEqual((found[2][1][1]["match"], found[2][1][1]["id"]), ("prefix", number))
        old.say([6, "oro/ping"])
        self.assertEqual(
            self.events_sent(), [(f"on_{what}", [session, number - 1]) for what in ("unsubscribe", "delete")]
        )

    def test_not_of_itself(self) -> None:
        """Nothing is told of subscriptions to WAMP's own topics."""
        self.subscribed(self.anna, "wamp.session.on_join")
        self.anna.session.closed(False, None, "")
        self.assertEqual(self.events_sent(), [])

    def test_listener_leaves(self) -> None:
        """Whoever leaves hears nothing of it; nobody is left over."""
        self.subscribed(self.admin, "com.x")
        self.events_sent()
        self.admin.session.closed(False, None, "")
        self.assertEqual(self.events_sent(), [])
        self.assertEqual(list(self.fixture.realm.broker), [])


class Registrations(MetaCase):
    """wamp.registration.on_create, wamp.registration.on_register, wamp.registration.on_unregister,
    wamp.registration.on_delete."""

    def events_sent(self) -> list[tuple[str, list[object]]]:
        return [(one[3]["topic"].rpartition(".")[2], one[4]) for one in self.admin.heard()]

    def test_life_of_a_registration(self) -> None:
        """on_create before the first on_register, on_delete behind the last on_unregister, each once."""
        self.subscribed(self.admin, "wamp.registration.", match="prefix")
        anna, ben = self.anna.session_id, self.ben.session_id
        self.fixture.clock.advance(3600)
        ((_, _, number),) = self.anna.ask([64, 1, {"invoke": "roundrobin"}, "com.x"])
        about = {"id": number, "created": "1970-01-01T01:00:00.000Z", "uri": "com.x", "match": "exact"}
        about["invoke"] = "roundrobin"
        self.assertEqual(self.events_sent(), [("on_create", [anna, about]), ("on_register", [anna, number])])
        self.ben.ask([64, 1, {"invoke": "roundrobin"}, "com.x"])
        self.assertEqual(self.events_sent(), [("on_register", [ben, number])])
        self.anna.ask([66, 2, number])
        self.assertEqual(self.events_sent(), [("on_unregister", [anna, number])])
        self.ben.session.closed(False, None, "")
        self.assertEqual(self.events_sent(), [("on_unregister", [ben, number]), ("on_delete", [ben, number])])


class Reserved(MetaCase):
    """WAMP's own names are WAMP's."""

    def test_publish(self) -> None:
        """Nobody publishes on a topic of WAMP's, whatever the rules say; v1 and its connection notice nothing."""
        self.subscribed(self.admin, "wamp.", match="prefix")
        old = self.fixture.v1()
        self.admin.heard()
        answer = self.anna.ask([16, 1, {"acknowledge": True}, "wamp.session.on_join", ["fake"]])
        self.assertEqual(answer[0][4], "wamp.error.invalid_uri")
        self.assertEqual(old.ask([7, "wamp.session.on_join", "fake"]), [])
        self.assertIsNone(old.link.ended)
        self.assertEqual(self.admin.heard(), [])

    def test_register(self) -> None:
        """Nobody registers a procedure of WAMP's, and no pattern, however broad, catches a call of one."""
        answer = self.anna.ask([64, 1, {}, "wamp.session.count"])
        self.assertEqual(answer[0][4], "wamp.error.invalid_uri")
        for request, (pattern, match) in enumerate([("", "prefix"), ("wam", "prefix"), ("..", "wildcard")], 2):
            (answer,) = self.anna.ask([64, request, {"match": match}, pattern])
            self.assertEqual(answer[0], 65, answer)
        self.assertEqual(self.call("wamp.session.count"), [3])
        self.assertEqual(self.refused("wamp.session.counts"), "no_such_procedure")
        self.assertEqual(self.anna.heard(), [])


class Granted(MetaCase):
    """Permissions of roles hold for WAMP's own URIs as for any other."""

    def grant(self, *lines: str) -> None:
        rules = permissions("\n".join(lines), BUILTIN)
        mine = [Permission(one.uri, one.match, one.actions) for one in rules]
        self.fixture.realm_context.chain.replace([RolePermissions({"user": mine})])

    def answer(self, message: list[object]) -> str:
        (answer,) = self.anna.ask(message)
        return "yes" if answer[0] in (33, 50, 65) else str(answer[4]).removeprefix("wamp.error.")

    def test_nothing_by_default(self) -> None:
        """Who was granted topics of the application's has nothing of WAMP's, by no pattern either."""
        self.grant("prefix com. all", "prefix org call,subscribe,register")
        for topic, match in (
            ("wamp.session.on_join", "exact"), ("wamp.", "prefix"), ("", "prefix"), ("w", "prefix"), ("..", "wildcard"),
            (".session.on_join", "wildcard"), ("wamp..", "wildcard"),
        ):  # fmt: skip
            self.assertEqual(self.answer([32, 1, {"match": match}, topic]), "not_authorized", (topic, match))
            self.assertEqual(self.answer([64, 1, {"match": match}, topic]), "not_authorized", (topic, match))
        self.assertEqual(self.answer([48, 1, {}, "wamp.session.count"]), "not_authorized")
        self.assertEqual(self.fixture.realm.broker.meta_listeners, frozenset())

    def test_everything_but(self) -> None:
        """Where all is granted but WAMP's own, a pattern that reaches into it is refused."""
        self.grant("any all", "deny prefix wamp.")
        table = [("", "prefix"), ("wam", "prefix"), ("..", "wildcard"), ("wamp.session.on_join", "exact")]
        for topic, match in table:
            self.assertEqual(self.answer([32, 1, {"match": match}, topic]), "not_authorized", (topic, match))
        self.assertEqual(self.answer([48, 1, {}, "wamp.session.kill_all"]), "not_authorized")
        self.assertEqual(self.answer([32, 1, {"match": "prefix"}, "com."]), "yes")

    def test_some(self) -> None:
        """Looking is granted without killing."""
        self.grant("prefix wamp.session. call,subscribe", "deny prefix wamp.session.kill")
        self.assertEqual(self.answer([48, 1, {}, "wamp.session.count"]), "yes")
        for name in ("kill", "kill_by_authid", "kill_all"):
            self.assertEqual(self.answer([48, 2, {}, f"wamp.session.{name}"]), "not_authorized")
        self.assertEqual(self.answer([32, 3, {}, "wamp.session.on_leave"]), "yes")
