"""Sessions in PHP's own files."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase

from orosync.clocks import time_of_day
from orosync.errors import Refused, Unavailable
from orosync.identity.php.session import LARGEST, SessionReader
from orosync.identity.sessions.files import SessionFiles
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession, FindingState
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins

TREE = Path(__file__).resolve().parents[3]
ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN

READ = """
import os, sys
from pathlib import Path
from twisted.internet import reactor
from orosync.clocks import time_of_day
from orosync.identity.sessions.files import SessionFiles
from orosync.identity.php.session import SessionReader
if os.geteuid() == 0:  # not before: the checkout may be where nobody else may look
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
store = SessionFiles("php", Path(sys.argv[1]), SessionReader("sessions:php"), reactor, time_of_day, 7200)
def show(result):
    print(getattr(result, "username", None) or getattr(result, "value", result))
    store.stopService().addBoth(lambda _: reactor.stop())
store.startService()
reactor.callWhenRunning(lambda: store.find(sys.argv[2]).addBoth(show))
reactor.run()
"""


PROBE = READ.replace(
    "store.find(sys.argv[2]).addBoth(show)",
    "store.probe().addCallback(lambda all: ' '.join((all[0].state.value, all[0].result, all[0].remedy))).addBoth(show)",
)


class FilesCase(TestCase):
    """A directory of sessions of its own, and a store in service."""

    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.store = SessionFiles("php", self.directory, SessionReader("sessions:php"), reactor, time_of_day, 7200)
        self.store.startService()
        self.addCleanup(self.store.stopService)

    def write(self, sessions: Mapping[str, AdminSession | None], used: float | None = None, mode: str = "0640") -> None:
        """PHP saves them."""
        logins.written("files", sessions, used, path=str(self.directory), mode=mode)

    def file(self, session_id: str = ID) -> Path:
        """The session's file."""
        return self.directory / f"sess_{session_id}"


class Contract(FilesCase, SessionStoreContract):
    """The suite, against files that PHP wrote."""

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """See SessionStoreContract."""
        self.write(sessions)
        return succeed(SessionLookups("php", self.store, RecordingJournal(), reactor, at_once=4))

    def log_out(self, session_id: str) -> None:
        """PHP removes the file."""
        self.file(session_id).unlink()


class Probes(FilesCase):
    """Whether this user can read what PHP writes."""

    async def probed(self, directory: Path | None = None) -> tuple[FindingState, str, str]:
        """The one finding."""
        if directory is not None:
            self.patch(self.store, "_directory", directory)
        (one,) = await self.store.probe()
        self.assertEqual(one.check, "sessions:php")
        return one.state, one.result, one.remedy

    async def test_as_it_should_be(self) -> None:
        """A file that PHP wrote can be read; its id is not shown."""
        self.write({ID: ANNA})
        state, result, _ = await self.probed()
        self.assertEqual((state, "can be read" in result), (FindingState.OK, True), result)
        self.assertNotIn(ID, result)

    async def test_wrong_directory(self) -> None:
        """One that is not there, one that is a file, one without sessions."""
        state, result, remedy = await self.probed()
        self.assertEqual((state, "no session file" in result), (FindingState.WARNING, True), result)
        self.assertIn("session.save_path", remedy)
        state, result, remedy = await self.probed(self.directory / "nowhere")
        self.assertEqual((state, "correct path" in remedy), (FindingState.FAULT, True), result)
        (self.directory / "file").write_text("")
        state, result, _ = await self.probed(self.directory / "file")
        self.assertEqual((state, "is no directory" in result), (FindingState.FAULT, True), result)

    def test_another_user(self) -> None:
        """What PHP lets nobody else read is told to another user, directory and file alike."""
        self.write({ID: ANNA}, mode="0600")
        same = os.geteuid() != 0  # without root's rights there is no other user: this one is denied it
        self.directory.chmod(0o600 if same else 0o700)
        self.assertIn("may not open files in it", self.as_another_user())
        self.directory.chmod(0o755)
        self.file().chmod(0 if same else 0o600)
        said = self.as_another_user()
        self.assertTrue(said.startswith("fault "), said)
        self.assertIn("a session file cannot be read (Permission denied)", said)
        self.assertIn("let orosync's group read", said)

    def as_another_user(self) -> str:
        """What a probe says as nobody."""
        command = [sys.executable, "-c", PROBE, str(self.directory)]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=TREE).stdout


class Files(FilesCase):
    """What is particular about files."""

    async def test_expired(self) -> None:
        """A session that was used last before its lifetime is over, though PHP has not removed its file yet."""
        self.write({ID: ANNA})
        for age, found in ((7190, ANNA), (7210, None)):
            os.utime(self.file(), (time.time() - age,) * 2)
            self.assertEqual(await self.store.find(ID), found)

    async def test_clock_set(self) -> None:
        """How old a session is, the time of day says, which the file system and PHP go by as well."""
        self.write({ID: ANNA})
        for ahead, found in ((7190, ANNA), (7210, None), (-600, ANNA)):
            self.patch(self.store, "_now", lambda ahead=ahead: time.time() + ahead)
            self.assertEqual(await self.store.find(ID), found)

    async def test_touched(self) -> None:
        """A file that something else than PHP has touched is as old as the session itself says."""
        for age, found in ((7190, ANNA), (7210, None)):
            self.write({ID: ANNA}, used=time.time() - age)
            self.assertEqual(await self.store.find(ID), found)

    async def test_nothing_is_prolonged(self) -> None:
        """A look-up leaves the file and its times as they are."""
        self.write({ID: ANNA})
        os.utime(self.file(), (time.time() - 100, time.time() - 200))
        before = (self.file().read_bytes(), self.file().stat().st_mtime_ns, sorted(os.listdir(self.directory)))
        self.assertEqual(await self.store.find(ID), ANNA)
        after = (self.file().read_bytes(), self.file().stat().st_mtime_ns, sorted(os.listdir(self.directory)))
        self.assertEqual(after, before)

    async def test_a_request_holds_the_lock(self) -> None:
        """While PHP has the session locked for a long request, it is read all the same, at once."""
        self.write({ID: ANNA})
        with self.file().open("r+b") as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            started = time.monotonic()
            self.assertEqual(await self.store.find(ID), ANNA)
            self.assertLess(time.monotonic() - started, 1)

    async def test_being_written(self) -> None:
        """A file that PHP has emptied and fills just now is waited for; in one that stays empty nobody is logged in."""
        self.write({ID: ANNA})
        data = self.file().read_bytes()
        for cut in (0, 1, len(data) // 2, len(data) - 1):
            self.file().write_bytes(data[:cut])
            writer = threading.Timer(0.02, self.file().write_bytes, [data])
            writer.start()
            self.assertEqual(await self.store.find(ID), ANNA, cut)
            writer.join()
        self.file().write_bytes(b"")
        with self.assertRaises(Refused) as caught:
            await self.store.find(ID)
        self.assertEqual(caught.exception.code, "not_logged_in")

    async def test_what_cannot_be_read(self) -> None:
        """A broken session costs its own user the login, and no other; its content is not repeated."""
        self.write({ID: ANNA})
        whole = self.file().read_bytes()
        for data in (whole[:-1], b"_sf2_attributes|secret-hash", b"\0" * 100, b'x|s:300000:"' + b"a" * (LARGEST + 9)):
            self.file().write_bytes(data)
            os.utime(self.file(), (time.time() - 60,) * 2)
            refused = await self.assertFailure(self.store.find(ID), Refused)
            self.assertEqual(refused.code, "malformed_session")
            self.assertNotIn("secret-hash", refused.reason)
            self.assertTrue(refused.reason.startswith("[sessions:php] "), refused.reason)

    async def test_what_is_no_file(self) -> None:
        """A symbolic link, a pipe and a directory are not followed, not waited for, and not read."""
        self.write({"a" * 32: ANNA})
        for make in (lambda path: path.symlink_to(self.file("a" * 32)), os.mkfifo, os.mkdir):
            make(self.file())
            refused = await self.assertFailure(self.store.find(ID), Refused)
            self.assertEqual(refused.code, "malformed_session")
            self.file().rmdir() if self.file().is_dir() else self.file().unlink()

    async def test_directory_gone(self) -> None:
        """A directory that is not mounted is not the same as a session that is over; it works when it is back."""
        self.write({ID: ANNA})
        away = self.directory.with_suffix(".away")
        self.directory.rename(away)
        down = await self.assertFailure(self.store.find(ID), Unavailable)
        self.assertEqual(down.code, "sessions_down")
        self.assertEqual(down.reason, f"[sessions:php] {self.directory}: No such file or directory; is it mounted?")
        away.rename(self.directory)
        self.assertEqual(await self.store.find(ID), ANNA)

    async def test_permissions(self) -> None:
        """The group may read: found. Only PHP's own user may: the reason says what to do, and names no session."""
        self.write({ID: ANNA}, mode="0640")
        self.write({"b" * 32: ANNA}, mode="0600")
        self.directory.chmod(0o2710)  # as docs/sessions.md has it
        for path in (self.directory, *self.directory.iterdir()):
            os.chown(path, -1, 65534) if os.geteuid() == 0 else None
        if os.geteuid() != 0:
            self.file("b" * 32).chmod(0)
        self.assertEqual(self.as_somebody_else(ID), "anna")
        said = self.as_somebody_else("b" * 32)
        self.assertIn("Permission denied; let orosync's group read PHP's session files (docs/sessions.md)", said)
        self.assertNotIn("b" * 32, said)

    def as_somebody_else(self, session_id: str) -> str:
        """What a process says that is in the files' group, and is not their owner (as root: else it would be)."""
        command = [sys.executable, "-B", "-c", READ, str(self.directory), session_id]
        done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.strip()

    async def test_stopped(self) -> None:
        """Before the start and after the stop no user is found, and no thread is left."""
        self.write({ID: ANNA})
        await self.store.find(ID)
        await self.store.stopService()
        self.assertEqual([one.name for one in threading.enumerate() if "sessions:php" in one.name], [])
        await self.assertFailure(self.store.find(ID), Unavailable)
        self.store.startService()
        self.assertEqual(await self.store.find(ID), ANNA)
