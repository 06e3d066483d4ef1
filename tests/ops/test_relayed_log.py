"""orosync.ops.relayed_log: events of a worker as the supervisor writes them, in each form of the log."""

from __future__ import annotations

import json

import msgspec
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from orosync.ops.log import FORMS
from orosync.ops.relayed_log import LONGEST_TEXT, RelayedEvent, log_event, relay


class Relayed(SynchronousTestCase):
    def setUp(self) -> None:
        self.sent: list[RelayedEvent] = []
        self.log = Logger("some.where", observer=LogPublisher(relay("info", self.sent.append)))  # type: ignore[arg-type]

    def written(self, form: str) -> list[str]:
        """What becomes of all events, having been sent as bytes."""
        come = msgspec.msgpack.decode(msgspec.msgpack.encode(self.sent), type=list[RelayedEvent])
        return [line for one in come if (line := FORMS[form](log_event("web/2", one))) is not None]

    def test_text(self) -> None:
        """Each line has the worker's name; levels below that of the router are not sent."""
        self.log.info("{count} clients", count=3)
        self.log.debug("nothing")
        self.log.error("bad {braces}", braces="{x}")
        said = [line.partition(" ")[2] for line in self.written("text")]
        self.assertEqual(said, ["[some.where#info] web/2: 3 clients\n", "[some.where#error] web/2: bad {x}\n"])

    def test_json(self) -> None:
        """The name is a field of its own; the message is as without workers."""
        self.log.warn("{count} clients", count=3)
        (line,) = map(json.loads, self.written("json"))
        self.assertEqual((line["node"], line["message"], line["level"]), ("web/2", "3 clients", "warn"))

    def test_the_journal(self) -> None:
        """Its events keep their code and fields, as plain values."""
        self.log.emit(
            LogLevel.warn, "x", event="frame.cut", code="late", fields={"address": "::1", "why": ValueError("y")}
        )
        (line,) = map(json.loads, self.written("json"))
        self.assertEqual((line["event"], line["code"]), ("frame.cut", "late"))
        self.assertEqual(line["fields"], {"address": "::1", "why": "ValueError: y"})

    def test_a_traceback(self) -> None:
        """It comes along, at most so much of it."""
        try:
            raise ValueError("x" * LONGEST_TEXT + "the end")
        except ValueError:
            self.log.failure("went wrong")
        (text,) = self.written("text")
        self.assertIn("web/2: went wrong", text)
        for written in (text, json.loads(self.written("json")[0])["traceback"]):
            self.assertTrue(written.strip().endswith("the end"), written[-100:])
            self.assertLess(len(written), LONGEST_TEXT + 500)
