"""What a remote authenticator may answer, in Crossbar.io's words, and the account that its proof makes.

Values only. It must not know who was asked, or how.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from orosync.errors import Refused, Unavailable
from orosync.identity.accounts import Account
from orosync.identity.cra_key import DERIVED
from orosync.model import NOTHING

ROLE_IS_ENOUGH = ("ticket", "anonymous", "tls")
"""The methods where an answer may be the role and nothing else."""


@attrs.frozen
class RemoteAnswer:
    """Who it is: ``realm`` is "" for where it asked to go. ``proof`` is everything answered, secrets among it."""

    authid: str
    role: str
    realm: str = ""
    extra: Mapping[str, Any] = NOTHING
    proof: Mapping[str, Any] = attrs.field(default=NOTHING, repr=False)


@attrs.frozen
class Limits:
    """What answers may say: ``roles`` and ``realms``, and ``default_role`` ("": none) where they say no role."""

    roles: Collection[str]
    default_role: str
    realms: Collection[str]


def read(
    method: str, authid: str | None, args: Sequence[Any], kwargs: Mapping[str, Any], limits: Limits
) -> RemoteAnswer:
    """Read a RESULT for a client that named ``authid``. Unknown keys mean nothing.

    Kinds of Unavailable: nonsense; of Refused: role_not_listed, realm_not_listed, no_authid.
    """
    if kwargs or len(args) != 1:
        raise nonsense("is not one value")
    answer = args[0]
    if isinstance(answer, str) and method in ROLE_IS_ENOUGH:
        answer = {"role": answer}
    if not isinstance(answer, dict):
        raise nonsense(f"is a {type(answer).__name__}")
    role, named, realm, extra = (answer.get(key) for key in ("role", "authid", "realm", "extra"))
    for key, value in (("role", role), ("authid", named), ("realm", realm)):
        if not isinstance(value, str | None):
            raise nonsense(f"has a {key} that is no string")
    if not isinstance(extra, dict | None):
        raise nonsense("has an extra that is no dict")
    role, known = role or limits.default_role, named or authid
    if role not in limits.roles:
        raise Refused("role_not_listed", f"the answer gives the role {role!r}, which is not among roles")
    if realm and realm not in limits.realms:
        raise Refused("realm_not_listed", f"the answer leads to the realm {realm!r}, which does not name this section")
    if not known:
        raise Refused("no_authid", "neither HELLO nor the answer names an authid")
    return RemoteAnswer(known, role, realm or "", extra or NOTHING, answer)


def account(method: str, answer: RemoteAnswer, authid: str) -> Account:
    """The account, as if it were written in the configuration. Unavailable ("nonsense") for a proof that is none."""
    proof = answer.proof
    if method == "cryptosign":
        return Account(authid, answer.role, marks=(_text(proof, "pubkey").lower(),))
    if method == "scram":
        return Account(authid, answer.role, _scram(proof))
    secret, salting = _text(proof, "secret"), [proof.get(key) for key in ("salt", "iterations", "keylen")]
    if salting == [None, None, None]:
        if secret.startswith(DERIVED):
            raise nonsense("has a secret that begins like a derived one")
        return Account(authid, answer.role, secret)
    salt, iterations, keylen = _text(proof, "salt"), _number(proof, "iterations"), _number(proof, "keylen")
    try:
        size = len(base64.b64decode(secret, validate=True))
    except ValueError:
        size = -1
    if size != keylen:
        raise nonsense("has a salted secret that is not keylen bytes in base64")
    return Account(authid, answer.role, f"{DERIVED}{iterations}:{salt}${secret}")


def nonsense(what: str) -> Unavailable:
    """The authenticator is at fault: its answer ``what``."""
    return Unavailable("nonsense", f"the answer {what}")


def _scram(proof: Mapping[str, Any]) -> str:
    kdf, iterations = _text(proof, "kdf"), _number(proof, "iterations")
    memory = "" if kdf == "pbkdf2" else f",{_number(proof, 'memory')}"
    salt, stored, server = (_bytes(proof, key) for key in ("salt", "stored-key", "server-key"))
    return f"{kdf}${iterations}{memory}:{salt}${stored}:{server}"


def _text(proof: Mapping[str, Any], key: str) -> str:
    value = proof.get(key)
    if not isinstance(value, str) or not value:
        raise nonsense(f"has no {key}")
    return value


def _number(proof: Mapping[str, Any], key: str) -> int:
    value = proof.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise nonsense(f"has no {key}, a number from 1")
    return value


def _bytes(proof: Mapping[str, Any], key: str) -> str:
    """Hex digits as base64."""
    try:
        return base64.b64encode(bytes.fromhex(_text(proof, key))).decode()
    except ValueError:
        raise nonsense(f"has a {key} that is not in hex digits") from None
