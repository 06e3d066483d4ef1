"""The session with the router that [attach] names: joins, registers the procedures, and reconnects.

The router may be down when orosync starts, restart later, or refuse the session: each failed attempt is logged with its
reason, and the next one follows after a growing pause with jitter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from autobahn.twisted.rawsocket import WampRawSocketClientFactory
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import ComponentConfig, RegisterOptions
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from orosync import __version__
from orosync.client.login import Login, ReconnectDelays
from orosync.client.transports import endpoint_of, set_bounds
from orosync.config.attached import AttachSection
from orosync.errors import ConfigError
from orosync.interfaces import IJournal
from orosync.trust_roots import trust_root_of

LEAVING = 2.0
"""Seconds that the router has to answer GOODBYE."""

STEADY = 10.0
"""After so many seconds in service the pauses begin anew."""

NEWEST = RegisterOptions(invoke="last")
"""The process that registered last is called, and when it leaves the one before. So a process that reconnects need not
wait until the router has noticed that its old connection is dead."""


class DecidingSession(ApplicationSession):
    """A session whose procedures deny by raising ApplicationError, which autobahn would log as an error."""

    def onUserError(self, fail: Any, msg: str) -> None:
        if not fail.check(ApplicationError):
            super().onUserError(fail, msg)


class AttachedSession(DecidingSession):
    """One connection. ``joined`` fires when every procedure is registered; it fails with RuntimeError if that cannot
    be, or if the session ends before. ``over`` fires with the reason when it is over, after ``joined``."""

    _log = Logger()

    def __init__(self, realm: str, login: Login, procedures: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(ComponentConfig(realm))
        self.joined: Deferred[str] = Deferred()
        self.over: Deferred[str] = Deferred()
        self._login = login
        self._procedures = procedures

    def onConnect(self) -> None:
        hello = self._login.hello()
        self.join(
            self.config.realm, hello["authmethods"], hello.get("authid") or None, authextra=hello.get("authextra")
        )

    def onChallenge(self, challenge: Any) -> str:
        try:
            return self._login.answer(challenge)
        except ValueError as error:
            self.end(f"the router {error}")
            raise

    async def onJoin(self, details: Any) -> None:
        try:
            await register(self, self._procedures)
        except ApplicationError as error:
            self.end(f"we may not register our procedures: {error}")
            self.leave()
        else:
            self.joined.callback(str(details.authrole))

    def onLeave(self, details: Any) -> None:
        self.end(f"{details.reason}: {details.message}" if details.message else str(details.reason))
        self.disconnect()

    def onDisconnect(self) -> None:
        self.end("the connection was lost")

    def onUserError(self, fail: Any, msg: str) -> None:
        if self.joined.called and not self.over.called:
            super().onUserError(fail, msg)
            return
        if not fail.check(ValueError):  # reported already, in onChallenge
            self._log.failure("the session with the router failed", failure=fail)
        self.end(f"a fault of ours ({fail.type.__name__})")
        self.disconnect()

    def end(self, reason: str) -> None:
        """The session is over; the first reason counts."""
        if not self.joined.called:
            self.joined.errback(RuntimeError(reason))
        if not self.over.called:
            self.over.callback(reason)


async def register(session: ApplicationSession, procedures: Mapping[str, Callable[..., Any]]) -> None:
    """Register ``procedures``, by their URIs. ApplicationError if the router refuses."""
    for uri, procedure in procedures.items():
        await session.register(procedure, uri, NEWEST)


class Attachment(Service):
    """With the router of ``section``, which has a url. Raises ConfigError."""

    def __init__(
        self,
        section: AttachSection,
        procedures: Mapping[str, Callable[..., Any]],
        journal: IJournal,
        reactor: Any,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if section.url is None:
            raise ConfigError(["[attach] url: is missing, say where the router listens: url = ws://127.0.0.1:8080/ws"])
        self._section = section
        self._url = section.url
        self._procedures = procedures
        self._journal = journal
        self._reactor = reactor
        self._trust_root = trust_root_of("attach", section.ca)
        self._login = Login.of(section)
        self._attempts = ReconnectDelays(section.retry, jitter, steady=STEADY)
        self._session: AttachedSession | None = None
        self._loop: Deferred[None] | None = None

    def startService(self) -> None:
        """Keep trying to join."""
        super().startService()  # type: ignore[no-untyped-call]
        connecting = self._attempts.keep_trying(self._once, lambda: bool(self.running), self._failed, self._reactor)
        self._loop = Deferred.fromCoroutine(connecting)

    def stopService(self) -> Deferred[None]:
        """Leave the router."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        session, loop, late = self._session, self._loop, None
        if loop is None:
            return
        if session is None:
            loop.cancel()
        elif session.is_attached():
            session.leave()
            late = self._reactor.callLater(LEAVING, loop.cancel)
        await loop
        if late is not None and late.active():
            late.cancel()

    def _failed(self, kind: str, reason: str, pause: float, news: bool) -> None:
        self._journal.note("attach.failed", kind, url=self._url, reason=reason, again=f"in {pause:.1f} s")

    async def _once(self) -> tuple[str, str]:
        """One connection from its beginning to its end: the kind of that end, and the reason."""
        session = AttachedSession(self._section.realm, self._login, self._procedures)
        late = self._reactor.callLater(2 * self._section.timeout, session.end, "joining took too long")
        protocol: Any = None
        try:
            endpoint = endpoint_of(self._url, self._trust_root, self._section.timeout, self._reactor)
            protocol = await endpoint.connect(_factory(self._url, self._section.timeout, session))
            protocol.is_closed.addCallback(lambda _: session.end("the connection was lost, or refused"))
            role = await session.joined
            self._session = session
            late.cancel()
            self._journal.note(
                "attach.joined", self._section.realm, url=self._url, authrole=role, serves=" ".join(self._procedures)
            )
            return "lost", await session.over
        except CancelledError:
            raise
        except RuntimeError as error:
            return "refused", str(error)
        except Exception as error:  # of any kind: the next attempt may succeed
            return "unreachable", f"{type(error).__name__}: {error}"
        finally:
            self._session = None
            if late.active():
                late.cancel()
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abortConnection()


def _factory(url: str, timeout: float, session: ApplicationSession) -> Any:
    if url.startswith("rs"):
        return WampRawSocketClientFactory(lambda: session)
    factory = WampWebSocketClientFactory(lambda: session, url=url, useragent=f"orosync/{__version__}")
    set_bounds(factory, timeout)
    return factory
