"""What the tests of WAMP's own methods share: an authenticator to talk to, and clients that answer right or wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator
from orosync.model import ConnectionFacts, Principal
from orosync.testing import RecordingJournal, connection_facts

NOW = 1_768_472_430.25  # 2026-01-15T10:20:30.250Z
SECRET = "a secret of anna alone"
OTHER = "another secret, of ben"


class MethodCase(SynchronousTestCase):
    """``self.authenticator`` is set by ``setUp`` of each case; ``self.method`` is what HELLO asks for."""

    method = ""
    authenticator: IAuthenticator

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.journal = RecordingJournal()

    def hello(
        self,
        authid: str | None = "anna",
        extra: Mapping[str, Any] | None = None,
        method: str | None = None,
        facts: ConnectionFacts | None = None,
        session: int = 7,
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """What comes of a HELLO."""
        method = method or self.method
        said = HelloDetails("oro", authid, (method,), extra or {})
        return self.authenticator.at_hello(facts or connection_facts(), said, method, session)

    def asked(self, *args: Any, **options: Any) -> AuthenticationStep:
        """The challenge that a HELLO gets."""
        challenge = self.successResultOf(self.hello(*args, **options))
        assert isinstance(challenge, AuthenticationStep)
        return challenge

    def accepted(self, answer: Deferred[Any]) -> Principal:
        principal = self.successResultOf(answer)
        assert isinstance(principal, Principal)
        return principal

    def refused(self, answer: Deferred[Any], kind: str) -> Refused:
        refusal: Refused = self.failureResultOf(answer, Refused).value
        self.assertEqual(refusal.code, kind, refusal.reason)
        return refusal


def sha256_hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def flipped(text: str, at: int = 0) -> str:
    """``text`` with another character at ``at``."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
