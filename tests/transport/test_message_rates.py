"""What passes at once, what passes each second, and what is told of those who send more."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.testing import RecordingJournal
from orosync.transport.message_rates import NO_LIMIT, UNKNOWN, Allowance, MessageRates
from tests.transport.sender import Sender

SLOWED, CUT = ("connection.slowed", "message_rate"), ("connection.cut", "message_rate")


class RatesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.senders = 0

    def sender(self, joined: Allowance | None = None, unlimited: bool = False) -> Sender:
        """A new connection; ``joined`` where it has joined already."""
        rates = self.rates = MessageRates(self.clock, self.journal, "public", joined or Allowance(1000, 2000))
        sender = Sender(rates, rates.bucket("192.0.2.7", unlimited))
        if joined is not None:
            sender.bucket.join("anna", "user")
        return sender

    def run_for(self, seconds: float) -> None:
        for _ in range(round(seconds * 32)):
            self.clock.advance(1 / 32)


class BeforeJoiningTests(RatesCase):
    def test_twenty_at_once_and_ten_a_second(self) -> None:
        """One more is handled, which is paid for by the pause that follows; then ten in each second."""
        sender = self.sender()
        self.assertEqual((sender.say(20), sender.pauses), (20, 0))
        self.assertEqual((sender.say(1000), sender.pauses), (1, 1))
        for second in range(1, 5):
            self.run_for(1)
            self.assertEqual(sender.passed, 21 + 10 * second)

    def test_who_stays_below_is_never_paused(self) -> None:
        """Ten a second for a minute, after a burst."""
        sender = self.sender()
        sender.say(20)
        for _ in range(600):
            self.clock.advance(0.1)
            self.assertEqual(sender.say(1), 1)
        self.assertEqual((sender.pauses, self.journal.notes), (0, []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_burst_comes_back_with_time_and_no_more(self) -> None:
        """However long it was silent."""
        sender = self.sender()
        for pause in (2.0, 3600.0):
            self.assertEqual(sender.say(20), 20)
            self.clock.advance(pause)
        self.assertEqual(sender.say(100), 21)

    def test_cut_after_five_seconds(self) -> None:
        """Told once with address and listener; what still waits is not read any more, and no timer is left."""
        sender = self.sender()
        sender.say(10_000)
        self.run_for(4.5)
        self.assertEqual(sender.ended, "")
        self.run_for(1)
        self.assertEqual(sender.ended, "cut: message_rate")
        passed = sender.passed
        self.run_for(10)
        self.assertEqual((sender.passed, passed), (passed, 71))
        self.assertEqual(self.journal.counts[CUT], 1)
        (fields,) = [fields for event, _, fields in self.journal.notes if event == CUT[0]]
        self.assertEqual(fields, {"listener": "public", "address": "192.0.2.7", "user": None, "seconds": 5.0})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_five_seconds_in_a_row(self) -> None:
        """Who was over its rate now and then is not cut, however often."""
        sender = self.sender()
        for _ in range(10):
            sender.say(40)
            self.run_for(10)
            self.assertEqual(sender.passed, sender.wanted)
        self.assertEqual((sender.pauses > 10, sender.ended), (True, ""))


class JoinedTests(RatesCase):
    def test_what_the_listener_allows(self) -> None:
        """The burst at once, exactly the rate from then on."""
        sender = self.sender(Allowance(1000, 2000))
        self.assertEqual((sender.say(2000), sender.pauses), (2000, 0))
        self.assertEqual(sender.say(100_000), 1)
        for second in range(1, 11):
            self.run_for(1)
            self.assertEqual(sender.passed, 2001 + 1000 * second)

    def test_no_timer_for_each_message(self) -> None:
        """A pause lasts until there are tokens for as long as a look at the clock is worth."""
        sender = self.sender(Allowance(1000, 2000))
        sender.say(100_000)
        self.run_for(10)
        self.assertLessEqual(sender.pauses, 10 * 16 + 1)

    def test_slow_rates(self) -> None:
        """Also one a second, and others that no tick divides."""
        for rate, burst in ((1, 1), (3, 7), (7, 5), (333, 100), (50_000, 6250)):
            sender = self.sender(Allowance(rate, burst))
            self.assertEqual(sender.say(rate * 100), burst + 1)
            self.run_for(20)
            self.assertAlmostEqual(sender.passed, burst + 1 + 20 * rate, delta=rate / 16 + 1)

    def test_a_page_and_a_publisher(self) -> None:
        """Twelve subscriptions at once, 500 publishes at once: not slowed, and once more after half a second."""
        sender = self.sender(Allowance(1000, 2000))
        for _ in range(20):
            self.assertEqual(sender.say(512), 512)
            self.clock.advance(0.512)
        self.assertEqual((sender.pauses, self.journal.counts), (0, {}))

    def test_only_slowed(self) -> None:
        """A busy service is never lost, unless the listener says so."""
        sender = self.sender(Allowance(100, 200))
        sender.say(100_000)
        self.run_for(60)
        self.assertEqual((sender.ended, sender.passed), ("", 201 + 6000))

    def test_cut_where_it_is_wanted(self) -> None:
        """message_rate_cut, for those who have joined."""
        sender = self.sender(Allowance(100, 200, cut=30.0))
        sender.say(100_000)
        self.run_for(29.5)
        self.assertEqual(sender.ended, "")
        self.run_for(1)
        self.assertEqual((sender.ended, self.journal.notes[-1][2]["user"]), ("cut: message_rate", "anna"))

    def test_told_once_and_counted_each_time(self) -> None:
        """One line for a connection, with all that is needed to find it."""
        sender = self.sender(Allowance(100, 200))
        for _ in range(3):
            sender.say(300)
            self.run_for(10)
        self.assertEqual(self.journal.counts[SLOWED], sender.pauses)
        self.assertGreater(sender.pauses, 3)
        ((event, kind, fields),) = self.journal.notes
        self.assertEqual((event, kind), SLOWED)
        told = {"listener": "public", "address": "192.0.2.7", "user": "anna", "rate": 100, "burst": 200}
        self.assertEqual(fields, told)

    def test_nothing_is_lost_and_nothing_is_left(self) -> None:
        """A client that stops is read to the end; then there is no timer."""
        sender = self.sender(Allowance(100, 200))
        sender.say(777)
        self.run_for(6)
        self.assertEqual((sender.passed, sender.paused), (777, False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone_while_it_waits(self) -> None:
        """It is not resumed any more, and no timer is kept for it."""
        sender = self.sender(Allowance(100, 200))
        sender.say(1000)
        sender.bucket.gone()
        self.rates.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.run_for(5)
        self.assertEqual(sender.passed, 201)

    def test_a_clock_that_is_set_back(self) -> None:
        """No client gets more by it, and none waits for the time that was."""
        sender = self.sender(Allowance(100, 200))
        self.clock.advance(1000)
        sender.say(200)
        self.clock.rightNow -= 500
        self.assertEqual(sender.say(1), 1)
        self.assertTrue(sender.paused)
        self.run_for(1)
        self.assertFalse(sender.paused)


class ExemptTests(RatesCase):
    def test_known_from_the_beginning(self) -> None:
        """The back end: its bucket is never empty, whatever happens to it."""
        sender = self.sender(unlimited=True)
        for act in (lambda: sender.bucket.join("", "backend"), sender.bucket.leave, sender.bucket.gone):
            self.assertEqual(sender.say(10_000), 10_000)
            act()
        self.assertEqual((NO_LIMIT.left, NO_LIMIT.joined, self.journal.notes), (inf, False, []))

    def test_known_when_it_joins(self) -> None:
        """A back end that says in HELLO who it is; after its goodbye it is any client."""
        sender = self.sender()
        sender.bucket.join("", "backend", unlimited=True)
        self.assertEqual(sender.say(100_000), 100_000)
        sender.bucket.leave()
        self.assertEqual(sender.say(100), 21)

    def test_roles(self) -> None:
        """A role without a limit, as long as it has none: rules may be read anew."""
        roles = {"service"}
        sender = self.sender()
        sender.bucket.join("robot", "service", roles)
        self.assertEqual((sender.say(50_000), sender.pauses), (50_000, 0))
        roles.clear()
        self.assertLessEqual(sender.say(50_000), 2001)
        self.assertTrue(sender.paused)
        roles.add("service")
        self.run_for(0.125)
        self.assertEqual(sender.passed, sender.wanted)

    def test_a_role_that_was_given_back(self) -> None:
        """After its goodbye a client has no role."""
        sender = self.sender()
        sender.bucket.join("robot", "service", {"service"})
        self.assertEqual(sender.say(5000), 5000)
        sender.bucket.leave()
        self.assertEqual(sender.say(100), 21)
        self.assertIsNone(self.journal.notes[-1][2]["user"])

    def test_other_roles(self) -> None:
        """One that is not named is none of them."""
        sender = self.sender()
        sender.bucket.join("anna", "user", {"service"})
        self.assertEqual(sender.say(50_000), 2001)


class JoiningTests(RatesCase):
    def test_joining_gives_what_the_listener_allows(self) -> None:
        """Whatever was used up before, though not what is still owed."""
        sender = self.sender()
        sender.say(20)
        sender.bucket.join("anna", "user")
        self.assertEqual(sender.say(5000), 2001)

    def test_going_round(self) -> None:
        """Joining again and again gives nothing: what was used up stays used up, on both sides."""
        sender = self.sender()
        for round_ in range(5):
            sender.bucket.join("anna", "user")
            self.assertEqual(sender.say(400), 400)
            sender.bucket.leave()
            self.assertEqual(sender.say(4), 4, round_)
        self.assertEqual(sender.say(10), 1)
        self.run_for(2)
        sender.bucket.join("anna", "user")
        self.assertEqual(sender.passed, sender.wanted)
        self.assertEqual(sender.say(5000), 2001)

    def test_joining_while_it_is_paused(self) -> None:
        """An answer that comes while a client waits for tokens: it waits no longer than it has to."""
        sender = self.sender()
        sender.say(25)
        self.assertTrue(sender.paused)
        sender.bucket.join("anna", "user")
        self.run_for(0.125)
        self.assertEqual((sender.passed, sender.paused), (25, False))


class PropertyTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(
        st.integers(1, 500),
        st.integers(1, 500),
        st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=30),
    )
    def test_never_more_and_never_less(self, rate: int, burst: int, talk: list[tuple[int, int]]) -> None:
        """Over any time: no more than a burst, its 32nd part, one message and the rate; and a client that is paused has
        used up all that came in. In the end everything has been read."""
        clock = Clock()
        allowance = Allowance.of(rate, burst, None)
        burst = allowance.burst
        rates = MessageRates(clock, RecordingJournal(), "public", allowance)
        sender = Sender(rates, rates.bucket("192.0.2.7"))
        sender.bucket.join("anna", "user")
        history = [(0.0, 0)]
        for messages, ticks in talk:
            sender.say(messages)
            for _ in range(ticks):
                history.append((clock.seconds(), sender.passed))
                clock.advance(1 / 32)
        history.append((clock.seconds(), sender.passed))
        for n, (began, before) in enumerate(history):
            for ended, after in history[n:]:
                self.assertLessEqual(after - before, burst + burst // 32 + 1 + rate * (ended - began) + 1e-3)
        if sender.paused:
            self.assertGreaterEqual(sender.passed, burst)
        clock.pump([1 / 32] * (32 * (sender.wanted // rate + 2)))
        self.assertEqual((sender.passed, clock.getDelayedCalls()), (sender.wanted, []))


class AllowanceTests(SynchronousTestCase):
    def test_what_strangers_have(self) -> None:
        """Written down in docs/transports.md."""
        self.assertEqual((UNKNOWN.burst, UNKNOWN.rate, UNKNOWN.cut), (20, 10, 5.0))
        self.assertEqual(Allowance.of(1000, 2000, None), Allowance(1000, 2000))

    def test_a_burst_is_no_less_than_what_comes_between_two_looks(self) -> None:
        """Otherwise the rate could not be reached."""
        self.assertEqual(Allowance.of(50_000, 64, 30.0), Allowance(50_000, 6250, 30.0))
