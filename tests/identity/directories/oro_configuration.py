"""Databases of Oro 7.0 with its system configuration: the Application URL, and when a value was last changed."""

from __future__ import annotations

import functools
from typing import Any

from tests.identity.directories import oro
from tests.support import mariadb, postgresql

DATABASE = "oro70"

# OroConfigBundleInstaller, OroSyncBundleInstaller.
TABLES = """
CREATE TABLE oro_config (id {id}, entity varchar(255), record_id integer);
CREATE UNIQUE INDEX config_uq_entity ON oro_config (entity, record_id);
CREATE TABLE oro_config_value (
    id {id}, config_id integer, name varchar(255) NOT NULL, section varchar(50), text_value {text},
    type varchar(20) NOT NULL, created_at timestamp NULL, updated_at timestamp NULL
);
CREATE UNIQUE INDEX config_value_uq_entity ON oro_config_value (name, section, config_id);
CREATE TABLE oro_sync_websocket_server_state (id varchar(15) PRIMARY KEY, updated_at timestamp NULL)"""


def statements(words: dict[str, str]) -> list[str]:
    """Those that make the tables."""
    return [*oro.tables(words, oro.SERIALIZED), *TABLES.format(**words).split(";")]


@functools.cache
def on_postgresql() -> postgresql.PostgreSQL:
    """The server, with that database, and what an administrator does for orosync."""
    server = postgresql.server()
    server.execute(f"CREATE DATABASE {DATABASE}")
    for statement in (
        *oro.tables(oro.POSTGRESQL_WORDS, oro.SERIALIZED),
        *TABLES.format(**oro.POSTGRESQL_WORDS).split(";"),
    ):
        server.execute(statement, DATABASE)
    for _ in range(2):  # as after an upgrade
        server.script(oro.SCRIPTS / "postgresql.sql", DATABASE, origins="yes")
    server.execute(f"ALTER ROLE {oro.READER} PASSWORD '{oro.quoted(oro.PASSWORD)}'")
    return server


@functools.cache
def on_mariadb() -> mariadb.MariaDB:
    """The server, with that database, and what an administrator does for orosync."""
    server = mariadb.server()
    server.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
    for statement in statements(oro.MYSQL_WORDS):
        server.execute(statement, DATABASE)
    for _ in range(2):
        server.script(oro.SCRIPTS / "mysql.sql", DATABASE, "SET @origins = 1")
    server.execute(f"ALTER USER '{oro.READER}'@'%' IDENTIFIED BY '{oro.quoted(oro.PASSWORD)}' ACCOUNT UNLOCK")
    return server


def clear(server: Any) -> None:
    """As installed: no value was ever changed."""
    for table in ("oro_config_value", "oro_config", "oro_sync_websocket_server_state"):
        server.execute(f"DELETE FROM {table}", DATABASE)
    server.execute("INSERT INTO oro_config (id, entity, record_id) VALUES (1, 'app', 0), (2, 'user', 1)", DATABASE)


def save(server: Any, url: str | None, at: str, config: int = 1, name: str = "application_url") -> None:
    """A value is saved in Oro's system configuration at a time; None: it is what it was as installed."""
    server.execute("DELETE FROM oro_config_value WHERE config_id = %s AND name = %s", DATABASE, config, name)
    if url is not None:
        server.execute(
            "INSERT INTO oro_config_value (config_id, name, section, text_value, type) "
            "VALUES (%s, %s, 'oro_ui', %s, 'scalar')",
            DATABASE, config, name, url,
        )  # fmt: skip
    server.execute("DELETE FROM oro_sync_websocket_server_state WHERE id = 'system_config'", DATABASE)
    server.execute("INSERT INTO oro_sync_websocket_server_state VALUES ('system_config', %s)", DATABASE, at)
