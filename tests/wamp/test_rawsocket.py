"""T2: RawSocket's octets, as tables in both directions."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, TooLong
from orosync.wamp import rawsocket
from orosync.wamp.rawsocket import BadHandshake, HandshakeRequest, Refusal


class HandshakeTests(SynchronousTestCase):
    """T2, section "Handshake"."""

    def test_every_second_octet(self) -> None:
        """All 256: three serializers with sixteen lengths are understood, every other serializer is refused."""
        for octet in range(256):
            request = bytes((0x7F, octet, 0, 0))
            if octet & 15 in (1, 2, 3):
                expected = HandshakeRequest(octet & 15, 2 ** (9 + (octet >> 4)))
                self.assertEqual(rawsocket.read_request(request), expected)
                self.assertEqual(rawsocket.accepted(expected.serializer, expected.limit), request)
            else:
                fault = self.assertRaises(BadHandshake, rawsocket.read_request, request)
                self.assertIs(fault.refusal, Refusal.SERIALIZER)

    def test_what_is_refused(self) -> None:
        """Another first octet is no RawSocket; reserved octets are features that nobody has."""
        for request, refusal in [
            (b"\x7f\xf1\x00\x01", Refusal.RESERVED),
            (b"\x7f\xf1\x80\x00", Refusal.RESERVED),
            (b"\x7f\x00\x01\x00", Refusal.RESERVED),
            (b"\x7f\xf0\x00\x00", Refusal.SERIALIZER),
            (b"\x7e\xf1\x00\x00", None),
            (b"GET ", None),
            (b"\0\0\0\0", None),
        ]:
            fault = self.assertRaises(BadHandshake, rawsocket.read_request, request)
            self.assertIs(fault.refusal, refusal, request)

    def test_refusals(self) -> None:
        """The numbers of the specification, in the upper half of the second octet."""
        expected = {1: b"\x7f\x10\0\0", 2: b"\x7f\x20\0\0", 3: b"\x7f\x30\0\0", 4: b"\x7f\x40\0\0"}
        self.assertEqual({int(one): rawsocket.refused(one) for one in Refusal}, expected)

    def test_lengths_that_can_be_announced(self) -> None:
        """Never more than is taken, except that nothing below 512 can be said."""
        for limit, said in [
            (1, 512),
            (511, 512),
            (512, 512),
            (1023, 512),
            (1024, 1024),
            (65536, 65536),
            (100_000, 65536),
            (1 << 24, 1 << 24),
            (1 << 30, 1 << 24),
        ]:
            self.assertEqual(rawsocket.announced(limit), said, limit)


class FramingTests(SynchronousTestCase):
    """T2, section "Framing"."""

    def test_both_ways(self) -> None:
        """Every kind and every length at which anything changes is measured as it was framed."""
        for kind in (0, 1, 2):
            for size in (0, 1, 255, 256, 65535, 65536, (1 << 24) - 1, 1 << 24):
                made = rawsocket.frame(kind, bytes(size))
                self.assertEqual(len(made), 4 + size)
                self.assertEqual(rawsocket.measure(int.from_bytes(made[:4], "big")), (kind, size))

    def test_heads_of_the_specification(self) -> None:
        """The pictures of the specification as bytes."""
        for kind, size, head in [
            (0, 5, "00000005"),
            (1, 0, "01000000"),
            (2, 3, "02000003"),
            (0, (1 << 24) - 1, "00ffffff"),
            (0, 1 << 24, "08000000"),
            (1, 1 << 24, "09000000"),
        ]:
            self.assertEqual(rawsocket.frame(kind, bytes(size))[:4].hex(), head)

    def test_every_first_octet(self) -> None:
        """All 256: three types, the extra bit with an empty length only, reserved bits never."""
        for octet in range(256):
            for length in (0, 7):
                head = octet << 24 | length
                fine = octet in (0, 1, 2) or (octet in (8, 9, 10) and not length)
                if fine:
                    self.assertEqual(rawsocket.measure(head), (octet & 7, length if octet < 8 else 1 << 24))
                else:
                    self.assertRaises(ProtocolViolation, rawsocket.measure, head)

    def test_framers(self) -> None:
        """One for each length that a client can say; what is longer is refused before it is sent."""
        self.assertEqual(sorted(rawsocket.FRAMERS), [2**n for n in range(9, 25)])
        for limit, framer in rawsocket.FRAMERS.items():
            self.assertEqual(framer(bytes(limit), True), rawsocket.frame(0, bytes(limit)))
            self.assertEqual(framer(b"[1]", False), b"\0\0\0\x03[1]")
            self.assertRaises(TooLong, framer, bytes(limit + 1), True)
