"""The life of a v2 session: what may come when, for every message there is."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp.messages import (
    Abort,
    AnyMessage,
    Authenticate,
    Challenge,
    Error,
    Event,
    Goodbye,
    Hello,
    Message,
    Publish,
    Welcome,
)
from orosync.wamp.v2 import RECEIVED, REQUESTS, RESPONSES, SENT, Lifecycle, Phase

HELLO = Hello("oro", {})
WELCOME = Welcome(1, {})
CHALLENGE = Challenge("ticket", {})
AUTHENTICATE = Authenticate("x", {})
ABORT = Abort({}, "wamp.error.no_such_realm")
GOODBYE = Goodbye({}, "wamp.close.normal")
PUBLISH = Publish(1, {}, "t")
EVENT = Event(1, 2, {})

WAYS: dict[Phase, list[tuple[str, Message]]] = {
    Phase.CLOSED: [],
    Phase.ESTABLISHING: [("received", HELLO)],
    Phase.CHALLENGING: [("received", HELLO), ("sent", CHALLENGE)],
    Phase.OPEN: [("received", HELLO), ("sent", WELCOME)],
    Phase.CLOSING: [("received", HELLO), ("sent", WELCOME), ("sent", GOODBYE)],
}
"""How a session gets into each phase."""

KINDS: tuple[type[Message], ...] = AnyMessage.__args__


def brought(steps: Iterable[tuple[str, Message]]) -> Lifecycle:
    lifecycle = Lifecycle()
    for direction, message in steps:
        getattr(lifecycle, direction)(message)
    return lifecycle


def example(kind: type[Message]) -> Message:
    """Some message of ``kind``; an ERROR answers an INVOCATION."""
    fields = [name for name in kind.__struct_fields__ if name not in ("args", "kwargs")]
    return kind(*(68 for _ in fields))


class Tables(SynchronousTestCase):
    """The tables, for every phase and every message."""

    def test_ways(self) -> None:
        """Each phase is reached."""
        for phase, steps in WAYS.items():
            self.assertIs(brought(steps).phase, phase)

    def test_every_message_in_every_phase(self) -> None:
        """A legal message leads where the table says; an illegal one raises and changes nothing."""
        for table, direction in [(RECEIVED, "received"), (SENT, "sent")]:
            for phase, steps in WAYS.items():
                for kind in KINDS:
                    lifecycle = brought(steps)
                    step = getattr(lifecycle, direction)
                    label = f"{kind.__name__} {direction} while {phase.value}"
                    if kind in table[phase]:
                        step(example(kind))
                        self.assertIs(lifecycle.phase, table[phase][kind], label)
                    else:
                        self.assertRaises(ProtocolViolation, step, example(kind))
                        self.assertIs(lifecycle.phase, phase, label)
                        for legal in table[phase]:
                            again = brought(steps)
                            self.assertRaises(ProtocolViolation, getattr(again, direction), example(kind))
                            getattr(again, direction)(example(legal))
                            self.assertIs(again.phase, table[phase][legal], f"{legal.__name__} after {label}")

    def test_who_may_say_what(self) -> None:
        """A message goes in one direction; only those that begin and end sessions, and ERROR, go both ways."""
        received = {kind for row in RECEIVED.values() for kind in row}
        sent = {kind for row in SENT.values() for kind in row}
        self.assertEqual(received & sent, {Abort, Goodbye, Error})
        self.assertEqual(received | sent, set(KINDS))
        self.assertEqual(set(REQUESTS) | {Hello, Authenticate, Abort, Goodbye}, received)
        self.assertEqual(set(RESPONSES) | {Welcome, Challenge, Abort, Goodbye}, sent)


class Lives(SynchronousTestCase):
    """Whole sessions."""

    def test_plain(self) -> None:
        """HELLO, WELCOME, work, GOODBYE from the client, GOODBYE from us; and then another session."""
        lifecycle = brought(
            [("received", HELLO), ("sent", WELCOME), ("received", PUBLISH), ("sent", EVENT), ("received", GOODBYE)]
        )
        self.assertIs(lifecycle.phase, Phase.CLOSING)
        self.assertRaises(ProtocolViolation, lifecycle.sent, EVENT)
        lifecycle.sent(GOODBYE)
        self.assertIs(lifecycle.phase, Phase.CLOSED)
        self.assertRaises(ProtocolViolation, lifecycle.received, PUBLISH)
        lifecycle.received(HELLO)
        lifecycle.sent(WELCOME)
        self.assertIs(lifecycle.phase, Phase.OPEN)

    def test_challenged(self) -> None:
        """A client that is challenged answers once, and then waits."""
        lifecycle = brought([("received", HELLO), ("sent", CHALLENGE)])
        for message in [HELLO, PUBLISH, GOODBYE]:
            self.assertRaises(ProtocolViolation, lifecycle.received, message)
        lifecycle.received(AUTHENTICATE)
        self.assertRaises(ProtocolViolation, lifecycle.received, AUTHENTICATE)
        self.assertRaises(ProtocolViolation, lifecycle.received, PUBLISH)
        lifecycle.sent(WELCOME)
        self.assertIs(lifecycle.phase, Phase.OPEN)

    def test_given_up(self) -> None:
        """A client may give up, and be turned down, at any time before it is welcome."""
        for steps in [[("received", HELLO)], [("received", HELLO), ("sent", CHALLENGE)]]:
            for direction in ["received", "sent"]:
                self.assertIs(brought([*steps, (direction, ABORT)]).phase, Phase.CLOSED)

    def test_our_goodbye(self) -> None:
        """What was under way when the router said goodbye is no violation; the client's goodbye completes it."""
        lifecycle = brought([("received", HELLO), ("sent", WELCOME), ("sent", GOODBYE), ("received", PUBLISH)])
        self.assertIs(lifecycle.phase, Phase.CLOSING)
        self.assertRaises(ProtocolViolation, lifecycle.received, HELLO)
        lifecycle.received(GOODBYE)
        self.assertIs(lifecycle.phase, Phase.CLOSED)
        self.assertRaises(ProtocolViolation, lifecycle.sent, GOODBYE)

    def test_errors_answer_invocations(self) -> None:
        """A client's ERROR about anything but an INVOCATION is a violation."""
        lifecycle = brought(WAYS[Phase.OPEN])
        lifecycle.received(Error(68, 1, {}, "e.x"))
        for request_type in [48, 16, 0, 70]:
            self.assertRaises(ProtocolViolation, lifecycle.received, Error(request_type, 1, {}, "e.x"))
        self.assertIs(lifecycle.phase, Phase.OPEN)

    def test_reasons(self) -> None:
        """The log says which message came when."""
        error = self.assertRaises(ProtocolViolation, Lifecycle().received, PUBLISH)
        self.assertEqual(str(error), "PUBLISH must not come while the session is closed")
        error = self.assertRaises(ProtocolViolation, brought(WAYS[Phase.OPEN]).sent, CHALLENGE)
        self.assertEqual(str(error), "CHALLENGE must not be sent while the session is open")
