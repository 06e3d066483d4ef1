"""Browsers that come and go while something happens to the running product, and what it holds when it is over."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


class Traffic:
    """Two browsers that come as one of ``whom`` after the other and go at once, until ``stop``."""

    def __init__(self, come, whom):
        self.visits = []
        self._come, self._whom = come, whom
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(turn,), daemon=True) for turn in (0, 1)]
        for thread in self._threads:
            thread.start()

    def _run(self, turn):
        while not self._stop.is_set():
            for who in self._whom[turn::2]:
                begun = time.monotonic()
                client = self._come(who)
                client.close()
                self.visits.append((begun, time.monotonic(), client.status))
                time.sleep(0.02)

    def between(self, first, last):
        """What those were answered who came and were answered within that time."""
        return [status for begun, ended, status in self.visits if first <= begun and ended <= last]

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        assert not any(thread.is_alive() for thread in self._threads)


def held(router):
    """Threads and sockets of a child process."""
    process = Path(f"/proc/{router.process.pid}")
    sockets = 0
    for entry in (process / "fd").iterdir():
        try:
            sockets += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:  # closed since it was listed
            continue
    return len(list((process / "task").iterdir())), sockets


def settled(router):
    """What is held when the last visitors' ends have been noticed."""
    found, since = held(router), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.05)
        if (now := held(router)) != found:
            found, since = now, time.monotonic()
    return found
