"""T4: one request of a long-poll."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from orosync.transport.http_request import BadRequest
from orosync.transport.longpoll import PollRequest, head_of


def made(headers: dict[bytes, list[bytes]] | None = None) -> DummyRequest:
    request = DummyRequest([b"lp", b"open"])
    request.method, request.clientproto, request.uri = b"POST", b"HTTP/1.1", b"/lp/open?x=1&ticket=t"
    for name, values in (headers or {}).items():
        request.requestHeaders.setRawHeaders(name, values)
    return request


class AnswerTests(SynchronousTestCase):
    """T4."""

    def test_answers(self) -> None:
        """Bodies belong to 200 alone, 204 has none, refusals are the same for every cause; nothing is cached."""
        for status, body, written in [
            (200, b"[1]", [b"[1]"]),
            (204, b"", []),
            (400, b"", [b"Bad Request\n"]),
            (404, b"never shown", [b"Not Found\n"]),
            (503, b"", [b"Service Unavailable\n"]),
        ]:
            request = made()
            poll = PollRequest(request)
            poll.answer(status, body)
            self.assertEqual((request.responseCode, request.written, request.finished), (status, written, 1))
            self.assertEqual(request.responseHeaders.getRawHeaders("cache-control"), ["no-store"])
            self.assertEqual(request.responseHeaders.hasHeader("access-control-allow-origin"), False)
            poll.answer(500)
            self.assertEqual(request.finished, 1)

    def test_pages(self) -> None:
        """The page that may see it is named, never all."""
        request = made()
        poll = PollRequest(request)
        poll.allow("https://oro.example.com")
        poll.preflight()
        headers = {name.lower(): values for name, values in request.responseHeaders.getAllRawHeaders()}
        self.assertEqual(headers[b"access-control-allow-origin"], [b"https://oro.example.com"])
        self.assertEqual(headers[b"access-control-allow-credentials"], [b"true"])
        self.assertEqual(headers[b"access-control-allow-methods"], [b"POST"])
        self.assertEqual((headers[b"vary"], request.responseCode), ([b"Origin"], 204))

    def test_a_client_that_has_gone(self) -> None:
        """It is told to whom it concerns, and an answer then goes nowhere."""
        request = made()
        poll = PollRequest(request)
        gone: list[int] = []
        poll.gone = lambda: gone.append(1)
        request.processingFailed(Failure(ConnectionLost()))
        poll.answer(200, b"late")
        self.assertEqual((gone, request.written, request.finished), ([1], [], 0))


class HeadTests(SynchronousTestCase):
    """T4."""

    def test_as_a_handshake_has_it(self) -> None:
        """Names in lower case, repeated headers joined."""
        head = head_of(made({b"Origin": [b"https://a.example"], b"X-Forwarded-For": [b"1.2.3.4", b"5.6.7.8"]}))
        self.assertEqual((head.method, head.path, head.query), ("POST", "/lp/open", "x=1&ticket=t"))
        self.assertEqual(head.headers["x-forwarded-for"], "1.2.3.4, 5.6.7.8")

    def test_ambiguous(self) -> None:
        """Of two origins or cookies two readers could believe different ones."""
        for name in (b"Origin", b"Cookie", b"Host"):
            self.assertRaises(BadRequest, head_of, made({name: [b"a", b"b"]}))
