"""Who may present a ticket of the back end."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ConfigError
from orosync.identity.ticket_verifier import PublisherRight
from orosync.testing import connection_facts

NETWORKS = ("127.0.0.0/8", "::1", "10.1.0.0/16", "2001:db8::/32")


class Right(SynchronousTestCase):
    """On a port shared with browsers, on one for PHP alone, and on any other."""

    def setUp(self) -> None:
        self.right = PublisherRight(
            ["backend", "narrow"], {"public": NETWORKS, "narrow": [ip_network("10.0.0.0/8")], "closed": []}
        )

    def has_it(self, **facts: Any) -> bool:
        return self.right.objection(connection_facts(**{"origin": "127.0.0.1", **facts})) is None

    def test_shared_port(self) -> None:
        """PHP connects from its own network, directly and without a cookie; a connection that differs in one point may
        not."""
        for allowed, facts in [
            (True, {}),
            (True, {"peer": "::1"}),
            (True, {"peer": "10.1.255.255"}),
            (True, {"peer": "::ffff:10.1.2.3"}),
            (True, {"peer": "2001:db8:5::1"}),
            (True, {"headers": {"pragma": "no-cache"}}),
            (True, {"peer": "192.0.2.1", "proxied_for": "10.1.2.3"}),
            (False, {"peer": "127.0.0.1", "proxied_for": "192.0.2.1"}),
            (False, {"peer": "10.2.0.1"}),
            (False, {"peer": "192.0.2.1"}),
            (False, {"peer": "::ffff:192.0.2.1"}),
            (False, {"peer": "::2"}),
            (False, {"peer": ""}),
            (False, {"peer": "/run/orosync.sock"}),
            (False, {"peer": "localhost"}),
            (False, {"peer": "192.0.2.1", "address": "127.0.0.1"}),
            (False, {"forwarded": True}),
            (False, {"cookies": {"BAPID": "x"}}),
            (False, {"headers": {"cookie": ""}}),
            (False, {"headers": {"cookie": "unreadable"}}),
        ]:
            self.assertEqual(self.has_it(listener="public", **facts), allowed, facts)

    def test_origin(self) -> None:
        """On a shared port it is exactly what PHP sends, to the letter; elsewhere it is not asked for. A connection
        without HTTP has none."""
        for origin in (
            None, "", "null", "http://127.0.0.1", "https://127.0.0.1:8443", "127.0.0.1:8080", "127.0.0.1 ", "127.0.0.2",
            "localhost", "http://localhost", "https://oro.example.com", "[::1]", 
            "127.0.0.1, 127.0.0.1", "127.0.0.1.evil.example",
        ):  # fmt: skip
            self.assertFalse(self.has_it(origin=origin), origin)
            self.assertFalse(self.has_it(origin=origin, host="", headers={"pragma": "no-cache"}), origin)
            self.assertTrue(self.has_it(listener="backend", origin=origin), origin)
        self.assertTrue(self.has_it(origin=None, host="", headers={}))

    def test_programs(self) -> None:
        """Where no PHP comes, a back end is a program, which sends no Origin; a page still sends one."""
        self.right = PublisherRight((), {"attach": NETWORKS}, ["attach"])
        for allowed, origin in ((True, None), (True, "127.0.0.1"), (False, "http://127.0.0.1"), (False, "")):
            self.assertEqual(self.has_it(listener="attach", origin=origin), allowed, origin)

    def test_listener_of_the_back_end(self) -> None:
        """A listener for PHP only grants it to every connection, through a proxy too."""
        for facts in ({}, {"peer": "192.0.2.1"}, {"peer": ""}, {"forwarded": True}, {"cookies": {"BAPID": "x"}}):
            self.assertTrue(self.has_it(listener="backend", **facts), facts)

    def test_listener_of_the_back_end_with_networks(self) -> None:
        """Networks given for such a listener limit it to them, and that is all they do."""
        self.assertTrue(self.has_it(listener="narrow", peer="10.9.9.9", forwarded=True))
        self.assertFalse(self.has_it(listener="narrow", peer="127.0.0.1"))

    def test_on_this_machine(self) -> None:
        """With a publicly known secret: from loopback and UNIX sockets alone, whatever the listener grants."""
        self.right = PublisherRight(["backend"], {"public": [*NETWORKS, "0.0.0.0/0"]}).on_this_machine()
        for allowed, facts in [
            (True, {}),
            (True, {"peer": "::1"}),
            (True, {"peer": "::ffff:127.0.0.1"}),
            (True, {"listener": "backend"}),
            (True, {"listener": "backend", "peer": "127.8.9.1"}),
            (True, {"listener": "backend", "peer": "unix"}),
            (False, {"peer": "10.1.0.1"}),
            (False, {"peer": "192.0.2.1", "address": "127.0.0.1"}),
            (False, {"listener": "backend", "peer": "10.1.0.1"}),
            (False, {"listener": "backend", "peer": ""}),
            (False, {"listener": "backend", "peer": "127.0.0.1", "proxied_for": "192.0.2.1"}),
            (False, {"listener": "backend", "peer": "unix", "proxied_for": "192.0.2.1"}),
            (False, {"listener": "backend", "forwarded": True}),
            (False, {"origin": "http://localhost"}),
            (False, {"cookies": {"BAPID": "x"}}),
            (False, {"peer": "unix"}),
        ]:
            self.assertEqual(self.has_it(**{"listener": "public", **facts}), allowed, facts)
        self.assertIn(
            "published with", self.right.objection(connection_facts(listener="backend", peer="10.1.0.1")) or ""
        )

    def test_any_other_listener(self) -> None:
        """By default no connection may publish; an empty list of networks changes nothing."""
        for listener in ("unknown", "", "closed"):
            self.assertFalse(self.has_it(listener=listener))
        self.assertIsNotNone(PublisherRight().objection(connection_facts()))

    def test_reasons(self) -> None:
        """The administrator reads which of the rules it was."""
        for word, facts in [
            ("publisher_from", {"peer": "192.0.2.1"}),
            ("proxy", {"forwarded": True}),
            ("cookie", {"cookies": {"BAPID": "secret-session"}}),
            ("Origin is not the 127.0.0.1 that Oro's PHP sends", {"origin": "https://secret-session.example"}),
            ("elsewhere", {"listener": "elsewhere"}),
        ]:
            objection = self.right.objection(connection_facts(**facts))
            self.assertIn(word, objection)
            self.assertNotIn("secret-session", str(objection))

    def test_no_networks(self) -> None:
        """What is no network is told at the start, all of it at once."""
        error = self.assertRaises(ConfigError, PublisherRight, (), {"a": ["127.0.0.1/99", "::1"], "b": ["localhost"]})
        self.assertEqual(len(error.faults), 2)
        self.assertIn("[listen:a]", error.faults[0])
        self.assertIn("localhost", error.faults[1])
