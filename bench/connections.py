#!/usr/bin/env python3
"""Many connections over several workers, half of them with TLS: memory, descriptors, and what a client notices.

    python bench/connections.py                        20,000 connections over two workers
    python bench/connections.py --count 2000           a short run

Each connection has joined and has one subscription (wampload.c, scenario idle). Memory is PSS, which counts what
processes share once, less what it was before the first connection. Meanwhile one more client asks for something every
10 ms. Loopback only; the limit of open files must be above half of the connections.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from multiprocessing import Event, Pipe, Process
from pathlib import Path

import trustme
from own_router import TREE, OwnRouter, cpu_seconds, descriptors, family, request
from storm import neighbour, spread

CONFIGURATION = """
[router]
state = .
drain = 0s
workers = {workers}
[listen:plain]
endpoint = tcp:{port}:interface=127.0.0.1
origin = optional
max_connections = 20000
max_unauthenticated = 20000
connection_rate = 20000
connections_per_user = 40000
[listen:secure]
endpoint = tcp:{backend}:interface=127.0.0.1
certificate = {pem}
key = {pem}
origin = optional
max_connections = 20000
max_unauthenticated = 20000
connection_rate = 20000
connections_per_user = 40000
[realm:oro]
authenticators = guests
authorizers = roles
[authenticator:guests]
use = anonymous
role = guest
[role:oro/guest]
permissions =
    any all
"""

PATIENCE = 600
"""Seconds in which all have to be connected; on a quiet machine with two cores it takes about a tenth."""


def pss(pid: int) -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> int:
    """The exit code: 1 where not all could connect, or one was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
        pem.write(certificate.private_key_and_cert_chain_pem.bytes())
        pem.flush()
        with OwnRouter(configuration=CONFIGURATION, workers=options.workers, pem=pem.name) as router:
            return measured(router, options.count)


def measured(router: OwnRouter, count: int) -> int:
    """Connect them, look at the processes, and print."""
    time.sleep(2)
    pids = list(family(router.pid))
    before = {pid: (descriptors(pid), pss(pid), cpu_seconds(pid)) for pid in pids}
    options = f"--name orosync --path / --v 2 --realm oro --scenario idle --subs {count // 2} --up {PATIENCE}"
    options += f" --idle {PATIENCE} --pid {router.pid}"
    loads = [
        subprocess.Popen(
            [str(TREE / "bench" / "wampload"), *options.split(), "--port", str(port), "--tls", tls],
            stdout=subprocess.PIPE,
            text=True,
        )
        for port, tls in ((router.port, "0"), (router.backend, "1"))
    ]
    began = time.monotonic()
    connected = 0
    while connected < count and all(load.poll() is None for load in loads) and time.monotonic() - began < PATIENCE:
        time.sleep(0.5)
        connected = sum(descriptors(pid) - before[pid][0] for pid in pids)
    taken_for_all = time.monotonic() - began
    time.sleep(3)  # the last ones subscribe
    spent = [cpu_seconds(pid) - before[pid][2] for pid in pids]
    stop, (theirs, ours) = Event(), Pipe()
    process = Process(target=neighbour, args=(request(router.port, "", "wamp.2.json"), router.port, stop, ours))
    process.start()
    theirs.recv()
    time.sleep(5)
    stop.set()
    taken = theirs.recv()
    process.join()
    rows = [(descriptors(pid), descriptors(pid) - before[pid][0], pss(pid) - before[pid][1]) for pid in pids]
    for load in loads:
        load.terminate()  # it tells what it has found
    said = [load.communicate(timeout=60)[0] for load in loads]
    print(f"{connected} connections, half of them with TLS, after {taken_for_all:.0f} s")
    for (opened, clients, grown), seconds in zip(rows, spent, strict=True):
        if clients > 10:
            print(f"a worker: {clients} clients, {opened} descriptors, {seconds:.1f} s of CPU until all had connected,")
            print(f"    {grown:.0f} MiB more, {grown * 1024 / clients:.1f} KiB for each client")
    answered = spread(taken)
    print(f"a client meanwhile: {len(taken)} requests, median {answered['median']} ms, p99 {answered['p99']} ms")
    good = connected >= count and all('"ok":1' in one for one in said)
    if not good:
        print("\n".join(said))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
