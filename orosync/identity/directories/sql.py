"""The one query of a look-up, for each kind of database and each form of Oro's tables.

Text in, text out; rows in, users out. What it reads (Oro, UserBundle, OroUserBundleInstaller): ``oro_user``, its
organisations as far as they are enabled, its roles. Where a user's authentication status stands differs: in
``auth_status_id`` up to Oro 6.0, in ``serialized_data`` from 6.1 on, in ``auth_status`` of a view of one's own. A
probe of the columns that may be read tells. This file must not know connections, threads or drivers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from orosync.model import MOST_SHARED, SharedPassword, User

LONGEST_LOGIN = 255
"""Characters: ``oro_user.username`` and ``.email`` are varchar(255)."""

NEEDED = ("id", "username", "email", "email_lowercase", "password", "enabled")
NOT_ASKED_FOR = 3
"""The distance of a row that only fills up; 0 is the username, 1 the e-mail, 2 the e-mail in another case."""

SHUT_OUT = frozenset({"reset", "expired", "locked"})
"""Statuses of users who must choose a new password ("expired" until Oro 2.x), or are locked out (Enterprise)."""


class UnknownSchema(Exception):
    """The users' table is not there, or columns that are needed may not be read; the text says which."""


@attrs.frozen
class Dialect:
    """How one kind of database says things. ``same`` compares a column and a parameter letter by letter; ``exact`` is a
    column as a value by which rows are grouped letter by letter, ``ids`` its first ten users."""

    here: str
    same: str
    exact: str
    ids: str
    json_types: frozenset[str]
    json_status: str
    json_list: str


POSTGRESQL = Dialect(
    here="ANY (current_schemas(false))",
    same="{column} = {value}",
    exact="{column}",
    ids="array_to_string((array_agg(id ORDER BY id))[1:10], ',')",
    json_types=frozenset({"json", "jsonb"}),
    json_status="u.serialized_data ->> 'auth_status'",
    json_list="json_agg({item})::text",
)
# The first half of ``same`` is for the index; collations of MySQL ignore case, accents and blanks at the end.
# MariaDB keeps JSON as text.
MYSQL = Dialect(
    here="DATABASE()",
    same="({column} = {value} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST({value} AS BINARY))",
    exact="CAST(CONVERT({column} USING utf8mb4) AS BINARY)",
    ids="SUBSTRING_INDEX(GROUP_CONCAT(id ORDER BY id), ',', 10)",
    json_types=frozenset({"json", "longtext"}),
    json_status=(
        "CASE WHEN JSON_VALID(u.serialized_data) "
        "THEN JSON_UNQUOTE(JSON_EXTRACT(u.serialized_data, '$.auth_status')) END"
    ),
    json_list="JSON_ARRAYAGG({item})",
)


def is_storable(login: str) -> bool:
    """Whether a username or an e-mail could be ``login`` at all; what could not be never reaches a database."""
    if not 0 < len(login) <= LONGEST_LOGIN or "\0" in login:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in login)


def probe(dialect: Dialect, users: str) -> tuple[str, Mapping[str, str]]:
    """The query that finds the columns of ``users`` (``[schema.]table``) that may be read, and its parameters.

    Both databases list those columns only on which the asking user has a right."""
    schema, _, table = users.rpartition(".")
    where = "= %(schema)s" if schema else f"= {dialect.here}"
    text = (
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_name = %(table)s AND table_schema {where}"
    )
    return text, {"table": table, "schema": schema}


def look_up(dialect: Dialect, users: str, columns: Iterable[Sequence[Any]]) -> str:
    """The query of a look-up for the columns that a probe found. UnknownSchema when they are not enough.

    Its parameters are those of ``parameters``. It gives two rows, the nearest first, and fills up with users who were
    not asked for: finding nobody has to take as long as finding somebody, or time would tell which names exist.
    """
    types = {str(name).lower(): str(kind).lower() for name, kind in columns}
    missing = [name for name in NEEDED if name not in types]
    if missing:
        raise UnknownSchema(f"{users}: {', '.join(missing)} cannot be read: not there, or not granted")
    schema, dot, _ = users.rpartition(".")
    prefix = schema + dot
    username = dialect.same.format(column="username", value="%(login)s")
    email = dialect.same.format(column="email", value="%(email)s")
    any_case = dialect.same.format(column="email_lowercase", value="%(lower)s")
    organizations = dialect.json_list.format(item="o.id")
    roles = dialect.json_list.format(item="r.role")
    return f"""\
SELECT near.distance, u.id, u.username, u.email, u.password, u.enabled, {_status(dialect, users, types)},
       (SELECT {organizations} FROM {prefix}oro_user_organization uo
         JOIN {prefix}oro_organization o ON o.id = uo.organization_id WHERE uo.user_id = u.id AND o.enabled),
       (SELECT {roles} FROM {prefix}oro_user_access_role ur
         JOIN {prefix}oro_access_role r ON r.id = ur.role_id WHERE ur.user_id = u.id)
  FROM ((SELECT id, CASE WHEN {username} THEN 0 WHEN {email} THEN 1 ELSE 2 END AS distance
           FROM {users} WHERE {username} OR {any_case})
        UNION ALL (SELECT id, {NOT_ASKED_FOR} FROM {users} ORDER BY id LIMIT 2)
        ORDER BY distance LIMIT 2) near
  JOIN {users} u ON u.id = near.id ORDER BY near.distance"""


def _status(dialect: Dialect, users: str, types: Mapping[str, str]) -> str:
    if "auth_status" in types:
        return "u.auth_status"
    found = []
    if types.get("serialized_data") in dialect.json_types:
        found.append(dialect.json_status)
    if "auth_status_id" in types:
        # Behind the newer form: the column may be left over from an upgrade, while up to 6.0 the other has no such key.
        found.append("u.auth_status_id")
    if not found:
        raise UnknownSchema(f"{users}: neither auth_status_id nor serialized_data (as JSON) can be read")
    return f"COALESCE({', '.join(found)})" if len(found) > 1 else found[0]


def shared(dialect: Dialect, users: str) -> str:
    """The query that finds the password hashes which more than one user has; its rows are for ``groups``. It reads no
    more columns than a look-up does."""
    password = dialect.exact.format(column="password")
    return f"""\
SELECT {password}, COUNT(*), SUM(CASE WHEN enabled THEN 1 ELSE 0 END), {dialect.ids}
  FROM {users} WHERE TRIM(password) <> ''
 GROUP BY {password} HAVING COUNT(*) > 1 ORDER BY MIN(id) LIMIT {MOST_SHARED}"""


def groups(rows: Iterable[Sequence[Any]]) -> list[SharedPassword]:
    """What ``shared`` has found. Hashes of white space alone are none."""
    found = [
        SharedPassword(_text(password), int(count), int(enabled), tuple(int(one) for one in _text(ids).split(",")))
        for password, count, enabled, ids in rows
    ]
    return [one for one in found if one.password_hash.strip()]


def parameters(login: str) -> dict[str, str | None]:
    """What a look-up is asked with. Without an "@" it is no e-mail, and none is compared."""
    email = login if "@" in login else None
    return {"login": login, "email": email, "lower": None if email is None else email.lower()}


def choose(rows: Sequence[Sequence[Any]]) -> User | None:
    """The user of a look-up's rows. Nobody, if two users' e-mails differ in case alone and neither is exact."""
    users = [_user(row) for row in rows]  # those not asked for too: see ``look_up``
    distances = [row[0] for row in rows] + [NOT_ASKED_FOR] * 2
    return users[0] if distances[0] < distances[1] else None


def _user(row: Sequence[Any]) -> User:
    _, number, username, email, password, enabled, status, organizations, roles = row
    return User(
        id=int(number),
        username=_text(username),
        password_hash=_text(password),
        enabled=bool(enabled) and _text(status).removeprefix("auth_status.") not in SHUT_OUT,
        email=_text(email),
        organizations=frozenset(int(one) for one in json.loads(organizations or "[]")),
        roles=frozenset(str(one) for one in json.loads(roles or "[]")),
    )


def _text(value: str | bytes | None) -> str:
    """Text; some columns and functions of MySQL give bytes."""
    return value.decode() if isinstance(value, bytes) else value or ""
