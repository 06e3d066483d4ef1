"""How orosync authenticates at another router as a client (WAMP, "Authentication"), and when it reconnects."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import attrs
from autobahn.wamp.auth import compute_wcs, derive_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.application.internet import backoffPolicy
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from orosync.config.credentials import Secret

FIRST = 0.25
"""Seconds; the first pause is twice that, each further one twice the one before, plus jitter of up to a second, so that
many clients do not reconnect at once."""

STEADY = 30.0
"""After a connection that lasted so many seconds the pauses begin anew."""

REMINDER = 300.0
"""The same failure is logged again after so many seconds."""


class ReconnectDelays:
    """The pauses between attempts. ``longest`` is the longest one without its jitter; ``steady`` as STEADY."""

    def __init__(self, longest: float, jitter: Callable[[], float] = random.random, *, steady: float = STEADY) -> None:
        self._pause = backoffPolicy(initialDelay=FIRST, maxDelay=longest, factor=2.0, jitter=jitter)
        self._steady = steady
        self._failures = 0
        self._reported: tuple[str, str] | None = None
        self._reported_at = 0.0

    async def keep_trying(
        self,
        once: Callable[[], Awaitable[tuple[str, str]]],
        wanted: Callable[[], bool],
        tell: Callable[[str, str, float, bool], None],
        reactor: Any,
    ) -> None:
        """Try ``once``, again and again while it is ``wanted``, or until this is cancelled. ``once`` gives the kind of
        its end and the reason; ``tell`` gets both, the pause until the next, and whether that is news."""
        try:
            while wanted():
                began = reactor.seconds()
                kind, reason = await once()
                if not wanted():
                    return
                now = reactor.seconds()
                pause, news = self.failed(now, kind, reason, now - began)
                tell(kind, reason, pause, news)
                await deferLater(reactor, pause, lambda: None)
        except CancelledError:
            return

    def joined(self) -> None:
        """An attempt succeeded: the next failure is news."""
        self._reported = None

    def failed(self, now: float, kind: str, reason: str, lasted: float) -> tuple[float, bool]:
        """An attempt ended at ``now``, ``lasted`` seconds after it had begun: the pause before the next, and whether
        it is news."""
        self._failures = 1 if kind == "lost" and lasted > self._steady else self._failures + 1
        news = (kind, reason) != self._reported or now - self._reported_at >= REMINDER
        if news:
            self._reported, self._reported_at = (kind, reason), now
        return self._pause(self._failures), news


_MOST_ITERATIONS = 1_000_000


class AuthenticationChallenge(Protocol):
    """A CHALLENGE, ours or autobahn's."""

    @property
    def method(self) -> str: ...
    @property
    def extra(self) -> dict[str, Any]: ...


class Credentials(Protocol):
    """The keys of a section that authenticate us at another router: [uplink:...], [attach]."""

    @property
    def authid(self) -> str: ...
    @property
    def ticket(self) -> Secret | None: ...
    @property
    def secret(self) -> Secret | None: ...
    @property
    def key(self) -> Secret | None: ...


@attrs.frozen
class Login:
    """``method`` is WAMP's word; ``proof`` the ticket, the secret or the seed of the key (hex)."""

    method: str = "anonymous"
    authid: str = ""
    proof: str = attrs.field(default="", repr=False)

    @classmethod
    def of(cls, section: Credentials) -> Login:
        """The login that a section configures."""
        for method, secret in (("ticket", section.ticket), ("wampcra", section.secret), ("cryptosign", section.key)):
            if secret is not None:
                return cls(method, section.authid, secret.value)
        return cls(authid=section.authid)

    def hello(self) -> dict[str, Any]:
        """Its part of HELLO.Details."""
        details: dict[str, Any] = {"authmethods": [self.method]}
        if self.authid:
            details["authid"] = self.authid
        if self.method == "cryptosign":
            key = self._key().public_key().public_bytes_raw()
            details["authextra"] = {"pubkey": key.hex(), "channel_binding": None}
        return details

    def answer(self, challenge: AuthenticationChallenge) -> str:
        """AUTHENTICATE.Signature. ValueError, without a secret in its text, for a challenge that we do not answer."""
        if challenge.method != self.method:
            raise ValueError(f"asked for {challenge.method}, which we did not offer")
        if self.method == "ticket":
            return self.proof
        question = challenge.extra.get("challenge")
        if not isinstance(question, str):
            raise ValueError("asked nothing that could be signed")
        if self.method == "wampcra":
            return self._signed_by_secret(question, challenge.extra)
        try:
            message = bytes.fromhex(question)
        except ValueError:
            message = b""
        if len(message) != 32:  # a signature of anything else could be used elsewhere
            raise ValueError("asked for a signature of something that is no challenge")
        return (self._key().sign(message) + message).hex()

    def _signed_by_secret(self, question: str, extra: dict[str, Any]) -> str:
        key = self.proof.encode()
        salt = extra.get("salt")
        if salt is not None:
            iterations, length = extra.get("iterations", 1000), extra.get("keylen", 32)
            sound = isinstance(salt, str) and isinstance(iterations, int) and isinstance(length, int)
            if not sound or not 0 < iterations <= _MOST_ITERATIONS or not 0 < length <= 64:
                raise ValueError("asked for a key that is derived in no way that we would follow")
            key = derive_key(key, salt, iterations, length)
        signature: bytes = compute_wcs(key, question.encode())
        return signature.decode("ascii")

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.proof))
