"""Tests of orosync.config.uplinks."""

from __future__ import annotations

from orosync.config import uplinks
from orosync.config.readers import BUILTIN
from orosync.config.uplinks import Pattern, UplinkSection
from orosync.model import Match
from tests.config.files import ENVIRON, SECRET, SOUND, FilesCase

JOINED = SOUND.replace("[realm:oro]\n", "[realm:oro]\nuplink = wss://wamp.example.com/ws\n")


class Urls(FilesCase):
    """Where an uplink may lead."""

    def test_good(self) -> None:
        """WebSocket and RawSocket, with TLS and without."""
        for text in (
            "ws://localhost/", "ws://localhost", "wss://wamp.example.com/ws?x=1", "ws://127.0.0.1:8080/ws", "ws://[::1]:80/ws",
            "rs://127.0.0.1:8081", "rss://wamp.example.com:443",
        ):  # fmt: skip
            self.assertEqual(uplinks.url(text, BUILTIN), text)

    def test_bad(self) -> None:
        """Anything else; a password has no place there."""
        for text in (
            "http://localhost/", "localhost:8080", "ws://", "ws://u:p@host/", "ws://host/#x", "ws://host/a b", "rs://host",
            "rs://host:1/ws", "ws://host:123456/", "crossbar",
        ):  # fmt: skip
            self.assertRaises(ValueError, uplinks.url, text, BUILTIN)

    def test_realm(self) -> None:
        """A realm is a URI."""
        self.assertEqual(uplinks.realm("com.example.one", BUILTIN), "com.example.one")
        for text in ("", "a b", "a..b", ".", "a#b"):
            self.assertRaises(ValueError, uplinks.realm, text, BUILTIN)


class Patterns(FilesCase):
    """What passes."""

    def test_good(self) -> None:
        """One a line or divided by commas, in any mixture."""
        self.assertEqual(
            uplinks.patterns("exact oro/data/update,  prefix com.acme.\nwildcard com..changed\n", BUILTIN),
            (
                Pattern(Match.EXACT, "oro/data/update"),
                Pattern(Match.PREFIX, "com.acme."),
                Pattern(Match.WILDCARD, "com..changed"),
            ),
        )
        self.assertEqual(str(Pattern(Match.PREFIX, "com.acme.")), "prefix com.acme.")
        for text in ("prefix oro/", "prefix wampum", "exact com.wamp.x", "wildcard .a", "wildcard a.", "prefix com.a"):
            self.assertEqual(len(uplinks.patterns(text, BUILTIN)), 1, text)

    def test_bad(self) -> None:
        """Every fault of a list is told at once, with what to write."""
        table = {
            "com.acme.": "this is no pattern",
            "prefix": "this is no pattern",
            "exact a b": "this is no pattern",
            "prefx com.": "did you mean prefix?",
            "exact a..b": "a component is empty",
            "exact a.": "a component is empty",
            "prefix .a": "a component is empty",
            "wildcard com.acme": "leaves a component empty",
            "exact a#b": "no #",
            "exact wamp.session.on_join": "belongs to each router",
            "prefix wamp.": "belongs to each router",
            "prefix wam": "belongs to each router",
            "exact a, exact a": "stands here twice",
        }
        for text, words in table.items():
            error = self.assertRaises(ValueError, uplinks.patterns, text, BUILTIN)
            self.assertIn(words, str(error), text)
        error = self.assertRaises(ValueError, uplinks.patterns, "exct a\nprefix .b", BUILTIN)
        self.assertIn("exct", str(error))
        self.assertIn(".b", str(error))


class Sections(FilesCase):
    """[realm:NAME] uplink and [uplink:NAME]."""

    def test_the_address_alone(self) -> None:
        """It is an uplink already, to the realm of the same name, though nothing passes; a warning says that."""
        configuration = self.load(JOINED)
        self.assertEqual(
            configuration.uplinks, {"oro": UplinkSection(name="oro", url="wss://wamp.example.com/ws", realm="oro")}
        )
        self.assertEqual(
            [warning for warning in configuration.warnings if "uplink" in warning],
            ["[realm:oro] uplink: nothing passes, name topics in [uplink:oro] (line 5)"],
        )

    def test_everything(self) -> None:
        """The section of the same name has the rest; its secret does not show."""
        text = """[uplink:oro]
realm = realm1
publish =
    exact oro/data/update
    prefix com.acme.
subscribe = prefix com.acme.
role = visitor
authid = orosync
ticket = env:ORO_SECRET
serializer = cbor
event_rate = 50
"""
        section = self.load(JOINED + text).uplinks["oro"]
        self.assertEqual((section.url, section.realm, len(section.publish)), ("wss://wamp.example.com/ws", "realm1", 2))
        assert section.ticket is not None
        self.assertEqual(section.ticket.value, SECRET)
        self.assertNotIn(SECRET, repr(section))
        self.assertNotIn("nothing passes", " ".join(self.load(JOINED + text, ENVIRON).warnings))
