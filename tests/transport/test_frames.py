"""Frames as bytes: framing, unmasking and measuring, at every size where the format changes."""

from autobahn.websocket.protocol import PreparedMessage
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.frames import PING, PONG, control_frame, extent, server_frame, unmask
from tests.support.wires import client_frame

SIZES = [0, 1, 2, 3, 4, 5, 125, 126, 127, 511, 512, 513, 514, 4096, 65535, 65536, 70000]


class FrameTests(SynchronousTestCase):
    def test_framing_equals_autobahns(self) -> None:
        """Each size, text and binary, byte for byte as the library that passes the conformance suite."""
        for size in SIZES:
            payload = bytes(range(256)) * (size // 256 + 1)
            payload = payload[:size]
            for binary in (False, True):
                expected = PreparedMessage(payload, binary, False, True).payloadHybi
                self.assertEqual(server_frame(payload, binary), expected, size)

    def test_unmasking_undoes_masking(self) -> None:
        """Each size on both sides of the change of method, with masks that are easy to get wrong."""
        for size in SIZES:
            payload = (b"\x00\xff\x80orosync" * (size // 10 + 1))[:size]
            for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", b"\x00\x00\x00\x80"):
                frame = client_frame(payload, mask=mask)
                masked = frame[len(frame) - size :]
                self.assertEqual(unmask(masked, mask), payload, (size, mask))

    def test_extent_of_each_frame(self) -> None:
        """Where a frame ends is known as soon as its length has arrived, and not a byte earlier."""
        for size in SIZES:
            for masked in (True, False):
                frame = client_frame(b"x" * size, masked=masked)
                known = 2 if size < 126 else 4 if size < 65536 else 10
                for cut in range(12):
                    found = extent(b"??" + frame[:cut], 2)
                    self.assertEqual(found, None if cut < known else 2 + len(frame), (size, cut))

    def test_control_frames(self) -> None:
        """Pings go out empty, pongs carry what was asked."""
        self.assertEqual(control_frame(PING), b"\x89\x00")
        self.assertEqual(control_frame(PONG, b"abc"), b"\x8a\x03abc")
