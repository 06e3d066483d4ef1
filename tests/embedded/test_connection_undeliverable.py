"""Tests of orosync.embedded.connection: what a client can do to a component, and cannot."""

from __future__ import annotations

from typing import Any

import cbor2
from autobahn.wamp.types import CallOptions, RegisterOptions, SubscribeOptions
from twisted.trial.unittest import SynchronousTestCase

from orosync.embedded.connection import Undeliverable, deliver
from tests.embedded.fixture import Component, EmbeddedFixture

BAD = ("self", "fun", "enc_algo", "callee", "callee_authid", "callee_authrole", "forward_for", "error")


class UndeliverableTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = EmbeddedFixture()
        self.component = Component()
        self.embedding = self.fixture.embed(self.component)
        self.component.take()
        self.client = self.fixture.v2(join=False)
        features = {"progressive_call_results": True, "payload_passthru_mode": True}
        self.say(1, "oro", {"roles": {role: {"features": features} for role in ("publisher", "caller", "callee")}})

    def told(self, *args: Any, **kwargs: Any) -> None:
        self.component.told.append((args, kwargs))

    def say(self, *message: Any) -> list[Any]:
        """A message of the client, and what it receives when everything has arrived."""
        self.client.say(list(message))
        self.fixture.turns()
        return self.client.heard()

    def lost(self) -> list[str]:
        """Kinds of messages that the component did not get; it is still there."""
        self.assertTrue(self.embedding.open, self.fixture.ends)
        notes, self.fixture.journal.notes = self.fixture.journal.notes, []
        return [kind for event, kind, _ in notes if event == "payload.undeliverable"]

    def test_events(self):
        """An event whose keywords are Python's is lost; the next one arrives; no other name is in the way."""
        self.component.subscribe(self.told, "news")
        self.component.subscribe(self.told, "all.", SubscribeOptions(match="prefix", details_arg="details"))
        self.fixture.turns()
        for topic in ("news", "all.x"):
            for name in BAD:
                self.say(16, 1, {}, topic, [], {name: 1})
                wrong = name in ("self", "fun")
                self.assertEqual(self.lost(), ["event"] if wrong else [], name)
                self.assertEqual(len(self.component.take()), 0 if wrong else 1, name)
        self.say(16, 1, {}, "news", [1], {"details": 2})
        self.assertEqual(self.component.take(), [((1,), {"details": 2})])

    def test_calls(self):
        """A call of that kind is answered with an ERROR, and the procedure is not called."""
        self.component.register(lambda *args, **kwargs: self.told(*args, **kwargs), "ask")
        self.component.register(self.told, "any.", RegisterOptions(match="prefix", details_arg="details"))
        self.fixture.turns()
        for procedure in ("ask", "any.x"):
            for number, name in enumerate(BAD, 1):
                (answer,) = self.say(48, number, {}, procedure, [], {name: 1})
                wrong = name in ("self", "fun")
                self.assertEqual(answer[0], 8 if wrong else 50, name)
                self.assertEqual(self.lost(), ["invocation"] if wrong else [], name)
                self.assertEqual(len(self.component.take()), 0 if wrong else 1, name)
            self.assertEqual(self.say(48, 90, {}, procedure, [], {"self": 1})[0][4], "wamp.error.invalid_argument")
            self.assertEqual(self.lost(), ["invocation"])

    def called(self, **options: Any) -> tuple[Any, int]:
        """A call of the component's to the client, under way: its outcome, and the invocation's id."""
        outcome = self.component.call("evil", options=CallOptions(**options) if options else None)
        self.fixture.turns()
        (invocation,) = self.client.heard()
        self.assertEqual(invocation[0], 68)
        return outcome, invocation[1]

    def test_results(self):
        """A result of that kind fails the component's call, be it an answer or an error; no call waits for ever."""
        self.say(64, 1, {}, "evil")
        for name in BAD:
            for options in ({}, {"details": True}):
                outcome, invocation = self.called(**options)
                self.say(70, invocation, {}, [], {name: "x"})
                if name == "error":
                    self.successResultOf(outcome)
                else:
                    self.assertEqual(self.failureResultOf(outcome).value.error, "wamp.error.invalid_argument")
            outcome, invocation = self.called()
            self.say(8, 68, invocation, {}, "evil.error", ["words"], {name: "x"})
            error = self.failureResultOf(outcome).value
            self.assertEqual((error.error, error.args, error.kwargs), ("evil.error", ("words",), {}))
        self.assertEqual(self.lost(), [])

    def test_progressive_results(self):
        """A progressive result of that kind is lost, the final one arrives."""
        self.say(64, 1, {}, "evil")
        for options in ({}, {"details": True}):
            outcome, invocation = self.called(on_progress=self.told, **options)
            self.say(70, invocation, {"progress": True}, [1], {"self": 1})
            self.say(70, invocation, {"progress": True})
            self.say(70, invocation, {}, [3])
            self.assertIsNotNone(self.successResultOf(outcome))
            self.assertIn("event", self.lost())

    def test_sealed(self):
        """A payload sealed by an unknown scheme does not end the component either."""
        self.component.subscribe(self.told, "news")
        self.component.register(self.told, "ask")
        self.fixture.turns()
        for options in ({"ppt_scheme": "x_own"}, {"enc_algo": "?"}, {"enc_algo": "cryptobox"}):
            self.say(16, 1, options, "news", "\0AAEC")
            self.say(48, 1, options, "ask", "\0AAEC")
            self.lost()
        self.say(16, 1, {}, "news", [1])
        self.assertEqual(self.component.take()[-1], ((1,), {}))
        self.flushLoggedErrors()

    def test_unreadable(self):
        """What autobahn cannot read is lost or answered, by its kind; anything else is passed on."""
        read = self.embedding._end.serializer
        for message, kind in [
            ([36, 1, 2, {"publisher_authid": 7}], "event"),
            ([68, 5, 6, {"caller": "x"}], "invocation"),
        ]:
            loss = self.assertRaises(Undeliverable, deliver, self.component, read, cbor2.dumps(message))
            self.assertEqual(loss.code, kind)
        self.assertEqual(loss.answer.request, 5)
        for message in ([33, 9, 9], [6, 7, "x"], [50, 77, {}]):
            with self.assertRaises(Exception) as caught:
                deliver(self.component, read, cbor2.dumps(message))
            self.assertNotIsInstance(caught.exception, Undeliverable)

    def test_result_that_cannot_be_read(self):
        """The call whose result it is fails."""
        self.say(64, 1, {}, "evil")
        outcome, _ = self.called()
        (request,) = self.component._call_reqs
        data = cbor2.dumps([50, request, {"callee": "x"}])
        loss = self.assertRaises(Undeliverable, deliver, self.component, self.embedding._end.serializer, data)
        self.assertEqual(loss.code, "result")
        self.failureResultOf(outcome)
