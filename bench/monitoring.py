#!/usr/bin/env python3
"""What monitoring costs: a counter's increment, and a scrape of /metrics with many sessions.

    python bench/monitoring.py                              2,000 sessions with 12 subscriptions each
    python bench/monitoring.py --sessions 200 --scrapes 5   a short run

Half of a session's subscriptions are to topics of its own, half to topics that all sessions share. All figures are CPU
time, which other load of the machine hardly changes: of this process for an increment, of the router for a scrape, less
what it takes without scrapes. Prints them, and ends with 1 where a scrape a second takes more than 1 % of a core, or an
increment more than 0.1 microseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from own_router import OwnRouter, request
from storm import frame

from orosync.metrics import FAST, Histogram

CONFIGURATION = """
[router]
state = .
drain = 0s
[listen:storm]
endpoint = tcp:{port}:interface=127.0.0.1
connections_per_user = 20000
max_connections = 20000
max_unauthenticated = 20000
connection_rate = 20000
ping_interval = 900s
[listen:ops]
endpoint = tcp:{backend}:interface=127.0.0.1
[realm:oro]
authenticators = guests
authorizers = topics:acme
[authenticator:guests]
use = anonymous
role = user
[topics:acme]
channel.acme/shared/{{number}} = subscribe user
channel.acme/record/{{kind}}/{{number}} = subscribe user
channel.acme/desk/{{desk}}/orders/{{number}} = subscribe user
channel.acme/news = subscribe user
"""

SUBSCRIPTIONS = 12
MOST_SHARE = 0.01
"""Of a core, for a scrape a second."""
MOST_INCREMENT = 0.1
"""Microseconds."""
REPEATS = 7


def topics(number: int) -> list[str]:
    """Of one session."""
    own = [f"acme/record/{kind}/{number}" for kind in range(SUBSCRIPTIONS // 2 - 1)]
    own.append(f"acme/desk/{number % 50}/orders/{number}")
    return own + [f"acme/shared/{one}" for one in range(SUBSCRIPTIONS - len(own))]


def clients(port: int, count: int, ours: Any) -> None:
    """Joins them all, subscribes, and waits for a word before it leaves."""
    links = []
    for number in range(count):
        link = socket.create_connection(("127.0.0.1", port), 20)
        link.sendall(request(port, "", "wamp.2.json"))
        link.sendall(frame([1, "oro", {"roles": {"subscriber": {}}}]))
        wanted = topics(number)
        link.sendall(b"".join(frame([32, place, {}, topic]) for place, topic in enumerate(wanted, 1)))
        heard = b""
        while heard.count(b"[33,") < len(wanted):
            piece = link.recv(65536)
            if not piece:
                raise SystemExit(f"a client was not served: {heard!r}")
            heard += piece
        links.append(link)
    ours.send(len(links))
    ours.recv()


def scrape(port: int) -> bytes:
    """The page."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        page: bytes = answer.read()
    return page


def cost_of_scrapes(sessions: int, scrapes: int) -> dict[str, float]:
    """Milliseconds of the router's CPU time for the first scrape, which matches each topic, and for one of those that
    follow, one a second; "idle" is what the router takes in a second without."""
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(3 * sessions + 1000, hard) if hard > 0 else hard, hard))
    with OwnRouter(configuration=CONFIGURATION) as router:
        theirs, ours = Pipe()
        process = Process(target=clients, args=(router.port, sessions, ours))
        process.start()
        assert theirs.recv() == sessions
        time.sleep(2)
        before = router.cpu()[0]
        page = scrape(router.backend)
        first = router.cpu()[0] - before
        subscribed = sum(
            float(line.split()[-1]) for line in page.decode().splitlines() if line.startswith("orosync_subscriptions{")
        )
        assert subscribed == sessions * SUBSCRIPTIONS, subscribed
        begun, before = time.monotonic(), router.cpu()[0]
        for number in range(1, scrapes + 1):
            scrape(router.backend)
            time.sleep(max(0.0, begun + number - time.monotonic()))
        spent = router.cpu()[0] - before
        before = router.cpu()[0]
        time.sleep(scrapes)
        idle = router.cpu()[0] - before
        theirs.send("leave")
        process.join()
    return {
        "first": first * 1000,
        "each": (spent - idle) / scrapes * 1000,
        "idle": idle / scrapes * 1000,
        "bytes": len(page),
    }


class Counting:
    """An object that counts, as those of the router do."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


def microseconds(loop: Callable[[int], None], empty: Callable[[int], None], times: int = 200_000) -> float:
    """One pass of ``loop``, less one of ``empty``: the least of several tries."""

    def least(tried: Callable[[int], None]) -> float:
        found = []
        for _ in range(REPEATS):
            begun = time.thread_time_ns()
            tried(times)
            found.append(time.thread_time_ns() - begun)
        return min(found)

    return (least(loop) - least(empty)) / times / 1000


def cost_of_increments() -> dict[str, float]:
    """Microseconds of each way of counting."""
    counting, histogram = Counting(), Histogram(FAST)
    seconds = time.monotonic

    def nothing(times: int) -> None:
        for _ in range(times):
            pass

    def counter(times: int) -> None:
        for _ in range(times):
            counting.count += 1

    def span(times: int) -> None:
        for _ in range(times):
            began = seconds()
            histogram.observe(seconds() - began)

    return {"counter": microseconds(counter, nothing), "span": microseconds(span, nothing)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--scrapes", type=int, default=60, help="one a second")
    asked = parser.parse_args()
    increments, scrapes = cost_of_increments(), cost_of_scrapes(asked.sessions, asked.scrapes)
    increments = {name: round(value, 3) for name, value in increments.items()}
    share = round(scrapes["each"] / 1000, 4)
    figures = {
        "increment_us": increments,
        "scrape_ms": {name: round(scrapes[name], 2) for name in ("first", "each", "idle")},
        "page_bytes": scrapes["bytes"],
        "share_of_a_core": share,
        "sessions": asked.sessions,
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures, indent=2))
    return 1 if share > MOST_SHARE or increments["counter"] > MOST_INCREMENT else 0


if __name__ == "__main__":
    sys.exit(main())
