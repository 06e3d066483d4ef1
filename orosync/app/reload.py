"""Reloads the access rules, pages and certificates while the router runs; with any fault in a file, the old ones stay.

Roles, topics and authorizers take effect at once, and subscriptions and registrations are authorized again. Everything
else needs a restart; where it has changed the log says so. What the log says is the result, too, for who asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import IService, MultiService
from twisted.logger import Logger

from orosync.app.authorizers import Authorizers
from orosync.app.container import Container
from orosync.app.origins import Origins
from orosync.config import Configuration
from orosync.config import load as load_configuration
from orosync.config.credentials import Secret
from orosync.config.loader import without_line
from orosync.errors import ConfigError
from orosync.identity.shared_passwords import Sharing
from orosync.ops.answers import ReloadAnswer
from orosync.session.context import ListenerSession
from orosync.session.reauthorization import Reauthorization
from orosync.transport.static_pages import StaticPages
from orosync.transport.tls import ReloadingCredentials

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
    """``sessions`` gives all connected sessions; plugins that are services are started and stopped in ``parent``;
    ``load`` reads the configuration, by default as it is there for this process."""

    _log = Logger()

    def __init__(
        self,
        container: Container,
        reauthorization: Reauthorization,
        sessions: Callable[[], Iterable[ListenerSession]],
        parent: MultiService,
        load: Callable[[Path], Configuration] | None = None,
    ) -> None:
        self._load = load or partial(load_configuration, environ=os.environ)
        self._container = container
        self._reauthorization = reauthorization
        self._sessions = sessions
        self._parent = parent
        self._now = container.configuration

    def reload(self) -> ReloadAnswer:
        """Read the file anew. If anything is wrong with it every fault is logged and the old rules stay."""
        try:
            found = self._load(self._now.path)
        except ConfigError as error:
            return self._keep(error.faults)
        try:
            rules = effective(self._now, found)
            made = self._container.authorizer_factory.make(rules)
        except ConfigError as error:
            return self._keep(found.located(error.faults))
        restart = list(needing_a_restart(self._now, found))
        for title in restart:
            self._log.warn("{title} has changed, which takes effect at a restart", title=title)
        # A warning is the same wherever its line stands now.
        factory = self._container.authorizer_factory
        reported = set(map(without_line, (*self._now.warnings, *factory.warnings)))
        warnings = [one for one in (*found.warnings, *made.warnings) if without_line(one) not in reported]
        for warning in warnings:
            self._log.warn("{text}", text=warning)
        changed = list(changed_rules(self._now, rules, factory.in_use, made))
        self._services(factory.put(made))
        self._now = rules
        sessions = list(self._sessions())
        self._log.info(
            "rules reloaded, subscriptions of {count} clients are re-authorized",
            count=len(sessions),
        )
        self._reauthorization.review(sessions)
        return ReloadAnswer(changed=changed, restart=restart, warnings=warnings, sessions=len(sessions))

    def _keep(self, faults: Iterable[str]) -> ReloadAnswer:
        """The rules stay as they are; the log says why."""
        refused = [*faults, f"{self._now.path} is not used: the old rules stay"]
        for fault in refused:
            self._log.error("{fault}", fault=fault)
        return ReloadAnswer(refused=refused)

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


class Reload:
    """Everything that is read anew: ``rules``, shared passwords, followed ``origins``, and by listener its pages and
    certificates."""

    _log = Logger()

    def __init__(
        self,
        rules: RuleReload,
        sharing: Sharing,
        pages: Mapping[str, StaticPages],
        credentials: Mapping[str, ReloadingCredentials],
        origins: Iterable[Origins] = (),
    ) -> None:
        self._rules = rules
        self._origins = origins
        self._sharing = sharing
        self._pages = pages
        self._credentials = credentials

    def run(self) -> ReloadAnswer:
        """Read everything anew; a file that cannot be used leaves the old one in service."""
        answer = self._rules.reload()
        changed, refused = list(answer.changed), list(answer.refused)
        self._sharing.refresh()
        for followed in self._origins:
            followed.refresh()
        for name, pages in self._pages.items():
            try:
                if pages.read():
                    changed.append(f"[listen:{name}] pages")
            except ValueError as error:
                refused.append(self._refused(f"[listen:{name}] pages: {error}, the old ones are served"))
        for name, one in self._credentials.items():
            try:
                if one.reload():
                    changed.append(f"[listen:{name}] certificate")
            except Exception as error:
                why = f"cannot be read anew, the old one stays in service: {error}"
                refused.append(self._refused(f"[listen:{name}] certificate: {why}"))
            else:
                self._log.info("[listen:{name}] certificate read anew, new connections get it", name=name)
        return attrs.evolve(answer, changed=changed, refused=refused)

    def _refused(self, fault: str) -> str:
        self._log.error("{fault}", fault=fault)
        return fault


def changed_rules(now: Configuration, rules: Configuration, before: Authorizers, after: Authorizers) -> Iterator[str]:
    """The titles of sections whose rules differ; of [topics:...] also where an application's files do. A line that has
    merely moved in its file has not changed."""
    one, other = _rules_of(now, before), _rules_of(rules, after)
    for kind in one:
        yield from _different(kind, one[kind], other[kind])


def _rules_of(configuration: Configuration, made: Authorizers) -> dict[str, dict[str, Any]]:
    """By kind of section and name: its rules as values; of [topics:NAME] what came of them too."""
    topics: dict[str, list[Any]] = {name: [_unplaced(one)] for name, one in configuration.topics.items()}
    for rules in chain.from_iterable(made.topic_rules.values()):
        channels = [_unplaced(one) for one in rules.channels]
        topics.setdefault(rules.name.removeprefix("topics:"), []).append(channels)
    return {
        "realm": {name: one.authorizers for name, one in configuration.realms.items()},
        "role": {one.title.removeprefix("role:"): _unplaced(one) for one in configuration.roles},
        "topics": dict(topics),
        "authorizer": {name: _unplaced(one) for name, one in configuration.authorizers.items()},
    }


def _unplaced(section: Any) -> Any:
    """A section or channel as values, without places in files."""
    return attrs.asdict(section, filter=lambda field, _: field.name not in ("place", "template"))


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
    for name in ("router", "backplane", "notifications"):
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
