"""orosync as authenticator or authorizer of another router: the procedure, and a service that keeps it registered."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.app import probe
from orosync.app.container import Container
from orosync.app.ending import GRACE, Ending, Stopping
from orosync.app.process import Process
from orosync.attached.authentication import Authentication
from orosync.attached.authorization import Authorization
from orosync.attached.client import Attachment
from orosync.config import Configuration
from orosync.config.attached import LISTENER, AttachSection
from orosync.errors import ConfigError
from orosync.headers import OriginRule

Procedure = Callable[..., Any]


class AttachedProcedure(MultiService):
    """The procedure that a router calls, with what it needs as services. ``what`` is "authenticator" or "authorizer";
    ``realm`` is that of a component loaded by the router, otherwise the one of [attach] counts.

    ``procedure`` answers calls of ``uri``. Raises ConfigError with every fault.
    """

    def __init__(self, container: Container, what: str, realm: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.container = container
        section = attach_section(container.configuration)
        self.realm = realm or section.realm
        if self.realm not in container.configuration.realms:
            raise ConfigError([f"[realm:{self.realm}] is missing, and the router has us in that realm: add it"])
        if what == "authenticator":
            self.uri, self.procedure = section.authenticator, self._authentication(section)
        else:
            self.uri, self.procedure = section.authorizer, self._authorization(section)
        container.check()
        for part in [*container.services, container.sharing]:
            part.setServiceParent(self)

    def _authentication(self, section: AttachSection) -> Procedure:
        container, realms = self.container, self.container.configuration.realms
        container.hasher.setServiceParent(self)
        known = {
            name: [container.authenticators[one] for one in realm.authenticators if one in container.authenticators]
            for name, realm in realms.items()
        }
        container.session_stores  # noqa: B018 (made when asked for, so that its faults are found)
        if not realms[self.realm].authenticators:
            raise ConfigError([f"[realm:{self.realm}] authenticators: is missing, no client is admitted without one"])
        origins = OriginRule(section.origins, required=False)
        return Authentication(known, self.realm, origins, section.trusted_proxies, container.journal, LISTENER).answer

    def _authorization(self, section: AttachSection) -> Procedure:
        chain = self.container.chain(self.realm)
        if not self.container.configuration.realms[self.realm].authorizers:
            raise ConfigError([f"[realm:{self.realm}] authorizers: is missing, everything is denied without one"])
        return Authorization(chain, section.trusted_providers, self.container.journal).answer


class AttachedService(MultiService):
    """An AttachedProcedure in a process of its own, registered at the router that [attach] names."""

    log = Logger()

    def __init__(self, procedure: AttachedProcedure, ending: Ending | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        container = procedure.container
        self._container = container
        self._process = Process(container.reactor, os.environ, ending)
        self._stopping = Stopping(container.journal, container.titles)
        if ending is not None:
            ending.configure(container.journal, 0.0, lambda: self._stopping.unfinished)
        procedure.setServiceParent(self)
        section = attach_section(container.configuration)
        attachment: IService = Attachment(
            section, {procedure.uri: procedure.procedure}, container.journal, container.reactor
        )
        attachment.setServiceParent(self)

    def startService(self) -> None:
        """Ready at once: the router may come up later than we do."""
        self._process.guard()
        for warning in self._container.configuration.warnings:
            self.log.warn("{text}", text=warning)
        super().startService()  # type: ignore[no-untyped-call]
        self._container.reactor.callWhenRunning(self._process.install_signal_handlers)
        self._process.ready()
        probe.in_background(self._container, lambda: bool(self.running))

    def stopService(self) -> Deferred[None]:
        """Leave the router, then stop everything else."""
        self._process.stopping(GRACE + 2)
        self._process.stopped()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        Service.stopService(self)
        await self._stopping.stop_all(reversed(list(self)))
        self._container.journal.close()


def attach_section(configuration: Configuration) -> AttachSection:
    """[attach]. Raises ConfigError where there is none."""
    if configuration.attach is None:
        raise ConfigError(["[attach] no such section is there, add one that says which router asks (docs/crossbar.md)"])
    return configuration.attach


def build(configuration: Configuration, reactor: Any, what: str, ending: Ending | None = None) -> AttachedService:
    """The whole process, not yet started; ``what`` as for AttachedProcedure, ``ending`` where the process is its own.

    Raises ConfigError."""
    return AttachedService(AttachedProcedure(Container(configuration, reactor, alone=True), what), ending)
