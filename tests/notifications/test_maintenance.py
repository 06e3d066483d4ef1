"""What a new subscriber of oro/maintenance is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.interfaces import IPublisher, ITopicWatcher
from orosync.notifications.maintenance import MaintenanceNotice
from orosync.testing import RecordingJournal, principal


@implementer(IPublisher)
class Press:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[Any, ...]] = []

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        self.published.append((topic, list(args), kwargs, eligible))
        return 1


class MaintenanceTests(SynchronousTestCase):
    """MaintenanceNotice"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10_000)
        self.press = Press()
        self.journal = RecordingJournal()
        self.lock = Path(self.mktemp())
        self.notice = self.watch(str(self.lock))

    def watch(self, lock_file: str | None) -> MaintenanceNotice:
        return MaintenanceNotice(self.press, lock_file, self.clock.seconds, journal=self.journal)

    def locked(self, at: float) -> None:
        """Oro's lock as if made at ``at``; the change time cannot be set, and is the real, much later one."""
        self.lock.touch()
        os.utime(self.lock, (at, at))

    def told(self, authenticated_at: float = 100.0, notice: MaintenanceNotice | None = None) -> bool:
        """What one subscriber is told; checks that only this one is told, in Oro's own shape."""
        self.press.published.clear()
        (notice or self.notice).subscribed(42, principal(authenticated_at=authenticated_at))
        ((topic, args, kwargs, eligible),) = self.press.published
        self.assertEqual((topic, kwargs, eligible), ("oro/maintenance", None, [42]))
        self.assertEqual(list(args[0]), ["isOn", "userId"])
        self.assertIsNone(args[0]["userId"])
        assert isinstance(args[0]["isOn"], bool)
        return args[0]["isOn"]

    def test_interface(self) -> None:
        """It watches the one topic, and is quiet when the last subscriber goes."""
        verifyObject(ITopicWatcher, self.notice)
        self.assertEqual(self.notice.topic, "oro/maintenance")
        self.notice.last_unsubscribed()
        self.assertEqual((self.press.published, self.clock.getDelayedCalls()), ([], []))

    def test_ordinary_day(self) -> None:
        """Without a lock file everybody is told that maintenance is off, which closes a notice that got stuck."""
        self.assertFalse(self.told())
        self.assertFalse(self.told(notice=self.watch(None)))
        self.assertEqual(self.journal.notes, [])

    def test_during_maintenance(self) -> None:
        """While the lock file exists, a page from before it is told; as soon as it is gone, nobody is."""
        self.locked(at=500)
        self.assertTrue(self.told(authenticated_at=499))
        self.lock.unlink()
        self.assertFalse(self.told(authenticated_at=499))
        self.assertEqual(self.journal.notes, [])

    def test_let_through(self) -> None:
        """Who was let in after the lock appeared, or at nobody knows what time, is not locked out of the page."""
        self.locked(at=500)
        for authenticated_at in (500, 501, 9_999, 0.0):
            self.assertFalse(self.told(authenticated_at=authenticated_at))

    def test_locked_again(self) -> None:
        """Locking once more renews the file's times; who was let in between is still not locked out, and a lock that
        was removed and made anew counts as new."""
        self.locked(at=500)
        self.assertTrue(self.told(authenticated_at=499))
        self.locked(at=900)
        self.assertFalse(self.told(authenticated_at=600))
        self.notice.last_unsubscribed()
        self.assertFalse(self.told(authenticated_at=600))
        self.lock.unlink()
        self.assertFalse(self.told(authenticated_at=600))
        self.locked(at=900)
        self.assertTrue(self.told(authenticated_at=600))

    def test_lock_from_the_future(self) -> None:
        """A lock file with a time to come has appeared no later than when it was first seen."""
        self.locked(at=4_000_000_000)
        self.assertTrue(self.told(authenticated_at=9_999))
        self.clock.advance(100)
        self.assertFalse(self.told(authenticated_at=10_050))

    def test_cannot_tell(self) -> None:
        """Where the lock cannot be looked at, or is no file, nobody is locked out and the administrator is told."""
        self.lock.mkdir()
        self.assertFalse(self.told())
        self.lock.rmdir()
        self.lock.touch()
        for path in (f"{self.lock}/below_a_file", "\0"):
            self.assertFalse(self.told(notice=self.watch(path)))
        self.assertEqual(
            [(event, kind) for event, kind, _ in self.journal.notes],
            [("maintenance.unknown", "no_file"), ("maintenance.unknown", "stat"), ("maintenance.unknown", "stat")],
        )

    def test_only_looked_at(self) -> None:
        """The lock file is neither changed nor opened: a file that nobody may read works as well."""
        self.locked(at=500)
        self.lock.chmod(0)
        before = self.lock.stat()
        self.assertTrue(self.told(authenticated_at=499))
        after = self.lock.stat()
        self.assertEqual(
            (before.st_mtime_ns, before.st_ctime_ns, before.st_atime_ns, before.st_size),
            (after.st_mtime_ns, after.st_ctime_ns, after.st_atime_ns, after.st_size),
        )
