"""The wheel: everybody's deadline in time, and no timer for nobody."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.keepalive import Member, Wheel


class Sleeper:
    """Notes when its turn comes; ``again`` enters it anew."""

    def __init__(self, wheel: Wheel, clock: Clock, again: int = 0) -> None:
        self.slot: set[Member] | None = None
        self.wheel = wheel
        self.clock = clock
        self.again = again
        self.turns: list[float] = []

    def due(self) -> None:
        self.turns.append(round(self.clock.seconds(), 6))
        if self.again:
            self.wheel.enter(self, self.again)


class WheelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.wheel = Wheel(self.clock, 0.5, 25)

    def sleeper(self, seconds: float, again: int = 0) -> Sleeper:
        sleeper = Sleeper(self.wheel, self.clock, again)
        self.wheel.enter(sleeper, self.wheel.ticks(seconds))
        return sleeper

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.25] * int(seconds * 4))

    def test_turns_come_in_time(self) -> None:
        """Never early, whenever within a tick somebody enters, and at most two ticks late."""
        sleepers = {}
        for seconds in (0.5, 2, 5, 10, 24.5, 25):
            sleepers[seconds] = (self.clock.seconds(), self.sleeper(seconds))
            self.run_for(0.25)
        self.run_for(30)
        for seconds, (since, sleeper) in sleepers.items():
            (turn,) = sleeper.turns
            self.assertTrue(seconds <= turn - since <= seconds + 1, (seconds, turn - since))

    def test_who_leaves_has_no_turn(self) -> None:
        """A connection that is gone, or has done what was asked, is not called."""
        early, late = self.sleeper(2), self.sleeper(2)
        self.wheel.leave(early)
        self.wheel.leave(early)
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

    def test_entering_again_moves_the_turn(self) -> None:
        """One deadline at a time: the later word counts, earlier or later."""
        sleeper = self.sleeper(2)
        self.wheel.enter(sleeper, self.wheel.ticks(10))
        self.run_for(5)
        self.assertEqual(sleeper.turns, [])
        self.wheel.enter(sleeper, self.wheel.ticks(1))
        self.run_for(2)
        self.assertEqual(len(sleeper.turns), 1)

    def test_a_member_may_enter_from_its_own_turn(self) -> None:
        """Rounds go on."""
        sleeper = self.sleeper(1, again=2)
        self.run_for(6.1)
        self.assertEqual(sleeper.turns, [1.5, 2.5, 3.5, 4.5, 5.5])

    def test_the_timer_runs_only_for_somebody(self) -> None:
        """An idle listener wakes nobody, and a closed one leaves nothing behind."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        sleeper = self.sleeper(5)
        self.wheel.stop_when_empty()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.wheel.leave(sleeper)
        self.run_for(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wheel.stop_when_empty()
        self.wheel.leave(self.sleeper(5))
        self.assertEqual(self.clock.getDelayedCalls(), [])
