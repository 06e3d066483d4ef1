"""orosync init on applications laid out as they ship: what it writes is checked, run, and logged in to by the
application's own ticket and cookie, with the users in PostgreSQL and, of 5.1, in MariaDB too."""

from __future__ import annotations

import functools
import http.client
import io
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.cli import main
from orosync.cli.streams import Streams
from orosync.model import AdminSession, User
from tests.config.oro_trees import lay_out
from tests.deployments.cases import APPLICATIONS, VERSIONS
from tests.identity.directories import oro
from tests.identity.sessions.logins import written
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start
from tests.support import mariadb, postgresql
from tests.support.ports import free_port
from tests.support.processes import Child

URL = "https://office.example.com"
ANNA = User(1, "anna", f"$2y$13${secrets.token_hex(20)}", organizations=frozenset({1}))
OWNER, OWNERS_PASSWORD = "oro", "the owner's"

TABLES = """
CREATE TABLE oro_config (id {id}, entity varchar(255), record_id integer);
CREATE TABLE oro_session (
    id varchar(128) PRIMARY KEY, sess_data {blob} NOT NULL, sess_time integer NOT NULL, sess_lifetime integer NOT NULL
);
CREATE TABLE oro_config_value (
    id {id}, config_id integer NOT NULL, name varchar(255) NOT NULL, section varchar(50), text_value {text}
);
INSERT INTO oro_config (entity, record_id) VALUES ('app', 0), ('user', 1);
INSERT INTO oro_config_value (config_id, name, section, text_value) VALUES
    (1, 'application_url', 'oro_ui', 'URL/'), (1, 'url', 'oro_website', 'https://shop.example.com'),
    (2, 'application_url', 'oro_ui', 'https://other.example.com')
""".replace("URL", URL)


def database(server, words, name, form):
    """Oro's tables in a database of that name, with Anna, the Application URL and a table for sessions."""
    words = {**words, "blob": "bytea" if words is oro.POSTGRESQL_WORDS else "longblob"}
    server.execute(f"CREATE DATABASE {name}")
    for statement in (*oro.tables(words, form), *TABLES.format(**words).split(";")):
        server.execute(statement, name)
    oro.add_organization(server, name, 1, True)
    oro.add_user(server, name, ANNA, None if form == oro.COLUMN else "active")
    if form == oro.COLUMN:
        server.execute("UPDATE oro_user SET auth_status_id = 'active'", name)
    server.execute("INSERT INTO oro_user_organization VALUES (1, 1)", name)


class Postgres:
    """The server, and the DSN that Oro has."""

    def __init__(self):
        self.server = postgresql.server()
        for name, form in (("init_column", oro.COLUMN), ("init_serialized", oro.SERIALIZED)):
            database(self.server, oro.POSTGRESQL_WORDS, name, form)

    def dsn(self, version):
        name = "init_column" if version == "5.1" else "init_serialized"
        password = quote(postgresql.PASSWORD, safe="")
        place = f"127.0.0.1:{self.server.port}/{name}"
        return f"postgres://{postgresql.OWNER}:{password}@{place}?sslmode=disable&charset=utf8&serverVersion=13.7"

    def forget(self):
        """The account is as other tests expect it."""
        self.server.execute(f"ALTER ROLE {oro.READER} PASSWORD '{oro.quoted(oro.PASSWORD)}'")


class Maria:
    """As Postgres, for 5.1 alone."""

    def __init__(self):
        self.server = mariadb.server()
        database(self.server, oro.MYSQL_WORDS, "init_column", oro.COLUMN)
        self.server.execute(f"CREATE USER {OWNER} IDENTIFIED BY '{oro.quoted(OWNERS_PASSWORD)}'")
        self.server.execute(f"GRANT ALL ON init_column.* TO {OWNER}")

    def dsn(self, version):
        password = quote(OWNERS_PASSWORD, safe="")
        return f"mysql://{OWNER}:{password}@127.0.0.1:{self.server.port}/init_column?charset=utf8mb4&serverVersion=8.0"

    def forget(self):
        self.server.execute(f"ALTER USER '{oro.READER}'@'%' IDENTIFIED BY '{oro.quoted(oro.PASSWORD)}' ACCOUNT UNLOCK")


@functools.cache
def databases():
    """For all tests: PostgreSQL's and MariaDB's."""
    return Postgres(), Maria()


class Office:
    """The application's substitute in PHP: a login, its cookie and a ticket."""

    def __init__(self, application, version, top, secret):
        self._shipped = APPLICATIONS[application]
        self._port = free_port()
        where = top / "office.json"
        where.write_text(
            json.dumps(
                {
                    "prefix": self._shipped.prefix,
                    "cookie": self._shipped.cookie,
                    "cookie_path": self._shipped.cookie_path,
                    "samesite": VERSIONS[version].samesite,
                    "sessions": str(top / "var" / "sessions" / "prod"),
                    "state_length": VERSIONS[version].state_length,
                    "secret": secret,
                    "socket": "//*:8080/ws",
                    "send_ticket": True,
                    "lock": str(top / VERSIONS[version].lock),
                    "users": {"anna": {"id": 1, "password": ANNA.password_hash, "organization": 1}},
                }
            )
        )
        command = ["php", "-S", f"127.0.0.1:{self._port}", str(TREE / "tests/php/application.php")]
        self.child = Child(command, environ={**os.environ, "OFFICE": str(where)})
        self.child.wait_for_port(self._port)
        self._cookies = {}

    def log_in(self):
        """(the session cookie's value, a ticket) of Anna."""
        self._request("POST", "/user/login", "_username=anna")
        self._request("GET", "/")
        ticket = json.loads(self._request("POST", "/sync/ticket"))["ticket"]
        return self._cookies[self._shipped.cookie], ticket

    def _request(self, method, path, body=""):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
            "X-CSRF-Header": self._cookies.get("_csrf", ""),
        }
        connection.request(method, self._shipped.prefix + path, body, headers)
        answer = connection.getresponse()
        for header in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = header.partition(";")[0].partition("=")
            self._cookies[name] = value
        text = answer.read().decode()
        connection.close()
        return text


async def orosync(*arguments):
    """The command, in this process: (exit code, output, errors)."""
    streams = Streams(io.StringIO(), io.StringIO(), io.StringIO())
    options = main.parser().parse_args([*map(str, arguments)])
    code = await Deferred.fromCoroutine(main.run(reactor, options, streams))
    return code, streams.stdout.getvalue(), streams.stderr.getvalue()


class InitTests(TestCase):
    timeout = 300  # two cores may be busy

    def setUp(self):
        self.databases = databases()
        for one in self.databases:
            self.addCleanup(one.forget)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORO_")}
        self.environ = mock.patch.dict(os.environ, kept, clear=True)
        self.environ.start()
        self.addCleanup(self.environ.stop)

    async def play(self, application, version, database):
        """init, the account, check-config, the router, then both logins, at the path that the application needs."""
        top = Path(tempfile.mkdtemp(prefix="init-"))
        self.addCleanup(shutil.rmtree, top)
        secret, port = secrets.token_hex(20), free_port()
        tree = lay_out(top / "oro", application, version, {"ORO_SECRET": secret, "ORO_DB_DSN": database.dsn(version)})
        output = top / "etc"
        said = await orosync(
            *("init", "--from-oro", tree, "--output", output),
            *("--query-database", "--port", port, "--proxy", "nginx"),
        )
        self.assertEqual(said[0::2], (0, ""), said)
        name = "init_column" if version == "5.1" else "init_serialized"
        database.server.script(output / "account.sql", name)
        config = output / "router.ini"
        os.environ.update({"CREDENTIALS_DIRECTORY": str(output), "STATE_DIRECTORY": str(top)})
        code, checked, errors = await orosync("check-config", "--config", config)
        self.assertEqual((code, checked, errors), (0, "configuration OK\n", ""))
        code, probed, errors = await orosync("check-config", "--probe", "--config", config)
        self.assertEqual((code, errors), (0, ""), probed)
        self.assertRegex(probed, r"\ndirectory:people rights +ok ")
        office = Office(application, version, tree, secret)
        self.addCleanup(office.child.end)
        cookie, ticket = office.log_in()
        router = start(config)
        self.addCleanup(router.end)
        router.wait_for_port(port)
        shipped = APPLICATIONS[application]
        self.assertIn(f"location {shipped.socket_path} {{", (output / "nginx.conf").read_text())
        self.assertTrue(shipped.gets_cookie)
        forwarded = ("X-Forwarded-For: 192.0.2.7",)
        url = f"ws://127.0.0.1:{port}{shipped.socket_path}"
        for query, headers in (
            (f"?ticket={quote(ticket, safe='')}", ()),
            ("", (f"Cookie: {shipped.cookie}={cookie}",)),
        ):
            client = RawClient(url + query, "wamp.2.json", URL, (*forwarded, *headers))
            self.addCleanup(client.close)
            self.assertEqual(client.status, 101, router.output)
            client.send([1, "oro", {"roles": {"subscriber": {}}}])
            self.assertEqual(client.read()[2]["authid"], "anna")
        stranger = RawClient(url, "wamp", URL, (*forwarded, f"Cookie: {shipped.cookie}={'x' * 26}"))
        self.addCleanup(stranger.close)
        self.assertEqual(stranger.status, 403)

    async def test_sessions_in_the_database(self):
        """With ORO_SESSION_DSN=pdo: the account may read PHP's sessions too, and a cookie's session is found there."""
        cookie = "p" * 26
        anna = AdminSession("anna", 1, ANNA.password_hash)
        on_postgresql, on_mariadb = self.databases
        for database, version, name, driver, user, password in (
            (on_postgresql, "7.0", "init_serialized", "pgsql", postgresql.OWNER, postgresql.PASSWORD),
            (on_mariadb, "5.1", "init_column", "mysql", OWNER, OWNERS_PASSWORD),
        ):
            top = Path(tempfile.mkdtemp(prefix="init-"))
            self.addCleanup(shutil.rmtree, top)
            variables = {"ORO_SECRET": "x" * 32, "ORO_DB_DSN": database.dsn(version), "ORO_SESSION_DSN": "pdo:"}
            tree = lay_out(top / "oro", "platform", version, variables)
            said = await orosync("init", "--from-oro", tree, "--output", top / "etc", "--application-url", URL)
            self.assertEqual(said[0::2], (0, ""), said)
            database.server.script(top / "etc" / "account.sql", name)
            place = f"{driver}:host=127.0.0.1;port={database.server.port};dbname={name}"
            written("pdo", {cookie: anna}, dsn=place, user=user, password=password, relative=False)
            os.environ.update({"CREDENTIALS_DIRECTORY": str(top / "etc"), "STATE_DIRECTORY": str(top)})
            (top / "cookie").write_text(cookie)
            given = ("--config", top / "etc" / "router.ini", "--sessions", "office", top / "cookie")
            code, told, errors = await orosync("session", "verify", *given)
            self.assertEqual((code, errors), (0, ""), told)
            self.assertIn("user 'anna' (id 1)", told)

    async def play_versions(self, application):
        on_postgresql, on_mariadb = self.databases
        await self.play(application, "5.1", on_mariadb)
        for version in ("6.1", "7.0"):
            await self.play(application, version, on_postgresql)

    async def test_platform(self):
        """OroPlatform: the cookie BAPID for all paths. 5.1 may have its users in PostgreSQL too."""
        await self.play_versions("platform")
        await self.play("platform", "5.1", self.databases[0])

    async def test_crm(self):
        """OroCRM: the cookie CRMID."""
        await self.play_versions("crm")

    async def test_commerce(self):
        """OroCommerce: the cookie BAPID for the back office's prefix, below which the WebSocket is then."""
        await self.play_versions("commerce")
