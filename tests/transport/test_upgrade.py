"""The upgrade as autobahn judges it, and the 101."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.http_request import BadRequest, parse
from orosync.transport.upgrade import accepted, parse_upgrade, wants_websocket
from tests.support.wires import KEY, upgrade

WELL = upgrade(subprotocol="wamp.2.json, wamp").decode()

REFUSED = [
    ("POST", WELL.replace("GET ", "POST "), 405),
    ("HTTP/1.0", WELL.replace("HTTP/1.1", "HTTP/1.0"), 505),
    ("a body", WELL.replace("Host:", "Content-Length: 5\r\nHost:"), 400),
    ("a chunked body", WELL.replace("Host:", "Transfer-Encoding: chunked\r\nHost:"), 400),
    ("no Connection", WELL.replace("Connection: keep-alive, Upgrade\r\n", ""), 400),
    ("another Connection", WELL.replace("keep-alive, Upgrade", "keep-alive"), 400),
    ("another Upgrade", WELL.replace("Upgrade: websocket", "Upgrade: websocket2"), 400),
    ("no version", WELL.replace("Sec-WebSocket-Version: 13\r\n", ""), 400),
    ("an old version", WELL.replace("Version: 13", "Version: 8"), 400),
    ("a strange version", WELL.replace("Version: 13", "Version: thirteen"), 400),
    ("no key", WELL.replace(f"Sec-WebSocket-Key: {KEY}\r\n", ""), 400),
    ("a short key", WELL.replace(KEY, "AAAA"), 400),
    ("a strange key", WELL.replace(KEY, KEY[:5] + "!" + KEY[6:]), 400),
    ("a subprotocol twice", WELL.replace("wamp.2.json, wamp", "wamp, wamp"), 400),
    ("a subprotocol beyond ASCII", WELL.replace("wamp.2.json, wamp", "w\xe4mp"), 400),
]


class UpgradeTests(SynchronousTestCase):
    def test_a_good_request(self) -> None:
        """Key and subprotocols come out, the latter in the client's order."""
        self.assertEqual(parse_upgrade(parse(WELL.encode())), (KEY, ("wamp.2.json", "wamp")))

    def test_no_subprotocol_is_allowed(self) -> None:
        """Oro's server never insisted on one."""
        self.assertEqual(parse_upgrade(parse(upgrade(subprotocol=None))), (KEY, ()))

    def test_malformed_upgrades(self) -> None:
        """Each is refused with its status, whichever key or order came before it."""
        for what, head, status in REFUSED:
            with self.assertRaises(BadRequest, msg=what) as caught:
                parse_upgrade(parse(head.encode("latin-1")))
            self.assertEqual(caught.exception.status, status, what)
            self.assertNotIn('"', caught.exception.reason)

    def test_who_wants_websocket(self) -> None:
        """An Upgrade header decides, in any case; without one it is plain HTTP."""
        for value, wanted in [("websocket", True), ("WebSocket", True), ("h2c, websocket", True), ("h2c", False)]:
            self.assertEqual(
                wants_websocket(parse(WELL.replace("Upgrade: websocket", f"Upgrade: {value}").encode())), wanted
            )
        self.assertFalse(wants_websocket(parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")))

    def test_the_101(self) -> None:
        """The accept value is that of RFC 6455 section 1.3, and the subprotocol is echoed only if there is one."""
        self.assertEqual(
            accepted(KEY, "wamp"),
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: wamp\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        self.assertNotIn(b"Sec-WebSocket-Protocol", accepted(KEY, None))

    def test_no_brackets_whatever_the_key(self) -> None:
        """Oro's PHP publisher takes the first "[" of the answer for the beginning of WELCOME."""
        for number in range(300):
            answer = accepted(f"{number:022d}==", "wamp.2.json")
            self.assertNotRegex(answer, rb"[\[\]]")
