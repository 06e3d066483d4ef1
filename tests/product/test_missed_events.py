"""Clients whose node is killed come back to another one and have missed nothing: history over two nodes with Redis."""

from __future__ import annotations

import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import JS, TREE, Client, _node
from tests.product.running_router import RunningRouter
from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.redis import Redis

SECONDS = 30.0
TOPIC = "com.example.news"
MORE = f"""
[realm:news]
authenticators = guests
authorizers = roles
history =
    exact {TOPIC} events=100
[role:news/guest]
permissions =
    any all
[backplane]
use = redis
dsn = file:redis
secret = file:backplane
"""
HAPROXY = """
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
listen router
    bind 127.0.0.1:{port}
    balance first
    default-server check inter 100ms fall 1 rise 1 on-marked-down shutdown-sessions
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""


class Program:
    """A client in a process of its own, which prints what it gets, a line for each."""

    def __init__(self, command: list[str], url: str) -> None:
        self._process = subprocess.Popen(
            [*command, url, "news", TOPIC],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())

    def lines(self, count: int) -> list[str]:
        """The next ``count`` lines."""
        return [self._lines.get(timeout=SECONDS) for _ in range(count)]

    def silent(self) -> bool:
        """Nothing more has come."""
        return self._lines.empty()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class MissedEvents(SynchronousTestCase):
    def setUp(self) -> None:
        redis = Redis()
        redis.start()
        self.addCleanup(redis.end)
        files = {"redis": f"redis://127.0.0.1:{redis.port}/0", "backplane": secrets.token_hex(32)}
        self.nodes = []
        for name in ("a", "b"):
            self.nodes.append(RunningRouter(router=f"node = {name}", more=MORE, files=files))
            self.addCleanup(self.nodes[-1].close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path, port = Path(directory.name, "haproxy.cfg"), free_port()
        path.write_text(HAPROXY.format(port=port, a=self.nodes[0].public, b=self.nodes[1].public))
        haproxy = Child(["/usr/sbin/haproxy", "-db", "-f", str(path)])
        self.addCleanup(haproxy.end)
        haproxy.wait_for_port(port)
        self.url = f"ws://127.0.0.1:{port}/ws"

    def test_on_another_node(self) -> None:
        """autobahn-python and autobahn-js, ten lines each: their node is killed while events are published on another
        one, and each client gets every event once and in order."""
        python = [sys.executable, str(TREE / "tests/product/missing_nothing.py")]
        programs = [Program(python, self.url), Program([_node(), str(JS / "missing_nothing.mjs")], self.url)]
        for one in programs:
            self.addCleanup(one.end)
            self.assertEqual(one.lines(1), ["joined"])
        with Client("autobahn-python", self.nodes[1].url(), realm="news") as publisher:
            publisher.ask("subscribe", TOPIC)  # confirmed after what the other node has told
            for number in range(1, 6):
                publisher.ask("publish", TOPIC, [number], acknowledge=True)
            for one in programs:
                self.assertEqual(one.lines(5), ["1", "2", "3", "4", "5"])
            os.kill(self.nodes[0].child.process.pid, signal.SIGKILL)
            for number in range(6, 9):
                publisher.ask("publish", TOPIC, [number], acknowledge=True)
            for one in programs:
                self.assertEqual(one.lines(4), ["6", "7", "8", "joined"])
            publisher.ask("publish", TOPIC, [9], acknowledge=True)
            for one in programs:
                self.assertEqual(one.lines(1), ["9"])
                self.assertTrue(one.silent())
