"""`make run` as README's reader has it: started in this checkout, its page fetched, Ctrl-C. Standard library only.

Prints each line of make's output with the seconds since the start, then the time until the page answered and the
longest time without output. Exit 1 if there is no page within ten minutes, if half of the time until then, and over
15 s, was without output, or if make does not end within 30 s of Ctrl-C or complains.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

URL = "http://127.0.0.1:8442/"
PATIENCE, STOP = 600.0, 30.0
"""Seconds until the page, and from Ctrl-C to the end."""

SILENCE, SHORT = 0.5, 15.0
"""The longest time between two lines, as a share of the time until the page, since machines differ in speed; and the
seconds in which pip may unpack what it has named."""

COMPLAINTS = re.compile(r"\*\*\*|Traceback|#(?:warn|error|critical)\]")
"""What the output of an ordinary run holds nowhere."""


class Run:
    """A `make run` whose lines are read as they come."""

    def __init__(self, tree: Path) -> None:
        self.began = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self.process = subprocess.Popen(
            ["make", "run"],
            cwd=tree,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the whole group, and not for this program
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            at = time.monotonic() - self.began
            self.lines.append((at, line.rstrip("\n")))
            print(f"{at:7.1f}  {line}", end="", flush=True)

    def page(self) -> float | None:
        """Seconds until the page answered; None where it never did."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while self.process.poll() is None and time.monotonic() - self.began < PATIENCE:
            try:
                with direct.open(URL, timeout=5) as answer:
                    if b"</html>" in answer.read():
                        return time.monotonic() - self.began
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        return None

    def interrupt(self) -> int | None:
        """Ctrl-C; how make ended, None where it had to be killed."""
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            code = self.process.wait(STOP)
            self._reader.join(STOP)
            return code
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def main() -> int:
    """The run, judged."""
    run = Run(Path.cwd())
    seconds = run.page()
    until = len(run.lines)
    code = run.interrupt()
    faults = []
    if seconds is None:
        faults.append("there is no page")
    else:
        times = [0.0, *(at for at, _ in run.lines[:until]), seconds]
        silence = max(later - at for at, later in pairwise(times))
        print(f"first_run: page after {seconds:.1f} s, longest silence {silence:.1f} s")
        if silence > max(SILENCE * seconds, SHORT):
            faults.append(f"silent for {silence:.1f} s")
    if code not in (0, -signal.SIGINT):
        faults.append("does not end by Ctrl-C" if code is None else f"ended with {code}")
    faults += [line for _, line in run.lines if COMPLAINTS.search(line)]
    for fault in faults:
        print(f"first_run: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
