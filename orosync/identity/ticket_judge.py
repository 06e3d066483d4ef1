"""The judgement of one ticket: the order of the checks, and the bookkeeping of what came out.

First all that is cheap, then the look-up and the digest. Whether the user exists, is disabled or has another
password is found out on one and the same path, so that time tells nothing. It must not know how a ticket was
presented, realms or topics.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import Refused, Unavailable
from orosync.headers.forwarding import address_group
from orosync.identity.failures import FailureBuckets
from orosync.identity.publisher_right import PublisherRight
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.signatures import Signatures
from orosync.identity.standing import found, imprint
from orosync.identity.tickets import LONGEST_TICKET, Ticket, check_age, parse
from orosync.identity.used import UsedTickets
from orosync.identity.verified import Remembered
from orosync.interfaces import IDirectory, IJournal
from orosync.model import ConnectionFacts, Principal, User

METHOD = "ticket"
BACK_END = "backend"
REMEMBERED_REFUSALS = 10_000
REFUSED_FOR = 10.0
OWN_LANE = "own"
"""Where tickets queue for their digest that orosync itself has asked for; others by their address."""


class TicketJudge:
    """Judges tickets for the authenticator ``name``; the settings are TicketAuthenticator's."""

    def __init__(
        self,
        name: str,
        signatures: Signatures,
        directory: IDirectory,
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        publisher_right: PublisherRight,
        role: str,
        publisher_role: str,
        ttl: float = 300,
        future: float = 30,
        ticket_limit: int = LONGEST_TICKET,
        accept_disabled: bool = False,
        accept_without_password: bool = False,
        shared: SharedPasswords | None = None,
        used: UsedTickets | None = None,
        failures: FailureBuckets | None = None,
    ) -> None:
        self._name = name
        self._signatures = signatures
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._now = now
        self._publisher_right = publisher_right
        self._role = role
        self._publisher_role = publisher_role
        self._ttl = ttl
        self._future = future
        self._ticket_limit = ticket_limit
        self._accept_disabled = accept_disabled
        self._accept_without_password = accept_without_password
        self._shared = shared
        self._used = used
        self._failures = FailureBuckets() if failures is None else failures
        self._refused: Remembered[tuple[str, str]] = Remembered(REMEMBERED_REFUSALS)

    async def judge(self, facts: ConnectionFacts, text: str, authid: str | None) -> Principal:
        """Who presented ``text``; ``authid`` is whom they say they are, None if they do not say.

        Kinds of Refused: malformed, expired, future, authid_mismatch, no_publish_right, unknown_user, bad_digest,
        disabled, no_password, shared_password, used; of Unavailable: too_many_failures, hash_queue_full, hasher_down,
        directory_down.
        """
        exempt = False
        try:
            ticket = parse(text, self._ticket_limit)
            check_age(ticket, self._now(), self._ttl, self._future)
            if authid is not None and authid not in _names(ticket):
                raise Refused("authid_mismatch", f"HELLO names {authid!r}, its ticket {ticket.username!r}")
            exempt = self._is_back_end(ticket, facts)
            group = address_group(facts.address)
            if not exempt:
                self._failures.check(group, self._clock.seconds(), "tickets")
            principal = await self._verify(ticket, group)
            if self._used is not None:
                self._used.use(ticket, group)
        except Refused as refusal:
            raise self.failed(facts, refusal, exempt) from None
        self._journal.count("ticket", "accepted")
        return principal

    async def judge_own(self, text: str) -> Principal:
        """Whose a ticket is that orosync itself asked the application for. Kinds as of ``judge``; it never makes a back
        end, and is nobody's failure."""
        ticket = parse(text, self._ticket_limit)
        check_age(ticket, self._now(), self._ttl, self._future)
        if ticket.is_back_end:
            raise Refused("no_publish_right", "ticket of the back end: the application was asked for a user's")
        # It comes from the application itself: the name in it is true, whoever else has the same password or none.
        return await self._verify(ticket, OWN_LANE, own=True)

    async def _verify(self, ticket: Ticket, lane: str, own: bool = False) -> Principal:
        """All that takes time: look up, hash, and only then tell what was wrong."""
        remembered = self._refused.get(ticket.key, self._clock.seconds())
        if remembered is not None:
            raise Refused(*remembered)
        user = None if ticket.is_back_end else await found(self._directory, ticket.username)
        password = None if user is None else user.password_hash.encode()
        moment = self._clock.seconds()
        barred = None if user is None else self._bar(user, own)
        # That a barred user's ticket was true is not remembered: it would be refused sooner than others are.
        signed = await self._signatures.signed(ticket, password, lane, moment, moment if barred else self._end(ticket))
        if ticket.is_back_end:
            if signed:
                return self._principal(BACK_END, self._publisher_role, precious=True)
            raise self._remember(ticket, "bad_digest", "ticket of the back end: its digest is of another secret")
        who = f"ticket of {ticket.username!r}"
        if user is None:
            raise self._remember(ticket, "unknown_user", f"{who}: there is no such user")
        if not signed:
            raise self._remember(ticket, "bad_digest", f"{who}: its digest is of another secret or password")
        if barred is not None:
            raise self._remember(ticket, barred[0], f"{who}: {barred[1]}")
        return self._principal(user.username, self._role, user)

    def _bar(self, user: User, own: bool) -> tuple[str, str] | None:
        """Why not even a true ticket lets ``user`` in, as kind and reason."""
        if not user.enabled and not self._accept_disabled:
            return "disabled", "the user is disabled"
        if own:
            return None
        if not user.password_hash.strip():
            if self._accept_without_password:
                return None
            return "no_password", "the user has no password in Oro, so anybody's without one would be as good"
        if self._shared is not None and self._shared.has(user):
            return "shared_password", f"user {user.id} has the password hash of another user, whose ticket it may be"
        return None

    def _end(self, ticket: Ticket) -> float:
        """When ``ticket`` is good no more if no clock is set meanwhile, by ``clock``: so long it is remembered."""
        return self._clock.seconds() + ticket.created_at + self._ttl + 1 - self._now()

    def _is_back_end(self, ticket: Ticket, facts: ConnectionFacts) -> bool:
        if not ticket.is_back_end:
            return False
        objection = self._publisher_right.objection(facts)
        if objection is not None:
            raise Refused("no_publish_right", f"ticket of the back end: {objection}")
        return True

    def _principal(self, authid: str, role: str, user: User | None = None, precious: bool = False) -> Principal:
        return Principal(
            authid=authid,
            authrole=role,
            authmethod=METHOD,
            authprovider=self._name,
            user_id=user.id if user else None,
            organizations=user.organizations if user else frozenset(),
            roles=user.roles if user else frozenset(),
            precious=precious,
            authenticated_at=self._now(),
            imprint=imprint(user) if user else b"",
        )

    def _remember(self, ticket: Ticket, kind: str, reason: str) -> Refused:
        moment = self._clock.seconds()
        self._refused.put(ticket.key, (kind, reason), moment, moment + REFUSED_FOR)
        return Refused(kind, reason)

    def failed(self, facts: ConnectionFacts, refusal: Refused, exempt: bool = False) -> Refused:
        """``refusal``, counted; against the address too if it was its fault."""
        self._journal.count("ticket", refusal.kind)
        if not exempt and not isinstance(refusal, Unavailable):
            self._failures.record(address_group(facts.address), self._clock.seconds())
        return refusal


def _names(ticket: Ticket) -> tuple[str, ...]:
    """The authids that a HELLO before this ticket may have named."""
    return (ticket.username, BACK_END) if ticket.is_back_end else (ticket.username,)
