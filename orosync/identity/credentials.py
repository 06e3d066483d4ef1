"""Which of several credentials decides who a client is, and which of them its session depends on.

The rule, at the WebSocket handshake (``identify``) and where another router asks (``identify_for_router``); a HELLO
chooses its method itself (``identify_at_hello``):

1. A credential that the client presented on purpose (a ticket) decides, for good or bad.
2. A cookie, which browsers send without being asked, decides only when there is no other credential, and before the
   client becomes anonymous. Beside another credential a cookie is only watched: it refuses the client when it belongs
   to another user, and ends the session when it ends.
3. Without either, the client may be anonymous where the realm admits anonymous clients.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeGuard

from orosync.errors import Refused
from orosync.interfaces import AuthenticationStep, HelloDetails, IAmbientAuthenticator, IAuthenticator, IRecheck
from orosync.model import ConnectionFacts, Principal

Credentials = tuple[tuple[IRecheck, Hashable], ...]
"""What a session depends on: whom to ask in a revalidation, and about which credential."""

ANONYMOUS = "anonymous"
COOKIE = "cookie"
TICKET = "ticket"


async def identify(
    facts: ConnectionFacts, authenticators: Sequence[IAuthenticator]
) -> tuple[Principal | None, Credentials]:
    """Who the client of a handshake is, None if it presented no credential. The first authenticator that finds a
    credential of its kind decides: fails as it does."""
    if facts.cookies and any(map(_is_ambient, authenticators)):
        return await _beside_cookies(facts, authenticators)
    for authenticator in authenticators:
        principal = await authenticator.at_handshake(facts)
        if principal is not None:
            own = credentials_of(authenticator, facts, principal)
            return principal, own + await watched_credentials(facts, principal, authenticators)
    return None, ()


async def _beside_cookies(
    facts: ConnectionFacts, authenticators: Sequence[IAuthenticator]
) -> tuple[Principal | None, Credentials]:
    anonymous: Principal | None = None
    for authenticator in authenticators:
        if not _is_ambient(authenticator):
            principal = await authenticator.at_handshake(facts)
            if principal is not None and principal.authmethod != ANONYMOUS:
                own = credentials_of(authenticator, facts, principal)
                return principal, own + await watched_credentials(facts, principal, authenticators)
            anonymous = anonymous or principal
    by_cookie = await _by_cookie(facts, authenticators)
    return (anonymous, ()) if by_cookie is None else by_cookie


async def identify_at_hello(
    facts: ConnectionFacts,
    hello: HelloDetails,
    method: str,
    authenticators: Iterable[IAuthenticator],
    session_id: int,
) -> tuple[IAuthenticator, Principal | AuthenticationStep]:
    """Answer a HELLO that chose ``method``, which all ``authenticators`` can do: the first that does not abstain
    decides, and fails as it does. If all abstain, the first decoy is the answer, else Refused ("unknown_user")."""
    decoy: tuple[IAuthenticator, AuthenticationStep] | None = None
    for authenticator in authenticators:
        outcome = await authenticator.at_hello(facts, hello, method, session_id)
        if isinstance(outcome, AuthenticationStep) and outcome.decoy:
            decoy = decoy or (authenticator, outcome)
        elif outcome is not None:
            return authenticator, outcome
    if decoy is None:
        raise Refused("unknown_user", f"no authenticator for authmethod {method!r} knows {hello.authid!r}")
    return decoy


async def identify_for_router(
    facts: ConnectionFacts,
    hello: HelloDetails,
    method: str,
    ticket: str,
    authenticators: Sequence[IAuthenticator],
    session_id: int,
) -> Principal:
    """Who the client of another router is. ``method`` is that router's authmethod, "ticket" or "anonymous"; ``ticket``
    is empty if the client presented none.

    Fails as the authenticators do, and with Refused: no_method (no authenticator takes tickets), no_credentials,
    authid_mismatch.
    """
    if method == TICKET and ticket:
        return await _by_ticket(facts, hello, ticket, authenticators, session_id)
    by_cookie = await _by_cookie(facts, authenticators)
    if by_cookie is not None:
        principal, _ = by_cookie
        if hello.authid not in (None, principal.authid):
            raise Refused("authid_mismatch", f"HELLO names {hello.authid!r}, its cookie {principal.authid!r}")
        return principal
    able = [each for each in authenticators if ANONYMOUS in each.methods] if method == ANONYMOUS else []
    if able:
        _, outcome = await identify_at_hello(facts, hello, ANONYMOUS, able, session_id)
        if isinstance(outcome, Principal):
            return outcome
    raise Refused("no_credentials", "neither a ticket nor a cookie that an authenticator of the realm accepts")


async def _by_ticket(
    facts: ConnectionFacts, hello: HelloDetails, ticket: str, authenticators: Sequence[IAuthenticator], session_id: int
) -> Principal:
    able = [each for each in authenticators if TICKET in each.methods]
    if not able:
        raise Refused("no_method", "no authenticator of the realm accepts tickets")
    _, step = await identify_at_hello(facts, hello, TICKET, able, session_id)
    principal = await step.answer(ticket, {}) if isinstance(step, AuthenticationStep) else step
    await watched_credentials(facts, principal, authenticators)
    return principal


async def _by_cookie(
    facts: ConnectionFacts, authenticators: Iterable[IAuthenticator]
) -> tuple[Principal, Credentials] | None:
    for authenticator in filter(_is_ambient, authenticators):
        principal = await authenticator.at_handshake(facts)
        if principal is not None:
            return principal, credentials_of(authenticator, facts, principal)
    return None


async def watched_credentials(
    facts: ConnectionFacts, principal: Principal, authenticators: Iterable[IAuthenticator]
) -> Credentials:
    """The cookies beside the credential of ``principal``, on which its session depends too. Refused when they are
    another user's."""
    found = []
    for authenticator in authenticators:
        if _is_ambient(authenticator) and authenticator.name != principal.authprovider:
            credential = await authenticator.watch(facts, principal)
            if credential is not None:
                found.append((authenticator, credential))
    return tuple(found)


def credentials_of(authenticator: IAuthenticator, facts: ConnectionFacts, principal: Principal) -> Credentials:
    """What the session of ``principal``, admitted by ``authenticator``, depends on."""
    if not _can_recheck(authenticator):
        return ()
    credential = authenticator.credential(facts, principal)
    return () if credential is None else ((authenticator, credential),)


def suffices(known: Principal, hello: HelloDetails) -> bool:
    """Whether the principal of the handshake needs no further authentication. One known by its cookie needs it when its
    HELLO offers other methods, and neither "cookie" nor "anonymous"."""
    return known.authmethod != COOKIE or not {COOKIE, ANONYMOUS}.isdisjoint(hello.authmethods)


def _is_ambient(authenticator: IAuthenticator) -> TypeGuard[IAmbientAuthenticator]:
    return bool(IAmbientAuthenticator.providedBy(authenticator))


def _can_recheck(authenticator: object) -> TypeGuard[IRecheck]:
    return bool(IRecheck.providedBy(authenticator))
