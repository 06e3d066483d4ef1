"""What one principal may publish to or call, remembered: most do the same few things again and again.

Only a constant word is remembered (``Chain.constant``), and only a yes. The chain makes everybody forget when its
authorizers are replaced. This file must not know sessions or topics.

Waiting for an answer, but not for ever.

Knows Deferreds and a clock; must not know authorizers or decisions.

The chain: a realm's authorizers in order, and the one place where leave is given or refused.

The first that does not abstain decides. Nobody's word is a no; and so is an authorizer that raises, fails, answers late
or answers nonsense. This file must not know what the authorizers judge by.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from orosync.interfaces import IAuthorizer, IJournal
from orosync.model import Action, Decision, Match, Principal, Verdict

MOST = 256
"""URIs that are remembered for one principal and action; when there are more, all are forgotten."""

_EXACT, _ALLOW = Match.EXACT, Verdict.ALLOW


class Grants:
    """Made by ``Chain.grants``, for one ``action``. ``known`` holds the decision that allows it, by the exact URI: look
    there first."""

    __slots__ = ("__weakref__", "_action", "_chain", "_principal", "known")

    def __init__(self, chain: Chain, principal: Principal, action: Action) -> None:
        self._chain = chain
        self._principal = principal
        self._action = action
        self.known: dict[str, Decision] = {}

    def decide(self, uri: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        """See ``Chain.decide``, for an exact URI that is not in ``known``; it may be there afterwards."""
        chain, known = self._chain, self.known
        decision = chain.decide(self._principal, self._action, uri, _EXACT, options)
        if chain.constant and isinstance(decision, Decision) and decision.verdict is _ALLOW:
            if len(known) >= MOST:
                known.clear()
            known[uri] = decision
        return decision

    def renew(self, before: Principal, after: Principal) -> None:
        """Forget everything, and from now on ask for ``after``, if it was ``before`` (the very same one)."""
        if self._principal is before:
            self._principal = after
            self.known.clear()


@attrs.frozen
class NoAnswer:
    """No answer: ``kind`` is "failed" or "late", ``reason`` says more for the log."""

    kind: str
    reason: str


def with_timeout(answer: Deferred[Any], seconds: float, clock: IReactorTime) -> Deferred[Any]:
    """Fires with what ``answer`` fires with, or with Trouble when it fails or takes longer than ``seconds``.

    Never fails, unless it is cancelled itself: then with CancelledError, and ``answer`` is cancelled too. A late answer
    is cancelled; whatever it still says or raises is dropped.
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
    """An exception in one line for the log."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _cancel(answer: Deferred[Any]) -> None:
    try:
        answer.cancel()
    except Exception:
        # Its canceller is somebody else's code; the outcome is settled already and must stand.
        return


_ALLOW, _DENY, _ABSTAIN = Verdict.ALLOW, Verdict.DENY, Verdict.ABSTAIN
_SHOWN = 200
"""Characters of a URI in a rule's sentence."""


class Holder(Protocol):
    """Somebody whose rights may change: ``principal`` is who it is now."""

    principal: Principal


class _Asked(NamedTuple):
    """An authorizer's method, and how long its answer is waited for."""

    name: str
    authorize: Any
    timeout: float


class Chain:
    """Asks ``authorizers`` in order; each has ``timeout`` seconds if it answers later, or those that it wants.

    ``decide`` gives a plain Decision whenever every authorizer asked did, so that a publish to a declared topic costs
    no Deferred. ``constant``: every authorizer says of itself that its answers never change, ``sessions``: one of them
    needs to know the session (``IAuthorizer``). ``on_replaced``, when set, is called when others decide from now on.
    """

    def __init__(
        self, authorizers: Iterable[IAuthorizer], journal: IJournal, timeout: float = 5.0, *, clock: IReactorTime
    ) -> None:
        self._journal = journal
        self._timeout = timeout
        self._clock = clock
        self._grants: WeakSet[Grants] = WeakSet()
        self.on_replaced: Callable[[], None] | None = None
        self.replace(authorizers)

    def replace(self, authorizers: Iterable[IAuthorizer]) -> None:
        """From now on ask these. What was remembered of the word of others is forgotten, and what one of them has still
        to say counts no more: the new ones are asked instead."""
        asked = tuple(authorizers)
        self._authorizers = tuple(_Asked(_name(each), each.authorize, self._patience(each)) for each in asked)
        self.constant = all(getattr(each, "constant", False) is True for each in asked)
        self.sessions = any(getattr(each, "sessions", False) is True for each in asked)
        known: list[Any] = [each for each in asked if getattr(each, "retains", False) is True]
        self._retained = tuple(each.retained for each in known)
        for grants in self._grants:
            grants.known.clear()
        if self.on_replaced is not None:
            self.on_replaced()

    @property
    def retains(self) -> bool:
        """Whether there is a topic whose last event is to be retained."""
        return bool(self._retained)

    def retained(self, topic: str) -> bool:
        """Whether the last event of ``topic`` is to be retained, because a channel says so."""
        return bool(self._retained) and any(retained(topic) for retained in self._retained)

    def grants(self, principal: Principal, action: Action) -> Grants:
        """The URIs that ``principal`` may do ``action`` with, for somebody who asks often."""
        grants = Grants(self, principal, action)
        self._grants.add(grants)
        return grants

    def renewed(self, before: Principal, after: Principal) -> None:
        """Somebody's rights are others: what was remembered for ``before`` is forgotten, and asked for ``after``."""
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
        is gone), with CancelledError. ``declared`` is False when nobody knew the URI; ``failed`` is True when an
        authorizer broke. ``start`` and ``declared`` are for going on behind an authorizer that answered later.
        """
        asked = self._authorizers
        for position, (name, authorize, _) in enumerate(asked[start:] if start else asked, start):
            try:
                answer = authorize(principal, action, uri, match, options)
            except Exception as error:
                return self._broken(name, NoAnswer("raised", explain(error)))
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
            return self._broken(name, _nonsense(answer))
        what = f'{action.value} "{uri[:_SHOWN]}"' + ("" if match is Match.EXACT else f" ({match.value})")
        return Decision(_DENY, f"{what}: nobody allows it, so it is refused", declared=declared)

    async def still(
        self,
        holder: Holder,
        decision: Deferred[Decision],
        action: Action,
        uri: str,
        match: Match,
        options: Mapping[str, Any],
    ) -> Decision:
        """What is decided later about ``holder``, who has just asked; asked again if it has other rights by then."""
        asked = holder.principal
        found = await decision
        while holder.principal is not asked:
            asked = holder.principal
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
        """One authorizer's later answer, and then the rest of the chain."""
        asked = self._authorizers
        name, _, timeout = asked[position]
        later = pending if isinstance(pending, Deferred) else Deferred.fromCoroutine(pending)
        answer = await with_timeout(later, timeout, self._clock)
        if asked is not self._authorizers:
            anew = self.decide(principal, action, uri, match, options)
            return await resolved(anew)
        if isinstance(answer, NoAnswer):
            return self._broken(name, answer)
        if not isinstance(answer, Decision) or not isinstance(answer.verdict, Verdict):
            return self._broken(name, _nonsense(answer))
        if answer.verdict is not _ABSTAIN:
            return answer
        rest = self.decide(principal, action, uri, match, options, position + 1, declared or answer.declared)
        return await resolved(rest)

    def _patience(self, authorizer: IAuthorizer) -> float:
        wanted: Any = getattr(authorizer, "timeout", None)
        return float(wanted) if type(wanted) in (int, float) and wanted > 0 else self._timeout

    def _broken(self, name: str, trouble: NoAnswer) -> Decision:
        self._journal.note("authorizer.failed", trouble.kind, authorizer=name, reason=trouble.reason)
        return Decision(_DENY, f'authorizer "{name}" gave no answer ({trouble.kind}), so it is refused', failed=True)


async def resolved(decision: Decision | Deferred[Decision]) -> Decision:
    """The decision, waited for if it comes later."""
    return decision if isinstance(decision, Decision) else await decision


def _nonsense(answer: object) -> NoAnswer:
    return NoAnswer("nonsense", f"answered with {type(answer).__name__}, not with a decision")


def _name(authorizer: IAuthorizer) -> str:
    return str(getattr(authorizer, "name", type(authorizer).__name__))
