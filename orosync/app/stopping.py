"""What is being stopped, by name, so that what does not end can be named.

It must not know what a part is, or what becomes of a process whose parts do not end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.python.failure import Failure

from orosync.interfaces import IJournal


class Stopping:
    """``titles`` names services (by identity) that do not name themselves, such as plugins: "directory:people"."""

    def __init__(self, journal: IJournal, titles: Mapping[int, str]) -> None:
        self._journal = journal
        self._titles = titles
        self._unfinished: dict[object, str] = {}

    @property
    def unfinished(self) -> list[str]:
        """What has been asked to stop and has not ended, the first first. Any thread may ask."""
        return list(self._unfinished.values())

    def stop(self, name: str, stop: Callable[[], Any]) -> Deferred[None]:
        """Call ``stop``; fires when the Deferred or coroutine that it returns does. Never fails: that is told."""
        token = object()
        # Before the call, which may never return.
        self._unfinished[token] = name

        def over(result: object) -> None:
            del self._unfinished[token]
            if isinstance(result, Failure):
                self._journal.note("stop.failed", "part", part=name, reason=result.getErrorMessage())

        return maybeDeferred(stop).addBoth(over)

    async def stop_all(self, services: Iterable[IService]) -> None:
        """Stop ``services`` in this order, all at the same time; a plain MultiService means all that is in it."""
        await DeferredList([self.stop(self._name(one), one.stopService) for one in _flat(services)])

    def _name(self, service: IService) -> str:
        return self._titles.get(id(service)) or getattr(service, "name", None) or type(service).__name__


def _flat(services: Iterable[Any]) -> Iterable[Any]:
    for service in services:
        if type(service).stopService is MultiService.stopService:
            Service.stopService(service)
            yield from _flat(reversed(list(service)))
        else:
            yield service
