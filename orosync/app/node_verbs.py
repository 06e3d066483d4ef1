"""Verbs of the control socket about the router itself: how it is, reloading, and taking it out of service; and all of
them together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from orosync.app.container import Container
from orosync.app.realm_verbs import RealmVerbs
from orosync.app.session_verbs import SessionVerbs
from orosync.app.trace_verb import Tracing
from orosync.ops.answers import DrainAnswer, ReloadAnswer, plain
from orosync.ops.control import Arguments, Control, Emit, Rejected, StreamingVerb, Verb, drain_options
from orosync.session.context import DRAIN_STEP, ListenerSession

REPORT = 1.0
"""Seconds between two lines of ``drain``."""

PARTING = 2.0
"""Seconds at the end for clients that do not go."""

ANSWER = 0.5
"""Seconds for the last line to arrive before the process ends."""


class NodeVerbs:
    """``sessions`` are those of clients (changing), ``seconds`` how long they may take by default to be let go.
    ``admit_none`` closes the listeners, ``end`` ends the process."""

    _log = Logger()

    def __init__(
        self,
        status: Callable[[], Deferred[dict[str, Any]]],
        reload: Callable[[], ReloadAnswer],
        sessions: Collection[ListenerSession],
        clock: IReactorTime,
        seconds: float,
        admit_none: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self._status = status
        self._reload = reload
        self._sessions = sessions
        self._clock = clock
        self._seconds = seconds
        self._admit_none = admit_none
        self._end = end
        self._draining = False

    @property
    def verbs(self) -> list[Verb | StreamingVerb]:
        return [
            Verb("status", lambda arguments: self._status()),
            Verb("reload", lambda arguments: plain(self._reload()), acts=True),
            StreamingVerb("replace", _no_workers, acts=True),
            StreamingVerb("drain", self._drain, acts=True),
        ]

    def _drain(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
        seconds, stays = drain_options(arguments, self._seconds)
        if self._draining:
            raise Rejected(f"this router is being drained already, {self._joined()} clients are left")
        self._draining = True
        self._admit_none()
        of = self._joined()
        self._log.info("draining: {count} clients are let go within {seconds:g} s", count=of, seconds=seconds)

        def report() -> None:
            emit(plain(DrainAnswer(left=self._joined(), of=of, ends=not stays)))

        reports = LoopingCall(report)
        reports.clock = self._clock
        reports.start(REPORT, now=False)

        def over(_: object) -> None:
            reports.stop()
            report()
            end()
            self._log.info("drained, the process {what}", what="stays until it is stopped" if stays else "ends")
            if not stays:
                self._clock.callLater(ANSWER, self._end)

        Deferred.fromCoroutine(self._let_go(seconds)).addErrback(self._failed).addCallback(over)
        return lambda: None  # a router without listeners is of no use: it goes on, whoever watches

    def _joined(self) -> int:
        """Clients that are still served; others may have bytes on the way."""
        return sum(session.joined() is not None for session in self._sessions)

    async def _let_go(self, seconds: float) -> None:
        """Spread evenly, since each page comes back, to another router, with a request to PHP."""
        waiting = list(self._sessions)
        pause = max(DRAIN_STEP, seconds / max(1, len(waiting)))
        group = math.ceil(len(waiting) * pause / seconds) if seconds else len(waiting)
        while waiting:
            for session in waiting[:group]:
                session.shutdown()
            del waiting[:group]
            if waiting:
                await deferLater(self._clock, pause, lambda: None)
        end = self._clock.seconds() + PARTING
        while self._sessions and self._clock.seconds() < end:
            await deferLater(self._clock, DRAIN_STEP, lambda: None)

    def _failed(self, failure: Any) -> None:
        self._log.failure("clients could not be let go", failure=failure)


class ControlVerbs:
    """The verbs of a router that is one process. ``sessions`` gives those of clients."""

    def __init__(
        self, container: Container, node: NodeVerbs, sessions: Callable[[], Iterable[ListenerSession]]
    ) -> None:
        router = container.configuration.router
        self.control = Control(container.journal, os.getuid(), router.control_readers)
        self.node = node
        realms, oro = container.realms, container.configuration.notifications.realm
        self._realm_verbs = RealmVerbs(realms, oro, container.reactor, container.now)
        if container.node is not None and oro in container.node.shared:
            container.node.shared[oro].share_maintenance(self._realm_verbs.maintenance)
        self._tracing = Tracing(realms, sessions, container.journal, container.reactor, container.now)
        self.control.add(
            *self.node.verbs,
            *SessionVerbs(realms, sessions, container.reactor).verbs,
            *self._realm_verbs.verbs,
            self._tracing.verb,
        )

    def receivers(self, realm: str, topic: str, user: str) -> int:
        """See RealmVerbs."""
        return self._realm_verbs.receivers(realm, topic, user)

    def start(self) -> None:
        """From now on what happens is remembered."""
        self._realm_verbs.start()

    def stop(self) -> None:
        """End what goes on."""
        self._tracing.end()


def _no_workers(arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
    raise Rejected("this router has no workers that could be replaced ([router] workers): restart it")
