"""Three routers on ports of their own that one Redis joins, as three machines have them."""

from __future__ import annotations

import atexit
import functools
from urllib.parse import quote

from orosync.backplane.redis_scripts import ACL
from tests.product.node_files import BACKPLANE, REALMS, NodeFiles
from tests.product.running_router import php_publisher, start
from tests.support.ports import free_port
from tests.support.redis import Redis

PASSWORD = "for-nodes-alone"
LISTENERS = ("public", "once", "programs", "proxied", "balanced", "backend")

CONFIGURATION = (
    """
[router]
node = {name}
state = {place}
control = {place}/{name}.sock
drain = 0s

[listen:public]
endpoint = tcp:{public}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
realm = oro
authenticators = tickets
connections_per_user = 2

[listen:once]
endpoint = tcp:{once}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
publisher_from = loopback
realm = oro
authenticators = once

[listen:programs]
endpoint = tcp:{programs}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
realm = open
authenticators = guests

[listen:proxied]
endpoint = tcp:{proxied}:interface=127.0.0.1
origins = 127.0.0.1
trusted_proxies = loopback
health = /health
realm = oro
authenticators = tickets

[listen:balanced]
endpoint = tcp:{balanced}:interface=127.0.0.1
origins = 127.0.0.1
trusted_proxies = loopback
proxy_protocol = yes
health = /health
realm = oro
authenticators = tickets

[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
realm = oro
authenticators = tickets

[realm:oro]
authenticators = tickets once
authorizers = topics:oro

[authenticator:once]
use = ticket
secret = file:{place}/secret
directory = people
single_use = yes
"""
    + REALMS
    + BACKPLANE
    + "when_away = refuse\n"
)


class Node:
    """One of them: its ports, and its process as ``child``."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._cluster = cluster
        self.ports = {listener: free_port() for listener in LISTENERS}
        self.config = cluster.files.configured(name, CONFIGURATION, dsn="dsn", **self.ports)
        self.child = start(self.config)

    def wait(self, seconds: float = 30.0) -> None:
        """Until it has joined the others."""
        for port in self.ports.values():
            self.child.wait_for_port(port, seconds)

    def kill(self) -> None:
        """Gone from one moment to the next."""
        self.child.kill()

    def start(self) -> None:
        """Once more, under the same name."""
        self.child = start(self.config)

    def url(self, listener: str = "public", *, user: str | None = "anna", ticket: str = "") -> str:
        """The WebSocket address, with a ticket."""
        text = ticket or ("" if user is None else self._cluster.ticket(user))
        return f"ws://127.0.0.1:{self.ports[listener]}/ws" + (f"?ticket={quote(text, safe='')}" if text else "")

    @property
    def programs(self) -> str:
        """The address for WAMP v2 clients of the realm "open"."""
        return self.url("programs", user=None)

    def publish(self, **job: object) -> object:
        """Oro's PHP on this node's host publishes."""
        return php_publisher(
            host="127.0.0.1", port=self.ports["backend"], tls=False, path="/", secret=self._cluster.secret,
            topic="oro/data/update", **{"times": 1, **job},
        )  # fmt: skip


class Cluster:
    """The nodes a, b and c, and their ``redis``."""

    def __init__(self) -> None:
        self.files = NodeFiles()
        self.place, self.secret, self.ticket = self.files.place, self.files.secret, self.files.ticket
        self.redis = Redis(users=[f"orosync on >{PASSWORD} ~orosync:* {ACL}"])
        self.redis.start()
        self.files.write("dsn", f"redis://orosync:{PASSWORD}@127.0.0.1:{self.redis.port}/0")
        self.nodes: list[Node] = []
        try:
            self.nodes += [Node(self, name) for name in "abc"]
            self.a, self.b, self.c = self.nodes
            for node in self.nodes:
                node.wait()
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        """That of all nodes."""
        return "".join(node.child.output for node in self.nodes)

    def close(self) -> None:
        for node in self.nodes:
            node.child.end()
        self.redis.end()
        self.files.cleanup()


@functools.cache
def shared() -> Cluster:
    """That of this run."""
    made = Cluster()
    atexit.register(made.close)
    return made
