"""A random life of one dealer's members, checked at every step: each call has exactly one end."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match
from orosync.router.delivery import Delivery, Member
from orosync.router.realm import Realm
from orosync.router.registrations import Invoke
from orosync.wamp import names
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from orosync.wamp.payload import Payload
from orosync.wamp.uris import matches
from tests.router.people import member, names_of

PROCEDURES = ["a", "a.b", "a.c", "b.c"]
OFFERED = [
    *[(procedure, Match.EXACT) for procedure in PROCEDURES],
    ("a", Match.PREFIX),
    ("a.", Match.PREFIX),
    ("a.", Match.WILDCARD),
    (".c", Match.WILDCARD),
]
CANCELING, PROGRESS = "callee.call_canceling", "callee.progressive_call_results"
FEATURES = ["", CANCELING, PROGRESS, f"{CANCELING} {PROGRESS}"]
WHO = st.integers(min_value=0, max_value=50)
CALLS = st.tuples(WHO, st.sampled_from(PROCEDURES), st.sampled_from([False, False, False, True]), st.booleans())
NEVER = 10**9


@attrs.define
class Made:
    """A CALL as the model sees it; ``over`` once its one RESULT or ERROR came, or its caller left."""

    caller: Member
    request: int
    callee: Member
    invocation: int
    progress: bool
    over: bool = False
    interrupted: bool = False


class DealerMachine(RuleBasedStateMachine):
    """Members come, register, call, answer, cancel and go; ``made`` is every call there ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.realm = Realm("machine", pending_limit=4)
        self.people: list[Member] = []
        self.offered: dict[int, dict[int, tuple[str, Match]]] = {}
        self.made: list[Made] = []
        self.issued: dict[int, int] = {}
        self.joined = self.serial = 0

    def open_calls(self) -> list[Made]:
        return [made for made in self.made if not made.over]

    def some_call(self, who: int) -> Made:
        """Mostly one in progress, sometimes one that may long be over."""
        calls = (self.open_calls() if who % 4 else []) or self.made
        return calls[who % len(calls)]

    def call_of(self, caller: Member, request: int) -> Made:
        """The call in progress that an answer with this id can only be meant for."""
        (found,) = [made for made in self.open_calls() if made.caller is caller and made.request == request]
        return found

    def take(self, deliveries: list[Delivery]) -> list[Any]:
        """Look at every delivery as its receiver would; the kinds of the messages."""
        kinds: list[Any] = []
        for receivers, message, _, about in deliveries:
            (receiver,) = receivers
            assert receiver in self.people, "a delivery to somebody who is not there"
            assert about == ""
            kinds.append(type(message))
            if isinstance(message, Interrupt):
                (made,) = [m for m in self.made if m.callee is receiver and m.invocation == message.request]
                assert CANCELING in receiver.features
                assert not made.interrupted, "interrupted twice"
                made.interrupted = True
            elif isinstance(message, Result) and message.details:
                assert message.details == {"progress": True}
                assert self.call_of(receiver, int(message.request)).progress
            elif isinstance(message, Result | Error):
                assert not isinstance(message, Error) or message.request_type == 48
                self.call_of(receiver, int(message.request)).over = True
        return kinds

    @initialize(features=st.lists(st.sampled_from(FEATURES), min_size=3, max_size=3))
    def open_for_business(self, features: list[str]) -> None:
        """Some are there from the beginning, and something can be called."""
        for number, announced in enumerate(features):
            self.join(announced)
            self.register(number, OFFERED[-1 - number], Invoke.ROUNDROBIN)

    @rule(features=st.sampled_from(FEATURES))
    def join(self, features: str) -> None:
        """Somebody comes."""
        somebody = member(self.joined, features=features)
        self.joined += 1
        self.realm.join(somebody)
        self.people.append(somebody)
        self.offered[somebody.session] = {}

    @precondition(lambda self: len(self.people) > 1)
    @rule(who=WHO)
    def leave(self, who: int) -> None:
        """Somebody goes: who waits for it is told, who works for it may stop, nothing names it any more."""
        gone = self.people.pop(who % len(self.people))
        del self.offered[gone.session]
        waiting = [made for made in self.open_calls() if made.callee is gone and made.caller is not gone]
        abandoned = [made for made in self.open_calls() if made.caller is gone]
        self.take(self.realm.leave(gone))
        assert all(made.over for made in waiting), "a caller was left waiting"
        for made in abandoned:
            assert not made.over
            made.over = True
            assert made.interrupted or made.callee is gone or CANCELING not in made.callee.features
        assert names_of(self.realm, gone) == []
        assert not gone.registrations

    @precondition(lambda self: self.people)
    @rule(who=WHO, offered=st.sampled_from(OFFERED), invoke=st.sampled_from([Invoke.ROUNDROBIN, Invoke.SINGLE]))
    def register(self, who: int, offered: tuple[str, Match], invoke: Invoke) -> None:
        """Somebody registers a procedure, or it is refused and nothing changes."""
        somebody = self.people[who % len(self.people)]
        standing = self.realm.dealer.lookup(*offered)
        try:
            registration = self.realm.dealer.register(somebody, *offered, invoke)
        except RequestError as error:
            assert error.uri == names.PROCEDURE_ALREADY_EXISTS
            assert standing is not None
        else:
            assert standing in (None, registration)
            self.offered[somebody.session][registration.id] = offered

    @precondition(lambda self: self.people)
    @rule(who=WHO, number=st.integers(min_value=0, max_value=10))
    def unregister(self, who: int, number: int) -> None:
        """Somebody withdraws a procedure: its own, or it is refused."""
        somebody = self.people[who % len(self.people)]
        try:
            self.realm.dealer.unregister(somebody, number)
        except RequestError:
            assert number not in self.offered[somebody.session]
        else:
            del self.offered[somebody.session][number]

    @precondition(lambda self: self.people)
    @rule(calls=st.lists(CALLS, min_size=1, max_size=5))
    def call(self, calls: list[tuple[int, str, bool, bool]]) -> None:
        """Some call, one after the other."""
        for call in calls:
            self.call_once(*call)

    def call_once(self, who: int, procedure: str, again: bool, progress: bool) -> None:
        """Somebody calls: one who offers the procedure gets it under its next id, or the caller an ERROR."""
        caller = self.people[who % len(self.people)]
        mine = [made for made in self.open_calls() if made.caller is caller]
        self.serial += 1
        request = mine[0].request if again and mine else self.serial
        payload = Payload.of([self.serial])
        try:
            deliveries = self.realm.dealer.call(caller, request, procedure, {"receive_progress": progress}, payload)
        except ProtocolViolation:
            assert again and mine
            return
        except RequestError as error:
            if error.uri == names.NO_SUCH_PROCEDURE:
                assert not self.offering(procedure)
            else:
                assert error.uri == names.UNAVAILABLE
                assert len(mine) == 4 or any(
                    len([made for made in self.open_calls() if made.callee is callee]) == 4 for callee in self.people
                )
            return
        assert not (again and mine)
        ((receivers, message, carried, _),) = deliveries
        (callee,) = receivers
        assert isinstance(message, Invocation)
        assert callee in self.offering(procedure)
        assert carried is payload
        self.issued[callee.session] = self.issued.get(callee.session, 0) + 1
        assert message.request == self.issued[callee.session], "ids are not sequential for this callee"
        expected = progress and PROGRESS in callee.features
        assert message.details.get("receive_progress", False) is expected
        self.made.append(Made(caller, request, callee, message.request, expected))

    def offering(self, procedure: str) -> list[Member]:
        return [
            somebody
            for somebody in self.people
            if any(matches(pattern, match, procedure) for pattern, match in self.offered[somebody.session].values())
        ]

    @precondition(lambda self: self.made)
    @rule(answers=st.lists(st.tuples(WHO, st.sampled_from(["yield", "progress", "error"])), min_size=1, max_size=4))
    def answer(self, answers: list[tuple[int, str]]) -> None:
        """Some answer, one after the other."""
        for answer in answers:
            self.answer_once(*answer)

    def answer_once(self, who: int, answer: str) -> None:
        """A callee answers, perhaps too late: once at most it reaches the caller."""
        made = self.some_call(who)
        if made.callee not in self.people:
            return
        dealer, waiting = self.realm.dealer, not made.over
        if answer == "error":
            kinds = self.take(dealer.failed(made.callee, made.invocation, {}, "com.app.error", None))
        else:
            options = {"progress": True} if answer == "progress" else {}
            kinds = self.take(dealer.yielded(made.callee, made.invocation, options, None))
        if answer == "progress":
            assert kinds == ([Result] if waiting and made.progress else [])
            assert made.over is not waiting
        else:
            assert kinds == ([{"yield": Result, "error": Error}[answer]] if waiting else [])
            assert made.over

    @precondition(lambda self: self.people)
    @rule(who=WHO)
    def answer_nothing(self, who: int) -> None:
        """Somebody answers what it never was asked: a violation that nobody else notices."""
        somebody = self.people[who % len(self.people)]
        for number in (0, self.issued.get(somebody.session, 0) + 1, NEVER):
            try:
                self.realm.dealer.yielded(somebody, number, {}, None)
            except ProtocolViolation:
                continue
            raise AssertionError("an invocation that never was has been accepted")

    @precondition(lambda self: self.made)
    @rule(who=WHO, mode=st.sampled_from(["skip", "kill", "killnowait", None]))
    def cancel(self, who: int, mode: str | None) -> None:
        """A caller cancels, perhaps too late: it is answered at once, or a callee that can stop is asked to."""
        made = self.some_call(who)
        if made.caller not in self.people:
            return
        waiting = not made.over
        kinds = self.take(self.realm.dealer.cancel(made.caller, made.request, {"mode": mode}))
        if not waiting:
            assert kinds == []
        elif mode == "kill" and CANCELING in made.callee.features:
            assert made.interrupted
            assert not made.over
        else:
            assert made.over

    @invariant()
    def books_agree(self) -> None:
        """What the dealer has in progress is what the model has: nobody waits for an answer that cannot come."""
        assert len(self.realm.dealer._pending) == len(self.open_calls())
        for somebody in self.people:
            mine = {found.id: (found.procedure, found.match) for found in somebody.registrations.values()}
            assert mine == self.offered[somebody.session]

    def teardown(self) -> None:
        """In the end all leave, and every call that was made has had its one end."""
        while self.people:
            self.leave(0)
        assert not self.open_calls()
