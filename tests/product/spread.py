"""The product on several nodes in place of one process, behind the same ports: what tools/nodes.py runs tests with.

The environment variable SPREAD chooses: nothing is one process, ``workers`` two workers of one supervisor, ``redis``
three processes with a Redis. In front of these HAProxy (TCP) takes turns, so that the clients of a test are spread.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.redis import Redis

SPREAD = os.environ.get("SPREAD", "")

NODES = 3

KNOWN = 0.05
"""Seconds in which all nodes know of a subscription or a registration that one of them has confirmed."""

TOLD = 1.0
"""Seconds in which nodes that have just found each other have told each other all there is."""

WORKERS = "workers = 2"

ENDPOINT = re.compile(r"^endpoint = tcp:(\d+):interface=127\.0\.0\.1$", re.MULTILINE)

UNIX_ENDPOINT = re.compile(r"^(endpoint = unix:\S+)$", re.MULTILINE)

BACKPLANE = """
[backplane]
use = redis
dsn = file:{state}/redis
secret = file:{state}/backplane
resend_bytes = 64MiB
"""
"""With room for the largest messages that are published here (a quarter of it)."""

HAPROXY = """
global
    maxconn 2000
defaults
    mode tcp
    balance roundrobin
    timeout connect 5s
    timeout client 1h
    timeout server 1h
"""


def settle() -> None:
    """Wait until all nodes know what one of them has confirmed; no time with a single process."""
    if SPREAD:
        time.sleep(KNOWN)


def wait_for_workers(supervisor: Child) -> None:
    """Until both serve: a client that comes before is answered only then."""
    for number in (1, 2):
        supervisor.wait_for_line(f"/{number} serves", 60.0)


class Nodes:
    """Three routers with the configuration ``config``, each on ports of its own, and HAProxy on the ports in the file.

    It is used as the ``Child`` of a single router is; its output is that of all of them, one after the other.
    """

    def __init__(self, config: Path, start: Callable[[Path], Child]) -> None:
        state, text = config.parent, config.read_text()
        self._redis = Redis()
        self._redis.start()
        (state / "redis").write_text(f"redis://127.0.0.1:{self._redis.port}/0\n")
        (state / "backplane").write_text(secrets.token_hex(32) + "\n")
        self._balanced = balanced = {int(port): [free_port() for _ in range(NODES)] for port in ENDPOINT.findall(text)}
        self.children: list[Child] = []
        for number in range(NODES):
            one = state / f"node-{number + 1}.ini"
            one.write_text(_own_ports(text, balanced, number) + BACKPLANE.format(state=state))
            self.children.append(start(one))
        try:
            for number, child in enumerate(self.children):
                for ports in balanced.values():
                    child.wait_for_port(ports[number], 60.0)
            for child in self.children:
                _wait_for_others(child)
            time.sleep(TOLD)
            self._haproxy = _haproxy(state, balanced)
        except BaseException:
            self._end_children()
            raise
        self.process = self.children[0].process

    def port_of_one(self, port: int) -> int:
        """That of a node for a balanced ``port``: the requests of a long-poll client must come to the same one."""
        return self._balanced[port][0]

    @property
    def output(self) -> str:
        return "".join(child.output for child in self.children)

    def forget(self) -> None:
        for child in self.children:
            child.forget()

    def wait_for_port(self, port: int, seconds: float = 20.0) -> None:
        self._haproxy.wait_for_port(port, seconds)

    def wait_for_line(self, text: str | tuple[str, ...], seconds: float = 20.0) -> str:
        """The first line of any node."""
        texts, deadline = ((text,) if isinstance(text, str) else text), time.monotonic() + seconds
        while time.monotonic() < deadline:
            for child in self.children:
                for line in child.output.rpartition("\n")[0].splitlines():
                    if any(one in line for one in texts):
                        return line
            time.sleep(0.05)
        raise AssertionError(f"no line with {texts!r} of any node; they said:\n{self.output}")

    def end(self, seconds: float = 15.0) -> int:
        """The exit code that is not 0, if there is one. Clients hear the goodbyes of their nodes."""
        code = self._end_children(seconds)
        self._haproxy.end()
        return code

    def _end_children(self, seconds: float = 15.0) -> int:
        codes = [child.end(seconds) for child in self.children]
        self._redis.end()
        return next((code for code in codes if code), 0)


def _wait_for_others(node: Child, seconds: float = 20.0) -> None:
    """Until it knows of all other nodes: what is published before that reaches them a little later."""
    deadline = time.monotonic() + seconds
    while node.output.count("backplane.node (joined)") < NODES - 1:
        if time.monotonic() > deadline:
            raise AssertionError(f"not all nodes have found each other:\n{node.output}")
        time.sleep(0.02)


def _own_ports(text: str, balanced: Mapping[int, list[int]], number: int) -> str:
    def own(found: re.Match[str]) -> str:
        return f"endpoint = tcp:{balanced[int(found[1])][number]}:interface=127.0.0.1"

    if number:  # the first node has the path in the file
        text = UNIX_ENDPOINT.sub(rf"\1.{number + 1}", text)
    return ENDPOINT.sub(own, text).replace("[router]\n", f"[router]\nnode = node-{number + 1}\n", 1)


def _haproxy(state: Path, balanced: Mapping[int, list[int]]) -> Child:
    lines = [HAPROXY]
    for port, ports in balanced.items():
        lines += [f"listen p{port}", f"    bind 127.0.0.1:{port}"]
        lines += [f"    server n{number} 127.0.0.1:{own}" for number, own in enumerate(ports)]
    path = state / "haproxy.cfg"
    path.write_text("\n".join(lines) + "\n")
    child = Child(["/usr/sbin/haproxy", "-db", "-f", str(path)])
    for port in balanced:
        child.wait_for_port(port)
    return child
