"""The procedure by which a router authorizes requests of its sessions: Crossbar.io's dynamic authorizer.

Called with (session, uri, action, options), it returns ``{"allow", "disclose", "cache"}``, always all three:
Crossbar.io needs ``disclose`` for a publish, and its cache distinguishes roles but not users, so ``cache`` is never
true. Every failure is a denial.

The router says who a session is; what Oro knows of the user (``user_id``, ``organizations``, ``roles``) is in
``authextra``. It counts only for sessions that our own authenticator has admitted, recognized by authprovider and
authmethod: where the router has logins of its own ("static"), ``authextra`` may be what the client wrote into HELLO.
Answers to one session keep the order of its requests, or one publish could overtake another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.authz.chain import resolved
from orosync.interfaces import IJournal
from orosync.model import EMPTY, Action, Decision, Match, Principal, Verdict

MOST_AT_ONCE = 10_000
"""Requests that may wait for a decision; further ones are denied."""

_ACTIONS = {action.value: action for action in Action}
_MATCHES = {match.value: match for match in Match}
_WITH_PATTERNS = (Action.SUBSCRIBE, Action.REGISTER)


class DecisionChain(Protocol):
    """A realm's chain of authorizers."""

    def decide(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision | Deferred[Decision]: ...


class Authorization:
    """For one realm. ``trusted`` has the (authprovider, authmethod) whose authextra is our authenticator's."""

    _log = Logger()

    def __init__(self, chain: DecisionChain, trusted: Collection[tuple[str, str]], journal: IJournal) -> None:
        self._chain = chain
        self._trusted = frozenset(trusted)
        self._journal = journal
        self._last: dict[int | None, Deferred[None]] = {}
        self._outstanding = 0

    def answer(
        self, session: object = None, uri: object = None, action: object = None, options: object = None
    ) -> dict[str, bool] | Deferred[dict[str, bool]]:
        """The procedure. Never raises; a Deferred fires with an answer too, unless the router gives up waiting."""
        try:
            request = self._read(session, uri, action, options)
        except ValueError as error:
            self._journal.note("authorization.refused", "malformed", reason=str(error))
            return _answered(False)
        before = self._last.get(request.session)
        decision = self._decide(request)
        if isinstance(decision, Decision) and (before is None or self._outstanding >= MOST_AT_ONCE):
            return self._answer_for(request, decision)
        answer: Deferred[dict[str, bool]] = Deferred()
        Deferred.fromCoroutine(self._in_order(request, before, decision, answer))
        return answer

    def _decide(self, request: AuthorizationRequest) -> Decision | Deferred[Decision]:
        if self._outstanding >= MOST_AT_ONCE:
            return _failed(f"{MOST_AT_ONCE} requests wait already")
        try:
            return self._chain.decide(*request.asked)
        except Exception:
            return self._broken()

    async def _in_order(
        self,
        request: AuthorizationRequest,
        before: Deferred[None] | None,
        decision: Decision | Deferred[Decision],
        answer: Deferred[dict[str, bool]],
    ) -> None:
        """Give ``answer`` once the one before it has been given."""
        given: Deferred[None] = Deferred()
        self._last[request.session] = given
        self._outstanding += 1
        try:
            try:
                decided = await resolved(decision)
            except Exception:
                decided = self._broken()
            if before is not None:
                await before
            answer.callback(self._answer_for(request, decided))
        finally:
            self._outstanding -= 1
            if self._last.get(request.session) is given:
                del self._last[request.session]
            given.callback(None)

    def _broken(self) -> Decision:
        self._log.failure("a request could not be authorized")
        self._journal.count("session.failed", "authorization")
        return _failed("it could not be authorized")

    def _answer_for(self, request: AuthorizationRequest, decision: Decision) -> dict[str, bool]:
        if decision.verdict is Verdict.ALLOW:
            return _answered(True, decision.disclose)
        principal, action, uri, _, _ = request.asked
        self._journal.note(
            f"{action.value}.refused", decision.refusal, user=principal.authid, uri=uri, rule=decision.rule
        )
        return _answered(False)

    def _read(self, session: object, uri: object, action: object, options: object) -> AuthorizationRequest:
        """Raises ValueError for arguments of another form."""
        known = _ACTIONS.get(action) if isinstance(action, str) else None
        if known is None or not isinstance(uri, str):
            raise ValueError("the router asks about no action, or a URI that is no text")
        if not isinstance(session, Mapping):
            raise ValueError("the router does not say who asks")
        wanted: Mapping[str, Any] = options if isinstance(options, Mapping) else EMPTY
        named = wanted.get("match") or "exact"
        match = _MATCHES.get(named if isinstance(named, str) else "") if known in _WITH_PATTERNS else Match.EXACT
        number = session.get("session")
        if match is None or not isinstance(number, int | None):
            raise ValueError("the router asks about an unknown kind of pattern, or for a session whose number is none")
        return AuthorizationRequest(number, (principal_of(session, self._trusted), known, uri, match, wanted))


class AuthorizationRequest(NamedTuple):
    """What is asked for ``session``; ``asked`` is what DecisionChain.decide takes."""

    session: int | None
    asked: tuple[Principal, Action, str, Match, Mapping[str, Any]]


def principal_of(session: Mapping[str, Any], trusted: Collection[tuple[str, str]]) -> Principal:
    """Who a session is. Raises ValueError where the router describes it in another form."""
    authid, authrole = session.get("authid"), session.get("authrole")
    if not isinstance(authid, str) or not isinstance(authrole, str):
        raise ValueError("the router does not say who the session is")
    # A component inside the router has neither.
    method, provider = (_text(session.get(key)) for key in ("authmethod", "authprovider"))
    extra = session.get("authextra")
    known = extra if (provider, method) in trusted and isinstance(extra, Mapping) else EMPTY
    user_id = known.get("user_id")
    organizations, roles = known.get("organizations") or (), known.get("roles") or ()
    if user_id is not None and type(user_id) is not int:
        raise ValueError("authextra.user_id is no number")
    if not _all(organizations, int) or not _all(roles, str):
        raise ValueError("authextra.organizations is no list of numbers, or authextra.roles none of names")
    return Principal(
        authid=authid,
        authrole=authrole,
        authmethod=method,
        authprovider=provider,
        user_id=user_id,
        organizations=frozenset(organizations),
        roles=frozenset(roles),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _all(listed: object, kind: type) -> bool:
    return isinstance(listed, list | tuple) and all(type(one) is kind for one in listed)


def _failed(why: str) -> Decision:
    return Decision(Verdict.DENY, why, failed=True)


def _answered(allow: bool, disclose: bool = False) -> dict[str, bool]:
    return {"allow": allow, "disclose": disclose, "cache": False}
