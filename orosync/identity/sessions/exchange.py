"""The HTTP exchange: the visitor's session cookie for a sync ticket, at Oro's own ``POST /sync/ticket``.

For installations whose sessions orosync cannot or must not read. Oro's CSRF protection is a double submit: a header has
to equal a cookie, which the server does not store (SyncBundle/Controller/TicketController.php, SecurityBundle's
CsrfRequestManager). So orosync makes the pair itself; no other cookie of the visitor is sent, redirects are not
followed, and the address is the configured one. The ticket is verified like every other, by ``verify``.

The request is a visit to the application: PHP locks the session for as long as it lasts, and the session is prolonged.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from OpenSSL import SSL
from service_identity.exceptions import CertificateError, VerificationError
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.http_headers import Headers
from zope.interface import implementer

from orosync import __version__
from orosync.errors import Refused, Unavailable
from orosync.identity.php.session import checked
from orosync.identity.single_flight import DOWN
from orosync.identity.ticket import parse
from orosync.interfaces import IProbe, ISessionStore
from orosync.model import AdminSession, Finding, FindingState, Principal

AT_ONCE = 4
"""Requests at a time: each takes a PHP process of the application."""

LONGEST_ANSWER = 4096
NO_USER = frozenset({302, 303, 401, 403})
"""The status when no user is logged in: a redirect to the login page, or a denial."""

Verify = Callable[[str], Deferred[Principal]]


@implementer(ISessionStore, IProbe)
class TicketExchange(Service):
    """Asks ``url`` while it runs, the session's id in the cookie ``cookie``; ``timeout`` in seconds for all of it.

    ``verify`` verifies a ticket: fires with its Principal, fails with Refused or Unavailable. ``trust_root`` as
    BrowserLikePolicyForHTTPS takes it (None: the system's authorities).
    """

    name: str

    def __init__(
        self,
        name: str,
        url: str,
        verify: Verify,
        reactor: Any,
        *,
        cookie: str,
        timeout: float,
        trust_root: Any = None,
    ) -> None:
        self.name = f"sessions:{name}"
        self._url = url.encode("ascii")
        self._verify = verify
        self._reactor = reactor
        self._cookie = cookie
        self._timeout = timeout
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = AT_ONCE
        self._pool.cachedConnectionTimeout = 30
        self._pool.retryAutomatically = False
        self._agent = Agent(
            reactor, BrowserLikePolicyForHTTPS(trustRoot=trust_root), connectTimeout=timeout, pool=self._pool
        )
        self._requests: dict[Deferred[Any], None] = {}

    def stopService(self) -> Deferred[None]:
        """Fires when no connection is left."""
        Service.stopService(self)
        for request in tuple(self._requests):
            request.cancel()
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore; fails with what ``verify`` fails with, too, and with Refused("exchange_without_user")."""
        return Deferred.fromCoroutine(self._found(checked(session_id)))

    async def _found(self, session_id: str) -> AdminSession | None:
        if not self.running:
            raise self._down("is not in service")
        try:
            code, body = await self._bounded(self._asked(session_id))
        except (defer.TimeoutError, CancelledError):
            raise self._late() from None
        except Exception as error:
            cause = _cause(error)
            raise (self._late() if isinstance(cause, CancelledError) else self._down(_words(cause))) from None
        if code in NO_USER:
            return None
        if code != 200:
            raise self._down(f"answered with status {code}")
        ticket = self._ticket(body)
        if parse(ticket).is_back_end:
            raise Refused("exchange_without_user", f"[{self.name}] the ticket has no user: none is logged in")
        principal = await self._verify(ticket)
        return AdminSession(username=principal.authid, user_id=principal.user_id, roles=principal.roles)

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe: the request of a visitor whom nobody knows, so that the answer has to be that none is logged
        in."""
        return Deferred.fromCoroutine(self._probed())

    async def _probed(self) -> list[Finding]:
        where = self._url.decode()
        try:
            code, _ = await self._bounded(self._asked(secrets.token_hex(16)))
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, CancelledError | defer.TimeoutError):
                late = f"{where} gave no answer within {self._timeout:g} s"
                return [Finding(self.name, FindingState.UNREACHABLE, late, "start the application, or raise timeout")]
            if isinstance(cause, SSL.Error | VerificationError | CertificateError):
                what = f"{where} {_words(cause)}"
                return [
                    Finding(self.name, FindingState.FAULT, what, "correct the application's certificate, ca or url")
                ]
            what = f"{where} {_words(cause)}"
            return [Finding(self.name, FindingState.UNREACHABLE, what, "start the application, or correct url")]
        if code in NO_USER:
            return [Finding(self.name, FindingState.OK, f"{where} answers (status {code}: nobody is logged in)")]
        state = FindingState.UNREACHABLE if code >= 500 else FindingState.FAULT
        remedy = "see the application's log" if code >= 500 else "correct url: Oro's route ends with /sync/ticket"
        return [Finding(self.name, state, f"{where} answers with status {code}", remedy)]

    def _bounded(self, asking: Coroutine[Any, Any, tuple[int, bytes | None]]) -> Deferred[tuple[int, bytes | None]]:
        request = Deferred.fromCoroutine(asking).addTimeout(self._timeout, self._reactor)
        self._requests[request] = None

        def done(result: Any) -> Any:
            del self._requests[request]
            return result

        return request.addBoth(done)

    async def _asked(self, session_id: str) -> tuple[int, bytes | None]:
        """The status and the body, None for a body that is too long."""
        token = secrets.token_hex(16)  # without dots, it is compared as it is
        headers = {
            "Cookie": [f"{self._cookie}={session_id}; _csrf={token}; https-_csrf={token}"],
            "X-CSRF-Header": [token],
            "X-Requested-With": ["XMLHttpRequest"],
            "Accept": ["application/json"],
            "User-Agent": [f"orosync/{__version__}"],
        }
        response = await self._agent.request(b"POST", self._url, Headers(headers))
        body = _Body()
        response.deliverBody(body)
        return response.code, await body.whole

    def _ticket(self, body: bytes | None) -> str:
        try:
            ticket = json.loads(body or b"")["ticket"]
        except (ValueError, KeyError, TypeError, RecursionError):
            ticket = None
        if not isinstance(ticket, str):
            raise self._down("answered with something else than a ticket; correct url")
        return ticket

    def _late(self) -> Unavailable:
        return self._down(f"gave no answer within {self._timeout:g} s")

    def _down(self, why: str) -> Unavailable:
        return Unavailable(DOWN, f"[{self.name}] {self._url.decode()} {why}")


class _Body(Protocol):
    """Collects a body up to a length and closes the connection of a longer one. ``whole`` fires with it, or None."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes | None] = Deferred(lambda _: self._end())
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """See Protocol."""
        self._data += data
        if len(self._data) > LONGEST_ANSWER:
            self._tell(None)
            self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See Protocol. An incomplete body is no JSON."""
        self._tell(self._data)

    def _end(self) -> None:
        abort = getattr(self.transport, "abortConnection", None) or getattr(self.transport, "loseConnection", None)
        if abort is not None:
            abort()

    def _tell(self, data: bytes | None) -> None:
        if not self.whole.called:
            self.whole.callback(data)


def _cause(error: BaseException) -> BaseException:
    """The error inside twisted.web's lists of reasons."""
    reasons = getattr(error, "reasons", None)
    return reasons[0].value if reasons else error


def _words(error: BaseException) -> str:
    """An error in one line of bounded length; nothing of the request is in it."""
    text = " ".join((str(error) or type(error).__name__).split())
    return f"cannot be asked ({text[:300]})"
