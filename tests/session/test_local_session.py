"""Sessions of orosync itself, which speak in values."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import RequestError
from orosync.interfaces import ILocalSession
from orosync.model import Action, Decision, Match, Verdict
from orosync.session.local import LocalSession
from orosync.testing import principal
from orosync.wamp.messages import Call, Cancel, Error, Event, Invocation, Publish, Result, Yield
from orosync.wamp.payload import Payload
from tests.session.fixture import RealmFixture

ALLOW, DENY = Decision(Verdict.ALLOW, "r"), Decision(Verdict.DENY, "r")


class LocalSessionTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.told: list[tuple[Any, Payload | None, str]] = []
        self.session = self.join()
        self.client = self.fixture.v2()

    def join(self, features="", deliver=None, **options):
        who = principal("link", authrole="uplink", authmethod="uplink", authprovider="uplink")
        deliver = deliver or (lambda *what: self.told.append(what))
        return LocalSession(self.fixture.realm_context, who, frozenset(features.split()), deliver, **options)

    def test_listens(self):
        """It hears what is published, by whatever protocol, as it came, without asking an authorizer."""
        verifyObject(ILocalSession, self.session)
        self.fixture.authorizer.default = DENY
        subscription = self.session.subscribe("oro/", Match.PREFIX)
        self.fixture.authorizer.default = ALLOW
        self.client.say(b'[16,1,{},"oro/x",[1.0,"\\u00e9"],{"k":18446744073709551616}]')
        [(message, payload, topic)] = self.told
        self.assertIsInstance(message, Event)
        self.assertEqual((message.subscription, topic), (subscription, "oro/x"))
        self.assertEqual((payload.args, payload.kwargs), (b'[1.0,"\\u00e9"]', b'{"k":18446744073709551616}'))
        self.fixture.v1().say([7, "oro/y", "event"])
        self.assertEqual(self.told[1][2], "oro/y")

    def test_publishes_as_anybody(self):
        """What it publishes is authorised by its role, and does not come back to it."""
        self.session.subscribe("a", Match.EXACT)
        self.client.ask([32, 1, {}, "a"])
        self.assertTrue(self.session.send(Publish(1, {}, "a"), Payload.of(["x"], None)))
        self.assertEqual(self.client.heard()[0][3:], [{}, ["x"]])
        self.fixture.authorizer.answers[Action.PUBLISH, "a"] = DENY
        self.session.send(Publish(2, {}, "a"), None)
        self.assertEqual(self.client.heard(), [])
        self.assertEqual(self.fixture.journal.counts["publish.refused", "denied"], 1)
        self.assertEqual(self.told, [])
        self.assertEqual(self.fixture.authorizer.asked[-1], ("link", Action.PUBLISH, "a", Match.EXACT))

    def test_speaks_for_others(self):
        """Its word is taken for who published."""
        self.client.ask([32, 1, {}, "a"])
        zoe = {"session": 7, "authid": "zoe", "authrole": "chief"}
        self.session.send(Publish(1, {"forward_for": [zoe]}, "a"))
        self.assertEqual(self.client.heard()[0][3]["publisher_authid"], "zoe")

    def test_serves(self):
        """A client's call comes here and the answer goes back."""
        registration = self.session.register("a.", Match.PREFIX)
        self.client.say([48, 9, {}, "a.b", [1]])
        [(message, payload, _)] = self.told
        self.assertIsInstance(message, Invocation)
        self.assertEqual((message.registration, message.details), (registration, {"procedure": "a.b"}))
        self.assertEqual(payload.args, b"[1]")
        self.session.send(Yield(message.request, {}), Payload.of([2], None))
        self.assertEqual(self.client.heard(), [[50, 9, {}, [2]]])
        self.assertRaises(RequestError, self.session.register, "a.", Match.PREFIX)

    def test_calls(self):
        """It calls, cancels, and is told what becomes of it."""
        self.client.ask([64, 1, {}, "p"])
        self.session.send(Call(1, {}, "p"), Payload.of(["x"], None))
        [invocation] = self.client.heard()
        self.client.say([70, invocation[1], {}, ["y"]])
        self.session.send(Call(2, {}, "p"))
        self.session.send(Cancel(2, {}))
        self.session.send(Call(3, {}, "nobody"))
        self.fixture.authorizer.answers[Action.CALL, "p"] = DENY
        self.session.send(Call(4, {}, "p"))
        kinds = [(type(message), message.request, getattr(message, "error", "")) for message, _, _ in self.told]
        error = "wamp.error."
        self.assertEqual(
            kinds,
            [(Result, 1, ""), (Error, 2, f"{error}canceled"), (Error, 3, f"{error}no_such_procedure"),
             (Error, 4, f"{error}not_authorized")],
        )  # fmt: skip

    def test_order_while_an_authorizer_thinks(self):
        """What comes behind waits its turn; more than may wait is not taken."""
        session = self.join(backlog=2)
        self.client.ask([32, 1, {}, "slow"], [32, 2, {}, "quick"])
        answer: Deferred[Decision] = Deferred()
        self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = answer
        taken = [session.send(Publish(n, {}, topic)) for n, topic in enumerate(("slow", "quick", "quick", "quick"))]
        self.assertEqual(taken, [True, True, True, False])
        self.assertEqual(self.client.heard(), [])
        answer.callback(ALLOW)
        self.assertEqual([event[1] for event in self.client.heard()], [1, 2, 2])
        self.assertTrue(session.send(Publish(9, {}, "quick")))

    def test_leaves(self):
        """After leaving nothing is told to it and nothing taken; whoever waited for it is told; twice does no harm."""
        self.session.subscribe("a", Match.EXACT)
        self.session.register("p", Match.EXACT)
        self.client.say([48, 1, {}, "p"])
        self.told.clear()
        self.session.leave()
        self.session.leave()
        self.assertEqual(self.client.heard()[0][4], "wamp.error.canceled")
        self.client.say([16, 1, {}, "a"])
        self.assertEqual(self.told, [])
        self.assertFalse(self.session.send(Publish(1, {}, "a")))
        self.assertEqual(self.fixture.realm.broker.lookup("a"), None)

    def test_left_while_an_authorizer_thinks(self):
        """An answer that comes too late does nothing."""
        self.client.ask([32, 1, {}, "slow"])
        answer: Deferred[Decision] = Deferred()
        self.fixture.authorizer.answers[Action.PUBLISH, "slow"] = answer
        self.session.send(Publish(1, {}, "slow"))
        self.session.leave()
        answer.callback(ALLOW)
        self.assertEqual(self.client.heard(), [])

    def test_a_fault_spoils_nobody_else(self):
        """When whoever it is made for raises, the others still get the event."""

        def broken(*what):
            raise RuntimeError("broken")

        self.join(deliver=broken).subscribe("a", Match.EXACT)
        self.client.ask([32, 1, {}, "a"])
        self.fixture.v2().say([16, 1, {}, "a", ["x"]])
        self.assertEqual(self.client.heard()[0][4], ["x"])
        self.assertEqual(self.fixture.journal.counts["session.failed", "local"], 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_nonsense(self):
        """An answer to nothing is noted and has no other effect."""
        self.session.send(Yield(77, {}))
        self.assertEqual(self.fixture.journal.counts["session.violation", "local"], 1)
        self.session.subscribe("a", Match.EXACT)
        self.client.say([16, 1, {}, "a"])
        self.assertEqual(len(self.told), 1)

    def test_mark(self):
        """The realm's, so that two sessions of one realm have the same."""
        self.assertEqual(self.session.mark, self.join().mark)
        self.assertNotEqual(
            self.session.mark, LocalSession(RealmFixture().realm_context, principal(), frozenset(), print).mark
        )
