"""An embedded component, [component:NAME]: made, started with the router, restarted when it fails, stopped at the end.

At the first start ``onJoin`` has to succeed, or the router does not start. Later failures are logged, and the component
is started again after a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface

from orosync import registry
from orosync.embedded.connection import Embedding, component_facts
from orosync.errors import ConfigError
from orosync.interfaces import Admission, IJournal, ISessionHost
from orosync.wamp import uris

JOIN_TIMEOUT = 10.0
"""Seconds that the start waits for ``onJoin``; an ``onJoin`` that never returns (``while True``) is not a fault."""

RESTART_DELAYS = (1.0, 60.0)
"""Seconds until the restart: the first and, doubled each time, the longest; after a run as long as that, the first."""


class HostedComponent:
    """The component of [component:``name``]; ``make`` makes one for each start, ``host`` admits it."""

    _log = Logger()

    def __init__(
        self,
        name: str,
        make: Callable[[], ApplicationSession],
        host: ISessionHost,
        journal: IJournal,
        clock: IReactorTime,
        *,
        join_timeout: float = JOIN_TIMEOUT,
    ) -> None:
        self.name = name
        self._make = make
        self._host = host
        self._journal = journal
        self._clock = clock
        self._join_timeout = join_timeout
        self._delay = RESTART_DELAYS[0]
        self._begun = 0.0
        self._starting: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._embedding: Embedding | None = None
        self._fault = ""
        self._lost = ""
        self._retired = False

    @property
    def wrong(self) -> str:
        """Why it does not run, "" while it does and where it is not meant to."""
        return "" if self.joined or self._retired else self._lost

    @property
    def joined(self) -> bool:
        """Whether it runs."""
        return self._embedding is not None and self._embedding.open

    def start(self) -> Deferred[None]:
        """The first start. Fires when ``onJoin`` has succeeded (or ``join_timeout`` is over), fails with ConfigError
        when it has failed."""
        starting = self._starting = Deferred()
        self._timer = self._clock.callLater(self._join_timeout, self._waited)
        self._run()
        return starting

    def retire(self) -> None:
        """Do not start again; a start that is still under way reports nothing."""
        self._retired = True
        self._starting = None
        self._cancel()

    def stop(self) -> None:
        """End it, whether it has left or not."""
        self.retire()
        if self._embedding is not None:
            self._embedding.over(False, None, "the router has stopped")

    # -- one run

    def _run(self) -> None:
        self._begun, self._fault = self._clock.seconds(), ""
        try:
            component = self._make()
        except Exception as error:
            self._failed("cannot be made", Failure(error))
            self._over(False, "")
            return
        whole = component.onJoin
        # autobahn logs what onJoin raises, and goes on.
        component.onJoin = lambda details: self._joining(component, whole, details)
        maybeDeferred(self._host.admit, component_facts(self.name)).addCallbacks(
            self._admitted, lambda failure: self._over(False, failure.getErrorMessage()), (component,)
        )

    def _admitted(self, admission: Admission, component: ApplicationSession) -> None:
        facts = component_facts(self.name)
        self._embedding = Embedding(component, admission.session, facts, self._journal, self._clock, self._over)
        self._embedding.start()

    def _joining(self, component: ApplicationSession, whole: Callable[[Any], Any], details: Any) -> Deferred[None]:
        embedding = self._embedding
        outcome: Deferred[Any] = maybeDeferred(whole, details)

        def broke(failure: Failure) -> None:
            if embedding is not None and embedding is self._embedding and embedding.open:
                self._failed("failed in onJoin", failure)
                embedding.over(False, None, "failed in onJoin")

        return outcome.addCallbacks(self._joined, broke)

    def _joined(self, _: object) -> None:
        if self._starting is not None:
            self._cancel()
            self._log.info("[component:{name}] has started", name=self.name)
            self._started()

    def _waited(self) -> None:
        """The start of the router goes on while the component is still in onJoin."""
        self._timer = None
        if self._embedding is None:
            return
        said = "[component:{name}] is still in onJoin after {join_timeout:g} s, clients are admitted meanwhile"
        self._log.warn(said, name=self.name, join_timeout=self._join_timeout)
        self._started()

    def _started(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.callback(None)

    # -- its end

    def _failed(self, what: str, failure: Failure) -> None:
        """Log it with a traceback, for the author of the component."""
        error = failure.value
        self._fault = f"{what}: {type(error).__name__}: {error}".rstrip(": ")
        self._log.failure("[component:{name}] {what}", failure=failure, name=self.name, what=what)

    def _over(self, clean: bool, reason: str) -> None:
        embedding, self._embedding = self._embedding, None
        left = (
            embedding is not None and embedding.goodbye_reason == uris.GOODBYE_AND_OUT
        )  # the answer to one of its own
        fault = self._fault or reason
        if self._retired:
            return
        if self._starting is not None and not left:
            self._cancel()
            starting, self._starting = self._starting, None
            starting.errback(ConfigError([f"[component:{self.name}] {fault or 'has ended'}"]))
        elif left:
            self._lost = ""
            self._cancel()
            self._journal.note("component.ended", "left", component=self.name)
            self._started()
        else:
            self._again(fault)

    def _again(self, fault: str) -> None:
        first, last = RESTART_DELAYS
        if self._clock.seconds() - self._begun >= last:
            self._delay = first
        kind = "failed" if self._fault else "lost"
        self._lost = fault or "has ended"
        self._journal.note("component.ended", kind, component=self.name, reason=fault, again_in=self._delay)
        self._timer = self._clock.callLater(self._delay, self._next)
        self._delay = min(self._delay * 2, last)

    def _next(self) -> None:
        self._timer = None
        self._run()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def start_all(components: list[HostedComponent]) -> Deferred[None]:
    """Start one after the other, in the order of the file: each may rely on those before it. Fails with the first."""
    if not components:
        return succeed(None)

    async def one_by_one() -> None:
        for component in components:
            await component.start()

    return Deferred.fromCoroutine(one_by_one())


def component_maker(title: str, use: str, realm: str, extra: Mapping[str, str]) -> Callable[[], ApplicationSession]:
    """Makes the ApplicationSession that ``[title] use`` means, with a ComponentConfig of ``realm`` and a copy of
    ``extra``.

    Raises ConfigError as ``registry.resolve`` does, and for a class that is no ApplicationSession of Autobahn's for
    Twisted; what is returned raises TypeError for a function that makes something else.
    """
    factory = registry.resolve(title, use, {}, Interface)
    if isinstance(factory, type) and not issubclass(factory, ApplicationSession):
        raise ConfigError([f"[{title}] use: {use} is no autobahn.twisted.wamp.ApplicationSession, derive it from that"])

    def make() -> ApplicationSession:
        component = factory(ComponentConfig(realm, extra=dict(extra)))
        if not isinstance(component, ApplicationSession):
            kind = type(component).__name__
            raise TypeError(f"{use} made a {kind}, no autobahn.twisted.wamp.ApplicationSession")
        return component

    return make
