"""Test doubles, which record their calls in plain attributes. No I/O here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from orosync.errors import Refused
from orosync.interfaces import (
    WAITING,
    IAuthorizer,
    ICaller,
    IDirectory,
    IJournal,
    ILink,
    ISessionStore,
    ISharedPasswords,
)
from orosync.model import (
    Action,
    AdminSession,
    ConnectionFacts,
    Decision,
    Match,
    Principal,
    SharedPassword,
    User,
    Verdict,
    shared_by,
)

T = TypeVar("T")


def connection_facts(**changes: Any) -> ConnectionFacts:
    """Facts of an ordinary WAMP v2 connection over loopback, with ``changes``."""
    facts = ConnectionFacts(
        listener="public",
        peer="127.0.0.1",
        address="127.0.0.1",
        host="localhost",
        path="/ws",
        query="",
        origin="http://localhost",
        subprotocols=("wamp.2.json",),
        cookies={},
        headers={},
        tls=False,
        forwarded=False,
    )
    return attrs.evolve(facts, **changes)


def principal(authid: str = "anna", **changes: Any) -> Principal:
    """A back-office user, with ``changes``."""
    who = Principal(authid=authid, authrole="user", authmethod="ticket", authprovider="oro", user_id=1)
    return attrs.evolve(who, **changes)


def plain_frame(payload: bytes, binary: bool) -> bytes:
    """The framer of MemoryLink: it adds no frame, so that tests can read messages."""
    return payload


@implementer(ILink)
class MemoryLink:
    """A link that records what is pushed. ``ended`` is ("close", code, reason) or ("drop", reason)."""

    def __init__(self, facts: ConnectionFacts | None = None) -> None:
        self.facts = facts or connection_facts()
        self.framer: Callable[[bytes, bool], bytes] = plain_frame
        self.pushed: list[bytes] = []
        self.bucket: Any = None
        self.ended: tuple[Any, ...] | None = None
        self._reasons = 0
        self.authenticated = False

    def push(self, frame: bytes) -> None:
        if self.ended is None:
            self.pushed.append(frame)

    def send(self, frame: bytes) -> None:
        self.push(frame)

    def backlog(self) -> int:
        return sum(map(len, self.pushed))

    def close(self, code: int, reason: str) -> None:
        self.ended = self.ended or ("close", code, reason)

    def drop(self, reason: str, linger: bool = False) -> None:
        self.ended = self.ended or ("drop", reason)

    def pause(self, reason: int = WAITING) -> None:
        self._reasons |= reason

    def resume(self, reason: int = WAITING) -> None:
        self._reasons &= ~reason

    def may_continue(self, later: Callable[[], object]) -> bool:
        return True

    def call_in_turn(self, later: Callable[[], object]) -> None:
        later()

    @property
    def paused(self) -> bool:
        return self._reasons != 0

    def set_authenticated(self, authenticated: bool) -> None:
        self.authenticated = authenticated

    def take(self) -> list[bytes]:
        """What was pushed since the last call."""
        pushed, self.pushed = self.pushed, []
        return pushed


@implementer(IJournal)
class RecordingJournal:
    """``notes`` as (event, code, fields) in order; ``counts`` by (event, code). ``debug`` may be changed."""

    def __init__(self) -> None:
        self.debug = False
        self.notes: list[tuple[str, str, dict[str, object]]] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def note(self, event: str, code: str, **fields: object) -> None:
        self.notes.append((event, code, fields))
        self.counts[event, code] += 1

    def count(self, event: str, code: str, **fields: object) -> None:
        self.counts[event, code] += 1


@implementer(IAuthorizer)
class ScriptedAuthorizer:
    """Answers from ``answers`` by (action, uri): a Decision, a Deferred, or an exception to raise; else ``default``."""

    def __init__(self, default: Verdict = Verdict.ALLOW) -> None:
        self.default = Decision(default, "the scripted default")
        self.answers: dict[tuple[Action, str], Decision | Deferred[Decision] | Exception] = {}
        self.asked: list[tuple[str, Action, str, Match]] = []

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Any
    ) -> Decision | Deferred[Decision]:
        self.asked.append((principal.authid, action, uri, match))
        answer = self.answers.get((action, uri), self.default)
        if isinstance(answer, Exception):
            raise answer
        return answer


@implementer(IDirectory, ISharedPasswords)
class MemoryDirectory:
    """``users`` by username. ``asked`` holds the logins that were looked up; every look-up fails with ``failure`` if
    it is set; ``pending``, if it is a list, gets the Deferreds of look-ups instead of an answer."""

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

    def shared_passwords(self) -> Deferred[Sequence[SharedPassword]]:
        """See ISharedPasswords."""
        return fail(self.failure) if self.failure is not None else succeed(shared_by(self.users.values()))


@implementer(ISessionStore)
class MemorySessionStore:
    """``sessions`` by id; None for one without a user. ``asked``, ``failure`` and ``pending`` as MemoryDirectory's.

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
    """``asked`` holds (procedure, args, callee_roles) of each call. ``answer`` is the answer to each: a pair of args
    and kwargs, an exception to fail with, or a Deferred."""

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
