"""Health: whether this process is ready for clients, and which of its dependencies are degraded.

Readiness fails only for what is this process's own (it drains, a listener is closed, a certificate has expired): a load
balancer then sends clients elsewhere. A database that all nodes share makes each of them degraded, and none unready:
nothing is better elsewhere, and clients that are connected are served. ``ready_requires`` of [listen:ops] names shared
dependencies that readiness depends on all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import attrs
from twisted.logger import Logger

_log = Logger()


@attrs.frozen
class Check:
    """``ask`` gives "" while all is well, else what is wrong, in words. ``shared``: a dependency of all nodes."""

    name: str
    ask: Callable[[], str]
    shared: bool = False


@attrs.frozen
class Report:
    """``wrong`` by the name of its check: what is wrong, of those checks that found anything."""

    ready: bool
    degraded: bool
    wrong: dict[str, str]

    def words(self) -> dict[str, Any]:
        """For JSON: {"status": "ready" | "degraded" | "unready", "wrong": {name: what}}."""
        status = "unready" if not self.ready else "degraded" if self.degraded else "ready"
        return {"status": status, "wrong": self.wrong}


class Health:
    """All checks of a process. ``required`` names the shared ones that readiness depends on."""

    def __init__(self, required: Collection[str] = ()) -> None:
        self._sources: list[Callable[[], Iterable[Check]]] = []
        self._required = required
        self._raised: set[str] = set()

    def add(self, check: Check) -> None:
        """Ask ``check`` for every report."""
        self._sources.append(lambda: (check,))

    def add_source(self, source: Callable[[], Iterable[Check]]) -> None:
        """Ask for every report the checks that ``source`` gives then."""
        self._sources.append(source)

    def report(self) -> Report:
        """Ask all checks. One that raises is wrong; the log is told once, until it answers again."""
        ready, degraded, wrong = True, False, {}
        for check in self._all():
            found = self._answer(check)
            if found:
                wrong[check.name] = found
                degraded = True
                if not check.shared or check.name in self._required:
                    ready = False
        return Report(ready, degraded, wrong)

    def _all(self) -> Iterator[Check]:
        for source in self._sources:
            yield from source()

    def _answer(self, check: Check) -> str:
        try:
            found = check.ask()
        except Exception as error:
            if check.name not in self._raised:
                self._raised.add(check.name)
                _log.failure("check {name} of health failed", name=check.name)
            return f"cannot be told ({type(error).__name__})"
        self._raised.discard(check.name)
        return found
