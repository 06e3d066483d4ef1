"""orosync's own calls: to real sessions in a real realm."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import CallFailed
from orosync.interfaces import ICaller
from orosync.session.local import LocalMember
from orosync.testing import principal
from tests.session.fixture import RealmFixture

HELLO = [1, "oro", {"roles": {"callee": {"features": {"call_canceling": True}}}}]


class LocalCallerTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.caller = LocalMember(self.fixture.realm_context, most=3)
        self.callee = self.fixture.v2(join=False)
        self.callee.ask(HELLO)
        self.callee.ask([64, 1, {"disclose_caller": True}, "com.add"])

    def failed(self, call, uri):
        """The call has failed with ``uri``."""
        error = self.failureResultOf(call, CallFailed).value
        self.assertEqual(error.uri, uri)
        return error

    def test_answered(self):
        """The callee is told who calls, and its answer comes back as values."""
        verifyObject(ICaller, self.caller)
        call = self.caller.call("com.add", [1, {"a": None}], {"b": [2]})
        ((_, invocation, _, details, args, kwargs),) = self.callee.heard()
        self.assertEqual((args, kwargs), ([1, {"a": None}], {"b": [2]}))
        self.assertEqual((details["caller_authid"], details["caller_authrole"]), ("orosync", "trusted"))
        self.assertNotIn(details["caller"], self.fixture.realm.members)
        self.assertNoResult(call)
        self.callee.say([70, invocation, {}, [3], {"k": True}])
        self.assertEqual(self.successResultOf(call), ([3], {"k": True}))

    def test_answered_with_nothing(self):
        """A RESULT without arguments is two empty ones."""
        call = self.caller.call("com.add")
        self.callee.say([70, self.callee.heard()[0][1], {}])
        self.assertEqual(self.successResultOf(call), ([], {}))

    def test_order_of_answers(self):
        """Each answer finds its own call."""
        one, two = self.caller.call("com.add", [1]), self.caller.call("com.add", [2])
        first, second = (message[1] for message in self.callee.heard())
        self.callee.say([70, second, {}, ["two"]], [70, first, {}, ["one"]])
        self.assertEqual(self.successResultOf(one), (["one"], {}))
        self.assertEqual(self.successResultOf(two), (["two"], {}))

    def test_error(self):
        """An ERROR is typed, with all that it carries; of that the text shows little."""
        call = self.caller.call("com.add")
        self.callee.say([8, 68, self.callee.heard()[0][1], {}, "com.error.full", ["no room" * 100, 7], {"left": 0}])
        error = self.failed(call, "com.error.full")
        self.assertEqual((error.arguments, error.kwargs), (("no room" * 100, 7), {"left": 0}))
        self.assertTrue(str(error).startswith("com.error.full: no room"))
        self.assertLess(len(str(error)), 250)

    def test_nobody_there(self):
        """What nobody has registered fails at once, and what is no WAMP value does too."""
        self.failed(self.caller.call("com.gone"), "wamp.error.no_such_procedure")
        self.failed(self.caller.call("com.add", [object()]), "wamp.error.invalid_argument")
        self.assertEqual(self.callee.heard(), [])

    def test_callee_gone(self):
        """A callee that leaves in the middle fails the call; the next one finds nobody."""
        call = self.caller.call("com.add")
        self.callee.session.closed(False, None, "")
        self.failed(call, "wamp.error.canceled")
        self.failed(self.caller.call("com.add"), "wamp.error.no_such_procedure")

    def test_cancelled(self):
        """Whoever gives up ends the call: the callee is interrupted, and what it says then is nobody's."""
        call = self.caller.call("com.add")
        invocation = self.callee.heard()[0][1]
        call.cancel()
        self.failureResultOf(call, CancelledError)
        self.assertEqual(self.callee.heard()[0][:2], [69, invocation])
        self.assertEqual(self.callee.ask([70, invocation, {}, [1]]), [])
        self.assertEqual(len(self.fixture.realm.dealer.pending), 0)

    def test_bounded(self):
        """One call more than allowed fails at once; when one is over, there is room again."""
        calls = [self.caller.call("com.add") for _ in range(3)]
        self.failed(self.caller.call("com.add"), "wamp.error.unavailable")
        calls[0].cancel()
        self.failureResultOf(calls[0], CancelledError)
        self.assertNoResult(self.caller.call("com.add"))

    def test_roles_of_callees(self):
        """A callee of another role never hears of the call, and nothing of it stays behind."""
        self.failed(self.caller.call("com.add", callee_roles=["authorizer"]), "wamp.error.no_such_procedure")
        self.assertEqual(self.callee.heard(), [])
        self.assertEqual(len(self.fixture.realm.dealer.pending), 0)
        call = self.caller.call("com.add", callee_roles=["guest", "authorizer"])
        self.callee.say([70, self.callee.heard()[0][1], {}, [1]])
        self.assertEqual(self.successResultOf(call), ([1], {}))

    def test_not_a_client(self):
        """It is in no list of sessions and counts against nobody of the same name."""
        self.caller.call("com.add")
        self.assertEqual(len(self.fixture.realm.members), 1)
        self.assertEqual(self.fixture.realm.sessions_of("orosync"), 0)

    def test_progress_is_no_answer(self):
        """Results on the way are not asked for, and one sent all the same ends nothing."""
        call = self.caller.call("com.add")
        invocation = self.callee.heard()[0][1]
        self.callee.say([70, invocation, {"progress": True}, [1]])
        self.assertNoResult(call)
        self.callee.say([70, invocation, {}, [2]])
        self.assertEqual(self.successResultOf(call), ([2], {}))

    def test_other_serializers(self):
        """What the callee's serializer cannot carry fails the call instead of leaving it."""
        call = self.caller.call("com.add", [float("nan")])
        self.assertEqual(self.callee.heard(), [])
        self.failed(call, "wamp.error.invalid_argument")

    def test_known_principals(self):
        """A callee that came in another way is as good."""
        clerk = self.fixture.v2(principal(authrole="clerk", authprovider="guests"))
        clerk.ask([64, 1, {}, "com.file"])
        call = self.caller.call("com.file", callee_roles={"clerk"})
        clerk.say([70, clerk.heard()[0][1], {}, ["done"]])
        self.assertEqual(self.successResultOf(call), (["done"], {}))

    def test_waiting_for_who_may_answer(self):
        """A call that only some may answer does not wait for whoever is free first; a busy callee is an error."""
        self.callee.ask([64, 2, {"concurrency": 1}, "com.busy"])
        first = self.caller.call("com.busy", callee_roles=["guest"])
        self.assertEqual(self.callee.heard()[0][0], 68)
        self.failed(self.caller.call("com.busy", callee_roles=["guest"]), "wamp.error.unavailable")
        self.caller.call("com.busy")
        self.assertEqual(self.callee.heard(), [])
        self.callee.say([70, 1, {}])
        self.assertEqual(self.successResultOf(first), ([], {}))
        self.assertEqual([one[0] for one in self.callee.heard()], [68])
