#!/usr/bin/env python3
"""What floods do to other clients: one kind at a time, as fast as a CPU can send, against a router with its defaults.

    python bench/attack.py                         every kind, five windows of ten seconds each (`make attack`)
    python bench/attack.py --kinds "ping call" --windows 1 --seconds 4
    python bench/attack.py --workers 2             a router with two workers, on the same CPU

The flooder (flood.c) has one CPU to itself; the router and all who are measured share the other: a user who was there
before and asks for something every 20 ms, users who log in with fresh tickets, and Oro's PHP, which publishes over a
connection of its own each time and gives a connection up after 0.9 seconds. A control run floods a server that does
nothing: where its neighbour waits for more than 20 ms at p99 the machine is too busy, and all figures are void.

Prints a table of medians over the windows; ends with 1 where a bound is not met or the run is void.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Event, Pipe, Process
from pathlib import Path
from typing import Any

from own_router import TREE, OwnRouter, certificate, request
from storm import finished, frame, publisher

CONFIGURATION = """
[router]
state = .
drain = 0s
workers = {workers}
[listen:main]
endpoint = tcp:{port}:interface=127.0.0.1
origins = localhost 127.0.0.1
publisher_from = loopback
longpoll = /lp
[listen:tls]
endpoint = tcp:{tls}:interface=127.0.0.1
certificate = {pem}
key = {pem}
origins = localhost 127.0.0.1
[listen:raw]
endpoint = tcp:{backend}:interface=127.0.0.1
transport = rawsocket
[realm:oro]
authenticators = tickets anyone
authorizers = topics:oro roles
[authenticator:tickets]
use = ticket
secret = env:STORM_SECRET
directory = people
{tickets}
[authenticator:anyone]
use = anonymous
role = anonymous
[directory:people]
use = static
user.anna = 1 env:STORM_HASH
user.flooder = 2 file:{flooder}
[topics:oro]
use = oro
[role:oro/anonymous]
permissions =
    prefix com. all
"""

KINDS = {
    "ping": "empty pings before HELLO",
    "continuation": "empty fragments before HELLO",
    "subscribe": "SUBSCRIBE and UNSUBSCRIBE",
    "publish": "PUBLISH, denied",
    "call": "CALL of nothing",
    "json": "malformed JSON",
    "v1": "WAMP v1, with a ticket",
    "rawsocket": "RawSocket, empty pings",
    "longpoll": "long-poll, pipelined",
    "http": "half HTTP requests",
    "tls": "TLS handshakes",
}
ROUND_TRIP_MS, LOGIN_MS, PHP_MS, CONTROL_MS = 100.0, 1000.0, 500.0, 20.0
BEAT = 0.02
PUBLISHES = 100


def p99(milliseconds: list[float]) -> float:
    """The 99th percentile; without any figure nothing was ever answered."""
    ordered = sorted(milliseconds)
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)] if ordered else float("inf")


def neighbour(port: int, opening: bytes | None, stop: Any, answers: Any) -> None:
    """The milliseconds of each SUBSCRIBE until its SUBSCRIBED, or (without ``opening``) of each byte until its echo."""
    trips: list[float] = []
    with socket.create_connection(("127.0.0.1", port), 10) as link:
        link.settimeout(30)
        buffer = b""

        def until(mark: bytes) -> None:
            nonlocal buffer
            while mark not in buffer:
                if not (data := link.recv(65536)):
                    raise ConnectionError("the neighbour was cut")
                buffer += data
            buffer = b""

        if opening is not None:
            link.sendall(opening + frame([1, "oro", {"roles": {"subscriber": {}}}]))
            until(b"[2,")
        answers.send("ready")
        try:
            for number in range(1, 10**6):
                if stop.is_set():
                    break
                began = time.perf_counter()
                link.sendall(b"E" if opening is None else frame([32, number, {}, "oro/data/update"]))
                until(b"E" if opening is None else b"[33,%d," % number)
                trips.append((time.perf_counter() - began) * 1000)
                time.sleep(BEAT)
        except OSError:
            trips.append(float("inf"))
    answers.send(trips)


def logins(port: int, openings: list[bytes], stop: Any, answers: Any) -> None:
    """The milliseconds from connect to WELCOME of users who come one after the other, four a second."""
    taken: list[float] = []
    for opening in openings:
        if stop.is_set():
            break
        began = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as link:
                link.settimeout(10)
                link.sendall(opening)
                buffer = b""
                while b'"orosync"]' not in buffer:
                    if not (data := link.recv(4096)):
                        raise ConnectionError(buffer[:40])
                    buffer += data
            taken.append((time.perf_counter() - began) * 1000)
        except OSError:
            taken.append(float("inf"))
        time.sleep(0.25)
    answers.send(taken)


@contextmanager
def beside(work: Any, *values: Any, ready: bool = False) -> Iterator[Any]:
    """``work`` in a process of its own; gives what ends it and returns what it had to say."""
    stop, (theirs, ours) = Event(), Pipe(duplex=False)
    process = Process(target=work, args=(*values, stop, ours))
    process.start()

    def finish() -> Any:
        stop.set()
        told = theirs.recv() if theirs.poll(40) else [float("inf")]
        process.join(5)
        return told

    try:
        if ready and (not theirs.poll(30) or theirs.recv() != "ready"):
            raise SystemExit("the neighbour did not come in")
        yield finish
    finally:
        stop.set()
        process.join(40)
        if process.is_alive():
            process.kill()


class Flood:
    """The flooder on its CPU, for ``seconds``."""

    def __init__(self, program: str, cpu: int, kind: str, port: int, seconds: int, *more: str) -> None:
        command = [program, "--kind", kind, "--port", str(port), "--secs", str(seconds), *more]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu})
        )

    def told(self) -> dict[str, Any]:
        """What it did, once it has ended."""
        output, _ = self._process.communicate(timeout=60)
        if self._process.returncode:
            raise SystemExit(f"the flooder failed: {shlex.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        told: dict[str, Any] = json.loads(output)
        return told


def control(program: str, cpu: int, conns: int, windows: int, seconds: int) -> list[float]:
    """The neighbour's p99 beside a flooded server that does nothing, window by window."""
    found = []
    for _ in range(windows):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        sink = Flood(program, next(iter(os.sched_getaffinity(0))), "sink", port, seconds + 6)
        time.sleep(0.3)
        with beside(neighbour, port, None, ready=True) as finish:
            flood = Flood(program, cpu, "rawsocket", port, seconds + 2, "--conns", str(conns))
            time.sleep(1)
            time.sleep(seconds)
            found.append(p99(finish()))
            flood.told()
        sink.told()
    return found


class Attack:
    """One router, flooded in one way after another."""

    def __init__(self, router: OwnRouter, program: str, cpu: int, asked: argparse.Namespace) -> None:
        self._router = router
        self._program, self._cpu = program, cpu
        self._conns, self._seconds, self._workers = asked.conns, asked.seconds, asked.workers

    def _busy(self) -> float:
        """CPU seconds of the router so far; of one process without those that check its tickets."""
        return self._router.cpu()[0] if self._workers == 1 else sum(self._router.cpu())

    def window(self, kind: str, tls_port: int, flooder_hash: str) -> dict[str, Any]:
        """What the neighbour, users and PHP feel of ``kind`` for one window."""
        router = self._router
        port = {"rawsocket": router.backend, "tls": tls_port}.get(kind, router.port)
        more = ["--conns", str(self._conns), "--path", "/lp" if kind == "longpoll" else "/ws", "--realm", "oro"]
        inside, *fresh = router.tickets(4 * self._seconds)
        with tempfile.NamedTemporaryFile("w", prefix="tickets-") as tickets:
            if kind == "v1":
                tickets.write("\n".join(router.tickets(8, {"flooder": flooder_hash})))
                tickets.flush()
                more += ["--tickets", tickets.name]
            openings = [request(router.port, one) for one in fresh]
            with beside(neighbour, router.port, request(router.port, inside, "wamp.2.json"), ready=True) as round_trips:
                flood = Flood(self._program, self._cpu, kind, port, self._seconds + 2, *more)
                time.sleep(1)
                before = self._busy()
                with beside(logins, router.port, openings) as entered:
                    php = publisher(router, router.port, PUBLISHES)
                    began = time.perf_counter()
                    time.sleep(self._seconds)
                    trips, taken = round_trips(), entered()
                    busy = (self._busy() - before) / (time.perf_counter() - began)
                    told = json.loads(finished(php))
                flooder = flood.told()
        return {
            "round_trip": p99(trips),
            "login": max(taken, default=float("inf")),
            "php": told["published"],
            "php_handshake": p99(told["handshakes"]),
            "busy": busy * 100,
            **{name: flooder[name] for name in ("accepted", "ended", "mb")},
        }


def medians(windows: list[dict[str, Any]]) -> dict[str, float]:
    """Each figure's median over the windows; of what PHP published the least."""
    found = {name: statistics.median(one[name] for one in windows) for name in windows[0]}
    return {**found, "php": min(one["php"] for one in windows)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=" ".join(KINDS), help="names, separated by blanks")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="of each window")
    parser.add_argument("--conns", type=int, default=20, help="connections of the flooder")
    parser.add_argument("--workers", type=int, default=1, help="processes of the router")
    parser.add_argument("--flood", default=str(TREE / "bench" / "flood"), help="the flooder, built of flood.c")
    asked = parser.parse_args()
    kinds = asked.kinds.split()
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))} (there are {', '.join(KINDS)})")
    here, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise SystemExit("two CPUs are needed: one for the flooder, one for the router and all who are measured")
    os.sched_setaffinity(0, {here})

    quiet = control(asked.flood, others[0], asked.conns, asked.windows, asked.seconds)
    void = statistics.median(quiet) > CONTROL_MS
    print(f"control: p99 {statistics.median(quiet):.1f} ms (at most {CONTROL_MS:g})", flush=True)
    columns = [f"{asked.conns} connections send", "round trip p99, ms", "longest login, ms", "PHP published"]
    columns += ["its handshake p99, ms", "router busy, %", "taken, MB", "ended", ""]
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    late = 0
    with tempfile.TemporaryDirectory(prefix="attack-") as directory:
        pem, flooder = certificate(Path(directory)), Path(directory, "flooder")
        flooder.write_text("$2y$13$" + secrets.token_hex(27)[:53])  # a password of its own, as Oro's users have
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            tls_port = free.getsockname()[1]
        for kind in kinds:
            values = {"tls": tls_port, "pem": pem, "flooder": flooder, "workers": asked.workers}
            with OwnRouter(configuration=CONFIGURATION, **values) as router:
                attack = Attack(router, asked.flood, others[0], asked)
                got = medians([attack.window(kind, tls_port, flooder.read_text()) for _ in range(asked.windows)])
            good = (
                got["round_trip"] <= ROUND_TRIP_MS
                and got["login"] <= LOGIN_MS
                and got["php"] == PUBLISHES
                and got["php_handshake"] <= PHP_MS
            )
            late += not good
            cells = [KINDS[kind], f"{got['round_trip']:.0f}", f"{got['login']:.0f}", f"{got['php']:.0f} of {PUBLISHES}"]
            cells += [f"{got['php_handshake']:.0f}", f"{got['busy']:.0f}", f"{got['mb']:.1f}", f"{got['ended']:.0f}"]
            print(f"| {' | '.join(cells)} | {'ok' if good else 'over'} |", flush=True)
    if void:
        print("\nvoid: the control itself is above its bound, the machine was too busy")
    return 1 if late or void else 0


if __name__ == "__main__":
    sys.exit(main())
