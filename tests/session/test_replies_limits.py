"""What one session may have at one time: what counts, and how one more is answered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action
from orosync.session.replies import one_too_many
from orosync.testing import RecordingJournal, principal
from tests.session.fixture import RealmFixture


class LimitTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()

    def test_one_too_many(self):
        """It is noted with whose it is, and told in words that say how many there may be."""
        journal = RecordingJournal()
        error = one_too_many(journal, principal("anna"), Action.REGISTER, "a.b", 7)
        self.assertEqual((error.uri, "7 registrations" in error.message), ("wamp.error.unavailable", True))
        fields = {"user": "anna", "uri": "a.b", "limit": 7}
        self.assertEqual(journal.notes, [("register.refused", "limit", fields)])

    def test_what_it_has_is_no_new_subscription(self):
        """At the limit a session is told again of what it has; what it has no more makes room."""
        self.fixture.context.subscription_limit = 2
        client = self.fixture.v2()
        [[_, _, first]] = client.ask([32, 1, {}, "a.b"])
        [[_, _, pattern]] = client.ask([32, 2, {"match": "prefix"}, "a.b"])
        self.assertEqual(client.ask([32, 3, {}, "a.b"]), [[33, 3, first]])
        self.assertEqual(client.ask([32, 4, {"match": "prefix"}, "a.b"]), [[33, 4, pattern]])
        for message in ([32, 5, {"match": "wildcard"}, "a.b"], [32, 6, {}, "a.c"]):
            self.assertEqual(client.ask(message)[0][4], "wamp.error.unavailable")
        self.assertEqual(client.ask([34, 7, pattern]), [[35, 7]])
        self.assertEqual(client.ask([32, 8, {}, "a.c"])[0][:2], [33, 8])
        (member,) = (one for one in self.fixture.realm.members.values() if one.session == client.session_id)
        self.fixture.realm.broker.revoke(member, first)
        self.assertEqual(client.ask([32, 9, {}, "a.d"])[0][:2], [33, 9])
        self.assertEqual(client.ask([32, 10, {}, "a.e"])[0][4], "wamp.error.unavailable")

    def test_registrations_are_bounded(self):
        """The registration over the limit is refused; what the session has is answered as ever, and makes room when it
        is gone."""
        self.fixture.context.registration_limit = 2
        client = self.fixture.v2()
        [[_, _, first]] = client.ask([64, 1, {}, "a.b"])
        client.ask([64, 2, {"invoke": "roundrobin"}, "a.c"])
        self.assertEqual(client.ask([64, 3, {}, "a.d"])[0][4], "wamp.error.unavailable")
        self.assertEqual(self.fixture.journal.counts["register.refused", "limit"], 1)
        for request, options, procedure in ((4, {}, "a.b"), (5, {"invoke": "roundrobin"}, "a.c")):
            [error] = client.ask([64, request, options, procedure])
            self.assertEqual(error[4], "wamp.error.procedure_already_exists")
        self.assertEqual(client.ask([66, 6, first]), [[67, 6]])
        self.assertEqual(client.ask([64, 7, {}, "a.d"])[0][:2], [65, 7])
        self.assertIsNone(client.link.ended)

    def test_calls_are_bounded(self):
        """A call over the limit is refused; one that is answered makes room."""
        self.fixture.context.call_limit = 2
        callee, caller = self.fixture.v2(), self.fixture.v2()
        callee.ask([64, 1, {}, "a.b"])
        caller.say([48, 1, {}, "a.b"], [48, 2, {}, "a.b"])
        self.assertEqual(caller.ask([48, 3, {}, "a.b"])[0][2:5], [3, {}, "wamp.error.unavailable"])
        callee.say([70, 1, {}])
        self.assertEqual(caller.heard(), [[50, 1, {}]])
        self.assertEqual(caller.ask([48, 4, {}, "a.b"]), [])

    def test_error_without_a_uri(self):
        """A caller is told so where its callee's ERROR has no URI, or one that is too long: over such a message it
        might end its own session. The callee's goes on too."""
        callee, caller = self.fixture.v2(), self.fixture.v2()
        callee.ask([64, 1, {}, "sum.up"])
        for request, error in enumerate(("division by zero", "", "a..b", "x" * 1025), 1):
            caller.say([48, request, {}, "sum.up"])
            callee.heard()
            callee.say([8, 68, request, {}, error, ["why"]])
            [[code, kind, number, _, told, _]] = caller.heard()
            self.assertEqual((code, kind, number, told), (8, 48, request, "wamp.error.invalid_uri"))
        self.assertIsNone(callee.link.ended)

    def test_calls_that_find_no_room(self):
        """They are noted with the reason that the caller is told."""
        callee, caller = self.fixture.v2(), self.fixture.v2()
        callee.ask([64, 1, {"concurrency": 1}, "a.b"])
        for n in range(101):
            caller.say([48, n + 1, {}, "a.b"])
        [error] = caller.ask([48, 200, {}, "a.b"])
        fields = {"user": caller_of(self.fixture, caller), "uri": "a.b", "reason": error[5][0]}
        self.assertEqual(self.fixture.journal.notes, [("call.refused", "unavailable", fields)])


def caller_of(fixture, player):
    return fixture.realm.members[player.session_id].principal.authid
