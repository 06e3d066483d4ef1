"""WAMP-SCRAM: client and router prove to each other that they know a key derived from the password (RFC 5802, RFC 7677;
WAMP "Salted Challenge Response Authentication").

Two dialects: that of the specification ("wamp-scram") and that of Autobahn and Crossbar.io ("scram"), which leaves the
header of channel binding out of what is signed. Channel binding is not offered.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import ConfigError, Refused
from orosync.identity import scram_keys
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.accounts import Account, Entries, Entry, Seeds
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.scram_keys import ARGON2, ARGON2_AUTOBAHN, ScramKeys, encoded
from orosync.interfaces import AuthenticationStep, HelloDetails, IJournal
from orosync.model import ConnectionFacts, Principal
from orosync.registry import missing_module

METHOD = "wamp-scram"
AUTOBAHN = "scram"
NO_BINDING = encoded(b"n,,")
"""The GS2 header of a client that does not bind to its channel (RFC 5802 section 7: cbind-input)."""

LONGEST_NONCE = 256
_NONCE = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")


@attrs.frozen
class ScramProof:
    """The keys for each dialect; the same where only the derived form is configured."""

    keys: ScramKeys
    autobahn: ScramKeys

    def decoy(self, seed: bytes) -> ScramProof:
        """See accounts.Proof."""
        return ScramProof(self.keys.decoy(seed), self.autobahn.decoy(seed))


@attrs.frozen
class _Exchange:
    """One attempt: the parts of AuthMessage."""

    method: str
    entry: Entry[ScramProof]
    client_nonce: str
    nonce: str

    @property
    def keys(self) -> ScramKeys:
        return self.entry.proof.autobahn if self.method == AUTOBAHN else self.entry.proof.keys

    def message(self, plain: bool) -> bytes:
        """AuthMessage; ``plain``: in the dialect of Autobahn."""
        name = self.entry.authid if plain else self.entry.authid.replace("=", "=3D").replace(",", "=2C")
        server_first = f"r={self.nonce},s={encoded(self.keys.salt)},i={self.keys.iterations}"
        client_final = f"c={'' if plain else NO_BINDING},r={self.nonce}"
        return f"n={name},r={self.client_nonce},{server_first},{client_final}".encode()


class ScramAuthenticator(AccountAuthenticator):
    """Keeps keys derived from passwords; plain passwords are derived at the start, with ``kdf``, ``iterations`` and
    ``memory`` (KiB). Their salts, and the decoys of unknown names, are made of ``decoy_secret``.

    Reason codes of Refused: no_authid, malformed, channel_binding, unknown_user, bad_signature. ConfigError for
    accounts that cannot be used, and where the extra ``crypto`` is not installed.
    """

    def __init__(
        self,
        name: str,
        accounts: Iterable[Account],
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        kdf: str = ARGON2,
        iterations: int | None = None,
        memory: int | None = None,
        decoy_secret: str = "",
        failures: FailureBuckets | None = None,
    ) -> None:
        title = f"authenticator:{name}"
        missing = next(filter(None, (missing_module(module, "crypto") for module in scram_keys.NEEDED)), "")
        if missing:
            raise ConfigError([f"[{title}] use: scram {missing}"])
        super().__init__(name, (METHOD, AUTOBAHN), "scram", journal, clock, now, failures)
        self._seeds = Seeds(decoy_secret)
        self._cost = (iterations, memory)
        entries, faults = [], []
        for account in accounts:
            try:
                entries.append(self._entry(account, kdf))
            except ValueError as error:
                faults.append(f"[{title}] user.{account.authid}: {error}")
        if faults:
            raise ConfigError(faults)
        self._entries = Entries(title, entries, self._seeds)

    def _entry(self, account: Account, kdf: str) -> Entry[ScramProof]:
        authid = _name(account.authid)
        if scram_keys.is_derived(account.secret):
            try:
                keys = autobahn = scram_keys.parse(account.secret)
            except ValueError as error:
                raise ValueError(f"the secret {error}") from None
        else:
            salt = self._seeds.of(authid)[:16]
            try:
                keys = autobahn = scram_keys.derived(account.secret, kdf, salt, *self._cost)
            except ValueError as error:
                raise ValueError(f"the password {error}") from None
            if kdf == ARGON2:
                autobahn = scram_keys.derived(account.secret, ARGON2_AUTOBAHN, salt, *self._cost)
        return Entry(authid, account.role, ScramProof(keys, autobahn))

    def _begin(self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int) -> AuthenticationStep:
        if not hello.authid:
            raise Refused("no_authid", "HELLO names no authid, whose password shall be used?")
        nonce = hello.authextra.get("nonce")
        if not isinstance(nonce, str) or len(nonce) > LONGEST_NONCE or not _NONCE.fullmatch(nonce):
            raise Refused("malformed", "HELLO.Details.authextra.nonce is no base64 of a usual length")
        if hello.authextra.get("channel_binding") is not None:
            raise Refused("channel_binding", "SCRAM is asked for with channel binding, which is not offered")
        try:
            entry = self._entries.find(_name(hello.authid))
        except ValueError as error:
            raise Refused("malformed", str(error)) from None
        exchange = _Exchange(method, entry, nonce, nonce + encoded(secrets.token_bytes(18)))
        keys = exchange.keys
        extra: dict[str, Any] = {
            "nonce": exchange.nonce,
            "salt": encoded(keys.salt),
            "kdf": keys.kdf,
            "iterations": keys.iterations,
        }
        if keys.memory is not None or method == METHOD:  # Autobahn takes any value for a number
            extra["memory"] = keys.memory

        return self._step(facts, method, extra, partial(self._verify, exchange), decoy=not entry.known)

    def _verify(self, exchange: _Exchange, signature: str, extra: Mapping[str, Any]) -> Principal:
        entry, keys = exchange.entry, exchange.keys
        plain = exchange.method == AUTOBAHN and "nonce" not in extra
        if not plain and extra.get("nonce") != exchange.nonce:
            raise Refused("malformed", "AUTHENTICATE.Extra.nonce is not that of the challenge")
        if extra.get("channel_binding") is not None or extra.get("cbind_data") is not None:
            raise Refused("channel_binding", "AUTHENTICATE binds to a channel, HELLO did not")
        try:
            proof = base64.b64decode(signature, validate=True)
        except ValueError:
            raise Refused("malformed", "the signature of AUTHENTICATE is no base64") from None
        message = exchange.message(plain)
        fits = keys.fits(message, proof)
        verifier = encoded(keys.server_signature(message))
        if not entry.known:
            raise Refused("unknown_user", f"there is no user {entry.authid!r}")
        if not fits:
            raise Refused("bad_signature", f"the proof of {entry.authid!r} was made with another password")
        proof_of_router = {"verifier": verifier, "scram_server_signature": verifier}
        return self._principal(entry.authid, entry.role, exchange.method, proof_of_router)


def _name(authid: str) -> str:
    """An authid after SASLprep. ValueError."""
    try:
        return scram_keys.normalized(authid)
    except ValueError as error:
        raise ValueError(f"the name {error}") from None
