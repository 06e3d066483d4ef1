"""The product with its sessions in a store that is killed and started again while browsers come and go."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import AdminSession
from tests.identity.sessions import logins
from tests.identity.sessions.application import HASH, SECRET
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start
from tests.product.traffic import Traffic, settled
from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.redis import Redis

CONFIGURATION = """
[router]
drain = 1s
state = {state}
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = https://oro.example.com
[realm:oro]
authenticators = cookie tickets
authorizers = topics:oro
[authenticator:cookie]
use = cookie
sessions = office
directory = people
recheck = 500ms
[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
[sessions:office]
{store}
[directory:people]
use = static
{users}
[topics:oro]
"""
USERS = {f"{number:026}": f"user{number}" for number in range(1, 9)}
SUBSCRIBE = [32, 1, {}, "oro/data/update"]


class Killed:
    """For one kind of store; mixed into a test case."""

    def setUp(self):
        self.state = Path(tempfile.mkdtemp(prefix="router-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.port = free_port()
        (self.state / "secret").write_text(SECRET)
        (self.state / "hash").write_text(HASH)
        users = "\n".join(f"user.{name} = {n} file:{self.state}/hash" for n, name in enumerate(USERS.values(), 1))
        store = self.begin()
        config = self.state / "router.ini"
        config.write_text(CONFIGURATION.format(state=self.state, port=self.port, store=store, users=users))
        self.router = start(config)
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)

    def comes(self, session_id, subprotocol="wamp"):
        """A browser with a cookie and no ticket."""
        headers = (f"Cookie: BAPID={session_id}",)
        return RawClient(f"ws://127.0.0.1:{self.port}/ws", subprotocol, "https://oro.example.com", headers)

    def test_killed_during_traffic(self):
        """Nobody is let in meanwhile, who is connected stays and is served, logins work again within ten seconds of
        the return, and then no thread and no connection is left over."""
        first, second = [*USERS][:2]
        old, new = self.comes(first), self.comes(second, "wamp.2.json")
        self.addCleanup(old.close)
        self.addCleanup(new.close)
        self.assertEqual((old.status, old.read()[0]), (101, 0))
        new.join("oro")
        stranger = self.comes("f" * 26)
        stranger.close()
        self.assertEqual(stranger.status, 403)
        ordinary = Traffic(self.comes, [*USERS])
        self.addCleanup(ordinary.stop)
        time.sleep(1.0)
        ordinary.stop()
        threads, sockets = settled(self.router)

        traffic = Traffic(self.comes, [*USERS])
        self.addCleanup(traffic.stop)
        time.sleep(0.5)
        before = time.monotonic()
        self.kill()
        killed = time.monotonic()
        # Several re-checks find no store to ask.
        self.assertTrue(old.silent(2.0))
        new.send(SUBSCRIBE)
        self.assertEqual(new.read()[0], 33)
        restarted = time.monotonic()
        self.restart()
        served = time.monotonic()
        while 101 not in traffic.between(served, time.monotonic()):
            self.assertLess(time.monotonic() - served, 10)
            time.sleep(0.05)
        back = time.monotonic()
        time.sleep(1.0)
        traffic.stop()
        self.assertEqual(set(traffic.between(0, before)), {101})
        meanwhile = traffic.between(killed, restarted)
        self.assertEqual(set(meanwhile), {503})
        self.assertGreater(len(meanwhile), 20)
        self.assertEqual(set(traffic.between(back, time.monotonic())), {101})
        self.assertEqual({status for _, _, status in traffic.visits}, {101, 503})
        self.assertTrue(old.silent(0.1))
        new.send([*SUBSCRIBE[:1], 2, *SUBSCRIBE[2:]])
        self.assertEqual(new.read()[:2], [33, 2])

        more_threads, more_sockets = settled(self.router)
        self.assertLessEqual(more_threads, threads)
        self.assertLessEqual(more_sockets, sockets)
        self.assertIn("sessions (down)", self.router.output)
        self.assertIn("sessions (recovered)", self.router.output)
        self.assertNotIn("Traceback", self.router.output)
        self.assertEqual(self.router.end(), 0)
        self.assertEqual(self.left(), 0)


class RedisTests(Killed, SynchronousTestCase):
    """Sessions that PHP wrote, in a Redis that loses them when it is killed; PHP writes them again."""

    def begin(self):
        self.server = Redis()
        self.addCleanup(self.server.end)
        sessions = {one: AdminSession(name, n, HASH, 1) for n, (one, name) in enumerate(USERS.items(), 1)}
        self.sessions = logins.shown(sessions)
        self.restart()
        return f"use = redis\ndsn = {self.dsn()}"

    def dsn(self):
        (self.state / "dsn").write_text(f"redis://127.0.0.1:{self.server.port}")
        return f"file:{self.state}/dsn"

    def kill(self):
        self.server.kill()

    def restart(self):
        self.server.start()
        for session_id, data in self.sessions.items():
            self.server.ask("SET", "session" + session_id, data)

    def left(self):
        return self.server.wait_until_left()


class ApplicationTests(Killed, SynchronousTestCase):
    """Sessions that only the application can read, which is asked for tickets."""

    def begin(self):
        self.office = free_port()
        self.restart()
        url = f"http://127.0.0.1:{self.office}/admin/sync/ticket"
        return f"use = http\nurl = {url}\nauthenticator = tickets\ntimeout = 1s"

    def kill(self):
        self.application.kill()

    def restart(self):
        sessions = [f"{session_id}={name}" for session_id, name in USERS.items()]
        command = [sys.executable, "-m", "tests.product.ticket_application", str(self.office), *sessions]
        self.application = Child(command, cwd=TREE)
        self.addCleanup(self.application.end)
        self.application.wait_for_port(self.office)

    def left(self):
        """Connections to the application that its kernel still knows as open."""
        wanted = f":{self.office:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(wanted in fields[1] + fields[2] and fields[3] == "01" for fields in lines)
