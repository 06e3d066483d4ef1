"""Origins that follow Oro's Application URL (``origins_from`` in [listen:NAME]): read from its database, and again
whenever its system configuration has changed. Clients that are connected stay, whatever becomes of the origins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from orosync.config.listen import ListenSection
from orosync.errors import Unavailable
from orosync.headers import OriginRule
from orosync.identity.directories.application_url import ApplicationUrl, Reading, origin_of
from orosync.identity.directories.pool import SqlService
from orosync.interfaces import IJournal

INTERVAL = 2.0
"""Seconds between two looks at when the configuration was changed. Oro's time of it has whole seconds: after a change
the URL is read once more at the next look, so that a second change within a second is not missed."""

SLOW = 60.0
"""Seconds between two readings of the URL where Oro does not tell when it was changed (before 7.0)."""


@attrs.frozen
class FollowingListener:
    """A listener whose ``rule`` has the origins ``own`` of its section, and the Application URL's."""

    name: str
    rule: OriginRule
    own: tuple[str, ...]


class Origins(Service):
    """The listeners that follow one database. What fails is told once, and the origins stay as they are."""

    def __init__(
        self,
        name: str,
        database: SqlService,
        followed: Iterable[FollowingListener],
        journal: IJournal,
        clock: IReactorTime,
    ) -> None:
        self.name = f"origins from directory:{name}"
        self.origin = ""
        self._directory_name = name
        self._database = database
        self._followed = tuple(followed)
        self._journal = journal
        self._clock = clock
        self._url = ApplicationUrl(database.engine.dialect)
        self._before: Reading | None = None
        self._told = ""
        self._asking = False
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        """Ask now, and from then on."""
        Service.startService(self)
        self._ask()

    def stopService(self) -> None:
        """Ask no more; a pending answer is ignored."""
        Service.stopService(self)
        self._wait(None)

    def refresh(self) -> None:
        """Read the URL now, whether it has changed or not."""
        self._before = None
        if self.running and not self._asking:
            self._ask()

    def _ask(self) -> None:
        self._wait(None)
        self._asking = True
        reading = self._database.ask(partial(self._url.read, before=self._before))
        reading.addCallback(self._found).addErrback(self._failed).addBoth(self._answered)

    def _found(self, reading: Reading) -> None:
        if not self.running:
            return
        before, self._before = self._before, reading
        if reading.url is None:
            return
        if reading.follows and before is not None:
            self._before = None  # read once more: see INTERVAL
        try:
            origin = origin_of(reading.url)
        except ValueError as error:
            self._tell("invalid", str(error))
            return
        self._use(origin)
        if reading.follows:
            self._tell("", "")
        else:
            reason = "the database does not show when Oro's configuration was changed: it is read once a minute"
            self._tell("no_state", reason)

    def _use(self, origin: str) -> None:
        if origin == self.origin:
            return
        before, self.origin = self.origin, origin
        for one in self._followed:
            one.rule.replace((*one.own, origin))
        listeners = ",".join(one.name for one in self._followed)
        self._journal.note("origins.changed", "application_url", listeners=listeners, origin=origin, before=before)

    def _failed(self, failure: Failure) -> None:
        """A driver's error may hold what was asked: of others than ours only the type is logged."""
        self._before = None
        if self.running:
            error = failure.value
            reason = error.reason if isinstance(error, Unavailable) else f"it failed with {type(error).__name__}"
            self._tell("down", reason)

    def _tell(self, code: str, reason: str) -> None:
        """Once, until something else is the case."""
        before, self._told = self._told, code
        if code == before:
            return
        fields = {"directory": self._directory_name, "origin": self.origin}
        if code:
            self._journal.note("origins", code, **fields, reason=reason)
        elif before:
            self._journal.note("origins", "recovered", **fields)

    def _answered(self, _: object) -> None:
        self._asking = False
        if self.running:
            slow = self._told == "no_state"
            self._wait(SLOW if slow else INTERVAL)

    def _wait(self, seconds: float | None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if seconds is None else self._clock.callLater(seconds, self._ask)


def origins(
    sections: Iterable[ListenSection],
    rules: Mapping[str, OriginRule],
    database: Callable[[str], SqlService],
    journal: IJournal,
    clock: IReactorTime,
) -> list[Origins]:
    """What follows the databases that ``sections`` name; ``rules`` by the names of listeners."""
    found: dict[str, list[FollowingListener]] = {}
    for one in sections:
        if one.origins_from:
            found.setdefault(one.origins_from, []).append(FollowingListener(one.name, rules[one.name], one.origins))
    return [Origins(name, database(name), followed, journal, clock) for name, followed in found.items()]
