"""Tests for orosync.uplink.forward."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.testing import RecordingJournal
from orosync.uplink.forward import MOST_ASKED, EventForwarding
from orosync.wamp import forwarding
from orosync.wamp.formats import Format
from orosync.wamp.messages import Publish
from orosync.wamp.payload import Payload
from tests.uplink.sides import MemorySide


class EventsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sink, self.journal, self.clock = MemorySide(), RecordingJournal(), Clock()
        self.publication = 6
        self.events = self.made()

    def made(self, rate: int = 10, limit: int = 100, acknowledge: bool = False) -> EventForwarding:
        events = EventForwarding("up", self.sink, self.journal, self.clock.seconds, rate, limit, acknowledge)
        events.begin("here", "there")
        return events

    def publish(self, details: dict[str, Any] | None = None, payload: Payload | None = None) -> None:
        self.publication += 1
        self.events.event(self.publication, "a", details or {}, payload)

    def test_passes(self) -> None:
        """An EVENT becomes a PUBLISH on the same topic, its payload the very same, with the trail it has come."""
        payload = Payload.of(["x"], {"k": 1})
        self.publish({"transaction_hash": "orosync:5:other", "topic": "a"}, payload)
        [(message, carried)] = self.sink.sent
        self.assertEqual(message, Publish(1, {"transaction_hash": "orosync:5:other.here"}, "a"))
        self.assertIs(carried, payload)
        self.assertFalse(self.events.dropped)
        self.publish()
        self.assertEqual(self.sink.sent[1][0].options, {"transaction_hash": "orosync:8:here"})

    def test_once(self) -> None:
        """Where several patterns match, an event comes once for each of them, and goes once."""
        for publication in (7, 7, 8, 7, 8, 9):
            self.events.event(publication, "a", {}, None)
        self.assertEqual(len(self.sink.sent), 3)
        self.assertFalse(self.events.dropped)

    def test_ids_that_come_again(self) -> None:
        """A router that counts its publications begins again with 1: other events, each with a number of ours."""
        numbers = []
        for _ in range(2):
            self.events.begin("here", "there", numbered=False)
            for publication in (1, 2):
                self.events.event(publication, "a", {}, None)
        for message in self.sink.take():
            said = forwarding.parse(message.options["transaction_hash"])
            assert said is not None
            numbers.append(said.number)
        self.assertEqual(len(set(numbers)), 4)

    def test_sealed(self) -> None:
        """A sealed payload passes only into a realm whose router hands it on: another one would end the session."""
        sealed = Payload(Format.JSON, b'"\\u0000AAA="')
        for seals, details, passes in (
            ({"ppt_scheme"}, {"ppt_scheme": "x_a"}, True),
            ({"ppt_scheme"}, {"enc_algo": "cryptobox"}, False),
            (set(), {"ppt_scheme": "x_a"}, False),
            ({"ppt_scheme", "enc_algo"}, {}, False),
        ):
            self.events.begin("here", "there", seals=frozenset(seals))
            self.publish(details, sealed)
            self.assertEqual(bool(self.sink.take()), passes, (seals, details))
        self.assertEqual(self.events.dropped, {"sealed": 3})

    def test_names_that_are_no_uris(self) -> None:
        """A topic of WAMP v1 may be any text: what another router would not take for a URI stays."""
        for publication, (topic, passes) in enumerate(
            (("oro/a", True), ("oro/email_event/1/*", True), ("oro/a b", False), ("oro/a#", False), ("oro..a", False)),
            20,
        ):
            self.events.event(publication, topic, {}, None)
            self.assertEqual(bool(self.sink.take()), passes, topic)
        self.assertEqual(self.events.dropped, {"no_uri": 3})

    def test_reserved(self) -> None:
        """What belongs to a router itself stays, even if a wildcard matches it."""
        self.events.event(1, "wamp.session.on_join", {}, None)
        self.assertEqual((self.sink.sent, self.events.dropped), ([], {"reserved": 1}))

    def test_not_back(self) -> None:
        """What has been there already does not go there again."""
        self.publish({"transaction_hash": "orosync:5:there"})
        self.assertEqual(self.sink.sent, [])
        self.assertEqual(self.events.dropped, {"loop": 1})
        self.assertEqual(self.journal.counts["uplink.dropped", "loop"], 1)

    def test_size(self) -> None:
        """A payload over the limit stays, whatever stands beside it passes."""
        for text, passes in (("x" * 96, True), ("x" * 97, False), ("x", True)):
            self.publish({}, Payload.of([text], None))
            self.assertEqual(bool(self.sink.take()), passes, len(text))
        self.publish({}, Payload.of(["x" * 50], {"k": "x" * 50}))
        self.assertEqual(self.sink.sent, [])
        self.assertEqual(self.events.dropped, {"too_large": 2})

    def test_rate(self) -> None:
        """Five seconds' worth passes at once, then so many a second; nothing is saved up beyond that."""
        for pause, passed in ((0.0, 50), (1.0, 10), (0.05, 0), (0.05, 1), (3600.0, 50)):
            self.clock.advance(pause)
            for _ in range(200):
                self.publish()
            self.assertEqual(len(self.sink.take()), passed, pause)
        self.assertEqual(self.events.dropped["rate"], 1000 - 111)

    def test_queue(self) -> None:
        """What the sink does not take is counted."""
        self.sink.deaf = True
        self.publish()
        self.assertEqual(self.events.dropped, {"queue": 1})

    def test_lost(self) -> None:
        """While nobody is there events are counted and no lines written: one line will tell the number."""
        for _ in range(3):
            self.events.lost()
        self.assertEqual(self.events.dropped, {"away": 3})
        self.assertEqual(self.journal.notes, [])
        self.assertEqual(self.journal.counts["uplink.dropped", "away"], 3)

    def test_refused(self) -> None:
        """What the other router refuses is told with topic and reason; what it accepts is forgotten."""
        self.events = self.made(acknowledge=True)
        self.publish()
        self.events.event(9, "b", {}, None)
        first, second = self.sink.take()
        self.assertTrue(first.options["acknowledge"])
        self.events.accepted(first.request)
        self.events.refused(second.request, "wamp.error.not_authorized")
        expected = {"uplink": "up", "uri": "b", "reason": "wamp.error.not_authorized"}
        self.assertEqual(self.journal.notes, [("uplink.refused", "publish", expected)])
        self.events.accepted(99)

    def test_a_router_that_never_answers(self) -> None:
        """The topics of publishes that are not acknowledged are remembered within a bound."""
        self.events = self.made(rate=10_000, acknowledge=True)
        for _ in range(MOST_ASKED + 1):
            self.publish()
        self.events.refused(1, "x")
        self.events.refused(2, "x")
        self.assertEqual([fields["uri"] for _, _, fields in self.journal.notes], ["", "a"])
