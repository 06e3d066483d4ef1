"""The timer wheel: each deadline in time, and no timer without members."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.timers import Timed, TimerWheel


class Sleeper:
    """Notes when its turn comes; ``again`` enters it anew."""

    def __init__(self, timers: TimerWheel, clock: Clock, again: int = 0) -> None:
        self.slot: set[Timed] | None = None
        self.timers = timers
        self.clock = clock
        self.again = again
        self.turns: list[float] = []

    def due(self) -> None:
        self.turns.append(round(self.clock.seconds(), 6))
        if self.again:
            self.timers.schedule(self, self.again)


class WheelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.timers = TimerWheel(self.clock, 0.5, 25)

    def sleeper(self, seconds: float, again: int = 0) -> Sleeper:
        sleeper = Sleeper(self.timers, self.clock, again)
        self.timers.schedule(sleeper, self.timers.ticks(seconds))
        return sleeper

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.25] * int(seconds * 4))

    def test_deadlines_come_in_time(self) -> None:
        """Never early, whenever within a tick somebody enters, and at most two ticks late."""
        sleepers = {}
        for seconds in (0.5, 2, 5, 10, 24.5, 25):
            sleepers[seconds] = (self.clock.seconds(), self.sleeper(seconds))
            self.run_for(0.25)
        self.run_for(30)
        for seconds, (since, sleeper) in sleepers.items():
            (turn,) = sleeper.turns
            self.assertTrue(seconds <= turn - since <= seconds + 1, (seconds, turn - since))

    def test_a_cancelled_deadline(self) -> None:
        """A connection that is gone, or has done what was asked, is not called."""
        early, late = self.sleeper(2), self.sleeper(2)
        self.timers.cancel(early)
        self.timers.cancel(early)
        self.run_for(5)
        self.assertEqual((early.turns, len(late.turns)), ([], 1))

    def test_one_that_raises(self) -> None:
        """The others have their turns, in the same tick and later."""

        def fail() -> None:
            raise ZeroDivisionError

        several = [self.sleeper(2) for _ in range(5)]
        later = self.sleeper(4)
        several[2].due = fail  # type: ignore[method-assign]
        self.run_for(6)
        self.assertEqual([len(one.turns) for one in (*several, later)], [1, 1, 0, 1, 1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_scheduling_again_moves_the_deadline(self) -> None:
        """One deadline at a time: the later word counts, earlier or later."""
        sleeper = self.sleeper(2)
        self.timers.schedule(sleeper, self.timers.ticks(10))
        self.run_for(5)
        self.assertEqual(sleeper.turns, [])
        self.timers.schedule(sleeper, self.timers.ticks(1))
        self.run_for(2)
        self.assertEqual(len(sleeper.turns), 1)

    def test_a_member_may_schedule_itself_again(self) -> None:
        """Rounds go on."""
        sleeper = self.sleeper(1, again=2)
        self.run_for(6.1)
        self.assertEqual(sleeper.turns, [1.5, 2.5, 3.5, 4.5, 5.5])

    def test_the_timer_runs_only_for_members(self) -> None:
        """An idle listener wakes nobody, and a closed one leaves nothing behind."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        sleeper = self.sleeper(5)
        self.timers.stop_when_empty()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.timers.cancel(sleeper)
        self.run_for(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.timers.stop_when_empty()
        self.timers.cancel(self.sleeper(5))
        self.assertEqual(self.clock.getDelayedCalls(), [])
