"""``orosync explain``: whether a request is permitted, and the rule that decides.

The user is looked up as at a login; the realm's own chain of authorizers decides.
"""

from __future__ import annotations

from typing import Any

import attrs

from orosync.app.container import Container
from orosync.authz.chain import resolved
from orosync.cli.questions import ExplainQuery
from orosync.cli.running import ask, no_such
from orosync.cli.streams import Misused
from orosync.config import Configuration
from orosync.config.authentication import Method
from orosync.config.sections import Authenticator, CookieSection, TicketSection
from orosync.errors import Refused, RequestError, Unavailable
from orosync.identity.user_credentials import disabled
from orosync.model import Action, Match, Principal, Verdict
from orosync.wamp import uris

BACK_END = "backend"
ANY_CLIENT = "any client"
"""Authids of those who have none of their own."""


@attrs.frozen
class Explanation:
    """``lines``: the question in words with ALLOW or DENY, and the deciding rule with its file and line."""

    allowed: bool
    lines: tuple[str, ...]


async def explain(configuration: Configuration, reactor: Any, asked: ExplainQuery) -> Explanation:
    """Raises Misused; fails with Refused when the user would not be authenticated, with Unavailable when that cannot be
    told now or an authorizer gives no answer, with ConfigError when authorizers cannot be made."""
    realm = _realm(configuration, asked.realm)
    _check(configuration, realm, asked)
    authenticators = [configuration.authenticators[name] for name in configuration.realms[realm].authenticators]
    wanted = {one.directory for one in authenticators if isinstance(one, TicketSection | CookieSection)}
    # There is no login: of the authenticators only the directories are needed.
    less = attrs.evolve(
        configuration,
        authenticators={},
        session_stores={},
        directories={
            name: one for name, one in configuration.directories.items() if asked.user is not None and name in wanted
        },
    )

    async def question(container: Container) -> Explanation:
        principal = await _principal(container, authenticators, asked)
        chain = container.chain(realm)
        decision = await resolved(chain.decide(principal, asked.action, asked.uri, asked.match, {}))
        if decision.failed:
            raise Unavailable("no_answer", decision.rule)
        allowed = decision.verdict is Verdict.ALLOW
        how = "" if asked.match is Match.EXACT else f" ({asked.match.value})"
        first = (
            f"{'ALLOW' if allowed else 'DENY'} {asked.action.value} {asked.uri}{how} to {_words(principal)} in {realm}"
        )
        lines = [first, decision.rule]
        if not decision.declared:
            lines.append(f"asked were, in this order: {', '.join(configuration.realms[realm].authorizers)}")
        return Explanation(allowed, tuple(lines))

    return await ask(less, reactor, question, realm)


def _realm(configuration: Configuration, name: str | None) -> str:
    known = configuration.realms
    if name is None and len(known) == 1:
        return next(iter(known))
    if name is None:
        raise Misused(f"name one with --realm: {', '.join(known)}")
    if name not in known:
        raise no_such(f"[realm:{name}]", name, known)
    return name


def _check(configuration: Configuration, realm: str, asked: ExplainQuery) -> None:
    if asked.user is None and not asked.back_end and asked.role is None:
        raise Misused("say who: --user NAME, --back-end, or --role ROLE for any client with that role")
    if asked.match is not Match.EXACT and asked.action not in (Action.SUBSCRIBE, Action.REGISTER):
        raise Misused(f"{asked.action.value} goes with exact names alone, leave --match out")
    if asked.match is not Match.EXACT or asked.action in (Action.CALL, Action.REGISTER):
        try:
            uris.check(asked.uri, asked.match, strict=configuration.realms[realm].uris == "strict")
        except RequestError as error:
            raise Misused(f"{asked.uri!r}: {error.message}") from None


async def _principal(container: Container, authenticators: list[Authenticator], asked: ExplainQuery) -> Principal:
    """Who would be authenticated: a user by the first authenticator that knows it."""
    if asked.back_end:
        tickets = next((one for one in authenticators if isinstance(one, TicketSection)), None)
        if tickets is None and asked.role is None:
            raise Misused("no authenticator of that realm knows a back end, name its role with --role")
        provider = tickets.name if tickets is not None else ""
        role = asked.role or (tickets.publisher_role if tickets is not None else "")
        return Principal(BACK_END, role, "ticket", provider, is_backend=True)
    if asked.user is None:
        return Principal(ANY_CLIENT, asked.role or "", "anonymous", "")
    for authenticator in authenticators:
        principal = await _authenticated(container, authenticator, asked.user)
        if principal is not None:
            return principal if asked.role is None else attrs.evolve(principal, authrole=asked.role)
    names = ", ".join(f"[authenticator:{one.name}]" for one in authenticators)
    raise Refused("unknown_user", f"none of {names} knows a user {asked.user!r}")


async def _authenticated(container: Container, authenticator: Authenticator, name: str) -> Principal | None:
    """None where ``authenticator`` does not know ``name``, or is a plugin, which cannot be asked."""
    if isinstance(authenticator, Method):
        line = next((one for one in authenticator.user if one.authid == name), None)
        return None if line is None else Principal(line.authid, line.role, authenticator.use, authenticator.name)
    if not isinstance(authenticator, TicketSection | CookieSection):
        return None
    user = await container.directories[authenticator.directory].find(name)
    if user is None or (isinstance(authenticator, CookieSection) and user.username != name):
        return None
    if not user.enabled and not (isinstance(authenticator, TicketSection) and authenticator.accept_disabled):
        why = disabled(user)
        refused = f"user {user.username!r} {why.reason}, [authenticator:{authenticator.name}] refuses the user"
        raise Refused(why.code, refused)
    return Principal(
        user.username,
        authenticator.role,
        authenticator.use,
        authenticator.name,
        user_id=user.id,
        organizations=user.organizations,
        roles=user.roles,
    )


def _words(principal: Principal) -> str:
    who = "the back end" if principal.is_backend else f"user {principal.authid!r}"
    if principal.authmethod == "anonymous":
        who = ANY_CLIENT
    known = [f"id {principal.user_id}"] if principal.user_id is not None else []
    known.append(f"role {principal.authrole}")
    known += (
        [f"organizations {', '.join(map(str, sorted(principal.organizations)))}"] if principal.organizations else []
    )
    known += [f"Oro roles {', '.join(sorted(principal.roles))}"] if principal.roles else []
    return f"{who} ({'; '.join(known)})"
