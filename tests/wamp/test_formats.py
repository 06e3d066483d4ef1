"""What a peer is told when its message cannot be read."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp.formats import (
    HALF,
    MAX_DEPTH,
    TOO_DEEP,
    UNREADABLE,
    Findings,
    Format,
    Scanner,
    refusal,
    with_whole_text,
)


class Refusals(SynchronousTestCase):
    """A reason names the fault and quotes nothing."""

    def refused(self, data: bytes) -> str:
        try:
            msgspec.json.decode(data, type=list[int])
        except UNREADABLE as error:
            violation = refusal(error)
            self.assertIsInstance(violation, ProtocolViolation)
            return str(violation)
        raise AssertionError(f"{data!r} was read")

    def test_reasons(self) -> None:
        """The administrator reads what kind of fault it was; what the client sent stays out of the log."""
        for data, reason in [
            (b"[" * 100000, "Expected `int`, got `array`"),
            (b'["secret"]', "Expected `int`, got `str`"),
            (b'["secret]', "truncated"),
            (b"secret", "malformed"),
        ]:
            text = self.refused(data)
            self.assertIn(reason, text)
            self.assertNotIn("secret", text)

    def test_bad_utf8(self) -> None:
        """Not even the one wrong byte is quoted."""
        try:
            b"secret\xff".decode()
        except UNREADABLE as error:
            self.assertEqual(str(refusal(error)), "text is not UTF-8")

    def test_any_other_fault(self) -> None:
        """A fault nobody has thought of is not quoted either."""
        self.assertEqual(str(refusal(ValueError("secret"))), "the message cannot be decoded")

    def test_too_deep(self) -> None:
        """The bound is named, whether we noticed or the decoder gave up."""
        self.assertIn(str(MAX_DEPTH), TOO_DEEP)
        self.assertEqual(str(refusal(RecursionError())), TOO_DEEP)

    def test_half_an_emoji(self) -> None:
        """What JavaScript's libraries write for half a surrogate pair is mended in its place; all else stays."""
        for data, expected in [
            (b"a\xed\xa0\xbdb", "a\ufffdb".encode()),
            (b"\xed\xb8\x80\xed\xa0\xbd", "\ufffd\ufffd".encode()),
            ("\ud7ff\ue000\U0001f600".encode(), "\ud7ff\ue000\U0001f600".encode()),
            (b"\xff\xed\xa0", b"\xff\xed\xa0"),
        ]:
            self.assertEqual(with_whole_text(data), expected)
            self.assertEqual(len(expected), len(data))

    def test_scanner(self) -> None:
        """Items with half a surrogate pair are unsupported, those around them are not; other bad text is malformed."""

        def skip(data: bytes, place: int, found: Findings) -> int:
            data[place : place + 3].decode()
            return place + 3

        scanner = Scanner(b"abc\xed\xa0\xbddef\xed\xa0\xbd\xff\xff\xff", skip, Findings)
        found = [scanner.item(place) for place in (0, 3, 6, 9)]
        self.assertEqual(
            [(end, each.unsupported) for end, each in found], [(3, set()), (6, {HALF}), (9, set()), (12, {HALF})]
        )
        self.assertRaises(UnicodeDecodeError, scanner.item, 12)

    def test_names(self) -> None:
        """Formats are called as in the names of WAMP's subprotocols."""
        self.assertEqual([format.value for format in Format], ["json", "msgpack", "cbor"])
