"""Request heads: what is understood, and all that two readers could understand differently is refused."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.transport import http_request
from orosync.transport.http_request import LONGEST_SHARED, MOST_SHARED, BadRequest, parse
from tests.support.wires import upgrade

GOOD = "GET /ws?ticket=a%20b HTTP/1.1\r\nHost: shop.example:8080\r\nX-One: 1\r\n\r\n"

REFUSED = [
    ("no version", "GET /ws\r\n\r\n", 400),
    ("two spaces", "GET  /ws HTTP/1.1\r\n\r\n", 400),
    ("a space in the target", "GET /w s HTTP/1.1\r\n\r\n", 400),
    ("an absolute target", "GET http://shop.example/ws HTTP/1.1\r\n\r\n", 400),
    ("a fragment", "GET /ws#x HTTP/1.1\r\n\r\n", 400),
    ("bytes beyond ASCII in the target", "GET /w\xe4 HTTP/1.1\r\n\r\n", 400),
    ("no method", " /ws HTTP/1.1\r\n\r\n", 400),
    ("another protocol", "GET /ws SIP/2.0\r\n\r\n", 505),
    ("HTTP/2", "GET /ws HTTP/2.0\r\n\r\n", 505),
    ("Unicode digits in the version", "GET /ws HTTP/1.\xb9\r\n\r\n", 505),
    ("a bare line feed", "GET /ws HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("a bare carriage return", "GET /ws HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400),
    ("a zero byte", "GET /ws HTTP/1.1\r\nHost: a\0\r\n\r\n", 400),
    ("a vertical tab", "GET /ws HTTP/1.1\r\nX: a\x0bCookie: b\r\n\r\n", 400),
    ("a folded header", "GET /ws HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    ("a header without a colon", "GET /ws HTTP/1.1\r\nHost\r\n\r\n", 400),
    ("a header without a name", "GET /ws HTTP/1.1\r\n: a\r\n\r\n", 400),
    ("a space before the colon", "GET /ws HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("two Host headers", "GET /ws HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    ("two Origin headers", "GET /ws HTTP/1.1\r\nOrigin: a\r\nORIGIN: b\r\n\r\n", 400),
    ("two Cookie headers", "GET /ws HTTP/1.1\r\nCookie: a=1\r\nCookie: a=2\r\n\r\n", 400),
    ("two keys", "GET /ws HTTP/1.1\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n\r\n", 400),
    ("two lengths", "GET /ws HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", 400),
]


class ParseTests(SynchronousTestCase):
    def test_parts_of_a_request(self) -> None:
        """Path, raw query and headers come out as the client wrote them, names in lower case."""
        request = parse(GOOD.encode())
        self.assertEqual(
            (request.method, request.path, request.query, request.version), ("GET", "/ws", "ticket=a%20b", "HTTP/1.1")
        )
        self.assertEqual(request.headers, {"host": "shop.example:8080", "x-one": "1"})

    def test_ambiguous_heads_are_refused(self) -> None:
        """Whatever a proxy and we could read differently costs the client its request, with a fixed status."""
        for what, head, status in REFUSED:
            with self.assertRaises(BadRequest, msg=what) as caught:
                parse(head.encode("latin-1"))
            self.assertEqual(caught.exception.status, status, what)

    def test_refusals_quote_nothing(self) -> None:
        """The reason goes to a log, so no part of a request, which may hold a ticket, is in it."""
        for what, head, _ in REFUSED:
            with self.assertRaises(BadRequest) as caught:
                parse(head.replace("/w", "/SECRET").encode("latin-1"))
            self.assertNotIn("SECRET", caught.exception.reason, what)

    def test_known_lines(self) -> None:
        """A line that many clients send is read once and its value kept once; of secrets and long lines nothing is
        remembered, and there is a bound."""
        http_request._known_fields.clear()
        head = "GET / HTTP/1.1\r\nPragma: no-{}\r\nCookie: a=1\r\nX-One: 1\r\nUser-Agent: {}\r\n\r\n"
        first, again = (parse(head.format("cache", "a" * LONGEST_SHARED).encode()) for _ in range(2))
        self.assertEqual(first.headers, again.headers)
        self.assertIs(first.headers["pragma"], again.headers["pragma"])
        self.assertEqual(http_request._known_fields, {"Pragma: no-cache": ("pragma", "no-cache")})
        for number in range(MOST_SHARED + 5):
            parse(head.format(number, "").encode())
        self.assertLessEqual(len(http_request._known_fields), MOST_SHARED)
        self.assertRaises(BadRequest, parse, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")

    def test_query_and_headers_stay_out_of_repr(self) -> None:
        """A request that ends up in a traceback or log does not show its ticket or cookies."""
        shown = repr(parse(upgrade("/ws?ticket=SECRET", extra="Cookie: BAPID=SECRET\r\n")))
        self.assertNotIn("SECRET", shown)

    def test_repeated_list_headers_are_joined_in_order(self) -> None:
        """Proxies may add a second X-Forwarded-For line instead of lengthening the first."""
        head = b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"
        self.assertEqual(parse(head).headers["x-forwarded-for"], "192.0.2.1, 10.0.0.1")

    def test_values_may_hold_any_latin_letters(self) -> None:
        """A foreign cookie with a raw UTF-8 letter, one byte of which is a line break to some, is just a value."""
        request = parse(b"GET / HTTP/1.1\r\nCookie: city=\xc3\x85bo; BAPID=1\r\n\r\n")
        self.assertEqual(request.headers, {"cookie": "city=\xc3\x85bo; BAPID=1"})

    def test_hosts(self) -> None:
        """The host is known without its port, in lower case; IPv6 keeps its brackets."""
        for value, host in [
            ("shop.example", "shop.example"),
            ("Shop.Example:443", "shop.example"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("shop.example:", None),
            ("shop.example:port", None),
            ("a b", None),
            ("user@shop.example", None),
            ("", None),
        ]:
            request = parse(f"GET / HTTP/1.1\r\nHost: {value}\r\n\r\n".encode())
            if host is None:
                with self.assertRaises(BadRequest, msg=value):
                    request.host  # noqa: B018
            else:
                self.assertEqual(request.host, host)

    def test_a_missing_host_is_refused(self) -> None:
        """HTTP/1.1 demands a Host."""
        with self.assertRaises(BadRequest):
            parse(b"GET / HTTP/1.1\r\n\r\n").host  # noqa: B018


class SharedTests(SynchronousTestCase):
    def test_what_many_say_is_kept_once(self) -> None:
        """The same program of the same language; never a secret, and nothing long."""
        extra = "User-Agent: Mozilla/5.0 (X11)\r\nCookie: BAPID=0123456789\r\nAccept: " + "x" * 300 + "\r\n"
        first, second = (parse(upgrade(extra=extra)).headers for _ in range(2))
        self.assertEqual(first, second)
        self.assertIs(first["user-agent"], second["user-agent"])
        for name in ("cookie", "sec-websocket-key", "accept"):
            self.assertIsNot(first[name], second[name])
