"""Reloads the access rules while the router runs; with any fault in the file, the old ones stay.

Roles, topics and authorizers take effect at once, and subscriptions and registrations are authorized again. Everything
else needs a restart; where it has changed the log says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from twisted.application.service import IService, MultiService
from twisted.logger import Logger

from orosync.app.container import Container
from orosync.config import Configuration, load
from orosync.config.credentials import Secret
from orosync.config.loader import without_line
from orosync.errors import ConfigError
from orosync.session.context import ListenerSession
from orosync.session.reauthorization import Reauthorization

KINDS: Mapping[str, str] = {
    "listeners": "listen",
    "authenticators": "authenticator",
    "directories": "directory",
    "session_stores": "sessions",
    "components": "component",
    "uplinks": "uplink",
}
"""Sections that are read at a start alone, by their names in the Configuration; [realm:...] for the most part too."""


class RuleReload:
    """``sessions`` gives all connected sessions; plugins that are services are started and stopped in ``parent``."""

    _log = Logger()

    def __init__(
        self,
        container: Container,
        reauthorization: Reauthorization,
        sessions: Callable[[], Iterable[ListenerSession]],
        parent: MultiService,
    ) -> None:
        self._container = container
        self._reauthorization = reauthorization
        self._sessions = sessions
        self._parent = parent
        self._now = container.configuration

    def reload(self, environ: Mapping[str, str] | None = None) -> bool:
        """Read the file anew. If anything is wrong with it every fault is logged and the old rules stay: False."""
        try:
            found = load(self._now.path, environ if environ is not None else os.environ)
        except ConfigError as error:
            return self._keep(error.faults)
        try:
            rules = effective(self._now, found)
            made = self._container.authorizer_factory.make(rules)
        except ConfigError as error:
            return self._keep(found.located(error.faults))
        for title in needing_a_restart(self._now, found):
            self._log.warn("{title} has changed, which takes effect at a restart", title=title)
        # A warning is the same wherever its line stands now.
        factory = self._container.authorizer_factory
        reported = set(map(without_line, (*self._now.warnings, *factory.warnings)))
        for warning in (*found.warnings, *made.warnings):
            if without_line(warning) not in reported:
                self._log.warn("{text}", text=warning)
        self._services(factory.put(made))
        self._now = rules
        sessions = list(self._sessions())
        self._log.info(
            "rules reloaded, subscriptions of {count} clients are re-authorized",
            count=len(sessions),
        )
        self._reauthorization.review(sessions)
        return True

    def _keep(self, faults: Iterable[str]) -> bool:
        """The rules stay as they are; the log says why."""
        for fault in faults:
            self._log.error("{fault}", fault=fault)
        self._log.error("{path} is not used: the old rules stay", path=str(self._now.path))
        return False

    def _services(self, gone: Iterable[Any]) -> None:
        services = self._container.services
        for part in gone:
            if IService.providedBy(part):
                part.disownServiceParent()
                services.remove(part)
                self._container.titles.pop(id(part), None)
        for service in services:
            if service.parent is None:
                service.setServiceParent(self._parent)


def effective(now: Configuration, found: Configuration) -> Configuration:
    """``now`` with the rules of ``found``: those of realms that are there no longer stay as they are."""
    realms = {
        name: attrs.evolve(one, authorizers=found.realms[name].authorizers) if name in found.realms else one
        for name, one in now.realms.items()
    }
    kept = [one for one in now.roles if one.realm is not None and one.realm not in found.realms]
    return attrs.evolve(
        now,
        realms=realms,
        roles=(*found.roles, *kept),
        topics={**now.topics, **found.topics},
        authorizers={**now.authorizers, **found.authorizers},
        warnings=found.warnings,
    )


def needing_a_restart(now: Configuration, found: Configuration) -> Iterator[str]:
    """The titles of sections that differ and are not rules."""
    for name in ("router", "notifications"):
        if getattr(now, name) != getattr(found, name):
            yield f"[{name}]"
    if now.operations != found.operations:
        yield "[listen:ops]"
    for attribute, kind in KINDS.items():
        one, other = (
            {name: _ungenerated(section) for name, section in getattr(each, attribute).items()} for each in (now, found)
        )
        yield from _different(kind, one, other)
    yield from _different("realm", _without_rules(now), _without_rules(found))


def _different(kind: str, now: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys((*now, *found)):
        if now.get(name) != found.get(name):
            yield f"[{kind}:{name}]"


def _ungenerated(section: Any) -> Any:
    """A section without a secret that is another one each time it is read."""
    secret = getattr(section, "secret", None)
    if isinstance(secret, Secret) and secret.reference == "generate":
        return attrs.evolve(section, secret=Secret("", secret.reference))
    return section


def _without_rules(configuration: Configuration) -> dict[str, Any]:
    return {name: attrs.evolve(one, authorizers=()) for name, one in configuration.realms.items()}
