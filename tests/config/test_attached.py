"""Tests of orosync.config.attached."""

from __future__ import annotations

from ipaddress import ip_network

from orosync.config import attached
from orosync.config.readers import BUILTIN
from tests.config.files import ENVIRON, FilesCase

KEY = "0f" * 32
ALONE = """\
[attach]
url = wss://router.example.com/ws
key = env:KEY
[realm:realm1]
authorizers = roles
"""


class Sections(FilesCase):
    def test_defaults(self) -> None:
        """A file with [attach] alone is whole: no listener, and of its realm only what is asked about."""
        configuration = self.load(ALONE, {**ENVIRON, "KEY": KEY})
        section = configuration.attach
        assert section is not None
        self.assertEqual(
            (section.url, section.realm, section.authid), ("wss://router.example.com/ws", "realm1", "orosync")
        )
        self.assertEqual(
            (section.authenticator, section.authorizer), ("com.orosync.authenticate", "com.orosync.authorize")
        )
        self.assertEqual(
            section.trusted_providers, (("dynamic", "ticket"), ("dynamic", "anonymous"), ("function", "ticket"))
        )
        self.assertEqual((section.origins, section.trusted_proxies, section.publisher_from), ((), (), ()))
        self.assertEqual({name: one.value for name, one in section.credentials.items()}, {"cryptosign": KEY})
        self.assertNotIn(KEY, repr(section))
        self.assertEqual((configuration.listeners, configuration.warnings), ({}, ()))

    def test_every_key(self) -> None:
        """What is written is what is meant."""
        more = "\n".join(
            (
                "origins = https://oro.example.com, 127.0.0.1",
                "trusted_proxies = loopback",
                "publisher_from = 10.0.0.0/8",
                "trusted_providers = tickets/ticket cookies/cookie",
                "authorizer = com.acme.may",
                "timeout = 2s",
                "retry = 1m",
            )
        )
        section = self.load(ALONE.replace("[realm", more + "\n[realm"), {**ENVIRON, "KEY": KEY}).attach
        assert section is not None
        self.assertEqual(section.origins, ("https://oro.example.com", "127.0.0.1"))
        self.assertEqual(len(section.trusted_proxies), 2)
        self.assertEqual(section.publisher_from, (ip_network("10.0.0.0/8"),))
        self.assertEqual(section.trusted_providers, (("tickets", "ticket"), ("cookies", "cookie")))
        self.assertEqual((section.authorizer, section.timeout, section.retry), ("com.acme.may", 2.0, 60.0))

    def test_addresses(self) -> None:
        """WebSocket, RawSocket and sockets of this machine; nothing else."""
        for text in ("ws://127.0.0.1:8080/ws", "wss://a.example", "rs://[::1]:8081", "rss://a:1", "rs://unix:/run/x"):
            self.assertEqual(attached.url(text, BUILTIN), text)
        for text in ("http://a", "ws://user:x@a/", "rs://a", "rs://unix:x", "unix:/run/x", "ws://a/#b"):
            with self.assertRaisesRegex(ValueError, "is no router's address"):
                attached.url(text, BUILTIN)

    def test_faults(self) -> None:
        """Each is told in words; what a login of the router's own says is never believed."""
        for line, words in [
            ("trusted_providers = static/ticket", "the client may have written itself"),
            ("trusted_providers = cookie/ticket", "the client may have written itself"),
            ("trusted_providers = dynamic", "is not AUTHPROVIDER/AUTHMETHOD"),
            ("authorizer = wamp.authorize", "is no procedure of an application"),
            ("authorizer = Authorize", "is no procedure of an application"),
            ("key = env:ORO_SECRET", "holds no private key"),
        ]:
            text = f"[attach]\nurl = ws://127.0.0.1:1\n{line}\n[realm:realm1]\nauthorizers = roles\n"
            (fault,) = self.faults(text)
            self.assertIn(words, fault)
