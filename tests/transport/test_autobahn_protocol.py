"""autobahn without its voice and its costs."""

from typing import Any

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.autobahn_protocol import AutobahnServerProtocol
from tests.support.wires import MemoryListener, upgrade


class AutobahnServerProtocolTests(SynchronousTestCase):
    def logged(self, protocol: Any) -> list[str]:
        """What a protocol logs at debug level while it is shown a request with a ticket and a cookie."""
        heard: list[LogEvent] = []
        globalLogPublisher.addObserver(heard.append)
        self.addCleanup(globalLogPublisher.removeObserver, heard.append)
        txaio.set_global_log_level("debug")
        self.addCleanup(txaio.set_global_log_level, "info")
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(upgrade("/ws?ticket=SECRET", extra="Cookie: BAPID=SECRET\r\n"))
        return [str(event) for event in heard if "SECRET" in str(event)]

    def test_nothing_is_logged(self) -> None:
        """At debug level autobahn writes whole requests into the log; ours writes nothing at all."""
        factory = WebSocketServerFactory()
        factory.protocol = WebSocketServerProtocol
        factory.setProtocolOptions(openHandshakeTimeout=0)
        self.assertNotEqual(self.logged(factory.buildProtocol(None)), [])
        self.assertEqual(self.logged(MemoryListener().connect()[0]), [])

    def test_every_setting_that_autobahn_reads_is_on_the_class(self) -> None:
        """A release of autobahn with a setting more must not find it missing at the first connection."""
        for name in WebSocketServerProtocol.CONFIG_ATTRS:
            if name not in (
                # What these are for is done before autobahn sees anything.
                "allowedOrigins",
                "allowNullOrigin",
                "flashSocketPolicy",
                "tcpNoDelay",
                "autoPingSize",
                "maxFramePayloadSize",
                "maxMessagePayloadSize",
            ):
                self.assertTrue(hasattr(AutobahnServerProtocol, name), name)

    def test_an_instance_begins_empty(self) -> None:
        """What all connections have in common is not copied into each of them."""
        self.assertEqual(vars(AutobahnServerProtocol()), {})

    def test_compression_is_never_agreed_to(self) -> None:
        """permessage-deflate costs up to a hundred kilobytes for each connection."""
        self.assertIsNone(AutobahnServerProtocol.perMessageCompressionAccept(["any offer"]))
