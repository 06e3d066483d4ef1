"""Who a client of another router is, by the word of a realm's authenticators.

The rule is the house's own: what somebody presents on purpose, a ticket, decides; a cookie, which browsers send by
themselves, is asked only when nothing was presented, and beside a ticket it may only show that two users are mixed up.
It must not know how the router asked, or how a credential is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from orosync.errors import Refused
from orosync.interfaces import Challenge, Hello, IAmbientAuthenticator, IAuthenticator
from orosync.model import ConnectionFacts, Principal

ANONYMOUS = "anonymous"
TICKET = "ticket"


async def identify(
    facts: ConnectionFacts,
    hello: Hello,
    method: str,
    ticket: str,
    authenticators: Sequence[IAuthenticator],
    session: int,
) -> Principal:
    """Who it is. ``method`` is the router's own word for how it asks, "ticket" or "anonymous"; ``ticket`` is what was
    presented, empty if nothing was.

    Fails as the authenticators do, and with Refused: no_method (a ticket that nobody judges), nothing_presented,
    authid_mismatch.
    """
    if method == TICKET and ticket:
        return await _by_ticket(facts, hello, ticket, authenticators, session)
    for ambient in _ambient(authenticators):
        principal = await ambient.at_handshake(facts)
        if principal is not None:
            if hello.authid not in (None, principal.authid):
                raise Refused("authid_mismatch", f"HELLO names {hello.authid!r}, its cookie {principal.authid!r}")
            return principal
    if method == ANONYMOUS:
        for authenticator in authenticators:
            if ANONYMOUS in authenticator.methods:
                outcome = await authenticator.at_hello(facts, hello, ANONYMOUS, session)
                if isinstance(outcome, Principal):
                    return outcome
    raise Refused("nothing_presented", "neither a ticket nor a cookie that an authenticator of the realm could judge")


async def _by_ticket(
    facts: ConnectionFacts, hello: Hello, ticket: str, authenticators: Sequence[IAuthenticator], session: int
) -> Principal:
    for authenticator in authenticators:
        if TICKET in authenticator.methods:
            question = await authenticator.at_hello(facts, hello, TICKET, session)
            principal = await question.answer(ticket, {}) if isinstance(question, Challenge) else question
            for ambient in _ambient(authenticators):
                await ambient.watch(facts, principal)  # refuses what belongs to somebody else
            return principal
    raise Refused("no_method", "no authenticator of the realm judges tickets")


def _ambient(authenticators: Iterable[IAuthenticator]) -> Iterator[IAmbientAuthenticator]:
    for one in authenticators:
        if IAmbientAuthenticator.providedBy(one):
            yield one
