"""WAMP-CRA: the client signs a challenge with a secret that is never sent (WAMP "Challenge Response Authentication").

A challenge holds a nonce and the session's id, so that an answer is good for one attempt only. Of a secret either the
secret itself is stored, or a key derived from it with PBKDF2 and its salt. The derived form is one line,
``pbkdf2$ITERATIONS:SALT$KEY``, the key as ``autobahn.wamp.auth.derive_key`` prints it (base64 of ``keylen`` bytes).
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from autobahn.wamp.auth import compute_wcs, derive_key
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now, timestamp
from orosync.errors import ConfigError, Refused
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.accounts import Account, Entries, Entry, Seeds, derive_bytes, text_like
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import AuthenticationStep, HelloDetails, IJournal
from orosync.model import EMPTY, ConnectionFacts, Principal

METHOD = "wampcra"
DERIVED = "pbkdf2$"
ITERATIONS = 100_000
KEYLEN = 32
_FORM = re.compile(r"pbkdf2\$([1-9][0-9]{0,6}):([^$\s]{1,200})\$([A-Za-z0-9+/]{16,}={0,2})")


class WampCraAuthenticator(AccountAuthenticator):
    """Challenges every client that names an authid, known or not; decoys for unknown ones are derived from
    ``decoy_secret``.

    Reason codes of Refused: no_authid, unknown_user, bad_signature. Raises ConfigError for accounts that cannot be
    used.
    """

    def __init__(
        self,
        name: str,
        accounts: Iterable[Account],
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        decoy_secret: str = "",
        failures: FailureBuckets | None = None,
    ) -> None:
        super().__init__(name, (METHOD,), METHOD, journal, clock, now, failures)
        self._entries = Entries(f"authenticator:{name}", account_entries(name, accounts), Seeds(decoy_secret))

    def _begin(self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int) -> AuthenticationStep:
        if not hello.authid:
            raise Refused("no_authid", "HELLO names no authid, whose secret shall be used?")
        entry = self._entries.find(hello.authid)
        challenge = json.dumps(
            {
                "authid": entry.authid,
                "authrole": entry.role,
                "authmethod": METHOD,
                "authprovider": self.name,
                "nonce": secrets.token_urlsafe(24),
                "timestamp": timestamp(self._now()),
                "session": session_id,
            }
        )

        return self._step(
            facts,
            METHOD,
            {"challenge": challenge, **entry.proof.salting},
            lambda signature, _: self._verify(entry, challenge, signature),
            decoy=not entry.known,
        )

    def _verify(self, entry: Entry[CraKey], challenge: str, signature: str) -> Principal:
        expected = compute_wcs(entry.proof.key, challenge.encode())
        fits = hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass"))
        if not entry.known:
            raise Refused("unknown_user", f"there is no user {entry.authid!r}")
        if not fits:
            raise Refused("bad_signature", f"the answer of {entry.authid!r} was made with another secret")
        return self._principal(entry.authid, entry.role, METHOD)


def account_entries(name: str, accounts: Iterable[Account]) -> list[Entry[CraKey]]:
    """The accounts of [authenticator:NAME], each with a secret or its derived form. ConfigError."""
    entries, faults = [], []
    for account in accounts:
        try:
            entries.append(Entry(account.authid, account.role, cra_key(account.secret)))
        except ValueError as error:
            faults.append(f"[authenticator:{name}] user.{account.authid}: the secret {error}")
    if faults:
        raise ConfigError(faults)
    return entries


@attrs.frozen
class CraKey:
    """``key`` signs challenges; ``salting`` tells the client how to derive it (``salt``,
    ``iterations``, ``keylen``), and is empty for a plain secret."""

    key: bytes = attrs.field(repr=False)
    salting: Mapping[str, Any] = EMPTY

    def decoy(self, seed: bytes) -> CraKey:
        """See accounts.Proof."""
        salting = self.salting
        if salting:
            salting = {**salting, "salt": text_like(salting["salt"], seed)}
        return CraKey(base64.b64encode(derive_bytes(seed, KEYLEN)), salting)


def cra_key(secret: str) -> CraKey:
    """Read a secret or its derived form. ValueError for one that begins like the derived form but is malformed."""
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
