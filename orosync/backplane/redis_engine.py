"""The two connections of a node to its Redis: one for commands, in order, and one that waits for batches.

They are those of one server and end together, with one reason. Everything that waits for an answer is counted in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from orosync.backplane.redis_scripts import ACL, SCRIPTS
from orosync.redis_connection import NoRedisConnection, encoded, words

TIMEOUT = 2.0
"""Seconds for each step of a connection and for each answer."""

LARGEST = 1024 * 1024
ANSWER = 64 * 1024 * 1024
"""Bytes of a batch or a value, and of an answer of several."""

QUEUED = 16 * 1024 * 1024
"""Bytes of commands that may wait for their answers."""

ENTRIES = 64
ENTRIES_SIZE = 16 * 1024 * 1024
"""Entries and bytes that are read at a time."""

BLOCK = 1.0
"""Seconds that Redis waits for an entry, or half of what an answer may take."""

_ENDS = re.compile(r"\b(READONLY|LOADING|MASTERDOWN|NOSCRIPT|NOAUTH|UNBLOCKED|NOREPLICAS)\b")

_REMEDIES = (
    (r"NOAUTH|WRONGPASS|invalid password|no password is set", "correct user and password in dsn"),
    (r"NOPERM|ACL failure|no permissions|can't run this command", "in Redis' ACL give the user ~{prefix}:* {acl}"),
    (r"READONLY", "dsn leads to a replica: name the master, or Sentinels"),
    (r"\bOOM\b", "Redis has reached its maxmemory: raise it, and set maxmemory-policy noeviction"),
    (r"LOADING", "Redis is reading its data from disk, which ends by itself"),
    (r"MISCONF", "Redis cannot write its data to disk and takes no changes: see its log"),
    (r"NOREPLICAS", "Redis has fewer replicas than its min-replicas-to-write"),
    (r"unknown (sub)?command|wrong number of arguments|syntax error", "Redis 6.2 or later is needed"),
    (r"DB index|invalid DB", "correct the number of the database in dsn"),
    (r"certificate|VerificationError", "correct the host in dsn or the authorities in ca"),
)


def remedy_for(reason: str, prefix: str) -> str:
    """What to do about what Redis or the connection says; "" where that is not known."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, reason):
            return remedy.format(prefix=prefix, acl=ACL)
    return ""


def explained(reason: str, prefix: str) -> str:
    """What Redis or the connection says, and what to do about it where that is known."""
    remedy = remedy_for(reason, prefix)
    return f"{reason}: {remedy}" if remedy else reason


class RedisEngine:
    """``commands`` and ``reader`` are protocols of connections to one server. ``lost`` fires once, with the reason."""

    def __init__(self, commands: Any, reader: Any, prefix: str) -> None:
        self.lost: Deferred[str] = Deferred()
        self.queued = 0
        self._commands = commands
        self._reader = reader
        self._prefix = prefix
        self._hashes: dict[str, bytes] = {}
        self._ended = False
        self._block = max(1, round(min(BLOCK, reader.replyTimeout / 2) * 1000))
        reader.whole = ENTRIES_SIZE
        for protocol in (commands, reader):
            protocol.ended.addCallback(self._connection_lost, protocol)

    def _connection_lost(self, _: object, protocol: Any) -> None:
        self.fail(f"connection lost: {protocol.why}")

    async def prepare(self) -> None:
        """Redis gets the scripts. NoRedisConnection when it does not take them."""
        for script in SCRIPTS:
            self._hashes[script] = await self.ask("SCRIPT", "LOAD", script)

    def fail(self, reason: str) -> None:
        """Both connections end, if they have not."""
        if self._ended:
            return
        self._ended = True
        for protocol in (self._commands, self._reader):
            protocol.transport.abortConnection()
        self.lost.callback(explained(reason, self._prefix))

    def ask(self, *command: Any) -> Deferred[Any]:
        """The answer, in bytes and lists; NoRedisConnection says why there is none."""
        try:
            asked: Deferred[Any] = self._commands.execute_command(*command)
        except Exception as error:
            return fail(NoRedisConnection(words(error)))
        return asked.addErrback(self._refused)

    def run(self, script: str, keys: Sequence[str], *arguments: Any) -> Deferred[Any]:
        """Like ask(), of one of the SCRIPTS."""
        return self.ask(b"EVALSHA", self._hashes[script], len(keys), *keys, *arguments)

    def post(self, size: int, *command: Any) -> Deferred[Any] | None:
        """Like ask(), for ``size`` bytes or a little more and without a time limit of its own: that of a later command
        is enough. None when too much is waiting already."""
        if self.queued + size > QUEUED:
            return None
        self.queued += size

        def done(result: Any) -> Any:
            self.queued -= size
            return result

        try:
            asked: Deferred[Any] = self._commands.post(encoded(*command))
        except Exception as error:
            self.queued -= size
            return fail(NoRedisConnection(words(error)))
        return asked.addBoth(done).addErrback(self._refused)

    def run_posted(self, size: int, script: str, keys: Sequence[str], *arguments: Any) -> Deferred[Any] | None:
        """Like post(), of one of the SCRIPTS."""
        return self.post(size, b"EVALSHA", self._hashes[script], len(keys), *keys, *arguments)

    async def entries(self, inbox: str, after: bytes, wait: bool = True) -> list[Any]:
        """The next entries of a stream, each with its id and fields; [] when none has come in a while. Anything in it
        may be an exception instead, for what was too long."""
        blocking = (b"BLOCK", self._block) if wait else ()
        try:
            answer = await self._reader.execute_command(
                b"XREAD", b"COUNT", ENTRIES, *blocking, b"STREAMS", inbox, after
            )
        except Exception as error:
            self._not_answered(error, self._reader, always=True)
        return answer[0][1] if answer else []

    def _refused(self, failure: Failure) -> Any:
        assert failure.value is not None
        self._not_answered(failure.value, self._commands)

    def _not_answered(self, error: BaseException, protocol: Any, always: bool = False) -> NoReturn:
        reason = words(error, protocol)
        if always or not protocol.connected or _ENDS.search(reason) or "Not received" in reason:
            self.fail(reason)
        raise NoRedisConnection(explained(reason, self._prefix)) from None
