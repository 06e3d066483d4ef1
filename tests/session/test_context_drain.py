"""Sessions are asked to leave, spread over time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.session.context import drain


class Session:
    def __init__(self, sessions, clock, stays=False):
        self.sessions, self.clock, self.stays, self.asked = sessions, clock, stays, None

    def shutdown(self):
        self.asked = self.clock.seconds()
        if not self.stays:
            self.sessions.discard(self)


class DrainTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.sessions = set()

    def invite(self, count, **how):
        made = [Session(self.sessions, self.clock, **how) for _ in range(count)]
        self.sessions.update(made)
        return made

    def test_nobody_is_there(self):
        """An empty router closes at once."""
        self.successResultOf(drain(self.sessions, self.clock, 5))

    def test_few_sessions_leave_at_once(self):
        """A handful needs no spreading."""
        sessions = self.invite(20)
        done = drain(self.sessions, self.clock, 5)
        self.assertEqual({session.asked for session in sessions}, {0.0})
        self.successResultOf(done)

    def test_many_sessions_are_spread(self):
        """At most about 500 a second are asked to leave, all within the time."""
        sessions = self.invite(1500)
        done = drain(self.sessions, self.clock, 5)
        self.clock.pump([0.05] * 120)
        self.successResultOf(done)
        times = sorted(session.asked for session in sessions)
        self.assertAlmostEqual(times[-1], 2.95, delta=0.2)
        self.assertLess(sum(1 for t in times if t < 1.0), 530)

    def test_the_time_is_kept(self):
        """However many there are, everybody is asked within the time given."""
        sessions = self.invite(20000)
        done = drain(self.sessions, self.clock, 5)
        self.clock.pump([0.05] * 125)
        self.successResultOf(done)
        self.assertLessEqual(max(session.asked for session in sessions), 5.1)

    def test_sessions_that_stay_do_not_hold_it_up(self):
        """Who does not go is waited for no more than a second past the time."""
        self.invite(3, stays=True)
        done = drain(self.sessions, self.clock, 5)
        self.clock.pump([0.05] * 100)
        self.assertNoResult(done)
        self.clock.pump([0.05] * 25)
        self.successResultOf(done)
