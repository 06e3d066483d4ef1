"""An uplink: connects a realm to a realm of another WAMP router, for chosen topics and procedures.

It has two sessions, and forwards between them (``forward``): a local one, which lives as long as the service, and a
remote one for each connection. While there is no connection, events are counted and calls are refused at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from orosync.client.login import Login, ReconnectDelays
from orosync.client.transports import endpoint_of, factory_of
from orosync.config.uplinks import Pattern, UplinkSection
from orosync.errors import RequestError
from orosync.interfaces import IJournal, ILocalSession
from orosync.trust_roots import trust_root_of
from orosync.uplink.forward import CallForwarding, EventForwarding, seals_of
from orosync.uplink.remote_session import RemoteSession
from orosync.wamp import forwarding, ids, uris
from orosync.wamp.messages import Error, Event, Interrupt, Invocation, Message, Published, Result
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

FEATURES = frozenset(
    (
        "callee.call_canceling", "callee.progressive_call_results", "publisher.payload_passthru_mode",
        "subscriber.payload_passthru_mode", "caller.payload_passthru_mode", "callee.payload_passthru_mode",
    )
)  # fmt: skip
"""What the local session announces."""

LEAVING = 1.0
"""Seconds that the other router has to answer GOODBYE."""

Deliver = Callable[[Message, Payload | None, str], None]


class _Local:
    """Side of the local session."""

    def __init__(self, session: ILocalSession) -> None:
        self.session = session
        self._requests = ids.Sequence()

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        taken: bool = self.session.send(message, payload)
        return taken

    def next_request(self) -> int:
        return self._requests.next()


class _Remote:
    """Side of the remote session, if there is one."""

    session: RemoteSession | None = None

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        return self.session is not None and self.session.send(message, payload)

    def next_request(self) -> int:
        return 0 if self.session is None else self.session.next_request()


class Uplink(Service):
    """Of the realm that the section is named after. ``join(deliver)`` makes the local session. Raises ConfigError."""

    def __init__(
        self,
        section: UplinkSection,
        join: Callable[[Deliver], ILocalSession],
        journal: IJournal,
        reactor: Any,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._section = section
        self._join = join
        self._journal = journal
        self._reactor = reactor
        self._trust_root = trust_root_of(f"uplink:{section.name}", section.ca)
        self._login = Login.of(section)
        self._attempts = ReconnectDelays(section.retry, jitter)
        self._remote = _Remote()
        self._loop: Deferred[None] | None = None
        self._wanted = _matching(section.subscribe)  # nothing else passes, whatever the other router sends
        self._registered = _matching(section.register)
        self._topics: dict[int, str] = {}
        self._served: dict[int, str] = {}
        self._offered: dict[int, str] = {}

    @property
    def connected(self) -> bool:
        """The other router's realm has been joined."""
        return self._remote.session is not None

    # -- start and stop

    def startService(self) -> None:
        """Join the local realm, and keep trying to join the remote one."""
        super().startService()  # type: ignore[no-untyped-call]
        section, journal, name = self._section, self._journal, self._section.name
        local = self._local = _Local(self._join(self._from_local))
        seconds, rate, limit = self._reactor.seconds, section.event_rate, section.message_limit
        self._outward = EventForwarding(name, self._remote, journal, seconds, rate, limit, acknowledge=True)
        self._inward = EventForwarding(name, local, journal, seconds, rate, limit, acknowledge=False)
        self._calls_out = CallForwarding(
            name, local, self._remote, journal, self._registered, section.calls, section.message_limit
        )
        self._calls_in = CallForwarding(
            name, self._remote, local, journal, _matching(section.call), section.calls, limit
        )
        for pattern in section.publish:
            local.session.subscribe(pattern.uri, pattern.match)
        for pattern in section.call:
            try:
                self._served[local.session.register(pattern.uri, pattern.match)] = pattern.uri
            except RequestError as error:
                journal.note("uplink.refused", "serve", uplink=name, uri=pattern.uri, reason=error.uri)
        connecting = self._attempts.keep_trying(self._once, lambda: bool(self.running), self._failed, self._reactor)
        self._loop = Deferred.fromCoroutine(connecting)

    def stopService(self) -> Deferred[None]:
        """Leave both realms."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        loop, session = self._loop, self._remote.session
        late = None
        if session is not None:
            session.leave()
            late = self._reactor.callLater(LEAVING, session.drop, "it did not answer GOODBYE in time")
        elif loop is not None:
            loop.cancel()
        if loop is not None:
            await loop
        if late is not None and late.active():
            late.cancel()
        self._local.session.leave()

    # -- the connection

    def _failed(self, kind: str, reason: str, pause: float, news: bool) -> None:
        if news:
            self._journal.note(
                "uplink.failed", kind, uplink=self._section.name, url=self._section.url, reason=reason,
                again=f"in {pause:.1f} s",
            )  # fmt: skip
        else:
            self._journal.count("uplink.failed", kind)

    async def _once(self) -> tuple[str, str]:
        """One connection from its beginning to its end: the kind of that end, and the reason."""
        section = self._section
        session = RemoteSession(
            section.realm,
            self._login,
            section.serializer,
            self._from_remote,
            self._journal,
            section.name,
            section.queue,
        )
        late = self._reactor.callLater(2 * section.timeout, session.drop, "joining took too long")
        protocol: Any = None
        try:
            endpoint = endpoint_of(section.url, self._trust_root, section.timeout, self._reactor)
            protocol = await endpoint.connect(factory_of(section.url, section.serializer, section.timeout, session))
            welcome = await session.joined
        except Exception as error:  # of any kind: the next attempt may succeed
            if protocol is not None:
                protocol.transport.abortConnection()
            return ("refused" if session.reached else "unreachable"), one_line(error)
        finally:
            if late.active():
                late.cancel()
        if forwarding.mark_of(section.realm, section.url, welcome) == self._local.session.mark:
            session.leave()
            await session.over
            return "refused", "it leads back to this very realm"
        self._joined(session, welcome)
        reason = await session.over
        self._gone()
        return "lost", reason

    def _joined(self, session: RemoteSession, welcome: dict[str, Any]) -> None:
        section, local = self._section, self._local.session.mark
        remote = forwarding.mark_of(section.realm, section.url, welcome)
        seals = seals_of(welcome)
        self._outward.begin(local, remote, seals=seals)
        self._inward.begin(remote, local, numbered=forwarding.has_random_ids(welcome))
        self._calls_out.begin(local, remote, seals=seals)
        self._calls_in.begin(remote, local, back=seals)
        self._remote.session = session
        self._attempts.joined()
        away = self._outward.dropped.pop("away", 0)
        self._journal.note(
            "uplink.joined", section.name, url=section.url, realm=section.realm, authid=str(welcome.get("authid")),
            authrole=str(welcome.get("authrole")), session=welcome["session"], events_lost=away,
        )  # fmt: skip
        for pattern in section.subscribe:
            self._keep(session.subscribe(pattern.uri, pattern.match), self._topics, "subscribe", pattern)
        for pattern in section.register:
            self._keep(session.register(pattern.uri, pattern.match), self._offered, "register", pattern)

    def _keep(self, asked: Deferred[int], kept: dict[int, str], what: str, pattern: Pattern) -> None:
        """Keep the id that the router gives ``pattern``; a refusal is logged."""

        def refused(failure: Any) -> None:
            self._journal.note(
                "uplink.refused", what, uplink=self._section.name, uri=str(pattern), reason=one_line(failure.value)
            )

        asked.addCallbacks(lambda number: kept.__setitem__(number, pattern.uri), refused)

    def _gone(self) -> None:
        """The connection is lost."""
        self._remote.session = None
        self._topics.clear()
        self._offered.clear()
        self._calls_out.sink_gone()
        self._calls_in.source_gone()

    # -- messages of the two sessions

    def _from_local(self, message: Message, payload: Payload | None, topic: str) -> None:
        away = self._remote.session is None
        if isinstance(message, Event):
            if away:
                self._outward.lost()
            else:
                self._outward.event(int(message.publication), topic, message.details, payload)
        elif isinstance(message, Invocation):
            if away:
                self._calls_out.away(message)
            else:
                procedure = message.details.get("procedure") or self._served.get(int(message.registration), "")
                self._calls_out.invoked(message, procedure, payload)
        elif isinstance(message, Interrupt):
            self._calls_out.interrupted(int(message.request), message.options)
        elif isinstance(message, Result):
            self._calls_in.answered(message, payload)
        elif isinstance(message, Error) and message.request_type == CALL:
            self._calls_in.failed(message, payload)

    def _from_remote(self, message: Message, payload: Payload | None) -> None:
        if isinstance(message, Event):
            topic = message.details.get("topic") or self._topics.get(int(message.subscription))
            if isinstance(topic, str) and self._wanted(topic):
                self._inward.event(int(message.publication), topic, message.details, payload)
        elif isinstance(message, Published):
            self._outward.accepted(int(message.request))
        elif isinstance(message, Invocation):
            procedure = message.details.get("procedure") or self._offered.get(int(message.registration))
            if isinstance(procedure, str) and self._registered(procedure):
                self._calls_in.invoked(message, procedure, payload)
            else:
                self._calls_in.unknown(message)
        elif isinstance(message, Interrupt):
            self._calls_in.interrupted(int(message.request), message.options)
        elif isinstance(message, Result):
            self._calls_out.answered(message, payload)
        elif isinstance(message, Error) and message.request_type == CALL:
            self._calls_out.failed(message, payload)
        elif isinstance(message, Error):
            self._outward.refused(int(message.request), message.error)


def _matching(patterns: Sequence[Pattern]) -> Callable[[str], bool]:
    """Whether a URI is one of ``patterns``."""
    return lambda uri: any(uris.matches(pattern.uri, pattern.match, uri) for pattern in patterns)


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    return " ".join(str(error).split()) or type(error).__name__
