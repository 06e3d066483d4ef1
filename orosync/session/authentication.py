"""Who a visitor is, by the word of the realm's authenticators, and what that rests on from then on.

The rule for several credentials at once stands here. What somebody presents on purpose (a ticket) decides; a cookie,
which browsers send by themselves, is asked only when nothing was presented, and before anybody is anonymous. Beside
another credential it can only end the session later, or show that two users are mixed up. It must not know how any of
them is judged.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from orosync.errors import ProtocolViolation
from orosync.interfaces import HelloDetails, IAmbientAuthenticator, IAuthenticator, IRecheck
from orosync.model import ConnectionFacts, Principal

Credentials = tuple[tuple[IRecheck, Hashable], ...]
"""What a session rests on: whom to ask, and about what."""

ANONYMOUS = "anonymous"
COOKIE = "cookie"


async def identify(
    facts: ConnectionFacts, authenticators: Sequence[IAuthenticator]
) -> tuple[Principal | None, Credentials]:
    """Who it is, None if nothing was presented. The first authenticator that finds its kind of credential decides, for
    good or bad: fails as it does."""
    if facts.cookies and any(map(_is_ambient, authenticators)):
        return await _with_cookies(facts, authenticators)
    for authenticator in authenticators:
        principal = await authenticator.at_handshake(facts)
        if principal is not None:
            return principal, credentials_of(authenticator, facts, principal)
    return None, ()


async def _with_cookies(
    facts: ConnectionFacts, authenticators: Sequence[IAuthenticator]
) -> tuple[Principal | None, Credentials]:
    stranger: Principal | None = None
    for authenticator in authenticators:
        if not _is_ambient(authenticator):
            principal = await authenticator.at_handshake(facts)
            if principal is not None and principal.authmethod != ANONYMOUS:
                own = credentials_of(authenticator, facts, principal)
                return principal, own + await watches(facts, principal, authenticators)
            stranger = stranger or principal
    for authenticator in filter(_is_ambient, authenticators):
        principal = await authenticator.at_handshake(facts)
        if principal is not None:
            return principal, credentials_of(authenticator, facts, principal)
    return stranger, ()


async def watches(
    facts: ConnectionFacts, principal: Principal, authenticators: Iterable[IAuthenticator]
) -> Credentials:
    """What ``principal`` rests on besides, by the cookies that came along. Fails when they are somebody else's."""
    found = []
    for authenticator in authenticators:
        if _is_ambient(authenticator) and authenticator.name != principal.authprovider:
            credential = await authenticator.watch(facts, principal)
            if credential is not None:
                found.append((authenticator, credential))
    return tuple(found)


def credentials_of(authenticator: IAuthenticator, facts: ConnectionFacts, principal: Principal) -> Credentials:
    """What ``principal``, let in by ``authenticator``, rests on."""
    if not _can_recheck(authenticator):
        return ()
    credential = authenticator.credential(facts, principal)
    return () if credential is None else ((authenticator, credential),)


def told(realm: str, details: Mapping[str, Any]) -> HelloDetails:
    """What a client says of itself in HELLO.Details; ProtocolViolation if that has another shape than WAMP's."""
    methods, authid = details.get("authmethods", [ANONYMOUS]), details.get("authid")
    extra = details.get("authextra", {})
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise ProtocolViolation("HELLO.Details.authmethods must be a list of strings")
    if not isinstance(authid, str | None) or not isinstance(extra, dict):
        raise ProtocolViolation("HELLO.Details.authid must be a string, authextra an object")
    return HelloDetails(realm, authid, tuple(methods), extra)


def suffices(known: Principal, hello: HelloDetails) -> bool:
    """Whether whoever is known since the handshake needs to show no more. A cookie does not suffice for a client that
    offers to show something else on purpose, and neither the cookie nor to be anonymous: what it shows decides."""
    return known.authmethod != COOKIE or not {COOKIE, ANONYMOUS}.isdisjoint(hello.authmethods)


def _is_ambient(authenticator: IAuthenticator) -> TypeGuard[IAmbientAuthenticator]:
    return bool(IAmbientAuthenticator.providedBy(authenticator))


def _can_recheck(authenticator: object) -> TypeGuard[IRecheck]:
    return bool(IRecheck.providedBy(authenticator))
