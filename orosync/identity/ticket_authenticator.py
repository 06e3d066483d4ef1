"""Authentication by Oro's sync ticket: in the query string, or by WAMP's authmethod "ticket"."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet import defer
from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.errors import Refused
from orosync.identity.hasher import DigestSource
from orosync.identity.rate_limit import wrong_method
from orosync.identity.signatures import Signatures, published
from orosync.identity.ticket import last_value
from orosync.identity.ticket_verifier import METHOD, TicketSettings, TicketVerifier
from orosync.identity.user_credentials import UserCredential, UserCredentials, none_shared
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IRecheck, Renewal
from orosync.model import ConnectionFacts, Principal


@implementer(IAuthenticator, IRecheck)
class TicketAuthenticator:
    """Accepts tickets signed with ``secrets`` (one, or two while one is being changed), by the rules of ``settings``.

    With ``accept_published`` a secret may be the publicly known one of Oro's templates; then a back end must be on this
    machine. ConfigError for secrets that cannot or must not be used. Outcomes are counted; the caller logs refusals.
    """

    def __init__(
        self, settings: TicketSettings, secrets: Sequence[str], hasher: DigestSource, *, accept_published: bool = False
    ) -> None:
        self.name = settings.name
        self.methods: tuple[str, ...] = (METHOD,)
        self.recheck_interval: float | None = None
        shared = settings.shared.has if settings.shared is not None else none_shared
        self._users = UserCredentials(settings.directory, settings.accept_disabled, shared)
        if any(map(published, secrets)):
            settings = evolve(settings, publisher_right=settings.publisher_right.on_this_machine())
        self.settings = settings
        signatures = Signatures(f"authenticator:{self.name}", secrets, hasher, accept_published)
        self._verifier = TicketVerifier(settings, signatures)

    def verify(self, text: str) -> Deferred[Principal]:
        """The user of a ticket that orosync itself asked the application for; see ``TicketVerifier.verify_own``."""
        return Deferred.fromCoroutine(self._verifier.verify_own(text))

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator; reason codes as ``TicketVerifier.verify``."""
        try:
            value = last_value(facts.query, METHOD)
        except ValueError as error:
            return defer.fail(self._verifier.failed(facts, Refused("malformed", str(error))))
        if value is None:
            return defer.succeed(None)
        # A blank was a "+" that the client did not percent-encode.
        text = value.decode("utf-8", "replace").replace(" ", "+")
        return Deferred.fromCoroutine(self._verifier.verify(facts, text, None))

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """See IAuthenticator. The signature of AUTHENTICATE is the ticket; an authid in HELLO has to match it."""
        if method != METHOD:
            return defer.fail(wrong_method(self.name, method))

        def answer(signature: str, extra: Mapping[str, Any]) -> Deferred[Principal]:
            return Deferred.fromCoroutine(self._verifier.verify(facts, signature, hello.authid))

        return defer.succeed(AuthenticationStep(METHOD, {}, answer))

    def credential(self, facts: ConnectionFacts, principal: Principal) -> Hashable | None:
        """See IRecheck: the user, not the ticket, which expires soon."""
        return self._users.of(principal)

    def recheck(self, credential: Hashable) -> Deferred[Renewal | None]:
        """See IRecheck; reason codes as ``UserCredentials.check``."""
        assert isinstance(credential, UserCredential)
        return Deferred.fromCoroutine(self._users.check(credential))
