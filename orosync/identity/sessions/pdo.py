"""Sessions in a table of Oro's database: ``oro_session`` (Symfony's PdoSessionHandler, Oro's column names).

    id varchar/varbinary(128), sess_data bytea/blob, sess_lifetime int, sess_time int

``sess_lifetime`` is when the session expires, in seconds since 1970; as older versions of Symfony write it (less than
ten years) it is how long the session lives from ``sess_time`` on. One SELECT without a lock: no request of the
application waits for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.clocks import Now
from orosync.errors import Refused
from orosync.identity.directories import probing
from orosync.identity.directories.pool import SqlService, rows
from orosync.identity.directories.sql import Engine, QueryLimits
from orosync.identity.php.session import LARGEST, SessionReader, checked
from orosync.identity.single_flight import DOWN
from orosync.interfaces import IProbe, ISessionStore
from orosync.model import AdminSession, Finding

LONGEST_ID = 128
"""Characters of an id in the table."""

LONGEST_LIFETIME = 315_576_000
"""Seconds; a smaller value is a lifetime, not a time (PdoSessionHandler::MAX_LIFETIME)."""

QUERY = (
    "SELECT id, CASE WHEN OCTET_LENGTH(sess_data) <= %(most)s THEN sess_data END, sess_lifetime, sess_time "
    "FROM {table} WHERE id = %(id)s"
)


@implementer(ISessionStore, IProbe)
class PdoSessions(SqlService):
    """Sessions in ``table`` (``[schema.]name``) while it runs."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        limits: QueryLimits,
        reader: SessionReader,
        reactor: Any,
        now: Now,
        table: str,
    ) -> None:
        super().__init__(f"sessions:{name}", DOWN, engine, limits, reactor)
        self._reader = reader
        self._now = now
        self._table = table
        self._query = QUERY.format(table=table)

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        """See ISessionStore. Ends after ``QueryLimits.look_up`` seconds at the latest."""
        return Deferred.fromCoroutine(self._found(checked(session_id)))

    def probe(self) -> Deferred[Sequence[Finding]]:
        """See IProbe: a look-up of an id that no session has, and the account's rights."""
        asked = {"id": secrets.token_hex(16), "most": LARGEST}
        return self.probe_with(
            lambda ask: probing.sessions(ask, self.engine, self.name, self._table, self._query, asked)
        )

    async def _found(self, session_id: str) -> AdminSession | None:
        if len(session_id) > LONGEST_ID:
            return None
        found = await self.ask(self._looking_up(session_id, self._now()))
        if isinstance(found, Refused):
            raise found
        return found

    def _looking_up(self, session_id: str, now: float) -> Callable[[Any], AdminSession | Refused | None]:
        """The look-up for a thread. That a session cannot be read is returned: it is no failure of the connection."""
        asked = {"id": session_id, "most": LARGEST}

        def look_up(connection: Any) -> AdminSession | Refused | None:
            try:
                return self._user(rows(connection, self._query, asked), session_id.encode(), now)
            except Refused as refusal:
                return refusal

        return look_up

    def _user(self, found: list[Any], session_id: bytes, now: float) -> AdminSession | None:
        for name, data, lifetime, since in found:
            # Collations of MySQL compare loosely, but PHP's ids are exact.
            if _bytes(name) != session_id:
                continue
            expires = lifetime if lifetime > LONGEST_LIFETIME else since + lifetime
            if expires < now:
                return None
            if data is None:
                raise self._reader.unreadable(f"it is longer than {LARGEST} bytes")
            return self._reader.admin(_bytes(data))
        return None


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
