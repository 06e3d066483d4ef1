"""What the authenticators of WAMP's own methods have in common: accounts of the configuration, and one proof each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.clocks import Now
from orosync.identity.rate_limit import FailedAttempts, FailureBuckets, wrong_method
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IJournal
from orosync.model import EMPTY, ConnectionFacts, Principal


@implementer(IAuthenticator)
class AccountAuthenticator(ABC):
    """Authenticates after HELLO by ``methods``; attempts are limited for each address that fails, and counted as
    ``event``. Buckets refill by ``clock``; ``now`` tells the time of day, in seconds since 1970."""

    def __init__(
        self,
        name: str,
        methods: tuple[str, ...],
        event: str,
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        failures: FailureBuckets | None,
    ) -> None:
        self.name = name
        self.methods = methods
        self._now = now
        self._attempts = FailedAttempts(event, journal, clock, failures)

    @abstractmethod
    def _begin(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Principal | AuthenticationStep | None:
        """The answer to HELLO with one of ``methods``; None to abstain. Raises Refused."""

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator. Never in a handshake."""
        return defer.succeed(None)

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """See IAuthenticator. An authid in HELLO has to match the account that is proven."""

        def begun() -> Principal | AuthenticationStep | None:
            if method not in self.methods:
                raise wrong_method(self.name, method)
            return self._begin(facts, hello, method, session_id)

        return self._attempts.limited(facts, begun)

    def _step(
        self,
        facts: ConnectionFacts,
        method: str,
        extra: Mapping[str, Any],
        verify: Callable[[str, Mapping[str, Any]], Principal],
        *,
        decoy: bool,
    ) -> AuthenticationStep:
        """A CHALLENGE with ``extra``; ``verify`` gets AUTHENTICATE's signature and extra, and may raise Refused.
        ``decoy``: the client is not known (AuthenticationStep)."""

        def answer(signature: str, extra: Mapping[str, Any]) -> Deferred[Principal]:
            return self._attempts.limited(facts, lambda: verify(signature, extra))

        return AuthenticationStep(method, extra, answer, decoy)

    def _principal(self, authid: str, role: str, method: str, extra: Mapping[str, Any] = EMPTY) -> Principal:
        return Principal(
            authid=authid,
            authrole=role,
            authmethod=method,
            authprovider=self.name,
            authenticated_at=self._now(),
            extra=extra,
        )
