"""The trail of a forwarded message: which it is and which realms it has passed, so that it comes to none of them twice.

WAMP leaves links between routers open, and a broker hands no unknown option on. Crossbar.io hands one string of the
publisher's or caller's on, whoever may be disclosed to whom: ``transaction_hash``. That string is our trail,
``orosync:NUMBER:MARK.MARK``: the publication's id where it began, and the realms it has passed, that one first. orosync
hands it on too. Other strings are other people's and no trail.

A mark is of a realm as long as its router runs, and a name for nothing else. This file must not know sessions or what
is forwarded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from orosync.wamp.ids import random_id

OPTION = "transaction_hash"
"""Where a trail stands in options and details."""

UPLINK = "_orosync_uplink"
"""HELLO.Details: the client forwards between realms, and wants to know the mark of the one it joins."""

REALM = "_orosync_realm"
"""WELCOME.Details: that mark."""

MOST_REALMS = 8
"""What has passed so many realms goes no further."""

MOST_REMEMBERED = 10_000
"""So many of the last events a realm remembers."""

_TRAIL = re.compile(r"orosync:([0-9]{1,16}):([0-9a-zA-Z]{1,32}(?:\.[0-9a-zA-Z]{1,32})*)")
_LONGEST = 400


def new_mark() -> str:
    """A mark that no other realm has."""
    return f"{random_id():x}"


def mark_of(realm: str, url: str, welcome: Mapping[str, Any]) -> str:
    """The mark of the realm that was joined at ``url``: what orosync says, else one made of what the router's WELCOME
    tells (Crossbar.io its node) or of the address, the same for all who know the router by that."""
    told = welcome.get(REALM)
    if isinstance(told, str) and 0 < len(told) <= 32 and told.isalnum():
        return told
    node = welcome.get("x_cb_node")
    known = f"{node if isinstance(node, str) else url} {realm}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def numbers_well(welcome: Mapping[str, Any]) -> bool:
    """Whether the ids of a router's publications are random, as WAMP has it, for certain: those of orosync and
    Crossbar.io. Elsewhere the same may come again, and be another event."""
    return REALM in welcome or "x_cb_node" in welcome


class Trail(NamedTuple):
    """``number`` tells the message from every other that began where it did; ``marks`` are the realms it has passed."""

    number: int
    marks: tuple[str, ...]


def read(said: object) -> Trail | None:
    """The trail that a string is; None where it is none."""
    if not isinstance(said, str) or len(said) > _LONGEST:
        return None
    found = _TRAIL.fullmatch(said)
    return None if found is None else Trail(int(found[1]), tuple(found[2].split(".")))


def further(details: Mapping[str, Any], number: int, left: str, entered: str) -> str | None:
    """The trail of a message with ``details`` that leaves one realm, where it has ``number``, and enters another, to be
    said there; None where it must not: it has been there, or has come too far."""
    found = read(details.get(OPTION)) or Trail(number, ())
    marks = found.marks
    if entered in marks:
        return None
    if left not in marks:
        marks = (*marks, left)
    if len(marks) > MOST_REALMS:
        return None
    return f"orosync:{found.number}:{'.'.join(marks)}"


class Memory:
    """The last events that have come into a realm with a trail: by another way the same one may come again."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._known: dict[int, None] = {}
        self._most = most

    def again(self, said: object) -> bool:
        """Whether an event with that string has come before; from now on it has. False for what is no trail."""
        found = read(said)
        return found is not None and self.seen(found.number)

    def seen(self, number: int) -> bool:
        """Whether that number has come before; from now on it has."""
        if number in self._known:
            return True
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[number] = None
        return False
