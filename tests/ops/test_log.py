"""Lines of the log: their forms, levels and priorities."""

from __future__ import annotations

import io
import json
import os
import syslog
import tempfile
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.ops import log
from orosync.ops.journal import Journal


class Forms(SynchronousTestCase):
    """observer"""

    def logger(self, form: str = "text", level: str = "info", *, journal: bool = False) -> Logger:
        self.out = io.StringIO()
        return Logger(namespace="orosync", observer=log.observer(form, level, self.out, journal=journal))

    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]

    def raised(self) -> Failure:
        try:
            raise ValueError("wrong\nindeed")
        except ValueError:
            return Failure()

    def test_levels(self) -> None:
        """What is below the level is not written."""
        for level, expected in {"debug": 5, "info": 4, "warn": 3, "error": 2}.items():
            told = self.logger(level=level)
            for each in LogLevel.iterconstants():
                told.emit(each, "hello")
            self.assertEqual(len(self.lines()), expected, level)

    def test_json(self) -> None:
        """An object with the keys that the page promises; what orosync notes has its fields with their types."""
        told = self.logger("json")
        told.info("it is {number}", number=3, log_time=0)
        journal = Journal(Clock(), log=told)
        journal.note("a.b", "c", user="o'neil \u202e\x1b\n", limit=5, ratio=0.5, there=True, none=None, big=2**70,
                     inf=float("inf"), names=["x"], long="y" * 300, cut="\ud800")  # fmt: skip
        first, second = self.objects()
        self.assertEqual(first["message"], "it is 3")
        self.assertEqual(set(first), {"time", "level", "namespace", "message"})
        self.assertEqual((second["message"], second["event"], second["code"]), ("a.b (c)", "a.b", "c"))
        self.assertEqual(
            second["fields"],
            {
                "user": "o'neil \u202e\x1b\n",
                "limit": 5,
                "ratio": 0.5,
                "there": True,
                "none": None,
                "big": str(2**70),
                "inf": "inf",
                "names": "['x']",
                "long": "y" * 200 + "... (100 more)",
                "cut": "\\ud800",
            },
        )
        self.assertTrue(self.out.getvalue().isascii())

    def test_time(self) -> None:
        """UTC, with milliseconds."""
        event = {"log_time": 1.5, "log_level": LogLevel.warn, "log_namespace": "x", "log_format": "y"}
        self.assertEqual(
            json.loads(log.as_json(event) or ""),
            {"time": "1970-01-01T00:00:01.500Z", "level": "warn", "namespace": "x", "message": "y"},
        )

    def test_exception(self) -> None:
        """A traceback is a part of its object, and for the journal each of its lines has the priority."""
        self.logger("json").failure("it broke", failure=self.raised())
        (line,) = self.objects()
        self.assertEqual((line["message"], line["level"]), ("it broke", "critical"))
        self.assertIn("ValueError: wrong\nindeed", line["traceback"])
        self.logger(journal=True).failure("it broke", failure=self.raised())
        self.assertEqual(self.lines()[0], "<2>[orosync#critical] it broke")
        self.assertIn("<2>indeed", self.lines())
        self.assertTrue(all(line.startswith("<2>") for line in self.lines()), self.lines())

    def test_nothing_to_say(self) -> None:
        """An event without a text writes no line."""
        for form in ("json", "text"):
            for journal in (True, False):
                self.logger(form, journal=journal).info("")
                self.assertEqual(self.lines(), [])

    def test_priorities(self) -> None:
        """Those of sd-daemon(3)."""
        told = self.logger(level="debug", journal=True)
        for each in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical):
            told.emit(each, "hello")
        self.assertEqual([line[:3] for line in self.lines()], ["<7>", "<6>", "<4>", "<3>", "<2>"])

    def test_json_for_the_journal(self) -> None:
        """The journal takes the priority off; its message is the object."""
        self.logger("json", journal=True).warn("hello")
        (line,) = self.lines()
        self.assertEqual((line[:3], json.loads(line[3:])["message"]), ("<4>", "hello"))

    def test_syslog(self) -> None:
        """syslog gets the priority beside the line, without a time, which it notes itself."""
        sent: list[Any] = []
        self.patch(syslog, "openlog", lambda prefix: sent.append(prefix))
        self.patch(syslog, "syslog", lambda *line: sent.append(line))
        told = Logger(namespace="orosync", observer=log.syslog_observer("text", "info", "router"))
        told.debug("no")
        told.warn("one\ntwo")
        warning = syslog.LOG_WARNING
        self.assertEqual(sent, ["router", (warning, "[orosync#warn] one"), (warning, "two")])


class Streams(SynchronousTestCase):
    """is_journal"""

    def test_by_device_and_inode(self) -> None:
        """A stream is the journal's only if JOURNAL_STREAM names its very file: a child's pipe is not."""
        with tempfile.TemporaryFile("w") as file, tempfile.TemporaryFile("w") as other:
            found = os.fstat(file.fileno())
            environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
            self.assertTrue(log.is_journal(file, environ))
            self.assertFalse(log.is_journal(other, environ))
            self.assertFalse(log.is_journal(file, {}))
            self.assertFalse(log.is_journal(file, {"JOURNAL_STREAM": "nonsense"}))
        self.assertFalse(log.is_journal(file, environ))
        self.assertFalse(log.is_journal(io.StringIO(), environ))
