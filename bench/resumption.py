#!/usr/bin/env python3
"""What a TLS join costs the server whose session is resumed, compared with a full one.

    python bench/resumption.py                         five pairs of 1,000 joins, a certificate of RSA (2048 bits)
    python bench/resumption.py --key ecdsa             one of ECDSA (P-256)

One router. Full and resumed joins in turns (wampload.c, scenario connect, WAMP v2 without authentication): CPU time of
the router's process for each, from accept to WELCOME. Prints the median of the paired ratios; ends with 1 if it exceeds
the bound of its kind of key, or if a join was not of the kind that it should be. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from own_router import TREE, OwnRouter, certificate

CONFIGURATION = """
[router]
state = .
drain = 0s
[listen:plain]
endpoint = tcp:{port}:interface=127.0.0.1
origin = optional
[listen:secure]
endpoint = tcp:{backend}:interface=127.0.0.1
certificate = {pem}
key = {pem}
origin = optional
max_connections = 20000
max_unauthenticated = 20000
connection_rate = 20000
connection_burst = 20000
[realm:realm1]
authenticators = guests
authorizers = roles
[authenticator:guests]
use = anonymous
role = guest
[role:realm1/guest]
permissions =
    any all
"""

KEYS = {"rsa": "rsa:2048", "ecdsa": "ec -pkeyopt ec_paramgen_curve:prime256v1"}
MOST = {"rsa": 0.5, "ecdsa": 1.1}
"""By kind of key: the bound. With ECDSA there is nothing to be saved in TLS 1.3, whose key exchange takes place all the
same; it must not cost more."""


def joined(generator: str, router: OwnRouter, count: int, resume: bool) -> float:
    """Microseconds of CPU time of the router for each of ``count`` joins."""
    options = {
        "scenario": "connect", "v": 2, "tls": 1, "port": router.backend, "pid": router.pid,
        "subs": count, "conc": 32, "resume": int(resume),
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([generator, *words], capture_output=True, text=True, timeout=120, check=False)
    said = json.loads(done.stdout) if done.stdout else {}
    if not said.get("ok") or said["resumed"] != (count if resume else 0):
        raise SystemExit(f"not clean: {done.stdout or done.stderr}")
    return float(said["us_join"])


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", choices=MOST, default="rsa")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        pem, generator = certificate(Path(directory), KEYS[asked.key]), str(Path(directory, "wampload"))
        source = str(TREE / "bench/wampload.c")
        subprocess.run(["gcc", "-O2", "-o", generator, source, "-lssl", "-lcrypto", "-lm"], check=True)
        with OwnRouter(configuration=CONFIGURATION, pem=pem) as router:
            joined(generator, router, asked.count, False)
            pairs = [[joined(generator, router, asked.count, one) for one in (False, True)] for _ in range(asked.pairs)]
    ratios = [resumed / full for full, resumed in pairs]
    full, resumed = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio, most = statistics.median(ratios), MOST[asked.key]
    print(f"{asked.key}: full {full:.0f} us, resumed {resumed:.0f} us of CPU time for a join")
    met = ratio <= most
    print(f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), at most {most}: {'ok' if met else 'over'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
