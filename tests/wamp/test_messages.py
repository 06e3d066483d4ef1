"""The messages against the WAMP project's own test vectors, and against their own fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp.codec import CODECS
from orosync.wamp.messages import ABSENT, AnyMessage, Message, Unregistered, Unsubscribed

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "wamp"

ATTRIBUTES = {
    "request_id": "request",
    "session_id": "session",
    "publication_id": "publication",
    "subscription_id": "subscription",
    "registration_id": "registration",
}
"""What the vectors call an attribute, where our field has another name."""


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(VECTORS.glob("*.json")):
        for sample in json.loads(path.read_text())["samples"]:
            yield f"{path.name}: {sample['description']}", sample


class Vectors(SynchronousTestCase):
    """Other people's WAMP and ours are the same bytes."""

    def test_there_is_a_vector_for_every_message(self) -> None:
        """No message goes unproven because a file is missing."""
        codes = {sample["expected_attributes"]["message_type"] for _, sample in samples()}
        self.assertEqual(codes, {kind.__struct_config__.tag for kind in AnyMessage.__args__})

    def test_decoding(self) -> None:
        """Each listed encoding decodes to the listed attributes."""
        for label, sample in samples():
            for format, encodings in sample["serializers"].items():
                for encoding in encodings:
                    message, payload = CODECS[f"wamp.2.{format}"].decode(bytes.fromhex(encoding["bytes_hex"]))
                    self.assertEqual(message.head()[0], sample["expected_attributes"]["message_type"], label)
                    self.check(f"{label}, {format}", message, payload, sample["expected_attributes"])

    def check(self, label: str, message: Message, payload: Any, expected: dict[str, Any]) -> None:
        args, kwargs = (None, None) if payload is None else payload.values()
        for name, value in expected.items():
            if name in ("message_type", "args", "kwargs", "payload"):
                continue
            if name == "roles":
                self.assertEqual(message.details["roles"], value, label)  # type: ignore[attr-defined]
            else:
                self.assertEqual(getattr(message, ATTRIBUTES.get(name, name)), value, f"{label}: {name}")
        if expected.get("payload") is not None:
            self.assertEqual((args, kwargs), ([bytes.fromhex(expected["payload"])], {}), label)
        else:
            self.assertEqual(args or None, expected.get("args"), label)
            self.assertEqual(kwargs or None, expected.get("kwargs"), label)

    def test_encoding(self) -> None:
        """What was decoded encodes to one of the listed encodings, byte for byte, whatever format it came in."""
        for label, sample in samples():
            for source, encodings in sample["serializers"].items():
                message, payload = CODECS[f"wamp.2.{source}"].decode(bytes.fromhex(encodings[-1]["bytes_hex"]))
                for target, listed in sample["serializers"].items():
                    encoded = CODECS[f"wamp.2.{target}"].encode(message, payload).hex()
                    self.assertIn(encoded, [each["bytes_hex"] for each in listed], f"{label}: {source} to {target}")


class Heads(SynchronousTestCase):
    """The fixed part of a message is its fields in wire order."""

    def test_every_field_is_in_the_head(self) -> None:
        """Each message's head is its code and then its fields, in the order in which they are declared."""
        for kind in AnyMessage.__args__:
            names = [name for name in kind.__struct_fields__ if name not in ("args", "kwargs")]
            message = kind(*(f"the {name}" for name in names))
            expected = [kind.__struct_config__.tag, *(f"the {name}" for name in names)]
            self.assertEqual(message.head(), expected, kind.__name__)

    def test_payload_is_absent_at_first(self) -> None:
        """A message that is made without payload has none."""
        for kind in AnyMessage.__args__:
            if "args" in kind.__struct_fields__:
                fixed = len(kind.__struct_fields__) - 2
                message = kind(*range(fixed))
                self.assertIs(message.args, ABSENT, kind.__name__)
                self.assertIs(message.kwargs, ABSENT, kind.__name__)

    def test_revocation_alone_has_details(self) -> None:
        """UNSUBSCRIBED and UNREGISTERED carry details only where something was revoked."""
        self.assertEqual(Unsubscribed(7).head(), [35, 7])
        self.assertEqual(Unsubscribed(0, {"reason": "x"}).head(), [35, 0, {"reason": "x"}])
        self.assertEqual(Unregistered(7).head(), [67, 7])
        self.assertEqual(Unregistered(0, {"reason": "x"}).head(), [67, 0, {"reason": "x"}])

    def test_a_message_in_general_has_no_wire_form(self) -> None:
        """Only the messages of WAMP can be sent."""
        self.assertRaises(TypeError, Message().head)
