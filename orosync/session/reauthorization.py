"""Reauthorization: what connected clients subscribed and registered is authorized again when rules or rights change.

A few decisions are made in each turn of the reactor, and a few are waited for. What is no longer allowed is revoked. A
decision that fails is asked for again later; after ``TRIES`` failures the subscription or registration is revoked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from orosync.authz.chain import resolved
from orosync.interfaces import IJournal
from orosync.model import Action, ConnectionFacts, Decision, Match, Principal, Rights, Verdict
from orosync.router.deliveries import Member
from orosync.session.realm_context import RealmContext
from orosync.session.replies import reason_of
from orosync.session.work_queue import WorkQueue

AT_ONCE = 64
"""Decisions waited for: an authorizer that hangs must not delay the others for hours."""

TRIES = 3
"""How often a decision that fails is asked for."""

PAUSE = 10.0
"""Seconds between one try and the next."""


class Joined(NamedTuple):
    """A session that has joined: where, as whom, and over what connection."""

    realm_context: RealmContext
    member: Member
    facts: ConnectionFacts


class RealmMember(Protocol):
    """A session whose subscriptions and registrations are reviewed."""

    def joined(self) -> Joined | None:
        """None before it has joined, and when it has left."""


class _Held(NamedTuple):
    """A subscription or registration of a member."""

    realm_context: RealmContext
    member: Member
    action: Action
    number: int
    uri: str
    match: Match
    options: dict[str, Any]
    tried: int = 0


class Reauthorization:
    """Authorizes again what sessions have, in the order in which they were named."""

    def __init__(self, clock: IReactorTime, journal: IJournal, *, at_once: int = AT_ONCE) -> None:
        self._clock = clock
        self._journal = journal
        self._queue: WorkQueue[RealmMember | _Held] = WorkQueue(clock, self._begin, at_once)
        self._postponed: deque[tuple[float, _Held]] = deque()
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def review(self, sessions: Iterable[RealmMember]) -> None:
        """Authorize again everything that these have."""
        if not self._stopped:
            self._queue.add(sessions)

    def renew(self, session: RealmMember, rights: Rights) -> None:
        """Give a session other rights, and authorize again what it has."""
        joined = session.joined()
        if joined is not None:
            principal = joined.member.principal
            _become(
                joined, attrs.evolve(principal, organizations=rights.organizations, roles=rights.roles, session=None)
            )
            self._journal.note("session.renewed", "rights_changed", user=principal.authid)
            self.review([session])

    def stop(self) -> None:
        """Authorize no more. Decisions under way change nothing."""
        self._stopped = True
        self._queue.stop()
        self._postponed.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, item: RealmMember | _Held) -> Deferred[None] | None:
        if isinstance(item, _Held):
            return Deferred.fromCoroutine(self._authorize(item))
        self._queue.add(_holdings(item), first=True)
        return None

    async def _authorize(self, held: _Held) -> None:
        if _has(held):
            principal = held.member.principal
            chain = held.realm_context.chain
            decision = await resolved(chain.decide(principal, held.action, held.uri, held.match, held.options))
            self._authorized(decision, held, principal)

    def _authorized(self, decision: Decision, held: _Held, principal: Principal) -> None:
        if self._stopped or decision.verdict is Verdict.ALLOW or not _has(held):
            return
        if held.member.principal is not principal:
            return  # its rights have changed meanwhile, and it is authorized by those
        tried = held.tried + 1
        fields = {"user": principal.authid, "uri": held.uri, "rule": decision.rule}
        if decision.failed and tried < TRIES:
            self._journal.note("review.postponed", held.action.value, tried=tried, **fields)
            self._postpone(held._replace(tried=tried))
            return
        self._journal.note(f"{held.action.value}.revoked", decision.refusal, **fields)
        self._revoke(held, reason_of(decision))

    def _postpone(self, held: _Held) -> None:
        self._postponed.append((self._clock.seconds() + PAUSE, held))
        if self._timer is None:
            self._timer = self._clock.callLater(PAUSE, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._postponed and self._postponed[0][0] <= now:
            self._queue.add([self._postponed.popleft()[1]])
        if self._postponed:
            self._timer = self._clock.callLater(self._postponed[0][0] - now, self._try_again)

    def _revoke(self, held: _Held, reason: str) -> None:
        realm = held.realm_context.realm
        revoke = realm.broker.revoke if held.action is Action.SUBSCRIBE else realm.dealer.revoke
        held.realm_context.dispatcher.deliver(revoke(held.member, held.number, reason))


def _become(joined: Joined, principal: Principal) -> None:
    """From now on authorizers see the member as ``principal``."""
    member, realm_context = joined.member, joined.realm_context
    before, member.principal = member.principal, realm_context.introduced(principal, member.session, joined.facts)
    realm_context.chain.renewed(before, member.principal)


def _holdings(session: RealmMember) -> list[_Held]:
    """What a session has. New authorizers that need to know its session get to know it."""
    joined = session.joined()
    if joined is None:
        return []
    realm_context, member, _ = joined
    if realm_context.chain.sessions and member.principal.session is None:
        _become(joined, member.principal)
    found = [
        _Held(realm_context, member, Action.SUBSCRIBE, number, one.topic, one.match, {})
        for number, one in member.subscriptions.items()
    ]
    found += [
        _Held(realm_context, member, Action.REGISTER, number, one.procedure, one.match, {"invoke": one.invoke.value})
        for number, one in member.registrations.items()
    ]
    return found


def _has(held: _Held) -> bool:
    """Whether the member still has it. A member that has left has nothing."""
    kind = "subscriptions" if held.action is Action.SUBSCRIBE else "registrations"
    return held.number in getattr(held.member, kind)
