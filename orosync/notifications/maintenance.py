"""Maintenance: each new subscriber of ``oro/maintenance`` is told the present state.

Oro publishes the change itself, once and not retained. A page that was not connected then would show its blocking
notice forever, or never. So each new subscriber is told alone:

* ``isOn: false`` closes a notice that got stuck; this is the usual answer.
* ``isOn: true`` only while Oro's lock file exists, and never to a session authenticated after it appeared: that is an
  administrator who was let through, and must not be locked out.

The lock file is looked at, never opened and never written.
"""

from __future__ import annotations

import os
import stat

from zope.interface import implementer

from orosync.clocks import Now
from orosync.interfaces import IJournal, IPublisher, ITopicWatcher
from orosync.model import Principal

TOPIC = "oro/maintenance"


@implementer(ITopicWatcher)
class MaintenanceNotice:
    """Watches one realm's ``oro/maintenance``.

    ``lock_file`` is the path of Oro's lock (the ``file_path`` of its maintenance driver), on a local disk: each
    SUBSCRIBE costs one stat. None where Oro runs elsewhere: then we never tell ``isOn: true``. ``now`` tells the
    same time of day as ``principal.authenticated_at`` and the file system.
    """

    topic = TOPIC

    def __init__(self, publisher: IPublisher, lock_file: str | None, now: Now, *, journal: IJournal) -> None:
        self._publisher = publisher
        self._lock_file = lock_file
        self._now = now
        self._journal = journal
        self._seen: tuple[int, int, float] | None = None

    def subscribed(self, session_id: int, principal: Principal) -> None:
        """Tell the one session (see ITopicWatcher)."""
        appeared = self._appeared()
        # An unknown time of authentication (0) counts as later: better no notice than an administrator locked out.
        is_on = appeared is not None and 0.0 < principal.authenticated_at < appeared
        self._publisher.publish(TOPIC, [{"isOn": is_on, "userId": None}], eligible=[session_id])

    def last_unsubscribed(self) -> None:
        """Nothing runs between subscribers, so there is nothing to stop (see ITopicWatcher)."""

    def _appeared(self) -> float | None:
        """When the lock file appeared, in seconds since 1970; None when there is none, or it is unknown."""
        if self._lock_file is None:
            return None
        try:
            found = os.stat(self._lock_file)
        except FileNotFoundError:
            self._seen = None
            return None
        except (OSError, ValueError) as error:
            self._journal.note("maintenance.unknown", "stat", file=self._lock_file, reason=error)
            return None
        if not stat.S_ISREG(found.st_mode):
            self._journal.note("maintenance.unknown", "no_file", file=self._lock_file)
            return None
        # Locking again rewrites the file and its times; the same file is as old as it ever was. No file is from later
        # than now, whatever its times say.
        appeared = min(found.st_mtime, found.st_ctime, self._now())
        if self._seen is not None and self._seen[:2] == (found.st_dev, found.st_ino):
            appeared = min(appeared, self._seen[2])
        self._seen = (found.st_dev, found.st_ino, appeared)
        return appeared
