"""PHP's session files: ``sess_<id>`` in one directory (ext/session/mod_files.c; Oro's ``var/sessions/<env>``).

PHP makes them with mode 0600. orosync must run as PHP's user, or PHP must let the group read them
(``session.save_path = "0;0640;/directory"``) and search the directory; see docs/sessions.md.

PHP locks a file for as long as a request lasts and rewrites it in place. Files are read here without the lock: one that
changed meanwhile is read again. They are read in threads, since the directory may be on a network file system.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.clocks import Now
from orosync.errors import Refused, Unavailable
from orosync.identity.php.session import LARGEST, SessionReader, SessionReading, checked
from orosync.identity.single_flight import DOWN
from orosync.identity.threads import Stuck, Threads
from orosync.interfaces import IProbe, ISessionStore
from orosync.model import AdminSession, Finding, FindingState

THREADS = 4
TIMEOUT = 3.0
"""Seconds for one look-up."""

AGAIN = (0.01, 0.03, 0.1)
"""Seconds to wait before a file that may just be written is read again."""

FRESH = 1.0
"""Seconds after its last change for which an empty or incomplete file may still be being written."""

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Not through a symbolic link, and without waiting for the other end of a pipe."""


ADVICE = "let orosync's group read PHP's session files (docs/sessions.md)"

LOOKED_THROUGH = 1000
"""Entries of the directory that a probe looks through for a session file."""


@implementer(ISessionStore, IProbe)
class SessionFiles(Service):
    """Sessions in ``directory`` while it runs. ``lifetime`` in seconds is PHP's session.gc_maxlifetime; ``now``
    tells the time of day as the file system does, and is called in threads."""

    name: str

    def __init__(
        self, name: str, directory: Path, reader: SessionReader, reactor: Any, now: Now, lifetime: float
    ) -> None:
        self.name = f"sessions:{name}"
        self._directory = directory
        self._reader = reader
        self._now = now
        self._lifetime = lifetime
        self._threads = Threads(self.name, THREADS, reactor)

    def startService(self) -> None:
        """Threads are made when they are needed."""
        Service.startService(self)
        self._threads.start()

    def stopService(self) -> Deferred[None]:
        """Fires when no thread is left."""
        Service.stopService(self)
        return self._threads.stop()

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore. Ends after 3 s at the latest."""
        return Deferred.fromCoroutine(self._found(session_id))

    async def _found(self, session_id: str) -> AdminSession | None:
        path = self._directory / f"sess_{checked(session_id)}"
        try:
            return await self._threads.run(TIMEOUT, self._read, path, self._now() - self._lifetime)
        except Stuck as stuck:
            raise self._down(str(stuck)) from None
        except OSError as error:  # its text names the file, and with it the id
            raise self._down(_advice(error)) from None

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe: whether this user can search the directory, and read a session file of those that it can see."""
        return Deferred.fromCoroutine(self._probed())

    async def _probed(self) -> list[Finding]:
        where = f"{self._directory}: "
        try:
            state, result, remedy = await self._threads.run(TIMEOUT, _tried_out, self._directory)
        except Stuck as stuck:
            state, result, remedy = FindingState.UNREACHABLE, str(stuck), "see whether its file system is mounted"
        except FileNotFoundError:
            state, result, remedy = FindingState.FAULT, "there is no such directory", "correct path, or mount it"
        except NotADirectoryError:
            state, result, remedy = FindingState.FAULT, "is no directory", "correct path"
        except OSError as error:
            state, result, remedy = FindingState.FAULT, error.strerror or type(error).__name__, ADVICE
        return [Finding(self.name, state, where + result, remedy)]

    def _down(self, why: str) -> Unavailable:
        return Unavailable(DOWN, f"[{self.name}] {self._directory}: {why}")

    # -- in threads

    def _read(self, path: Path, oldest: float) -> AdminSession | None:
        """The user of a session that was used after ``oldest``."""
        reading = self._reading(path, oldest)
        return None if reading is None else self._reader.admin_of(reading)

    def _reading(self, path: Path, oldest: float) -> SessionReading | None:
        for pause in (*AGAIN, None):
            found = self._open(path)
            if found is None:
                return None
            data, changed, complete = found
            may_grow = pause is not None and self._now() - changed < FRESH
            try:
                if complete and (data or not may_grow):
                    return self._in_time(data, changed, oldest)
                if not may_grow:
                    raise self._reader.unreadable("it changes all the time")
            except Refused:
                if not may_grow:
                    raise
            if pause is not None:
                time.sleep(pause)
        return None

    def _in_time(self, data: bytes, changed: float, oldest: float) -> SessionReading | None:
        reading = self._reader.read(data)
        used = changed if reading.last_used is None else min(changed, reading.last_used)
        return reading if used >= oldest else None

    def _open(self, path: Path) -> tuple[bytes, float, bool] | None:
        """The file's content, when it was changed, and whether it stayed unchanged meanwhile; None when there is no
        such file. Refused when it is not a regular file."""
        try:
            descriptor = os.open(path, FLAGS)
        except FileNotFoundError:
            os.stat(self._directory)  # no such session, or not even the directory
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._reader.unreadable("it is a symbolic link") from None
            raise
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise self._reader.unreadable("it is not a regular file")
            data = os.read(descriptor, LARGEST + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
        return data, after.st_mtime, same and len(data) == min(after.st_size, LARGEST + 1)


def _tried_out(directory: Path) -> tuple[FindingState, str, str]:
    """In a thread: how the directory is for this user, and what to do. Raises OSError where it is not searchable."""
    if not directory.is_dir():
        directory.stat()
        raise NotADirectoryError
    if not os.access(directory, os.X_OK):
        raise PermissionError(errno.EACCES, "this user may not open files in it")
    try:
        with os.scandir(directory) as entries:
            found = next((one for one in islice(entries, LOOKED_THROUGH) if one.name.startswith("sess_")), None)
    except PermissionError:
        return FindingState.OK, "files in it can be opened; which there are may not be listed", ""
    if found is None:
        what = "has no session file (sess_...) yet"
        return (
            FindingState.WARNING,
            what,
            "if users are logged in to the back office, correct path (PHP's session.save_path)",
        )
    try:
        os.close(os.open(found.path, FLAGS))
    except FileNotFoundError:
        pass  # just now logged out
    except OSError as error:
        return FindingState.FAULT, f"a session file cannot be read ({error.strerror})", ADVICE
    return FindingState.OK, "session files can be read", ""


def _advice(error: OSError) -> str:
    words = error.strerror or type(error).__name__
    if isinstance(error, PermissionError):
        return f"{words}; {ADVICE}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{words}; is it mounted?"
    return words
