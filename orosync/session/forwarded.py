"""What a message says of whom it is forwarded for, and of the way it came.

Crossbar.io's options, for want of any in WAMP: ``forward_for`` lists sessions, the first of which published or
called; ``transaction_hash`` is a string of the publisher's or caller's that is handed on as it is. The first is
believed of those alone who are trusted with it: anybody else is who the realm says. This file must not know who is
trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orosync.errors import ProtocolViolation
from orosync.wamp import ids
from orosync.wamp.trail import OPTION

_LONGEST = 400


def told_of_event(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What PUBLISH.Options add to the details of EVENT; None for nothing."""
    return _told(options, trusted, "publisher")


def told_of_call(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What CALL.Options add to the details of INVOCATION; None for nothing."""
    return _told(options, trusted, "caller")


def _told(options: Mapping[str, Any], trusted: bool, who: str) -> dict[str, Any] | None:
    told: dict[str, Any] = {}
    if trusted and "forward_for" in options:
        told.update(_first(options["forward_for"], who))
    said = options.get(OPTION)
    if isinstance(said, str) and len(said) <= _LONGEST:
        told[OPTION] = said
    return told or None


def _first(sessions: object, who: str) -> dict[str, Any]:
    """The session that a list begins with, as details name it; nothing where it is no such list."""
    first = sessions[0] if isinstance(sessions, list | tuple) and sessions else None
    if not isinstance(first, dict):
        return {}
    authid, authrole = first.get("authid"), first.get("authrole")
    try:
        session = ids.normalise(first.get("session"))
    except ProtocolViolation:
        return {}
    if not isinstance(authid, str) or not isinstance(authrole, str):
        return {}
    return {who: session, f"{who}_authid": authid, f"{who}_authrole": authrole}
