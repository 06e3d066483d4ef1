"""Tries out what a router depends on: databases, session stores, other routers, certificates, the digests of tickets.

Shared by ``orosync check-config --probe``, which starts what it needs, and the router, which asks its own services once
after the start. Everything is asked at the same time; what has not answered within 5 s counts as unreachable. Nothing
is changed, and no finding holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, TimeoutError, gatherResults, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.app.container import Container
from orosync.client.transports import reach
from orosync.config import Configuration
from orosync.config.backplane import PluginBackplaneSection
from orosync.config.credentials import Secret
from orosync.config.operations import BACKPLANE
from orosync.config.sections import (
    CookieSection,
    DemoDirectorySection,
    ForeignSection,
    StaticDirectorySection,
    TicketSection,
)
from orosync.identity import digests
from orosync.identity.shared_passwords import SharedPasswords
from orosync.interfaces import IProbe
from orosync.model import Finding, FindingState
from orosync.transport.certificates import examine
from orosync.trust_roots import trust_root_of

PATIENCE = 5.0
"""Seconds for each probe."""

PASSWORDS = " passwords"
"""Behind a directory's name: the check of its users' password hashes."""

_DIGEST = (b"plain", b"salt")

_log = Logger()


SHORTEST_HIDDEN = 4
"""Characters of a secret that is replaced in findings."""


def in_background(container: Container, running: Callable[[], bool]) -> None:
    """``at_start``, for which nobody waits."""

    def failed(failure: Failure) -> None:
        _log.failure("the probe at the start failed", failure)

    Deferred.fromCoroutine(at_start(container, running)).addErrback(failed)


async def at_start(container: Container, running: Callable[[], bool]) -> None:
    """Write to the log what is wrong with the services, which have been started, and the certificates, and what users
    will see; nothing any more once the process stops (``running``)."""
    findings = [*await services(container), *_certificates(container)]
    if not running():
        return
    for one in findings:
        if one.state is not FindingState.OK:
            container.journal.note(
                "probe", one.state.value, check=one.check, result=one.result, users=one.effect, remedy=one.remedy
            )
    good = ", ".join(dict.fromkeys(one.check for one in findings if one.state is FindingState.OK))
    if good:
        _log.info("probed and as it should be: {checks}", checks=good)


async def services(container: Container) -> list[Finding]:
    """What the directories and session stores, which have to run, find out about themselves, and the backplane."""
    asked = [_bounded(container, _title(container, one), one.probe) for one in _probed(container)]
    asked += [_bounded(container, BACKPLANE, one.probe) for one in _backplane(container)]
    return _complete(container.configuration, await _all(asked))


async def whole(container: Container) -> list[Finding]:
    """All that does not depend on the machine: services, which are started and stopped for it, other routers,
    certificates, digests. ``Container.realms`` has been asked for."""
    running = MultiService()
    for one in [*_probed(container), *_sharing(container)]:
        one.setServiceParent(running)
    running.startService()
    try:
        parts = [services(container), _routers(container), _shared_passwords(container)]
        asked, routers, shared = await gatherResults([Deferred.fromCoroutine(part) for part in parts])
    finally:
        await running.stopService()
        container.journal.close()
    down = {one.check for one in asked if one.state in (FindingState.FAULT, FindingState.UNREACHABLE)}
    shared = [one for one in shared if one.check.removesuffix(PASSWORDS) not in down]
    return [*_written(container.configuration), *asked, *shared, *routers, *_certificates(container), _digests()]


def _probed(container: Container) -> list[Any]:
    return [one for one in container.services if IProbe.providedBy(one)]


def _backplane(container: Container) -> list[Any]:
    """That of several nodes, which is asked without being joined."""
    node = container.node
    return [] if node is None or not IProbe.providedBy(node.backplane) else [node.backplane]


def _sharing(container: Container) -> list[SharedPasswords]:
    """What knows users with one password; plugins are not asked."""
    sections = container.configuration.directories
    known = container.sharing.directories
    return [one for name, one in known.items() if not isinstance(sections[name], ForeignSection)]


async def _shared_passwords(container: Container) -> list[Finding]:
    asked = _sharing(container)
    await gatherResults([one.refresh() for one in asked]).addTimeout(PATIENCE + 1, container.reactor)
    found = []
    for one in asked:
        title, _, warning = one.warning().removeprefix("[").partition("] ")
        if warning:
            remedy = "give each of them a password of its own (docs/directories.md)"
            found.append(Finding(title + PASSWORDS, FindingState.WARNING, warning, remedy))
    return found


def _title(container: Container, service: Any) -> str:
    return container.titles.get(id(service)) or str(service.name)


def _all(asked: Iterable[Deferred[Sequence[Finding]]]) -> Deferred[list[Finding]]:
    return gatherResults(list(asked)).addCallback(lambda parts: [one for part in parts for one in part])


def _bounded(container: Container, title: str, probe: Callable[[], Any]) -> Deferred[Sequence[Finding]]:
    """The findings of ``probe``, within 5 s; a probe that fails has a mistake, and is one finding itself."""

    async def asked() -> Sequence[Finding]:
        try:
            found: Deferred[Sequence[Finding]] = maybeDeferred(probe)
            return await found.addTimeout(PATIENCE, container.reactor)
        except TimeoutError:
            late = f"no answer within {PATIENCE:g} s"
            return [Finding(title, FindingState.UNREACHABLE, late, "see whether it runs and what it is busy with")]
        except Exception as error:  # its text may hold anything
            what = f"the probe failed with {type(error).__name__}"
            return [Finding(title, FindingState.FAULT, what, "correct the plugin, or report it")]

    return Deferred.fromCoroutine(asked())


# -- parts without a probe of their own


def _written(configuration: Configuration) -> Iterator[Finding]:
    """What was tried out by making it: plugins, users in the file, secrets."""
    for kind, sections in (
        ("authenticator", configuration.authenticators),
        ("authorizer", configuration.authorizers),
        ("directory", configuration.directories),
        ("sessions", configuration.session_stores),
    ):
        for name, section in sections.items():
            if isinstance(section, ForeignSection):
                yield Finding(f"{kind}:{name}", FindingState.OK, f"the plugin {section.use} can be loaded")
            elif isinstance(section, StaticDirectorySection):
                yield Finding(
                    f"{kind}:{name}", FindingState.OK, f"{len(section.user)} users, written in the configuration"
                )
            elif isinstance(section, DemoDirectorySection):
                yield Finding(f"{kind}:{name}", FindingState.OK, "the users of the demonstration")
    if isinstance(configuration.backplane, PluginBackplaneSection):
        yield Finding(BACKPLANE, FindingState.OK, f"the plugin {configuration.backplane.use} can be loaded")
    for name, component in configuration.components.items():
        yield Finding(f"component:{name}", FindingState.OK, f"{component.use} can be loaded")
    count = len({one.reference for one in _references(configuration)})
    published = any(isinstance(one, TicketSection) and one.published for one in configuration.authenticators.values())
    if published:
        what = "a secret is the one that Oro is published with"
        yield Finding("secrets", FindingState.WARNING, what, "give Oro a secret of its own (docs/operations.md)")
    else:
        yield Finding(
            "secrets", FindingState.OK, f"{count} can be read, none is in quotes or the one Oro is published with"
        )


async def _routers(container: Container) -> list[Finding]:
    """Uplinks, and the router of [attach]: whether a connection can be opened."""
    configuration = container.configuration
    targets = [(f"uplink:{name}", one.url, one.ca) for name, one in configuration.uplinks.items()]
    if configuration.attach is not None and configuration.attach.url is not None:
        targets.append(("attach", configuration.attach.url, configuration.attach.ca))

    def reach(title: str, url: str, ca: Path | None) -> Callable[[], Any]:
        return lambda: Deferred.fromCoroutine(_reached(title, url, ca, container.reactor))

    asked = [_bounded(container, title, reach(title, url, ca)) for title, url, ca in targets]
    return _complete(configuration, await _all(asked))


async def _reached(title: str, url: str, ca: Path | None, reactor: Any) -> list[Finding]:
    try:
        await reach(url, trust_root_of(title, ca), PATIENCE, reactor)
    except Exception as error:
        why = " ".join(str(error).split())[:300]
        return [
            Finding(title, FindingState.UNREACHABLE, f"{url}: {why}", "start the other router, or correct the address")
        ]
    return [Finding(title, FindingState.OK, f"{url} takes connections (the login is not tried)")]


def _certificates(container: Container) -> Iterator[Finding]:
    for name, section in container.configuration.listeners.items():
        if section.certificate is not None and not container.configuration.router.demo:
            here = ("localhost", "127.0.0.1", "::1")
            hosts = set() if section.trusted_proxies else {_host(one) for one in section.origins}.difference(here)
            yield from examine(f"certificate:{name}", section.certificate, hosts, container.now)


def _host(origin: str) -> str:
    return (urlsplit(origin).hostname if "://" in origin else origin.strip("[]")) or ""


def _digests() -> Finding:
    """The two implementations have to agree."""
    if digests.in_c is None:
        remedy = "they may be computed in C, twice as fast: docs/install.md, C compiler"
        return Finding("digests", FindingState.OK, "digests of tickets are computed in Python", remedy)
    salted = digests.merged(*_DIGEST)
    if digests.in_c(salted, digests.ROUNDS) != digests.in_python(salted):
        return Finding("digests", FindingState.FAULT, "the digests computed in C are wrong", "install orosync again")
    return Finding("digests", FindingState.OK, "digests of tickets are computed in C")


# -- what users see, and what nobody may see


def _complete(configuration: Configuration, findings: Iterable[Finding]) -> list[Finding]:
    """``findings`` with what users see of them, and without the configuration's secrets."""
    known = secrets_of(configuration)
    return [_without(known, attrs.evolve(one, effect=effect_of(configuration, one))) for one in findings]


def effect_of(configuration: Configuration, finding: Finding) -> str:
    """What users see of a part that cannot be used; "" where they see nothing, or it is not known."""
    if finding.state not in (FindingState.FAULT, FindingState.UNREACHABLE):
        return ""
    until = "until it is back" if finding.state is FindingState.UNREACHABLE else "until that is corrected"
    kind, _, name = finding.check.partition(":")
    refused = []
    for one in configuration.authenticators.values():
        if isinstance(one, TicketSection) and kind == "directory" and one.directory == name:
            refused.append("every new ticket")
        elif isinstance(one, CookieSection) and name == (one.directory if kind == "directory" else one.sessions):
            refused.append("every new cookie")
    if refused and kind in ("directory", "sessions"):
        what = " and ".join(dict.fromkeys(refused))
        return f"{what} is answered with 503 {until}; users who are connected stay"
    if kind == BACKPLANE:
        once = any(isinstance(one, TicketSection) and one.single_use for one in configuration.authenticators.values())
        refused_too = ", and users' single-use tickets are answered with 503" if once else ""
        return f"events and calls do not pass between nodes {until}{refused_too}"
    if kind == "uplink":
        return f"events and calls do not pass to the other router {until}"
    return ""


def secrets_of(configuration: Configuration) -> frozenset[str]:
    """The values of all references in ``configuration``, and the passwords within addresses."""
    found: set[str] = set()
    for secret in _references(configuration):
        password = secret.value.partition("://")[2].rpartition("@")[0].partition(":")[2]
        found.update(filter(None, (secret.value, password, unquote(password))))
    return frozenset(found)


def _references(value: Any) -> Iterator[Secret]:
    """Every secret within ``value``, a section or a collection of some."""
    if isinstance(value, Secret):
        yield value
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _references(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, tuple | list | frozenset | set):
        for one in value:
            yield from _references(one)


def _without(known: Iterable[str], finding: Finding) -> Finding:
    """``finding`` with stars in the place of secrets. Short passwords are left: they would be found in any word."""
    result = finding.result
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= SHORTEST_HIDDEN:
            result = result.replace(secret, "***")
    return attrs.evolve(finding, result=result)
