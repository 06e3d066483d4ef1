"""Sessions in Redis: a plain string under the prefix and the id, which expires by itself (Symfony's
RedisSessionHandler).

One command is used, GET; ``SET``, ``EXPIRE`` and Oro's lock (``<key>.lock``) never. docs/sessions.md has the line for
Redis' ACL.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.config.redis_dsn import RedisDsn
from orosync.errors import Unavailable
from orosync.identity.php.session import LARGEST, QUICK, SessionReader, checked
from orosync.identity.sessions.redis_link import NoRedisConnection, RedisLink, protocol_class, words
from orosync.identity.single_flight import DOWN
from orosync.identity.threads import Stuck, Threads
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession

AT_ONCE = 32
"""Commands in flight, all on one connection."""


@implementer(ISessionStore)
class RedisSessions(Service):
    """Sessions at ``dsn`` while it runs; the other arguments as RedisLink's."""

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


def load() -> None:
    """ImportError when the extra is not installed."""
    protocol_class()
