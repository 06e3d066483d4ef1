"""Redis DSNs as Oro's PHP reads them (Symfony's RedisTrait; before Oro 5.1 SncRedisBundle and Predis).

    redis://127.0.0.1:6379/0
    redis://password@host        redis://:password@host        redis://user:password@host
    rediss://host                over TLS
    redis:///run/redis.sock      redis://password@/run/redis.sock/2
    redis://sentinel1:26379?dbindex=1&redis_sentinel=mymaster
    redis:?host[sentinel1:26379]&host[sentinel2:26379]&redis_sentinel=mymaster&auth=password

One word before the "@" is the password, not the user. Keys of the query that only PHP's clients understand are
ignored. An error never repeats the text.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

import attrs

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SCHEMES: Final = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}

SHAPE: Final = "write it like redis://password@host:6379/0"

_DSN = re.compile(r"(?P<scheme>[A-Za-z]+):(?://)?(?:(?:(?P<user>[^:@]*):)?(?P<password>[^@]*)@)?(?P<rest>[^@]*)")
_PLACE = re.compile(r"(?P<host>[^/?#\[\]]*|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")


@attrs.frozen
class Server:
    """One server; ``port`` is 0 for a UNIX socket, whose path is ``host``."""

    host: str
    port: int


@attrs.frozen
class RedisDsn:
    """``sentinel`` is the name of the master that ``servers``, then Sentinels, are asked for, or ""; ``user`` "" is
    Redis' default user."""

    servers: tuple[Server, ...]
    user: str
    password: str = attrs.field(repr=False)
    database: int
    tls: bool
    sentinel: str


def parse(text: str) -> RedisDsn:
    """Read a DSN. ValueError says what is wrong and what to do, without any of the text."""
    found = _DSN.fullmatch(text)
    if found is None:
        raise ValueError(f"is not a DSN of Redis, {SHAPE}; in a password write @ as %40, : as %3A, / as %2F, ? as %3F")
    tls = SCHEMES.get(found["scheme"].lower())
    if tls is None:
        raise ValueError(f"is not a DSN of Redis, {SHAPE} (rediss:// for TLS)")
    place = _PLACE.fullmatch(found["rest"])
    if place is None:
        raise ValueError(f"is not a DSN of Redis, {SHAPE}")
    options: dict[str, str] = {}
    named: list[str] = []
    for key, value in parse_qsl(place["query"] or "", keep_blank_values=True):
        host = re.fullmatch(r"host\[(.*)\]", key)
        if host is not None:
            named.append(host[1])
        else:
            options[key] = value
    cluster = options.get("redis_cluster", options.get("cluster", "0"))
    if cluster.partition("/")[0] not in ("", "0", "false", "no"):
        raise ValueError(
            "is that of a Redis Cluster, whose sessions orosync cannot read; a single server or Sentinel can"
        )
    sentinel = options.get("redis_sentinel", options.get("sentinel_master", ""))
    user, password = _credentials(found["user"], found["password"], options)
    path, database = _path(place["path"] or "", options.get("dbindex", ""))
    servers = _servers(place["host"], path, named, SENTINEL_PORT if sentinel else PORT)
    if len(servers) > 1 and not sentinel:
        raise ValueError("names several servers; that takes redis_sentinel=NAME, else name the one")
    if tls and any(not server.port for server in servers):
        raise ValueError("asks for TLS on a UNIX socket, write redis://")
    return RedisDsn(servers, user, password, database, tls, sentinel)


def _credentials(user: str | None, password: str | None, options: dict[str, str]) -> tuple[str, str]:
    given = [unquote(user or ""), unquote(password or "")]
    if password is None and "auth" in options:
        given = ["", options["auth"]]
    if given[0] and not given[1]:
        raise ValueError("names a user without a password, write redis://user:password@host")
    return ("" if given[0] == "default" else given[0]), given[1]


def _path(path: str, index: str) -> tuple[str, int]:
    """A UNIX socket, if any, and the number of the database."""
    behind = re.search(r"/([0-9]*)$", path)
    if behind is not None:
        path, index = path[: behind.start()], behind[1] or index
    if index and not re.fullmatch(r"[0-9]{1,5}", index):
        raise ValueError("names a database that is no number")
    return path, int(index or 0)


def _servers(host: str, path: str, named: list[str], port: int) -> tuple[Server, ...]:
    servers = []
    if host:
        if path:
            raise ValueError("has a path after its host that is no number of a database")
        servers.append(_server(host, port))
    elif path:
        servers.append(Server(unquote(path), 0))
    for one in named:
        servers.append(Server(one.removesuffix(":"), 0) if one.startswith("/") else _server(one, port))
    if not servers:
        raise ValueError(f"names no host, {SHAPE}")
    return tuple(dict.fromkeys(servers))


def _server(text: str, port: int) -> Server:
    found = _HOST.fullmatch(text)
    number = port if found is None or not found["port"] else int(found["port"])
    if found is None or not 0 < number < 65536:
        raise ValueError(f"names an invalid host or port, {SHAPE}")
    return Server(found["six"] or found["name"], number)
