"""Prints what to configure instead of a password: the derived forms of WAMP-CRA and SCRAM.

    python -m orosync.identity.derive wampcra < password
    python -m orosync.identity.derive scram [argon2id13 | argon2id-13 | pbkdf2] < password

The password is standard input, less one newline at its end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from orosync.identity import scram_keys, wampcra
from orosync.registry import how_to_install

USAGE = "write: python -m orosync.identity.derive wampcra | scram [argon2id13 | argon2id-13 | pbkdf2]  < password"
KDFS = (scram_keys.ARGON2, scram_keys.ARGON2_AUTOBAHN, scram_keys.PBKDF2)


def main(arguments: Sequence[str], source: TextIO, sink: TextIO) -> None:
    """Derive. SystemExit with one line for wrong arguments, no password, or one that cannot be used."""
    method, kdf = (*arguments, "", "")[:2]
    password = source.read().removesuffix("\n")
    try:
        if not password or any(character < " " for character in password):
            raise ValueError("one line with the password is expected on standard input")
        if method == "wampcra" and len(arguments) == 1:
            sink.write(f"{wampcra.derived(password)}\n")
        elif method == "scram" and len(arguments) <= 2 and kdf in ("", *KDFS):
            sink.write(f"{scram_keys.derived(password, kdf or scram_keys.ARGON2)}\n")
        else:
            raise ValueError(USAGE)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    except ImportError as error:
        raise SystemExit(f"{error}, {how_to_install('crypto')}") from None


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin, sys.stdout)
