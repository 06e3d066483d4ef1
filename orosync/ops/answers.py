"""What the verbs of the control socket answer: their fields are the JSON of ``orosync ... --json``, which is stable
(docs/stability.md).

Times are in the format of RFC 3339, in UTC. A user is WAMP's authid, a role its authrole.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class NodeRow:
    """Another node of the router. ``state``: "joined", "joining" (it has not told everything yet) or "silent" (no sign
    of life). ``lag``: messages for it that it has not acknowledged; ``heard``: seconds since its last sign of life."""

    node: str
    state: str
    lag: int
    heard: float


@attrs.frozen(kw_only=True)
class StatusAnswer:
    """``health``: {"status": "ready", "degraded" or "unready", "wrong": what is at fault, by check}; ``metrics`` as
    ``orosync.metrics.Snapshot``; ``nodes``: the others of a router of several, a NodeRow each; ``workers``: the
    processes of a router with several, a WorkerRow each."""

    version: str
    node: str
    configuration: str
    health: dict[str, Any]
    metrics: dict[str, Any]
    nodes: list[dict[str, Any]] = attrs.field(factory=list)
    workers: list[dict[str, Any]] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class SessionRow:
    """A session that has joined. ``protocol``: "v1" or "v2"; ``queued``: bytes that wait for the client to read."""

    session: int
    realm: str
    user: str
    role: str
    method: str
    protocol: str
    serializer: str
    listener: str
    address: str
    since: str
    queued: int
    subscriptions: int
    registrations: int


@attrs.frozen(kw_only=True)
class SubscriptionRow:
    """A topic or pattern with subscribers. ``since``: when the first of them subscribed."""

    topic: str
    match: str
    realm: str
    subscribers: int
    since: str


@attrs.frozen(kw_only=True)
class KickAnswer:
    """How many sessions were ended, of those that are to be ended: the last line has as many as were there."""

    kicked: int
    of: int


@attrs.frozen(kw_only=True)
class PublishAnswer:
    """How many sessions an event was for."""

    realm: str
    topic: str
    sessions: int


@attrs.frozen(kw_only=True)
class CallAnswer:
    """The result of a call; of one that failed ``error`` is the URI, and the rest what came with it."""

    realm: str
    procedure: str
    error: str
    args: list[Any]
    kwargs: dict[str, Any]


@attrs.frozen(kw_only=True)
class EventLine:
    """An event. ``details`` are EVENT.Details. ``unreadable`` says why there are no arguments."""

    time: str
    realm: str
    topic: str
    publication: int
    args: list[Any]
    kwargs: dict[str, Any]
    details: dict[str, Any]
    unreadable: str


@attrs.frozen(kw_only=True)
class TraceLine:
    """A line of a trace; which fields it has depends on its ``event``. An event of the log has its ``code`` and its own
    fields, escaped, and one from before the trace ``ago``, in seconds. ``why`` is words for people."""

    time: str
    event: str
    code: str
    why: str
    # What is traced.
    seconds: float
    # The session that it is about.
    session: int
    user: str
    realm: str
    role: str
    method: str
    protocol: str
    listener: str
    address: str
    queued: int
    subscriptions: list[str]
    # The publication that it is about; ``publisher`` is a session, None: orosync itself. ``node``: another node where
    # it was published; the publisher is known by name only if it is disclosed.
    topic: str
    publication: int
    publisher: int | None
    publisher_user: str
    node: str
    bytes: int
    args: list[Any]
    kwargs: dict[str, Any]
    payload: str
    # How many.
    subscribers: int
    sessions: int
    lines: int
    ago: float


@attrs.frozen(kw_only=True)
class MaintenanceAnswer:
    """``on``: what pages were told last, None before anything was told since the start of the router, at ``time``.
    ``sessions``: how many subscribe to the topic, and so are blocked while it is on."""

    realm: str
    on: bool | None
    user_id: int | None
    time: str
    sessions: int


@attrs.frozen(kw_only=True)
class ReloadAnswer:
    """``changed``: what is in service now and was not before, by section ("[topics:oro]", "[listen:public]
    certificate"). ``refused``: why something stays as it was. ``restart``: sections that have changed and take effect
    at a restart. ``sessions``: how many have their subscriptions and registrations authorized again from now on."""

    changed: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)
    restart: list[str] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)
    sessions: int = 0


@attrs.frozen(kw_only=True)
class ReplaceAnswer:
    """How many workers have been replaced, of how many. ``refused``: why the others stay as they are."""

    replaced: int
    of: int
    refused: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class WorkerRow:
    """A worker process. ``state``: "starting", "ready", "draining"; ``clients``: how many it serves; ``lag``: messages
    for it that it has not acknowledged to another worker, the most; ``seconds``: since when it has been in service."""

    node: str
    process: int
    state: str
    health: str
    clients: int
    lag: int
    seconds: float


@attrs.frozen(kw_only=True)
class DrainAnswer:
    """How many clients are still connected, of those that there were at the beginning. ``ends``: the process ends."""

    left: int
    of: int
    ends: bool


@attrs.frozen(kw_only=True)
class TopLine:
    """What a router did in the last ``seconds``: rates are for each second, ``cpu`` is 1 for a whole core, ``lag`` and
    ``uptime`` are seconds, ``memory`` bytes. ``topics``: SubscriptionRows with the most subscribers; ``slow``:
    SessionRows whose clients do not read."""

    node: str
    version: str
    health: str
    uptime: float
    seconds: float
    sessions: int
    connections: int
    subscriptions: int
    tickets_waiting: int
    joins: float
    leaves: float
    publications: float
    events: float
    refusals: float
    cuts: float
    cpu: float
    memory: int
    lag: float
    longest_lag: float
    topics: list[Any]
    slow: list[Any]


def plain(answer: Any) -> dict[str, Any]:
    """An answer as JSON has it."""
    return {field.name: getattr(answer, field.name) for field in attrs.fields(type(answer))}
