"""Traffic through all nodes: WAMP v2 clients in a thread of their own, PHP in processes, and what became of it all."""

from __future__ import annotations

import asyncio
import collections
import json
import subprocess
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from tests.faults.roles import PAGES_TOPIC, Roles, Routers
from tests.product.running_router import TREE
from tests.support.numbered import Counts, back, compare

T = TypeVar("T")

PHP_PACE, PHP_CONNECTION = 0.025, 25
"""Seconds between two events of PHP's, and how many it publishes until it connects again."""

STILL = 12.0
"""Seconds without any event after which nothing more will come."""


class Traffic:
    """Runs from ``start`` to ``stop``."""

    def __init__(self, routers: Routers) -> None:
        self._routers = routers
        self.roles = Roles(routers)
        self.php_errors: collections.Counter[str] = collections.Counter()
        self._php: list[tuple[str, subprocess.Popen[str]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """All clients are there, and events pass."""
        self._thread.start()
        self._do(self.roles.start())
        for node in self._routers.names:
            job = {
                "host": "127.0.0.1", "port": self._routers.port(node, "backend"), "tls": False, "path": "/",
                "secret": self._routers.secret, "topic": PAGES_TOPIC, "per_connection": PHP_CONNECTION,
                "pace": PHP_PACE, "publisher": node,
            }  # fmt: skip
            command = ["php", str(TREE / "tests/php/paced_publisher.php"), json.dumps(job)]
            php = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._php.append((node, php))

    def quiet(self, killed: Sequence[tuple[str, float, float]] = ()) -> None:
        """Nothing more is published; wait for what is still to come. ``killed``: nodes, and from when to when they took
        what they did not send on."""
        roles = self.roles
        roles.running = False
        for _, php in self._php:
            assert php.stdin is not None
            php.stdin.close()
        for node, php in self._php:
            try:
                php.wait(90)
                assert php.stdout is not None
                said = json.loads(php.stdout.read())
            except (ValueError, subprocess.TimeoutExpired):
                php.kill()
                roles.unexpected["a PHP publisher has failed"] += 1
                continue
            self.php_errors.update(said["errors"])
            for number, times in enumerate(said["connections"], 1):
                stream = roles.php_stream(node, number)
                stream.times = times
                stream.cut = bool(times) and any(
                    who == node and times[0] - 1.0 <= until and times[-1] + 1.0 >= since for who, since, until in killed
                )
        last, since = -1, time.monotonic()
        while time.monotonic() - since < STILL and not self._complete():
            if roles.events != last:
                last, since = roles.events, time.monotonic()
            time.sleep(0.5)
        time.sleep(0.5)  # for what comes a second time

    def _complete(self) -> bool:
        if any(not call.answers and not call.cut for call in self.roles.calls):
            return False
        return not any(
            compare(stream, one).missing_at_end for stream in self.roles.streams for one in self.roles.receivers
        )

    def stop(self) -> None:
        """All clients are gone."""
        for _, php in self._php:
            if php.poll() is None:
                php.kill()
            php.wait()
        if self._thread.is_alive():
            self._do(self.roles.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    # -- what came of it

    @property
    def published(self) -> int:
        """Events, PHP's among them."""
        return sum(len(stream.times) for stream in self.roles.streams)

    def counts(self, faulty: str) -> tuple[Counts, Counts, Counts]:
        """Those of pairs of nodes without ``faulty``, those of its subscribers, and those of its publishers' events at
        other nodes."""
        healthy, to, of = Counts(), Counts(), Counts()
        for stream in self.roles.streams:
            for receiver in self.roles.receivers:
                counted = to if receiver.node == faulty else of if stream.node == faulty else healthy
                counted.add(compare(stream, receiver))
        return healthy, to, of

    def unsent(self) -> int:
        """Events that a node which was killed had acknowledged, and had not sent to every other one."""
        return sum(
            max((compare(stream, receiver).unsent for receiver in self._listening()), default=0)
            for stream in self.roles.streams
            if stream.cut
        )

    def _listening(self) -> list[Any]:
        return [one for one in self.roles.receivers if one.seen and not one.cut]

    def delivered(self) -> dict[str, int]:
        """Events by node of the subscriber."""
        found: collections.Counter[str] = collections.Counter()
        for receiver in self.roles.receivers:
            found[receiver.node] += sum(map(len, receiver.seen.values()))
        return dict(sorted(found.items()))

    def back(self, moment: float) -> float | None:
        """See ``numbered.back``; of those who acknowledge alone."""
        streams = [one for one in self.roles.streams if one.acknowledged]
        return back(streams, self.roles.receivers, moment)

    def outcomes(self) -> collections.Counter[str]:
        """Of all calls: "result" and errors, "unanswered", "twice"; "cut" if the caller's own connection had ended."""
        found: collections.Counter[str] = collections.Counter()
        for call in self.roles.calls:
            if len(call.answers) > 1:
                found["twice"] += 1
            elif call.answers:
                found[call.answers[0]] += 1
            else:
                found["cut" if call.cut else "unanswered"] += 1
        return found

    def alive(self, realm: str) -> int:
        """Clients that are connected."""
        return sum(not client.lost and client.realm == realm for client in self.roles.clients)
