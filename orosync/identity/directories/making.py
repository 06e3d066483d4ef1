"""Directories in databases made from the sections that describe them.

It must not know how a section is written, or what is asked of a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orosync.config.sections import SqlDirectorySection
from orosync.errors import ConfigError
from orosync.identity.directories import dsn
from orosync.identity.directories.engine import Limits, missing_driver
from orosync.identity.directories.lookups import Lookups
from orosync.identity.directories.mysql import MySQL
from orosync.identity.directories.pool import SqlDirectory
from orosync.identity.directories.postgresql import PostgreSQL
from orosync.interfaces import IJournal

ENGINES: Mapping[str, type[PostgreSQL] | type[MySQL]] = {"postgresql": PostgreSQL, "mysql": MySQL}


def sql_directory(section: SqlDirectorySection, journal: IJournal, reactor: Any) -> tuple[Lookups, SqlDirectory]:
    """The directory of ``section`` with its queue in front, and what has to be started and stopped for it.

    Raises ConfigError."""
    title = f"directory:{section.name}"
    limits = Limits(section.connect_timeout, section.query_timeout, section.connections)
    kind = ENGINES[section.use]
    missing = missing_driver(kind.module, kind.extra)
    if missing:
        raise ConfigError([f"[{title}] use: {section.use} {missing}"])
    try:
        engine = kind(dsn.parse(section.dsn.value), limits)
    except ValueError as error:
        raise ConfigError([f"[{title}] dsn: {section.dsn} {error}"]) from None
    directory = SqlDirectory(section.name, engine, limits, reactor, section.users)
    lookups = Lookups(section.name, directory, journal, reactor, at_once=section.connections, kept=section.cache)
    return lookups, directory
