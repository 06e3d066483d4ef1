"""Sessions in Redis: a plain string under the prefix and the id, which expires by itself (Symfony's
RedisSessionHandler).

One command is used, GET; ``SET``, ``EXPIRE`` and Oro's lock (``<key>.lock``) never. docs/sessions.md has the line for
Redis' ACL.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.config.redis_dsn import RedisDsn
from orosync.errors import Unavailable
from orosync.identity.php.session import LARGEST, QUICK, SessionReader, checked
from orosync.identity.single_flight import DOWN
from orosync.identity.threads import Stuck, Threads
from orosync.interfaces import IProbe, ISessionStore
from orosync.model import AdminSession, Finding, FindingState
from orosync.redis_connection import NoRedisConnection, RedisLink, excess, words

AT_ONCE = 32
"""Commands in flight, all on one connection."""


@implementer(ISessionStore, IProbe)
class RedisSessions(Service):
    """Sessions at ``dsn`` while it runs; the other arguments as RedisLink's."""

    name: str

    def __init__(
        self,
        name: str,
        dsn: RedisDsn,
        reader: SessionReader,
        reactor: Any,
        prefix: str,
        timeout: float,
        trust_root: Any = None,
    ) -> None:
        self.name = f"sessions:{name}"
        self._prefix = prefix.encode()
        self._reader = reader
        self._timeout = timeout
        self._link = RedisLink(dsn, reactor, timeout, LARGEST, trust_root)
        self._threads = Threads(self.name, 1, reactor, room=AT_ONCE)

    def startService(self) -> None:
        """Connections are made when they are needed."""
        Service.startService(self)
        self._threads.start()

    def stopService(self) -> Deferred[None]:
        """Fires when no thread and no connection is left."""
        Service.stopService(self)
        return self._link.close().addCallback(lambda _: self._threads.stop())

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore."""
        return Deferred.fromCoroutine(self._found(checked(session_id)))

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe: a look-up of an id that no session has, and what else the account may do, with keys that do not
        exist."""
        return Deferred.fromCoroutine(self._probed())

    async def _probed(self) -> list[Finding]:
        key = self._prefix + secrets.token_hex(16).encode()
        try:
            protocol = await self._link.connection()
            await protocol.get(key)
        except Exception as error:
            return [_not_readable(self.name, words(error), self._prefix)]
        try:
            beyond = await excess(protocol, [("may change sessions", (b"DEL", key))])  # nothing has that key
        except NoRedisConnection as error:
            return [_not_readable(self.name, str(error), self._prefix)]
        return [Finding(self.name, FindingState.OK, "sessions can be read"), _rights(self.name, beyond)]

    async def _found(self, session_id: str) -> AdminSession | None:
        if not self.running:
            raise self._down("not in service")
        data = await self._get(self._prefix + session_id.encode())
        if data is None:
            return None
        if len(data) <= QUICK:
            return self._reader.admin(data)
        try:
            return await self._threads.run(self._timeout, self._reader.admin, data)
        except Stuck as stuck:
            raise self._down(str(stuck)) from None

    async def _get(self, key: bytes) -> bytes | None:
        try:
            return await self._asked(key)
        except NoRedisConnection as error:
            raise self._down(str(error)) from None

    async def _asked(self, key: bytes) -> bytes | None:
        protocol = await self._link.connection()
        try:
            data: bytes | None = await protocol.get(key)
        except Exception as error:
            if str(error).startswith(("WRONGTYPE", "longer than ")):
                raise self._reader.unreadable(words(error)) from None
            self._link.give_up(protocol)
            raise NoRedisConnection(words(error, protocol)) from None
        return data

    def _down(self, why: str) -> Unavailable:
        return Unavailable(DOWN, f"[{self.name}] {why}")


def _not_readable(title: str, why: str, prefix: bytes) -> Finding:
    if re.search(r"\b(WRONGPASS|NOAUTH|NOPERM|invalid password|no password is set)", why):
        acl = f"~{prefix.decode()}* -@all +get +select"
        remedy = f"correct user and password in dsn, or the account in Redis' ACL: {acl} (docs/sessions.md)"
        return Finding(title, FindingState.FAULT, why, remedy)
    if re.search(r"\b(DB index|invalid DB|certificate|WRONGTYPE|ERR )", why):
        return Finding(title, FindingState.FAULT, why, "correct dsn: the number of the database, rediss:// and ca")
    return Finding(title, FindingState.UNREACHABLE, why, "start Redis, or correct host and port in dsn")


def _rights(title: str, beyond: Sequence[str]) -> Finding:
    check = f"{title} rights"
    if not beyond:
        return Finding(check, FindingState.OK, "the account may read sessions and nothing else")
    what = f"the account {', '.join(beyond)}: more than orosync needs"
    return Finding(
        check, FindingState.WARNING, what, "have an account of orosync's own in Redis' ACL (docs/sessions.md)"
    )
