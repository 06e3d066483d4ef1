"""Payload passthru mode: a payload that only its sender and its receiver can read (WAMP, "Payload Passthru Mode").

Which of a message's options describe such a payload; they travel with it. ``enc_*`` are those of autobahn, from before
WAMP had its own. This file must not know who may send or receive one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orosync.errors import ProtocolViolation

FEATURE = "payload_passthru_mode"

_SCHEME, _OLD_SCHEME = "ppt_scheme", "enc_algo"
_OPTIONS = (_SCHEME, "ppt_serializer", "ppt_cipher", "ppt_keyid")
_OLD_OPTIONS = (_OLD_SCHEME, "enc_serializer", "enc_key")
SEALS = (*_OPTIONS, *_OLD_OPTIONS)
"""All that options or details say of a sealed payload."""


def described(options: Mapping[str, Any], features: frozenset[str], role: str) -> dict[str, Any] | None:
    """The options of a sealed payload, to be handed on as they are; None for an ordinary payload.

    ProtocolViolation when the sender, who has ``role`` in this, has not announced the feature, or for an option that is
    no string. The older options need no announcement: nobody ever announced them.
    """
    if options.get(_SCHEME):
        if f"{role}.{FEATURE}" not in features:
            raise ProtocolViolation(f"ppt_scheme without having announced {FEATURE} as {role}")
        return _texts(options, _OPTIONS)
    return _texts(options, _OLD_OPTIONS) if options.get(_OLD_SCHEME) else None


def is_sealed(details: Mapping[str, Any]) -> bool:
    """Whether a message with these details carries such a payload."""
    return _SCHEME in details or _OLD_SCHEME in details


def understood(sealed: Mapping[str, Any], features: frozenset[str], role: str) -> bool:
    """Whether a receiver that has ``role`` in this announced that it can read such payloads."""
    return _SCHEME not in sealed or f"{role}.{FEATURE}" in features


def _texts(options: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: options[name] for name in names if options.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, str):
            raise ProtocolViolation(f"{name} must be a string")
    return found
