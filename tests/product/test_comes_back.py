"""A planned restart: clients that reconnect by themselves are back, subscribed and registered, and have heard all that
was acknowledged before the stop."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import JS, TREE, Client, _node
from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter

WAYS = [
    *[("autobahn", serializer, "ws") for serializer in ("json", "cbor")],
    ("autobahn", "json", "lp"),
    *[("wampy", serializer, "ws") for serializer in ("json", "msgpack", "cbor")],
    *[(kind, "cbor", transport) for kind in ("component", "runner") for transport in ("ws", "rs")],
]
"""Every library of the tests that reconnects at all, over each transport on which it does: autobahn-js does not over
RawSocket, xconn and kraftfahrstrasse nowhere."""

SECONDS = 40.0


class Returning:
    """A client that comes back by itself. It hears ``uri`` and offers ``uri``.f."""

    def __init__(self, way: tuple[str, str, str], router: RunningRouter) -> None:
        self.uri = "com.example.back." + "_".join(way)
        library, serializer, transport = way
        port = router.public
        url = {"ws": router.url(), "rs": f"rs://127.0.0.1:{port}", "lp": f"http://127.0.0.1:{port}/lp"}[transport]
        command = [_node(), str(JS / "returning.mjs"), library, url]
        if library in ("component", "runner"):
            command = [sys.executable, str(TREE / "tests/product/returning_driver.py"), library, url]
        options = {"realm": "open", "serializer": serializer, "uri": self.uri}
        self.process = subprocess.Popen(
            [*command, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
        self.heard: list[Any] = []
        self._joined: queue.Queue[int] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def joined(self, times: int) -> None:
        """Wait until it has joined that often."""
        try:
            while self._joined.get(timeout=SECONDS) < times:
                pass
        except queue.Empty:
            raise AssertionError(f"{self.uri}: it did not come back") from None

    def hears(self, values: list[Any]) -> None:
        """Wait until it has heard ``values``, in order and once."""
        end = time.monotonic() + SECONDS
        while len(self.heard) < len(values) and time.monotonic() < end:
            time.sleep(0.02)
        assert self.heard == values, (self.uri, len(self.heard), self.heard[-3:])

    def end(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if "joined" in said:
                self._joined.put(said["joined"])
            elif "event" in said:
                self.heard.append(said["event"])


class ComesBackTests(SynchronousTestCase):
    def router(self, listen: str = "") -> RunningRouter:
        router = RunningRouter(listen="transport = universal\nlongpoll = /lp\n" + listen)
        self.addCleanup(router.close)
        return router

    def test_planned_restart(self) -> None:
        """Everybody is back without a reload, and has what it had; what was acknowledged before the stop was heard."""
        router = self.router()
        with ThreadPoolExecutor(4) as starting:
            everybody = list(starting.map(lambda way: Returning(way, router), WAYS))
        for one in everybody:
            self.addCleanup(one.end)
            one.joined(1)
        with Client("autobahn-python", router.url(), realm="open") as publisher:
            sent = [publisher.send("publish", one.uri, [n], acknowledge=True) for n in range(50) for one in everybody]
            for ident in sent:
                self.assertEqual(publisher.wait(ident), "published")
        self.assertEqual(router.child.end(), 0)
        for one in everybody:
            one.hears([*range(50)])
        router.start()
        for one in everybody:
            one.joined(2)
        with Client("autobahn-python", router.url(), realm="open") as publisher:
            for one in everybody:
                self.assertEqual(publisher.ask("call", f"{one.uri}.f")["args"], ["answer"], one.uri)
                publisher.ask("publish", one.uri, ["again"], acknowledge=True)
        for one in everybody:
            one.hears([*range(50), "again"])

    def test_the_letter(self) -> None:
        """Where the listener says so WAMP v2 clients get GOODBYE and CLOSE 1001, elsewhere nothing but the end."""
        for listen, told in (("goodbye_at_stop = yes", True), ("", False)):
            router = self.router(listen)
            joined, waiting = RawClient(router.url()).join("open"), RawClient(router.url())
            for client in (joined, waiting):
                self.addCleanup(client.close)
            self.assertEqual(router.child.end(), 0)
            for client, message in (
                (joined, [6, {"message": "the router is shutting down"}, "wamp.close.system_shutdown"]),
                (waiting, [3, {"message": "the router is shutting down"}, "wamp.close.system_shutdown"]),
            ):
                if told:
                    self.assertEqual(client.read(), message)
                with self.assertRaises(Closed) as caught:
                    client.read()
                self.assertEqual(caught.exception.code, 1001 if told else None)
