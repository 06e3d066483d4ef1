"""The parts of a router that a command needs, started for it and stopped afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import attrs
from twisted.application.service import IService, MultiService

from orosync.app.container import Container
from orosync.cli.streams import Misused
from orosync.config import Configuration
from orosync.config.readers import did_you_mean
from orosync.config.sections import CookieSection, ForeignSection, TicketSection
from orosync.config.sessions import TicketExchangeSection
from orosync.identity.directories.pool import SqlDirectory

T = TypeVar("T")


def no_such(what: str, name: str, known: Collection[str]) -> Misused:
    """``what``, with a ``name`` that is none of ``known``."""
    hint = did_you_mean(name, known) or f", there are: {', '.join(known) or 'none'}"
    return Misused(f"there is no {what}{hint}")


def only(configuration: Configuration, authenticator: str | None = None, store: str | None = None) -> Configuration:
    """``configuration`` without the parts that neither this authenticator nor this session store needs."""
    authenticators = set() if authenticator is None else {authenticator}
    stores = set() if store is None else {store}
    section = configuration.authenticators.get(authenticator or "")
    if isinstance(section, CookieSection):
        stores.add(section.sessions)
    for name in stores:
        exchange = configuration.session_stores.get(name)
        if isinstance(exchange, TicketExchangeSection):
            authenticators.add(exchange.authenticator)
    used = [configuration.authenticators[name] for name in authenticators]
    directories = {one.directory for one in used if isinstance(one, TicketSection | CookieSection)}
    return attrs.evolve(
        configuration,
        # One question: one process that checks tickets.
        router=attrs.evolve(configuration.router, ticket_processes=1),
        authenticators={name: one for name, one in configuration.authenticators.items() if name in authenticators},
        directories={name: one for name, one in configuration.directories.items() if name in directories},
        session_stores={name: one for name, one in configuration.session_stores.items() if name in stores},
    )


async def ask(
    configuration: Configuration, reactor: Any, question: Callable[[Container], Awaitable[T]], realm: str | None = None
) -> T:
    """Make the parts of ``configuration``, the authorizers of ``realm`` among them, start them, ask, and stop them
    in any case. Raises ConfigError when they cannot be made, and what ``question`` raises."""
    container = Container(configuration, reactor)
    if realm is not None:
        container.chain(realm)
    container.session_stores, container.directories, container.authenticators  # noqa: B018 (made when asked for)
    container.check()
    services = MultiService()
    needed = list(container.services)
    if any(isinstance(one, TicketSection) for one in configuration.authenticators.values()):
        needed.append(container.hasher)
    for service in [*needed, container.sharing]:
        service.setServiceParent(services)
    services.startService()
    try:
        return await question(container)
    finally:
        await services.stopService()
        container.journal.close()


async def shared_passwords(container: Container) -> list[str]:
    """Warnings of users who have one password hash, or that a directory does not tell. Databases are asked, plugins are
    not; what fails is no fault of the configuration."""
    sections, known = container.configuration.directories, container.sharing.directories
    asked = [one for name, one in known.items() if not isinstance(sections[name], ForeignSection)]
    services = MultiService()
    databases: list[IService] = [service for service in container.services if isinstance(service, SqlDirectory)]
    for service in [*databases, *asked]:
        service.setServiceParent(services)
    services.startService()
    try:
        for one in asked:
            await one.refresh()
        return [warning for one in asked if (warning := one.warning())]
    finally:
        await services.stopService()
        container.journal.close()
