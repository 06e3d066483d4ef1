"""The router with several workers: this process binds the sockets, keeps the workers running, and serves no client.

It has what exists once: the sockets, [listen:ops], the control socket, generated secrets, the self-made certificate,
and what the workers share (``app.hub``). systemd's service is this process, which says of itself what holds for all
workers.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from orosync import __version__
from orosync.app.control import ControlSocket
from orosync.app.ending import GRACE, Ending, Stopping
from orosync.app.hub import Hub
from orosync.app.opening import Opening
from orosync.app.process import Process, fail_because
from orosync.app.sockets import ListeningSockets
from orosync.app.supervisor_monitoring import SupervisorMonitoring
from orosync.app.supervisor_verbs import SupervisorVerbs
from orosync.app.worker_settings import DemoUser, WorkerSettings, generated_secrets
from orosync.app.workers import Workers
from orosync.clocks import time_of_day
from orosync.config import Configuration
from orosync.config.backplane import LocalBackplaneSection
from orosync.config.endpoints import take_apart
from orosync.demo.data import demo_users
from orosync.ops.control import Control
from orosync.ops.journal import Journal

MARGIN = 2.0
"""Seconds more than a worker has to end, before this process ends without it."""


class Supervisor(MultiService):
    """Raises ConfigError when the certificate of the demonstration cannot be made."""

    log = Logger()

    def __init__(self, configuration: Configuration, reactor: Any, ending: Ending | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._configuration = configuration
        self._reactor = reactor
        router = configuration.router
        journal = self._journal = Journal(reactor, debug=router.log_level == "debug")
        self._process = Process(reactor, os.environ, ending)
        self._stopping = Stopping(journal, {})
        if ending is not None:
            ending.configure(journal, router.drain + MARGIN, lambda: self._stopping.unfinished)
        opening = Opening(reactor, self.log, [] if ending is None else ending.sockets)
        self._opening = opening
        self._sockets = ListeningSockets(opening, router.workers)
        self._operations_ports: list[IListeningPort] = []
        if any(one.tls and one.certificate is None for one in configuration.listeners.values()):
            from orosync.app.listeners import own_certificate  # the demonstration's alone

            own_certificate(router.state, time_of_day)
        self._secrets = dict(generated_secrets(configuration))
        users = demo_users() if router.demo else ()
        self._users = [DemoUser(one.id, one.username, one.password_hash) for one in users]
        self._key = secrets.token_bytes(32)
        hub = Hub(reactor, journal) if isinstance(configuration.backplane, LocalBackplaneSection) else None
        self.workers = Workers(
            reactor,
            journal,
            router.workers,
            router.node,
            router.drain,
            self._sockets,
            hub,
            self._settings,
            self._ready,
            self._failed,
        )
        sources = () if hub is None else (hub.samples,)
        self._monitoring = SupervisorMonitoring(configuration, self.workers, journal, reactor, sources)
        self._verbs = SupervisorVerbs(self.workers, self._monitoring.status, reactor, self._process.end)
        control = Control(journal, os.getuid(), router.control_readers)
        control.add(*self._verbs.verbs)
        self._control = ControlSocket(control, configuration, reactor)

    def _settings(self, place: int, node: str, waits: bool) -> WorkerSettings:
        return WorkerSettings(
            path=str(self._configuration.path),
            node=node,
            place=place,
            workers=self._configuration.router.workers,
            waits=waits,
            endpoints={name: one.endpoint for name, one in self._configuration.listeners.items()},
            secrets=self._secrets,
            users=self._users,
            key=self._key,
            log_level=self._configuration.router.log_level,
        )

    # -- starting

    def privilegedStartService(self) -> None:
        """Open the TCP sockets of listeners, for which twistd's ``--uid`` may lack the right later."""
        self._process.guard()
        listeners = self._configuration.listeners.values()
        self._sockets.bind(one for one in listeners if take_apart(one.endpoint).kind == "tcp")
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Open what is left, and start the workers. Sockets that cannot be had end the process with a line each and
        status 1."""
        router, listeners = self._configuration.router, self._configuration.listeners.values()
        self.log.info(
            "orosync {version} starts {workers} workers, node {node}",
            version=__version__, workers=router.workers, node=router.node,
        )  # fmt: skip
        # UNIX sockets belong to the user that the process runs as from now on.
        self._sockets.bind(one for one in listeners if take_apart(one.endpoint).kind != "tcp")
        if self._sockets.failed or not self._open_operations():
            self._process.cannot_start()
        super().startService()  # type: ignore[no-untyped-call]
        self._control.startService()
        self._monitoring.start()
        self._reactor.callWhenRunning(self._process.install_signal_handlers, self._verbs.reload_in_background)
        self._reactor.callWhenRunning(self.workers.start)

    def _open_operations(self) -> bool:
        section, site = self._configuration.operations, self._monitoring.site
        if section is None or site is None:
            return True
        opened = self._opening.open("ops", section.endpoint, site, "health and metrics", self._operations_ports.append)
        return bool(getattr(opened, "result", False))

    def _ready(self) -> None:
        self._process.ready(self.workers.alive)

    def _failed(self, faults: list[str]) -> None:
        fail_because(faults, self.log, self._reactor)

    # -- stopping

    def stopService(self) -> Deferred[None]:
        """Close the sockets, have all workers let their clients go at the same time, then stop everything else."""
        drain = self._configuration.router.drain
        self.log.info("node {node} stops, with its workers", node=self._configuration.router.node)
        self._process.stopping(drain + GRACE + MARGIN + 2)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        stop = self._stopping.stop
        closing = stop("listeners", lambda: Deferred.fromCoroutine(self._sockets.close()))
        await stop("workers", lambda: Deferred.fromCoroutine(self.workers.stop()))
        await closing
        for port in self._operations_ports:
            await stop("listen:ops", port.stopListening)
        await stop("control", self._control.stopService)
        self._process.stopped()
        self._monitoring.stop()
        self._journal.close()
