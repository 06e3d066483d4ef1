"""Where the threads of this process stand, each in one line, for the log of an administrator.

It must not know why anybody asks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Container, Iterator
from types import FrameType

FRAMES = 3
"""Shown of each thread, the innermost last."""

WAITING = ("threading.py", "queue.py")
IDLE = {
    ("concurrent/futures/thread.py", "_worker"),
    ("_threads/_threadworker.py", "work"),
    ("internet/epollreactor.py", "doPoll"),
    ("internet/pollreactor.py", "doPoll"),
    ("internet/selectreactor.py", "doSelect"),
}
"""Where a thread of a pool waits for work, and a reactor for events."""


def busy_threads(besides: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """The name of each thread that does not wait for work, and where it stands; without the one that asks, and those
    whose names are in ``besides``."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread() or thread.name in besides:
            continue
        if not _is_idle(frame):
            yield thread.name, stands(frame)


def stands(frame: FrameType) -> str:
    """The innermost frames of a stack: ``directory/file.py:12 in work > ...``."""
    found: list[str] = []
    inner: FrameType | None = frame
    while inner is not None and len(found) < FRAMES and not _begins(inner):
        found.append(f"{_short(inner)}:{inner.f_lineno} in {inner.f_code.co_name}")
        inner = inner.f_back
    return " > ".join(reversed(found))


def _short(frame: FrameType) -> str:
    return "/".join(frame.f_code.co_filename.split("/")[-3:])


def _begins(frame: FrameType) -> bool:
    """Whether a stack is the beginning of any thread's from here on."""
    return frame.f_code.co_filename.endswith("threading.py") and frame.f_code.co_name in ("run", "_bootstrap_inner")


def _is_idle(frame: FrameType) -> bool:
    if frame.f_code.co_name == "_shutdown" and frame.f_code.co_filename.endswith("threading.py"):
        return True  # the interpreter waits for the other threads
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_filename.endswith(WAITING):
        outer = outer.f_back
    return outer is not None and any(
        outer.f_code.co_filename.endswith(file) and outer.f_code.co_name == function for file, function in IDLE
    )
