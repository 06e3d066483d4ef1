"""Accounts of the configuration, and a plausible decoy for every unknown name.

A client that names an unknown account is sent the same challenge as for a known one. The decoy has the kind and role of
one of the real accounts and is always the same for a name, so that answers do not tell which accounts exist.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from orosync.errors import ConfigError

_DIGITS = string.digits
_LETTERS = (string.ascii_lowercase, string.ascii_uppercase)


@attrs.frozen
class Account:
    """``secret`` is a password or derived from one; ``identifiers`` are public keys or certificates."""

    authid: str
    role: str
    secret: str = attrs.field(default="", repr=False)
    identifiers: tuple[str, ...] = ()


class Proof(Protocol):
    """What is stored of a secret."""

    def decoy(self, seed: bytes) -> Proof:
        """One of the same kind that no answer proves; the same for the same seed."""


P = TypeVar("P", bound=Proof)


@attrs.frozen
class Entry(Generic[P]):
    """The account of a name. ``known`` is False for a decoy."""

    authid: str
    role: str
    proof: P = attrs.field(repr=False)
    known: bool = True


class Seeds:
    """Unpredictable bytes for each name, derived from ``secret``; from a random one when it is empty."""

    def __init__(self, secret: str = "") -> None:
        self._secret = secret.encode() or secrets.token_bytes(32)

    def of(self, authid: str) -> bytes:
        """64 bytes, always the same for a name."""
        return hmac.digest(self._secret, authid.encode("utf-8", "surrogatepass"), "sha512")


class Entries(Generic[P]):
    """Accounts by name. Raises ConfigError, for the section ``title``, when there is none or one stands twice."""

    def __init__(self, title: str, entries: Sequence[Entry[P]], seeds: Seeds) -> None:
        by_name = {entry.authid: entry for entry in entries}
        if not entries:
            raise ConfigError([no_accounts(title)])
        if len(by_name) < len(entries):
            raise ConfigError([f"[{title}] user: a name stands twice, remove one of the two"])
        self._entries: Mapping[str, Entry[P]] = by_name
        self._models = tuple(entries)
        self._seeds = seeds

    def find(self, authid: str) -> Entry[P]:
        """The entry of ``authid``, or a decoy. Both cost the same."""
        seed = self._seeds.of(authid)
        model = self._models[int.from_bytes(seed[:8], "big") % len(self._models)]
        decoy: P = model.proof.decoy(seed[8:])  # type: ignore[assignment]  # a proof's decoy is of its own class
        unknown = Entry(authid, model.role, decoy, known=False)
        return self._entries.get(authid, unknown)


def by_identifier(title: str, accounts: Iterable[Account]) -> Mapping[str, Account]:
    """Accounts by each of their identifiers. Raises ConfigError when there is none, or two accounts have the same."""
    found: dict[str, Account] = {}
    faults = []
    for account in accounts:
        for identifier in account.identifiers:
            first = found.setdefault(identifier, account)
            if first is not account:
                faults.append(
                    f"[{title}] user.{account.authid}: {identifier} is that of user.{first.authid}, choose one"
                )
    if not found:
        faults.append(no_accounts(title))
    if faults:
        raise ConfigError(faults)
    return found


def no_accounts(title: str) -> str:
    """The fault of a section without accounts."""
    return f"[{title}] user: there is no account, add a line user.NAME = ROLE ..."


def derive_bytes(seed: bytes, length: int) -> bytes:
    """``length`` bytes made of ``seed``."""
    return hashlib.shake_256(seed).digest(length)


def text_like(model: str, seed: bytes) -> str:
    """A text made of ``seed`` with the length and alphabet of ``model``, so that it cannot be told from a real one."""
    body = model.rstrip("=")
    used = set(body)
    alphabet = next((one for one in (_DIGITS, _DIGITS + "abcdef", _DIGITS + "ABCDEF") if used <= set(one)), "")
    if not alphabet:
        alphabet = "".join(kind for kind in (_DIGITS, *_LETTERS) if used & set(kind))
        alphabet += "".join(sorted(used - set(alphabet)))
    return "".join(alphabet[byte % len(alphabet)] for byte in derive_bytes(seed, len(body))) + model[len(body) :]
