"""Several nodes on one Redis, each a process of its own, with real clients: what users of the router get."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.node_cluster import shared
from tests.product.raw import Closed, RawClient
from tests.product.running_router import TREE, start
from tests.support.ports import free_port
from tests.support.processes import Child

PAGE = TREE / "docs" / "scaling.md"

LEASE = 10.0
KNOWN = 0.3
"""Seconds in which all nodes know what one of them has confirmed."""


class NodesCase(SynchronousTestCase):
    """One cluster for all tests."""

    def setUp(self) -> None:
        self.cluster = shared()

    def client(self, library: str, url: str, **options: Any) -> Client:
        client = Client(library, url, **options)
        self.addCleanup(client.end)
        return client

    def program(self, node: Any, **hello: Any) -> RawClient:
        """A WAMP v2 client in the realm "open"."""
        client = RawClient(node.programs).join("open", **hello)
        self.addCleanup(client.close)
        return client

    def subscribed(self, node: Any, topic: str) -> RawClient:
        client = self.program(node)
        client.send([32, 1, {}, topic])
        self.assertEqual(client.read()[0], 33)
        return client

    def command(self, *words: str, node: Any = None) -> subprocess.CompletedProcess[str]:
        """The orosync command with a node's configuration."""
        config = (node or self.cluster.a).config
        command = [str(Path(sys.executable).with_name("orosync")), *words, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Together(NodesCase):
    """What clients of several nodes have in common."""

    def test_a_page_hears_php_of_another_host(self) -> None:
        """Each event once and in order, on every node that has a subscriber, for Oro's pages and for programs."""
        page = self.client("wamp1", self.cluster.a.url())
        other = self.client("autobahn-python", self.cluster.c.url(), realm="oro")
        for client in (page, other):
            client.ask("subscribe", "oro/data/update")
        time.sleep(KNOWN)
        self.cluster.b.publish(times=10, per_connection=10, linger=0.05)
        expected = [{"n": number // 10, "k": number % 10} for number in range(100)]
        for client in (page, other):
            self.assertEqual([client.event()[1][0] for _ in range(100)], expected)
            self.assertTrue(client.silent())

    def test_calls(self) -> None:
        """A procedure that is registered on one node is called from the others, with results on the way."""
        callee = self.client("autobahn-python", self.cluster.a.programs, realm="open")
        callee.ask("register", "com.example.echo")
        time.sleep(KNOWN)
        for node in (self.cluster.b, self.cluster.c):
            caller = self.client("autobahn-python", node.programs, realm="open")
            call = caller.send("call", "com.example.echo", [node.name], {"steps": 3}, receive_progress=True)
            caller.wait(call)
            self.assertEqual(len(caller.steps(call)), 3)
            self.assertEqual(caller.ask("call", "com.example.echo", [node.name])["args"], [node.name])

    def test_a_second_callee_is_refused(self) -> None:
        """A procedure belongs to one callee, on whatever node."""
        first, second = self.program(self.cluster.a), self.program(self.cluster.b)
        first.send([64, 1, {}, "com.example.single"])
        self.assertEqual(first.read()[:2], [65, 1])
        second.send([64, 1, {}, "com.example.single"])
        self.assertEqual(second.read()[:5:4], [8, "wamp.error.procedure_already_exists"])

    def test_a_ticket_is_good_once(self) -> None:
        """Where tickets are single-use, they are so on all nodes; PHP comes again with its own."""
        ticket = self.cluster.ticket()
        with RawClient(self.cluster.a.url("once", ticket=ticket), "wamp") as first:
            self.assertEqual(first.status, 101)
        for node in (self.cluster.b, self.cluster.a):
            with RawClient(node.url("once", ticket=ticket), "wamp") as again:
                self.assertEqual(again.status, 403)
        php = self.cluster.ticket("")
        for node in (self.cluster.a, self.cluster.b, self.cluster.a):
            with RawClient(node.url("once", ticket=php), "wamp", "127.0.0.1") as client:
                self.assertEqual(client.status, 101)

    def test_connections_of_a_user(self) -> None:
        """``connections_per_user`` counts those to all nodes."""
        pages = [RawClient(node.url(), "wamp") for node in (self.cluster.a, self.cluster.b)]
        for page in pages:
            self.addCleanup(page.close)
            self.assertEqual((page.status, page.read()[0]), (101, 0))
        time.sleep(KNOWN)
        with RawClient(self.cluster.c.url(), "wamp") as third:
            self.assertEqual(third.status, 503)
        pages[0].close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with RawClient(self.cluster.c.url(), "wamp") as third:
                if third.status == 101:
                    return
            time.sleep(0.1)
        self.fail("the place of a connection that has ended stays taken")

    def test_sessions_of_all_nodes(self) -> None:
        """The meta API answers for the realm, not for a node."""
        clients = [self.program(node) for node in self.cluster.nodes]
        time.sleep(KNOWN)
        clients[0].send([48, 1, {}, "wamp.session.count"])
        answer = clients[0].read()
        self.assertGreaterEqual(answer[3][0], 3)

    def test_status_and_probe(self) -> None:
        """An administrator sees the other nodes with their lag, and that Redis has what nodes need."""
        status = self.command("status").stdout
        rows = r"NODE +STATE +LAG +HEARD\nb +joined .*\nc +joined .*\n"
        self.assertRegex(status, rf"^orosync \S+ on a: ready\n\n{rows}$")
        probe = self.command("check-config", "--probe").stdout
        self.assertRegex(probe, r"(?m)^backplane +ok +Redis can be used; nodes that are running: a, b, c$")

    def test_a_name_that_is_taken(self) -> None:
        """A second node of a name does not start, and says which key to change."""
        config = self.cluster.place / "second.ini"
        text = self.cluster.a.config.read_text()
        for port in self.cluster.a.ports.values():
            text = text.replace(f"tcp:{port}:", "tcp:0:")
        config.write_text(text.replace("a.sock", "second.sock"))
        child = start(config)
        self.addCleanup(child.end)
        line = child.wait_for_line("[router] node:")
        self.assertIn("another node 'a' is running", line)
        self.assertEqual(child.process.wait(10), 1)

    def test_a_node_that_is_killed(self) -> None:
        """Its callers are told, what it had is gone within its lease, the others go on, and it comes back by itself."""
        listener, publisher = self.subscribed(self.cluster.a, "com.example.goes_on"), self.program(self.cluster.b)
        callee, caller = self.program(self.cluster.c), self.program(self.cluster.a)
        callee.send([64, 1, {}, "com.example.on_c"])
        self.assertEqual(callee.read()[0], 65)
        time.sleep(KNOWN)
        caller.send([48, 1, {}, "com.example.on_c"])
        self.assertEqual(callee.read()[0], 68)
        killed = time.monotonic()
        self.cluster.c.kill()
        self.cluster.c.start()
        publisher.send([16, 1, {}, "com.example.goes_on", ["still"]])
        self.assertEqual(listener.read()[4], ["still"])
        caller.socket.settimeout(LEASE + 5)
        error = caller.read()
        self.assertEqual((error[0], error[1], error[2]), (8, 48, 1))
        self.assertIn(error[4], ("wamp.error.canceled", "wamp.error.no_available_callee"))
        self.assertLess(time.monotonic() - killed, LEASE + 2)
        caller.send([48, 2, {}, "com.example.on_c"])
        self.assertEqual(caller.read()[4], "wamp.error.no_such_procedure")
        self.cluster.c.wait()
        page = self.subscribed(self.cluster.c, "com.example.goes_on")
        time.sleep(KNOWN)
        publisher.send([16, 2, {}, "com.example.goes_on", ["again"]])
        self.assertEqual((page.read()[4], listener.read()[4]), (["again"], ["again"]))


class Balanced(NodesCase):
    """Behind the load balancers of docs/scaling.md, with the configurations that it shows."""

    def balancer(self, language: str, listener: str, around: str, bind: str) -> tuple[Child, int]:
        """The program with the page's block, the addresses of nodes a and b in place of those of the page."""
        port, directory = free_port(), tempfile.TemporaryDirectory(prefix="balancer-")
        self.addCleanup(directory.cleanup)
        (text,) = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE.read_text())
        for address, node in (("10.0.0.1:8080", self.cluster.a), ("10.0.0.2:8080", self.cluster.b)):
            self.assertIn(address, text)
            text = text.replace(address, f"127.0.0.1:{node.ports[listener]}")
        text, found = re.subn(bind, f"127.0.0.1:{port}", text)
        self.assertEqual(found, 1)
        path = Path(directory.name) / "balancer.conf"
        path.write_text(around.replace("DIRECTORY", directory.name).replace("BLOCK", text))
        program = {"nginx": ["/usr/sbin/nginx", "-c"], "haproxy": ["/usr/sbin/haproxy", "-db", "-f"]}[language]
        child = Child([*program, str(path)])
        self.addCleanup(child.end)
        child.wait_for_port(port)
        return child, port

    def page(self, port: int) -> RawClient:
        """A page that has connected through the load balancer."""
        url = f"ws://127.0.0.1:{port}/ws?ticket={quote(self.cluster.ticket(), safe='')}"
        deadline = time.monotonic() + 20
        while True:
            try:
                client = RawClient(url, "wamp")
            except Closed:  # no node is ready yet
                client = None
            if client is not None and client.status == 101:
                self.addCleanup(client.close)
                self.assertEqual(client.read()[0], 0)
                return client
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def test_updating_a_node(self) -> None:
        """Pages are spread over the nodes; those of a node that is stopped connect again at once, to the other one."""
        _, nginx = self.balancer("nginx", "proxied", NGINX, r"443 ssl(?=;)")
        _, haproxy = self.balancer("haproxy", "balanced", HAPROXY, r":8443 ssl crt \S+")
        pages = [self.page(port) for port in (nginx, haproxy) for _ in range(4)]
        self.cluster.b.child.end()
        left = []
        for page in pages:
            try:
                page.socket.settimeout(0.5)
                page.read()
            except TimeoutError:
                left.append(page)
            except Closed:
                pass
        self.assertEqual([sum(page in left for page in some) for some in (pages[:4], pages[4:])], [2, 2])
        for port in (nginx, haproxy):
            self.page(port)
        self.cluster.b.start()
        self.cluster.b.wait()


NGINX = """
daemon off; worker_processes 1; pid DIRECTORY/nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
    client_body_temp_path DIRECTORY/a; proxy_temp_path DIRECTORY/b; fastcgi_temp_path DIRECTORY/c;
    uwsgi_temp_path DIRECTORY/d; scgi_temp_path DIRECTORY/e;
    BLOCK
}
"""
HAPROXY = """
global
    maxconn 200
BLOCK
"""


class Traffic:
    """Publishes a number each 5 ms to a topic; ``stop`` gives how many there were."""

    def __init__(self, publisher: RawClient, topic: str) -> None:
        self._publisher, self._topic = publisher, topic
        self._count = 0
        self._running = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._running:
            self._count += 1
            self._publisher.send([16, self._count, {}, self._topic, [self._count]])
            time.sleep(0.005)

    def stop(self) -> int:
        self._running = False
        self._thread.join()
        return self._count


class Away(NodesCase):
    """Redis ends and comes back, empty, while events are published; ``when_away = refuse``."""

    def test_redis_restarted(self) -> None:
        """Nothing is lost or repeated between the nodes, and clients of one node do not notice."""
        here, there = (
            self.subscribed(self.cluster.a, "com.example.tick"),
            self.subscribed(self.cluster.b, "com.example.tick"),
        )
        publisher, other = self.program(self.cluster.a), self.program(self.cluster.a)
        time.sleep(KNOWN)
        traffic = Traffic(publisher, "com.example.tick")
        self.addCleanup(traffic.stop)
        time.sleep(1)
        self.cluster.redis.kill()
        self.cluster.a.child.wait_for_line("backplane.away")
        # While it is away: acknowledged publications and single-use tickets are refused, others are served.
        other.send([16, 1, {"acknowledge": True}, "com.example.other"])
        self.assertEqual(other.read()[:5:4], [8, "wamp.error.unavailable"])
        with RawClient(self.cluster.a.url("once"), "wamp") as page:
            self.assertEqual(page.status, 503)
        with RawClient(self.cluster.a.url("once", user=""), "wamp", "127.0.0.1") as php:
            self.assertEqual(php.status, 101)
        with RawClient(self.cluster.a.url(), "wamp") as page:
            self.assertEqual(page.status, 101)
        time.sleep(2)
        self.cluster.redis.start()
        for node in self.cluster.nodes:
            node.child.wait_for_line("backplane.back")
        time.sleep(1)
        count = traffic.stop()
        expected = list(range(1, count + 1))
        self.assertEqual(here.first_arguments(count), expected)
        self.assertEqual(there.first_arguments(count), expected)
        self.assertTrue(there.silent())
        self.assertNotIn("backplane.gap", self.cluster.log)
        other.send([16, 2, {"acknowledge": True}, "com.example.other"])
        self.assertEqual(other.read()[0], 17)
        with RawClient(self.cluster.a.url("once"), "wamp") as page:
            self.assertEqual(page.status, 101)
