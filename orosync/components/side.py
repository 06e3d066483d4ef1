"""The two sessions of an uplink, one here and one there, as what passes between them sees them.

Both speak WAMP v2 in values; so what goes from here to there and what comes the other way is the same code.
"""

from __future__ import annotations

from typing import Any, Protocol

from orosync.wamp.messages import Message
from orosync.wamp.payload import Payload


class Side(Protocol):
    """One of the two."""

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        """A request or an answer of ours. False when it is not taken (nobody is connected, too much waits)."""

    def next_request(self) -> int:
        """An id for a request (WAMP, "Session Scope IDs")."""


SEALS = (
    "ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid", "enc_algo", "enc_key", "enc_serializer",
)  # fmt: skip
"""What details say of a payload that is sealed by its sender (WAMP, "Payload Passthru Mode"; the last three:
autobahn)."""


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
    options.update((seal, details[seal]) for seal in SEALS if seal in details)
    return options
