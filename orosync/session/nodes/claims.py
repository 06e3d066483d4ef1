"""Claims: a REGISTER waits until the engine that all nodes share has entered the procedure for this node.

A claim is for this node, whatever the number of its callees, and ends with the last of them. Callees of the router's
own process need none: each node has its own. When the engine has been away, claims are made anew, as old as they were:
one that another node has an older claim for is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger

from orosync.backplane.nodes import Nodes
from orosync.errors import RequestError, Unavailable
from orosync.interfaces import Claim
from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.registrations import Invoke
from orosync.session.realm_context import RealmContext
from orosync.wamp import uris
from orosync.wamp.uris import is_reserved

LONGEST = 5.0
"""Seconds that a REGISTER waits for the engine."""

REMEMBERED = 60.0
"""Seconds after which a release has arrived, unless the engine has been away."""

_AWAY = (
    "procedures cannot be registered at the moment: this node cannot reach what it shares with the others; try again"
)
_TAKEN = "the procedure is registered on another node already"
_log = Logger()


Job = Callable[[], Coroutine[Any, Any, None]]


class Procedure(NamedTuple):
    """What is registered: a procedure, or a pattern."""

    uri: str
    match: Match


class ClaimedCallees(Protocol):
    """The callees of one realm."""

    def needs_claim(self, key: Procedure) -> bool:
        """Whether clients of this node are callees of it."""

    def granted(self, key: Procedure, policy: str, since: float, force: bool) -> bool:
        """This node has the claim: callees of other nodes that do not go together with it have gone, or will be told.
        False: another node has taken it over meanwhile."""

    def lost(self, key: Procedure) -> None:
        """Another node has an older claim: clients of this node are no callees of it any more."""


class _Held(NamedTuple):
    policy: str
    since: float


class Claims:
    """The claims of this node for the procedures of one realm (see ``realm_context.RegistrationGate``)."""

    def __init__(self, realm_context: RealmContext, nodes: Nodes, callees: ClaimedCallees) -> None:
        self._realm_context = realm_context
        self._dealer = realm_context.realm.dealer
        self._nodes = nodes
        self._callees = callees
        self._held: dict[Procedure, _Held] = {}
        self._jobs: dict[Procedure, deque[tuple[Job, Deferred[None]]]] = {}
        self._released: dict[Procedure, float] = {}

    def since(self, key: Procedure) -> float:
        """When this node claimed it, in seconds of the engine's clock; 0.0 if it has not."""
        held = self._held.get(key)
        return 0.0 if held is None else held.since

    def register(
        self,
        member: Member,
        procedure: str,
        match: Match,
        invoke: Invoke,
        force: bool,
        then: Callable[[], None],
        refuse: Callable[[RequestError], None],
    ) -> Deferred[None] | None:
        """See RegistrationGate."""
        key = Procedure(procedure, match)
        if key not in self._jobs and self._is_decided_here(member, key, invoke, force):
            then()
            return None
        return self._queue(key, partial(self._register, member, key, invoke, force, then, refuse))

    def _is_decided_here(self, member: Member, key: Procedure, invoke: Invoke, force: bool) -> bool:
        if member.inside or is_reserved(key.uri):
            return True
        registration = self._dealer.lookup(*key)
        if (
            registration is not None
            and any(callee.inside for callee in registration.callees)
            and (force or invoke is Invoke.SINGLE or registration.invoke is not invoke)
        ):
            return True  # it is refused
        return not force and key in self._held and self._callees.needs_claim(key)

    async def _register(
        self,
        member: Member,
        key: Procedure,
        invoke: Invoke,
        force: bool,
        then: Callable[[], None],
        refuse: Callable[[RequestError], None],
    ) -> None:
        members = self._realm_context.realm.members
        try:
            if not self._is_decided_here(member, key, invoke, force):
                await self._claim(key, "" if invoke is Invoke.SINGLE else invoke.value, force)
            if members.get(member.session) is member:
                then()
        except RequestError as error:
            if members.get(member.session) is member:
                refuse(error)

    async def _claim(self, key: Procedure, policy: str, force: bool) -> None:
        """RequestError PROCEDURE_ALREADY_EXISTS, UNAVAILABLE."""
        had = key in self._held
        try:
            if force and had:  # what takes over all others is the youngest claim
                self._release(key)
            claim = await self._ask(key, policy, 0.0, force)
        except (Unavailable, TimeoutError):
            self._realm_context.journal.count("register.refused", "engine_away")
            if not had:  # else it is made anew when the engine is back
                self._release(key)  # it may have been granted all the same
            raise RequestError(uris.UNAVAILABLE, _AWAY) from None
        if claim.holder:
            raise RequestError(uris.PROCEDURE_ALREADY_EXISTS, _TAKEN)
        self._held[key] = _Held(policy, claim.since)
        if not self._callees.granted(key, policy, claim.since, force):
            raise RequestError(uris.PROCEDURE_ALREADY_EXISTS, _TAKEN)

    def _ask(self, key: Procedure, policy: str, since: float, force: bool = False) -> Deferred[Claim]:
        claim = self._nodes.backplane.claim(self._text(key), policy, since, force)
        return claim.addTimeout(LONGEST, self._realm_context.clock)

    def _text(self, key: Procedure) -> str:
        return f"{self._realm_context.name} {key.match.value} {key.uri}"

    # -- the end of a claim

    def settle(self, key: Procedure) -> None:
        """Clients of this node may be callees of it no more."""
        if key in self._held and key not in self._jobs and not self._callees.needs_claim(key):
            del self._held[key]
            self._release(key)

    def _release(self, key: Procedure) -> None:
        """End the claim. Should that not arrive, it is repeated when the engine is back."""
        now = self._realm_context.clock.seconds()
        if self._nodes.available:
            self._released = {one: when for one, when in self._released.items() if now - when < REMEMBERED}
        self._released[key] = now
        self._nodes.backplane.release(self._text(key))

    def taken(self, key: Procedure) -> None:
        """Another node has taken the procedure over; in the engine as well, unless this node has renewed its claim
        since: that must not stay."""
        if self._held.pop(key, None) is not None:
            self._release(key)

    # -- claims that may have been lost

    def engine(self, back: bool) -> None:
        """The engine is back, or away."""
        if back:
            for key in [one for one in self._released if one not in self._held and one not in self._jobs]:
                self._release(key)
            for key in tuple(self._held):
                self.renew(key)

    def renew(self, key: Procedure) -> None:
        """Claim a procedure that this node has anew, as old as it was."""
        renewed = self._queue(key, partial(self._renew, key))
        renewed.addErrback(lambda failure: _log.failure("a claim could not be renewed", failure=failure))

    async def _renew(self, key: Procedure) -> None:
        held = self._held.get(key)
        if held is None or not self._callees.needs_claim(key):
            return
        try:
            claim = await self._ask(key, held.policy, held.since)
        except (Unavailable, TimeoutError):
            return  # it is away again, and will be back
        if claim.holder and self._held.get(key) is held:
            del self._held[key]
            self._callees.lost(key)

    # -- one after the other, for each procedure

    def _queue(self, key: Procedure, job: Job) -> Deferred[None]:
        """Have ``job`` done when those before it are done. Fires then."""
        done: Deferred[None] = Deferred()
        jobs = self._jobs.get(key)
        if jobs is not None:
            jobs.append((job, done))
        else:
            self._jobs[key] = jobs = deque([(job, done)])
            Deferred.fromCoroutine(self._work(key, jobs))
        return done

    async def _work(self, key: Procedure, jobs: deque[tuple[Job, Deferred[None]]]) -> None:
        while jobs:
            job, done = jobs.popleft()
            try:
                await job()
            except Exception:
                done.errback()
            else:
                done.callback(None)
        del self._jobs[key]
        self.settle(key)
