"""orosync's judgement in a real Crossbar.io, in each of the four ways of docs/crossbar.md."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.product.crossbar_node import ANNAS, BENS, OFFICE, UNKNOWN, CrossbarNode, Denied, Visitor
from tests.support.crossbar import shared

DENIED = "wamp.error.authentication_denied"
NOT_ALLOWED = "wamp.error.not_authorized"
MAIL = "oro/email_event/1/1"


class Ways:
    """What holds in every way; each has a class of its own below."""

    way = ""
    any_origin = False

    def setUp(self):
        self.node = shared(f"node-{self.way}", lambda: CrossbarNode(self.way, any_origin=self.any_origin))

    def visitor(self, made: Visitor) -> Visitor:
        self.addCleanup(made.close)
        return made

    def denied(self, uri: str, call, *args, **kwargs) -> None:
        with self.assertRaises(Denied) as caught:
            call(*args, **kwargs)
        self.assertEqual(str(caught.exception), uri)

    def test_a_ticket_logs_in(self):
        """Oro's ticket is taken as WAMP's: it says who one is, with or without a name in HELLO."""
        anna = self.visitor(self.node.user("anna"))
        self.assertEqual((anna.details["authid"], anna.details["authrole"]), ("anna", "user"))
        known = {key: anna.details["authextra"][key] for key in ("user_id", "organizations", "roles")}
        self.assertEqual(known, {"user_id": 1, "organizations": [1], "roles": []})
        nameless = self.visitor(Visitor(self.node.public, ticket=self.node.ticket("ben")))
        self.assertEqual(nameless.details["authid"], "ben")

    def test_a_wrong_ticket_does_not(self):
        """Whatever is wrong, the client gets the same answer; the log tells them apart."""
        node = self.node
        for ticket, authid, kind in [
            (node.ticket("anna", age=400), "anna", "expired"),
            (node.ticket("anna"), "ben", "authid_mismatch"),
            (node.ticket("nobody"), "nobody", "unknown_user"),
            ("rubbish", "anna", "malformed"),
        ]:
            self.denied(DENIED, Visitor, node.public, ticket=ticket, authid=authid)
            node.wait_for_line(f"hello.refused ({kind})")

    def test_a_cookie_logs_in(self):
        """A page of the back office needs nothing but its cookie."""
        ben = self.visitor(self.node.page(BENS))
        self.assertEqual((ben.details["authid"], ben.details["authextra"]["user_id"]), ("ben", 2))
        ben.subscribe("oro/email_event/2/1")

    def test_a_wrong_cookie_does_not(self):
        """Unknown, without a page behind it, or beside somebody else's ticket."""
        self.denied(DENIED, self.node.page, UNKNOWN)
        self.denied(DENIED, self.node.page, ANNAS, origin=None)
        self.denied(DENIED, self.node.user, "ben", cookie=ANNAS, origin=OFFICE)
        self.visitor(self.node.user("anna", cookie=ANNAS, origin=OFFICE))

    def test_a_foreign_page_does_not(self):
        """Another site's page with the visitor's cookie is kept out: by Crossbar.io, and where that lets any page
        connect, by orosync."""
        refusal = DENIED if self.any_origin else "handshake 400"
        self.denied(refusal, self.node.page, ANNAS, origin="https://evil.example")

    def test_topics(self):
        """One's own are allowed, another's are not, and neither is what nobody has declared."""
        anna = self.visitor(self.node.user("anna"))
        for topic in (MAIL, "oro/data/update", "oro/email_event/1/*"):
            anna.subscribe(topic)
        for topic in ("oro/email_event/2/1", "oro/reminder_remind/2", "oro/unheard_of", "com.example.topic"):
            self.denied(NOT_ALLOWED, anna.subscribe, topic)

    def test_patterns_beyond_the_grant(self):
        """A pattern that reaches another user's topics is refused, whatever else it means."""
        anna = self.visitor(self.node.user("anna"))
        for uri, match in [("oro/", "prefix"), ("oro/email_event/1", "prefix"), ("", "prefix"), ("..", "wildcard")]:
            self.denied(NOT_ALLOWED, anna.subscribe, uri, match=match)

    def test_the_back_end_publishes(self):
        """With a ticket without a user, from where it may come; whoever listens hears it once."""
        anna, ben = self.visitor(self.node.user("anna")), self.visitor(self.node.user("ben"))
        anna.subscribe(MAIL)
        anna.subscribe("oro/data/update")
        ben.subscribe("oro/data/update")
        back_end = self.visitor(self.node.back_end())
        self.assertEqual(back_end.details["authrole"], "backend")
        back_end.publish(MAIL, {"hasNewEmail": True})
        back_end.publish("oro/data/update", ["tag"])
        self.assertEqual(anna.heard(), [(MAIL, {"hasNewEmail": True}), ("oro/data/update", ["tag"])])
        self.assertEqual(ben.heard(), [("oro/data/update", ["tag"])])

    def test_nobody_else_is_the_back_end(self):
        """A ticket without a user is worth nothing with a cookie, as browsers have it, or behind a proxy."""
        self.denied(DENIED, self.node.back_end, cookie=ANNAS, origin=OFFICE)
        self.denied(DENIED, self.node.back_end, headers=("X-Forwarded-For: 127.0.0.1",))

    def test_a_user_does_not_publish(self):
        """Neither to others nor to itself; nor does it call what decides, or register anything."""
        anna = self.visitor(self.node.user("anna"))
        anna.subscribe("oro/data/update")
        self.denied(NOT_ALLOWED, anna.publish, "oro/data/update", ["tag"])
        for procedure in ("com.orosync.authenticate", "com.orosync.authorize", "wamp.session.list"):
            self.denied(NOT_ALLOWED, anna.call, procedure)
        for procedure in ("com.orosync.authorize", "com.example.mine"):
            self.denied(NOT_ALLOWED, anna.register, procedure, invoke="last")
        self.assertEqual(anna.heard(), [])

    def test_what_a_client_makes_up(self):
        """Nobody becomes somebody by what HELLO says of itself."""
        made_up = {"user_id": 1, "organizations": [1], "roles": ["ROLE_ADMINISTRATOR"]}
        ben = self.visitor(self.node.user("ben", authextra=made_up, authrole="backend"))
        self.assertEqual((ben.details["authextra"]["user_id"], ben.details["authrole"]), (2, "user"))
        self.denied(NOT_ALLOWED, ben.subscribe, MAIL)


class OverWebSocket(Ways, SynchronousTestCase):
    """The two twistd commands, attached over WebSocket to a Crossbar.io that lets any page connect."""

    way, any_origin = "websocket", True


class OverRawSocket(Ways, SynchronousTestCase):
    """The same over RawSocket."""

    way = "rawsocket"


class AsClasses(Ways, SynchronousTestCase):
    """Loaded into the router's process as components of the class kind."""

    way = "class"


class AsFunctions(Ways, SynchronousTestCase):
    """Loaded into the router's process as functions."""

    way = "function"


class Healing(SynchronousTestCase):
    """What becomes of it when something goes down."""

    def until(self, done, seconds=30.0):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return done()
            except (Denied, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def test_down_and_up_again(self):
        """A killed authenticator lets nobody in, a killed authorizer allows nothing, and both are good again once they
        are back; when the router comes back they join it by themselves. At a stop their status is 0."""
        node = CrossbarNode("websocket")
        self.addCleanup(node.end)
        node.start()
        anna = node.user("anna")
        self.addCleanup(anna.close)
        for child in node.helpers.values():
            child.kill()
        with self.assertRaisesRegex(Denied, "no_such_procedure"):
            node.user("anna")
        with self.assertRaisesRegex(Denied, "authorization_failed"):
            anna.subscribe(MAIL)
        for what in ("authenticator", "authorizer"):
            node.helper(what).wait_for_line("attach.joined")
        node.user("anna").close()
        anna.subscribe(MAIL)

        node.node.kill()
        for child in node.helpers.values():
            child.wait_for_line("attach.failed (lost)")
        node.node.start()
        again = self.until(lambda: node.user("anna"))
        self.addCleanup(again.close)
        self.until(lambda: again.subscribe(MAIL))
        for child in node.helpers.values():
            self.assertEqual(child.end(), 0, child.output)
            self.assertNotIn("Traceback", child.output)


class Faulty(SynchronousTestCase):
    """A configuration of ours that cannot be used, inside Crossbar.io."""

    def node(self, way, name, text, instead):
        node = CrossbarNode(way)
        self.addCleanup(node.end)
        path = node.state / name
        self.assertIn(text, path.read_text())
        path.write_text(path.read_text().replace(text, instead))
        return node

    def test_a_class(self):
        """The node does not start, and says why."""
        node = self.node("class", "authenticator.ini", "[directory:people]", "[directory:peple]")
        with self.assertRaisesRegex(AssertionError, "there is no .directory:people., did you mean peple"):
            node.start()

    def test_a_function(self):
        """Nobody is let in without its authenticator, nobody gets anything without its authorizer; nobody waits."""
        for name, text, instead, fault in [
            ("authenticator.ini", "[directory:people]", "[directory:peple]", "did you mean peple?"),
            ("authorizer.ini", "[topics:oro]", "[topics:orro]", "did you mean topics:orro?"),
        ]:
            node = self.node("function", name, text, instead)
            node.start()
            with self.assertRaisesRegex(Denied, "authorization_failed"):
                anna = node.user("anna")
                self.addCleanup(anna.close)
                anna.subscribe("oro/data/update")
            node.wait_for_line(fault)
            node.end()
