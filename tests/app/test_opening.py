"""orosync.app.opening: one endpoint each; what the log says of several is in test_service."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger, capturedLogs
from twisted.trial.unittest import TestCase

from orosync.app.opening import Opening


class OpeningTests(TestCase):
    def setUp(self):
        self.sockets = []
        self.ports = []
        self.opening = Opening(reactor, Logger("opening"), self.sockets)
        self.factory = Factory.forProtocol(Protocol)
        self.addCleanup(self.close)

    async def close(self):
        for port in self.ports:
            await port.stopListening()

    def open(self, text, **options):
        with capturedLogs() as logs:
            opened = self.successResultOf(
                self.opening.open("one", text, self.factory, "ws", self.ports.append, **options)
            )
        return opened, [one["log_format"].format(**one) for one in logs if one["log_namespace"] == "opening"]

    async def test_a_port(self):
        """It listens, is kept, and the log says what is served where."""
        opened, said = self.open("tcp:0:interface=127.0.0.1")
        self.assertTrue(opened)
        self.assertEqual(said, ["[listen:one] serves ws on tcp:0:interface=127.0.0.1"])
        socket.create_connection(("127.0.0.1", self.ports[0].getHost().port)).close()
        self.assertEqual(self.sockets, [])

    async def test_a_unix_socket(self):
        """Its path is noted, so that it is removed by a process that ends without its reactor."""
        path = Path(tempfile.mkdtemp()) / "socket"
        self.assertTrue(self.open(f"unix:{path}")[0])
        self.assertEqual(self.sockets, [str(path)])

    async def test_one_that_cannot_be_had(self):
        """Nothing is kept; the log says why, and what to do."""
        opened, (said,) = self.open("systemd:domain=INET:name=nobody")
        self.assertFalse(opened)
        self.assertIn("have a .socket unit hand it over by that name", said)
        self.assertEqual(self.ports, [])

    async def test_with_tls(self):
        """What ``secure`` makes of the endpoint is what listens."""
        asked = []

        def secure(endpoint):
            asked.append(endpoint)
            return endpoint

        self.assertTrue(self.open("tcp:0:interface=127.0.0.1", secure=secure)[0])
        self.assertEqual(len(asked), 1)
