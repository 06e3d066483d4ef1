"""Oro's Application URL, the address of its back office in browsers, and when it may have changed.

The URL is a global value of Oro's system configuration (ConfigBundle). From 7.0 on Oro notes beside it when the
configuration was last changed, so that its own WebSocket server restarts and reads it anew (SyncBundle,
WebsocketServerSharedStateManager): a look-up by primary key tells whether the URL has to be read again. Accounts that
may not read the whole configuration have a view of this one value (etc/sql).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs

from orosync.config import readers
from orosync.identity.directories.pool import rows
from orosync.identity.directories.sql import Dialect, as_text

APPLICATION_URL = (
    "SELECT v.text_value FROM oro_config_value v JOIN oro_config c ON c.id = v.config_id "
    "WHERE c.entity = 'app' AND c.record_id = 0 AND v.section = 'oro_ui' AND v.name = 'application_url'"
)
"""No row where nobody has changed it."""

DEFAULT = "http://localhost"
"""What it is then (UIBundle)."""

VIEW = "orosync_application_url"
TABLES = ("oro_config", "oro_config_value")
STATE = "oro_sync_websocket_server_state"
CHANGED = f"SELECT updated_at FROM {STATE} WHERE id = 'system_config'"
"""When any value of the configuration was last changed; no row before the first time."""


class NotReadable(Exception):
    """The database shows neither the view nor the tables; the text says which."""


@attrs.frozen
class Reading:
    """What was found. ``changed`` is the time of the last change as the database gives it, None if it is not known;
    ``follows``: whether the database tells it. ``url`` is None when it was not read, because nothing had changed."""

    changed: Any
    follows: bool
    url: str | None


class ApplicationUrl:
    """Reads it; for one thread at a time."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._readable: frozenset[str] | None = None

    def read(self, connection: Any, before: Reading | None) -> Reading:
        """The URL, if it may have changed since ``before`` (None: in any case). Raises what the driver raises, and
        NotReadable."""
        try:
            return self._read(connection, before)
        except Exception:
            self._readable = None  # other tables or rights, the next time
            raise

    def _read(self, connection: Any, before: Reading | None) -> Reading:
        readable = self._readable
        if readable is None or before is None:
            readable = self._readable = self._look(connection)
        changed, follows = None, STATE in readable
        if follows:
            # Before the URL: what changes between the two is noticed the next time.
            changed = next((row[0] for row in rows(connection, CHANGED, None)), None)
            if before is not None and before.follows and before.changed == changed:
                return Reading(changed, follows, None)
        if VIEW in readable:
            found = rows(connection, f"SELECT text_value FROM {VIEW}", None)
        elif readable.issuperset(TABLES):
            found = rows(connection, APPLICATION_URL, None)
        else:
            raise NotReadable(f"neither {VIEW} nor {' and '.join(TABLES)} can be read: not there, or not granted")
        return Reading(changed, follows, next((as_text(row[0]) for row in found), "") or DEFAULT)

    def _look(self, connection: Any) -> frozenset[str]:
        """Those of the tables that may be read: databases list no others."""
        names = ", ".join(f"'{name}'" for name in (VIEW, STATE, *TABLES))
        query = (
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_name IN ({names}) AND table_schema = {self._dialect.here}"
        )
        return frozenset(as_text(row[0]).lower() for row in rows(connection, query, None))


def origin_of(url: str) -> str:
    """The origin of a URL as browsers send it, "" of an empty one. ValueError for what is no address of a page."""
    if not url:
        return ""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or len(parts.netloc.split()) > 1:
        raise ValueError(f"{url!r} is not a URL, write it like https://oro.example.com")
    return readers.origins(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", readers.BUILTIN)[0]
