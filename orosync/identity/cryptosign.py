"""WAMP-Cryptosign: the client signs a challenge with its Ed25519 key (WAMP "Cryptosign-based Authentication").

With channel binding a signature is useless on another TLS connection. A client may have the router sign a challenge
too ("Router Authentication"). Trust roots and certificates of that section of WAMP are not implemented.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import Any

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import ConfigError, Refused
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.accounts import Account, by_identifier
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import AuthenticationStep, HelloDetails, IJournal
from orosync.model import ConnectionFacts, Principal

METHOD = "cryptosign"
BINDINGS = {
    "tls-unique": "it is not TLS, or its TLS session was resumed",
    "tls-exporter": "it is not TLS 1.3",
}
"""Kinds of channel binding, each with the reason why a connection may have none."""

SIZE = 32
"""Bytes of a challenge, of a public key and of a channel's id."""


@attrs.frozen
class _Attempt:
    """One attempt: the public key and authid that the client claims, and the message to be signed."""

    public_key: bytes
    authid: str | None
    message: bytes


class CryptosignAuthenticator(AccountAuthenticator):
    """Identifies clients by their public keys (``identifiers``: 64 hex digits).

    ``private_key`` (64 hex digits, "" for none) signs the challenges of clients that authenticate the router;
    ``binding_required`` refuses clients that do not bind to their TLS connection. Reason codes of Refused: malformed,
    channel_binding, no_router_key, unknown_key, authid_mismatch, bad_signature. Raises ConfigError.
    """

    def __init__(
        self,
        name: str,
        accounts: Iterable[Account],
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        private_key: str = "",
        binding_required: bool = False,
        failures: FailureBuckets | None = None,
    ) -> None:
        title = f"authenticator:{name}"
        super().__init__(name, (METHOD,), METHOD, journal, clock, now, failures)
        self._accounts = {bytes.fromhex(identifier): one for identifier, one in by_identifier(title, accounts).items()}
        self._binding_required = binding_required
        self._own: Ed25519PrivateKey | None = None
        if private_key:
            seed = _hex(private_key, SIZE)
            if seed is None:
                raise ConfigError([f"[{title}] key: is no Ed25519 key, put the seed's 64 hex digits there"])
            self._own = Ed25519PrivateKey.from_private_bytes(seed)

    def _begin(self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int) -> AuthenticationStep:
        public_key = _hex(hello.authextra.get("pubkey"), SIZE)
        if public_key is None:
            raise Refused("malformed", "HELLO.Details.authextra.pubkey is no key of 64 hex digits")
        binding = hello.authextra.get("channel_binding")
        channel = self._channel(facts, binding)
        challenge = secrets.token_bytes(SIZE)
        extra: dict[str, Any] = {"challenge": challenge.hex(), "channel_binding": binding}
        asked = hello.authextra.get("challenge")
        if asked is not None:
            extra |= self._signed(asked, channel)
        attempt = _Attempt(public_key, hello.authid, _xor(challenge, channel))

        return self._step(
            facts,
            METHOD,
            extra,
            lambda signature, _: self._verify(attempt, signature),
            decoy=public_key not in self._accounts,
        )

    def _channel(self, facts: ConnectionFacts, binding: object) -> bytes:
        """The channel id that challenges are XORed with; zeros without channel binding."""
        if binding is None:
            if self._binding_required:
                raise Refused("channel_binding", "the client does not bind to its TLS connection, as it has to here")
            return bytes(SIZE)
        if not isinstance(binding, str) or binding not in BINDINGS:
            raise Refused("channel_binding", "the client asks for an unknown kind of channel binding")
        channel = facts.channel_id.get(binding)
        if channel is None:
            raise Refused("channel_binding", f"the connection has no {binding} to bind to: {BINDINGS[binding]}")
        return channel

    def _signed(self, asked: object, channel: bytes) -> dict[str, str]:
        """The answer to the client's own challenge (WAMP "Router Authentication")."""
        challenge = _hex(asked, SIZE)
        if challenge is None:
            raise Refused("malformed", "HELLO.Details.authextra.challenge is no challenge of 64 hex digits")
        if self._own is None:
            raise Refused(
                "no_router_key", "the client asks the router to authenticate itself, and there is no key to sign with"
            )
        message = _xor(challenge, channel)
        own = self._own.public_key().public_bytes_raw()
        return {"pubkey": own.hex(), "signature": self._own.sign(message).hex() + message.hex()}

    def _verify(self, attempt: _Attempt, signature: str) -> Principal:
        signed = _hex(signature, 64 + SIZE)
        if signed is None:
            raise Refused("malformed", "the signature of AUTHENTICATE is not 192 hex digits")
        account = self._accounts.get(attempt.public_key)
        fits = _verified(attempt.public_key, signed[:64], attempt.message)
        if account is None:
            raise Refused("unknown_key", f"there is no user with the key {attempt.public_key.hex()}")
        if attempt.authid is not None and attempt.authid != account.authid:
            raise Refused("authid_mismatch", f"HELLO names {attempt.authid!r}, its key is that of {account.authid!r}")
        if not fits or not hmac.compare_digest(signed[64:], attempt.message):
            raise Refused(
                "bad_signature", f"the signature of {account.authid!r} is of another key, challenge or channel"
            )
        return self._principal(account.authid, account.role, METHOD)


def _verified(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _hex(text: object, size: int) -> bytes | None:
    """``size`` bytes from hex digits without blanks, None for anything else."""
    if not isinstance(text, str) or len(text) != 2 * size:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == size else None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
