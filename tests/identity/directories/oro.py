"""Databases with the columns that Oro's tables have, in both forms, and users written into them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orosync.model import User
from tests.support import mariadb, postgresql

SCRIPTS = Path(__file__).resolve().parents[3] / "etc" / "sql"
COLUMN, SERIALIZED, VIEW = "oro60", "oro61", "oro61_view"
"""The databases: authentication status in auth_status_id, in serialized_data, and there but shown by a view alone."""

READER = "orosync"
PASSWORD = "r@ad/er's: 100%?"

# OroUserBundleInstaller and OroOrganizationBundleInstaller, as far as they concern users; createdAt with its capital.
TABLES = """
CREATE TABLE oro_organization (
    id {id}, name varchar(255) NOT NULL UNIQUE, description {text}, created_at timestamp NULL,
    enabled {boolean} NOT NULL
);
CREATE TABLE oro_access_role (
    id {id}, role varchar(30) NOT NULL UNIQUE, label varchar(30) NOT NULL, extend_description {text}
);
CREATE TABLE oro_user (
    id {id}, business_unit_owner_id integer, organization_id integer,
    username varchar(255) NOT NULL, username_lowercase varchar(255) NOT NULL,
    email varchar(255) NOT NULL, email_lowercase varchar(255) NOT NULL, phone varchar(255),
    name_prefix varchar(255), first_name varchar(255), middle_name varchar(255), last_name varchar(255),
    name_suffix varchar(255), birthday date, enabled {boolean} NOT NULL, salt varchar(255) NOT NULL,
    password varchar(255) NOT NULL, confirmation_token varchar(255), password_requested timestamp NULL,
    password_changed timestamp NULL, last_login timestamp NULL, login_count integer DEFAULT 0 NOT NULL,
    {quote}createdAt{quote} timestamp NULL, {quote}updatedAt{quote} timestamp NULL, title varchar(255),
    external_id varchar(36), serialized_data {json}{status}
);
CREATE UNIQUE INDEX uniq_username ON oro_user (username);
CREATE UNIQUE INDEX uniq_email ON oro_user (email);
CREATE INDEX idx_oro_user_username_lowercase ON oro_user (username_lowercase);
CREATE INDEX idx_oro_user_email_lowercase ON oro_user (email_lowercase);
CREATE TABLE oro_user_organization (
    user_id integer NOT NULL, organization_id integer NOT NULL, PRIMARY KEY (user_id, organization_id)
);
CREATE TABLE oro_user_access_role (
    user_id integer NOT NULL, role_id integer NOT NULL, PRIMARY KEY (user_id, role_id)
)"""

POSTGRESQL_WORDS = {"id": "serial PRIMARY KEY", "text": "text", "boolean": "boolean", "json": "jsonb", "quote": '"'}
MYSQL_WORDS = {
    "id": "integer AUTO_INCREMENT PRIMARY KEY",
    "text": "longtext",
    "boolean": "tinyint(1)",
    "json": "json",
    "quote": "`",
}
EMPTY = ("oro_user_organization", "oro_user_access_role", "oro_user", "oro_organization", "oro_access_role")


def tables(words: dict[str, str], form: str) -> list[str]:
    """The statements that make Oro's tables in one form."""
    status = ", auth_status_id varchar(32)" if form == COLUMN else ""
    return TABLES.format(**words, status=status).split(";")


@functools.cache
def on_postgresql(form: str) -> postgresql.PostgreSQL:
    """The server, with a database in that form, and what an administrator does for orosync."""
    server = postgresql.server()
    server.execute(f"CREATE DATABASE {form}")
    server.execute(";".join(tables(POSTGRESQL_WORDS, form)), form)
    server.script(SCRIPTS / "postgresql.sql", form, **({"view": "yes"} if form == VIEW else {}))
    server.execute(f"ALTER ROLE {READER} PASSWORD '{quoted(PASSWORD)}'")
    return server


@functools.cache
def on_mariadb(form: str) -> mariadb.MariaDB:
    """The server, with a database in that form, and what an administrator does for orosync."""
    server = mariadb.server()
    server.execute(f"CREATE DATABASE {form} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci")
    for statement in tables(MYSQL_WORDS, form):
        server.execute(statement, form)
    server.script(SCRIPTS / "mysql.sql", form)
    server.execute(f"ALTER USER '{READER}'@'%' IDENTIFIED BY '{quoted(PASSWORD)}' ACCOUNT UNLOCK")
    return server


def quoted(text: str) -> str:
    """Within a literal of SQL."""
    return text.replace("'", "''")


def fill(server: Any, form: str, users: Iterable[User], status: str = "active") -> None:
    """Exactly these users, with their organisations and roles, all of one authentication status."""
    users = tuple(users)
    for table in EMPTY:
        server.execute(f"DELETE FROM {table}", form)
    roles = {role: number for number, role in enumerate(sorted({role for user in users for role in user.roles}), 1)}
    organizations = sorted({one for user in users for one in user.organizations})
    for role, number in roles.items():
        server.execute("INSERT INTO oro_access_role (id, role, label) VALUES (%s, %s, %s)", form, number, role, role)
    for one in organizations:
        add_organization(server, form, one, True)
    for user in users:
        add_user(server, form, user, status)
        for one in user.organizations:
            server.execute("INSERT INTO oro_user_organization VALUES (%s, %s)", form, user.id, one)
        for role in user.roles:
            server.execute("INSERT INTO oro_user_access_role VALUES (%s, %s)", form, user.id, roles[role])


def add_organization(server: Any, form: str, number: int, enabled: bool) -> None:
    """An organisation."""
    text = "INSERT INTO oro_organization (id, name, enabled) VALUES (%s, %s, %s)"
    server.execute(text, form, number, f"organisation {number}", enabled)


def add_user(server: Any, form: str, user: User, status: str | None = "active") -> None:
    """A row of oro_user. Who has no e-mail gets one that nobody looks up: the column has to be unique."""
    email = user.email or f"{user.id}@without.invalid"
    row: dict[str, Any] = {
        "id": user.id,
        "username": user.username,
        "username_lowercase": user.username.lower(),
        "email": email,
        "email_lowercase": email.lower(),
        "enabled": user.enabled,
        "salt": "",
        "password": user.password_hash,
        "serialized_data": json.dumps({"salary": "nobody's business"}),
    }
    if form == COLUMN:
        row["auth_status_id"] = status
    elif status is not None:
        row["serialized_data"] = json.dumps({"salary": "nobody's business", "auth_status": f"auth_status.{status}"})
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    server.execute(f"INSERT INTO oro_user ({columns}) VALUES ({marks})", form, *row.values())
