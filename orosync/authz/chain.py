"""The authorizer chain of a realm: its authorizers in order. The first that does not abstain decides.

It fails closed: when every authorizer abstains, and when one raises, fails, answers late or answers nonsense, the
request is denied. ``Grants`` remember what a principal may publish to or call, since most clients repeat the same URIs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from sys import getsizeof
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from orosync.interfaces import IAuthorizer, IJournal
from orosync.model import EMPTY, Action, Decision, Match, Principal, Verdict

GRANTS_SIZE = 16 << 20
"""Bytes of the decisions that a chain remembers for all sessions together; beyond that all are forgotten."""

GRANT_SIZE = 256
"""What a decision is taken to cost besides its URI."""

_SHOWN = 200
"""Characters of a URI in the reason of a decision."""

_EXACT = Match.EXACT
_ALLOW, _DENY, _ABSTAIN = Verdict.ALLOW, Verdict.DENY, Verdict.ABSTAIN


class HasPrincipal(Protocol):
    """A session: ``principal`` is its current one, and changes with the rights of its user."""

    principal: Principal


class _Asked(NamedTuple):
    """An authorizer's method, and how many seconds it may take to answer."""

    name: str
    authorize: Any
    timeout: float


class Chain:
    """Asks ``authorizers`` in order. One that answers with a Deferred has ``timeout`` seconds, or its own ``timeout``.

    ``decide`` gives a plain Decision whenever every authorizer asked did, so that a publish to a declared topic costs
    no Deferred. ``constant``: every authorizer declares that its answers never change; ``sessions``: one of them needs
    the session (``IAuthorizer``). ``on_replaced``, if set, is called when the authorizers have been replaced.

    What ``Grants`` remember is shared by principals that are the same to all authorizers (``IAuthorizer.depends_on``).
    """

    def __init__(
        self, authorizers: Iterable[IAuthorizer], journal: IJournal, timeout: float = 5.0, *, clock: IReactorTime
    ) -> None:
        self._journal = journal
        self._timeout = timeout
        self._clock = clock
        self._grants: WeakSet[Grants] = WeakSet()
        self._shared: dict[Hashable, dict[str, Decision]] = {}
        self._size = 0
        self.on_replaced: Callable[[], None] | None = None
        self.replaced = 0
        """How often the authorizers have been replaced."""
        self.replace(authorizers)

    def replace(self, authorizers: Iterable[IAuthorizer]) -> None:
        """Ask these from now on. Decisions of the old ones are forgotten, and an answer of theirs that is still to come
        is dropped: the new ones are asked instead."""
        asked = tuple(authorizers)
        self._authorizers = tuple(_Asked(_name(each), each.authorize, self._timeout_of(each)) for each in asked)
        self.constant = all(getattr(each, "constant", False) is True for each in asked)
        self.sessions = any(getattr(each, "sessions", False) is True for each in asked)
        known: list[Any] = [each for each in asked if getattr(each, "retains", False) is True]
        self._retained = tuple(each.retained for each in known)
        depends_on: list[Any] = [getattr(each, "depends_on", None) for each in asked]
        self._shares = self.constant and None not in depends_on
        self._depends_on = sorted({name for each in depends_on for name in each}) if self._shares else []
        self._forget()
        self.replaced += 1
        if self.on_replaced is not None:
            self.on_replaced()

    @property
    def retains(self) -> bool:
        """Whether any topic's last event is to be retained."""
        return bool(self._retained)

    def retained(self, topic: str) -> bool:
        """Whether the last event of ``topic`` is to be retained, because its channel says so."""
        return bool(self._retained) and any(retained(topic) for retained in self._retained)

    def grants(self, principal: Principal, action: Action, opaque: bool = False) -> Grants:
        """The Grants of ``principal`` for ``action``, for a session that asks often. ``opaque``: the URIs it asks about
        need not be well formed, and it shares no decision with sessions that check this."""
        grants = Grants(self, principal, action, opaque)
        self._grants.add(grants)
        return grants

    def known(self, grants: Grants) -> Mapping[str, Decision]:
        """What is remembered for ``grants`` already, because others ask for principals that are the same."""
        known = None if grants.key is None else self._shared.get(grants.key)
        return EMPTY if known is None else known

    def alike(self, principal: Principal) -> tuple[object, ...] | None:
        """What makes principals the same to all authorizers; None where they do not say."""
        return tuple(getattr(principal, name) for name in self._depends_on) if self._shares else None

    def remember(self, grants: Grants, uri: str, decision: Decision) -> None:
        """Have ``grants``, and others for principals that are the same, find this decision from now on."""
        size = GRANT_SIZE + getsizeof(uri)
        if self._size + size > GRANTS_SIZE:
            self._forget()
        self._size += size
        known: Any = grants.known if grants.key is None else self.known(grants)
        if known is EMPTY:
            self._size += GRANT_SIZE
            known = {}
            if grants.key is not None:
                self._shared[grants.key] = known
        known[uri] = decision
        grants.known = known

    def _forget(self) -> None:
        """Forget every decision; also those of sessions that are gone, which have been counted until now."""
        self._shared, self._size = {}, 0
        for grants in self._grants:
            grants.forget()

    def renewed(self, before: Principal, after: Principal) -> None:
        """The rights of a user have changed: forget the grants of ``before``, and ask for ``after`` from now on."""
        for grants in self._grants:
            grants.renew(before, after)

    def decide(
        self,
        principal: Principal,
        action: Action,
        uri: str,
        match: Match,
        options: Mapping[str, Any],
        start: int = 0,
        declared: bool = False,
    ) -> Decision | Deferred[Decision]:
        """ALLOW or DENY, never ABSTAIN.

        A Deferred fires within ``timeout`` for each authorizer, and fails only when the caller cancels it (its client
        is gone), with CancelledError. ``declared`` is False when no authorizer knew the URI; ``failed`` is True when an
        authorizer failed. ``start`` and ``declared`` continue the chain after an authorizer that answered later.
        """
        asked = self._authorizers
        for position, (name, authorize, _) in enumerate(asked[start:] if start else asked, start):
            try:
                answer = authorize(principal, action, uri, match, options)
            except Exception as error:
                return self._failed(name, NoAnswer("raised", explain(error)))
            if isinstance(answer, Decision):
                verdict = answer.verdict
                if verdict is _ALLOW or verdict is _DENY:
                    return answer
                if verdict is _ABSTAIN:
                    declared = declared or answer.declared
                    continue
            elif isinstance(answer, Deferred | Coroutine):
                return Deferred.fromCoroutine(
                    self._wait(position, declared, answer, principal, action, uri, match, options)
                )
            return self._failed(name, _nonsense(answer))
        what = f'{action.value} "{uri[:_SHOWN]}"' + ("" if match is Match.EXACT else f" ({match.value})")
        return Decision(_DENY, f"{what}: no authorizer allows it, so it is denied", declared=declared)

    async def still(
        self,
        session: HasPrincipal,
        decision: Deferred[Decision],
        action: Action,
        uri: str,
        match: Match,
        options: Mapping[str, Any],
    ) -> Decision:
        """The result of ``decision`` about a request of ``session``; decided again if its rights have changed
        meanwhile."""
        asked = session.principal
        found = await decision
        while session.principal is not asked:
            asked = session.principal
            anew = self.decide(asked, action, uri, match, options)
            found = await resolved(anew)
        return found

    async def _wait(
        self,
        position: int,
        declared: bool,
        pending: Deferred[Any] | Coroutine[Any, Any, Any],
        principal: Principal,
        action: Action,
        uri: str,
        match: Match,
        options: Mapping[str, Any],
    ) -> Decision:
        """Wait for the answer of one authorizer, then ask the rest of the chain."""
        asked = self._authorizers
        name, _, timeout = asked[position]
        later = pending if isinstance(pending, Deferred) else Deferred.fromCoroutine(pending)
        answer = await with_timeout(later, timeout, self._clock)
        if asked is not self._authorizers:
            anew = self.decide(principal, action, uri, match, options)
            return await resolved(anew)
        if isinstance(answer, NoAnswer):
            return self._failed(name, answer)
        if not isinstance(answer, Decision) or not isinstance(answer.verdict, Verdict):
            return self._failed(name, _nonsense(answer))
        if answer.verdict is not _ABSTAIN:
            return answer
        rest = self.decide(principal, action, uri, match, options, position + 1, declared or answer.declared)
        return await resolved(rest)

    def _timeout_of(self, authorizer: IAuthorizer) -> float:
        wanted: Any = getattr(authorizer, "timeout", None)
        return float(wanted) if type(wanted) in (int, float) and wanted > 0 else self._timeout

    def _failed(self, name: str, missing: NoAnswer) -> Decision:
        self._journal.note("authorizer.failed", missing.code, authorizer=name, reason=missing.reason)
        return Decision(_DENY, f'authorizer "{name}" gave no answer ({missing.code}), so it is denied', failed=True)


async def resolved(decision: Decision | Deferred[Decision]) -> Decision:
    """The decision, waited for if it comes later."""
    return decision if isinstance(decision, Decision) else await decision


class Grants:
    """The URIs that a principal may do ``action`` with; made by ``Chain.grants``.

    ``known`` holds the decisions that allow it, by the exact URI: look there first, each time anew. Only decisions to
    allow are kept, and only of a ``Chain.constant``; they are forgotten when the authorizers are replaced. Grants with
    the same ``key`` have them in common; None: with no other.
    """

    __slots__ = ("__weakref__", "_action", "_chain", "_opaque", "_principal", "key", "known")

    def __init__(self, chain: Chain, principal: Principal, action: Action, opaque: bool) -> None:
        self._chain = chain
        self._principal = principal
        self._action = action
        self._opaque = opaque
        self.forget()

    def decide(self, uri: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        """See ``Chain.decide``, for an exact URI that is not in ``known``; it may be there afterwards."""
        chain = self._chain
        decision = chain.decide(self._principal, self._action, uri, _EXACT, options)
        if chain.constant and isinstance(decision, Decision) and decision.verdict is _ALLOW:
            chain.remember(self, uri, decision)
        return decision

    def forget(self) -> None:
        """Know no more than what is remembered for others."""
        alike = self._chain.alike(self._principal)
        self.key: Hashable | None = None if alike is None else (self._action, self._opaque, alike)
        self.known: Mapping[str, Decision] = self._chain.known(self)

    def renew(self, before: Principal, after: Principal) -> None:
        """Ask for ``after`` from now on, if this is for ``before`` (the same object)."""
        if self._principal is before:
            self._principal = after
            self.forget()


@attrs.frozen
class NoAnswer:
    """``code`` is the reason code ("raised", "failed", "late", "nonsense"), ``reason`` says more for the log."""

    code: str
    reason: str


def with_timeout(answer: Deferred[Any], seconds: float, clock: IReactorTime) -> Deferred[Any]:
    """Fires with the result of ``answer``, or with NoAnswer when it fails or takes longer than ``seconds``.

    Fails only when it is cancelled itself: with CancelledError, and ``answer`` is cancelled too. A late answer is
    cancelled; a result or exception that still comes is dropped. ``Deferred.addTimeout`` would not do here: ``answer``
    belongs to an authorizer, which may not fire it when cancelled.
    """
    timer: IDelayedCall | None = None

    def settle(result: object) -> None:
        if timer is not None and timer.active():
            timer.cancel()
        if outcome.called:
            return
        if isinstance(result, Failure):
            outcome.callback(NoAnswer("failed", explain(result.value)))
        else:
            outcome.callback(result)

    def give_up() -> None:
        outcome.callback(NoAnswer("late", f"no answer within {seconds:g} s"))
        _cancel(answer)

    def withdrawn(_: Deferred[Any]) -> None:
        outcome.errback(CancelledError())
        _cancel(answer)
        if timer is not None and timer.active():
            timer.cancel()

    outcome: Deferred[Any] = Deferred(withdrawn)
    answer.addBoth(settle)
    if not outcome.called:
        timer = clock.callLater(seconds, give_up)
    return outcome


def explain(error: BaseException | None) -> str:
    """An exception in one line, for the log."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _cancel(answer: Deferred[Any]) -> None:
    try:
        answer.cancel()
    except Exception:
        # The canceller is the authorizer's code; the outcome is settled already and must stand.
        return


def _nonsense(answer: object) -> NoAnswer:
    return NoAnswer("nonsense", f"answered with {type(answer).__name__}, not with a decision")


def _name(authorizer: IAuthorizer) -> str:
    return str(getattr(authorizer, "name", type(authorizer).__name__))
