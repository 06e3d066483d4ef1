"""Oro's sync ticket as a way to say who one is: in the query string, or as WAMP's "ticket" authentication.

It must not know what makes a ticket good (``ticket_judge``), realms, topics or WAMP's messages.
"""

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
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.signatures import Signatures, published
from orosync.identity.ticket import LONGEST_TICKET, ReplayCache, last_value
from orosync.identity.ticket_verifier import BACK_END, METHOD, PublisherRight, TicketVerifier
from orosync.identity.user_credentials import UserCredential, UserCredentials, none_shared
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IDirectory, IJournal, IRecheck, Renewal
from orosync.model import ConnectionFacts, Principal


@implementer(IAuthenticator, IRecheck)
class TicketAuthenticator:
    """Judges tickets that ``secrets`` (one, or two while one is being changed) have signed.

    ``now`` tells the time of day, in seconds since 1970, which decides how old a ticket is: at most ``ttl`` seconds,
    and at most ``future`` ahead of it. Users become ``role``; a ticket without a user becomes ``publisher_role`` where
    ``publisher_right`` allows it. ``accept_disabled`` lets disabled users in, as stock does.
    With ``single_use`` a user's ticket is good for one connection, the back end's for its address (a group of
    ``forwarding.address_group``); ``used`` is the memory of it, of this authenticator alone unless it is given.
    With ``accept_published`` a secret may be the one that Oro is published with; then a back end comes from this
    machine alone. Users without a password hash come in with ``accept_without_password`` only, those whose hash is
    among the ``shared`` ones not at all. ConfigError for secrets that cannot or must not be used. Outcomes are counted;
    refusals are the caller's to log.
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
        role: str = "user",
        publisher_role: str = BACK_END,
        ttl: float = 300,
        future: float = 30,
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
        """Whose a ticket is that orosync itself asked the application for; see ``TicketVerifier.verify_own``."""
        return Deferred.fromCoroutine(self._verifier.verify_own(text))

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator; kinds of refusals as ``TicketVerifier.verify``."""
        try:
            value = last_value(facts.query, METHOD)
        except ValueError as error:
            return defer.fail(self._verifier.failed(facts, Refused("malformed", str(error))))
        if value is None:
            return defer.succeed(None)
        # A blank was a "+" that the client did not encode.
        text = value.decode("utf-8", "replace").replace(" ", "+")
        return Deferred.fromCoroutine(self._verifier.verify(facts, text, None))

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep]:
        """See IAuthenticator. The signature of AUTHENTICATE is the ticket; it has to be of whom HELLO named, if
        it named anybody."""
        if method != METHOD:
            return defer.fail(Refused("unknown_method", f"{self.name} cannot do authmethod {method!r}"))

        def answer(signature: str, extra: Mapping[str, Any]) -> Deferred[Principal]:
            return Deferred.fromCoroutine(self._verifier.verify(facts, signature, hello.authid))

        return defer.succeed(AuthenticationStep(METHOD, {}, answer))

    def credential(self, facts: ConnectionFacts, principal: Principal) -> Hashable | None:
        """See IRecheck: the user, not the ticket, which is old soon."""
        return self._users.of(principal)

    def recheck(self, credential: Hashable) -> Deferred[Renewal | None]:
        """See IRecheck; kinds of refusals as ``UserCredentials.check``."""
        assert isinstance(credential, UserCredential)
        return Deferred.fromCoroutine(self._users.check(credential))
