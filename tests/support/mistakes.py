"""Directories and session stores of a configuration with one mistake each, on the real servers of this run.

``sections`` gives their text, with the addresses in the environment; ``EXPECTED`` what a probe has to say of each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from tests.identity.directories import oro
from tests.identity.sessions import test_redis
from tests.support.ports import free_port

LOCKED_OUT = "locked-out-password"

EXPECTED = {
    "directory:postgresql_closed": ("unreachable", "refused"),
    "directory:postgresql_database": ("fault", 'database "nowhere" does not exist'),
    "directory:postgresql_password": ("fault", "password authentication failed"),
    "directory:postgresql_grant": ("fault", "no table oro_user is to be seen"),
    "directory:mysql_closed": ("unreachable", "refused"),
    "directory:mysql_database": ("fault", "nowhere"),
    "directory:mysql_password": ("fault", "Access denied"),
    "directory:mysql_grant": ("fault", "no table oro_user is to be seen"),
    "sessions:redis_closed": ("unreachable", "refused"),
    "sessions:redis_password": ("fault", "WRONGPASS"),
    "sessions:redis_grant": ("fault", "NOPERM"),
    "sessions:files_nowhere": ("fault", "there is no such directory"),
}
"""By section: the state, and a part of what is said."""


@functools.cache
def environment() -> dict[str, str]:
    """The addresses by their variables, with servers behind them that are started for it."""
    postgresql, mariadb, redis = oro.on_postgresql(oro.COLUMN), oro.on_mariadb(oro.COLUMN), test_redis.server()
    postgresql.execute(f"DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN PASSWORD '{LOCKED_OUT}'")
    mariadb.execute("CREATE TABLE IF NOT EXISTS other (id integer)", oro.COLUMN)
    mariadb.execute(f"GRANT SELECT ON {oro.COLUMN}.other TO stranger@'%' IDENTIFIED BY '{LOCKED_OUT}'")
    redis.ask("ACL", "SETUSER", "stranger", "on", f">{LOCKED_OUT}", "~other*", "-@all", "+get", "+select")
    found = {}
    for scheme, name, port in (("postgres", "POSTGRESQL", postgresql.port), ("mysql", "MYSQL", mariadb.port)):
        reader, base = f"{oro.READER}:{quote(oro.PASSWORD, safe='')}", "@127.0.0.1"
        found |= {
            f"{name}_GOOD": f"{scheme}://{reader}{base}:{port}/{oro.COLUMN}?sslmode=disable",
            f"{name}_CLOSED": f"{scheme}://{reader}{base}:{free_port()}/{oro.COLUMN}?sslmode=disable",
            f"{name}_DATABASE": f"{scheme}://{reader}{base}:{port}/nowhere?sslmode=disable",
            f"{name}_PASSWORD": f"{scheme}://{oro.READER}:{LOCKED_OUT}{base}:{port}/{oro.COLUMN}?sslmode=disable",
            f"{name}_GRANT": f"{scheme}://stranger:{LOCKED_OUT}{base}:{port}/{oro.COLUMN}?sslmode=disable",
        }
    return found | {
        "REDIS_GOOD": f"redis://orosync:r%40ad%3Aer@127.0.0.1:{redis.port}/3",
        "REDIS_CLOSED": f"redis://orosync:r%40ad%3Aer@127.0.0.1:{free_port()}/3",
        "REDIS_PASSWORD": f"redis://orosync:{LOCKED_OUT}@127.0.0.1:{redis.port}/3",
        "REDIS_GRANT": f"redis://stranger:{LOCKED_OUT}@127.0.0.1:{redis.port}/3",
    }


def sections(titles: Iterable[str] = tuple(EXPECTED)) -> str:
    """The sections with these titles (``directory:mysql_grant``)."""
    lines = []
    for title in titles:
        _, _, name = title.partition(":")
        use = name.partition("_")[0]
        lines += [f"[{title}]", f"use = {use}"]
        lines.append(f"path = {Path('/nowhere/sessions')}" if use == "files" else f"dsn = env:{name.upper()}")
    return "\n".join(lines) + "\n"


def passwords() -> list[str]:
    """What must never be shown."""
    return [oro.PASSWORD, quote(oro.PASSWORD, safe=""), LOCKED_OUT, "r@ad:er", "r%40ad%3Aer"]
