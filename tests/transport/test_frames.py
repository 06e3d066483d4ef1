"""Frames as bytes: framing, unmasking and measuring, at every size where the format changes."""

from autobahn.websocket.protocol import PreparedMessage
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.frames import (
    PING,
    PONG,
    control_frame,
    data_frame,
    data_frame_in_python,
    extent,
    server_frame,
    unmask,
)
from tests.support.streams import BAD, CLOSES, GOOD
from tests.support.wires import client_frame

SIZES = [0, 1, 2, 3, 4, 5, 125, 126, 127, 511, 512, 513, 514, 1023, 1024, 4096, 65535, 65536, 70000]


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


def whole_frames() -> st.SearchStrategy[bytes]:
    """Frames of a client: data and others, text that is UTF-8 or not, of all sizes at which anything changes."""
    return st.builds(
        client_frame,
        st.one_of(
            st.text(max_size=200).map(str.encode),
            st.binary(max_size=200),
            st.sampled_from(SIZES).flatmap(lambda size: st.sampled_from((b"x", b"\xff")).map(lambda byte: byte * size)),
        ),
        st.sampled_from((1, 1, 1, 2, 2, 0, 8, 9, 10, 3)),
        fin=st.sampled_from((True, True, True, False)),
        masked=st.sampled_from((True, True, True, False)),
        mask=st.binary(min_size=4, max_size=4),
    )


LENGTHS = (0, 1, 125, 126, 65535, 65536, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


class DataFrameTests(SynchronousTestCase):
    """Taking a usual frame out of what arrived: the same whether it was built in C or not."""

    def both(self, data: bytes, position: int, limit: int, alone: bool) -> tuple[bytes, int] | None:
        found = data_frame(data, position, limit, alone)
        expected = data_frame_in_python(data, position, limit, alone)
        self.assertEqual(found, expected, (data[:100], len(data), position, limit, alone))
        return found

    def test_usual_frames(self) -> None:
        """Every size, text and binary; as long as a byte is missing, or the limit is one lower, there is none."""
        for size in SIZES:
            for opcode in (1, 2):
                payload = ("0123456789\u00e4" * size).encode()[: size // 12 * 12] + b"x" * (size % 12)
                frame = client_frame(payload, opcode, mask=b"\x01\x80\xff\x7f")
                self.assertEqual(self.both(frame, 0, size, True), (payload, len(frame)))
                self.assertEqual(self.both(b"??" + frame + b"!", 2, size, False), (payload, 2 + len(frame)))
                self.assertIsNone(self.both(frame + b"!", 0, size, True))
                self.assertIsNone(self.both(frame, 0, size - 1, False))
                for cut in {*range(min(20, len(frame))), len(frame) - 1}:
                    self.assertIsNone(self.both(frame[:cut], 0, 1 << 20, False), (size, cut))

    def test_other_frames(self) -> None:
        """Control frames, fragments and violations of RFC 6455 are not taken."""
        for what, stream in {**BAD, **CLOSES}.items():
            stream = stream[0]
            if what not in ("a text inside a message", "bad text in fragments", "a message too large"):
                self.assertIsNone(self.both(stream, 0, 65536, False), what)
        for stream in GOOD.values():
            for position in range(len(stream)):
                self.both(stream, position, 65536, False)

    def test_lengths_that_are_no_lengths(self) -> None:
        """The largest numbers that a head can hold, and heads longer than they need be."""
        for opcode in (0x81, 0x82):
            for length in (
                0,
                1,
                125,
                126,
                65535,
                65536,
                1 << 31,
                (1 << 32) - 1,
                1 << 32,
                (1 << 63) - 1,
                1 << 63,
                (1 << 64) - 1,
            ):
                for limit in (65536, (1 << 63) - 1):
                    for rest in (b"", bytes(70000)):
                        data = bytes((opcode, 0xFF)) + length.to_bytes(8, "big") + bytes(4) + rest
                        found = self.both(data, 0, limit, False)
                        self.assertEqual(found is not None, length == 65536 and bool(rest), (length, limit))
                        if length < 65536:
                            data = bytes((opcode, 0xFE)) + length.to_bytes(2, "big") + bytes(4) + rest
                            found = self.both(data, 0, limit, False)
                            self.assertEqual(found is not None, length > 125 and bool(rest), (length, limit))

    def test_positions_that_are_none(self) -> None:
        """At the end of the data and beyond, nothing is read."""
        frame = client_frame(b"text")
        for position in (len(frame), len(frame) + 1, 1 << 40, (1 << 63) - 1):
            self.assertIsNone(self.both(frame, position, 100, False))

    def test_every_start_of_a_letter(self) -> None:
        """Each sequence of bytes that may begin a character, complete or not, is UTF-8 in C exactly if it is in
        Python."""
        for first in range(128, 256):
            for second in (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF):
                for rest in (b"", b"\x80", b"\x80\x80", b"\xbf\xbfx"):
                    self.both(client_frame(b"12345678" + bytes((first, second)) + rest), 0, 100, True)

    @given(st.lists(whole_frames(), min_size=1, max_size=3), st.data())
    def test_anything_cut_anywhere(self, frames: list[bytes], data: st.DataObject) -> None:
        """Frames of all kinds, some bytes of them changed, from any position and cut at any byte."""
        stream = bytearray(b"".join(frames))
        for place in data.draw(st.lists(st.integers(0, min(len(stream), 300) - 1), max_size=3)):
            stream[place] = data.draw(st.integers(0, 255))
        limit, alone = data.draw(st.sampled_from((0, 125, 126, 65535, 65536, 1 << 20))), data.draw(st.booleans())
        whole = bytes(stream)
        for cut in range(min(len(whole), 600) + 1):
            self.both(whole[:cut], 0, limit, alone)
        for position in {0, *data.draw(st.lists(st.integers(0, len(whole)), max_size=5))}:
            self.both(whole, position, limit, alone)

    @given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 60), st.booleans())
    def test_random_bytes(self, data: bytes, position: int, limit: int, alone: bool) -> None:
        """Whatever arrives."""
        self.both(data, position, limit, alone)
        self.both(b"\x81" + data, 0, limit, alone)
        self.both(b"\x82\xfe\x00" + data, 0, limit, alone)
