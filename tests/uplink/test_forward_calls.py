"""Tests for orosync.uplink.forward."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.testing import RecordingJournal
from orosync.uplink.forward import CallForwarding
from orosync.wamp import uris
from orosync.wamp.formats import Format
from orosync.wamp.messages import Call, Cancel, Error, Invocation, Result, Yield
from orosync.wamp.payload import Payload
from tests.uplink.sides import MemorySide

PAYLOAD = Payload.of(["x"], {"k": 1})


class CallsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.source, self.sink, self.journal = MemorySide(), MemorySide(), RecordingJournal()
        self.calls = CallForwarding("up", self.source, self.sink, self.journal, lambda uri: uri == "ours", 2, 100)
        self.calls.begin("here", "there")

    def invoke(self, number: int = 5, procedure: str = "p", payload: Payload | None = None, **details: Any) -> None:
        self.calls.invoked(Invocation(number, 1, details), procedure, payload)

    def refusal(self) -> tuple[int, str]:
        """The one ERROR that the source has got: (invocation, URI)."""
        [message] = self.source.take()
        self.assertIsInstance(message, Error)
        self.assertEqual(message.request_type, 68)
        return message.request, message.error

    def test_there_and_back(self) -> None:
        """INVOCATION, CALL, RESULT, YIELD: payloads are the very same."""
        caller = {"caller": 7, "caller_authid": "zoe", "caller_authrole": "chief"}
        self.invoke(payload=PAYLOAD, receive_progress=True, timeout=50, procedure="p", **caller)
        [(message, payload)] = self.sink.sent
        options = {
            "transaction_hash": "orosync:5:here",
            "forward_for": [{"session": 7, "authid": "zoe", "authrole": "chief"}],
            "receive_progress": True,
            "timeout": 50,
        }
        self.assertEqual(message, Call(1, options, "p"))
        self.assertIs(payload, PAYLOAD)
        self.calls.answered(Result(1, {"progress": True}), PAYLOAD)
        self.calls.answered(Result(1, {"ppt_scheme": "x_a"}), None)
        self.calls.answered(Result(1, {}), None)
        self.assertEqual(
            self.source.sent, [(Yield(5, {"progress": True}), PAYLOAD), (Yield(5, {"ppt_scheme": "x_a"}), None)]
        )
        self.assertEqual(len(self.calls), 0)

    def test_error(self) -> None:
        """An ERROR comes back with its URI and payload."""
        self.invoke()
        self.calls.failed(Error(48, 1, {"x": 1}, "com.error"), PAYLOAD)
        self.calls.failed(Error(48, 1, {}, "com.error"), PAYLOAD)
        self.assertEqual(self.source.sent, [(Error(68, 5, {}, "com.error"), PAYLOAD)])

    def test_interrupt(self) -> None:
        """INTERRUPT becomes CANCEL; the answer still finds its way."""
        for options, mode in (({"mode": "kill"}, "kill"), ({}, "killnowait"), ({"mode": 7}, "killnowait")):
            self.invoke()
            [call] = self.sink.take()
            self.calls.interrupted(5, options)
            self.assertEqual(self.sink.take(), [Cancel(call.request, {"mode": mode})])
            self.calls.failed(Error(48, call.request, {}, uris.CANCELED), None)
            self.assertEqual(self.refusal(), (5, uris.CANCELED))
        self.calls.interrupted(5, {})
        self.assertEqual(self.sink.take(), [])

    def test_circles(self) -> None:
        """A call that has been there, or that the sink would hand to ourselves, has no procedure here."""
        self.invoke(transaction_hash="orosync:5:there.x")
        self.assertEqual(self.refusal(), (5, uris.NO_SUCH_PROCEDURE))
        self.invoke(procedure="ours")
        self.assertEqual(self.refusal(), (5, uris.NO_SUCH_PROCEDURE))
        self.assertEqual(self.sink.sent, [])
        self.assertEqual(self.journal.counts["uplink.call_failed", "loop"], 2)

    def test_bounds(self) -> None:
        """Too many at a time are refused, and payloads that are too large."""
        for number in (1, 2, 3):
            self.invoke(number)
        self.assertEqual(self.refusal(), (3, uris.UNAVAILABLE))
        self.calls.answered(Result(1, {}), None)
        self.source.take()
        self.invoke(4, payload=Payload.of(["x" * 100], None))
        self.assertEqual(self.refusal(), (4, uris.PAYLOAD_SIZE_EXCEEDED))
        self.invoke(5)
        self.assertEqual(len(self.calls), 2)

    def test_sealed(self) -> None:
        """Sealed payloads pass where the router hands them on; elsewhere whoever calls is told, in both directions."""
        sealed, ppt = Payload(Format.JSON, b'"\\u0000AAA="'), {"ppt_scheme": "x_a"}
        self.calls.begin("here", "there", seals=frozenset())
        self.invoke(5, payload=sealed, **ppt)
        self.assertEqual(self.refusal(), (5, uris.FEATURE_NOT_SUPPORTED))
        self.calls.begin("here", "there", back=frozenset())
        for number in (6, 7):
            self.invoke(number, payload=sealed, **ppt)
        one, other = self.sink.take()
        self.assertEqual(one.options["ppt_scheme"], "x_a")
        self.calls.answered(Result(one.request, ppt), sealed)
        self.assertEqual(self.refusal(), (6, uris.FEATURE_NOT_SUPPORTED))
        self.assertEqual(self.sink.take(), [Cancel(one.request, {"mode": "killnowait"})])
        self.calls.failed(Error(48, other.request, ppt, "com.error"), sealed)
        self.assertEqual(self.source.sent, [(Error(68, 7, {}, "com.error"), None)])
        self.assertEqual(len(self.calls), 0)

    def test_what_would_end_the_session(self) -> None:
        """Names that are no URIs and options of wrong types do not go on: Crossbar.io would end the session."""
        self.invoke(procedure="a b")
        self.assertEqual(self.refusal(), (5, uris.INVALID_URI))
        self.invoke(receive_progress=1, timeout="soon")
        self.invoke(6, timeout=-1)
        for call in self.sink.take():
            self.assertEqual(call.options, {"transaction_hash": call.options["transaction_hash"]})
        self.calls.failed(Error(48, 1, {}, "what a mess"), None)
        self.assertEqual(self.refusal(), (5, uris.RUNTIME_ERROR))

    def test_nobody_there(self) -> None:
        """While the other router is away a call fails at once."""
        self.calls.away(Invocation(9, 1, {}))
        self.assertEqual(self.refusal(), (9, uris.NETWORK_FAILURE))
        self.sink.deaf = True
        self.invoke()
        self.assertEqual(self.refusal(), (5, uris.NETWORK_FAILURE))
        self.assertEqual(len(self.calls), 0)

    def test_never_registered(self) -> None:
        """What we did not offer is not called, whatever the other router says."""
        self.calls.unknown(Invocation(9, 1, {}))
        self.assertEqual(self.refusal(), (9, uris.NO_SUCH_PROCEDURE))
        self.assertEqual(self.sink.sent, [])

    def test_lost_during_calls(self) -> None:
        """Whoever waits is told; a late answer finds nobody."""
        self.invoke(5)
        self.invoke(6)
        self.calls.sink_gone()
        self.assertEqual(
            [(m.request, m.error) for m in self.source.take()], [(5, uris.NETWORK_FAILURE), (6, uris.NETWORK_FAILURE)]
        )
        self.calls.answered(Result(1, {}), None)
        self.assertEqual((self.source.sent, len(self.calls)), ([], 0))

    def test_nobody_waits(self) -> None:
        """When the callers are gone with their router, the work is called off."""
        self.invoke(5)
        self.sink.take()
        self.calls.source_gone()
        self.assertEqual(self.sink.take(), [Cancel(1, {"mode": "killnowait"})])
        self.calls.failed(Error(48, 1, {}, uris.CANCELED), None)
        self.assertEqual((self.source.sent, len(self.calls)), ([], 0))
