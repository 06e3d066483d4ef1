"""The WAMP project's own test vectors, sent live: each message of a client gets the answer its description calls for.

What a message is answered with is read by other people's decoders, so that no fault of ours can hide itself.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import msgpack
from twisted.trial.unittest import SynchronousTestCase

from tests.product import spread
from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "wamp"
READERS = {"json": json.loads, "msgpack": msgpack.unpackb, "cbor": cbor2.loads}
WRITERS = {"json": lambda value: json.dumps(value).encode(), "msgpack": msgpack.packb, "cbor": cbor2.dumps}
REALM = "com.example.realm"
ROLES = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {"features": {"call_canceling": True}}}
HELLO = [1, REALM, {"roles": ROLES}]
TOPIC, PROCEDURE = "com.myapp.mytopic1", "com.myapp.myprocedure1"
REALMS = """
[realm:com.example.realm]
authenticators = guests
authorizers = roles

[realm:locked]
authenticators = cra
authorizers = roles

[role:com.example.realm/guest]
permissions =
    any all

[authenticator:cra]
use = wampcra
user.anna = user file:anna
"""


def samples(name: str) -> Iterator[tuple[str, str, bytes]]:
    """(description, serializer, message) for each encoding of each sample in one file."""
    for sample in json.loads((VECTORS / f"{name}.json").read_text())["samples"]:
        for serializer, encodings in sample["serializers"].items():
            for encoding in encodings:
                yield f"{sample['description']}, {serializer}", serializer, bytes.fromhex(encoding["bytes_hex"])


@cache
def router() -> RunningRouter:
    """The one of this run: no test here leaves anything behind in it."""
    made = RunningRouter(more=REALMS)
    atexit.register(made.close)
    return made


class Speaker:
    """A client of one serializer that sends whole messages as they are."""

    def __init__(self, url: str, serializer: str) -> None:
        self.serializer = serializer
        self.raw = RawClient(url, f"wamp.2.{serializer}")

    def send(self, message: bytes | list[Any]) -> Speaker:
        data = message if isinstance(message, bytes) else WRITERS[self.serializer](message)
        self.raw.send_frame(data, 1 if self.serializer == "json" else 2)
        return self

    def read(self) -> Any:
        return READERS[self.serializer](self.raw.read_frame()[1])

    def ask(self, message: bytes | list[Any]) -> Any:
        return self.send(message).read()


class VectorTests(SynchronousTestCase):
    """One method for each kind of message that a client sends."""

    def setUp(self) -> None:
        self.router = router()

    def connected(self, serializer: str) -> Speaker:
        speaker = Speaker(self.router.url(port=self.router.backend), serializer)
        self.addCleanup(speaker.raw.close)
        return speaker

    def joined(self, serializer: str, hello: Any = None) -> Speaker:
        speaker = self.connected(serializer)
        self.assertEqual(speaker.ask(hello or HELLO)[0], 2)
        return speaker

    def violation(self, speaker: Speaker, label: str) -> None:
        answer = speaker.read()
        self.assertEqual((answer[0], answer[2]), (3, "wamp.error.protocol_violation"), label)
        self.assertIsNotNone(speaker.raw.ended(), label)

    def test_hello(self) -> None:
        """Opens a session: WELCOME, with an id and the roles of the router."""
        for label, serializer, message in samples("hello"):
            kind, session, details = self.connected(serializer).ask(message)
            self.assertEqual((kind, details["realm"], set(details["roles"])), (2, REALM, {"broker", "dealer"}), label)
            self.assertTrue(1 <= session <= 2**53, label)

    def test_abort(self) -> None:
        """Is never answered, before or after WELCOME; the connection ends."""
        for label, serializer, message in samples("abort"):
            for speaker in (self.connected(serializer), self.joined(serializer)):
                speaker.send(message)
                with self.assertRaises(Closed, msg=label):
                    speaker.read()

    def test_authenticate(self) -> None:
        """Answers a CHALLENGE; this one wrongly, so the session is aborted."""
        for label, serializer, message in samples("authenticate"):
            speaker = self.connected(serializer)
            challenge = speaker.ask([1, "locked", {"roles": ROLES, "authid": "anna", "authmethods": ["wampcra"]}])
            self.assertEqual(challenge[:2], [4, "wampcra"], label)
            answer = speaker.ask(message)
            self.assertEqual((answer[0], answer[2]), (3, "wamp.error.authentication_denied"), label)

    def test_goodbye(self) -> None:
        """Is answered by GOODBYE, and a new session may follow."""
        for label, serializer, message in samples("goodbye"):
            speaker = self.joined(serializer)
            self.assertEqual(speaker.ask(message), [6, {}, "wamp.close.goodbye_and_out"], label)
            self.assertEqual(speaker.ask(HELLO)[0], 2, label)

    def test_error(self) -> None:
        """The one that answers a CALL is the router's to send: from a client it violates the protocol."""
        for label, serializer, message in samples("error"):
            self.violation(self.joined(serializer).send(message), label)

    def test_publish(self) -> None:
        """Reaches a subscriber with its payload as it was; is acknowledged if it asks for that."""
        publishers = {serializer: self.joined(serializer) for serializer in READERS}
        for name in ("publish", "publish_with_publisher_exclusion_disabled"):
            for label, serializer, message in samples(name):
                sent = READERS[serializer](message)
                subscriber = self.joined(serializer)
                subscription = subscriber.ask([32, 1, {}, sent[3]])[2]
                spread.settle()
                publisher = publishers[serializer].send(message)
                event = subscriber.read()
                self.assertEqual((event[:2], event[4:]), ([36, subscription], sent[4:]), label)
                if sent[2].get("acknowledge"):
                    self.assertEqual(publisher.read(), [17, sent[1], event[2]], label)

    def test_publisher_exclusion(self) -> None:
        """Who does not want to be excluded hears its own event."""
        for label, serializer, message in samples("publish_with_publisher_exclusion_disabled"):
            speaker = self.joined(serializer)
            self.assertEqual(speaker.ask([32, 1, {}, TOPIC])[0], 33)
            self.assertEqual(speaker.ask(message)[0], 36, label)

    def test_subscribe(self) -> None:
        """SUBSCRIBED, with a small id; among nodes, one that is the same on all of them."""
        for label, serializer, message in samples("subscribe"):
            answer = self.joined(serializer).ask(message)
            self.assertEqual(answer[:2], [33, READERS[serializer](message)[1]], label)
            self.assertLess(answer[2], 2**53 if spread.SPREAD else 2**31, label)

    def test_unsubscribe(self) -> None:
        """A subscription that this session does not have: ERROR, and the session lives on."""
        self.no_such("unsubscribe", 34, "wamp.error.no_such_subscription")

    def test_unregister(self) -> None:
        """A registration that this session does not have: ERROR, and the session lives on."""
        self.no_such("unregister", 66, "wamp.error.no_such_registration")

    def no_such(self, name: str, kind: int, error: str) -> None:
        for label, serializer, message in samples(name):
            speaker = self.joined(serializer)
            request = READERS[serializer](message)[1]
            self.assertEqual(speaker.ask(message)[:5], [8, kind, request, {}, error], label)
            self.assertEqual(speaker.ask([32, 1, {}, TOPIC])[0], 33, label)

    def test_register_call_cancel(self) -> None:
        """REGISTERED; the call reaches the callee as it was and is answered; another is cancelled."""
        calls, cancels = list(samples("call")), {serializer: m for _, serializer, m in samples("cancel")}
        for label, serializer, message in samples("register"):
            callee, caller = self.joined(serializer), self.joined(serializer)
            answer = callee.ask(message)
            self.assertEqual(answer[:2], [65, READERS[serializer](message)[1]], label)
            call = next(one for _, spoken, one in calls if spoken == serializer)
            _, request, _, _, args = READERS[serializer](call)
            invocation = caller.send(call) and callee.read()
            self.assertEqual((invocation[0], invocation[2:3], invocation[4:]), (68, answer[2:], [args]), label)
            callee.send([70, invocation[1], {}, ["done"]])
            self.assertEqual(caller.read(), [50, request, {}, ["done"]], label)
            self.assertEqual(caller.send(call) and callee.read()[0], 68)
            self.assertEqual(caller.ask(cancels[serializer])[:5], [8, 48, request, {}, "wamp.error.canceled"], label)
            self.assertEqual(callee.read()[:2], [69, invocation[1] + 1], label)
            callee.raw.close()

    def test_call_of_nobody(self) -> None:
        """A procedure that nobody has registered: ERROR."""
        for label, serializer, message in samples("call"):
            answer = self.joined(serializer).ask(message)
            request = READERS[serializer](message)[1]
            self.assertEqual(answer[:5], [8, 48, request, {}, "wamp.error.no_such_procedure"], label)

    def test_yield(self) -> None:
        """For an invocation that there never was: a violation."""
        for label, serializer, message in samples("yield"):
            self.violation(self.joined(serializer).send(message), label)

    def test_event_received(self) -> None:
        """An acknowledgement that nobody asked for: ignored."""
        for label, serializer, message in samples("eventreceived"):
            self.assertEqual(self.joined(serializer).send(message).ask([32, 1, {}, TOPIC])[0], 33, label)
