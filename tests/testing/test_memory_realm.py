"""Tests of orosync.testing.memory_realm."""

from __future__ import annotations

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import RegisterOptions
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from orosync import testing
from orosync.model import Action, Verdict
from orosync.testing.memory_realm import MemoryRealm


class Counter(ApplicationSession):
    """Counts a second's length, and who asks."""

    async def onJoin(self, details):
        self.seconds = 0
        await self.register(self.count, "count", RegisterOptions(details=True))
        self.loop = LoopingCall(self.tick)
        self.loop.clock = self.config.extra["clock"]
        self.loop.start(1, now=False)

    def tick(self):
        self.seconds += 1
        self.publish("tick", self.seconds)

    def count(self, details):
        return [self.seconds, details.caller_authid]


class MemoryRealmTests(SynchronousTestCase):
    def counter(self, realm):
        counter = Counter()
        counter.config.extra = {"clock": realm.clock}
        return realm.join(counter, "counter", "feed")

    def test_offered(self):
        """It stands where people look for it."""
        self.assertIs(testing.MemoryRealm, MemoryRealm)

    def test_events_calls_and_time(self):
        """Components and clients reach each other as in a router, when it has its turn."""
        realm = MemoryRealm()
        self.counter(realm)
        anna = realm.join(ApplicationSession(), "anna", user_id=7)
        heard = []
        anna.subscribe(heard.append, "tick")
        realm.turn()
        realm.turn(1)
        realm.turn(1)
        self.assertEqual(heard, [1, 2])
        asked = anna.call("count")
        self.assertNoResult(asked)
        realm.turn()
        self.assertEqual(self.successResultOf(asked)[0], 2)

    def test_authorizers(self):
        """Where there are authorizers, they decide."""
        authorizer = testing.ScriptedAuthorizer(Verdict.DENY)
        realm = MemoryRealm([authorizer])
        anna = realm.join(ApplicationSession(), "anna", roles=frozenset({"ROLE_X"}))
        refused = anna.subscribe(print, "tick")
        realm.turn()
        self.assertEqual(self.failureResultOf(refused).value.error, "wamp.error.not_authorized")
        self.assertEqual(authorizer.asked[0][:3], ("anna", Action.SUBSCRIBE, "tick"))

    def test_on_join_that_fails(self):
        """What onJoin raises is raised here."""
        realm = MemoryRealm()
        with self.assertRaises(TypeError):
            realm.join(Counter(), "counter")

    def test_leaving(self):
        """Who leaves is gone."""
        realm = MemoryRealm()
        anna = realm.join(ApplicationSession(), "anna")
        anna.leave()
        realm.turn()
        self.assertFalse(anna.is_attached())
        self.assertEqual(realm.journal.counts["session.left", "component"], 1)
