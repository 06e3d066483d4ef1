#!/usr/bin/env python3
"""Runs the scenarios over the peers and prints medians, and orosync's figures beside their bounds (`make bench`).

    python bench/record.py                                        every scenario and bound once
    python bench/record.py --reps 5 --scenarios "fan100 join"     five repetitions of two scenarios
    python bench/record.py --peers "own crossbar node-v2 nchan"   what else a user could pick, beside ours

Interleaved: repetition by repetition, scenario by scenario, the peers in rotating order, each run on a server that was
started for it alone, so that nothing of another run is in its memory or on its processor. Each run is a line of JSON
in --out. Only loopback is used and every run has a time limit. The exit code is 1 where a bound is not met or a run
was not clean (missing, repeated or disordered events, a closed connection).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pool
from pathlib import Path
from typing import Any
from urllib.parse import quote

from own_router import certificate, ticket
from ratios import BOUNDS, judged
from scenarios import OWN, PEERS, SCENARIOS, Peer
from table import tables

HERE = Path(__file__).resolve().parent
SECRET, PASSWORD_HASH = "benchbenchbenchbench", "$2y$13$" + "0123456789" * 5 + "012"
DEFAULT = ("lat100", "slow")
"""Scenarios of the default set that no bound names; orosync alone runs them."""


class Failed(Exception):
    """A run gave no figures."""


def free_port(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on, below the range of outgoing connections."""
    while True:
        port = random.randrange(10000, 15000)
        try:
            for offset in range(count):
                with socket.socket() as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port


@contextmanager
def server(peer: Peer, pem: Path, patience: float = 600) -> Iterator[tuple[int, int]]:
    """A peer that runs: its process id and the port for these clients. Its first start may install what it needs."""
    port = free_port(5)
    environ = {**os.environ, "PYTHON": sys.executable, "BENCH_SECRET": SECRET, "BENCH_HASH": PASSWORD_HASH}
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        script, *arguments = peer.start.split()
        command = [str(HERE / "peers" / script), *arguments, str(port), str(pem)]
        log = Path(directory, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=directory, env=environ, stdout=output, stderr=output, start_new_session=True
            )
        try:
            listening(port + peer.offset, process, time.monotonic() + patience, log)
            time.sleep(0.5)  # what a server does after it has begun to listen
            yield process.pid, port + peer.offset
        finally:
            ended(process)


def listening(port: int, process: subprocess.Popen[bytes], until: float, log: Path) -> None:
    """Wait until a peer accepts connections."""
    while time.monotonic() < until and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    raise Failed(f"did not start: {log.read_text(errors='replace')[-600:]}")


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a peer, and then what it started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def generated(generator: Path, options: list[str], seconds: float = 240) -> dict[str, Any]:
    """What the load generator says of one run."""
    try:
        done = subprocess.run([str(generator), *options], capture_output=True, timeout=seconds)
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise Failed("timed out") from None
    except (IndexError, ValueError):
        raise Failed(f"no figures: {(done.stdout + done.stderr)[-300:].decode(errors='replace')}") from None
    return row


def one_run(name: str, case: str, asked: argparse.Namespace, pem: Path) -> dict[str, Any]:
    """The figures of one scenario over one peer."""
    peer, scenario = PEERS[name], SCENARIOS[case]
    options = [*peer.options.split(), *scenario.options.format(secs=asked.secs).split()]
    with tempfile.NamedTemporaryFile("w", prefix="bench-tickets-") as tickets:
        if peer.tickets:
            wanted = [("anna", PASSWORD_HASH, SECRET)] * int(options[options.index("--subs") + 1])
            if peer.backend:  # the publisher connects behind all subscribers; its password is the secret
                wanted.append(("", SECRET, SECRET))
            with Pool() as pool:
                fresh = pool.starmap(ticket, wanted, 50)
            tickets.writelines(quote(one, safe="") + "\n" for one in fresh)
            tickets.flush()
            options += ["--tickets", tickets.name]
        with server(peer, pem) as (pid, port):
            return generated(asked.generator, ["--name", name, "--port", str(port), "--pid", str(pid), *options])


def chosen(peers: list[str], scenarios: list[str]) -> list[tuple[str, list[str]]]:
    """The scenarios to run, each with its peers. ``own``: orosync and its yardsticks, where a bound compares them."""
    bounded = {(bound.case, name) for bound in BOUNDS for name in (bound.peer, bound.yardstick)}
    bounded |= {(case, name) for case in DEFAULT for name in ("orosync-v1", "orosync-v2")}
    bounded |= {("join", name) for name in OWN if OWN[name].tickets}
    pairs = {(case, name) for name in peers if name != "own" for case in PEERS[name].scenarios}
    if "own" in peers:
        pairs |= bounded
    wanted = [(case, [name for name in PEERS if (case, name) in pairs]) for case in scenarios]
    return [(case, names) for case, names in wanted if names]


def record(asked: argparse.Namespace, work: list[tuple[str, list[str]]]) -> None:
    """Run everything and write it down."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-pem-") as directory, asked.out.open("w") as results:
        pem = certificate(Path(directory), "rsa:2048")
        for rep in range(1, asked.reps + 1):
            for turn, (case, names) in enumerate(work):
                for step in range(len(names)):
                    name = names[(step + rep + turn) % len(names)]
                    row = {"case": case, "peer": name, "rep": rep, "load": os.getloadavg()[0]}
                    try:
                        row = {**one_run(name, case, asked, pem), **row}
                    except Failed as failed:
                        row = {**row, "ok": 0, "why": str(failed)}
                    results.write(json.dumps(row) + "\n")
                    results.flush()
                    figure = SCENARIOS[case].figures[0]
                    said = f"{figure} {row[figure]:.4g}" if row["ok"] and figure in row else f"not clean: {row}"
                    elapsed = time.monotonic() - begun
                    print(f"{elapsed:5.0f} s  {rep} {case} {name}: {said}", file=sys.stderr, flush=True)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=1, help="repetitions")
    parser.add_argument("--scenarios", default=" ".join(SCENARIOS), help=f"of: {' '.join(SCENARIOS)}")
    parser.add_argument("--peers", default="own", help=f"own, or of: {' '.join(PEERS)}")
    parser.add_argument("--secs", type=float, default=2.5, help="how long a load lasts")
    parser.add_argument("--out", type=Path, default=HERE / "results.jsonl", help="where each run is written to")
    parser.add_argument("--slack", type=float, default=0, help="permit so much more than the bounds; 0.15 is 15 %%")
    parser.add_argument("--generator", type=Path, default=HERE / "wampload", help="the load generator, compiled")
    asked = parser.parse_args()
    peers, scenarios = asked.peers.split(), asked.scenarios.split()
    unknown = [*({*peers} - {*PEERS, "own"}), *({*scenarios} - {*SCENARIOS})]
    if unknown:
        parser.error(f"not known: {' '.join(unknown)}")
    work = chosen(peers, scenarios)
    if not work:
        parser.error("these peers run none of these scenarios")
    if not asked.generator.exists():
        parser.error(f"{asked.generator} is missing: make bench/wampload")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    record(asked, work)
    rows = [json.loads(line) for line in asked.out.read_text().splitlines()]
    print(tables(rows))
    report, met = judged(rows, asked.slack)
    print(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
