"""What a probe asks a database: whether users or sessions can be read, and whether the account may do more than that.

Everything is asked on one connection of the adapter, in a thread. The account is that of the DSN, so its rights are the
ones that logins will have. Which rights are too wide is told from the database's own lists; nothing is tried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orosync.clocks import Now
from orosync.identity.directories import sql
from orosync.identity.directories.sql import MYSQL_DIALECT, Dialect, Engine, UnknownSchema
from orosync.model import Finding, FindingState

Ask = Callable[[str, Any], list[Any]]
"""(query, parameters) to rows."""

CLOCKS_APART = 2.0
"""Seconds between two clocks that are worth a warning."""

READ = (
    "oro_user",
    "oro_user_organization",
    "oro_organization",
    "oro_user_access_role",
    "oro_access_role",
    "oro_session",
    "oro_sync_websocket_server_state",
)
"""Oro's tables that etc/sql and docs/sessions.md grant."""

STOPPED = "see whether the database still runs, and what it is busy with"
"""The remedy for a connection that was lost."""

HARMLESS = frozenset({"USAGE", "SELECT", "SHOW VIEW"})
"""Privileges of MySQL with which nothing can be changed."""

_ACCOUNT = {
    True: "SELECT CURRENT_USER(), CONCAT(@@version_comment, ' ', VERSION()), UNIX_TIMESTAMP(NOW(6))",
    False: "SELECT current_user, 'PostgreSQL ' || current_setting('server_version'), "
    "extract(epoch FROM clock_timestamp())",
}
_POSTGRESQL_ROLE = (
    "SELECT rolsuper, rolcreaterole, rolcreatedb, EXISTS ("
    "SELECT FROM pg_roles WHERE rolname = 'pg_read_all_data' AND pg_has_role(current_user, oid, 'USAGE')) "
    "FROM pg_roles WHERE rolname = current_user"
)
_POSTGRESQL_WRITES = (
    "SELECT has_any_column_privilege(%(table)s, 'INSERT') OR has_any_column_privilege(%(table)s, 'UPDATE') "
    "OR has_table_privilege(%(table)s, 'DELETE') OR has_table_privilege(%(table)s, 'TRUNCATE')"
)
_POSTGRESQL_OTHERS = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (current_schemas(false)) "
    "AND c.relname <> ALL (%(known)s) AND has_any_column_privilege(c.oid, 'SELECT')"
)
_MYSQL_OTHERS = (
    "SELECT COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name NOT IN %(known)s"
)


def users(ask: Ask, engine: Engine, title: str, table: str, now: Now) -> Iterator[Finding]:
    """What logins need of the users' ``table``. Raises the driver's error of a connection that is lost at any query."""
    dialect = engine.dialect
    account, server, clock, apart = _account(ask, dialect, now)
    remedy = f"run etc/sql/{_file(dialect)} in this database (docs/directories.md), or correct dsn and users"
    try:
        columns = ask(*sql.probe(dialect, table))
        if not columns:
            raise UnknownSchema(f"no table {table} is to be seen: it is not in this database, or not granted")
        found = ask(sql.look_up(dialect, table, columns), sql.parameters(""))
    except UnknownSchema as error:
        yield Finding(title, FindingState.FAULT, f"{account}: {error}", remedy)
        return
    except Exception as error:
        yield _failed(engine, title, account, error, remedy)
        return
    if found:
        yield Finding(title, FindingState.OK, f"users can be read as {account} ({server})")
    else:
        remedy = "correct the database in dsn, or load Oro's users"
        yield Finding(title, FindingState.WARNING, f"{table} can be read as {account}, and has no user", remedy)
    yield from _excess(ask, engine, title, account, table)
    yield _clock(f"{title} clock", clock, apart)
    yield from _without_password(ask, engine, title, table)


def sessions(ask: Ask, engine: Engine, title: str, table: str, query: str, parameters: Any) -> Iterator[Finding]:
    """What a look-up by ``query`` needs of the ``table`` of sessions. Raises as ``users`` does."""
    account, server, _, _ = _account(ask, engine.dialect, None)
    try:
        ask(query, parameters)
    except Exception as error:
        remedy = f"grant SELECT on its four columns (docs/sessions.md), or correct dsn and table ({table})"
        yield _failed(engine, title, account, error, remedy)
        return
    yield Finding(title, FindingState.OK, f"sessions can be read as {account} ({server})")
    yield from _excess(ask, engine, title, account, table)


def not_connected(title: str, words: str, refused: bool, remedy: str = "") -> Finding:
    """There is no connection: the server ``refused`` the login, or nothing answered."""
    if refused:
        return Finding(
            title, FindingState.FAULT, words, "correct user, password and database in dsn, or the account's rights"
        )
    return Finding(
        title, FindingState.UNREACHABLE, words, remedy or "start the database, or correct host and port in dsn"
    )


def _account(ask: Ask, dialect: Dialect, now: Now | None) -> tuple[str, str, float, float]:
    """The account, the server, how far its clock is ahead of ours, and how exactly that is known; both in seconds."""
    before = now() if now is not None else 0.0
    account, server, clock = ask(_ACCOUNT[dialect is MYSQL_DIALECT], None)[0]
    after = now() if now is not None else 0.0
    return sql.as_text(account), sql.as_text(server), float(clock) - (before + after) / 2, (after - before) / 2


def _failed(engine: Engine, title: str, account: str, error: Exception, remedy: str) -> Finding:
    """What a query's error says. Raises it when the connection is lost: the rest cannot be asked."""
    if engine.is_disconnect(error):
        raise error
    words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if engine.is_late(error):
        return Finding(
            title,
            FindingState.UNREACHABLE,
            f"{account}: {words}",
            "raise query_timeout, or see what the database is busy with",
        )
    return Finding(title, FindingState.FAULT, f"{account}: {words}", remedy)


def _clock(check: str, ahead: float, uncertain: float) -> Finding:
    if abs(ahead) <= CLOCKS_APART + uncertain:
        return Finding(check, FindingState.OK, f"agrees with the database's within {CLOCKS_APART + uncertain:.0f} s")
    way = "ahead of" if ahead > 0 else "behind"
    return Finding(
        check,
        FindingState.WARNING,
        f"the database's clock is {abs(ahead):.0f} s {way} this machine's",
        "have both machines, and PHP's, set their clocks by NTP: tickets are dated",
    )


def _without_password(ask: Ask, engine: Engine, title: str, table: str) -> Iterator[Finding]:
    query = f"SELECT COUNT(*), MIN(id) FROM {table} WHERE enabled AND (password IS NULL OR TRIM(password) = '')"
    try:
        count, first = ask(query, None)[0]
    except Exception as error:
        yield _failed(engine, f"{title} passwords", "", error, "see the database's log")
        return
    if count:
        yield Finding(
            f"{title} passwords",
            FindingState.WARNING,
            f"{count} enabled users have no password hash (the first has the id {first}), so that their tickets are "
            "refused unless accept_without_password says otherwise",
            "docs/directories.md, users without a password of their own",
        )


def _excess(ask: Ask, engine: Engine, title: str, account: str, table: str) -> Iterator[Finding]:
    check, dialect = f"{title} rights", engine.dialect
    try:
        found = [*(_mysql_excess if dialect is MYSQL_DIALECT else _postgresql_excess)(ask, table)]
    except Exception as error:
        if engine.is_disconnect(error):
            raise
        yield Finding(check, FindingState.WARNING, f"cannot be told ({type(error).__name__})", "see the database's log")
        return
    if found:
        remedy = f"have an account of orosync's own: etc/sql/{_file(dialect)} (docs/directories.md)"
        yield Finding(check, FindingState.WARNING, f"{account} {', '.join(found)}: more than orosync needs", remedy)
    else:
        yield Finding(check, FindingState.OK, f"{account} may read what is needed and write nothing")


def _postgresql_excess(ask: Ask, table: str) -> Iterator[str]:
    superuser, roles, databases, reads_all = ask(_POSTGRESQL_ROLE, None)[0]
    if superuser:
        yield "is a superuser"
        return
    if roles:
        yield "may create roles"
    if databases:
        yield "may create databases"
    if ask(_POSTGRESQL_WRITES, {"table": table})[0][0]:
        yield f"may write {table}"
    others = ask(_POSTGRESQL_OTHERS, {"known": [*READ, table.rpartition(".")[2]]})[0][0]
    if reads_all or others:
        yield f"may read {others} other tables"


def _mysql_excess(ask: Ask, table: str) -> Iterator[str]:
    yield from granted([sql.as_text(row[0]) for row in ask("SHOW GRANTS", None)])
    others = ask(_MYSQL_OTHERS, {"known": (*READ, table.rpartition(".")[2])})[0][0]
    if others:
        yield f"may use {others} other tables"


def granted(lines: Sequence[str]) -> Iterator[str]:
    """What the lines of SHOW GRANTS allow beyond reading. They may end with a password's hash, which is left out."""
    for line in lines:
        found = re.match(r"GRANT (?P<privileges>.+?) ON (?P<scope>\S+) TO ", line)
        if found is None:  # a role, whose own lines are listed too
            continue
        privileges = re.sub(r"\s*\([^)]*\)", "", found["privileges"]).split(", ")
        more = [one for one in privileges if one not in HARMLESS]
        if more:
            named = ", ".join(more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")
            yield f"has {named} on {found['scope'].replace('`', '')}"


def _file(dialect: Dialect) -> str:
    return "mysql.sql" if dialect is MYSQL_DIALECT else "postgresql.sql"
