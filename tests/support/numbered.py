"""Numbered events of publishers at subscribers, and what became of them: lost, repeated, out of order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import attrs

KNOWN = 1.0
"""Seconds after SUBSCRIBED in which every node has heard of it, also on a busy machine."""


@attrs.define(eq=False)
class Stream:
    """What one connection of a publisher to ``node`` published to ``topic``: events 1, 2, ... in order, at ``times``.

    ``cut``: the connection ended together with its node, which may not have sent on everything that it had taken.
    """

    node: str
    topic: str = ""
    times: list[float] = attrs.Factory(list)
    acknowledged: int = 0
    refused: int = 0
    cut: bool = False


@attrs.define(eq=False)
class Receiver:
    """One subscription to ``topic`` of one connection to ``node``, from ``since`` on. ``cut``: it ended before the
    traffic did."""

    node: str
    since: float
    topic: str = ""
    cut: bool = False
    seen: dict[Stream, list[int]] = attrs.Factory(dict)
    arrivals: dict[Stream, list[float]] = attrs.Factory(dict)

    def receive(self, stream: Stream, number: int, now: float) -> None:
        """An event has come."""
        self.seen.setdefault(stream, []).append(number)
        self.arrivals.setdefault(stream, []).append(now)


@attrs.define
class Counts:
    """``missing_at_end`` is part of ``lost``: numbers after the last one that came. ``unsent``: acknowledged by a node
    that was killed, and sent to no other."""

    delivered: int = 0
    lost: int = 0
    repeated: int = 0
    out_of_order: int = 0
    unsent: int = 0
    missing_at_end: int = 0

    def add(self, other: Counts) -> None:
        """Sums of both."""
        for name in attrs.fields_dict(Counts):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def compare(stream: Stream, receiver: Receiver) -> Counts:
    """What became of the events of ``stream`` at ``receiver``.

    It must have got all from the first one that came, or that was published KNOWN after it had subscribed, up to the
    last one published. If either of the two was cut, then up to the last one that came.
    """
    if stream.topic != receiver.topic:
        return Counts()
    seen = receiver.seen.get(stream, [])
    found, highest = Counts(delivered=len(seen)), 0
    distinct = set(seen)
    found.repeated = len(seen) - len(distinct)
    so_far: set[int] = set()
    for number in seen:
        if number < highest and number not in so_far:
            found.out_of_order += 1
        so_far.add(number)
        highest = max(highest, number)
    first = bisect_left(stream.times, receiver.since + KNOWN) + 1
    if seen:
        first = min(first, min(seen))
    last = highest if receiver.cut or stream.cut else len(stream.times)
    found.lost = max(0, last - first + 1) - sum(first <= number <= last for number in distinct)
    found.missing_at_end = max(0, last - max(highest, first - 1))
    if stream.cut and not receiver.cut and stream.node != receiver.node:
        found.unsent = max(0, stream.acknowledged - max(highest, first - 1))
    return found


def back(streams: Iterable[Stream], receivers: Iterable[Receiver], moment: float) -> float | None:
    """Seconds from ``moment`` until each node had got an event from each that was published after it; None: never.

    Counted are pairs of nodes between which anything could pass at the end.
    """
    best: dict[tuple[str, str], float] = {}
    alive = [stream for stream in streams if not stream.cut and stream.times and stream.times[-1] >= moment]
    for receiver in receivers:
        if receiver.cut:
            continue
        for stream in (one for one in alive if one.topic == receiver.topic):
            pair = stream.node, receiver.node
            best.setdefault(pair, float("inf"))
            for number, when in zip(receiver.seen.get(stream, []), receiver.arrivals.get(stream, []), strict=True):
                if stream.times[number - 1] >= moment:
                    best[pair] = min(best[pair], when - moment)
                    break
    longest = max(best.values(), default=0.0)
    return None if longest == float("inf") else longest
