"""Test cases with Redis servers of their own: TLS, a replica, Sentinels."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import trustme
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.trial.unittest import TestCase

from tests.support.redis import Redis, Sentinel


def trust(authority: trustme.CA) -> Any:
    """Certificates of ``authority`` and no others."""
    return trustRootFromCertificates([Certificate.loadPEM(authority.cert_pem.bytes())])


class ServersCase(TestCase):
    """Servers of a test's own."""

    timeout = 60

    def serve(self, server: Redis) -> Any:
        """It runs until the test ends."""
        self.addCleanup(server.end)
        server.start()
        return server

    def tls_lines(self, authority: trustme.CA, *names: str) -> list[str]:
        """What redis.conf says of a server with a certificate for ``names``."""
        directory = Path(tempfile.mkdtemp(prefix="orosync-redis-tls-"))
        self.addCleanup(shutil.rmtree, directory)
        directory.chmod(0o755)
        issued = authority.issue_cert(*names)
        for name, blob in (("key", issued.private_key_pem), ("cert", issued.cert_chain_pems[0])):
            blob.write_to_path(str(directory / name))
            (directory / name).chmod(0o644)
        authority.cert_pem.write_to_path(str(directory / "authority"))
        return [
            f"tls-cert-file {directory / 'cert'}",
            f"tls-key-file {directory / 'key'}",
            f"tls-ca-cert-file {directory / 'authority'}",
            "tls-auth-clients no",
        ]


class SentinelsCase(ServersCase):
    """A master, its replica, and three Sentinels that watch them."""

    def setUp(self) -> None:
        self.master = self.serve(Redis())
        self.replica = self.serve(Redis([f"replicaof 127.0.0.1 {self.master.port}"]))
        self.watchers = [self.serve(Sentinel(self.master, quorum=2)) for _ in range(3)]
        places = "&".join(f"host[127.0.0.1:{one.port}]" for one in self.watchers)
        self.dsn = f"redis:?{places}&redis_sentinel=mymaster"

    def settled(self, key: str) -> None:
        """Until the Sentinels know each other and the replica, which has ``key`` as the master has."""
        for one in self.watchers:
            one.wait_for_replicas(1)
        deadline = time.monotonic() + 15
        while len(self.watchers[0].ask("SENTINEL", "SENTINELS", "mymaster")) < 2 or not self.replica.ask("EXISTS", key):
            self.assertLess(time.monotonic(), deadline, "the Sentinels do not find each other")
            time.sleep(0.1)


@functools.cache
def promoted() -> tuple[Redis, str]:
    """What a Sentinel has made the master of this run after the first one was killed, and the DSN that leads there."""
    master = Redis()
    replica = Redis([f"replicaof 127.0.0.1 {master.port}"])
    sentinel = Sentinel(master)
    for one in (master, replica, sentinel):
        atexit.register(one.end)
        one.start()
    sentinel.wait_for_replicas(1)
    master.kill()
    deadline = time.monotonic() + 20
    while sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1] != b"%d" % replica.port:
        if time.monotonic() > deadline:
            raise AssertionError("the replica is not made the master")
        time.sleep(0.1)
    return replica, f"redis:?host[127.0.0.1:{sentinel.port}]&redis_sentinel=mymaster"
