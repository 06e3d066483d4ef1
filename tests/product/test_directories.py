"""The product with its users in a database that is killed and started again while browsers come and go."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import User
from tests.identity.directories import oro
from tests.product.house import start, ticket
from tests.product.raw import RawClient
from tests.support.ports import free_port

CONFIGURATION = """
[router]
drain = 1s
state = {state}
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
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
[topics:oro]
"""
USERS = tuple(
    User(
        number, f"user{number}", f"$2y$13${secrets.token_hex(20)}", enabled=number != 9, email=f"u{number}@example.com"
    )
    for number in range(1, 10)
)
DISABLED = USERS[-1]


class Killed:
    """For one kind of database; mixed into a test case."""

    use = ""

    def setUp(self):
        self.server = type(self).serve(oro.COLUMN)
        oro.fill(self.server, oro.COLUMN, USERS)
        state = Path(tempfile.mkdtemp(prefix="house-"))
        self.addCleanup(shutil.rmtree, state)
        self.port, self.secret = free_port(), secrets.token_hex(20)
        (state / "secret").write_text(self.secret)
        query = "?sslmode=disable&charset=utf8&serverVersion=15"
        password = quote(oro.PASSWORD, safe="")
        (state / "dsn").write_text(
            f"{self.use}://{oro.READER}:{password}@127.0.0.1:{self.server.port}/{oro.COLUMN}{query}"
        )
        config = state / "router.ini"
        config.write_text(CONFIGURATION.format(state=state, port=self.port, use=self.use))
        self.router = start(config)
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)

    def comes(self, user):
        """A browser with a new ticket; it goes when the test ends."""
        url = f"ws://127.0.0.1:{self.port}/ws?ticket={quote(ticket(user.username, user.password_hash, self.secret))}"
        client = RawClient(url, "wamp")
        self.addCleanup(client.close)
        return client

    def held(self):
        """Threads and sockets of the router."""
        process = Path(f"/proc/{self.router.process.pid}")
        links = [os.readlink(entry) for entry in (process / "fd").iterdir()]
        return len(list((process / "task").iterdir())), sum(link.startswith("socket:") for link in links)

    def test_killed_during_traffic(self):
        """Nobody is let in meanwhile, who is connected stays, and logins work again within ten seconds, with nothing
        left over; at the end every connection is gone."""
        inside = self.comes(USERS[0])
        self.assertEqual((inside.status, inside.read()[0]), (101, 0))
        self.assertEqual(self.comes(DISABLED).status, 403)
        before = {self.comes(user).status for user in USERS[:8]}
        self.assertEqual(before, {101})
        threads, sockets = self.held()

        self.server.kill()
        statuses = [self.comes(user).status for user in USERS * 3]
        self.assertEqual(set(statuses), {503})
        inside.send([5, "oro/ping"])
        self.assertTrue(inside.silent())

        self.server.start()
        started = time.monotonic()
        while self.comes(USERS[1]).status != 101:
            self.assertLess(time.monotonic() - started, 10)
            time.sleep(0.1)
        self.assertEqual([self.comes(user).status for user in USERS], [101] * 8 + [403])
        inside.send([7, "oro/ping", {}])
        self.assertTrue(inside.silent())
        more_threads, more_sockets = self.held()
        self.assertLessEqual(more_threads, threads + 2)  # of at most four for the database
        self.assertLessEqual(more_sockets, sockets + 2 + 9)  # and the browsers that came since
        self.assertIn("directory (down)", self.router.output)
        self.assertIn("directory (recovered)", self.router.output)
        self.assertNotIn(oro.PASSWORD, self.router.output)

        self.assertEqual(self.router.end(), 0)
        self.assertEqual(self.server.wait_until_left(oro.READER), 0)


class PostgreSQLTests(Killed, SynchronousTestCase):
    use = "postgresql"
    serve = staticmethod(oro.on_postgresql)


class MariaDBTests(Killed, SynchronousTestCase):
    use = "mysql"
    serve = staticmethod(oro.on_mariadb)
