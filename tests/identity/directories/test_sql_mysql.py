"""A directory in MariaDB, against a real server with Oro's tables; logging in to MySQL 8, against a small double."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from pathlib import Path
from urllib.parse import quote

import trustme
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.database_dsn import parse
from orosync.identity.directories.sql import MySQL, QueryLimits
from orosync.model import User
from orosync.testing import DirectoryContract, SharedPasswordsContract
from tests.identity.directories import oro
from tests.identity.directories.adapter_case import AdapterCase, OnMariaDB, OroTables
from tests.identity.directories.sha2_server import Sha2Server


class WithColumn(OnMariaDB, OroTables, SharedPasswordsContract, DirectoryContract):
    """Oro up to 6.0."""

    form = oro.COLUMN


class Serialized(OnMariaDB, OroTables, DirectoryContract):
    """The newer form."""

    form = oro.SERIALIZED

    async def test_through_a_socket(self) -> None:
        """A UNIX socket, as a DSN names it; nothing is encrypted there."""
        anna = User(1, "anna", "h", email="a@b.c")
        server = self.database()
        oro.fill(server, self.form, (anna,))
        password = quote(oro.PASSWORD, safe="")
        dsn = parse(f"mysql://{oro.READER}:{password}@localhost/{self.form}?unix_socket={quote(server.socket)}")
        self.assertEqual(await self.directory(dsn).find("anna"), anna)
        self.assertEqual(self.asked(self.encrypted, dsn)[0][1], "")

    async def test_broken_json(self) -> None:
        """What is no JSON in serialized_data shuts nobody out: the column only ever held text there."""
        server = self.database()
        anna = User(1, "anna", "h", email="a@b.c")
        oro.fill(server, self.form, (anna,))
        for text in (None, "null", "{}", '{"auth_status": null}', '["auth_status"]', '"reset"'):
            server.execute("UPDATE oro_user SET serialized_data = %s", self.form, text)
            self.assertEqual(await self.directory().find("anna"), anna, str(text))

    async def test_names_alike(self) -> None:
        """Names that the database takes for equal are not: each finds its own user only."""
        anna = User(1, "straße", "h", email="straße@example.com")
        directory = await self.make_directory((anna,))
        self.assertEqual(await directory.find("straße"), anna)
        self.assertEqual(await directory.find("STRAßE@example.com"), anna)
        for login in ("strasse", "strassé", "straße ", "Straße", "strasse@example.com", "straße\u200b"):
            self.assertIsNone(await directory.find(login), login)


class MySQL8(AdapterCase):
    """caching_sha2_password, with which MySQL 8 makes its accounts."""

    engine = MySQL
    password = "p@ss/wörd €"

    def serve(self, cached: bool = False) -> Sha2Server:
        server = Sha2Server(self.password.encode(), cached)
        self.addCleanup(server.stop)
        return server

    def at(self, server: Sha2Server, password: str = "") -> str:
        return f"mysql://oro:{quote(password or self.password, safe='')}@127.0.0.1:{server.port}/oro"

    async def test_login(self) -> None:
        """It logs in, by the server's key or by what the server remembers, and the password never travels as it is."""
        for cached in (False, True):
            server = self.serve(cached)
            directory = self.directory(parse(self.at(server)))
            self.assertIn("oro_user: id, username", await self.refusal(directory))  # it has no tables
            self.assertEqual(
                server.queries[-3:-1], ["SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = 1000"]
            )
            self.assertIn("information_schema.columns", server.queries[-1])
            self.assertNotIn(self.password.encode(), server.heard)
            await directory.stopService()

    async def test_wrong_password(self) -> None:
        """It is told that the password is wrong."""
        directory = self.directory(parse(self.at(self.serve(), "another")))
        self.assertIn("Access denied", await self.refusal(directory))
        await directory.stopService()

    async def test_tls_that_is_not_offered(self) -> None:
        """Who demands TLS does not get by without."""
        server = self.serve()
        directory = self.directory(parse(self.at(server) + "?sslmode=require"))
        self.assertRegex(await self.refusal(directory), "(?i)ssl")
        self.assertEqual(server.queries, [])
        await directory.stopService()


class Arguments(SynchronousTestCase):
    """What PyMySQL is told."""

    def setUp(self) -> None:
        self.files = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.files)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.files / "ca.pem")
        authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(self.files / "client.pem")

    def arguments(self, text: str) -> dict[str, object]:
        return dict(MySQL(parse(text), QueryLimits(connect=3.0, query=2.0, connections=4)).arguments())

    def test_whole(self) -> None:
        """The place, bytes of the password as PHP sends them, and the settings that keep a look-up short."""
        self.assertEqual(
            self.arguments("mysql://u:p%C3%A4@h:3307/d?charset=latin1&serverVersion=8.0"),
            {
                "host": "h",
                "port": 3307,
                "user": "u",
                "password": "pä".encode(),
                "database": "d",
                "charset": "utf8mb4",
                "autocommit": True,
                "connect_timeout": 3.0,
                "read_timeout": 3.0,
                "write_timeout": 3.0,
                "program_name": "orosync",
            },
        )
        self.assertEqual(self.arguments("mysql://u@h/d")["port"], 3306)

    def test_tls(self) -> None:
        """Each mode means what libpq means by it; an authority without a mode means that the server is checked."""
        ca, client = f"sslrootcert={self.files}/ca.pem", f"sslcert={self.files}/client.pem"
        table = [
            (f"sslmode=verify-full&{ca}", ssl.CERT_REQUIRED, True),
            (f"{ca}", ssl.CERT_REQUIRED, True),
            (f"driverOptions[1009]={self.files}/ca.pem", ssl.CERT_REQUIRED, True),
            (f"sslmode=verify-ca&{ca}&{client}", ssl.CERT_REQUIRED, False),
            ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
            ("sslmode=require", ssl.CERT_NONE, False),
            (f"sslmode=require&{ca}", ssl.CERT_REQUIRED, False),
            (f"{client}", ssl.CERT_NONE, False),
        ]
        for query, verify, named in table:
            context = self.arguments(f"mysql://u:p@h/d?{query}")["ssl"]
            assert isinstance(context, ssl.SSLContext)
            self.assertEqual((context.verify_mode, context.check_hostname), (verify, named), query)
        self.assertIs(self.arguments("mysql://u:p@h/d?sslmode=disable")["ssl_disabled"], True)
        self.assertNotIn("ssl", self.arguments("mysql://u:p@h/d?sslmode=prefer"))

    def test_refusals(self) -> None:
        """Files that are not there or hold something else, a mode that nobody knows, another database."""
        table = {
            "mysql://u:p@h/d?sslmode=verify_full": "has an sslmode that is none of disable, prefer, require",
            "mysql://u:p@h/d?sslrootcert=/nowhere/at/all": "names a certificate or key that cannot be used (No such",
            f"mysql://u:p@h/d?sslcert={self.files}/ca.pem": "names a certificate or key that cannot be used (",
            "postgres://u:p@h/d": "is the DSN of postgresql, not of MySQL",
        }
        for text, words in table.items():
            self.assertTrue(str(self.assertRaises(ValueError, self.arguments, text)).startswith(words), text)
