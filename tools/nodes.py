#!/usr/bin/env python3
"""nodes.py [--spread KIND] [MODULE ...]: tests of the product over one process, two workers and three nodes.

The tests are those that clients see the same way whatever the router runs on (MODULES); their clients are spread
(tests/product/spread.py). Prints a table with what passed, and the exit code is 0 if all did.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent

KINDS = {"": "one process", "workers": "two workers", "redis": "three nodes, Redis"}

MODULES = (
    "test_clients",
    "test_interop_calls",
    "test_interop_events",
    "test_interop_meta",
    "test_interop_progress",
    "test_publisher",
    "test_php_page",
    "test_rights",
    "test_rawsocket",
    "test_rawsocket_methods",
    "test_methods",
    "test_compression",
    "test_batched",
    "test_cookie",
    "test_chat",
    "test_presence",
    "test_prices",
    "test_meta",
    "test_values",
    "test_vectors",
    "test_violations",
)

SUMMARY = re.compile(r"^Ran (\d+) tests", re.MULTILINE)
RESULT = re.compile(r"^(PASSED|FAILED)\b.*$", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE", help="of tests/product")
    parser.add_argument("--spread", action="append", choices=[kind or "one" for kind in KINDS], help="only these")
    options = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if not options.spread or (kind or "one") in options.spread]
    rows = []
    for module in options.modules:
        row = [run(module, kind) for kind in kinds]
        rows.append([module, *row])
        print(f"{module:28} " + "  ".join(f"{KINDS[kind]}: {cell}" for kind, cell in zip(kinds, row, strict=True)))
        sys.stdout.flush()
    failed = [row[0] for row in rows if not all(cell.endswith("passed") for cell in row[1:])]
    print(f"{len(rows)} modules over {', '.join(KINDS[kind] for kind in kinds)}: {len(failed)} failed")
    return 1 if failed else 0


def run(module: str, kind: str) -> str:
    """What became of a module: "12 passed", or what failed, whose output is left in .cache/nodes."""
    began = time.monotonic()
    name = module if "." in module else f"tests.product.{module}"
    command = [sys.executable, "-m", "twisted.trial", f"--temp-directory=_trial_temp_nodes_{os.getpid()}", name]
    done = subprocess.run(
        command,
        cwd=TREE,
        env={**os.environ, "SPREAD": kind},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=1800,
    )
    output = done.stdout + done.stderr
    ran, result = SUMMARY.search(output), RESULT.search(output)
    if done.returncode == 0 and ran and result and result[1] == "PASSED" and int(ran[1]):
        return f"{ran[1]} passed"
    log = TREE / ".cache" / "nodes" / f"{module}-{kind or 'one'}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    said = result[0] if result else f"exit {done.returncode}"
    return f"{said} after {time.monotonic() - began:.0f} s ({log.relative_to(TREE)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
