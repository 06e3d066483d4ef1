"""Pages and WebSocket on one port: a plain request is handed over with all that it has sent."""

import itertools
import ssl
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from orosync.transport.http_site import BYTES, REQUESTS, bounded_site
from orosync.transport.tls import ReloadingCredentials, self_signed
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


class BoundedSiteTests(SynchronousTestCase):
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
        self.assertFalse(bounded_site(Echo(), Clock()).displayTracebacks)

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


class Slow(Resource):
    """Answers at once, but for ``/slow``, which waits for ``finish``; remembers what was asked for."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self.held: list[Request] = []

    def render(self, request: Request) -> Any:
        self.asked.append(request.path + request.content.read())
        if request.path == b"/slow":
            self.held.append(request)
            return NOT_DONE_YET
        return b""

    def finish(self) -> None:
        self.held.pop().finish()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def chunked(path: str, chunks: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"


class OneTurnTests(SynchronousTestCase):
    """How much of what a connection sends is handled in one turn (see read_turns)."""

    def setUp(self) -> None:
        self.pages = Slow()
        self.listener = MemoryListener(web=self.pages)
        self.link, self.wire = self.listener.connect()

    def channel(self) -> Any:
        return self.link._handshake._web  # type: ignore[union-attr]

    def answers(self) -> int:
        return self.wire.value().count(b"HTTP/1.1 200 OK")

    def test_requests_at_once(self) -> None:
        """Eight in a turn; the transport is paused while there are more, and all are answered in order."""
        self.link.dataReceived(b"".join(get(f"/{n}") for n in range(100)))
        seen = [len(self.pages.asked)]
        while self.wire.producerState == "paused":
            self.listener.turn()
            seen.append(len(self.pages.asked))
        self.assertEqual(seen, [*range(REQUESTS, 100, REQUESTS), 100])
        self.assertEqual((self.pages.asked, self.answers()), ([b"/%d" % n for n in range(100)], 100))
        self.assertEqual(len(self.listener.factory.turns), 0)
        self.link.dataReceived(get("/next"))
        self.assertEqual(self.pages.asked[-1], b"/next")

    def test_more_while_it_waits(self) -> None:
        """What is read before the next turn waits, and nothing more is read."""
        self.link.dataReceived(get("/a") * REQUESTS)
        self.assertEqual(len(self.pages.asked), REQUESTS)
        self.link.dataReceived(get("/a") * 20)
        self.assertEqual((len(self.pages.asked), self.wire.producerState), (REQUESTS, "paused"))
        self.listener.clock.advance(0)
        self.assertEqual((len(self.pages.asked), self.wire.producerState), (REQUESTS + 20, "producing"))

    def test_more_behind_half_a_body(self) -> None:
        """The same where the bytes of a turn were used up, and nothing was left."""
        stream = chunked("/a", 3000)
        self.link.dataReceived(stream[:BYTES])
        self.assertEqual(self.wire.producerState, "producing")
        self.link.dataReceived(stream[BYTES:])
        self.assertEqual((self.wire.producerState, len(self.channel()._arrived)), ("paused", len(stream) - BYTES))
        self.listener.clock.advance(0)
        self.assertEqual((self.wire.producerState, self.pages.asked), ("producing", [b"/a" + b"x" * 3000]))

    def test_two_who_ask_and_a_neighbour(self) -> None:
        """A single request is answered at once, whatever stands in the queue."""
        other, other_wire = self.listener.connect()
        neighbour, wire = self.listener.connect()
        for link in (self.link, other):
            link.dataReceived(get("/flood") * 1000)
        for n in range(10):
            neighbour.dataReceived(get("/neighbour"))
            self.assertEqual(wire.value().count(b"HTTP/1.1 200 OK"), n + 1)
            self.listener.turn()
            self.assertEqual(self.answers() - other_wire.value().count(b"HTTP/1.1 200 OK"), 0)

    def test_hundreds_who_ask(self) -> None:
        """All at the same moment: so many are answered in one turn, and the others in the next ones, in order."""
        crowd = [self.listener.connect() for _ in range(200)]
        for number, (link, _) in enumerate(crowd):
            link.dataReceived(get(f"/{number}"))
        seen = [len(self.pages.asked)]
        while seen[-1] < 200:
            self.listener.turn()
            seen.append(len(self.pages.asked))
        self.assertEqual(seen[0], 64)
        self.assertLessEqual(max(after - before for before, after in itertools.pairwise(seen)), 64)
        self.assertEqual(self.pages.asked, [b"/%d" % number for number in range(200)])

    def test_a_request_that_takes_its_time(self) -> None:
        """Those behind it wait, in a turn of their own or not, and nothing is kept twice."""
        self.link.dataReceived(get("/slow") + b"".join(get(f"/{n}") for n in range(30)))
        for _ in range(3):
            self.listener.turn()
            self.assertEqual((self.pages.asked, self.answers()), ([b"/slow"], 0))
        self.pages.finish()
        self.assertLessEqual(len(self.pages.asked), 1 + REQUESTS)
        self.listener.clock.advance(0)
        self.assertEqual((self.pages.asked[1:], self.answers()), ([b"/%d" % n for n in range(30)], 31))
        self.assertEqual(self.wire.producerState, "producing")

    def test_much_behind_a_request_that_takes_its_time(self) -> None:
        """A little is read on, so that we notice when the client goes; then reading stops."""
        self.link.dataReceived(get("/slow"))
        self.link.dataReceived(get("/a") * 100)
        self.assertEqual(self.wire.producerState, "producing")
        self.link.dataReceived(get("/a") * 1000)
        self.assertEqual(self.wire.producerState, "paused")
        self.link.dataReceived(get("/a") * 1000)  # TLS had it already
        self.pages.finish()
        self.assertEqual(self.wire.producerState, "paused")
        self.listener.clock.advance(0)
        self.assertEqual((len(self.pages.asked), self.wire.producerState), (2101, "producing"))

    def test_bodies(self) -> None:
        """Tiny chunks go by the byte; a body whose length was announced by the quantum."""
        stream = chunked("/chunks", 5000)
        self.link.dataReceived(stream)
        left = [len(self.channel()._arrived)]
        while self.channel()._arrived:
            self.listener.turn()
            left.append(len(self.channel()._arrived))
        self.assertEqual(left[:3], [len(stream) - BYTES * n for n in (1, 2, 3)])
        self.listener.clock.advance(0)
        self.assertEqual(self.pages.asked, [b"/chunks" + b"x" * 5000])
        body = bytes(60000)
        self.link.dataReceived(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body + get("/a"))
        turns = 0
        while len(self.pages.asked) < 3:
            self.listener.turn()
            turns += 1
        self.assertEqual(self.pages.asked[1:], [b"/body" + body, b"/a"])
        self.assertLess(turns, 4)

    def test_what_follows_a_refusal(self) -> None:
        """Is not looked at, though TLS delivers it: neither in the same read nor in a later one; and who does not end
        the connection is cut."""
        large = b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n"
        for bad in (large, chunked("/large", 70000), b"nonsense\r\n", get("/a").replace(b"Host: a", b"Host")):
            pages = Slow()
            listener = MemoryListener(web=pages)
            link, wire = listener.connect()
            link.dataReceived(get("/first"))
            link.dataReceived(bad + get("/same"))
            listener.clock.advance(0)
            self.assertTrue(wire.disconnecting, bad)
            wire.clear()
            for _ in range(3):
                link.dataReceived(get("/later"))
            listener.clock.advance(0)
            self.assertEqual((pages.asked, wire.value(), wire.aborted), ([b"/first"], b"", False), bad)
            listener.run(61, 1)
            self.assertTrue(wire.aborted)
            link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((listener.clock.getDelayedCalls(), len(listener.factory.turns)), ([], 0))

    def test_one_that_goes_while_it_waits(self) -> None:
        """Leaves the queue; nothing more of it is answered."""
        self.link.dataReceived(get("/a") * 100)
        self.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.listener.factory.turns), 0)
        self.listener.clock.advance(0)
        self.assertEqual(len(self.pages.asked), REQUESTS)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.sampled_from(["/a", "/slow", "chunks", "body"]), min_size=1, max_size=30),
        st.lists(st.one_of(st.integers(1, 3000), st.sampled_from(["turn", "finish"])), max_size=60),
    )
    def test_however_it_is_cut(self, names: list[str], steps: list[Any]) -> None:
        """The same requests with the same bodies, once and in order."""
        self.setUp()
        streams = {
            "/a": (get("/a"), b"/a"),
            "/slow": (get("/slow"), b"/slow"),
            "chunks": (chunked("/c", 300), b"/c" + b"x" * 300),
            "body": (b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"y" * 5000, b"/b" + b"y" * 5000),
        }
        stream = b"".join(streams[name][0] for name in names)
        for step in steps:
            before = len(self.pages.asked)
            if step == "turn":
                self.listener.turn()
            elif step == "finish":
                if self.pages.held:
                    self.pages.finish()
            else:
                self.link.dataReceived(stream[:step]) if stream else None
                stream = stream[step:]
            self.assertLessEqual(len(self.pages.asked) - before, REQUESTS)
        self.link.dataReceived(stream) if stream else None
        self.listener.clock.advance(0)
        while self.pages.held:
            self.pages.finish()
            self.listener.clock.advance(0)
        self.assertEqual(self.pages.asked, [streams[name][1] for name in names])
        self.assertEqual((self.wire.producerState, len(self.channel()._arrived)), ("producing", 0))


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


class Large(Resource):
    """A page of a mebibyte; ``answered`` counts."""

    isLeaf = True
    answered = 0

    def render(self, request: Request) -> bytes:
        self.answered += 1
        return b"x" * (1 << 20)


class Pipelined(ListenerCase):
    """Many requests in one read, on real sockets."""

    async def test_who_does_not_read_is_not_answered(self) -> None:
        """One answer waits for a client that takes none, and no more is made until it reads; then all come."""
        page, count = Large(), 60
        port = await self.listen(web=page)
        client = await self.client(port, buffer=4096)
        await self.beside(client.send, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
        for _ in range(20):
            await deferLater(reactor, 0.01)
        self.assertLess(page.answered, 16, "what the system takes, and one")
        self.assertGreater(page.answered, 0)

        def everything() -> int:
            taken, bodies = 0, count << 20
            while taken < bodies:
                taken += len(client.once(1 << 20))
            return taken

        self.assertGreaterEqual(await self.beside(everything), count << 20)
        self.assertEqual(page.answered, count)
