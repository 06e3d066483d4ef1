"""Authentication by Oro's sync ticket: in the query string, or by WAMP's authmethod "ticket"."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.clocks import Now
from orosync.errors import Refused
from orosync.identity.hasher import DigestSource
from orosync.identity.rate_limit import FailureBuckets, wrong_method
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.signatures import Signatures, published
from orosync.identity.ticket import LONGEST_TICKET, ReplayCache, last_value
from orosync.identity.ticket_verifier import METHOD, PublisherRight, TicketVerifier
from orosync.identity.user_credentials import UserCredential, UserCredentials, none_shared
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IDirectory, IJournal, IRecheck, Renewal
from orosync.model import ConnectionFacts, Principal


@implementer(IAuthenticator, IRecheck)
class TicketAuthenticator:
    """Accepts tickets signed with ``secrets`` (one, or two while one is being changed).

    ``now`` tells the time of day, in seconds since 1970, which decides how old a ticket is: at most ``ttl`` seconds,
    and at most ``future`` ahead of it. Users become ``role``; a ticket without a user becomes ``publisher_role`` where
    ``publisher_right`` allows it. ``accept_disabled`` admits disabled users, as Oro's own server does.
    With ``single_use`` a user's ticket is good for one connection, the back end's for its address (a group of
    ``headers.address_group``); ``used`` remembers them, one of its own unless it is given.
    With ``accept_published`` a secret may be the publicly known one of Oro's templates; then a back end must be on this
    machine. Users without a password hash are admitted with ``accept_without_password`` only, those whose hash is among
    the ``shared`` ones never. ConfigError for secrets that cannot or must not be used. Outcomes are counted;
    the caller logs refusals.
    """

    def __init__(
        self,
        name: str,
        secrets: Sequence[str],
        directory: IDirectory,
        hasher: DigestSource,
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        publisher_right: PublisherRight,
        role: str,
        publisher_role: str,
        ttl: float,
        future: float,
        ticket_limit: int = LONGEST_TICKET,
        accept_disabled: bool = False,
        accept_published: bool = False,
        accept_without_password: bool = False,
        shared: SharedPasswords | None = None,
        single_use: bool = False,
        used: ReplayCache | None = None,
        failures: FailureBuckets | None = None,
    ) -> None:
        self.name = name
        self.methods: tuple[str, ...] = (METHOD,)
        self.recheck_interval: float | None = None
        self._users = UserCredentials(directory, accept_disabled, shared.has if shared is not None else none_shared)
        self._verifier = TicketVerifier(
            name,
            Signatures(f"authenticator:{name}", secrets, hasher, accept_published),
            directory,
            journal,
            clock,
            now,
            publisher_right=publisher_right.on_this_machine() if any(map(published, secrets)) else publisher_right,
            role=role,
            publisher_role=publisher_role,
            ttl=ttl,
            future=future,
            ticket_limit=ticket_limit,
            accept_disabled=accept_disabled,
            accept_without_password=accept_without_password,
            shared=shared,
            used=(ReplayCache() if used is None else used) if single_use else None,
            failures=failures,
        )

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
    ) -> Deferred[Principal | AuthenticationStep]:
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
