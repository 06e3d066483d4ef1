"""The verb `trace` of the control socket, and what traces (``app.trace``) are told.

Nothing is done for it while nobody traces. The first trace observes the publications of each realm
(``RealmContext.observe``) and listens to WAMP's meta events like any subscriber; each is told what the journal is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from orosync.app.trace import Trace, TraceQuery
from orosync.app.trace_rows import Publication
from orosync.clocks import Now
from orosync.model import Match
from orosync.ops.control import Arguments, Emit, Rejected, StreamingVerb
from orosync.ops.journal import Journal, Observer
from orosync.router.relays import RelayedPublication
from orosync.session.context import ListenerSession
from orosync.session.local import LocalMember
from orosync.session.realm_context import RealmContext
from orosync.wamp.messages import Event
from orosync.wamp.meta_topics import ON_JOIN, ON_LEAVE, SUBSCRIBED, UNSUBSCRIBED
from orosync.wamp.payload import Payload

MOST_TRACES = 4
"""Traces at the same time."""

_log = Logger()


class Tracing:
    """The verb, and the traces under way."""

    def __init__(
        self,
        realms: Mapping[str, RealmContext],
        sessions: Callable[[], Iterable[ListenerSession]],
        journal: Journal,
        clock: IReactorTime,
        now: Now,
    ) -> None:
        self.verb = StreamingVerb("trace", self._start, acts=True)
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._now = now
        self._traces: list[Trace] = []
        self._realms = realms
        self._listeners = [_RealmListener(one, self._traces) for one in realms.values()]

    def _start(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
        query = TraceQuery.of(arguments)
        if len(self._traces) >= MOST_TRACES:
            raise Rejected(f"{MOST_TRACES} traces are under way already: end one of them")
        trace = Trace(query, self._journal, self._clock, self._now, emit, end)
        if not self._traces:
            for listener in self._listeners:
                listener.attach()
        self._traces.append(trace)
        observer = self._safely(trace)
        self._journal.observers.append(observer)
        trace.begin(self._realms.values(), self._sessions())

        def stop() -> None:
            if trace in self._traces:
                self._traces.remove(trace)
                self._journal.observers.remove(observer)
                trace.stop()
                if not self._traces:
                    for listener in self._listeners:
                        listener.detach()

        return stop

    def end(self) -> None:
        """End all traces: the router stops."""
        for trace in tuple(self._traces):
            trace.finish("the router stops")

    def _safely(self, trace: Trace) -> Observer:
        def observer(event: str, code: str, fields: Mapping[str, object]) -> None:
            try:
                trace.logged(event, code, fields)
            except Exception:  # nobody who notes something may pay for it
                _log.failure("a trace failed")

        return observer


class _RealmListener:
    """Tells traces of the publications and meta events of one realm."""

    def __init__(self, realm_context: RealmContext, traces: Sequence[Trace]) -> None:
        self._context = realm_context
        self._traces = traces
        self._local = LocalMember(realm_context)
        self._ends: list[Callable[[], None]] = []

    def attach(self) -> None:
        """From now on."""
        self._context.observe(self)
        for topic in (ON_JOIN, ON_LEAVE, SUBSCRIBED, UNSUBSCRIBED):
            self._ends.append(self._local.subscribe(topic, Match.EXACT, self._heard))

    def detach(self) -> None:
        """No longer."""
        self._context.observe(None)
        while self._ends:
            self._ends.pop()()

    def record(self, *publication: Any) -> None:
        """See PublicationObserver."""
        self._tell(lambda trace: trace.published(self._context, Publication(*publication)))

    def relayed(self, publication: RelayedPublication) -> None:
        """See PublicationObserver."""
        self._tell(lambda trace: trace.published(self._context, Publication.relayed(publication)))

    def _heard(self, event: Event, payload: Payload | None, topic: str) -> None:
        arguments = [] if payload is None else payload.values()[0]
        self._tell(lambda trace: trace.changed(self._context, topic, arguments))

    def _tell(self, what: Callable[[Trace], None]) -> None:
        for trace in tuple(self._traces):
            try:
                what(trace)
            except Exception:  # a fault of a trace costs nobody else anything
                _log.failure("a trace failed")
