"""Pages and WebSocket on one port: a plain request is handed over with all that it has sent."""

import ssl
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from orosync.transport.certificates import self_signed
from orosync.transport.pages import quiet_site
from orosync.transport.tls import ReloadingCredentials
from tests.support.listeners import ListenerCase, reactor
from tests.support.wires import MemoryListener, upgrade


class Echo(Resource):
    """Answers with method, path, body and whether the request was secure; ``/late`` takes its time."""

    isLeaf = True

    def render(self, request: Request) -> Any:
        answer = b"%s %s %s %d" % (request.method, request.path, request.content.read(), request.isSecure())
        if request.path == b"/late":
            reactor.callLater(0.05, lambda: (request.write(answer), request.finish()))
            return NOT_DONE_YET
        return answer


GET = b"GET /page?ticket=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n"


class QuietSiteTests(SynchronousTestCase):
    def test_requests_are_not_logged(self) -> None:
        """Their lines may hold tickets."""
        heard: list[str] = []

        def observer(event: Any) -> None:
            heard.append(str(event))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        listener = MemoryListener(web=Echo())
        link, wire = listener.connect()
        link.dataReceived(GET)
        self.assertTrue(wire.value().startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual([line for line in heard if "SECRET" in line], [])

    def test_tracebacks_are_not_shown(self) -> None:
        """A visitor learns nothing about the inside."""
        self.assertFalse(quiet_site(Echo(), Clock()).displayTracebacks)

    def test_bodies_arrive_wherever_they_are_cut(self) -> None:
        """What came before the hand-over and what comes after it make one request."""
        stream = b"POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
        for cut in range(1, len(stream)):
            link, wire = MemoryListener(web=Echo()).connect()
            link.dataReceived(stream[:cut])
            link.dataReceived(stream[cut:])
            self.assertIn(b"POST /page hello 0", wire.value(), cut)

    def test_the_pages_have_the_path_of_the_websocket_too(self) -> None:
        """Who asks for no upgrade gets pages everywhere; who asks for it elsewhere is told there is none."""
        listener = MemoryListener(web=Echo(), path="/ws")
        link, wire = listener.connect()
        link.dataReceived(GET.replace(b"/page", b"/ws"))
        self.assertIn(b"GET /ws", wire.value())
        link, wire = listener.connect()
        link.dataReceived(upgrade("/page"))
        self.assertTrue(wire.value().startswith(b"HTTP/1.1 404 "))

    def test_no_handshake_timer_for_pages(self) -> None:
        """A page may take its time, and an idle connection is the site's to end."""
        listener = MemoryListener(web=Echo())
        link, wire = listener.connect()
        link.dataReceived(GET)
        listener.run(30, 1)
        self.assertFalse(wire.aborted)
        listener.run(60, 1)
        self.assertTrue(wire.disconnecting)


class HandOverTests(ListenerCase):
    async def pages_and_websocket(self, port: int, secure: int, **options: Any) -> None:
        client = await self.client(port, **options)
        client.send(GET)
        answer = b""
        while b"GET /page  %d" % secure not in answer:
            answer += await self.beside(client.exactly, 1)
        # The connection is kept and used again, also for an answer that comes late.
        client.send(b"GET /late HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertIn(b"GET /late  %d" % secure, await self.beside(client.until_end))
        self.assertIn(b" 101 ", await self.beside((await self.client(port, **options)).upgrade))
        self.assertEqual(self.host.facts[0].tls, bool(secure))

    async def test_over_tcp(self) -> None:
        """Pages, one after the other on one connection, and WebSocket on the same port."""
        await self.pages_and_websocket(await self.listen(web=Echo()), 0)

    async def test_over_tls(self) -> None:
        """The same inside TLS, where the pages know that they are secure."""
        directory = Path(self.mktemp())
        directory.mkdir()
        self_signed(directory / "certificate.pem", directory / "key.pem")
        credentials = ReloadingCredentials(directory / "certificate.pem", directory / "key.pem")
        context = ssl.create_default_context(cafile=directory / "certificate.pem")
        await self.pages_and_websocket(await self.listen(credentials, web=Echo()), 1, tls=context)
