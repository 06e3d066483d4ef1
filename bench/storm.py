#!/usr/bin/env python3
"""A storm of tickets: how long everybody takes to come in, and what those who are inside already feel of it.

    python bench/storm.py                        5,000 good tickets within 2 s, and PHP's publisher meanwhile
    python bench/storm.py --wrong 256            256 wrong ones at a time, for 10 s
    python bench/storm.py --addresses 1          everybody behind one address (else --addresses of them)
    python bench/storm.py --restart              2,000 pages of one address come back after a restart, as it is shipped
    STORM_SECRET=... STORM_HASH=... python bench/storm.py --url ws://127.0.0.1:8080/ws

Prints one JSON object; ends with 1 if what --within and --round-trip demand was not met. The clients have a process of
their own, so has the one whose round trips are measured: it sends every 10 ms whether it was answered or not.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import json
import os
import resource
import secrets
import select
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from multiprocessing import Event, Pipe, Process
from pathlib import Path
from typing import Any

from own_router import TREE, OwnRouter, request, wrong_ticket

PATIENCE = 60.0
BEAT = 0.01


class Client:
    """One connection, from connect to WELCOME (v1: right behind the 101) or a refusal. ``outcome`` says which."""

    def __init__(self, port: int, opening: bytes, begun: float) -> None:
        self.begun = begun
        self.outcome = ""
        self._opening = opening
        self._answer = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        fault = self.socket.connect_ex(("127.0.0.1", port))
        if fault not in (0, errno.EINPROGRESS):
            self.outcome = errno.errorcode[fault]

    def ready(self, writable: bool) -> bool:
        """The socket is; True: from now on it waits for an answer."""
        try:
            if writable:
                self.socket.send(self._opening)
                return True
            data = self.socket.recv(4096)
        except OSError as error:
            self.outcome = errno.errorcode.get(error.errno or 0, "error")
            return False
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 101"):
            self.outcome = head[9:12].decode("latin-1")
        elif end and rest[:1] == b"\x81" and b"[0," in rest:
            self.outcome = "welcome"
        elif not data:
            self.outcome = "ended"
        return False


def storm(
    port: int, openings: Iterator[bytes], due: Callable[[float, int, int], float | None]
) -> tuple[list[tuple[str, float]], list[socket.socket]]:
    """(outcome, seconds) of each client, and the sockets still open. ``due(elapsed, opened, open)``: when the next one
    shall have begun, None if not yet, less than 0 when there shall be no more."""
    results: list[tuple[str, float]] = []
    inside: list[socket.socket] = []
    waiting: set[Client] = set()
    selector = selectors.DefaultSelector()
    start, opened, more = time.perf_counter(), 0, True
    while more or waiting:
        elapsed = time.perf_counter() - start
        if elapsed > PATIENCE:
            results += [("no answer", PATIENCE)] * len(waiting)
            break
        while more and (begun := due(elapsed, opened, len(waiting))) is not None:
            opening = next(openings, None)
            if opening is None or begun < 0:
                more = False
                break
            client = Client(port, opening, start + begun)
            waiting.add(client)
            opened += 1
            selector.register(client.socket, selectors.EVENT_WRITE, client)
        for key, events in selector.select(0.002):
            client = key.data
            if client.ready(bool(events & selectors.EVENT_WRITE)):
                selector.modify(client.socket, selectors.EVENT_READ, client)
            if client.outcome:
                results.append((client.outcome, time.perf_counter() - client.begun))
                selector.unregister(client.socket)
                waiting.discard(client)
                if client.outcome == "welcome":
                    inside.append(client.socket)
                else:
                    client.socket.close()
    return results, [*inside, *(client.socket for client in waiting)]


def neighbour(opening: bytes, port: int, stop: Any, answers: Any) -> None:
    """A v2 client that was there before: the seconds from each SUBSCRIBE to its SUBSCRIBED go to ``answers``."""
    with socket.create_connection(("127.0.0.1", port), 10) as link:
        link.sendall(opening)
        link.sendall(frame([1, "oro", {"roles": {"subscriber": {}}}]))
        buffer = b""
        while b"[2," not in buffer:
            buffer += link.recv(4096)
        buffer = b""
        sent: dict[int, float] = {}
        taken: list[float] = []
        answers.send("ready")
        following = time.perf_counter()
        while not stop.is_set() or (sent and time.perf_counter() - following < PATIENCE):
            if not stop.is_set() and time.perf_counter() >= following:
                number = len(taken) + len(sent) + 1
                sent[number] = following
                link.sendall(frame([32, number, {}, "oro/data/update"]))
                following += BEAT
            if select.select([link], [], [], 0.001 if sent else 0.005)[0]:
                arrived = time.perf_counter()
                buffer += link.recv(65536)
                while len(buffer) > 1 and len(buffer) >= 2 + buffer[1]:
                    text, buffer = buffer[2 : 2 + buffer[1]], buffer[2 + buffer[1] :]
                    if text.startswith(b"[33,"):
                        taken.append(arrived - sent.pop(json.loads(text)[1]))
        answers.send(taken + [PATIENCE] * len(sent))


def frame(message: list[Any]) -> bytes:
    """A masked text frame of JSON, under 126 bytes."""
    text = json.dumps(message, separators=(",", ":")).encode()
    mask = os.urandom(4)
    return struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + bytes(b ^ mask[n & 3] for n, b in enumerate(text))


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, p99 and most, in milliseconds."""
    ordered = sorted(seconds) or [0.0]
    ranks = {"median": 0.5, "p99": 0.99, "most": 1.0}
    return {
        name: round(ordered[min(int(len(ordered) * rank), len(ordered) - 1)] * 1000, 1) for name, rank in ranks.items()
    }


def publisher(router: OwnRouter, port: int, times: int) -> subprocess.Popen[str]:
    """Oro's PHP publisher, as often as ``times``: it takes a second at most to connect, or fails."""
    job = {
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "path": "/ws",
        "secret": router.secret,
        "times": times,
    }
    command = ["php", str(TREE / "tests/php/publisher.php")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps({**job, "topic": "oro/data/update"}))
    process.stdin.close()
    return process


def finished(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended."""
    assert process.stdout is not None
    with process.stdout as output:
        printed = output.read()
    process.wait()
    return printed


def measure(router: OwnRouter, asked: argparse.Namespace) -> dict[str, Any]:
    """Everything at once, and what came of it."""

    def address(number: int) -> str:
        return f"198.18.{number % asked.addresses // 250}.{number % asked.addresses % 250 + 1}"

    if asked.wrong:
        names = ("anna", "nobody", "gone")
        openings = (request(router.port, wrong_ticket(names[n % 3]), address=address(n)) for n in range(10**9))

        def due(elapsed: float, opened: int, waiting: int) -> float | None:
            return -1.0 if elapsed > asked.seconds else elapsed if waiting < asked.wrong else None
    else:
        made = [request(router.port, one, address=address(n)) for n, one in enumerate(router.tickets(asked.tickets))]
        openings = iter(made)

        def due(elapsed: float, opened: int, waiting: int) -> float | None:
            planned = opened * asked.seconds / asked.tickets
            return planned if elapsed >= planned else None

    before = router.cpu()
    stop, (answers, ours) = Event(), Pipe(duplex=False)
    opening = request(router.port, router.tickets(1)[0], "wamp.2.json")
    inside = Process(target=neighbour, args=(opening, router.port, stop, ours))
    inside.start()
    answers.recv()
    php = (
        publisher(router, router.port if asked.shared else router.backend, asked.publishers)
        if asked.publishers
        else None
    )
    results, sockets = storm(router.port, openings, due)
    stop.set()
    round_trips = answers.recv()
    inside.join()
    for one in sockets:
        one.close()
    told = json.loads(finished(php)) if php else {"connected": 0, "errors": []}
    report: dict[str, Any] = {
        "outcomes": dict(collections.Counter(outcome for outcome, _ in results)),
        "to_answer_ms": spread([seconds for _, seconds in results]),
        "round_trips": len(round_trips),
        "round_trip_ms": spread(round_trips),
        "publisher": f"{told['connected']} of {asked.publishers}",
        "router_mib": router.memory(),
        # Ticket processes begin with the first ticket.
        "router_cpu_s": [round(after - then, 2) for after, then in zip_longest(router.cpu(), before, fillvalue=0.0)],
    }
    faults = [f"publisher: {error}" for error in sorted(set(told["errors"]))]
    if told["connected"] != asked.publishers:
        faults.append("the publisher did not always connect")
    if not asked.wrong and (
        report["outcomes"] != {"welcome": asked.tickets} or report["to_answer_ms"]["most"] > asked.within * 1000
    ):
        faults.append(f"not everybody was in within {asked.within:g} s")
    if report["round_trip_ms"]["most" if asked.wrong else "p99"] > asked.round_trip * 1000:
        faults.append(f"round trips took longer than {asked.round_trip:g} s")
    return {**report, "faults": faults}


SHIPPED = """
[router]
state = .
[listen:shared]
endpoint = tcp:{port}:interface=127.0.0.1
origins = localhost 127.0.0.1
trusted_proxies = loopback
publisher_from = loopback
[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
[realm:oro]
authenticators = ticket
authorizers = topics:oro
[authenticator:ticket]
use = ticket
secret = env:STORM_SECRET
directory = people
[directory:people]
use = static
{people}
[topics:oro]
use = oro
"""
"""As etc/router.production.ini, which leaves every limit as it is."""

PAGES_OF_ONE = 40
"""Pages that one user has open; connections_per_user allows 200."""


def come_back(asked: argparse.Namespace) -> dict[str, Any]:
    """Pages of one address, whom no proxy speaks for, are inside when the router is restarted; each comes back with a
    fresh ticket, within the two seconds in which Oro's page tries again."""
    count = asked.tickets
    users = {f"user{n}": "$2y$13$" + secrets.token_hex(27)[:53] for n in range(-(-count // PAGES_OF_ONE))}
    with tempfile.TemporaryDirectory(prefix="storm-") as directory:
        for name, password_hash in users.items():
            Path(directory, name).write_text(password_hash)
        people = "\n".join(f"user.{name} = {n} file:{directory}/{name}" for n, name in enumerate(users, 1))
        with OwnRouter(configuration=SHIPPED, people=people) as router:
            reports = []
            for restarted in (False, True):
                openings = iter([request(router.port, one) for one in router.tickets(count, users)])
                if restarted:
                    router.restart()

                def due(elapsed: float, opened: int, waiting: int) -> float | None:
                    planned = opened * asked.seconds / count
                    return planned if elapsed >= planned else None

                begun = time.perf_counter()
                results, sockets = storm(router.port, openings, due)
                took = time.perf_counter() - begun
                outcomes = dict(collections.Counter(outcome for outcome, _ in results))
                reports.append({"outcomes": outcomes, "all_in_s": round(took, 1)})
                if restarted:
                    for one in sockets:
                        one.close()
    within = asked.within if asked.within is not None else 15.0
    faults = [f"not everybody was in: {one['outcomes']}" for one in reports if one["outcomes"] != {"welcome": count}]
    if reports[1]["all_in_s"] > within:
        faults.append(f"not everybody was back within {within:g} s")
    return {"before": reports[0], "after the restart": reports[1], "faults": faults}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a router of this machine that runs already")
    parser.add_argument("--tickets", type=int, help="5000; with --restart 2000")
    parser.add_argument("--wrong", type=int, default=0, help="wrong tickets at a time, instead of good ones")
    parser.add_argument("--seconds", type=float, help="over how long; 2, with --wrong 10")
    parser.add_argument("--addresses", type=int, default=1000, help="how many X-Forwarded-For tells of")
    parser.add_argument("--burst", type=int, default=100, help="wrong tickets that an address may show at once")
    parser.add_argument("--publishers", type=int, default=100, help="how often PHP connects meanwhile")
    parser.add_argument("--shared", action="store_true", help="PHP comes to the port of the storm, not to its own")
    parser.add_argument("--within", type=float, help="seconds until the last is in: 20, with --restart 15")
    parser.add_argument("--restart", action="store_true", help="pages of one address come back after a restart")
    parser.add_argument("--round-trip", type=float, help="seconds; p99 within 0.25, with --wrong at most 0.15")
    asked = parser.parse_args()
    asked.tickets = asked.tickets or (2000 if asked.restart else 5000)
    asked.seconds = asked.seconds or (10.0 if asked.wrong else 2.0)
    asked.round_trip = asked.round_trip or (0.15 if asked.wrong else 0.25)
    files = 2 * asked.tickets + asked.wrong + 100
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard) if hard > 0 else files, hard))
    if asked.restart:
        report = come_back(asked)
    else:
        asked.within = asked.within or 20.0
        with OwnRouter(asked.url, f"failure_burst = {asked.burst}") as router:
            report = measure(router, asked)
    print(json.dumps(report, indent=2))
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
