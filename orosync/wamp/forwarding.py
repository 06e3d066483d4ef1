"""The trail of a message that is forwarded between realms: its id and the realms it has passed, to prevent loops.

WAMP does not specify links between routers, and a broker drops unknown options. Crossbar.io passes one string of a
publisher or caller on, independent of disclosure: ``transaction_hash``, and so does orosync. That string is the trail,
``orosync:NUMBER:MARK.MARK``: the publication's id in the first realm, and the marks of the realms that it has passed,
the first one first. Any other string is not a trail.

A mark identifies a realm as long as its router runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from orosync.wamp.ids import random_id

OPTION = "transaction_hash"
"""The key of a trail in options and details."""

UPLINK = "_orosync_uplink"
"""HELLO.Details: the client forwards between realms, and asks for the mark of the one it joins."""

REALM = "_orosync_realm"
"""WELCOME.Details: that mark."""

MOST_REALMS = 8
"""A message that has passed so many realms is not forwarded any more."""

MOST_REMEMBERED = 10_000
"""Events that a realm remembers, the last ones."""

_TRAIL = re.compile(r"orosync:([0-9]{1,16}):([0-9a-zA-Z]{1,32}(?:\.[0-9a-zA-Z]{1,32})*)")
_LONGEST = 400


def new_mark() -> str:
    """A mark that no other realm has."""
    return f"{random_id():x}"


def mark_of(realm: str, url: str, welcome: Mapping[str, Any]) -> str:
    """The mark of the realm that was joined at ``url``: the one in orosync's WELCOME, else one derived from the node in
    Crossbar.io's WELCOME or from the address, the same for all clients that use that address."""
    mark = welcome.get(REALM)
    if isinstance(mark, str) and 0 < len(mark) <= 32 and mark.isalnum():
        return mark
    node = welcome.get("x_cb_node")
    known = f"{node if isinstance(node, str) else url} {realm}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def has_random_ids(welcome: Mapping[str, Any]) -> bool:
    """Whether the publication ids of a router are known to be random, as WAMP demands: those of orosync and Crossbar.io
    are. Other routers may use an id again for another event."""
    return REALM in welcome or "x_cb_node" in welcome


class Trail(NamedTuple):
    """``number`` is the id of the message in its first realm; ``marks`` are the realms it has passed."""

    number: int
    marks: tuple[str, ...]


def parse(text: object) -> Trail | None:
    """The trail in a string; None where it is not a trail."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    found = _TRAIL.fullmatch(text)
    return None if found is None else Trail(int(found[1]), tuple(found[2].split(".")))


def extended(details: Mapping[str, Any], number: int, left: str, entered: str) -> str | None:
    """The trail of a message with ``details`` that leaves one realm, where its id is ``number``, and enters another;
    None where it must not, because it has been there or has passed too many realms."""
    found = parse(details.get(OPTION)) or Trail(number, ())
    marks = found.marks
    if entered in marks:
        return None
    if left not in marks:
        marks = (*marks, left)
    if len(marks) > MOST_REALMS:
        return None
    return f"orosync:{found.number}:{'.'.join(marks)}"


class Memory:
    """The last events that came into a realm with a trail: the same event may come again by another way."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._known: dict[int, None] = {}
        self._most = most

    def again(self, text: object) -> bool:
        """Whether an event with that trail has come before, and remember it. False for a string that is no trail."""
        found = parse(text)
        return found is not None and self.seen(found.number)

    def seen(self, number: int) -> bool:
        """Whether that number has come before, and remember it."""
        if number in self._known:
            return True
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[number] = None
        return False
