"""WAMP's procedures about sessions, as clients call them: frames in, frames out."""

from __future__ import annotations

from typing import Any

from orosync.model import Action, Decision, Match, Verdict
from orosync.session.local import LocalSession
from orosync.testing import principal
from tests.session.fixture import HELLO, JsonClient
from tests.session.meta_case import MISSING, MetaCase

KILLED = "wamp.close.killed"


class Looking(MetaCase):
    """Who is here."""

    def test_count(self) -> None:
        """wamp.session.count: all, or those of certain roles."""
        self.fixture.v1(principal("dora"))
        for args, expected in (([], 4), ([None], 4), ([["user"]], 2), ([["user", "guest"]], 3), ([[]], 0)):
            self.assertEqual(self.call("wamp.session.count", *args), [expected], args)
        self.bad("wamp.session.count", ("user",), ([1],), ({},))

    def test_list(self) -> None:
        """wamp.session.list: the ids of all, or of those of certain roles."""
        audience = [self.admin.session_id, self.anna.session_id, self.ben.session_id]
        self.assertEqual(self.call("wamp.session.list"), [audience])
        self.assertEqual(self.call("wamp.session.list", ["guest"]), [[self.ben.session_id]])
        self.bad("wamp.session.list", (7,))

    def test_get(self) -> None:
        """wamp.session.get: who it is, by id, also by the float that some clients make of it."""
        session = self.ben.session_id
        about = {"session": session, "authid": "ben", "authrole": "guest", "authmethod": "ticket"}
        about["authprovider"] = "guests"
        for number in (session, float(session)):
            self.assertEqual(self.call("wamp.session.get", number), [about])
        self.assertEqual(self.refused("wamp.session.get", MISSING), "no_such_session")
        self.bad("wamp.session.get", (), ("x",), (1.5,), (None,))

    def test_from_v1(self) -> None:
        """A v1 client calls them too, and gets the one value that its RESULT holds."""
        old = self.fixture.v1()
        self.assertEqual(old.ask([2, "a", "wamp.session.count"]), [[3, "a", 4]])
        ((code, call_id, uri, *_),) = old.ask([2, "b", "wamp.session.get", MISSING])
        self.assertEqual((code, call_id, uri), (4, "b", "wamp.error.no_such_session"))

    def test_not_shown(self) -> None:
        """What orosync has in the realm for itself is no session of anybody's: not listed, not killed, no news."""
        self.subscribed(self.anna, "wamp.", match="prefix")
        own = LocalSession(self.fixture.realm_context, principal("uplink"), frozenset(), lambda *received: None)
        session = max(
            set(self.fixture.realm.members) - {self.admin.session_id, self.anna.session_id, self.ben.session_id}
        )
        number = own.subscribe("com.x", Match.EXACT)
        self.assertEqual(self.call("wamp.session.count"), [3])
        for procedure in ("get", "kill"):
            self.assertEqual(self.refused(f"wamp.session.{procedure}", session), "no_such_session")
        self.assertEqual(self.call("wamp.session.kill_by_authid", "uplink"), [[]])
        self.assertEqual(self.call("wamp.subscription.list_subscribers", number), [[]])
        self.assertEqual(self.refused("wamp.subscription.remove_subscriber", number, session), "no_such_session")
        self.assertEqual(self.anna.heard(), [])
        self.subscribed(self.ben, "com.x")
        found = [one[3]["topic"].rpartition(".")[2] for one in self.anna.heard()]
        self.assertEqual(found, ["on_create", "on_subscribe"])
        own.leave()
        self.assertEqual(self.anna.heard(), [])
        self.assertEqual(self.call("wamp.subscription.list_subscribers", number), [[self.ben.session_id]])

    def test_authorised(self) -> None:
        """A meta procedure is called with leave like any other."""
        self.fixture.authorizer.answers[Action.CALL, "wamp.session.count"] = Decision(Verdict.DENY, "rule 7")
        self.assertEqual(self.refused("wamp.session.count"), "not_authorized")


class Killing(MetaCase):
    """wamp.session.kill and its like."""

    def gone(self, player: JsonClient, reason: str = KILLED, **details: Any) -> None:
        """``player`` was told, is closed, and nothing of it is left in the realm, whatever it does now."""
        self.assertEqual(player.heard()[-1], [6, details, reason])
        self.assertEqual(player.link.ended[0], "close")
        self.assertNotIn(player.session_id, self.fixture.realm.members)
        player.say([32, 1, {}, "com.x"], [6, {}, "wamp.close.goodbye_and_out"])
        self.assertEqual(player.heard(), [])

    def test_kill(self) -> None:
        """wamp.session.kill: GOODBYE wamp.close.killed without a message, out at once, a result without arguments."""
        self.subscribed(self.anna, "com.x")
        self.assertEqual(self.call("wamp.session.kill", self.anna.session_id), [])
        self.gone(self.anna)
        self.assertIsNone(self.fixture.realm.broker.lookup("com.x"))
        self.assertIsNone(self.ben.link.ended)

    def test_reason_and_message(self) -> None:
        """The killer's reason and message reach the killed, whatever serializer made a float of the id."""
        goodbye = {"reason": "com.acme.bye", "message": "off you go"}
        self.call("wamp.session.kill", float(self.anna.session_id), **goodbye)
        self.gone(self.anna, "com.acme.bye", message="off you go")

    def test_nobody(self) -> None:
        """No such session: an unknown id, one that has gone, and one's own."""
        self.ben.session.closed(True, 1000, "")
        for number in (MISSING, self.ben.session_id, self.admin.session_id):
            self.assertEqual(self.refused("wamp.session.kill", number), "no_such_session")
        self.assertIsNone(self.admin.link.ended)

    def test_bad_reasons(self) -> None:
        """A reason that is no URI is refused, a message that is no text too, and nobody is killed."""
        session = self.anna.session_id
        for procedure, args in (
            ("kill", [session]),
            ("kill_by_authid", ["anna"]),
            ("kill_by_authrole", ["user"]),
            ("kill_all", []),
        ):
            for reason in ("", "a b", "a..b", "#", 7, []):
                self.assertEqual(self.refused(f"wamp.session.{procedure}", *args, reason=reason), "invalid_uri", reason)
            self.assertEqual(self.refused(f"wamp.session.{procedure}", *args, message=7), "invalid_argument")
        self.bad("wamp.session.kill", (), ("x",), (1.5,))
        self.bad("wamp.session.kill_by_authid", (), (7,))
        self.bad("wamp.session.kill_by_authrole", (), (7,))
        self.assertEqual(len(self.fixture.realm.members), 3)

    def test_by_authid(self) -> None:
        """wamp.session.kill_by_authid: all sessions of a user but the caller's own; their ids."""
        again = self.enter("anna")
        self.assertEqual(self.call("wamp.session.kill_by_authid", "anna"), [[self.anna.session_id, again.session_id]])
        self.gone(self.anna)
        self.gone(again)
        self.assertEqual(self.call("wamp.session.kill_by_authid", "admin"), [[]])
        self.assertIsNone(self.admin.link.ended)

    def test_by_authrole(self) -> None:
        """wamp.session.kill_by_authrole: all sessions of a role but the caller's own; their number."""
        also = self.enter("zoe")
        self.assertEqual(self.call("wamp.session.kill_by_authrole", "user", reason="com.acme.bye"), [2])
        self.gone(self.anna, "com.acme.bye")
        self.gone(also, "com.acme.bye")
        self.assertEqual(self.call("wamp.session.kill_by_authrole", "admin"), [0])
        self.assertIsNone(self.ben.link.ended)

    def test_all(self) -> None:
        """wamp.session.kill_all: everybody but the caller, v1 too; their number, and no word of it on any topic."""
        old = self.fixture.v1()
        self.subscribed(self.admin, "wamp.session.on_leave")
        self.assertEqual(self.call("wamp.session.kill_all"), [3])
        self.assertEqual(self.also, [])
        for player in (self.anna, self.ben):
            self.gone(player)
        self.assertEqual(old.link.ended[0], "drop")
        self.assertEqual(list(self.fixture.realm.members), [self.admin.session_id])

    def test_all_and_a_call(self) -> None:
        """When all are killed, whoever killed them still hears that nobody will answer its calls."""
        self.anna.ask([64, 1, {}, "com.slow"])
        self.admin.ask([48, 1, {}, "com.slow"])
        self.call("wamp.session.kill_all")
        self.assertEqual([one[:5] for one in self.also], [[8, 48, 1, {}, "wamp.error.canceled"]])

    def test_v1(self) -> None:
        """A v1 client is dropped, not closed: Oro's page comes back by itself then."""
        old = self.fixture.v1(principal("dora"))
        old.ask([5, "oro/ping"])
        self.call("wamp.session.kill", int(old.session_id))
        self.assertEqual((old.link.ended[0], old.heard()), ("drop", []))
        self.assertIsNone(self.fixture.realm.broker.lookup("oro/ping"))

    def test_by_v1(self) -> None:
        """A v1 client that may kills like anybody."""
        old = self.fixture.v1()
        self.assertEqual(old.ask([2, "a", "wamp.session.kill", self.anna.session_id]), [[3, "a", None]])
        self.gone(self.anna)

    def test_others_are_told(self) -> None:
        """on_leave and the end of its subscriptions are news as ever, once."""
        self.subscribed(self.ben, "wamp.session.on_leave")
        self.subscribed(self.anna, "com.x")
        self.call("wamp.session.kill", self.anna.session_id)
        self.anna.session.closed(True, 1000, "")
        gone = [self.anna.session_id, "anna", "user"]
        self.assertEqual(self.events(self.ben), [("wamp.session.on_leave", gone)])

    def test_a_call_it_works_on(self) -> None:
        """Whoever waits for the killed hears that no answer will come; the killer itself may be the one."""
        self.anna.ask([64, 1, {}, "com.slow"])
        self.admin.ask([48, 1, {}, "com.slow"])
        self.assertEqual(self.call("wamp.session.kill", self.anna.session_id), [])
        self.assertEqual([one[:5] for one in self.also], [[8, 48, 1, {}, "wamp.error.canceled"]])

    def test_new_hello(self) -> None:
        """The killed may not go on on the same connection."""
        self.call("wamp.session.kill", self.anna.session_id)
        self.anna.heard()
        self.assertEqual(self.anna.ask(HELLO), [])
