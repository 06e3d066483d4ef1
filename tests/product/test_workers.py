"""``[router] workers = 2`` with real processes: what clients, administrators and systemd see of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.cli.router import Router
from orosync.config.operations import control_sockets
from tests.product.raw import Closed, RawClient
from tests.product.running_router import TREE, end_shared, shared
from tests.support.processes import is_there, run

TWO = "workers = 2\nnode = web"


def wait_for(found: Any, seconds: float = 90.0) -> Any:
    """What ``found`` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


class WorkersCase(SynchronousTestCase):
    """``self.router`` has two workers that serve."""

    options: dict[str, Any] = {}  # noqa: RUF012 (read only)

    def setUp(self) -> None:
        options = {**self.options, "router": TWO + self.options.get("router", "")}
        self.router = shared(**options)
        wait_for(lambda: self.status()["health"]["status"] == "ready")
        self.clients: list[RawClient] = []
        self.addCleanup(lambda: [client.close() for client in self.clients])

    def ask(self, verb: str, **arguments: Any) -> Any:
        sockets = control_sockets(None, self.router.config, self.router.config.parent, {})
        return Router(sockets).ask(verb, arguments, timeout=60)

    def status(self) -> Any:
        try:
            return self.ask("status")
        except Exception:
            return {"health": {"status": "not there"}, "workers": []}

    def workers(self) -> dict[str, int]:
        """Process ids by name, of workers that serve."""
        return {one["node"]: one["process"] for one in self.status()["workers"] if one["state"] == "ready"}

    def connect(self, count: int = 1) -> list[RawClient]:
        found = [RawClient(self.router.url()).join() for _ in range(count)]
        self.clients += found
        return found


class Serving(WorkersCase):
    def test_two_workers_share_one_port(self) -> None:
        """Clients of WAMP v1 and v2 are spread over both, also over TLS; the sessions of both are listed together."""
        self.connect(20)
        for url in (self.router.url("anna"), self.router.url("ben", secure=True)):
            client = RawClient(url, "wamp")
            self.clients.append(client)
            self.assertEqual(client.read()[0], 0)
        found = wait_for(self.counted(22))
        self.assertEqual(len(found), 2)
        self.assertGreater(min(one["clients"] for one in found), 0)
        rows = self.ask("sessions")
        self.assertEqual(len(rows), 22)
        self.assertEqual([row["user"] for row in rows if row["protocol"] == "v1"], ["anna", "ben"])
        self.assertEqual(len(self.ask("sessions", limit=5, sort="since")), 5)
        status = self.ask("status")
        joined = sum(value for _, value in status["metrics"]["sessions"])
        self.assertEqual(joined, 22)

    def test_events_reach_the_clients_of_both(self) -> None:
        """Whoever publishes: a client, PHP, or an administrator."""
        clients = self.connect(8)
        for client in clients:
            client.send([32, 1, {}, "com.topic"])
            self.assertEqual(client.read()[0], 33)
        pages = [RawClient(self.router.url("anna"), "wamp") for _ in range(8)]
        self.clients += pages
        for page in pages:
            self.assertEqual(page.read()[0], 0)
            page.send([5, "oro/data/update"])
        self.assertGreater(min(one["clients"] for one in wait_for(self.counted(16))), 0)
        time.sleep(0.5)
        clients[0].send([16, 2, {"exclude_me": False}, "com.topic", [7]])
        for client in clients:
            self.assertEqual(client.read()[4], [7])
        self.assertEqual(self.ask("publish", realm="open", topic="com.topic", args=[8])["sessions"], 8)
        for client in clients:
            self.assertEqual(client.read()[4], [8])
        self.router.publish(payload=["9"])
        for page in pages:
            self.assertEqual(page.read()[1], "oro/data/update")

    def counted(self, clients: int) -> Any:
        """Gives the rows of the workers once they have so many clients together."""

        def look() -> Any:
            rows = self.status()["workers"]
            return rows if sum(one["clients"] for one in rows) == clients else None

        return look

    def test_kick(self) -> None:
        """Whichever worker a session is in."""
        for _ in range(8):
            self.clients.append(RawClient(self.router.url("anna"), "wamp"))
        sockets = control_sockets(None, self.router.config, self.router.config.parent, {})
        wait_for(lambda: len(self.ask("sessions", user="anna")) == 8)
        *_, last = Router(sockets).watch("kick", {"user": "anna"})
        self.assertEqual((last["kicked"], last["of"]), (8, 8))
        self.assertEqual(wait_for(lambda: not self.ask("sessions", user="anna")), True)

    def test_what_the_log_says(self) -> None:
        """Each line of a worker has its name; what concerns all is told once, also when a signal asks for it."""
        self.router.child.process.send_signal(signal.SIGHUP)
        self.router.child.wait_for_line("web/1: rules reloaded")
        self.ask("reload")
        self.assertNotIn("web/2: rules reloaded", self.router.log)

    def test_reload(self) -> None:
        """All workers take the new rules; with a fault none does, and the fault is told once."""
        good = self.router.config.read_text()
        self.addCleanup(self.router.config.write_text, good)
        self.router.config.write_text(good.replace("any all", "exact com.fine all"))
        answer = self.ask("reload")
        self.assertEqual((answer["changed"], answer["refused"]), (["[role:open/guest]"], []))
        for client in self.connect(6):
            client.send([32, 1, {}, "com.other"])
            self.assertEqual(client.read()[:3], [8, 32, 1])
        self.router.child.forget()
        self.router.config.write_text(good + "[topcis:x]\n")
        answer = self.ask("reload")
        self.assertEqual(len(answer["refused"]), 2, answer)
        self.assertEqual(self.router.log.count("topcis"), 1, self.router.log)
        self.router.config.write_text(good)
        self.assertEqual(self.ask("reload")["refused"], [])


class Pages(WorkersCase):
    """Long-poll and the demonstration: requests of one client reach both workers."""

    options = {"listen": "longpoll = /lp"}  # noqa: RUF012

    def post(self, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Each request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.router.public, timeout=15)
        connection.request("POST", path, body, {"Origin": "http://127.0.0.1"})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_longpoll(self) -> None:
        """Whatever worker a request comes to, it is answered."""
        status, body = self.post("/lp/open", b'{"protocols": ["wamp.2.json"]}')
        self.assertEqual(status, 200, body)
        base = "/lp/" + json.loads(body)["transport"]
        self.assertRegex(base, r"^/lp/[12]\.")
        self.assertEqual(self.post(f"{base}/send", b'[1, "open", {"roles": {"subscriber": {}}}]')[0], 204)
        self.assertEqual(json.loads(self.post(f"{base}/receive")[1])[0], 2)
        for number in range(1, 13):
            topic = f"com.topic{number}"
            self.assertEqual(self.post(f"{base}/send", json.dumps([32, number, {}, topic]).encode())[0], 204)
            self.assertEqual(json.loads(self.post(f"{base}/receive")[1])[:2], [33, number])
        self.assertEqual(self.post(f"{base}/close")[0], 204)
        self.assertEqual(self.post(f"{base}/receive")[0], 404)


class Endings(WorkersCase):
    def test_a_worker_that_is_killed(self) -> None:
        """Clients of the other one notice nothing, new clients are served at once, and it is back."""
        clients = self.connect(16)
        workers = self.workers()
        os.kill(workers["web/1"], signal.SIGKILL)
        self.router.child.wait_for_line("worker.ended (signal)")
        began = time.monotonic()
        self.connect(8)
        self.assertLess(time.monotonic() - began, 1.0)
        left = 0
        for client in clients:
            try:
                client.send([32, 1, {}, "com.topic"])
                left += client.read()[0] == 33
            except (Closed, OSError):
                continue
        self.assertGreater(left, 0)
        self.assertLess(left, 16)
        again = wait_for(lambda: (now := self.workers()).get("web/1", workers["web/1"]) != workers["web/1"] and now)
        self.assertEqual(again["web/2"], workers["web/2"])

    def test_a_worker_that_is_stopped(self) -> None:
        """SIGSTOP: it is killed and started again; meanwhile the other one accepts in its place."""
        workers = self.workers()
        os.kill(workers["web/2"], signal.SIGSTOP)
        began = time.monotonic()
        wait_for(lambda: "web/2 worker" in "".join(self.status()["health"].get("wrong", {})), 0.1)
        self.router.child.wait_for_line("worker.ended (killed): node=web/2", 25)
        self.assertLess(time.monotonic() - began, 20)
        self.assertIn("no sign of life for 10 s", self.router.log)
        wait_for(lambda: self.workers().get("web/2", workers["web/2"]) != workers["web/2"])
        self.assertNotEqual(self.workers()["web/2"], workers["web/2"])

    def test_replace(self) -> None:
        """All workers are new processes, and no connection was refused or closed before its upgrade was answered."""
        workers = self.workers()
        done = threading.Event()
        failures: list[str] = []
        served: list[int] = []

        def knock() -> None:
            while not done.is_set():
                try:
                    with RawClient(self.router.url()) as client:
                        assert client.status == 101
                        with contextlib.suppress(Closed):  # let go with the others of its worker
                            client.join()
                            served.append(1)
                except Exception as error:
                    failures.append(repr(error))

        knocking = threading.Thread(target=knock)
        knocking.start()
        sockets = control_sockets(None, self.router.config, self.router.config.parent, {})
        try:
            said = run(
                str(Path(sys.executable).with_name("orosync")), "reload", "--replace", "--socket", str(sockets[0]),
                environ={**os.environ, "PYTHONPATH": str(TREE)},
            )  # fmt: skip
        finally:
            done.set()
            knocking.join()
        self.assertEqual(said, "2 of 2 workers replaced\n")
        now = self.workers()
        self.assertEqual(sorted(now), ["web/3", "web/4"])
        self.assertFalse(set(now.values()) & set(workers.values()))
        self.assertEqual(failures, [])
        self.assertGreater(len(served), 10)
        self.addCleanup(end_shared)  # other tests know other names

    def test_the_supervisor_is_killed(self) -> None:
        """No worker is left a second later, also one that is stopped; nor a process that checks tickets."""
        workers = self.workers()
        children = [
            int(one) for pid in workers.values() for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
        self.assertGreaterEqual(len(children), 2)
        os.kill(workers["web/2"], signal.SIGSTOP)
        self.router.child.kill()
        gone = wait_for(lambda: not any(map(is_there, [*workers.values(), *children])), 2.0)
        self.assertTrue(gone, [one for one in (*workers.values(), *children) if is_there(one)])

    def test_the_end(self) -> None:
        """SIGTERM: all workers let their clients go, and the status is 0."""
        clients = self.connect(8)
        workers = self.workers()
        self.assertEqual(self.router.child.end(), 0)
        for client in clients:
            with self.assertRaises(Closed):
                client.read()
        self.assertFalse(any(map(is_there, workers.values())))
        for node in workers:
            self.assertIn(f"{node}: node {node} stops: ", self.router.log)
        self.assertNotIn("Traceback", self.router.log)
        self.assertNotRegex(self.router.log.partition(" stops, ")[2] or "#warn]", r"#(warn|error|critical)\]")
