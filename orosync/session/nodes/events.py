"""Publications as nodes send them to each other and keep them together: between the router's values and NodeEvent."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from orosync.backplane.messages import NodeEvent, PackedFilters, decode, encode, unpacked
from orosync.errors import ProtocolViolation
from orosync.router.filters import Filters
from orosync.router.relays import RelayedPublication

T = TypeVar("T", int, str)


def packed_filters(filters: Filters | None) -> PackedFilters | None:
    """Filters for another node."""
    if filters is None:
        return None
    return PackedFilters(
        _listed(filters.exclude),
        _listed(filters.exclude_authid),
        _listed(filters.exclude_authrole),
        _listed(filters.eligible),
        _listed(filters.eligible_authid),
        _listed(filters.eligible_authrole),
    )


def unpacked_filters(filters: PackedFilters | None) -> Filters | None:
    """Filters of another node."""
    if filters is None:
        return None
    return Filters(
        _frozen(filters.exclude),
        _frozen(filters.exclude_authid),
        _frozen(filters.exclude_authrole),
        _frozen(filters.eligible),
        _frozen(filters.eligible_authid),
        _frozen(filters.eligible_authrole),
    )


def relayed(event: NodeEvent, node: str) -> RelayedPublication:
    """A publication of another node. ProtocolViolation for a payload in an unknown serializer."""
    return RelayedPublication(
        event.topic,
        event.publication,
        unpacked(event.payload),
        unpacked_filters(event.filters),
        event.details,
        node,
        event.publisher,
        event.excluded or None,
        event.time,
        event.retained_at,
    )


def stored(event: NodeEvent) -> bytes:
    """An event as the engine keeps it."""
    return encode([event])


def restored(value: bytes) -> NodeEvent | None:
    """An event that the engine kept; None for anything else: others may write to the engine."""
    try:
        (event,) = decode(value)
        if not isinstance(event, NodeEvent):
            return None
        unpacked(event.payload)
    except (ProtocolViolation, ValueError):
        return None
    return event


def _listed(values: Collection[T] | None) -> list[T] | None:
    return None if values is None else list(values)


def _frozen(values: Collection[T] | None) -> frozenset[T] | None:
    return None if values is None else frozenset(values)
