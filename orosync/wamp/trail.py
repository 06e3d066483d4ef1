"""The trail of a forwarded message: which realms it has passed, so that it comes back to none of them.

WAMP leaves links between routers open, and a broker hands no unknown option on. Crossbar.io hands one string of the
publisher's or caller's on, whoever may be disclosed to whom: ``transaction_hash``. That string is our trail,
``orosync:MARK.MARK``, the first realm first; orosync hands it on too. Other strings are other people's and no trail.

A mark is of a realm as long as its router runs, and a name for nothing else. This file must not know sessions or what
is forwarded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from orosync.wamp.ids import random_id

OPTION = "transaction_hash"
"""Where a trail stands in options and details."""

UPLINK = "_orosync_uplink"
"""HELLO.Details: the client forwards between realms, and wants to know the mark of the one it joins."""

REALM = "_orosync_realm"
"""WELCOME.Details: that mark."""

MOST_REALMS = 8
"""What has passed so many realms goes no further."""

_PREFIX = "orosync:"
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


def read(details: Mapping[str, Any]) -> tuple[str, ...]:
    """The marks of options or details; none where there is no trail."""
    said = details.get(OPTION)
    if not isinstance(said, str) or not said.startswith(_PREFIX) or len(said) > _LONGEST:
        return ()
    return tuple(said.removeprefix(_PREFIX).split("."))


def further(details: Mapping[str, Any], left: str, entered: str) -> str | None:
    """The trail of a message with ``details`` that leaves one realm and enters another, to be said there; None where it
    must not: it has been there, or has come too far."""
    marks = read(details)
    if entered in marks:
        return None
    if left not in marks:
        marks = (*marks, left)
    if len(marks) > MOST_REALMS:
        return None
    return _PREFIX + ".".join(marks)
