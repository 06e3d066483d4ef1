"""The product follows Oro's Application URL: pages of a new address connect without a restart."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import User
from tests.identity.directories import oro, oro_configuration
from tests.product.raw import RawClient
from tests.product.running_router import start, ticket
from tests.support.ports import free_port

CONFIGURATION = """
[router]
drain = 100ms
state = {state}
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
origins_from = directory:people
longpoll = /lp
[realm:oro]
authenticators = tickets
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
[directory:people]
use = {use}
dsn = file:{state}/dsn
connections = 1
[topics:oro]
"""
ANNA = User(1, "anna", f"$2y$13${secrets.token_hex(20)}", email="anna@example.com")
OLD, NEW = "https://old.example.com", "https://new.example.com:8443"


class Moved:
    """For one kind of database; mixed into a test case."""

    use = ""
    serve: Any

    def setUp(self) -> None:
        self.server = type(self).serve()
        oro.fill(self.server, oro_configuration.DATABASE, (ANNA,))
        oro_configuration.clear(self.server)
        oro_configuration.save(self.server, f"{OLD}/", "2026-12-01 08:00:00")
        state = Path(tempfile.mkdtemp(prefix="router-"))
        self.addCleanup(shutil.rmtree, state)
        self.port, self.secret = free_port(), secrets.token_hex(20)
        (state / "secret").write_text(self.secret)
        where = f"127.0.0.1:{self.server.port}/{oro_configuration.DATABASE}?sslmode=disable"
        (state / "dsn").write_text(f"{self.use}://{oro.READER}:{quote(oro.PASSWORD, safe='')}@{where}")
        (state / "router.ini").write_text(CONFIGURATION.format(state=state, port=self.port, use=self.use))
        self.router = start(state / "router.ini")
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)

    def comes(self, origin: str) -> RawClient:
        """A page of that origin, with a new ticket."""
        shown = quote(ticket(ANNA.username, ANNA.password_hash, self.secret))
        client = RawClient(f"ws://127.0.0.1:{self.port}/ws?ticket={shown}", "wamp", origin)
        self.addCleanup(client.close)
        return client

    def test_application_url(self) -> None:
        """A page is admitted by the Application URL in the database; when it is changed in Oro, pages of the new
        address are admitted within seconds, those of the old one no longer, and who is connected stays. With an invalid
        URL the origins stay. A reload reads it at once, whatever Oro has noted."""
        self.assertIn(f"origin={OLD}", self.router.wait_for_line("origins.changed").replace('"', ""))
        inside = self.comes(OLD)
        self.assertEqual((inside.status, inside.read()[0]), (101, 0))
        self.assertEqual(self.comes(NEW).status, 403)
        self.assertEqual(self.comes("http://127.0.0.1").status, 101)
        self.router.forget()

        began = time.monotonic()
        oro_configuration.save(self.server, f"{NEW}/index.php", "2026-12-01 08:00:01")
        self.router.wait_for_line("origins.changed", seconds=10)
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual([self.comes(one).status for one in (NEW, OLD, "http://127.0.0.1")], [101, 403, 101])
        self.assertTrue(inside.silent(0.1))

        oro_configuration.save(self.server, "not a url", "2026-12-01 08:00:02")
        self.router.wait_for_line("origins (invalid)", seconds=10)
        self.assertEqual(self.comes(NEW).status, 101)
        self.router.forget()
        oro_configuration.save(self.server, OLD, "2026-12-01 08:00:03")
        self.router.wait_for_line("origins (recovered)", seconds=10)
        self.assertEqual([self.comes(one).status for one in (NEW, OLD)], [403, 101])
        self.router.forget()

        change = "UPDATE oro_config_value SET text_value = %s WHERE name = 'application_url'"
        self.server.execute(change, oro_configuration.DATABASE, NEW)
        self.router.process.send_signal(signal.SIGHUP)
        self.router.wait_for_line("origins.changed", seconds=10)
        self.assertEqual(self.comes(NEW).status, 101)
        self.assertEqual(self.router.end(), 0)
        self.assertEqual(self.server.wait_until_left(oro.READER), 0)


class PostgreSQLTests(Moved, SynchronousTestCase):
    use, serve = "postgresql", staticmethod(oro_configuration.on_postgresql)


class MariaDBTests(Moved, SynchronousTestCase):
    use, serve = "mysql", staticmethod(oro_configuration.on_mariadb)
