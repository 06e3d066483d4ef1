"""Tries out a Redis for a backplane: each command that nodes use, with keys that no node has, and who is there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

from orosync.backplane.redis_engine import remedy_for
from orosync.backplane.redis_scripts import Keys
from orosync.model import Finding, FindingState
from orosync.redis_connection import NoRedisConnection, RedisConnector, excess, words

CHECK = "backplane"


async def findings(connector: RedisConnector, keys: Keys) -> list[Finding]:
    """What there is to say about a Redis that has these keys."""
    prefix = keys.prefix
    try:
        (protocol,) = await connector.connect()
    except NoRedisConnection as error:
        return [_unusable(str(error), prefix)]
    try:
        missing = await _missing(protocol, prefix)
        if missing:
            what = f"the account may not use {', '.join(missing)} on keys {prefix}:*"
            return [Finding(CHECK, FindingState.FAULT, what, remedy_for("NOPERM", prefix))]
        there = await _live(protocol, keys)
        beyond = await excess(protocol)
    except Exception as error:
        return [_unusable(words(error, protocol), prefix)]
    finally:
        protocol.transport.abortConnection()
    running = ", ".join(there) or "none"
    found = [Finding(CHECK, FindingState.OK, f"Redis can be used; nodes that are running: {running}")]
    if beyond:
        what = f"the account {', '.join(beyond)}: more than nodes need"
        remedy = "have an account of the nodes' own in Redis' ACL (docs/scaling.md)"
        found.append(Finding(f"{CHECK} rights", FindingState.WARNING, what, remedy))
    return found


def _unusable(why: str, prefix: str) -> Finding:
    """``why`` there is no connection, with the remedy."""
    remedy = remedy_for(why, prefix)
    if remedy:
        return Finding(CHECK, FindingState.FAULT, why, remedy)
    return Finding(CHECK, FindingState.UNREACHABLE, why, "start Redis, or correct host and port in dsn")


def _commands(prefix: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The name of each command that nodes use, with arguments that leave nothing behind."""
    name = secrets.token_hex(8)
    hashed, stream, text, listed = (f"{prefix}:probe:{name}:{kind}" for kind in ("hash", "stream", "text", "list"))
    yield "script|load", (b"SCRIPT", b"LOAD", b"return 1")
    yield "evalsha", (b"EVALSHA", b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0)  # of "return 1"
    yield "time", (b"TIME",)
    yield "set", (b"SET", text, b"x", b"PX", 1000)
    yield "get", (b"GET", text)
    yield "exists", (b"EXISTS", text)
    yield "pexpire", (b"PEXPIRE", text, 1000)
    yield "hset", (b"HSET", hashed, b"x", b"x")
    yield "hget", (b"HGET", hashed, b"x")
    yield "hgetall", (b"HGETALL", hashed)
    yield "hscan", (b"HSCAN", hashed, 0)
    yield "hdel", (b"HDEL", hashed, b"x")
    yield "xadd", (b"XADD", stream, b"NOMKSTREAM", b"*", b"x", b"x")
    yield "xread", (b"XREAD", b"COUNT", 1, b"STREAMS", stream, b"0-0")
    yield "xtrim", (b"XTRIM", stream, b"MINID", b"~", b"0-0")
    yield "xrevrange", (b"XREVRANGE", stream, b"+", b"-", b"COUNT", 1)
    yield "rpush", (b"RPUSH", listed, b"x")
    yield "llen", (b"LLEN", listed)
    yield "lrange", (b"LRANGE", listed, 0, 0)
    yield "lpop", (b"LPOP", listed)
    yield "del", (b"DEL", hashed, stream, text, listed)


async def _missing(protocol: Any, prefix: str) -> list[str]:
    """The commands that the account may not use."""
    missing = []
    for name, command in _commands(prefix):
        try:
            await protocol.execute_command(*command)
        except Exception as error:
            if not str(error).startswith("NOPERM"):
                raise
            missing.append(name)
    return missing


async def _live(protocol: Any, keys: Keys) -> list[str]:
    """The names of the nodes that have a lease."""
    seconds, micros = await protocol.execute_command(b"TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    found = await protocol.execute_command(b"HGETALL", keys.nodes)
    leases = zip(found[::2], found[1::2], strict=True)
    return sorted(name.decode(errors="replace") for name, lease in leases if _end(lease) > now)


def _end(lease: bytes) -> int:
    found = re.fullmatch(rb"\S+ ([0-9]+)", lease)
    return int(found[1]) if found is not None else 0
