"""The parts of the transport that are in C as well (``native/transport.c``), where they could be built."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol


class Native(Protocol):
    """The module in C."""

    Sender: Callable[[Any, list[bytes], Any, int, int], Any]
    """(link, queue, scheduler, descriptor, batch) to what is ``write_queue.Way`` and ``ILink.send`` in one."""

    def send_to_all(self, receivers: list[Callable[[Any], None]], frame: Any, /) -> None:
        """See write_queue."""

    def flush_ready(self, pending: list[Any], others: list[Any], /) -> None:
        """Flush those links that are on plain sockets and hold nothing back; the rest is added to ``others``. Raises
        what the first raised that could not be flushed, when all are dealt with."""

    def data_frame(self, data: bytes, position: int, limit: int, alone: bool, /) -> tuple[bytes, int] | None:
        """See frames."""


def _built() -> Native | None:
    try:
        found: Native = importlib.import_module("orosync.transport._native")
    except ImportError:
        return None
    return found


built = _built()
"""None where it was not built."""
