"""T4: long-poll on a listener, without sockets: requests as bytes, with the real parser and the real site."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.interfaces import Admission
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.longpoll_relay import MOST_CONNECTIONS
from tests.support.wires import MemoryListener, RecordingSession

ORIGIN = "http://localhost"


def post(path: str, body: bytes = b"", *, origin: str | None = ORIGIN, method: str = "POST", extra: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if origin is not None:
        lines.append(f"Origin: {origin}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode() + body


def wanting(*protocols: Any) -> bytes:
    return json.dumps({"protocols": protocols}).encode()


class LongPollCase(SynchronousTestCase):
    """T4."""

    def setUp(self) -> None:
        self.listener = self.made()

    def made(self, **settings: Any) -> MemoryListener:
        return MemoryListener(longpoll="/lp", **settings)

    def ask(self, stream: bytes, listener: MemoryListener | None = None) -> tuple[Any, Any]:
        listener = listener or self.listener
        link, wire = listener.connect()
        link.dataReceived(stream)
        listener.clock.advance(0)
        return link, wire

    def status(self, stream: bytes, listener: MemoryListener | None = None) -> int:
        return int(self.ask(stream, listener)[1].value().split()[1])

    def open(self, *protocols: str, listener: MemoryListener | None = None) -> tuple[str, Any]:
        """The base of an open transport's paths, and its session."""
        _, wire = self.ask(post("/lp/open", wanting(*(protocols or ("wamp.2.json",)))), listener)
        head, _, body = wire.value().partition(b"\r\n\r\n")
        self.assertIn(b"HTTP/1.1 200 OK", head)
        answer = json.loads(body)
        self.assertEqual(sorted(answer), ["protocol", "transport"])
        self.protocol = answer["protocol"]
        return f"/lp/{answer['transport']}", (listener or self.listener).host.sessions[-1]


class OpenTests(LongPollCase):
    """T4, "Opening a Session"."""

    def test_protocols(self) -> None:
        """The client's first that can be polled for; WAMP v1 cannot."""
        for offered, chosen in [
            (["wamp.2.json"], "wamp.2.json"),
            (["wamp.2.cbor.batched", "wamp.2.json"], "wamp.2.cbor.batched"),
            (["wamp", "wamp.2.soap", 7, None, "wamp.2.msgpack"], "wamp.2.msgpack"),
        ]:
            body = wanting(*offered)
            _, wire = self.ask(post("/lp/open?x=382913", body))
            self.assertEqual(json.loads(wire.value().partition(b"\r\n\r\n")[2])["protocol"], chosen)

    def test_bad_bodies(self) -> None:
        """400, noted, and the host is not asked."""
        for body in (
            b"",
            b"[]",
            b"{}",
            b"no json",
            wanting(),
            wanting("wamp"),
            b'{"protocols": "wamp.2.json"}',
            b"[" * 8000,
        ):
            self.assertEqual(self.status(post("/lp/open", body)), 400, body)
        self.assertEqual(set(self.listener.journal.kinds("handshake.refused")), {"subprotocol"})
        self.assertEqual((self.listener.host.facts, self.listener.factory.connection_limit.inside), ([], 8))

    def test_what_the_host_is_told(self) -> None:
        """The same facts as of a WebSocket: ticket, cookie, origin, and whom proxies speak for."""
        listener = self.made(trusted_proxies=["192.0.2.0/24"])
        extra = "Cookie: BAPID=1\r\nX-Forwarded-For: 198.51.100.9\r\n"
        self.ask(post("/lp/open?ticket=x", wanting("wamp.2.json"), extra=extra), listener)
        (facts,) = listener.host.facts
        self.assertEqual((facts.peer, facts.address, facts.forwarded), ("192.0.2.7", "198.51.100.9", True))
        self.assertEqual((facts.path, facts.query, facts.origin), ("/lp/open", "ticket=x", ORIGIN))
        self.assertEqual((facts.cookies, facts.subprotocols), ({"BAPID": "1"}, ("wamp.2.json",)))

    def test_what_waits_is_told(self) -> None:
        """What a client has not fetched is among the listener's backlogs."""
        _, session = self.open()
        self.assertEqual(list(self.listener.factory.backlogs()), [])
        session.link.push(b"an event")
        self.assertEqual(list(self.listener.factory.backlogs()), [8])

    def test_names_cannot_be_guessed(self) -> None:
        """192 bits, another one each time."""
        names = {self.open()[0] for _ in range(20)}
        self.assertEqual((len(names), {len(name) for name in names}), (20, {len("/lp/") + 32}))

    def test_refusals(self) -> None:
        """As at a WebSocket's handshake; no refused client keeps a place."""
        for fault, status, kind in [
            (Refused("bad_digest", "why"), 403, "bad_digest"),
            (Unavailable("directory_down", "why"), 503, "directory_down"),
            (ProtocolViolation("why"), 400, "subprotocol"),
            (RuntimeError("bug"), 503, "internal"),
        ]:
            listener = self.made()
            listener.host.answer = fault
            link, wire = self.ask(post("/lp/open", wanting("wamp.2.json")), listener)
            self.assertEqual(int(wire.value().split()[1]), status)
            self.assertEqual(listener.journal.kinds("handshake.refused"), [kind])
            link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(listener.factory.connection_limit.inside, 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_full_listener(self) -> None:
        """A transport counts as a connection, beside the connection that asks for it."""
        listener = self.made(max_connections=2)
        self.open(listener=listener)
        self.assertEqual(listener.factory.connection_limit.inside, 2)
        listener = self.made(max_connections=1)
        self.assertEqual(self.status(post("/lp/open", wanting("wamp.2.json")), listener), 503)
        self.assertEqual(listener.journal.kinds("connection.refused"), ["too_many"])

    def test_a_client_that_leaves_while_it_is_judged(self) -> None:
        """The question is withdrawn, and nothing is left."""
        answer = self.listener.host.answer = Deferred()
        link, _ = self.ask(post("/lp/open", wanting("wamp.2.json")))
        link.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(answer.called)
        self.assertEqual(self.listener.factory.connection_limit.inside, 0)

    def test_a_late_answer(self) -> None:
        """However long identity takes, within the time of a request."""
        answer = self.listener.host.answer = Deferred()
        _, wire = self.ask(post("/lp/open", wanting("wamp.2.json")))
        self.assertEqual(wire.value(), b"")
        answer.callback(Admission("wamp.2.json", RecordingSession()))
        self.assertIn(b"200 OK", wire.value())


class PageTests(LongPollCase):
    """T4: which pages may."""

    def test_origins(self) -> None:
        """A listed page may and sees the answers; another may not, whatever it asks for; none where one is required."""
        base, session = self.open()
        for path in ("/lp/open", f"{base}/send", f"{base}/receive", f"{base}/close"):
            _, wire = self.ask(post(path, wanting("wamp.2.json"), origin="http://evil.example"))
            self.assertIn(b"HTTP/1.1 403 Forbidden", wire.value())
            self.assertNotIn(b"Access-Control", wire.value())
        self.assertEqual((session.messages, session.ends), ([], []))
        self.assertEqual(self.status(post("/lp/open", wanting("wamp.2.json"), origin=None)), 403)
        optional = self.made(origin_required=False)
        self.assertEqual(self.status(post("/lp/open", wanting("wamp.2.json"), origin=None), optional), 200)
        _, wire = self.ask(post("/lp/open", wanting("wamp.2.json")))
        self.assertIn(b"Access-Control-Allow-Origin: http://localhost\r\n", wire.value())

    def test_preflight(self) -> None:
        """A browser asks before it sends JSON; a page that may not gets no leave."""
        _, wire = self.ask(post("/lp/open", method="OPTIONS"))
        self.assertIn(b"204 No Content", wire.value())
        self.assertIn(b"Access-Control-Allow-Headers: Content-Type\r\n", wire.value())
        self.assertEqual(self.status(post("/lp/open", method="OPTIONS", origin="http://evil.example")), 403)

    def test_ambiguous_requests(self) -> None:
        """Two origins, two cookies, a bad Host: refused before the host is asked."""
        for extra in ("Origin: http://localhost\r\n", "Cookie: a=1\r\nCookie: b=2\r\n"):
            self.assertEqual(self.status(post("/lp/open", wanting("wamp.2.json"), extra=extra)), 400)
        self.assertEqual(self.listener.host.facts, [])


class TransportTests(LongPollCase):
    """T4: an open transport."""

    def test_a_conversation(self) -> None:
        """Send, receive and close, on one connection that is kept."""
        base, session = self.open()
        link, wire = self.ask(post(f"{base}/send", b"[1]"))
        self.assertIn(b"HTTP/1.1 204 No Content", wire.value())
        self.assertEqual(session.messages, [(b"[1]", False)])
        wire.clear()
        link.dataReceived(post(f"{base}/receive"))
        self.assertEqual(wire.value(), b"")
        session.link.push(session.link.framer(b"[2]", False))
        self.listener.clock.advance(0)
        self.assertTrue(wire.value().startswith(b"HTTP/1.1 200 OK\r\n") and wire.value().endswith(b"\r\n\r\n[2]"))
        wire.clear()
        link.dataReceived(post(f"{base}/close"))
        self.assertIn(b"HTTP/1.1 204 No Content", wire.value())
        self.assertEqual(session.ends, [(True, None, "closed by the client")])
        for verb in ("send", "receive", "close"):
            self.assertEqual(self.status(post(f"{base}/{verb}", b"[1]")), 404)

    def test_unknown(self) -> None:
        """Names, verbs and methods that there are not."""
        base, _ = self.open()
        for path in ("/lp/", "/lp/unknown/send", f"{base}", f"{base}/steal", f"{base}/send/more"):
            self.assertEqual(self.status(post(path)), 404, path)
        for method in ("GET", "PUT", "DELETE"):
            self.assertEqual(self.status(post(f"{base}/receive", method=method)), 405)

    def test_a_receiver_whose_connection_is_lost(self) -> None:
        """The next one gets what it would have got."""
        base, session = self.open("wamp.2.json.batched")
        link, _ = self.ask(post(f"{base}/receive"))
        link.connectionLost(Failure(ConnectionDone()))
        session.link.push(b"[2]\x1e")
        session.link.push(b"[3]\x1e")
        self.listener.clock.advance(0)
        _, wire = self.ask(post(f"{base}/receive"))
        self.assertTrue(wire.value().endswith(b"\r\n\r\n[2]\x1e[3]\x1e"))

    def test_bodies_are_bounded(self) -> None:
        """Announced or not: 413, and the connection ends; the session lives."""
        listener = self.made(body_limit=100)
        base, session = self.open(listener=listener)
        chunked = post(f"{base}/send", extra="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
        for stream in (
            post(f"{base}/send", b"x" * 101),
            chunked + b"40\r\n" + b"x" * 64 + b"\r\n" + b"40\r\n" + b"x" * 64 + b"\r\n0\r\n\r\n",
        ):
            _, wire = self.ask(stream, listener)
            self.assertTrue(wire.value().startswith(b"HTTP/1.1 413"), wire.value())
            self.assertTrue(wire.disconnecting)
        self.assertEqual((session.messages, session.ends), ([], []))
        self.assertEqual(self.status(post(f"{base}/send", b"x" * 100), listener), 204)

    def test_requests_that_drip(self) -> None:
        """Their time is bounded from the beginning, however often a line arrives."""
        base, _ = self.open()
        link, wire = self.ask(post(f"{base}/send", b"[1]"))
        for line in range(70):
            if wire.aborted:
                break
            link.dataReceived(b"POST / HTTP/1.1\r\n" if not line else b"X-%d: y\r\n" % line)
            self.listener.run(1)
        self.assertTrue(wire.aborted and line > 50)

    def test_other_paths(self) -> None:
        """They are what they are without long-poll."""
        for stream, status in ((post("/other"), 426), (post("/lpx/open"), 426)):
            self.assertEqual(self.status(stream), status)
        self.assertEqual(self.status(post("/other"), self.made(path="/ws")), 404)


class PlacesTests(LongPollCase):
    """Transports are places, wherever their requests come from."""

    def made(self, **settings: Any) -> MemoryListener:
        listener = super().made(**settings)
        listener.host.make = self.silent
        return listener

    def silent(self) -> RecordingSession:
        session = RecordingSession()
        session.authenticates = False
        return session

    def opened(self, count: int, listener: MemoryListener, extra: str = "") -> tuple[Any, list[int]]:
        """Statuses of opening so many transports over one connection, one after the other."""
        link, wire = listener.connect()
        statuses = []
        for _ in range(count):
            link.dataReceived(post("/lp/open", wanting("wamp.2.json"), extra=extra))
            listener.clock.advance(0)
            statuses.append(int(wire.value().split()[1]))
            wire.clear()
        return link, statuses

    def test_many_transports_over_one_connection(self) -> None:
        """Each is a place of its client's address; over the count it is 503, and those who join count no longer."""
        listener = self.made(max_unauthenticated=10, unauthenticated_per_address=3)
        link, statuses = self.opened(9, listener)
        self.assertEqual(statuses, [200] * 5 + [503] * 4)  # the connection that asks is the sixth
        self.assertEqual(listener.factory.connection_limit.unauthenticated, 6)
        self.assertEqual(listener.journal.kinds("connection.refused"), ["too_many_of_address"] * 4)
        for session in listener.host.sessions:
            session.link.set_authenticated(True)
        self.assertEqual(listener.factory.connection_limit.unauthenticated, 1)
        self.assertEqual(self.opened(4, listener)[1], [200] * 4)
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(listener.factory.connection_limit.inside, 10)
        for session in list(listener.host.sessions):
            session.link.leave()
        self.assertEqual(
            (listener.factory.connection_limit.inside, listener.factory.connection_limit.unauthenticated), (1, 1)
        )

    def test_too_fast(self) -> None:
        """Over the rate the request waits for its turn; one that leaves meanwhile waits no longer."""
        for leaves in (False, True):
            listener = self.made(max_unauthenticated=9, connection_rate=20.0, connection_burst=1)
            host, (link, wire), *_ = listener.host, *(listener.connect() for _ in range(5))
            link.dataReceived(post("/lp/open", wanting("wamp.2.json")))
            self.assertEqual((wire.value(), len(host.facts)), (b"", 0))
            self.assertEqual(len(listener.factory.connection_limit._delayed), 1)
            if leaves:
                link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(len(listener.factory.connection_limit._delayed), int(not leaves))
            listener.run(0.2)
            self.assertEqual((wire.value()[:12], len(host.facts)), (b"", 0) if leaves else (b"HTTP/1.1 200", 1))
            self.assertEqual(listener.factory.connection_limit.inside, 4 if leaves else 6)

    def test_the_connections_of_one_who_has_joined(self) -> None:
        """A few that its requests come by are authenticated too, as long as it is."""
        listener = self.made()
        connection_limit = listener.factory.connection_limit
        base, session = self.open(listener=listener)
        self.ask(post(f"{base}/send", b"[1]"), listener)
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (3, 3))
        session.link.set_authenticated(True)
        for count in range(1, MOST_CONNECTIONS + 3):
            self.ask(post(f"{base}/send", b"[1]"), listener)
            authenticated = connection_limit.inside - connection_limit.unauthenticated
            self.assertEqual(authenticated, 1 + min(count, MOST_CONNECTIONS))
        session.link.leave()
        self.assertEqual(connection_limit.inside, connection_limit.unauthenticated)

    def test_bodies_of_those_who_have_not_joined(self) -> None:
        """8 KiB, announced or not, whatever path they name; then what the listener says."""
        listener = self.made()
        base, session = self.open(listener=listener)
        long = b"x" * (UNAUTHENTICATED_MESSAGE_LIMIT + 1)
        for path in (f"{base}/send", "/lp/open", "/lp/nothing/send"):
            self.assertEqual(self.status(post(path, long), listener), 413, path)
        self.assertEqual(self.status(post(f"{base}/send", long[1:]), listener), 204)
        session.link.set_authenticated(True)
        self.assertEqual(self.status(post(f"{base}/send", long), listener), 204)

    def test_idle_connections_in_a_crowd(self) -> None:
        """They end with their answer, so that others have their places; those of a client that has joined do not."""
        listener = self.made(max_unauthenticated=8)
        base, session = self.open(listener=listener)
        session.link.set_authenticated(True)
        ours, wire = self.ask(post(f"{base}/send", b"[1]"), listener)
        for _ in range(4):
            self.assertNotIn(b"Connection: close", self.ask(post("/lp/x/send"), listener)[1].value())
        wires = self.ask(post("/lp/x/send"), listener)[1], self.ask(post(f"{base}/send", b"[1]"), listener)[1]
        self.assertEqual([b"Connection: close" in one.value() for one in wires], [True, False])
        other = wires[0]
        self.assertTrue(other.disconnecting)
        wire.clear()
        ours.dataReceived(post(f"{base}/send", b"[1]"))
        listener.clock.advance(0)
        self.assertIn(b"204", wire.value())
        self.assertFalse(wire.disconnecting)
