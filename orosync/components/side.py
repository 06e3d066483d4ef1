"""The two sessions of an uplink, one here and one there, as what passes between them sees them.

Both speak WAMP v2 in values; so what goes from here to there and what comes the other way is the same code.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

from orosync.wamp import uris
from orosync.wamp.formats import Format
from orosync.wamp.messages import Message
from orosync.wamp.passthru import FEATURE, SEALS
from orosync.wamp.payload import Payload


class Side(Protocol):
    """One of the two."""

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        """A request or an answer of ours. False when it is not taken (nobody is connected, too much waits)."""

    def next_request(self) -> int:
        """An id for a request (WAMP, "Session Scope IDs")."""


def forwarded(details: dict[str, Any], who: str, trail: str, option: str) -> dict[str, Any]:
    """The options under which a message with ``details`` goes on: its trail, how its payload is sealed, and for ``who``
    ("publisher" or "caller") it is, where that was disclosed (Crossbar.io's ``forward_for``)."""
    options: dict[str, Any] = {option: trail}
    session = details.get(who)
    if session is not None:
        authid, authrole = details.get(f"{who}_authid"), details.get(f"{who}_authrole")
        options["forward_for"] = [
            {
                "session": session,
                "authid": authid if isinstance(authid, str) else "",
                "authrole": authrole if isinstance(authrole, str) else "",
            }
        ]
    return options | seals_among(details)


def seals_among(details: Mapping[str, Any]) -> dict[str, Any]:
    """What ``details`` say of a sealed payload."""
    return {seal: details[seal] for seal in SEALS if seal in details}


well_formed = uris.exact_rule(False)
"""What tells that every router takes a URI for one. Names of WAMP v1 are any text, and Crossbar.io ends the session of
whoever sends it one that is no URI."""

PASSTHRU = {"ppt_scheme": FEATURE, "enc_algo": "payload_transparency"}
"""What a router announces that hands sealed payloads on, by the option that says how one is sealed."""

ALL_SEALS = frozenset(PASSTHRU)
_ARRAYS: Mapping[Format, Container[int]] = {
    Format.JSON: b"[",
    Format.MSGPACK: (*range(0x90, 0xA0), 0xDC, 0xDD),
    Format.CBOR: range(0x80, 0xA0),
}
"""How an array begins."""


def seals_of(welcome: Mapping[str, Any]) -> frozenset[str]:
    """Which sealed payloads a router hands on, by what WELCOME.Details announce of its broker and its dealer both."""
    roles = welcome.get("roles")
    announced = [_features(roles.get(role)) if isinstance(roles, dict) else {} for role in ("broker", "dealer")]
    return frozenset(
        seal for seal, feature in PASSTHRU.items() if all(features.get(feature) is True for features in announced)
    )


def acceptable(payload: Payload | None, details: Mapping[str, Any], seals: frozenset[str]) -> bool:
    """Whether a realm whose router hands on ``seals`` takes a message with that payload. Another router would take it
    for a violation of the protocol, and end the session."""
    if payload is None or not payload.args or payload.args[0] in _ARRAYS[payload.format]:
        return True
    return any(seal in details for seal in seals)


def _features(role: object) -> dict[str, Any]:
    features = role.get("features") if isinstance(role, dict) else None
    return features if isinstance(features, dict) else {}
