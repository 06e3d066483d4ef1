"""How calls end: R1, R3, R4 and P13, beyond tests/router/test_dealer.py."""

from __future__ import annotations

from typing import Any

from orosync.errors import ProtocolViolation
from orosync.router.dealer import CALL_CANCELING
from orosync.router.deliveries import Member
from orosync.router.pending import PendingCall
from orosync.wamp import uris
from orosync.wamp.messages import Error, Interrupt, Result
from tests.router.dealer_case import ANSWER, PROGRESSIVE_RESULTS, DealerCase
from tests.router.members import PAYLOAD, member

PASSTHRU = "payload_passthru_mode"


class Clockwork:
    """A watch that records its calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def progressed(self) -> None:
        self.seen.append("progressed")

    def settled(self) -> None:
        self.seen.append("settled")


class Timeouts(DealerCase):
    """R3: call timeouts."""

    def timed(self, callee: Member, **options: Any) -> tuple[PendingCall, Clockwork]:
        self.dealer.register(callee, "a")
        self.call(callee, timeout=500, **options)
        pending = self.dealer.timed(self.anna, 1)
        assert pending is not None and pending.state is not None
        self.assertEqual(pending.state.timeout, 500)
        watch = pending.state.watch = Clockwork()
        return pending, watch

    def test_expired(self) -> None:
        """The caller is answered, a callee that can be interrupted is, and what it still says is dropped."""
        for callee in (self.plain, self.interruptible):
            self.setUp()
            pending, watch = self.timed(callee)
            deliveries = self.dealer.expired(pending)
            messages = [one.message for one in deliveries]
            interrupt = [Interrupt(1, {"mode": "killnowait"})] if CALL_CANCELING in callee.features else []
            self.assertEqual(messages, [*interrupt, Error(48, 1, {}, uris.TIMEOUT)])
            self.assertEqual(watch.seen, ["settled"])
            self.assertEqual(self.dealer.yielded(callee, 1, {}, ANSWER), [])
            self.assertEqual(self.dealer.expired(pending), [])

    def test_settled(self) -> None:
        """However a call ends, its watch is called, and a time limit that passes afterwards has no effect."""
        ends: list[Any] = [
            lambda: self.dealer.yielded(self.interruptible, 1, {}, None),
            lambda: self.dealer.failed(self.interruptible, 1, {}, "com.app.error", None),
            lambda: self.dealer.cancel(self.anna, 1, {}),
            lambda: self.dealer.withdraw(self.anna, 1),
            lambda: self.dealer.leave(self.anna),
            lambda: self.dealer.leave(self.interruptible),
        ]
        for end in ends:
            self.setUp()
            pending, watch = self.timed(self.interruptible)
            end()
            self.assertEqual(watch.seen, ["settled"])
            self.assertEqual(self.dealer.expired(pending), [])

    def test_progress(self) -> None:
        """Each progressive result starts the time anew."""
        _, watch = self.timed(self.progressive, receive_progress=True)
        for _ in range(2):
            self.dealer.yielded(self.progressive, 1, {"progress": True}, None)
        self.assertEqual(watch.seen, ["progressed", "progressed"])

    def test_no_limit(self) -> None:
        """Without a time limit, or with 0, there is no watch."""
        self.dealer.register(self.plain, "a")
        self.call(self.plain)
        self.call(self.plain, 2, timeout=0)
        self.assertEqual([self.dealer.timed(self.anna, n) for n in (1, 2, 3)], [None, None, None])


class Progress(DealerCase):
    """R1: progressive call results."""

    def test_an_error_ends_it(self) -> None:
        """Results in order, then the ERROR, then nothing."""
        self.dealer.register(self.progressive, "a")
        self.call(self.progressive, receive_progress=True)
        for _ in range(2):
            message = self.only(self.dealer.yielded(self.progressive, 1, {"progress": True}, ANSWER), self.anna, ANSWER)
            self.assertEqual(message, Result(1, {"progress": True}))
        message = self.only(self.dealer.failed(self.progressive, 1, {}, "com.app.error", None), self.anna)
        self.assertEqual(message, Error(48, 1, {}, "com.app.error"))
        self.assertEqual(self.dealer.yielded(self.progressive, 1, {"progress": True}, ANSWER), [])

    def test_whatever_the_callee_announces(self) -> None:
        """Every callee learns that the caller takes progressive results, and those that it sends are relayed; those
        that the caller did not ask for are not."""
        for number, callee in enumerate((self.plain, self.interruptible, self.progressive)):
            procedure = f"p{number}"
            self.dealer.register(callee, procedure)
            for relayed in (True, False):
                request, options = 2 * number + relayed, {"receive_progress": True} if relayed else {}
                ((_, message, _, _),) = self.dealer.call(self.anna, request, procedure, options, PAYLOAD)
                self.assertEqual(message.details, options)
                invocation = 1 if relayed else 2
                seen = self.dealer.yielded(callee, invocation, {"progress": True}, ANSWER)
                self.assertEqual([one.message for one in seen], [Result(request, {"progress": True})] * relayed)
                last = self.dealer.yielded(callee, invocation, {}, ANSWER)
                self.assertEqual([one.message for one in last], [Result(request, {})])

    def test_the_caller_has_gone(self) -> None:
        """There is no receiver left."""
        self.dealer.register(self.progressive, "a")
        self.call(self.progressive, receive_progress=True)
        self.dealer.leave(self.anna)
        self.assertEqual(self.dealer.yielded(self.progressive, 1, {"progress": True}, ANSWER), [])


class Canceling(DealerCase):
    """R4: the races of cancelling."""

    def test_a_result_under_kill(self) -> None:
        """A callee that had answered before the INTERRUPT arrived: its result counts, once."""
        self.dealer.register(self.interruptible, "a")
        self.call(self.interruptible)
        self.only(self.dealer.cancel(self.anna, 1, {"mode": "kill"}), self.interruptible)
        self.assertEqual(
            self.only(self.dealer.yielded(self.interruptible, 1, {}, ANSWER), self.anna, ANSWER), Result(1, {})
        )
        self.assertEqual(self.dealer.failed(self.interruptible, 1, {}, uris.CANCELED, None), [])
        self.assertEqual(self.dealer.cancel(self.anna, 1, {"mode": "kill"}), [])

    def test_patience_runs_out(self) -> None:
        """Killed first and not waited for then: one INTERRUPT, one answer."""
        self.dealer.register(self.interruptible, "a")
        self.call(self.interruptible)
        self.dealer.cancel(self.anna, 1, {"mode": "kill"})
        message = self.only(self.dealer.cancel(self.anna, 1, {"mode": "killnowait"}), self.anna)
        self.assertEqual(message, Error(48, 1, {}, uris.CANCELED))
        self.assertEqual(self.dealer.yielded(self.interruptible, 1, {}, ANSWER), [])

    def test_withdrawn(self) -> None:
        """A call that the caller's session has answered: its callee is interrupted, and no second answer comes."""
        self.dealer.register(self.interruptible, "a")
        self.call(self.interruptible)
        message = self.only(self.dealer.withdraw(self.anna, 1), self.interruptible)
        self.assertEqual(message, Interrupt(1, {"mode": "killnowait"}))
        self.assertEqual(self.dealer.yielded(self.interruptible, 1, {}, ANSWER), [])
        self.assertEqual(self.dealer.withdraw(self.anna, 1), [])


class Sealed(DealerCase):
    """P13: answers with a payload that only the caller can read."""

    SEAL = {"ppt_scheme": "wamp", "ppt_keyid": "k"}  # noqa: RUF012

    def setUp(self) -> None:
        super().setUp()
        self.anna = member(1, "anna", features=f"caller.{PASSTHRU}")
        self.able = member(8, features=f"callee.{PASSTHRU} {PROGRESSIVE_RESULTS}")
        self.dealer.register(self.able, "a")
        self.call(self.able, receive_progress=True)

    def test_handed_on(self) -> None:
        """With results, in progress and final, and with errors."""
        message = self.only(
            self.dealer.yielded(self.able, 1, {"progress": True, **self.SEAL}, PAYLOAD), self.anna, PAYLOAD
        )
        self.assertEqual(message, Result(1, {"progress": True, **self.SEAL}))
        message = self.only(self.dealer.yielded(self.able, 1, self.SEAL, PAYLOAD), self.anna, PAYLOAD)
        self.assertEqual(message, Result(1, self.SEAL))
        self.call(self.able, 2)
        message = self.only(
            self.dealer.failed(self.able, 2, {**self.SEAL, "x": 1}, "com.e", PAYLOAD), self.anna, PAYLOAD
        )
        self.assertEqual(message, Error(48, 2, self.SEAL, "com.e"))

    def test_a_caller_that_cannot_read_it(self) -> None:
        """It gets an ERROR and does not wait for ever."""
        self.dealer.call(self.plain, 1, "a", {}, PAYLOAD)
        ((receivers, message, _, _),) = self.dealer.yielded(self.able, 2, self.SEAL, PAYLOAD)
        self.assertEqual((list(receivers), message), ([self.plain], Error(48, 1, {}, uris.FEATURE_NOT_SUPPORTED)))
        self.dealer.call(self.plain, 2, "a", {}, PAYLOAD)
        ((_, message, payload, _),) = self.dealer.failed(self.able, 3, self.SEAL, "com.e", PAYLOAD)
        self.assertEqual(message, Error(48, 2, {}, "com.e"))
        self.assertIsNot(payload, PAYLOAD)

    def test_not_announced(self) -> None:
        """A callee that has not announced it violates the protocol."""
        self.dealer.register(self.plain, "b")
        self.call(self.plain, 3, "b")
        self.assertRaises(ProtocolViolation, self.dealer.yielded, self.plain, 1, self.SEAL, PAYLOAD)
