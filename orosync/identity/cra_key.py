"""What WAMP-CRA keeps of a secret: the secret itself, or a key derived from it with PBKDF2 and its salt.

The derived form is one line: ``pbkdf2$ITERATIONS:SALT$KEY``, the key as ``autobahn.wamp.auth.derive_key`` prints it
(base64 of ``keylen`` bytes). It must not know who the secret belongs to.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Any

import attrs
from autobahn.wamp.auth import derive_key

from orosync.identity.accounts import stretched, text_like
from orosync.model import NOTHING

DERIVED = "pbkdf2$"
ITERATIONS = 100_000
KEYLEN = 32
_FORM = re.compile(r"pbkdf2\$([1-9][0-9]{0,6}):([^$\s]{1,200})\$([A-Za-z0-9+/]{16,}={0,2})")


@attrs.frozen
class CraKey:
    """``key`` is what challenges are signed with; ``salting`` tells the client how to derive it (``salt``,
    ``iterations``, ``keylen``), and is empty for a plain secret."""

    key: bytes = attrs.field(repr=False)
    salting: Mapping[str, Any] = NOTHING

    def decoy(self, seed: bytes) -> CraKey:
        """See accounts.Proof."""
        salting = self.salting
        if salting:
            salting = {**salting, "salt": text_like(salting["salt"], seed)}
        return CraKey(base64.b64encode(stretched(seed, KEYLEN)), salting)


def cra_key(secret: str) -> CraKey:
    """Read a secret or its derived form. ValueError for one that begins like the derived form and is none."""
    if not secret.startswith(DERIVED):
        return CraKey(secret.encode())
    found = _FORM.fullmatch(secret)
    try:
        keylen = len(base64.b64decode(found[3], validate=True)) if found else 0
    except ValueError:
        keylen = 0
    if found is None or not keylen:
        raise ValueError("begins like a derived key and is none, write pbkdf2$ITERATIONS:SALT$KEY")
    return CraKey(found[3].encode(), {"salt": found[2], "iterations": int(found[1]), "keylen": keylen})


def derived(secret: str, salt: str | None = None, iterations: int = ITERATIONS, keylen: int = KEYLEN) -> str:
    """The derived form of ``secret``, with a random salt if none is given."""
    salt = salt or secrets.token_hex(16)
    return f"{DERIVED}{iterations}:{salt}${derive_key(secret, salt, iterations, keylen).decode()}"
