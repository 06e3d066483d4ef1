"""Principals written in the configuration, and somebody plausible for every name that is not.

Whoever asks for an unknown name is led the same way and asked the same question as a known one: a decoy stands in, of
the same kind as one of the real accounts, and always the same for a name. It must not know methods or messages.
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
    """One principal: ``secret`` is a password or what was derived from one, ``marks`` are what it can be told by
    (public keys, certificates)."""

    authid: str
    role: str
    secret: str = attrs.field(default="", repr=False)
    marks: tuple[str, ...] = ()


class Proof(Protocol):
    """What is kept of a secret."""

    def decoy(self, seed: bytes) -> Proof:
        """One of the same kind that nothing fits; the same for the same seed."""


P = TypeVar("P", bound=Proof)


@attrs.frozen
class Entry(Generic[P]):
    """What is known of a name. ``known`` is False for a decoy."""

    authid: str
    role: str
    proof: P = attrs.field(repr=False)
    known: bool = True


class Seeds:
    """Bytes that belong to a name and that nobody can foretell: ``secret`` makes them, a new one when it is empty."""

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
            raise ConfigError([nobody(title)])
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
        stranger = Entry(authid, model.role, decoy, known=False)
        return self._entries.get(authid, stranger)


def by_identifier(title: str, accounts: Iterable[Account]) -> Mapping[str, Account]:
    """Accounts by each of their marks. Raises ConfigError when there is none, or a mark is somebody else's too."""
    found: dict[str, Account] = {}
    faults = []
    for account in accounts:
        for mark in account.marks:
            first = found.setdefault(mark, account)
            if first is not account:
                faults.append(f"[{title}] user.{account.authid}: {mark} is that of user.{first.authid}, choose one")
    if not found:
        faults.append(nobody(title))
    if faults:
        raise ConfigError(faults)
    return found


def nobody(title: str) -> str:
    """The fault of a section without accounts."""
    return f"[{title}] user: nobody is written here, add a line user.NAME = ROLE ..."


def derive_bytes(seed: bytes, length: int) -> bytes:
    """``length`` bytes made of ``seed``."""
    return hashlib.shake_256(seed).digest(length)


def text_like(model: str, seed: bytes) -> str:
    """A text of the length and alphabet of ``model`` made of ``seed``, so that nobody can tell which is made up."""
    body = model.rstrip("=")
    used = set(body)
    alphabet = next((one for one in (_DIGITS, _DIGITS + "abcdef", _DIGITS + "ABCDEF") if used <= set(one)), "")
    if not alphabet:
        alphabet = "".join(kind for kind in (_DIGITS, *_LETTERS) if used & set(kind))
        alphabet += "".join(sorted(used - set(alphabet)))
    return "".join(alphabet[byte % len(alphabet)] for byte in derive_bytes(seed, len(body))) + model[len(body) :]
