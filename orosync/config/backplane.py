"""[backplane], key by key: what joins the nodes of one router, for each ``use``."""

# ruff: noqa: RUF009 (setting() returns attrs fields)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from orosync.config import credentials, readers, sessions
from orosync.config.fields import setting, use

# Keys of several sections; attrs makes a field of its own from each use.

SECRET: Any = setting(
    credentials.key,
    "The key with which nodes authenticate what they tell each other, by reference: at least 32 bytes, the same on all "
    "nodes and known to nothing else (`openssl rand -hex 32` makes one).",
    required=True,
    example="file:/etc/orosync/backplane.key",
)
PREVIOUS_SECRET: Any = setting(
    credentials.key,
    "A second key that is still accepted, while the first is being changed ([scaling.md](scaling.md)).",
    example="file:/etc/orosync/backplane.old",
)
RESEND: Any = setting(
    readers.duration,
    "How long a node keeps what it has sent to others, to repeat what was lost while the engine or a node was away.",
    default="30s",
)
RESEND_BYTES: Any = setting(readers.size, "How many bytes of that it keeps at most.", default="16MiB")
WHEN_AWAY: Any = setting(
    readers.choice("deliver", "refuse"),
    "What becomes of publications while the engine cannot be reached. `deliver`: this node's subscribers get them at "
    "once, those of other nodes if it is back within `resend`. `refuse`: those with `acknowledge` are answered with "
    "`wamp.error.unavailable` and not delivered; the others, which no answer would reach (WAMP v1, Oro's PHP), "
    "are delivered.",
    default="deliver",
)


@frozen(kw_only=True)
class LocalBackplaneSection:
    """[backplane] with `use = local`: the workers of one machine."""

    use: str = use("local")
    resend: float = RESEND
    resend_bytes: int = RESEND_BYTES
    when_away: str = WHEN_AWAY


@frozen(kw_only=True)
class RedisBackplaneSection:
    """[backplane] with `use = redis`: nodes on several machines."""

    use: str = use("redis")
    dsn: credentials.Secret = setting(
        credentials.redis,
        "Where Redis is, by reference, in the form of Oro's `ORO_SESSION_DSN`: `redis://user:password@host:6379/0`, "
        "`rediss://` for TLS, `redis_sentinel=NAME` for Sentinel. Use a user of its own ([scaling.md](scaling.md)).",
        required=True,
        example="file:/etc/orosync/backplane_dsn",
    )
    secret: credentials.Secret = SECRET
    previous_secret: credentials.Secret | None = PREVIOUS_SECRET
    prefix: str = setting(
        sessions.prefix,
        "What the names of keys begin with. Nodes with the same one are one router.",
        default="orosync",
    )
    ca: Path | None = sessions.CA
    timeout: float = setting(readers.duration, "How long a connection or an answer may take.", default="2s")
    resend: float = RESEND
    resend_bytes: int = RESEND_BYTES
    when_away: str = WHEN_AWAY


@frozen(kw_only=True)
class PluginBackplaneSection:
    """[backplane] with `use = package.module:factory`: a plugin.

    ``extra`` has every other key, as in ForeignSection.
    """

    use: str = setting(
        readers.factory,
        "What makes an `IBackplane` ([plugins.md](plugins.md)). All keys that are not in this table are its options.",
        required=True,
        example="acme.backplane:Backplane",
    )
    secret: credentials.Secret = SECRET
    previous_secret: credentials.Secret | None = PREVIOUS_SECRET
    resend: float = RESEND
    resend_bytes: int = RESEND_BYTES
    when_away: str = WHEN_AWAY
    extra: Mapping[str, str] = field(repr=False, factory=dict)


BACKPLANES: Mapping[str, type[Any]] = {"local": LocalBackplaneSection, "redis": RedisBackplaneSection}
AnyBackplane = LocalBackplaneSection | RedisBackplaneSection | PluginBackplaneSection
