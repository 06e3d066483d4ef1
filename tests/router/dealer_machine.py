"""A random life of one dealer's members, checked at every step: each call has exactly one end (``dealer_model``)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.realm import Realm
from orosync.router.registrations import Invoke, RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Result
from orosync.wamp.payload import Payload
from tests.router.dealer_model import CANCELING, PROGRESS, REROUTE, STREAM, DealerModel, Made
from tests.router.members import member, names_of

PROCEDURES = ["a", "a.b", "a.c", "b.c"]
OFFERED = [
    *[(procedure, Match.EXACT) for procedure in PROCEDURES],
    ("a", Match.PREFIX),
    ("a.", Match.PREFIX),
    ("a.", Match.WILDCARD),
    (".c", Match.WILDCARD),
]
FEATURES = [
    "",
    CANCELING,
    f"caller.{STREAM} {PROGRESS}",
    f"caller.{STREAM} callee.{STREAM} {PROGRESS} {REROUTE}",
    f"caller.{STREAM} callee.{STREAM} {CANCELING} {PROGRESS} {REROUTE}",
]
POLICIES = [Invoke.ROUNDROBIN, Invoke.ROUNDROBIN, Invoke.SINGLE, Invoke.FIRST, Invoke.LAST, Invoke.RANDOM]
WHO = st.integers(min_value=0, max_value=50)
KIND = st.sampled_from(["plain", "plain", "progress", "stream"])
CALLS = st.tuples(WHO, st.sampled_from(PROCEDURES), st.sampled_from([False, False, False, True]), KIND)
NEVER = 10**9


class DealerMachine(RuleBasedStateMachine):
    """Members come, register, call, answer, cancel and go."""

    def __init__(self) -> None:
        super().__init__()
        self.realm = Realm("machine", pending_limit=4, queue_limit=2)
        self.model = DealerModel(self.realm)
        self.joined = self.serial = 0

    @initialize(features=st.lists(st.sampled_from(FEATURES), min_size=3, max_size=3))
    def open_for_business(self, features: list[str]) -> None:
        """Some are there from the beginning, and something can be called."""
        for number, announced in enumerate(features):
            self.join(announced)
            self.register(number, OFFERED[-1 - number], Invoke.ROUNDROBIN, None)

    @rule(features=st.sampled_from(FEATURES))
    def join(self, features: str) -> None:
        """Somebody comes."""
        picked = member(self.joined, features=features)
        self.joined += 1
        self.realm.join(picked)
        self.model.present.append(picked)
        self.model.offered[picked.session] = {}

    @precondition(lambda self: len(self.model.present) > 1)
    @rule(who=WHO)
    def leave(self, who: int) -> None:
        """Somebody goes: who waits for it is told, who works for it may stop, nothing names it any more."""
        model = self.model
        gone = model.present.pop(who % len(model.present))
        del model.offered[gone.session]
        abandoned = [made for made in model.open_calls() if made.caller is gone]
        waiting = [made for made in model.open_calls() if made.callee is gone and made.caller is not gone]
        for made in abandoned:
            made.over = True
        model.take(self.realm.leave(gone))
        assert all(made.over for made in waiting), "a caller was left waiting"
        for made in abandoned:
            callee = made.callee
            assert made.interrupted or callee is None or callee is gone or CANCELING not in callee.features
        assert names_of(self.realm, gone) == []
        assert not gone.registrations

    @precondition(lambda self: self.model.present)
    @rule(
        who=WHO,
        offered=st.sampled_from(OFFERED),
        invoke=st.sampled_from(POLICIES),
        concurrency=st.sampled_from([None, None, 1, 2]),
        force=st.sampled_from([False, False, False, True]),
    )
    def register(
        self, who: int, offered: tuple[str, Match], invoke: Invoke, concurrency: int | None, force: bool = False
    ) -> None:
        """Somebody registers a procedure, or takes it over, or is refused and nothing changes."""
        picked = self.model.present[who % len(self.model.present)]
        standing = self.realm.dealer.lookup(*offered)
        try:
            options = RegisterOptions(concurrency=concurrency)
            registration, deliveries = self.realm.dealer.register(picked, *offered, invoke, options, force)
        except RequestError as error:
            assert error.uri == uris.PROCEDURE_ALREADY_EXISTS
            assert standing is not None
            assert not force
            return
        if force and standing is not None:
            for had in self.model.offered.values():
                had.pop(standing.id, None)
        else:
            assert standing in (None, registration)
        self.model.offered[picked.session][registration.id] = offered
        self.model.slots[picked.session, registration.id] = object()
        if concurrency is not None:
            self.model.limits[picked.session, registration.id] = concurrency
        self.model.take(deliveries)

    @precondition(lambda self: self.model.present)
    @rule(who=WHO, number=st.integers(min_value=0, max_value=10), revoked=st.booleans())
    def unregister(self, who: int, number: int, revoked: bool) -> None:
        """Somebody withdraws a procedure, or loses it: its own, or it is refused."""
        picked = self.model.present[who % len(self.model.present)]
        mine = self.model.offered[picked.session]
        dealer = self.realm.dealer
        try:
            deliveries = (dealer.revoke if revoked else dealer.unregister)(picked, number)
        except RequestError:
            assert number not in mine
            return
        del mine[number]
        self.model.limits.pop((picked.session, number), None)
        self.model.take(deliveries)

    @precondition(lambda self: self.model.present)
    @rule(calls=st.lists(CALLS, min_size=1, max_size=5))
    def call(self, calls: list[tuple[int, str, bool, str]]) -> None:
        """Some call, one after the other."""
        for call in calls:
            self.call_once(*call)

    def call_once(self, who: int, procedure: str, again: bool, kind: str) -> None:
        """Somebody calls: one who offers the procedure gets it under its next id, or it waits, or the caller has an
        ERROR. A further part of a stream goes where the first went."""
        model = self.model
        caller = model.present[who % len(model.present)]
        mine = [made for made in model.open_calls() if made.caller is caller]
        self.serial += 1
        known = mine[0] if again and mine else None
        request = known.request if known is not None else self.serial
        payload = Payload.of([self.serial])
        made = Made(caller, request, payload, kind == "progress", kind == "stream")
        options = {"receive_progress": made.wants_progress, "progress": made.streaming}
        able = f"caller.{STREAM}" in caller.features
        if known is None:
            model.made.append(made)
        try:
            deliveries = self.realm.dealer.call(caller, request, procedure, options, payload)
        except ProtocolViolation:
            assert (known is not None and not known.streaming) or (made.streaming and not able)
            made.over = True
            return
        except RequestError as error:
            made.over = True
            assert error.uri in model.NOT_NOW or not model.offering(procedure)
            return
        if known is None:
            assert set(model.take(deliveries)) <= {type(one.message) for one in deliveries}
            assert made.callee is None or made.callee in model.offering(procedure)
            return
        assert known.streaming
        known.streaming = made.streaming
        known.relayed = True
        for receivers, message, carried, _ in deliveries:
            assert (list(receivers), carried) == ([known.callee], payload)
            assert message.request == known.invocation
        assert bool(deliveries) is not known.interrupted

    @precondition(lambda self: self.model.made)
    @rule(
        answers=st.lists(
            st.tuples(WHO, st.sampled_from(["yield", "progress", "error", "busy"])), min_size=1, max_size=4
        )
    )
    def answer(self, answers: list[tuple[int, str]]) -> None:
        """Some answer, one after the other."""
        for answer in answers:
            self.answer_once(*answer)

    def answer_once(self, who: int, answer: str) -> None:
        """A callee answers, perhaps too late: once at most it reaches the caller."""
        model, dealer = self.model, self.realm.dealer
        made = model.some_call(who)
        if made.callee not in model.present:
            return
        waiting, callee = not made.over, made.callee
        if answer == "busy":
            elsewhere = model.refused(made)
            model.take(dealer.failed(callee, made.invocation, {}, uris.UNAVAILABLE, None))
            assert made.over or (elsewhere and made.callee is not callee)
            return
        if answer == "error":
            kinds = model.take(dealer.failed(callee, made.invocation, {}, "com.app.error", None))
        else:
            options = {"progress": True} if answer == "progress" else {}
            kinds = model.take(dealer.yielded(callee, made.invocation, options, None))
        if answer == "progress":
            assert kinds == ([Result] if waiting and made.progress else [])
            assert made.over is not waiting
        else:
            expected: Any = {"yield": Result, "error": Error}[answer]
            assert kinds[:1] == ([expected] if waiting else [])
            assert made.over

    @precondition(lambda self: self.model.present)
    @rule(who=WHO)
    def answer_nothing(self, who: int) -> None:
        """Somebody answers what it never was asked: a violation that nobody else notices."""
        picked = self.model.present[who % len(self.model.present)]
        for number in (0, self.model.issued.get(picked.session, 0) + 1, NEVER):
            try:
                self.realm.dealer.yielded(picked, number, {}, None)
            except ProtocolViolation:
                continue
            raise AssertionError("an invocation that never was has been accepted")

    @precondition(lambda self: self.model.made)
    @rule(who=WHO, mode=st.sampled_from(["skip", "kill", "killnowait", None, "time is up"]))
    def cancel(self, who: int, mode: str | None) -> None:
        """A caller cancels, or has waited long enough, perhaps too late: it is answered at once, or a callee that can
        stop is asked to."""
        model, dealer = self.model, self.realm.dealer
        made = model.some_call(who)
        if made.caller not in model.present:
            return
        waiting = not made.over
        if mode == "time is up":
            pending = dealer.pending.called(made.caller, made.request)
            kinds = model.take(dealer.expired(pending)) if pending is not None else []
        else:
            kinds = model.take(dealer.cancel(made.caller, made.request, {"mode": mode}))
        if not waiting:
            assert kinds == []
        elif mode == "kill" and made.callee is not None and CANCELING in made.callee.features:
            assert made.interrupted
            assert not made.over
        else:
            assert made.over

    @invariant()
    def books_agree(self) -> None:
        """The dealer and the model have the same in progress, and its registrations are found by their ids."""
        self.model.check()
        dealer = self.realm.dealer
        filed = list(dealer)
        assert [dealer.find(each.id) for each in filed] == filed
        assert len(dealer._registrations._by_id) == len(filed)

    def teardown(self) -> None:
        """In the end all leave, and every call that was made has had its one end."""
        while self.model.present:
            self.leave(0)
        assert not self.model.open_calls()
