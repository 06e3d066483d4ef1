"""An application that demands what Oro's ``POST /sync/ticket`` demands, and a store that asks it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from orosync.identity.sessions.exchange import TicketExchange
from orosync.identity.ticket import date_c, make_ticket, parse
from orosync.model import AdminSession, Principal
from orosync.testing import SessionStoreContract, principal

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN
SECRET = "0123456789abcdef"
HASH = "$2y$13$hash-of-everybody"


def ticket(username: str) -> str:
    """A ticket of now."""
    return make_ticket(username, HASH, SECRET, "0" * 16, date_c(int(time.time())))


class Application(Resource):
    """POST /admin/sync/ticket as Oro has it: a session of its own, a header that equals a cookie, a ticket back."""

    isLeaf = True

    def __init__(self, namespace: str = "") -> None:
        super().__init__()
        self.csrf_cookie = f"{namespace}_csrf".encode()
        self.sessions: dict[str, AdminSession | None] = {}
        self.requests: list[Request] = []
        self.answer: Callable[[Request], bytes | int] | None = None
        self.under_way = self.most_under_way = 0

    def render(self, request: Request) -> bytes | int:
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        if request.method != b"POST" or request.path != b"/admin/sync/ticket":
            request.setResponseCode(404)
            return b"no such route"
        token = request.getCookie(self.csrf_cookie)
        if not token or b"." in token or request.getHeader("X-CSRF-Header") != token.decode():
            request.setResponseCode(403)
            return b"Invalid CSRF token"
        session = self.sessions.get((request.getCookie(b"BAPID") or b"").decode())
        if session is None:
            request.redirect(b"/admin/user/login")
            return b"<html>"
        request.setHeader("Content-Type", "application/json")
        request.addCookie(self.csrf_cookie, "another")
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        body = b'{"ticket":"%s"}' % ticket(session.username).replace("/", "\\/").encode()

        def finish() -> None:
            self.under_way -= 1
            request.write(body)
            request.finish()

        reactor.callLater(0.005, finish)
        return NOT_DONE_YET


class Channel(HTTPChannel):
    """Counts what is connected."""

    connected_now: set[HTTPChannel] = set()  # noqa: RUF012 (one for the whole run, on purpose)

    def connectionMade(self) -> None:
        super().connectionMade()
        self.connected_now.add(self)

    def connectionLost(self, reason: Any) -> None:
        self.connected_now.discard(self)
        super().connectionLost(reason)


class ExchangeCase(TestCase):
    """An application, and a store in service, while a test lasts."""

    timeout = 30

    def setUp(self) -> None:
        self.application = Application()
        self.port = 0
        self.serve()
        self.verified: list[str] = []
        self.verdicts: Any = None
        self.stores: list[TicketExchange] = []
        self.addCleanup(self.stopped)
        self.store = self.made(f"http://127.0.0.1:{self.port}/admin/sync/ticket")

    def serve(self) -> None:
        """The application can be reached."""
        site = Site(self.application)
        site.protocol = Channel
        site.noisy = False
        self.listening = reactor.listenTCP(self.port, site, interface="127.0.0.1")
        self.port = self.listening.getHost().port
        self.addCleanup(lambda: self.listening.stopListening())

    async def kill(self) -> None:
        """It cannot be reached any more, and every connection is gone."""
        await self.listening.stopListening()
        for channel in tuple(Channel.connected_now):
            channel.transport.abortConnection()

    def made(self, url: str, **options: Any) -> TicketExchange:
        """A store in service."""
        store = TicketExchange("web", url, self.verify, reactor, **{"cookie": "BAPID", "timeout": 1.0, **options})
        store.startService()
        self.stores.append(store)
        return store

    async def stopped(self) -> None:
        """Every store is out of service, and the application has seen its connections end."""
        for store in self.stores:
            await store.stopService()
        deadline = time.monotonic() + 3
        while Channel.connected_now and time.monotonic() < deadline:
            await deferLater(reactor, 0.01)
        self.assertEqual(Channel.connected_now, set())

    def verify(self, text: str) -> Deferred[Principal]:
        """The user of the ticket, with the id of that session."""
        self.verified.append(text)
        if self.verdicts is not None:
            return defer.fail(self.verdicts)
        (found,) = (one for one in self.application.sessions.values() if one and one.username == parse(text).username)
        return succeed(principal(found.username, user_id=found.user_id, roles=found.roles))
