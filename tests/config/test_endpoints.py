"""Tests of orosync.config.endpoints."""

from __future__ import annotations

import socket

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint, UNIXServerEndpoint, serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.config.endpoints import BACKLOG, Reach, endpoint, take_apart, with_backlog
from orosync.config.readers import BUILTIN

GOOD = {
    "tcp:8080": Reach.OTHER_MACHINES,
    "tcp:port=8080": Reach.OTHER_MACHINES,
    "tcp:8080:interface=0.0.0.0": Reach.OTHER_MACHINES,
    "tcp:8080:interface=\\:\\:": Reach.OTHER_MACHINES,
    "tcp:8080:interface=192.0.2.7:backlog=500": Reach.OTHER_MACHINES,
    "tcp:8080:interface=127.0.0.1": Reach.LOOPBACK,
    "tcp:8080:127.0.0.1": Reach.LOOPBACK,
    "tcp:0:interface=127.8.9.1": Reach.LOOPBACK,
    "tcp:8080:interface=\\:\\:1": Reach.LOOPBACK,
    "unix:/run/orosync/ws.sock": Reach.LOCAL_FILE,
    "unix:/run/a\\:b.sock:mode=660": Reach.LOCAL_FILE,
    "systemd:domain=INET:name=ws": Reach.OTHER_MACHINES,
    "systemd:INET6:0": Reach.OTHER_MACHINES,
}

TCP = ", write it like tcp:8080:interface=127.0.0.1"
UNIX = ", write it like unix:/run/orosync/ws.sock:mode=660"
SYSTEMD = ", write it like systemd:domain=INET:name=ws"
OWN_TLS = ": would serve an old certificate after its renewal, write tcp: and let the keys certificate and key wrap it"

BAD = {
    "ssl:443:privateKey=k.pem": "ssl" + OWN_TLS,
    "tls:certs:443": "tls" + OWN_TLS,
    "8080": "'8080' is no kind of endpoint, write tcp:, unix: or systemd:",
    "tpc:8080": "'tpc' is no kind of endpoint, write tcp:, unix: or systemd:, did you mean tcp?",
    "tcp6:8080": "write an address of IPv6 like tcp:8080:interface=\\:\\:1 (each of its colons is \\:); "
    "interface=\\:\\: is all addresses of IPv6 and IPv4",
    "tcp:": "'' is not a port" + TCP,
    "tcp:http": "'http' is not a port" + TCP,
    "tcp:65536": "'65536' is not a port" + TCP,
    "tcp:1:interface=localhost": "'localhost' is not the address of an interface (the colons of IPv6 stand as \\:)"
    + TCP,
    "tcp:1:interface=::1": "it has a part too many (a colon within a part stands as \\:)" + TCP,
    "tcp:1:port=2": "it has a part too many (a colon within a part stands as \\:)" + TCP,
    "tcp:1:backlog=many": "'many' is not a backlog" + TCP,
    "tcp:1:interfaces=127.0.0.1": "tcp: has no interfaces=" + TCP + ", did you mean interface?",
    "unix:ws.sock": "the path of the socket is missing or not absolute" + UNIX,
    "unix:/run/ws.sock:mode=rw": "'rw' is not a mode in octal digits" + UNIX,
    "systemd:name=ws": "domain is none of INET, INET6 and UNIX" + SYSTEMD,
    "systemd:domain=INET": "it needs either name= or index=" + SYSTEMD,
    "systemd:domain=INET:index=0:name=ws": "it needs either name= or index=" + SYSTEMD,
    "systemd:domain=INET:index=first": "'first' is not an index" + SYSTEMD,
    "tcp:80\\": "it ends with a backslash, remove that",
}


class Endpoints(SynchronousTestCase):
    """Endpoint strings."""

    def test_good(self) -> None:
        """Sound strings stay as they are, and it is known who can connect."""
        for text, reach in GOOD.items():
            self.assertEqual(endpoint(text, BUILTIN), text)
            self.assertEqual(take_apart(text).reach, reach, text)

    def test_bad(self) -> None:
        """Others are refused with what to write instead."""
        for text, words in BAD.items():
            self.assertEqual(str(self.assertRaises(ValueError, endpoint, text, BUILTIN)), words, text)

    def test_twisted_agrees(self) -> None:
        """What is accepted here Twisted builds too, with the same port, interface and path."""
        for text, reach in GOOD.items():
            found = take_apart(text)
            if found.kind == "tcp":
                built = serverFromString(MemoryReactor(), text)
                self.assertIsInstance(built, TCP4ServerEndpoint)
                self.assertEqual(
                    (built._port, built._interface), (int(found.options["port"]), found.options.get("interface", ""))
                )
            elif reach is Reach.LOCAL_FILE:
                built = serverFromString(MemoryReactor(), text)
                self.assertIsInstance(built, UNIXServerEndpoint)
                self.assertEqual(built._address, found.options["address"])


class Backlog(SynchronousTestCase):
    """How many may wait to be accepted."""

    def test_many_unless_told_otherwise(self) -> None:
        """Twisted understands what comes out of every sound string, and takes the backlog from it."""
        for text, backlog in [
            ("tcp:8080", BACKLOG),
            ("tcp:8080:interface=\\:\\:1", BACKLOG),
            ("tcp:8080:127.0.0.1", BACKLOG),
            ("tcp:8080:127.0.0.1:500", 500),
            ("tcp:8080:backlog=7", 7),
            ("unix:/run/a\\:b.sock:mode=660", BACKLOG),
            ("unix:/run/ws.sock:backlog=8", 8),
        ]:
            made = serverFromString(MemoryReactor(), endpoint(with_backlog(text), BUILTIN))
            self.assertEqual((text, made._backlog), (text, backlog))

    def test_not_ours(self) -> None:
        """A socket that systemd opened is left as it is."""
        self.assertEqual(with_backlog("systemd:domain=INET:name=ws"), "systemd:domain=INET:name=ws")


class BothFamilies(TestCase):
    """The way that is told to listen on all addresses of IPv6 and IPv4."""

    async def test_one_socket_for_both(self) -> None:
        """A client of each family connects to it."""
        text = endpoint("tcp:0:interface=\\:\\:", BUILTIN)
        port = await serverFromString(reactor, text).listen(Factory.forProtocol(Protocol))
        self.addCleanup(port.stopListening)
        for host in ("127.0.0.1", "::1"):
            client = await deferToThread(socket.create_connection, (host, port.getHost().port), 10)
            client.close()
