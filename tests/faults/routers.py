"""Routers of several nodes that faults happen to: three processes with a Redis, or the workers of one machine."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.product.node_files import BACKPLANE, REALMS, NodeFiles
from tests.product.running_router import start
from tests.product.spread import wait_for_workers
from tests.support.ports import free_port
from tests.support.processes import Child, server_of
from tests.support.redis import Redis, Sentinel

LISTENERS = ("programs", "pages", "backend")

CONFIGURATION = (
    """
[router]
node = {name}
state = {place}
control = {place}/{name}.sock
drain = 0s
{router}

[listen:programs]
endpoint = tcp:{programs}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
realm = open
authenticators = guests

[listen:pages]
endpoint = tcp:{pages}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
realm = oro
authenticators = tickets
connections_per_user = 50

[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
realm = oro
authenticators = tickets

[realm:oro]
authenticators = tickets
authorizers = topics:oro
"""
    + REALMS
)

GAP = re.compile(r"backplane\.gap \(lost\): .*\bmessages=(\d+)")
APART = re.compile(r"backplane\.gap \(apart\): node=")
SERVES = re.compile(r"worker (\S+) serves \(process (\d+)\)")


class RedisRouters:
    """The nodes a, b and c with a ``redis``. ``forwarder``: c reaches it through that. ``sentinel``: there are a
    replica and a Sentinel too."""

    def __init__(self, *, sentinel: bool = False) -> None:
        self._files = NodeFiles()
        self.names: Sequence[str] = ("a", "b", "c")
        self.secret = self._files.secret
        self.children: dict[str, Child] = {}
        self._redis: list[Redis] = []
        self.forwarder: Forwarder | None = None
        try:
            self.redis = self._serve(Redis())
            dsn = through = f"redis://127.0.0.1:{self.redis.port}/0"
            if sentinel:
                self.replica = self._serve(Redis([f"replicaof 127.0.0.1 {self.redis.port}"]))
                watcher = Sentinel(self.redis)
                self._serve(watcher)
                watcher.wait_for_replicas(1)
                dsn = through = f"redis:?host[127.0.0.1:{watcher.port}]&redis_sentinel=mymaster"
            else:
                self.forwarder = Forwarder(self.redis.port)
                through = f"redis://127.0.0.1:{self.forwarder.port}/0"
            self._files.write("dsn", dsn)
            self._files.write("dsn-c", through)
            self._ports = {name: {one: free_port() for one in LISTENERS} for name in self.names}
            self._configs = {
                name: self._files.configured(
                    name,
                    CONFIGURATION + BACKPLANE,
                    router="",
                    dsn="dsn-c" if name == "c" else "dsn",
                    **self._ports[name],
                )
                for name in self.names
            }
            for name in self.names:
                self.children[name] = start(self._configs[name])
            for name in self.names:
                self.wait(name)
        except BaseException:
            self.close()
            raise

    def _serve(self, server: Redis) -> Redis:
        self._redis.append(server)
        server.start()
        return server

    def wait(self, name: str) -> None:
        """Until it serves."""
        for port in self._ports[name].values():
            self.children[name].wait_for_port(port, 60)

    def port(self, node: str, listener: str) -> int:
        """See Routers."""
        return self._ports[node][listener]

    def ticket(self, user: str) -> str:
        """See Routers."""
        return self._files.ticket(user)

    def node_of(self, wanted: str, client_port: int) -> str:
        """See Routers."""
        return wanted

    def boot(self, node: str) -> str:
        """The life of a node, by the batches that wait for it."""
        keys = self.redis.ask("KEYS", f"orosync:in:{node}:*")
        return str(max(keys, key=len).decode().rpartition(":")[2])

    def left_of(self, node: str, boot: str) -> list[str]:
        """What Redis still has of a node's life."""
        left = [key.decode() for key in self.redis.ask("KEYS", f"*{boot}*")]
        for name in ("nodes", "claims"):
            words = self.redis.ask("HGETALL", f"orosync:{name}")
            left += [f"{name}: {word!r}" for word in words if boot.encode() in word]
        return left

    @property
    def gap(self) -> int:
        """Messages between nodes that the nodes say they have missed."""
        return sum(int(found) for child in self.children.values() for found in GAP.findall(child.output))

    @property
    def apart(self) -> int:
        """How often a node says that another had taken it for gone."""
        return len(APART.findall(self.log))

    @property
    def log(self) -> str:
        """That of all nodes."""
        return "".join(f"--- {name}\n{child.output}" for name, child in self.children.items())

    def close(self) -> None:
        """All processes have ended."""
        for child in self.children.values():
            if child.process.poll() is None:
                child.kill()
        if self.forwarder is not None:
            self.forwarder.close()
        for server in self._redis:
            server.end()
        self._files.cleanup()


class WorkerRouters:
    """One router with two workers, w/1 and w/2, which have the same ports."""

    def __init__(self) -> None:
        self._files = NodeFiles()
        self.names: Sequence[str] = ("w/1", "w/2")
        self.secret = self._files.secret
        self._ports = {one: free_port() for one in LISTENERS}
        self._config = self._files.configured("w", CONFIGURATION, router="workers = 2", **self._ports)
        self.start()

    def start(self) -> None:
        """Its supervisor, and the workers; once more after their end."""
        self.child = start(self._config)
        try:
            wait_for_workers(self.child)
        except BaseException:
            self.close()
            raise

    def processes(self) -> dict[str, int]:
        """Those of the workers that served last."""
        return {name: int(pid) for name, pid in SERVES.findall(self.child.output)}

    def port(self, node: str, listener: str) -> int:
        """See Routers."""
        return self._ports[listener]

    def ticket(self, user: str) -> str:
        """See Routers."""
        return self._files.ticket(user)

    def node_of(self, wanted: str, client_port: int) -> str:
        """See Routers: whose descriptor the other end of the connection is."""
        names = {pid: name for name, pid in self.processes().items()}
        return names.get(server_of(client_port, names), "")

    @property
    def gap(self) -> int:
        """Messages between workers that they say they have missed."""
        return sum(map(int, GAP.findall(self.child.output)))

    @property
    def apart(self) -> int:
        """How often a worker says that another had taken it for gone."""
        return len(APART.findall(self.log))

    @property
    def log(self) -> str:
        """That of the supervisor and the workers."""
        return self.child.output

    def close(self) -> None:
        """All processes have ended."""
        self.child.end()
        self._files.cleanup()


class Forwarder:
    """Forwards connections to 127.0.0.1:``to``. While it is ``held`` it takes bytes from nobody and opens no further
    connection, as a network that loses all packets; afterwards it goes on with the connections that there are."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._free = threading.Event()
        self._free.set()
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread(self._accept)

    def hold(self, held: bool) -> None:
        """Begin or end the fault."""
        if held:
            self._free.clear()
        else:
            self._free.set()

    def close(self) -> None:
        """No connection is left."""
        self._free.set()
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _thread(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:  # it has been closed
                return
            self._free.wait()
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            self._thread(self._forward, near, far)
            self._thread(self._forward, far, near)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._free.wait()
                target.sendall(data)
        except OSError:
            pass
        self._free.wait()
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
