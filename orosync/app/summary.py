"""One line a minute about clients: how many joined, left, were refused or cut, and how many are connected now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from orosync.app.metrics import CUTS, JOINS, LEAVES, REFUSALS, read_journal
from orosync.interfaces import IJournal
from orosync.session.context import ListenerSession

INTERVAL = 60.0
"""Seconds between two summaries."""

MOST_CODES = 5
"""Reason codes of refusals and cuts that are named, the most frequent ones."""


class Summary:
    """Reads the journal's ``counts`` every minute and notes the difference, if there is one."""

    def __init__(
        self,
        counts: Mapping[tuple[str, str], int],
        sessions: Callable[[], Iterable[ListenerSession]],
        journal: IJournal,
        clock: IReactorTime,
    ) -> None:
        self._counts = counts
        self._sessions = sessions
        self._journal = journal
        self._before: Mapping[tuple[str, str], int] = {}
        self._call = LoopingCall(self._tell)
        self._call.clock = clock

    def start(self) -> None:
        """Count from now on."""
        self._before = dict(self._counts)
        self._call.start(INTERVAL, now=False)

    def stop(self) -> None:
        """No further summary."""
        if self._call.running:
            self._call.stop()

    def _tell(self) -> None:
        now, before = dict(self._counts), self._before
        self._before = now
        found: dict[str, Counter[str]] = {one.name: Counter() for one in (JOINS, LEAVES, REFUSALS, CUTS)}
        for metric, labels, more in read_journal({kind: now[kind] - before.get(kind, 0) for kind in now}):
            if more and metric.name in found:
                found[metric.name][labels[-1]] += more  # the last label is the code
        joined, left, refused, cut = found.values()
        if any(found.values()):
            fields: dict[str, object] = {
                "sessions": sum(one.joined() is not None for one in self._sessions()),
                "joined": joined.total(),
                "left": left.total(),
                "refused": refused.total(),
                "cut": cut.total(),
            }
            fields |= {"refused_for": _named(refused)} if refused else {}
            fields |= {"cut_for": _named(cut)} if cut else {}
            self._journal.note("clients", "minute", **fields)


def _named(codes: Counter[str]) -> str:
    return ",".join(f"{code}:{count}" for code, count in codes.most_common(MOST_CODES))
