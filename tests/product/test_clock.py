"""The system's clock is set while clients are connected, back and forwards: before the running product, whose time of
day is libfaketime's.
"""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import threading
import time
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient, _cut
from tests.product.running_router import RunningRouter, ticket

LISTEN = """
handshake_timeout = 2s
ping_interval = 1s
ping_timeout = 2s
send_timeout = 1s
send_buffer_limit = 64MiB
"""
PATIENCE = 20.0
"""Seconds for what is due after three; by a clock that was set back it would take ten minutes more."""


class Answering(RawClient):
    """Reads all the time, answers pings, and keeps when they came."""

    def __init__(self, router: RunningRouter) -> None:
        super().__init__(router.url())
        self.join()
        self.pings: list[float] = []
        self.gone = threading.Event()
        threading.Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        self.socket.settimeout(None)
        try:
            while True:
                while (frame := _cut(self._data)) is None:
                    self._data += self._read()
                opcode, payload, self._data = frame
                if opcode == 9:
                    self.send_frame(payload, 10)
                    self.pings.append(time.monotonic())
        except (Closed, OSError):
            self.gone.set()


class Systemd:
    """Keeps when the service gave a sign of life."""

    def __init__(self, path: Path) -> None:
        self.beats: list[float] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                if self.socket.recv(4096) == b"WATCHDOG=1":
                    self.beats.append(time.monotonic())
            except OSError:
                return


class ClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        self.assertTrue(libraries, "libfaketime is missing: tests/setup.sh installs it")
        directory = Path(self.mktemp())
        directory.mkdir()
        self.offset = directory.resolve() / "offset"
        self.set_clock(0)
        self.systemd = Systemd(directory.resolve().parent.joinpath(directory.name, "n"))
        self.addCleanup(self.systemd.socket.close)
        environ = {
            "LD_PRELOAD": libraries[0],
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "NOTIFY_SOCKET": str(directory.resolve() / "n"),
            "WATCHDOG_USEC": "1000000",
        }
        with mock.patch.dict(os.environ, environ):
            self.router = RunningRouter(listen=LISTEN)
        self.addCleanup(self.router.close)

    def set_clock(self, seconds: int) -> None:
        """The product's time of day is so many seconds ahead of ours."""
        beside = self.offset.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.replace(self.offset)

    def client(self, *args: str) -> RawClient:
        client = RawClient(*args)
        self.addCleanup(client.close)
        return client

    def wait_for(self, what: str, found: object) -> None:
        assert callable(found)
        deadline = time.monotonic() + PATIENCE
        while not found():
            self.assertLess(time.monotonic(), deadline, f"{what} did not come in time; the log:\n{self.router.log}")
            time.sleep(0.05)

    def sleeper(self) -> RawClient:
        """Subscribes, then reads nothing, with more for it than the sockets take."""
        sleeper = self.client(self.router.url()).join()
        sleeper.send([32, 1, {}, "flood"])
        self.assertEqual(sleeper.read()[0], 33)
        sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return sleeper

    def judged(self, age: float) -> int:
        """The status for a ticket that was made ``age`` seconds ago, by our clock."""
        text = ticket("anna", self.router.users["anna"], self.router.secret, age=age)
        return self.client(self.router.url(ticket=text), "wamp").status

    def jump(self, seconds: int) -> None:
        """What has a deadline when the clock is set keeps it, and what has none stays."""
        logged = len(self.router.log)
        patient = Answering(self.router)
        self.addCleanup(patient.close)
        self.wait_for("the first ping", lambda: patient.pings)
        silent, sleeper = self.client(self.router.url()).join(), self.sleeper()
        flood = self.client(self.router.url()).join()
        half = socket.create_connection(("127.0.0.1", self.router.public), timeout=PATIENCE)
        self.addCleanup(half.close)
        half.sendall(b"GET /ws HTTP/1.1\r\n")
        for request in range(100):
            flood.send([16, request + 1, {}, "flood", ["x" * 60_000]])

        self.set_clock(seconds)
        at = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            half.recv(1000)
        self.assertGreater(time.monotonic() - at, 0.5, "a handshake is not over because the clock was set")
        said = lambda words: words in self.router.log[logged:]  # noqa: E731
        self.wait_for("the end of a slow consumer", lambda: said("consumer.cut (stalled)"))
        self.wait_for("the end of a silent client", lambda: said("consumer.cut (ping_timeout)"))
        self.wait_for("pings", lambda: len([one for one in patient.pings if one > at + 0.5]) >= 2)
        self.wait_for("signs of life", lambda: len([one for one in self.systemd.beats if one > at + 0.6]) >= 2)
        self.assertFalse(patient.gone.is_set(), "cut, though it answered every ping")
        self.assertIsNone(silent.ended())
        sleeper.close()
        self.assertEqual((self.judged(-seconds), self.judged(0)), (101, 403))

    def test_back(self) -> None:
        """Ten minutes back, and then forwards to ten minutes ahead: spans last as long as they do, and a ticket is
        judged by the new time of day."""
        self.assertEqual((self.judged(0), self.judged(600), self.judged(-600)), (101, 403, 403))
        self.jump(-600)
        self.jump(600)
