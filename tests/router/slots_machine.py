"""A random life of one dealer whose callees say how many calls they take at once, against a model that counts alone.

All offer the same few procedures, so that registrations outlive their callees: what is taken under one registration of
a callee, and answered, cancelled or rerouted under the next, is met in nearly every run.
"""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.dealer import Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.registrations import Invoke, RegisterOptions
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Invocation, Result
from orosync.wamp.payload import Payload
from tests.router.members import member

QUEUE = 3
PROCEDURES = ("a", "b")
POLICIES = {"a": Invoke.ROUNDROBIN, "b": Invoke.FIRST}
FEATURES = (
    "callee.call_reroute",
    "callee.call_canceling",
    "callee.call_canceling callee.call_reroute callee.progressive_call_results",
)
ANSWERS = ("yield", "error", "busy")
MODES = ("skip", "kill", "killnowait", "timeout", "withdraw")
END = st.sampled_from(ANSWERS + MODES)
WHO = st.integers(min_value=0, max_value=len(FEATURES) - 1)
ANY = st.integers(min_value=0, max_value=50)


@attrs.define(eq=False)
class Seats:
    """What a callee takes at once by one REGISTER of its (None: any number), and the calls that have a slot of it."""

    most: int | None
    calls: list[Wanted] = attrs.Factory(list)

    @property
    def free(self) -> bool:
        return self.most is None or len(self.calls) < self.most


@attrs.define(eq=False)
class Wanted:
    """One CALL. ``seats`` is where it has its slot, None while it waits."""

    caller: Member
    request: int
    procedure: str
    payload: Payload
    callee: Member | None = None
    invocation: int = 0
    seats: Seats | None = None
    over: bool = False
    waits: bool = False


class SlotsMachine(RuleBasedStateMachine):
    """Three members register, unregister, call, answer (late, too), cancel, wait too long, are killed and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.dealer = Dealer(pending_limit=100, queue_limit=QUEUE, draw=lambda callees: callees[0])
        self.present = [member(number, features=features) for number, features in enumerate(FEATURES)]
        self.seats: dict[tuple[str, int], Seats] = {}
        self.calls: list[Wanted] = []
        self.queues: dict[str, list[Wanted]] = {procedure: [] for procedure in PROCEDURES}
        self.joined, self.serial = len(FEATURES), 0

    # -- what members do

    @initialize()
    def offer(self) -> None:
        """Something can be called from the beginning, and the registrations last."""
        for who in range(len(self.present)):
            self.register(who, "a", 1)

    @rule(who=WHO, procedure=st.sampled_from(PROCEDURES), most=st.sampled_from([None, 1, 1, 1, 2, 2]))
    def register(self, who: int, procedure: str, most: int | None) -> None:
        """A member registers a procedure, or has it already."""
        callee = self.present[who]
        try:
            made = self.dealer.register(
                callee, procedure, Match.EXACT, POLICIES[procedure], RegisterOptions(concurrency=most)
            )
        except RequestError as error:
            assert error.uri == uris.PROCEDURE_ALREADY_EXISTS
            assert (procedure, callee.session) in self.seats
            return
        assert (procedure, callee.session) not in self.seats
        self.seats[procedure, callee.session] = Seats(most)
        self.take(made[1])

    @rule(who=WHO, procedure=st.sampled_from(PROCEDURES), revoked=st.booleans())
    def unregister(self, who: int, procedure: str, revoked: bool) -> None:
        """A member withdraws a procedure, or loses it. The calls that it works on go on."""
        callee = self.present[who]
        if (procedure, callee.session) in self.seats:
            number = next(n for n, one in callee.registrations.items() if one.procedure == procedure)
            del self.seats[procedure, callee.session]
            self.take((self.dealer.revoke if revoked else self.dealer.unregister)(callee, number))

    @rule(who=WHO, procedure=st.sampled_from(PROCEDURES), most=st.sampled_from([None, 1, 2]))
    def take_over(self, who: int, procedure: str, most: int | None) -> None:
        """A member takes a procedure from all who have it: what waits comes to it, what is worked on stays."""
        callee, policy = self.present[who], POLICIES[procedure]
        made = self.dealer.register(callee, procedure, Match.EXACT, policy, RegisterOptions(concurrency=most), True)
        for key in [key for key in self.seats if key[0] == procedure]:
            del self.seats[key]
        self.seats[procedure, callee.session] = Seats(most)
        self.take(made[1])

    @precondition(lambda self: self.calls)
    @rule(which=ANY, most=st.sampled_from([1, 1, 2]), calls=st.lists(WHO, max_size=4), late=END)
    def again(self, which: int, most: int, calls: list[int], late: str) -> None:
        """A member that works on a call registers again what it does it for, is called, and the call ends some way."""
        wanted = self.some_call(which)
        if wanted.callee in self.present:
            who = self.present.index(wanted.callee)
            self.unregister(who, wanted.procedure, False)
            self.register(who, wanted.procedure, most)
            for caller in calls:
                self.call_once(caller, wanted.procedure, False)
            if late in ANSWERS:
                self.answer_call(wanted, late)
            else:
                self.cancel_call(wanted, late)

    @rule(calls=st.lists(st.tuples(WHO, st.sampled_from("aab"), st.booleans()), min_size=1, max_size=4))
    def call(self, calls: list[tuple[int, str, bool]]) -> None:
        """Some call, one after the other."""
        for one in calls:
            self.call_once(*one)

    def call_once(self, who: int, procedure: str, timeout: bool) -> None:
        """A member calls: it is handed over, waits, or is refused because too many wait or there is no callee."""
        self.serial += 1
        wanted = Wanted(self.present[who], self.serial, procedure, Payload.of([self.serial]))
        offered = [seats for (name, _), seats in self.seats.items() if name == procedure]
        queue = self.queues[procedure]
        try:
            made = self.dealer.call(
                wanted.caller, wanted.request, procedure, {"timeout": 500} if timeout else {}, wanted.payload
            )
        except RequestError as error:
            assert error.uri == (uris.UNAVAILABLE if offered else uris.NO_SUCH_PROCEDURE)
            assert not offered or (len(queue) == QUEUE and not any(seats.free for seats in offered))
            return
        self.calls.append(wanted)
        if not any(seats.free for seats in offered):
            assert made == []
            wanted.waits = True
            queue.append(wanted)
        self.take(made)
        assert wanted.waits or wanted.callee is not None

    @precondition(lambda self: self.calls)
    @rule(answers=st.lists(st.tuples(ANY, st.sampled_from(ANSWERS)), min_size=1, max_size=3))
    def answer(self, answers: list[tuple[int, str]]) -> None:
        """Some answer, one after the other."""
        for one in answers:
            self.answer_once(*one)

    def answer_once(self, which: int, answer: str) -> None:
        """A callee answers, perhaps for the second time or when the call is over."""
        self.answer_call(self.some_call(which), answer)

    def answer_call(self, wanted: Wanted, answer: str) -> None:
        callee = wanted.callee
        if callee not in self.present:
            return
        if answer == "yield":
            made = self.dealer.yielded(callee, wanted.invocation, {}, None)
        else:
            error = uris.UNAVAILABLE if answer == "busy" else "com.app.error"
            made = self.dealer.failed(callee, wanted.invocation, {}, error, None)
        self.take(made)

    @precondition(lambda self: self.calls)
    @rule(which=ANY, mode=st.sampled_from(MODES))
    def cancel(self, which: int, mode: str) -> None:
        """A caller cancels, or its time is up, or it is answered by the router itself; perhaps too late."""
        self.cancel_call(self.some_call(which), mode)

    def cancel_call(self, wanted: Wanted, mode: str) -> None:
        if wanted.caller not in self.present:
            return
        dealer, caller, request = self.dealer, wanted.caller, wanted.request
        if mode == "timeout":
            pending = dealer.pending.called(caller, request)
            self.take([] if pending is None else dealer.expired(pending))
        elif mode == "withdraw":
            made = dealer.withdraw(caller, request)
            self.end(wanted)
            self.take(made)
        else:
            self.take(dealer.cancel(caller, request, {"mode": mode}))

    @rule(who=WHO)
    def killed(self, who: int) -> None:
        """A member is gone, and comes back as another session."""
        gone = self.present[who]
        for key in [key for key in self.seats if key[1] == gone.session]:
            del self.seats[key]
        for wanted in self.calls:
            if wanted.caller is gone:
                self.end(wanted)
        self.present[who] = member(self.joined, features=FEATURES[who])
        self.joined += 1
        self.take(self.dealer.leave(gone))
        assert not [wanted for wanted in self.calls if wanted.callee is gone and not wanted.over]

    # -- what the model makes of the deliveries

    def some_call(self, which: int) -> Wanted:
        """Mostly one in progress, sometimes one that may long be over."""
        calls = ([wanted for wanted in self.calls if not wanted.over] if which % 4 else []) or self.calls
        return calls[which % len(calls)]

    def end(self, wanted: Wanted) -> None:
        """It is over: its slot is free, or its place in the queue."""
        wanted.over = True
        if wanted.seats is not None and wanted in wanted.seats.calls:
            wanted.seats.calls.remove(wanted)
        if wanted in self.queues[wanted.procedure]:
            self.queues[wanted.procedure].remove(wanted)

    def take(self, deliveries: list[Delivery]) -> None:
        """Look at every delivery, those that end calls first: their slots are free before others come."""
        for receivers, message, _, _ in deliveries:
            if isinstance(message, Result | Error):
                (receiver,) = receivers
                (wanted,) = [one for one in self.calls if one.caller is receiver and one.request == message.request]
                assert not wanted.over, "answered twice"
                self.end(wanted)
        for receivers, message, payload, _ in deliveries:
            (receiver,) = receivers
            assert receiver in self.present, "a delivery to a member that is gone"
            assert isinstance(message, Result | Error | Invocation | Interrupt) or not message.request
            if isinstance(message, Invocation):
                (wanted,) = [one for one in self.calls if one.payload is payload]
                self.invoked(wanted, receiver, int(message.request))

    def invoked(self, wanted: Wanted, callee: Member, invocation: int) -> None:
        """A call gets a slot of what the callee has registered now."""
        assert not wanted.over, "handed over when it was over"
        if wanted.seats is not None:
            wanted.seats.calls.remove(wanted)  # its first callee could not take it
        queue = self.queues[wanted.procedure]
        if wanted.waits and wanted in queue:
            assert queue.pop(0) is wanted, "out of turn"
        seats = self.seats[wanted.procedure, callee.session]
        assert seats.free, "more than it takes"
        seats.calls.append(wanted)
        wanted.callee, wanted.invocation, wanted.seats = callee, invocation, seats

    @invariant()
    def slots_agree(self) -> None:
        """The dealer knows each slot that is free, no call waits for one, and nothing else is in progress."""
        for procedure in PROCEDURES:
            registration = self.dealer.lookup(procedure)
            for callee in self.present:
                seats = self.seats.get((procedure, callee.session))
                if seats is not None:
                    assert registration is not None
                    assert registration.is_free(callee) is seats.free, "a slot was lost, or came twice"
                    assert not (seats.free and self.queues[procedure]), "a slot is free, and a call waits"
        assert len(self.dealer.pending) == sum(not wanted.over for wanted in self.calls)

    def teardown(self) -> None:
        """In the end each callee takes again as many calls as it said, and every call has had its one end."""
        for who in range(len(self.present)):
            self.killed(who)
        assert all(wanted.over for wanted in self.calls)
        sessions: Any = self.dealer.pending._sessions
        assert not sessions
