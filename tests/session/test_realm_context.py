"""A realm in service, with what its sessions need."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.interfaces import ITopicWatcher
from orosync.session import realm_context
from orosync.testing import connection_facts, principal
from orosync.wamp.meta_topics import TOPICS
from tests.session.fixture import RealmFixture


@implementer(ITopicWatcher)
class Watcher:
    topic = "oro/maintenance"

    def __init__(self):
        self.seen = []

    def subscribed(self, session_id, principal):
        self.seen.append((session_id, principal.authid))

    def last_unsubscribed(self):
        self.seen.append("deserted")


class RealmContextTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.watcher = Watcher()
        self.fixture.realm_context.watch([self.watcher])

    def test_exempt(self):
        """Roles without a message rate: those that are told, and those whose word is taken for others."""
        self.fixture.realm_context.forwarders = ("uplink",)
        exempt = self.fixture.realm_context.unlimited
        self.fixture.realm_context.exempt(["feed"])
        self.assertEqual(exempt, {"feed", "uplink"})
        self.fixture.realm_context.exempt([])
        self.assertEqual(exempt, {"uplink"})

    def test_watcher_learns_of_subscribers(self):
        """Of every subscriber of its topic, v1 and v2, and of the last one's leaving."""
        old, new = self.fixture.v1(), self.fixture.v2()
        old.ask([5, "oro/maintenance"], [5, "other"])
        new.ask([32, 1, {}, "oro/maintenance"])
        self.assertEqual(self.watcher.seen[0][1], "anna")
        self.assertEqual([seen[0] for seen in self.watcher.seen], [int(old.session_id), new.session_id])
        old.session.closed(False, None, "")
        self.assertEqual(len(self.watcher.seen), 2)
        new.session.closed(False, None, "")
        self.assertEqual(self.watcher.seen[2:], ["deserted"])

    def test_joins_are_counted(self):
        """How people identify is counted on both ends of a session."""
        client = self.fixture.v2()
        client.session.closed(True, 1000, "")
        counts = self.fixture.journal.counts
        self.assertEqual((counts["session.joined", "anonymous"], counts["session.left", "anonymous"]), (1, 1))

    def test_who_comes_and_goes(self):
        """With the level debug every session is told: who, from where, and how long it was there; counted as ever."""
        journal = self.fixture.journal
        journal.debug = True
        old, new = self.fixture.v1(), self.fixture.v2()
        self.fixture.clock.advance(1.25)
        for client in (old, new):
            client.session.closed(True, 1000, "")
        notes = {(event, fields["protocol"]): fields for event, _, fields in journal.notes}
        self.assertEqual(len(notes), 4)
        left = notes["session.left", "v1"]
        self.assertEqual(
            left, {**notes["session.joined", "v1"], "seconds": 1.25, "reason": "closed by the client (1000)"}
        )
        self.assertEqual(
            {name: left[name] for name in ("user", "realm", "listener", "address", "session")},
            {
                "user": "anna",
                "realm": self.fixture.realm.name,
                "listener": connection_facts().listener,
                "address": connection_facts().address,
                "session": int(old.session_id),
            },
        )
        self.assertEqual(journal.counts["session.left", "anonymous"], 1)

    def test_departures(self):
        """Why each session has left is remembered: what it was told, how the connection ended."""
        self.fixture.v1().session.closed(False, None, "cut: queue_full")
        self.fixture.v1().session.closed(True, 1001, "")
        self.fixture.clock.advance(5)
        self.fixture.v2().ask([6, {}, "wamp.close.normal"])
        client = self.fixture.v2()
        client.session.shutdown()
        departures = self.fixture.realm_context.departures
        self.assertEqual([one.reason for one in departures], [
            "cut: queue_full", "closed by the client (1001)", "GOODBYE of the client", "the router is shutting down",
        ])  # fmt: skip
        self.assertEqual((departures[0].user, departures[0].time, departures[-1].time), ("anna", 0, 5))
        self.assertEqual(departures[-1].session, client.session_id)
        self.assertEqual({one.address for one in departures}, {connection_facts().address})
        self.fixture.v1().session.closed(True, 1000, "x" * 5000)
        self.assertEqual(len(departures[-1].reason), 200)

    def test_observed(self):
        """An observer is told of each publication, after the recorder of what is retained, also after a reload."""
        context, told = self.fixture.realm_context, []

        class Observer:
            def record(self, *publication):
                told.append(publication[1])

        context.observe(Observer())
        client = self.fixture.v2()
        client.ask([16, 1, {}, "news"])
        self.fixture.authorizer.retains, self.fixture.authorizer.retained = True, lambda topic: True
        context.chain.replace([self.fixture.authorizer])
        client.ask([16, 2, {}, "news"])
        self.assertEqual((told, len(self.fixture.realm.retention)), (["news", "news"], 1))
        context.observe(None)
        client.ask([16, 3, {}, "news"])
        self.assertEqual(len(told), 2)
        context.chain.replace([])
        self.assertIsNone(self.fixture.realm.broker.recorder)

    def test_free_id(self):
        """A session id is never given twice."""
        self.assertNotIn(self.fixture.realm_context.free_id(), self.fixture.realm.members)

    def test_own_id(self):
        """What orosync has for itself is never a client's."""
        drawn = iter([5, 5, 6, 5, 6, 7])
        self.patch(realm_context, "random_id", lambda: next(drawn))
        self.assertEqual([self.fixture.realm_context.own_id(), self.fixture.realm_context.own_id()], [5, 6])
        self.assertEqual(self.fixture.realm_context.free_id(), 7)

    def test_introduced(self):
        """A principal gets its session's facts where an authorizer needs them, and stays as it is elsewhere."""
        facts, anna = connection_facts(), principal()
        self.assertIs(self.fixture.realm_context.introduced(anna, 5, facts), anna)
        self.fixture.authorizer.sessions = True
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        known = self.fixture.realm_context.introduced(anna, 5, facts)
        self.assertEqual((known, known.session.id), (anna, 5))
        self.assertIs(known.session.connection, facts)

    def test_sessions_are_introduced(self):
        """v1 and v2 sessions alike, before they ask for anything."""
        self.fixture.authorizer.sessions = True
        self.fixture.realm_context.chain.replace([self.fixture.authorizer])
        for client in (self.fixture.v1(), self.fixture.v2()):
            member = self.fixture.realm.members[int(client.session_id)]
            self.assertEqual(member.principal.session.id, member.session)

    def test_knows(self):
        """Only the realm's own authenticators are believed."""
        self.assertTrue(self.fixture.realm_context.knows("guests"))
        self.assertFalse(self.fixture.realm_context.knows("elsewhere"))

    def test_meta_api(self):
        """Every topic and procedure of WAMP's meta API is there, and two procedures of Crossbar.io's."""
        lifes = {"subscription": ("subscribe", "unsubscribe"), "registration": ("register", "unregister")}
        topics = {"wamp.session.on_join", "wamp.session.on_leave"}
        for noun, verbs in lifes.items():
            topics |= {f"wamp.{noun}.on_{verb}" for verb in ("create", "delete", *verbs)}
        self.assertEqual(set(TOPICS), topics)
        sessions = "count list get kill kill_by_authid kill_by_authrole kill_all add_testament flush_testaments"
        looking = "list lookup match get"
        names = {
            "session": sessions,
            "subscription": f"{looking} list_subscribers count_subscribers get_events remove_subscriber",
            "registration": f"{looking} list_callees count_callees remove_callee",
        }
        procedures = {f"wamp.{noun}.{name}" for noun, listed in names.items() for name in listed.split()}
        self.assertEqual(set(RealmFixture().realm.dealer.meta_procedures), procedures)
