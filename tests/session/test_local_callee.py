"""orosync's own procedures, called by real sessions."""

from __future__ import annotations

import cbor2
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.session.local import LocalMember
from tests.session.fixture import RealmFixture


class LocalCalleeTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.callee = LocalMember(self.fixture.realm_context)
        self.client = self.fixture.v2()
        self.registration = self.callee.register("com.add", lambda a, b=1: [a + b])

    def called(self, *args, **kwargs):
        """What a CALL gets, less its request's id."""
        answer = self.client.ask([48, 1, {}, "com.add", list(args), kwargs])[0]
        return answer[4:] if answer[0] == 8 else answer[3:]

    def test_answered(self):
        """Arguments and keywords go in, the result comes out, also to v1."""
        self.assertEqual(self.called(2, b=3), [[5]])
        self.assertEqual(self.called(2), [[3]])
        old = self.fixture.v1()
        self.assertEqual(old.ask([2, "c1", "com.add", 4]), [[3, "c1", 5]])

    def test_refused(self):
        """A RequestError is the ERROR; wrong arguments are named so; a fault of ours says nothing of itself."""
        self.callee.unregister(self.registration)

        def fails(kind):
            if kind == "request":
                raise RequestError("com.error.full", "no room")
            raise ValueError("secret")

        self.callee.register("com.add", fails)
        self.assertEqual(self.called("request"), ["com.error.full", ["no room"]])
        self.assertEqual(self.called(), ["wamp.error.invalid_argument", ["the procedure takes other arguments"]])
        self.assertEqual(self.called("other"), ["wamp.error.runtime_error", ["internal error"]])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_values_without_a_form(self):
        """Arguments that have no plain values are the caller's fault, and are named so."""
        caller = self.fixture.v2(serializer="cbor", join=False)
        caller.session.received(cbor2.dumps([1, "oro", {"roles": {"caller": {}}}]), True)
        caller.session.received(cbor2.dumps([48, 1, {}, "com.add", [cbor2.CBORTag(259, {1: 2})]]), True)
        error = cbor2.loads(caller.link.take()[-1])
        self.assertEqual(error[4:], ["wamp.error.invalid_argument", ["keys of maps must be text"]])

    def test_withdrawn(self):
        """It is nobody's then, and may be offered anew."""
        self.callee.unregister(self.registration)
        self.assertEqual(self.called(1)[0], "wamp.error.no_such_procedure")
        self.callee.register("com.add", lambda a: [a])
        self.assertEqual(self.called(1), [[1]])

    def test_taken(self):
        """What a client has already cannot be had; what orosync has no client can have."""
        self.client.ask([64, 1, {}, "com.mine"])
        self.assertRaises(RequestError, self.callee.register, "com.mine", list)
        self.assertEqual(self.client.ask([64, 2, {}, "com.add"])[0][4], "wamp.error.procedure_already_exists")

    def test_not_a_client(self):
        """It is in no list of sessions."""
        self.assertEqual(len(self.fixture.realm.members), 1)
