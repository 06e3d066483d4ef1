"""orosync top: rates between two snapshots, and a screen at a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

import attrs
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from orosync.cli.top import screen, summary
from orosync.metrics import FAST
from orosync.ops.answers import TopLine
from tests.cli.control_case import ControlCase


def status(uptime, events, lag=()):
    """An answer of ``status``."""
    counts = [0] * (len(FAST) + 1)
    for place in lag:
        counts[place] += 1
    return {
        "node": "ws1",
        "version": "0.2.0",
        "health": {"status": "ready", "wrong": {}},
        "metrics": {
            "uptime_seconds": [[[], uptime]],
            "events_queued": [[[], events]],
            "sessions": [[["oro", "v1", "user"], 3], [["oro", "v2", "user"], 4]],
            "reactor_lag_seconds": [[[], [counts, 0.001 * len(lag)]]],
        },
    }


class Summary(SynchronousTestCase):
    """summary."""

    def test_rates(self):
        """For each second that the router ran meanwhile; gauges are added up."""
        shown = summary(status(100, 1000), status(104, 1010))
        self.assertEqual((shown.events, shown.seconds, shown.sessions, shown.joins), (2.5, 4, 7, 0))

    def test_a_restart(self):
        """Counts since then."""
        shown = summary(status(100, 1000), status(5, 10))
        self.assertEqual((shown.events, shown.seconds), (2, 5))

    def test_lag(self):
        """Its mean, and an upper bound of the longest, of those since the snapshot before."""
        shown = summary(status(1, 0, [11]), status(2, 0, [11, 3, 5]))
        self.assertEqual((shown.lag, shown.longest_lag), (0.001, FAST[5]))
        self.assertEqual(summary(status(1, 0), status(2, 0, [len(FAST)])).longest_lag, 2 * FAST[-1])
        self.assertEqual(summary(status(1, 0), status(2, 0)).longest_lag, 0)

    def test_screen(self):
        """What a client said cannot write on the terminal."""
        topic = {"topic": "a\x1b[2J", "match": "exact", "realm": "oro", "subscribers": 2}
        lines = screen(summary(status(100, 0), status(93784, 40), [topic]))
        self.assertEqual(lines[0], "orosync 0.2.0 on ws1: ready, up 1 d 2:03")
        self.assertEqual(lines[-1], "a\\x1b[2J  exact  oro    2")
        self.assertTrue(all(line.isprintable() for line in lines))


class Running(ControlCase):
    """orosync top, of a running router."""

    async def test_once(self):
        """One screen, also where the output is no terminal; as JSON too."""
        await self.subscriber("com.news")
        for options in ((), ("--once",)):
            self.assertEqual(await self.orosync("top", "--interval", "100ms", *options), 0)
            self.assertIn("sessions 1   connections 1   subscriptions 1 ", self.out)
            self.assertRegex(self.out, r"\nTOPIC +MATCH +REALM +SUBSCRIBERS\ncom\.news +exact +open +1\n")
        shown = await self.answer("top", "--interval", "100ms", "--once")
        self.assertEqual(list(shown), [field.name for field in attrs.fields(TopLine)])
        self.assertEqual((shown["sessions"], shown["health"]), (1, "ready"))
        self.assertGreater(shown["memory"], 10 << 20)
        self.assertEqual(await self.orosync("top", "--interval", "soon"), 2)

    async def test_lines(self):
        """--json prints a line for each interval, until nobody reads."""
        lines = []

        class Reader:
            def write(self, text):
                if len(lines) == 2:
                    raise BrokenPipeError
                lines.extend([json.loads(text)] if text.strip() else [])

            def flush(self):
                pass

            def getvalue(self):
                return ""

        self.assertEqual(await self.orosync("top", "--interval", "50ms", "--json", stdout=Reader()), 0)
        self.assertEqual(len(lines), 2)

    async def test_terminal(self):
        """The screen is written anew, q ends it, and the terminal is as it was."""
        for key in (b"q", b"\x03"):
            shown, status, same = await deferToThread(self.at_a_terminal, key)
            self.assertEqual((status, same), (0, True), shown)
            self.assertTrue(shown.startswith(b"\x1b[?1049h\x1b[?25l"), shown[:40])
            self.assertTrue(shown.endswith(b"\x1b[?25h\x1b[?1049l"), shown[-40:])
            self.assertGreaterEqual(shown.count(b"sessions 0 "), 2)

    def at_a_terminal(self, key):
        """(what was shown, exit status, whether the terminal is as before) of the command, ended by ``key``."""
        socket = str(self.service._control.path)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
        before = termios.tcgetattr(theirs)
        child = os.fork()
        if child == 0:
            os.login_tty(theirs) if hasattr(os, "login_tty") else _take(theirs)
            program = "from orosync.cli.main import main; main()"
            os.execv(
                sys.executable,
                [sys.executable, "-c", program, "top", "--interval", "200ms", "--socket", socket],
            )
        shown, end, pressed = b"", time.monotonic() + 25, False
        while time.monotonic() < end:
            done, code = os.waitpid(child, os.WNOHANG)
            if done:
                while select.select([ours], [], [], 0)[0]:
                    shown += os.read(ours, 65536)
                same = termios.tcgetattr(theirs) == before
                os.close(ours)
                os.close(theirs)
                return shown, os.waitstatus_to_exitcode(code), same
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65536)
            if shown.count(b"sessions 0 ") >= 2 and not pressed:
                pressed = True
                os.write(ours, key)
        os.kill(child, 9)
        return shown, None, False


def _take(terminal):
    """os.login_tty of Python 3.11 and older."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(terminal, number)
