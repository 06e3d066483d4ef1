"""From the first byte to the 101 or the refusal: without sockets, with the real parser and the real link."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.clocks import epoch
from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.interfaces import Admission
from orosync.transport.http_responses import Body, HttpResponses
from orosync.transport.upgrade import accepted
from tests.support.wires import ANSWERS, KEY, MemoryListener, RecordingSession, client_frame, server_frames, upgrade

PAGE = HttpResponses(epoch).answer(426, body=Body.PAGE)
HEALTH = {well: HttpResponses(epoch).answer(200 if well else 503, body=Body.NONE) for well in (True, False)}
GONE = Failure(ConnectionDone())


class AcceptedTests(SynchronousTestCase):
    def test_the_first_words_leave_with_the_101(self) -> None:
        """Oro's publisher reads once: head and WELCOME must be one write, with nothing behind."""
        listener = MemoryListener()
        listener.host.make = lambda: RecordingSession(greeting=b'[0,"sid",1,"orosync"]')
        link, _wire = listener.connect()
        writes: list[bytes] = []
        link._deliver = writes.append
        link.dataReceived(upgrade())
        frame = b'\x81\x15[0,"sid",1,"orosync"]'
        self.assertEqual(writes, [accepted(KEY, "wamp") + frame])
        listener.run(20)
        self.assertEqual(writes, [accepted(KEY, "wamp") + frame])

    def test_in_any_pieces(self) -> None:
        """The request may come byte by byte; what the client sends right behind it is not lost."""
        stream = upgrade() + client_frame(b"early") + client_frame(b"bird")
        for step in (len(stream), 1, 100, len(upgrade()), len(upgrade()) + 3):
            listener = MemoryListener()
            link, wire = listener.connect()
            for n in range(0, len(stream), step):
                link.dataReceived(stream[n : n + step])
            self.assertEqual(wire.value(), accepted(KEY, "wamp"))
            self.assertEqual(listener.host.sessions[0].messages, [(b"early", False), (b"bird", False)], step)

    def test_what_the_host_is_told(self) -> None:
        """One value with everything, made of this connection."""
        listener = MemoryListener(trusted_proxies=["192.0.2.0/24"])
        link, _ = listener.connect("192.0.2.7")
        link.dataReceived(
            upgrade(
                "/ws?ticket=x",
                subprotocol="wamp.2.cbor, wamp",
                extra="Cookie: BAPID=1\r\nX-Forwarded-For: 198.51.100.9\r\n",
            )
        )
        (facts,) = listener.host.facts
        self.assertEqual((facts.listener, facts.peer, facts.address), ("public", "192.0.2.7", "198.51.100.9"))
        self.assertEqual((facts.path, facts.query, facts.subprotocols), ("/ws", "ticket=x", ("wamp.2.cbor", "wamp")))
        self.assertEqual(
            (dict(facts.cookies), facts.forwarded, facts.origin), ({"BAPID": "1"}, True, "http://localhost")
        )
        self.assertIs(link.facts, facts)

    def test_nothing_of_the_handshake_is_kept(self) -> None:
        """Ten thousand idle connections must not keep ten thousand requests."""
        link, _, _ = MemoryListener().open()
        self.assertIsNone(link._handshake)
        self.assertEqual([name for name in vars(link) if name.startswith(("http_", "websocket_", "_ws"))], [])
        self.assertLess(len(vars(link)), 20)

    def test_without_a_subprotocol(self) -> None:
        """A client that offers none is not given one."""
        listener = MemoryListener()
        link, wire = listener.connect()
        link.dataReceived(upgrade(subprotocol=None))
        self.assertEqual(wire.value(), accepted(KEY, None))

    def test_a_session_that_closes_at_once(self) -> None:
        """101, what it said and CLOSE, in this order, and nothing that it says afterwards."""
        listener = MemoryListener()
        session = RecordingSession(greeting=b"hello")

        def on_opened(link: Any) -> None:
            link.close(1008, "no")
            link.push(link.framer(b"too late", False))

        session.on_opened = on_opened
        listener.host.make = lambda: session
        link, wire = listener.connect()
        link.dataReceived(upgrade())
        listener.run(0.1)
        head = accepted(KEY, "wamp")
        self.assertTrue(wire.value().startswith(head))
        self.assertEqual(server_frames(wire.value()[len(head) :]), ([(0x81, b"hello"), (0x88, b"\x03\xf0no")], b""))

    def test_a_session_that_cannot_open(self) -> None:
        """A bug there ends this connection with 1011."""
        listener = MemoryListener()
        session = RecordingSession()

        def on_opened(link: Any) -> None:
            raise RuntimeError("bug")

        session.on_opened = on_opened
        listener.host.make = lambda: session
        link, wire = listener.connect()
        link.dataReceived(upgrade())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        frames, _ = server_frames(wire.value()[len(accepted(KEY, "wamp")) :])
        self.assertEqual(frames, [(0x88, b"\x03\xf3internal error")])


class RefusedTests(SynchronousTestCase):
    def refused(self, listener: MemoryListener, stream: bytes) -> bytes:
        link, wire = listener.connect()
        link.dataReceived(stream)
        self.assertTrue(wire.disconnecting)
        link.dataReceived(upgrade())
        link.connectionLost(GONE)
        self.assertEqual(listener.factory.connection_limit.inside, 0)
        return wire.value()

    def test_each_cause_has_its_status_and_its_note(self) -> None:
        """The client gets a fixed answer, the log one line with the real cause and never a ticket or cookie."""
        secret = "Cookie: BAPID=SECRET\r\n"
        for what, stream, status, kind in [
            ("a foreign page", upgrade("/ws?ticket=SECRET", "https://evil.example", secret), 403, "origin"),
            ("no origin", upgrade("/ws?ticket=SECRET", None, secret), 403, "origin"),
            ("a null origin", upgrade("/ws?ticket=SECRET", "null", secret), 403, "origin"),
            ("an empty origin", upgrade("/ws?ticket=SECRET", "", secret), 403, "origin"),
            ("another path", upgrade("/other?ticket=SECRET", extra=secret), 404, "path"),
            ("plain HTTP", b"GET /ws?ticket=SECRET HTTP/1.1\r\nHost: a\r\n\r\n", 426, "plain_http"),
            ("plain HTTP elsewhere", b"GET /SECRET HTTP/1.1\r\nHost: a\r\n\r\n", 404, "path"),
            ("two hosts", upgrade("/ws?ticket=SECRET", extra="Host: b\r\n"), 400, "malformed"),
            ("two cookies", upgrade("/ws?ticket=SECRET", extra=secret + secret), 400, "malformed"),
            ("a bad version", upgrade("/ws?ticket=SECRET").replace(b"Version: 13", b"Version: 7"), 400, "malformed"),
            ("a fragment", upgrade("/ws?ticket=SECRET#SECRET"), 400, "malformed"),
            ("something else than HTTP", b"\x16\x03\x01SECRET", 400, "malformed"),
            ("lower case", b"get / SECRET", 400, "malformed"),
        ]:
            listener = MemoryListener(path="/ws")
            self.assertEqual(self.refused(listener, stream), ANSWERS[status], what)
            ((event, noted, fields),) = listener.journal.notes
            self.assertEqual((event, noted, fields["address"]), ("handshake.refused", kind, "192.0.2.7"), what)
            self.assertNotIn("SECRET", str(fields), what)
            self.assertEqual(listener.host.facts, [], what)

    def test_a_person_gets_a_page(self) -> None:
        """A browser gets words in place of the bare status, at the root and where clients connect; the status and the
        note are the same."""
        for path, target, accept, whole in (
            ("/ws", "/", "text/html,*/*;q=0.8", PAGE),
            ("/ws", "/ws", "text/html", PAGE),
            (None, "/anything", "application/xhtml+xml, text/html", PAGE),
            ("/ws", "/other", "text/html", ANSWERS[404]),
            ("/ws", "/", "*/*", ANSWERS[426]),
        ):
            listener = MemoryListener(path=path)
            stream = f"GET {target} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode()
            self.assertEqual(self.refused(listener, stream), whole, (target, accept))
            self.assertEqual([event for event, _, _ in listener.journal.notes], ["handshake.refused"])

    def test_health(self) -> None:
        """A load balancer gets 200 or 503 without a body, whatever the origin, and nothing is noted or counted."""
        for healthy, method, whole in (
            (True, "GET", HEALTH[True]),
            (False, "GET", HEALTH[False]),
            (True, "HEAD", HEALTH[True]),  # there is no body to be left out
            (False, "HEAD", HEALTH[False]),
            (True, "POST", ANSWERS[405]),
        ):
            listener = MemoryListener(path="/ws", health="/health", healthy=lambda healthy=healthy: healthy)
            stream = f"{method} /health?x=1 HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n".encode()
            self.assertEqual(self.refused(listener, stream), whole)
            self.assertEqual((listener.journal.notes, dict(listener.journal.counts)), ([], {}))
        self.assertIn(b" 200 OK\r\n", HEALTH[True])

    def test_health_where_it_is_not_asked_for(self) -> None:
        """Without the key its path is any other; an upgrade is none, nor are paths nearby."""
        probe = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        self.assertEqual(self.refused(MemoryListener(path="/ws"), probe), ANSWERS[404])
        for target in ("/health/", "/healthz", "//health"):
            listener = MemoryListener(path="/ws", health="/health")
            self.assertEqual(self.refused(listener, probe.replace(b"/health", target.encode())), ANSWERS[404])
        self.assertEqual(self.refused(MemoryListener(path="/ws", health="/health"), upgrade("/health")), ANSWERS[404])

    def test_head(self) -> None:
        """The answer to HEAD has no body (RFC 9110 section 9.3.2)."""
        for target, status in (("/ws", 426), ("/other", 404)):
            stream = f"HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            self.assertEqual(
                self.refused(MemoryListener(path="/ws"), stream),
                ANSWERS[status].partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
            )

    def test_origins_that_are_let_in(self) -> None:
        """Oro's publisher says 127.0.0.1 without a scheme, which autobahn would not take; who sends none may where
        none is required."""
        for origin, required in (("127.0.0.1", True), ("http://127.0.0.1:8080", True), (None, False)):
            listener = MemoryListener(origins=("127.0.0.1",), origin_required=required)
            link, wire = listener.connect()
            link.dataReceived(upgrade(origin=origin))
            self.assertEqual(wire.value(), accepted(KEY, "wamp"), origin)

    def test_a_head_too_large(self) -> None:
        """Refused when the limit is passed, whole or trickling, before anything looks at it; just below is fine."""
        room = 16384 - len(upgrade()) - len("X: \r\n")
        whole = upgrade(extra=f"X: {'x' * (room + 1)}\r\n")
        self.assertEqual(len(whole), 16385)
        self.assertEqual(self.refused(MemoryListener(), whole), ANSWERS[431])
        self.assertEqual(self.refused(MemoryListener(), b"GET /" + b"x" * 20000), ANSWERS[431])
        listener = MemoryListener()
        link, wire = listener.connect()
        for _ in range(300):
            link.dataReceived(b"GET /" + b"x" * 95)
            if wire.disconnecting:
                break
        self.assertEqual(wire.value(), ANSWERS[431])
        self.assertEqual(listener.journal.kinds("handshake.refused"), ["header_too_large"])
        link, wire = MemoryListener().connect()
        link.dataReceived(upgrade(extra=f"X: {'x' * room}\r\n"))
        self.assertEqual(wire.value(), accepted(KEY, "wamp"))

    def test_the_hosts_refusals(self) -> None:
        """One answer for every cause of 403, 503 for what is down or broken, 400 for unknown subprotocols."""
        for error, status, kind in [
            (Refused("bad_ticket", "invalid digest"), 403, "bad_ticket"),
            (Refused("no_user", "unknown user"), 403, "no_user"),
            (Unavailable("directory_down", "no database"), 503, "directory_down"),
            (ProtocolViolation("none spoken here"), 400, "subprotocol"),
            (RuntimeError("SECRET"), 503, "internal"),
        ]:
            listener = MemoryListener()
            listener.host.answer = error
            self.assertEqual(self.refused(listener, upgrade("/ws?ticket=SECRET")), ANSWERS[status], kind)
            ((event, noted, fields),) = listener.journal.notes
            self.assertEqual((event, noted, fields["origin"]), ("handshake.refused", kind, "http://localhost"))
            self.assertNotIn("SECRET", str(fields))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_subprotocol_that_was_not_offered_is_never_answered(self) -> None:
        """A host's mistake must not become a protocol violation towards the client."""
        listener = MemoryListener()
        listener.host.answer = Deferred()
        link, wire = listener.connect()
        link.dataReceived(upgrade())
        listener.host.answer.callback(Admission("wamp.2.json", RecordingSession()))
        self.assertEqual(wire.value(), ANSWERS[503])
        self.assertEqual(listener.journal.kinds("handshake.refused"), ["internal"])

    def test_a_refused_client_that_does_not_leave_is_made_to(self) -> None:
        """The answer has the time that closing may take; then the connection is torn down."""
        listener = MemoryListener()
        link, wire = listener.connect()
        link.dataReceived(upgrade(origin="null"))
        self.assertFalse(wire.aborted)
        listener.run(3)
        self.assertTrue(wire.aborted)
