"""What becomes of publications besides deliveries: retained where a topic is declared so, kept as history.

The broker has a recorder only where there is something to record. This file must not know who declares topics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orosync.router.delivery import Member
from orosync.router.filters import Filters
from orosync.router.history import Histories
from orosync.router.retention import Retention
from orosync.wamp.payload import Payload


class Recorder:
    """``retained`` tells whether what is published to a topic is to be retained, wanted by its publisher or not."""

    def __init__(self, retention: Retention, retained: Callable[[str], bool], history: Histories) -> None:
        self._retention = retention
        self._retained = retained
        self._history = history

    def record(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        publisher: Member | None,
        exclude_me: bool,
        filters: Filters | None,
        told: Mapping[str, Any] | None,
    ) -> None:
        """A publication with its id. What the router itself says is said for that moment, and not retained."""
        if publisher is not None and self._retained(topic):
            self._retention.keep(topic, number, payload, told, filters, publisher.session if exclude_me else None)
        if self._history:
            self._history.record(number, topic, payload, filters, told)
