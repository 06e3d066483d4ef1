"""Who has a port or a socket, on this machine's own."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.ops import ports
from orosync.ops.ports import Holder
from tests.support.ports import free_port

MINE = Holder(os.geteuid(), os.getpid())


class Ports(SynchronousTestCase):
    """TCP."""

    def listening(self, interface: str) -> int:
        """A port of this process, until the test ends."""
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        one = socket.socket(family)
        self.addCleanup(one.close)
        one.bind((interface, 0))
        one.listen()
        return int(one.getsockname()[1])

    def test_holder(self) -> None:
        """The process is found by address and by all addresses; another address is free, and so is another port."""
        for interface in ("127.0.0.1", "::1"):
            port = self.listening(interface)
            for asked in (interface, "", "::"):
                self.assertEqual(ports.of_port(asked, port), MINE, (interface, asked))
            self.assertIsNone(ports.of_port("127.0.0.3", port))
        self.assertIsNone(ports.of_port("127.0.0.1", free_port()))

    def test_all_addresses(self) -> None:
        """Who listens everywhere has each address; one that speaks both kinds has those of IPv4 as well."""
        for interface in ("0.0.0.0", "::"):
            port = self.listening(interface)
            self.assertEqual(ports.of_port("127.0.0.1", port), MINE, interface)

    def test_connection(self) -> None:
        """A connection from such a port is no listener."""
        port = self.listening("127.0.0.1")
        with socket.create_connection(("127.0.0.1", port)) as one:
            self.assertIsNone(ports.of_port("127.0.0.1", one.getsockname()[1]))

    def test_endpoint(self) -> None:
        """Named as in the configuration."""
        port = self.listening("127.0.0.1")
        self.assertEqual(ports.of_endpoint(f"tcp:{port}:interface=127.0.0.1"), MINE)
        self.assertIsNone(ports.of_endpoint("unix:/run/x.sock"))

    def test_words(self) -> None:
        """Program, pid and user; of a process that is not known the user alone."""
        name = Path("/proc/self/comm").read_text().strip()
        self.assertRegex(str(MINE), rf"^{name} \(pid {os.getpid()}, \S+\)$")
        self.assertEqual(str(Holder(0)), "a process of root")
        self.assertEqual(str(Holder(987654)), "a process of user 987654")


class Sockets(SynchronousTestCase):
    """UNIX sockets."""

    def test_holder(self) -> None:
        """A socket that is served, one that was left behind, and none."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        path = directory / "socket"
        self.assertRaises(FileNotFoundError, ports.of_socket, path)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
            one.listen()
            self.assertEqual(ports.of_socket(path), MINE)
        self.assertIsNone(ports.of_socket(path))
