"""Realms made from their configuration sections."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.chain import Chain
from orosync.config.realms import HistoryLine, RealmSection
from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.registrations import RegisterOptions
from orosync.session.dispatch import Dispatcher
from orosync.session.realm_context import make_realm, make_realm_context
from orosync.testing import RecordingJournal
from orosync.wamp.payload import Payload
from tests.router.members import member


class Making(SynchronousTestCase):
    def test_bounds(self) -> None:
        """The realm keeps as much as its section says, and knows the time."""
        section = RealmSection(name="oro", authenticators=(), authorizers=(), retained_events=2, retained_bytes=100)
        realm = make_realm(section, lambda: 5.0)
        anna = member(1)
        realm.join(anna)
        for topic in "abc":
            realm.broker.publish_retained(topic, Payload.of(["x"]), anna)
        self.assertEqual((realm.name, len(realm.retention)), ("oro", 2))
        realm.broker.publish_retained("d", Payload.of(["x" * 100]), anna)
        self.assertEqual(len(realm.retention), 2)
        self.assertEqual(realm.broker.subscribe(anna, "a")[0].created, 5.0)

    def test_history(self) -> None:
        """The subscriptions whose history is kept are there from the beginning."""
        lines = (HistoryLine(Match.PREFIX, "com.", 5, 1000, 60.0), HistoryLine(Match.EXACT, "org.x"))
        section = RealmSection(name="oro", authenticators=(), authorizers=(), history=lines)
        realm = make_realm(section, lambda: 5.0)
        kept = [(one.topic, one.match) for one in realm.broker]
        self.assertEqual(kept, [("org.x", Match.EXACT), ("com.", Match.PREFIX)])
        self.assertEqual(len(realm.history), 2)

    def test_rules(self) -> None:
        """What a realm insists on stands in its section, and what it tells of roles beside it."""
        clock, journal = Clock(), RecordingJournal()
        section = RealmSection(
            name="oro",
            authenticators=(),
            authorizers=(),
            uris="strict",
            disclose=False,
            request_ids="sequential",
            call_queue=1,
        )
        chain = Chain([], journal, clock=clock)
        realm_context = make_realm_context(section, chain, [], journal, Dispatcher(journal), clock, clock.seconds)
        self.assertEqual(
            (realm_context.strict_uris, realm_context.disclosing, realm_context.sequential), (True, False, True)
        )
        dealer, anna = realm_context.realm.dealer, member(1)
        dealer.register(anna, "a", options=RegisterOptions(concurrency=1))
        self.assertEqual(len(dealer.call(anna, 1, "a", {}, None)), 1)
        self.assertEqual(dealer.call(anna, 2, "a", {}, None), [])
        self.assertRaises(RequestError, dealer.call, anna, 3, "a", {}, None)
