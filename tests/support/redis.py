"""Redis servers and Sentinels of the tests' own: nothing on disk but their configuration, free ports, ended in time."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import unprivileged
from tests.support.ports import free_port
from tests.support.processes import Child

ADMIN = "the administrator's own"


class Redis:
    """One server; ``start`` and ``kill`` as often as one likes, ``end`` for good. ``lines`` of redis.conf.

    ``users`` as in Redis' ACL files; the default user's password is ADMIN if there are any. ``socket`` is its path.
    """

    program = "redis-server"

    def __init__(self, lines: Sequence[str] = (), users: Sequence[str] = (), port: int = 0) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="orosync-redis-"))
        self.port = port or free_port()
        self.socket = str(self.directory / "socket")
        self.password = ADMIN if users else ""
        self._child: Child | None = None
        self._configuration = self.directory / "redis.conf"
        mine = ["bind 127.0.0.1", f"dir {self.directory}", *self.own_lines(), *lines]
        if users:
            mine.append(f'requirepass "{ADMIN}"')
        mine += [f"user {user}" for user in users]
        self._configuration.write_text("\n".join([f"port {self.port}", *mine]) + "\n")
        unprivileged.give(self.directory, "redis")
        unprivileged.give(self._configuration, "redis")

    def own_lines(self) -> list[str]:
        """What this kind of server needs."""
        return ['save ""', "appendonly no", "repl-diskless-sync-delay 0", f"unixsocket {self.socket}"]

    def start(self) -> None:
        """Serve, and return when it does."""
        self._child = Child([*unprivileged.command("redis"), self.program, str(self._configuration)], cwd="/")
        self._child.wait_for_line("eady to accept connections")

    def kill(self) -> None:
        """Gone from one moment to the next, and all that it held."""
        if self._child is not None:
            self._child.process.kill()
            self._child.process.wait(20)
            self._child = None

    def freeze(self, frozen: bool) -> None:
        """It still has its connections and answers nothing; or goes on."""
        assert self._child is not None
        self._child.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self) -> None:
        """Gone, with its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, *words: str | bytes | int) -> Any:
        """What the server answers the administrator (over its UNIX socket)."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(self.socket)
            stream = line.makefile("rwb")
            if self.password:
                _say(stream, ("AUTH", self.password))
                _heard(stream)
            _say(stream, words)
            return _heard(stream)

    def clients(self) -> int:
        """How many connections it has, this one and those of Sentinels left out."""
        lines = self.ask("CLIENT", "LIST", "TYPE", "NORMAL").splitlines()
        return sum(b" name=sentinel-" not in line for line in lines) - 1

    def wait_until_left(self, seconds: float = 5.0) -> int:
        """How many connections are left, when none or after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.clients()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


class Sentinel(Redis):
    """Watches ``master`` by the name ``mymaster`` and is quick to give it up."""

    program = "redis-sentinel"

    def __init__(self, master: Redis, quorum: int = 1, lines: Sequence[str] = ()) -> None:
        self._watched = (master, quorum)
        super().__init__(lines)

    def own_lines(self) -> list[str]:
        """See Redis."""
        master, quorum = self._watched
        return [
            f"unixsocket {self.socket}",
            f"sentinel monitor mymaster 127.0.0.1 {master.port} {quorum}",
            "sentinel down-after-milliseconds mymaster 500",
            "sentinel failover-timeout mymaster 2000",
        ]

    def start(self) -> None:
        """See Redis."""
        self._child = Child([*unprivileged.command("redis"), self.program, str(self._configuration)], cwd="/")
        self._child.wait_for_line("+monitor master")

    def wait_for_replicas(self, count: int, seconds: float = 15.0) -> None:
        """Until it knows the master's replicas."""
        deadline = time.monotonic() + seconds
        while len(self.ask("SENTINEL", "REPLICAS", "mymaster")) < count:
            if time.monotonic() > deadline:
                raise AssertionError("the Sentinel has not found the replicas")
            time.sleep(0.1)


def _say(stream: Any, words: Sequence[str | bytes | int]) -> None:
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in encoded))
    stream.flush()


def _heard(stream: Any) -> Any:
    line = stream.readline().rstrip(b"\r\n")
    kind, text = line[:1], line[1:]
    if kind == b"-":
        raise AssertionError(text.decode())
    if kind == b"$":
        if int(text) < 0:
            return None
        data: bytes = stream.read(int(text) + 2)[:-2]
        return data
    if kind == b"*":
        return [_heard(stream) for _ in range(int(text))]
    return int(text) if kind == b":" else text.decode()
