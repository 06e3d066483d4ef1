"""Proxies that hide where clients come from."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.session.context import MOST_ADDRESSES, MOST_USERS, HiddenProxies
from orosync.testing import RecordingJournal, connection_facts, principal

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]


class HiddenProxiesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.noticed = HiddenProxies(self.journal, "shared", LOOPBACK)

    def kinds(self) -> list[str]:
        return [kind for event, kind, _ in self.journal.notes if event == "proxy.hidden"]

    def come(self, authid: str = "anna", method: str = "ticket", is_backend: bool = False, **facts: Any) -> None:
        who = principal(authid, authmethod=method, is_backend=is_backend)
        where = {"address": facts.get("proxied_for") or facts.get("peer", "127.0.0.1"), **facts}
        self.noticed.admitted(connection_facts(**where), who)

    def test_pages_from_the_publishers_address(self) -> None:
        """They come past something that hides them: told once, with what to do."""
        self.come()
        self.come()
        self.come("ben", "cookie", peer="10.0.0.7")
        self.assertEqual(self.kinds(), ["publisher_from"])
        fields = self.journal.notes[0][2]
        self.assertEqual((fields["listener"], fields["address"]), ("shared", "127.0.0.1"))
        for words in ("X-Forwarded-For", "trusted_proxies", "proxy_protocol", "publisher = yes"):
            self.assertIn(words, fields["remedy"])
        self.assertLess(len(fields["reason"]), 200)

    def test_what_is_a_page(self) -> None:
        """A user of Oro's, by whatever credential, or whatever says that it is a browser."""
        for told, facts in [
            (True, {"method": "cookie"}),
            (True, {"method": "anonymous", "headers": {"user-agent": "Mozilla/5.0 (X11)"}}),
            (True, {"peer": "192.0.2.1", "proxied_for": "10.2.3.4"}),
            (False, {"method": "anonymous"}),
            (False, {"method": "cryptosign", "headers": {"user-agent": "Python-urllib/3"}}),
            (False, {"is_backend": True}),
            (False, {"peer": "192.0.2.1"}),
            (False, {"peer": "unix"}),
            (False, {"forwarded": True}),
            (False, {"forwarded": True, "address": "203.0.113.9"}),
            (False, {"peer": "127.0.0.1", "proxied_for": "203.0.113.9"}),
        ]:
            self.setUp()
            self.come(**facts)
            self.assertEqual(self.kinds(), ["publisher_from"] if told else [], facts)

    def test_no_publisher_from(self) -> None:
        """A listener that grants publishing outright, or to nobody, rests on no address."""
        self.noticed = HiddenProxies(self.journal, "backend")
        self.come()
        self.assertEqual(self.kinds(), [])

    def crowd(self, count: int, **facts: Any) -> None:
        for number in range(count):
            self.come(f"user{number}", **facts)
            self.come(f"user{number}", **facts)

    def test_many_users_of_one_address(self) -> None:
        """Told once, at the twentieth user; connections of the same user do not count."""
        self.crowd(MOST_USERS - 1, peer="192.0.2.1")
        self.assertEqual(self.kinds(), [])
        self.crowd(MOST_USERS, peer="192.0.2.1")
        self.crowd(MOST_USERS, peer="192.0.2.2")
        self.assertEqual(self.kinds(), ["many_users"])
        self.assertEqual(self.journal.notes[0][2]["address"], "192.0.2.1")

    def test_few_or_known(self) -> None:
        """Users of several addresses, behind a proxy that says who they are, anonymous ones, and the back end."""
        for number in range(100):
            self.come(f"user{number}", peer=f"192.0.2.{number // 10}")
        self.crowd(100, peer="198.51.100.1", forwarded=True)
        self.crowd(100, peer="198.51.100.1", address="203.0.113.9")
        self.crowd(100, peer="198.51.100.1", method="anonymous")
        self.crowd(100, peer="198.51.100.1", is_backend=True)
        self.assertEqual(self.kinds(), [])

    def test_a_socket_file(self) -> None:
        """A proxy on a UNIX socket hides its clients too."""
        self.crowd(MOST_USERS, peer="unix")
        self.assertEqual(self.kinds(), ["many_users"])

    def test_memory(self) -> None:
        """However many addresses there are, only the last ones are remembered."""
        for number in range(MOST_ADDRESSES + 50):
            self.come(peer=f"2001:db8::{number:x}")
        self.assertEqual(len(self.noticed._users or ()), MOST_ADDRESSES)
        self.crowd(MOST_USERS, peer="2001:db8::1")
        self.assertEqual(self.kinds(), ["many_users"])
        self.assertIsNone(self.noticed._users)
