"""Tests of orosync.embedded.component."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.embedded.component import JOIN_TIMEOUT, RESTART_DELAYS, start_all
from orosync.errors import ConfigError
from tests.embedded.fixture import Component, EmbeddedFixture


class Scripted(Component):
    """``outcome`` of the class is what onJoin returns, or raises if it is an exception."""

    outcome: object = None

    def onJoin(self, details):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class HostedComponentTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = EmbeddedFixture()
        self.lives = []
        self.outcomes = []

    def make(self):
        """A component whose onJoin has the first of ``outcomes``."""
        component = Scripted()
        component.outcome = self.outcomes.pop(0) if self.outcomes else None
        self.lives.append(component)
        return component

    def start(self, *outcomes, make=None, **options):
        self.outcomes = list(outcomes)
        self.hosted = self.fixture.component(make or self.make, **options)
        started = self.hosted.start()
        self.fixture.turns()
        return started

    def ended(self):
        return [
            (kind, fields.get("reason"), fields.get("again_in"))
            for event, kind, fields in self.fixture.journal.notes
            if event == "component.ended"
        ]

    def test_start(self):
        """The start is over when onJoin is, however long that takes within reason."""
        self.assertIsNone(self.successResultOf(self.start()))
        joining = Deferred()
        started = self.start(joining)
        self.fixture.turns(JOIN_TIMEOUT / 2)
        self.assertNoResult(started)
        joining.callback(None)
        self.assertIsNone(self.successResultOf(started))

    def test_endless(self):
        """A component whose onJoin never returns delays the start of the router only for a time."""
        started = self.start(Deferred())
        self.fixture.turns(JOIN_TIMEOUT)
        self.assertIsNone(self.successResultOf(started))
        self.assertTrue(self.lives[0].is_attached())

    def test_cannot_start(self):
        """A first life that fails in onJoin is a fault of the start, in one line; it is not started again."""
        for outcome, words in [
            (ValueError("no luck"), "failed in onJoin: ValueError: no luck"),
            (KeyError(), "failed in onJoin: KeyError"),
        ]:
            self.setUp()
            error = self.failureResultOf(self.start(outcome), ConfigError).value
            self.assertEqual(error.faults, (f"[component:feed] {words}",))
            self.assertEqual(len(self.flushLoggedErrors(type(outcome))), 1)
            self.fixture.turns(RESTART_DELAYS[1])
            self.assertEqual((len(self.lives), self.fixture.realm.members), (1, {}))

    def test_cannot_be_made(self):
        """So is one that cannot be made."""
        error = self.failureResultOf(self.start(make=lambda: 1 / 0), ConfigError).value
        self.assertEqual(error.faults, ("[component:feed] cannot be made: ZeroDivisionError: division by zero",))
        self.flushLoggedErrors(ZeroDivisionError)

    def test_ended_while_starting(self):
        """So is one whose session is ended during onJoin."""
        started = self.start(Deferred())
        self.lives[0].disconnect()
        error = self.failureResultOf(started, ConfigError).value
        self.assertEqual(error.faults, ("[component:feed] closed by the component",))

    def test_leaves(self):
        """A component that leaves by itself is logged, and not started again."""
        self.start()
        self.lives[0].leave()
        self.fixture.turns(RESTART_DELAYS[1])
        self.assertEqual(self.ended(), [("left", None, None)])
        self.assertEqual(len(self.lives), 1)

    def test_leaves_in_on_join(self):
        """Also where its work is done in onJoin: that is no failed start."""
        started = self.start(make=lambda: OneShot())
        self.assertIsNone(self.successResultOf(started))
        self.assertEqual(self.ended(), [("left", None, None)])

    def test_started_again(self):
        """It is started again after longer and longer pauses, until one run has lasted."""
        boom = [RuntimeError("boom")] * 8
        self.start(None, *boom)
        self.lives[0].disconnect()
        waits = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        for number, wait in enumerate(waits, 1):
            self.fixture.turns(wait - 0.01)
            self.assertEqual(len(self.lives), number)
            self.fixture.turns(0.01)
            self.assertEqual(len(self.lives), number + 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 8)
        told = self.ended()
        self.assertEqual(told[0], ("lost", "closed by the component", 1.0))
        self.assertEqual(told[1], ("failed", "failed in onJoin: RuntimeError: boom", 2.0))
        self.fixture.turns(60.0)
        self.fixture.turns(60.0)
        self.lives[-1].disconnect()
        self.assertEqual(self.ended()[-1], ("lost", "closed by the component", 1.0))

    def test_what_is_wrong(self):
        """While it waits to be started again, its reason; nothing while it runs, and once it has left by itself."""
        self.start()
        self.assertEqual((self.hosted.joined, self.hosted.wrong), (True, ""))
        self.lives[0].disconnect()
        self.assertEqual((self.hosted.joined, self.hosted.wrong), (False, "closed by the component"))
        self.fixture.turns(1.0)
        self.assertEqual((self.hosted.joined, self.hosted.wrong), (True, ""))
        self.lives[1].leave()
        self.fixture.turns()
        self.assertEqual((self.hosted.joined, self.hosted.wrong), (False, ""))

    def test_failure_after_the_join_timeout(self):
        """A component that fails after the start went on without it is started again like any other."""
        joining = Deferred()
        self.start(joining)
        self.fixture.turns(JOIN_TIMEOUT)
        joining.errback(RuntimeError("late"))
        self.flushLoggedErrors(RuntimeError)
        self.assertEqual(self.ended(), [("failed", "failed in onJoin: RuntimeError: late", 1.0)])
        self.fixture.turns(1.0)
        self.assertEqual(len(self.lives), 2)

    def test_old_failure(self):
        """What an earlier run still does has no effect."""
        joining = Deferred()
        self.start(joining)
        self.fixture.turns(JOIN_TIMEOUT)
        self.lives[0].disconnect()
        self.fixture.turns(1.0)
        joining.errback(RuntimeError("late"))
        self.assertTrue(self.lives[1].is_attached())
        self.assertEqual(len(self.ended()), 1)

    def test_stop(self):
        """At the stop it is not started again, and the last run ends, whether the component leaves or not."""
        self.start()
        self.hosted.retire()
        (guest,) = self.fixture.context.sessions
        guest.shutdown()
        self.hosted.stop()
        self.fixture.turns(RESTART_DELAYS[1])
        self.assertEqual((len(self.lives), self.fixture.realm.members, self.ended()), (1, {}, []))
        self.assertEqual(self.fixture.clock.getDelayedCalls(), [])

    def test_stop_while_waiting(self):
        """Nor is there one for a component that was about to be started again, or is just starting."""
        self.start()
        self.lives[0].disconnect()
        self.hosted.stop()
        started = self.start(Deferred())
        self.hosted.stop()
        self.fixture.turns(RESTART_DELAYS[1])
        self.assertNoResult(started)
        self.assertEqual((len(self.lives), self.fixture.realm.members), (2, {}))

    def test_router_is_closing(self):
        """A component that the host does not admit any more gets the reason."""
        self.fixture.host.closing = True
        error = self.failureResultOf(self.start(), ConfigError).value
        self.assertIn("shutting down", error.faults[0])

    def test_in_order(self):
        """One starts after the other, and after one that cannot start there is no other."""
        joining = Deferred()
        first = self.fixture.component(lambda: self.named("first", joining))
        second = self.fixture.component(lambda: self.named("second", ValueError()))
        third = self.fixture.component(lambda: self.named("third", None))
        started = start_all([first, second, third])
        self.fixture.turns()
        self.assertEqual(self.lives, ["first"])
        joining.callback(None)
        self.fixture.turns()
        self.assertEqual(self.lives, ["first", "second"])
        self.failureResultOf(started, ConfigError)
        self.flushLoggedErrors(ValueError)
        self.assertIsNone(self.successResultOf(start_all([])))

    def named(self, name, outcome):
        self.lives.append(name)
        component = Scripted()
        component.outcome = outcome
        return component


class OneShot(Component):
    async def onJoin(self, details):
        self.publish("done")
        self.leave()
