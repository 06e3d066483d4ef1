"""What systemd hears from the service, over the socket that it named."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.process import SystemdNotifier


class Heard(SynchronousTestCase):
    """A socket as systemd opens it, bound to a path and to an abstract name."""

    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        self.path = str(Path(directory, "notify"))
        self.systemd = self.listen(self.path)
        self.addCleanup(os.rmdir, directory)
        self.addCleanup(os.unlink, self.path)
        self.notifier = SystemdNotifier(self.path)

    def listen(self, address: str) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(listening.close)
        listening.bind(address)
        return listening

    def heard(self) -> list[str]:
        datagrams = []
        while True:
            try:
                datagrams.append(self.systemd.recv(4096).decode())
            except BlockingIOError:
                return datagrams

    def test_each_word(self) -> None:
        """Every thing said arrives as the one datagram that sd_notify(3) writes for it."""
        for say, datagram in [
            (self.notifier.ready, "READY=1"),
            (self.notifier.stopping, "STOPPING=1"),
            (lambda: self.notifier.stopping(2.5), "STOPPING=1\nEXTEND_TIMEOUT_USEC=2500000"),
            (self.notifier.alive, "WATCHDOG=1"),
        ]:
            say()
            self.assertEqual(self.heard(), [datagram])

    def test_signs_of_life_only_while_it_is_healthy(self) -> None:
        """Otherwise systemd restarts the service."""
        clock, healthy = Clock(), [True]
        notifier = SystemdNotifier(self.path, 10.0)
        call = notifier.watchdog(clock, lambda: healthy[0])
        assert call is not None
        self.assertEqual(self.heard(), ["WATCHDOG=1"])
        healthy[0] = False
        clock.advance(5)
        self.assertEqual(self.heard(), [])
        healthy[0] = True
        clock.advance(5)
        self.assertEqual(self.heard(), ["WATCHDOG=1"])
        call.stop()

    def test_abstract_name(self) -> None:
        """An address with @ in front is a name in the abstract namespace, as in containers."""
        name = f"orosync-{os.getpid()}"
        self.systemd = self.listen("\0" + name)
        SystemdNotifier("@" + name).ready()
        self.assertEqual(self.heard(), ["READY=1"])

    def test_nobody_listens(self) -> None:
        """Without systemd, or with its socket gone, everything may be said and nothing fails."""
        SystemdNotifier().ready()
        SystemdNotifier(self.path + "-gone").ready()
        self.assertEqual(self.heard(), [])

    def test_full_socket_does_not_block(self) -> None:
        """A service manager that does not read costs its word, never a waiting router."""
        for _ in range(10_000):
            self.notifier.alive()
        self.assertTrue(0 < len(self.heard()) < 10_000)

    def test_watchdog_is_fed_at_half_the_time(self) -> None:
        """Asked to watch for 30 s, systemd hears from the reactor's own clock every 15 s, until the call is stopped."""
        clock = Clock()
        call = SystemdNotifier(self.path, 30.0).watchdog(clock)
        assert call is not None
        clock.pump([14.9, 0.1, 14.9, 0.1])
        self.assertEqual(self.heard(), ["WATCHDOG=1"] * 3)
        call.stop()
        clock.advance(60)
        self.assertEqual(self.heard(), [])
        self.assertEqual(clock.getDelayedCalls(), [])


class FromEnvironment(SynchronousTestCase):
    """What is read from the variables that systemd sets."""

    def test_watchdog_time(self) -> None:
        """The time counts when it is a number of microseconds, for this very process, with a socket to answer on."""
        mine, other = str(os.getpid()), str(os.getpid() + 1)
        socket_named = {"NOTIFY_SOCKET": "/run/systemd/notify"}
        for environ, seconds in [
            ({**socket_named, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": mine}, 30.0),
            ({**socket_named, "WATCHDOG_USEC": "30000000"}, 30.0),
            ({**socket_named, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": other}, 0.0),
            ({**socket_named, "WATCHDOG_USEC": "soon"}, 0.0),
            ({**socket_named, "WATCHDOG_USEC": "\u0663"}, 0.0),
            ({**socket_named}, 0.0),
            ({"WATCHDOG_USEC": "30000000"}, 0.0),
        ]:
            notifier = SystemdNotifier.from_environment(environ)
            self.assertEqual(notifier.watchdog_seconds, seconds, environ)
            if not seconds:
                self.assertIsNone(notifier.watchdog(Clock()), environ)
