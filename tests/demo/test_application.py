"""The demonstration over real HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from orosync.demo.application import DemoApplication
from orosync.demo.endpoints import Endpoints, HttpAnswer
from orosync.errors import NotDone
from tests.demo.visitor import ANNA, BEN, SECRET, Ears


@attrs.frozen
class Reply:
    """What came back. ``cookies`` as they would be sent again."""

    status: int
    headers: dict[str, str]
    cookies: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Mounted(Resource):
    """In the place of the WebSocket."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        return b"mounted"


class Served(TestCase):
    """A Site on 127.0.0.1, asked by an ordinary HTTP client in a thread."""

    def setUp(self) -> None:
        self.ears = Ears()
        root = self.root = DemoApplication(
            Endpoints(self.ears, {"anna": ANNA, "ben": BEN}, SECRET, Clock(), float).answer
        )
        root.putChild(b"ws", Mounted())
        self.port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    async def test_another_process_answers(self) -> None:
        """Its answer is the response; when it cannot be asked the page tries again."""
        answer: Deferred[HttpAnswer] = Deferred()
        self.root._answer = lambda call: answer
        asked = self.ask("GET", "/session")
        answer.callback(HttpAnswer(201, b'{"a": 1}', cookies=("x=1",)))
        reply = await asked
        self.assertEqual((reply.status, reply.body, reply.cookies), (201, b'{"a": 1}', {"x": "1"}))
        self.root._answer = lambda call: fail(NotDone("gone"))
        self.assertEqual((await self.ask("GET", "/session")).status, 503)
        self.root._answer = lambda call: succeed(HttpAnswer(200, b"{}"))
        self.assertEqual((await self.ask("HEAD", "/session")).status, 200)

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Deferred[Reply]:
        number = self.port.getHost().port

        def asked() -> Reply:
            connection = http.client.HTTPConnection("127.0.0.1", number, timeout=10)
            try:
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, path, data, {"Connection": "close", **(headers or {})})
                answer = connection.getresponse()
                pairs = answer.getheaders()
                cookies = [value.partition(";")[0] for name, value in pairs if name.lower() == "set-cookie"]
                return Reply(
                    answer.status,
                    {name.lower(): value for name, value in pairs},
                    dict(cookie.split("=", 1) for cookie in cookies),
                    answer.read(),
                )
            finally:
                connection.close()

        waiting: Deferred[Reply] = deferToThread(asked)
        return waiting

    async def window(self, user: str) -> dict[str, str]:
        """Open the page, choose ``user``, and return the headers that the page sends from then on."""
        cookies = (await self.ask("GET", "/")).cookies
        headers = {"Content-Type": "application/json", "X-Demo-User": user, "X-CSRF-Header": cookies["_csrf"]}
        headers["Cookie"] = f"_csrf={cookies['_csrf']}"
        answer = await self.ask("POST", "/login", {"user": user}, headers)
        self.assertEqual(answer.status, 200, answer.body)
        ((name, value),) = answer.cookies.items()
        headers["Cookie"] += f"; {name}={value}"
        return headers

    async def test_story(self) -> None:
        """Log in, get a ticket, read, save: through sockets, headers and cookies all the way."""
        anna = await self.window("anna")
        ticket = await self.ask("POST", "/sync/ticket", headers=anna)
        self.assertEqual((ticket.status, list(ticket.json)), (200, ["ticket"]))
        record = await self.ask("GET", "/record/12", headers=anna)
        self.assertEqual(record.json["fields"]["name"], "Acme, Inc")
        saved = await self.ask("POST", "/record/12", {"name": "Acme & Söhne"}, anna)
        self.assertEqual((saved.status, saved.json["fields"]["name"]), (200, "Acme & Söhne"))
        self.assertEqual([topic for topic, _ in self.ears.heard], ["oro/data/update"])
        gone = await self.ask("POST", "/logout", headers=anna)
        self.assertEqual(gone.cookies, {"demo-session-1": ""})
        self.assertEqual((await self.ask("POST", "/sync/ticket", headers=anna)).status, 401)

    async def test_headers(self) -> None:
        """Every response, good or bad, carries the protective headers and a type."""
        host = f"127.0.0.1:{self.port.getHost().port}"
        for path, status, kind in [
            ("/", 200, "text/html"),
            ("/static/app.js", 200, "text/javascript"),
            ("/session", 200, "application/json"),
            ("/nothing", 404, "application/json"),
            ("/record/12", 401, "application/json"),
        ]:
            answer = await self.ask("GET", path)
            self.assertEqual(answer.status, status, path)
            self.assertTrue(answer.headers["content-type"].startswith(kind), path)
            self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertIn(f"connect-src 'self' ws://{host};", answer.headers["content-security-policy"])

    async def test_head(self) -> None:
        """HEAD tells the length of the page without its text, and does not bring an address into the log."""
        said: list[Any] = []
        globalLogPublisher.addObserver(said.append)
        self.addCleanup(globalLogPublisher.removeObserver, said.append)
        page, head = await self.ask("GET", "/"), await self.ask("HEAD", "/?ticket=x")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], str(len(page.body)))
        self.assertEqual([event for event in said if "message body" in str(formatEvent(event))], [])

    async def test_this_machine_only(self) -> None:
        """Requests through a proxy or under another name are refused with a sentence, the WebSocket's path included."""
        for path in ("/", "/static/app.js", "/session", "/ws", "/ws?ticket=x"):
            for headers in ({"X-Forwarded-For": "192.0.2.7"}, {"Via": "1.1 proxy"}, {"Host": "shop.example.org"}):
                answer = await self.ask("GET", path, headers=headers)
                self.assertEqual(answer.status, 403, path)
                self.assertIn("The demonstration answers", answer.json["error"])
                self.assertEqual(answer.headers["cache-control"], "no-store")

    async def test_mounted(self) -> None:
        """What is mounted below the application is reached by whoever passes the rule."""
        self.assertEqual((await self.ask("GET", "/ws")).body, b"mounted")

    async def test_two_hosts(self) -> None:
        """A request with two Host headers, of which one would do, is not answered with a page."""
        number = self.port.getHost().port

        def asked() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", number, timeout=10)
            try:
                connection.putrequest("GET", "/", skip_host=True)
                connection.putheader("Host", "localhost")
                connection.putheader("Host", "shop.example.org")
                connection.endheaders()
                return connection.getresponse().status
            finally:
                connection.close()

        self.assertIn(await deferToThread(asked), (400, 403))
