"""A private network of a few machines: Linux network namespaces on bridges, gone with the process that made them.

    client 10.80.0.2 ---- host 10.80.0.1 (forwards)
                            | bridge 10.90.0.1
            web 10.90.0.10, php 10.90.0.11, router 10.90.0.12

The process itself is the client, with the browser. It must have been started by ``private()``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from tests.support.processes import Child, run

PATIENCE = 120.0
"""Seconds that a program may take to start on a busy machine."""

CAP_NET_ADMIN = 12

HOST = "10.80.0.1"
WEB, PHP, ROUTER = "10.90.0.10", "10.90.0.11", "10.90.0.12"


def private(command: list[str]) -> list[str]:
    """``command`` in a network of its own, with the rights to configure it: as root, or in a user namespace.

    It has its own process ids too: when it ends, whatever it has started ends.
    """
    user = ["--map-current-user", "--keep-caps"]
    if os.getuid() == 0:
        # In a container root may lack the right: a user namespace has it.
        user = [] if _has_capability(CAP_NET_ADMIN) else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--", *command]


def _has_capability(number: int) -> bool:
    """Whether this process has a capability (capabilities(7))."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> number & 1)


def ip(*words: str) -> None:
    run("ip", *words)


class Machine:
    """A network namespace, held by a process that sleeps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._holder = Child(["unshare", "--net", "--", "sleep", "infinity"])
        self._path = f"/proc/{self._holder.process.pid}/ns/net"
        own, deadline = os.stat("/proc/self/ns/net"), time.monotonic() + 10
        while os.path.samestat(os.stat(self._path), own):
            if time.monotonic() > deadline:
                raise AssertionError(f"no network namespace for {name}: {self._holder.output}")
            time.sleep(0.01)
        run(*self.inside("ip", "link", "set", "lo", "up"))

    def inside(self, *command: str) -> list[str]:
        """The command that runs ``command`` on this machine."""
        return ["nsenter", f"--net={self._path}", "--", *command]

    def cable(self, address: str, peer: Machine | None, peer_address: str = "", bridge: str = "") -> None:
        """A link to ``peer`` (None: this process), with ``peer_address`` there, or as a port of ``bridge``."""
        near, far = f"to-{peer.name if peer else 'client'}", f"to-{self.name}"
        pid = os.getpid() if peer is None else peer._holder.process.pid
        there = [] if peer is None else peer.inside()
        run(*self.inside("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", str(pid)))
        run(*self.inside("ip", "address", "add", f"{address}/24", "dev", near))
        run(*self.inside("ip", "link", "set", near, "up"))
        if bridge:
            run(*there, "ip", "link", "set", far, "master", bridge)
        else:
            run(*there, "ip", "address", "add", f"{peer_address}/24", "dev", far)
        run(*there, "ip", "link", "set", far, "up")

    def end(self) -> None:
        self._holder.end()


class Network:
    """The machines of the picture above. ``with Network() as network``."""

    def __init__(self) -> None:
        run("ip", "link", "set", "lo", "up")
        self.host, self.web, self.php, self.router = (Machine(name) for name in ("host", "web", "php", "router"))
        self.host.cable(HOST, None, "10.80.0.2")
        run(*self.host.inside("ip", "link", "add", "containers", "type", "bridge"))
        run(*self.host.inside("ip", "address", "add", "10.90.0.1/24", "dev", "containers"))
        run(*self.host.inside("ip", "link", "set", "containers", "up"))
        run(*self.host.inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"))
        for machine, address in ((self.web, WEB), (self.php, PHP), (self.router, ROUTER)):
            machine.cable(address, self.host, bridge="containers")
            run(*machine.inside("ip", "route", "add", "default", "via", "10.90.0.1"))
        ip("route", "add", "10.90.0.0/24", "via", HOST)

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *exc: object) -> None:
        for machine in (self.router, self.php, self.web, self.host):
            machine.end()


def wait_for(address: str, port: int, child: Child, seconds: float = PATIENCE) -> None:
    """Until a port of another machine accepts; AssertionError with the program's output if it does not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((address, port), 1):
                return
        except OSError:
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{child.command} does not serve {address}:{port}:\n{child.output}") from None
            time.sleep(0.02)


def usable() -> str:
    """Why no such network can be made here; empty if it can."""
    done = subprocess.run(private(["ip", "link", "set", "lo", "up"]), capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{Path('/proc/version').read_text().strip()}: {done.stderr.strip()}"
