"""orosync's judgement for another router: built from the same configuration, put on offer there.

It makes the two procedures of ``components`` from Parts, and a service that keeps them registered. It must not
parse anything or decide anything itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.app.container import Container
from orosync.app.ending import GRACE, Ending
from orosync.app.process import Process
from orosync.app.stopping import Stopping
from orosync.attached.authentication import Authentication
from orosync.attached.authorization import Authorization
from orosync.attached.client import Attachment
from orosync.config import Configuration
from orosync.config.attached import LISTENER, AttachSection
from orosync.errors import ConfigError
from orosync.headers import OriginRule

Procedure = Callable[..., Any]


class Judgement(MultiService):
    """What a router may ask, in service while it runs. ``what`` is "authenticator" or "authorizer"; ``realm``, if not
    the one of [attach], is what a router says itself of a component that it has loaded.

    ``procedure`` is the answer, ``uri`` its name. Raises ConfigError with every fault.
    """

    def __init__(self, parts: Container, what: str, realm: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts = parts
        section = attach_section(parts.configuration)
        self.realm = realm or section.realm
        if self.realm not in parts.configuration.realms:
            raise ConfigError([f"[realm:{self.realm}] is missing, and the router has us in that realm: add it"])
        if what == "authenticator":
            self.uri, self.procedure = section.authenticator, self._authentication(section)
        else:
            self.uri, self.procedure = section.authorizer, self._authorization(section)
        parts.check()
        for part in [*parts.services, parts.sharing]:
            part.setServiceParent(self)

    def _authentication(self, section: AttachSection) -> Procedure:
        parts, realms = self.parts, self.parts.configuration.realms
        parts.hasher.setServiceParent(self)
        known = {
            name: [parts.authenticators[one] for one in realm.authenticators if one in parts.authenticators]
            for name, realm in realms.items()
        }
        parts.session_stores  # noqa: B018 (made when asked for, that its faults are told too)
        if not realms[self.realm].authenticators:
            raise ConfigError([f"[realm:{self.realm}] authenticators: is missing, nobody could come in without one"])
        origins = OriginRule(section.origins, required=False)
        return Authentication(known, self.realm, origins, section.trusted_proxies, parts.journal, LISTENER).answer

    def _authorization(self, section: AttachSection) -> Procedure:
        chain = self.parts.chain(self.realm)
        if not self.parts.configuration.realms[self.realm].authorizers:
            raise ConfigError([f"[realm:{self.realm}] authorizers: is missing, nobody could do anything without one"])
        return Authorization(chain, section.trusted_providers, self.parts.journal).answer


class AttachedService(MultiService):
    """A Judgement in a process of its own, attached to the router that [attach] names."""

    log = Logger()

    def __init__(self, judgement: Judgement, ending: Ending | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        parts = judgement.parts
        self._parts = parts
        self._process = Process(parts.reactor, os.environ, ending)
        self._stopping = Stopping(parts.journal, parts.titles)
        if ending is not None:
            ending.concerns(parts.journal, 0.0, lambda: self._stopping.unfinished)
        judgement.setServiceParent(self)
        section = attach_section(parts.configuration)
        attachment: IService = Attachment(section, {judgement.uri: judgement.procedure}, parts.journal, parts.reactor)
        attachment.setServiceParent(self)

    def startService(self) -> None:
        """Ready at once: the router may come up later than we do."""
        self._process.guard()
        for warning in self._parts.configuration.warnings:
            self.log.warn("{text}", text=warning)
        super().startService()  # type: ignore[no-untyped-call]
        self._parts.reactor.callWhenRunning(self._process.apply)
        self._process.ready()

    def stopService(self) -> Deferred[None]:
        """Take leave of the router, then stop everything else."""
        self._process.stopping(GRACE + 2)
        self._process.stopped()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        Service.stopService(self)
        await self._stopping.stop_all(reversed(list(self)))
        self._parts.journal.close()


def attach_section(configuration: Configuration) -> AttachSection:
    """[attach]. Raises ConfigError where there is none."""
    if configuration.attach is None:
        raise ConfigError(["[attach] no such section is there, add one that says which router asks (docs/crossbar.md)"])
    return configuration.attach


def build(configuration: Configuration, reactor: Any, what: str, ending: Ending | None = None) -> AttachedService:
    """The whole process, not yet started; ``what`` as Judgement's, ``ending`` where the process is its own. Raises
    ConfigError."""
    return AttachedService(Judgement(Container(configuration, reactor), what), ending)
