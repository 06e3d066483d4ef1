"""The HTTP exchange, against an application that demands what Oro's demands."""

from __future__ import annotations

import time
from collections.abc import Mapping

import trustme
from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate, trustRootFromCertificates
from twisted.internet.task import deferLater
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET, Site

from orosync.errors import Refused, Unavailable
from orosync.identity.sessions.exchange import AT_ONCE, TicketExchange
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession, FindingState
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions.application import ANNA, ID, Channel, ExchangeCase, ticket


class Contract(ExchangeCase, SessionStoreContract):
    """The suite. The application alone reads its sessions."""

    reads = False

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """See SessionStoreContract."""
        self.application.sessions = dict(sessions)
        return succeed(SessionLookups("web", self.store, RecordingJournal(), reactor, at_once=AT_ONCE, prolongs=True))

    def log_out(self, session_id: str) -> None:
        """The application forgets the session."""
        del self.application.sessions[session_id]


class Exchange(ExchangeCase):
    """What is sent, and what is made of the answers."""

    def setUp(self) -> None:
        super().setUp()
        self.application.sessions = {ID: ANNA}

    async def unavailable(self, store: TicketExchange | None = None) -> str:
        """Why a look-up cannot be had."""
        down = await self.assertFailure((store or self.store).find(ID), Unavailable)
        self.assertEqual(down.code, "sessions_down")
        self.assertTrue(down.reason.startswith("[sessions:web] http"), down.reason)
        self.assertNotIn(ID, down.reason)
        return str(down.reason)

    async def test_what_is_sent(self) -> None:
        """The session's cookie, a new CSRF pair for http and for https, nothing else of the visitor."""
        await self.store.find(ID)
        await self.store.find(ID)
        tokens = set()
        for request in self.application.requests:
            cookies = {name.decode(): value.decode() for name, value in request.received_cookies.items()}
            token = cookies.pop("_csrf")
            self.assertEqual(cookies, {"BAPID": ID, "https-_csrf": token})
            self.assertEqual((request.method, request.uri), (b"POST", b"/admin/sync/ticket"))
            self.assertEqual(request.getHeader("Content-Length"), "0")
            self.assertRegex(token, "^[0-9a-f]{32}$")
            tokens.add(token)
        self.assertEqual(len(tokens), 2)

    async def probed(self, store: TicketExchange | None = None) -> tuple[FindingState, str, str]:
        """The one finding of a store."""
        (one,) = await (store or self.store).probe()
        self.assertEqual(one.check, "sessions:web")
        return one.state, one.result, one.remedy

    async def test_probe(self) -> None:
        """Nobody is logged in with an id that nobody has; another route and an application in trouble are told."""
        state, result, _ = await self.probed()
        self.assertEqual((state, "nobody is logged in" in result), (FindingState.OK, True), result)
        self.assertNotEqual(self.application.requests[0].getCookie(b"BAPID"), ID.encode())
        state, result, remedy = await self.probed(self.made(f"http://127.0.0.1:{self.port}/ticket"))
        self.assertEqual((state, result[-3:]), (FindingState.FAULT, "404"))
        self.assertIn("/sync/ticket", remedy)

        def broken(request: Request) -> bytes:
            request.setResponseCode(502)
            return b""

        self.application.answer = broken
        state, result, _ = await self.probed()
        self.assertEqual((state, result[-3:]), (FindingState.UNREACHABLE, "502"))

    async def test_probe_without_an_answer(self) -> None:
        """An application that says nothing, and one that is not there."""
        self.application.answer = lambda request: NOT_DONE_YET
        state, result, _ = await self.probed(self.made(self.store._url.decode(), timeout=0.1))
        self.assertEqual((state, "no answer within 0.1 s" in result), (FindingState.UNREACHABLE, True), result)
        await self.kill()
        state, result, _ = await self.probed()
        self.assertEqual((state, "refused" in result), (FindingState.UNREACHABLE, True), result)

    async def test_behind_https(self) -> None:
        """An application that sees itself behind https looks for the other cookie."""
        self.application.csrf_cookie = b"https-_csrf"
        found = await self.store.find(ID)
        self.assertEqual(found.username, "anna")

    async def test_name_of_the_cookie(self) -> None:
        """The application may call its session otherwise."""
        store = self.made(f"http://127.0.0.1:{self.port}/admin/sync/ticket", cookie="CRMID")
        self.assertIsNone(await store.find(ID))
        self.assertEqual(self.application.requests[0].getCookie(b"CRMID"), ID.encode())

    async def test_nobody(self) -> None:
        """A redirect to the login page is not followed: no user is logged in. The same with 401 and 403."""
        for status in (302, 303, 401, 403):

            def answer(request: Request, status: int = status) -> bytes:
                request.redirect(b"/elsewhere")
                request.setResponseCode(status)
                return b"x" * 100_000

            self.application.requests.clear()
            self.application.answer = answer
            self.assertIsNone(await self.store.find(ID))
            self.assertEqual(len(self.application.requests), 1)
        self.assertEqual(self.verified, [])

    async def test_ticket_of_nobody(self) -> None:
        """A ticket without a user would speak for the back end: it is refused, and not even verified."""
        for username in ("", "0"):
            self.application.answer = lambda _, name=username: b'{"ticket":"%s"}' % ticket(name).encode()
            refused = await self.assertFailure(self.store.find(ID), Refused)
            self.assertEqual(refused.code, "exchange_without_user")
        self.assertEqual(self.verified, [])

    async def test_ticket_that_is_not_good(self) -> None:
        """What the judge says of a ticket holds for the session; what is no ticket at all is refused."""
        for verdict in (Refused("bad_digest", "it is of another secret"), Unavailable("hash_queue_full", "busy")):
            self.verdicts = verdict
            failed = await self.assertFailure(self.store.find(ID), type(verdict))
            self.assertEqual(failed.code, verdict.code)
        self.application.answer = lambda _: b'{"ticket":"bm90IGEgdGlja2V0"}'
        refused = await self.assertFailure(self.store.find(ID), Refused)
        self.assertEqual(refused.code, "malformed")

    async def test_other_answers(self) -> None:
        """An application that is in maintenance, lives elsewhere, or answers something else can tell nothing."""
        table: list[tuple[int, bytes, str]] = [
            (500, b"", "answered with status 500"),
            (503, b"maintenance", "answered with status 503"),
            (404, b"", "answered with status 404"),
            (301, b"", "answered with status 301"),
            (200, b"<html>log in</html>", "something else than a ticket"),
            (200, b"[" * 3000, "something else than a ticket"),
            (200, b"[]", "something else than a ticket"),
            (200, b'{"ticket":["x"]}', "something else than a ticket"),
            (200, b"\xff", "something else than a ticket"),
            (200, b'{"ticket":"%s"}' % (b"x" * 1_000_000), "something else than a ticket"),
        ]
        for status, body, words in table:

            def answer(request: Request, status: int = status, body: bytes = body) -> bytes:
                request.setResponseCode(status)
                return body

            self.application.answer = answer
            self.assertIn(words, await self.unavailable())
        self.application.answer = None
        self.assertEqual((await self.store.find(ID)).username, "anna")

    async def test_slow(self) -> None:
        """An application that does not begin or end its answer costs a look-up its time-out, and no connection."""

        def drip(request: Request) -> int:
            request.write(b"{")
            return NOT_DONE_YET

        for answer in (lambda _: NOT_DONE_YET, drip):
            self.application.answer = answer
            store = self.made(f"http://127.0.0.1:{self.port}/admin/sync/ticket", timeout=0.2)
            started = time.monotonic()
            self.assertIn("no answer within 0.2 s", await self.unavailable(store))
            self.assertLess(time.monotonic() - started, 1)
            await self.stopped()

    async def test_few_at_a_time(self) -> None:
        """A hundred visitors at once get four PHP processes of the application, on four connections that are kept."""
        sessions = {f"{number:032}": AdminSession(f"user{number}", number) for number in range(1, 101)}
        self.application.sessions = dict(sessions)
        lookups = SessionLookups("web", self.store, RecordingJournal(), reactor, at_once=AT_ONCE)
        found = await defer.gatherResults([lookups.find(session_id) for session_id in sessions])
        self.assertEqual([one.username for one in found], [one.username for one in sessions.values()])
        self.assertIn(self.application.most_under_way, range(2, AT_ONCE + 1))
        self.assertIn(len(Channel.connected_now), range(2, AT_ONCE + 1))

    async def test_killed_and_started_again(self) -> None:
        """No user is found while the application is down; within 10 s of its return all are."""
        lookups = SessionLookups("web", self.store, RecordingJournal(), reactor, at_once=AT_ONCE)
        self.assertEqual((await lookups.find(ID)).username, "anna")
        await self.kill()
        for _ in range(20):
            await self.assertFailure(lookups.find(ID), Unavailable)
            await deferLater(reactor, 0.01)
        self.serve()
        started = time.monotonic()
        while True:
            try:
                self.assertEqual((await lookups.find(ID)).username, "anna")
                break
            except Unavailable:
                self.assertLess(time.monotonic() - started, 10)
                await deferLater(reactor, 0.05)

    async def test_stopped(self) -> None:
        """Stopped in the middle of a request, it tells who waits, and leaves no connection."""
        self.application.answer = lambda _: NOT_DONE_YET
        waiting = self.store.find(ID)
        while not self.application.requests:
            await deferLater(reactor, 0.01)
        await self.stopped()
        await self.assertFailure(waiting, Unavailable)
        self.assertIn("not in service", await self.unavailable())


class Tls(ExchangeCase):
    """https:// verifies who answers."""

    def setUp(self) -> None:
        self.authority = trustme.CA()
        super().setUp()

    def serve(self) -> None:
        """Over TLS, as localhost."""
        issued = self.authority.issue_cert("localhost")
        pem = issued.private_key_and_cert_chain_pem.bytes()
        site = Site(self.application)
        site.protocol = Channel
        made = PrivateCertificate.loadPEM(pem)
        options = CertificateOptions(privateKey=made.privateKey.original, certificate=made.original)
        self.listening = reactor.listenSSL(0, site, options, interface="127.0.0.1")
        self.port = self.listening.getHost().port
        self.addCleanup(lambda: self.listening.stopListening())

    async def test_verified(self) -> None:
        """The right name and authority: found. Another of either: the cookie is not sent."""
        self.application.sessions = {ID: ANNA}
        ours, path = Certificate.loadPEM(self.authority.cert_pem.bytes()), "/admin/sync/ticket"
        root = trustRootFromCertificates([ours])
        store = self.made(f"https://localhost:{self.port}{path}", trust_root=root)
        self.assertEqual((await store.find(ID)).username, "anna")
        self.application.requests.clear()
        for host, trusted in (("127.0.0.1", root), ("localhost", None)):
            store = self.made(f"https://{host}:{self.port}{path}", trust_root=trusted)
            down = await self.assertFailure(store.find(ID), Unavailable)
            self.assertIn("cannot be asked", down.reason)
        self.assertEqual(self.application.requests, [])

    async def test_probe(self) -> None:
        """A certificate of nobody that is trusted is a fault, not an application that is away."""
        store = self.made(f"https://localhost:{self.port}/admin/sync/ticket")
        (one,) = await store.probe()
        self.assertIs(one.state, FindingState.FAULT, one.result)
        self.assertIn("certificate", one.remedy)
