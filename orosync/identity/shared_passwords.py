"""Password hashes that several users of a directory have in common.

A ticket's digest signs the password hash of its user, not the name: with the hash of another user one can use that
user's tickets. So such users are refused by ticket until they have passwords of their own. The directory is asked for
shared hashes at the start, at a reload and every minute, never at a login; until the first answer no user is refused.
Hashes are remembered, not users: a user with a new password is accepted at once, the last one left with the old hash
within a minute, and for that long a new user with a known hash is not noticed. What is kept of a hash is useless
outside of this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from orosync.errors import Unavailable
from orosync.identity.user_credentials import password_hash_fingerprint
from orosync.interfaces import IDirectory, IJournal, ISharedPasswords
from orosync.model import SharedPassword, User

INTERVAL = 60.0
"""Seconds between two queries."""

MOST_NAMED = 10
"""Groups of users that are named in a message, and users of each."""

REMEDY = "their tickets are refused until each of them has a password of its own"


class SharedPasswords(Service):
    """The shared passwords of [directory:``name``]; none for a directory that cannot tell (ISharedPasswords).

    A disabled user gets no tickets and is not admitted by those of others: it does not count, unless ``disabled_too``.
    """

    disabled_too = False

    def __init__(self, name: str, directory: IDirectory, journal: IJournal, clock: IReactorTime) -> None:
        self.name = f"shared passwords of directory:{name}"
        self._directory_name = name
        self._directory = ISharedPasswords(directory, None)
        self._journal = journal
        self._clock = clock
        self._shared: frozenset[bytes] = frozenset()
        self._warned = self._trouble = ""
        self._asking = False
        self._waiting: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None

    def has(self, user: User) -> bool:
        """Whether another user has the hash of ``user``, as far as is known."""
        return bool(self._shared) and password_hash_fingerprint(user.password_hash) in self._shared

    def warning(self) -> str:
        """The warning for the administrator; "" for none."""
        if self._trouble:
            return f"[directory:{self._directory_name}] it is not known which users have one password: {self._trouble}"
        if self._warned:
            users = f"users with the ids {self._warned} have the same password hash"
            return f"[directory:{self._directory_name}] {users}: {REMEDY} (shared_password)"
        return ""

    def startService(self) -> None:
        """Ask now, and every minute."""
        Service.startService(self)
        self.refresh()

    def stopService(self) -> None:
        """Ask no more; a pending answer is ignored."""
        Service.stopService(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def refresh(self) -> Deferred[None]:
        """Ask now. Fires when the answer has been processed or there is none; never fails."""
        done: Deferred[None] = Deferred()
        if self._directory is None or not self.running:
            done.callback(None)
            return done
        self._waiting.append(done)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._asking:
            self._asking = True
            answer: Deferred[Any] = maybeDeferred(self._directory.shared_passwords)
            answer.addCallback(self._found).addErrback(self._failed).addBoth(self._answered)
        return done

    def _found(self, groups: Sequence[SharedPassword]) -> None:
        if not self.running:
            return
        self._trouble = ""
        groups = [group for group in groups if self.disabled_too or group.enabled > 1]
        self._shared = frozenset(password_hash_fingerprint(group.password_hash) for group in groups)
        users = described(groups)
        before, self._warned = self._warned, users
        if users and users != before:
            self._journal.note(
                "directory", "shared_passwords", directory=self._directory_name, users=users, remedy=REMEDY
            )
        elif before and not users:
            self._journal.note("directory", "no_shared_passwords", directory=self._directory_name)

    def _failed(self, failure: Failure) -> None:
        """Keep what was found before. An error's text may hold what was looked up: only its type is logged."""
        if not self.running:
            return
        error = failure.value
        reason = error.reason if isinstance(error, Unavailable) else f"it failed with {type(error).__name__}"
        if not self._trouble:
            self._journal.note("directory", "shared_passwords_unknown", directory=self._directory_name, reason=reason)
        self._trouble = reason

    def _answered(self, _: object) -> None:
        self._asking = False
        waiting, self._waiting = self._waiting, []
        if self.running:
            self._timer = self._clock.callLater(INTERVAL, self._again)
        for one in waiting:
            one.callback(None)

    def _again(self) -> None:
        self._timer = None
        self.refresh()


def described(groups: Sequence[SharedPassword]) -> str:
    """The ids of users who share a hash, a bounded number of them: "3 and 4; 7, 8 and 9; 12, 13 and 40 more"."""
    named = [_group(group) for group in groups[:MOST_NAMED]]
    more = len(groups) - len(named)
    return "; ".join([*named, *([f"and {more} more groups"] if more else [])])


def _group(group: SharedPassword) -> str:
    ids = [str(number) for number in group.users[:MOST_NAMED]]
    more = group.count - len(ids)
    last = f"{more} more" if more > 0 else ids.pop()
    return f"{', '.join(ids)} and {last}"


class Sharing(MultiService):
    """The SharedPasswords of each directory, shared by the authenticators that look users up there."""

    def __init__(self, journal: IJournal, clock: IReactorTime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = "shared passwords"
        self.directories: dict[str, SharedPasswords] = {}
        self._journal = journal
        self._clock = clock

    def of(self, name: str, directory: IDirectory, disabled_too: bool = False) -> SharedPasswords:
        """The SharedPasswords of [directory:``name``], which is ``directory``; kept up to date while this service
        runs."""
        one = self.directories.get(name)
        if one is None:
            one = self.directories[name] = SharedPasswords(name, directory, self._journal, self._clock)
            one.setServiceParent(self)
        one.disabled_too |= disabled_too
        return one

    def refresh(self) -> None:
        """Ask all of them now."""
        for one in self.directories.values():
            one.refresh()
