"""Users, sessions and procedures in memory, for tests: public by way of ``orosync.testing``. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from orosync.errors import Refused
from orosync.interfaces import ICaller, IDirectory, ISessionStore
from orosync.model import AdminSession, User

T = TypeVar("T")


@implementer(IDirectory)
class MemoryDirectory:
    """``users`` by username. ``asked`` holds what was looked up; ``failure``, if set, is what every look-up fails
    with, and ``pending`` (a list) makes look-ups wait there."""

    def __init__(self, *users: User) -> None:
        self.users = {user.username: user for user in users}
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.pending: list[Deferred[User | None]] | None = None

    def put(self, user: User) -> None:
        """Add a user, or change one."""
        self.users[user.username] = user

    def find(self, login: str) -> Deferred[User | None]:
        """See IDirectory. E-mails compare without case."""
        self.asked.append(login)
        mail = (user for user in self.users.values() if user.email and user.email.lower() == login.lower())
        return _answer(self.users.get(login) or next(mail, None), self.failure, self.pending)


@implementer(ISessionStore)
class MemorySessionStore:
    """``sessions`` by id; None where nobody is logged in. ``asked``, ``failure`` and ``pending`` as MemoryDirectory's.

    Ids are as PHP makes them: 22 to 256 letters, digits, commas and dashes.
    """

    def __init__(self, sessions: Mapping[str, AdminSession | None] | None = None) -> None:
        self.sessions = dict(sessions or {})
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.pending: list[Deferred[AdminSession | None]] | None = None

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore."""
        if not re.fullmatch(r"[A-Za-z0-9,-]{22,256}", session_id):
            return fail(Refused("malformed_session", "this is no session id"))
        self.asked.append(session_id)
        return _answer(self.sessions.get(session_id), self.failure, self.pending)


@implementer(ICaller)
class ScriptedCaller:
    """``asked`` holds (procedure, args, callee_roles) of each call. ``answer`` is what comes of one: a pair of args and
    kwargs, an exception to fail with, or a Deferred."""

    def __init__(self, answer: Any = ((), {})) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Sequence[Any], Collection[str] | None]] = []

    def call(
        self,
        procedure: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callee_roles: Collection[str] | None = None,
    ) -> Deferred[tuple[list[Any], dict[str, Any]]]:
        """See ICaller."""
        self.asked.append((procedure, args, callee_roles))
        answer = self.answer
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed((list(answer[0]), dict(answer[1])))


def _answer(found: T, failure: Exception | None, pending: list[Deferred[T]] | None) -> Deferred[T]:
    if pending is not None:
        waiting: Deferred[T] = Deferred()
        pending.append(waiting)
        return waiting
    return succeed(found) if failure is None else fail(failure)
