"""The product with its users in a database that is killed and started again while browsers come and go."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import User
from tests.identity.directories import oro
from tests.product.raw import RawClient
from tests.product.running_router import start, ticket
from tests.product.traffic import Traffic, settled
from tests.support.ports import free_port

CONFIGURATION = """
[router]
drain = 1s
recheck = 500ms
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
connections = 1
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
        state = Path(tempfile.mkdtemp(prefix="router-"))
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

    def comes(self, user, subprotocol="wamp"):
        """A browser with a new ticket."""
        url = f"ws://127.0.0.1:{self.port}/ws?ticket={quote(ticket(user.username, user.password_hash, self.secret))}"
        return RawClient(url, subprotocol)

    def test_shared_passwords(self):
        """Users who have one password hash are named and refused; with one of their own again they come in."""
        with self.comes(USERS[0]) as client:
            self.assertEqual(client.status, 101)
        same = [attrs.evolve(one, password_hash=USERS[0].password_hash) for one in USERS[:2]]
        oro.fill(self.server, oro.COLUMN, [*same, *USERS[2:]])
        self.router.process.send_signal(signal.SIGHUP)
        self.assertIn('users="1 and 2"', self.router.wait_for_line("directory (shared_passwords)"))
        for user, status in ((same[0], 403), (same[1], 403), (USERS[2], 101)):
            with self.comes(user) as client:
                self.assertEqual(client.status, status, user)
        self.router.wait_for_line("handshake.refused (shared_password)")
        oro.fill(self.server, oro.COLUMN, USERS)
        with self.comes(USERS[1]) as client:
            self.assertEqual(client.status, 101, "it has a password of its own")
        self.router.process.send_signal(signal.SIGHUP)
        self.router.wait_for_line("directory (no_shared_passwords)")
        with self.comes(USERS[0]) as client:
            self.assertEqual(client.status, 101)

    def test_killed_during_traffic(self):
        """Nobody is let in from the first look-up on that fails, who is connected stays, and logins work again within
        ten seconds, with no thread and no connection left over; at the end every connection is gone."""
        inside = self.comes(USERS[0])
        self.addCleanup(inside.close)
        self.assertEqual((inside.status, inside.read()[0]), (101, 0))
        refused = self.comes(DISABLED)
        refused.close()
        self.assertEqual(refused.status, 403)
        ordinary = Traffic(self.comes, USERS[:8])
        self.addCleanup(ordinary.stop)
        time.sleep(1.5)
        ordinary.stop()
        threads, sockets = settled(self.router)

        traffic = Traffic(self.comes, USERS[:8])
        self.addCleanup(traffic.stop)
        time.sleep(0.5)
        before = time.monotonic()
        self.server.kill()
        # While that look-up has the only connection, answers of the last second are used.
        killed = time.monotonic()
        self.router.wait_for_line("directory (down)")
        noticed = time.monotonic()
        self.assertLess(noticed - killed, 2)
        # Several re-checks find no database to ask.
        self.assertTrue(inside.silent(2.0))
        inside.send([5, "oro/maintenance"])
        self.assertEqual(inside.read()[:2], [8, "oro/maintenance"])
        restarted = time.monotonic()
        self.server.start()
        served = time.monotonic()
        while 101 not in traffic.between(served, time.monotonic()):
            self.assertLess(time.monotonic() - served, 10)
            time.sleep(0.05)
        back = time.monotonic()
        time.sleep(1.0)
        traffic.stop()
        self.assertEqual(set(traffic.between(0, before)), {101})
        meanwhile = traffic.between(noticed, restarted)
        self.assertEqual(set(meanwhile), {503})
        self.assertGreater(len(meanwhile), 20)
        self.assertEqual(set(traffic.between(back, time.monotonic())), {101})
        self.assertEqual({status for _, _, status in traffic.visits}, {101, 503})
        self.assertTrue(inside.silent(0.1))
        refused = self.comes(DISABLED)
        refused.close()
        self.assertEqual(refused.status, 403)

        more_threads, more_sockets = settled(self.router)
        self.assertLessEqual(more_threads, threads)
        self.assertLessEqual(more_sockets, sockets)
        self.assertIn("directory (down)", self.router.output)
        self.assertIn("directory (recovered)", self.router.output)
        self.assertNotIn("Traceback", self.router.output)
        self.assertNotIn(oro.PASSWORD, self.router.output)

        self.assertEqual(self.router.end(), 0)
        self.assertEqual(self.server.wait_until_left(oro.READER), 0)

    def test_life_after_login(self):
        """Who is disabled or has another password in the database is out soon after: v1 loses TCP, v2 gets GOODBYE. A
        new password lets in again, and nobody else notices."""
        changed = {
            USERS[1]: attrs.evolve(USERS[1], enabled=False),
            USERS[2]: attrs.evolve(USERS[2], password_hash=f"$2y$13${secrets.token_hex(20)}"),
        }
        old, new, other = [], [], self.comes(USERS[3])
        self.addCleanup(other.close)
        self.assertEqual(other.read()[0], 0)
        for user in changed:
            old.append(self.comes(user))
            new.append(self.comes(user, "wamp.2.json"))
            self.addCleanup(old[-1].close)
            self.addCleanup(new[-1].close)
            self.assertEqual(old[-1].read()[0], 0)
            new[-1].join("oro")
        time.sleep(1.2)
        for client in (*old, *new):
            self.assertTrue(client.silent(0.05))
        began = time.monotonic()
        change = "UPDATE oro_user SET enabled = %s, password = %s WHERE id = %s"
        for user in changed.values():
            self.server.execute(change, oro.COLUMN, user.enabled, user.password_hash, user.id)
        for client in new:
            self.assertEqual(client.read()[2], "wamp.close.killed")
        self.assertEqual([client.ended() for client in old], [None, None])
        self.assertLess(time.monotonic() - began, 5)
        self.assertTrue(other.silent(1.0))
        statuses = []
        for user in (USERS[1], changed[USERS[1]], USERS[2], changed[USERS[2]]):
            client = self.comes(user)
            client.close()
            statuses.append(client.status)
        self.assertEqual(statuses, [403, 403, 403, 101])
        for kind in ("session.ended (disabled)", "session.ended (password_changed)"):
            self.assertIn(kind, self.router.output)


class PostgreSQLTests(Killed, SynchronousTestCase):
    use = "postgresql"
    serve = staticmethod(oro.on_postgresql)


class MariaDBTests(Killed, SynchronousTestCase):
    use = "mysql"
    serve = staticmethod(oro.on_mariadb)
