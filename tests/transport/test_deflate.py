"""T1: permessage-deflate, as tables, and against zlib itself."""

import os
import random
import zlib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from orosync.transport import deflate
from orosync.transport.frames import server_frame
from tests.support.wires import MemoryListener, client_frame, close_code, server_frames, upgrade

TEXT = b'[36,1,2,{},["a text that repeats itself, a text that repeats itself, %d"]]' % 7 * 10
PLAIN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def squeezed(payload: bytes, bits: int = 15) -> bytes:
    """A message's payload as section 7.2.1 has it."""
    squeezer = zlib.compressobj(wbits=-bits)
    return (squeezer.compress(payload) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(payload: bytes, bits: int = 15) -> bytes:
    return zlib.decompressobj(wbits=-bits).decompress(payload + b"\0\0\xff\xff")


class AgreementTests(SynchronousTestCase):
    """T1, RFC 7692 section 7.1."""

    def test_offers(self) -> None:
        """Those of browsers and libraries; the first that is sound counts, others are as if they were not there."""
        for header, answer in [
            ("permessage-deflate", PLAIN),
            ("permessage-deflate; client_max_window_bits", PLAIN),
            ("permessage-deflate; client_max_window_bits=15; client_no_context_takeover", PLAIN),
            ("permessage-deflate; server_no_context_takeover", PLAIN),
            ("permessage-deflate; server_max_window_bits=10", f"{PLAIN}; server_max_window_bits=10"),
            ("permessage-deflate; server_max_window_bits=7, permessage-deflate", PLAIN),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; odd=1", None),
            ("permessage-deflate; client_max_window_bits=99", None),
            ("x-webkit-deflate-frame", None),
            ("permessage-bzip2, PERMESSAGE-DEFLATE", PLAIN),
            ("", None),
            (None, None),
            (";=;,,;", None),
        ]:
            found = deflate.agreed(header)
            self.assertEqual(found.answer if found else None, answer, header)


class FramerTests(SynchronousTestCase):
    """T1."""

    def test_there_and_back(self) -> None:
        """What is long enough and gains by it is compressed, in a window of the size agreed upon, all else is not."""
        noise = os.urandom(2000)
        for bits in range(9, 16):
            frame = deflate.deflated_framer(bits)
            for payload in (TEXT, TEXT * 100, bytes(70000)):
                for binary in (False, True):
                    ((first, got),) = server_frames(frame(payload, binary))[0]
                    self.assertEqual((first, inflated(got, bits)), (0xC2 if binary else 0xC1, payload))
            for payload in (b"", TEXT[:255], noise):
                self.assertEqual(frame(payload, False), server_frame(payload, False))

    def test_shared(self) -> None:
        """One function for each window."""
        first, second = (
            deflate.agreed("permessage-deflate"),
            deflate.agreed("permessage-deflate; client_max_window_bits"),
        )
        narrow = deflate.agreed("permessage-deflate; server_max_window_bits=9")
        assert first and second and narrow
        self.assertIs(first.framer, second.framer)
        self.assertIsNot(first.framer, narrow.framer)


class InboundTests(SynchronousTestCase):
    """T1: what compressing clients send."""

    def open(self, policy: ConnectionPolicy | None = None, **settings: Any) -> Any:
        listener = MemoryListener(deflate=True, **settings)
        opened = listener.open(policy, extra="Sec-WebSocket-Extensions: permessage-deflate\r\n")
        return listener, *opened

    def test_cut_at_every_byte(self) -> None:
        """Compressed and plain messages in any order, whole, fragmented, in pieces: all arrive as they were."""
        small = squeezed(b"[1]")
        half = len(squeezed(TEXT)) // 2
        stream = (
            client_frame(small, rsv=4)
            + client_frame(b"plain")
            + client_frame(squeezed(TEXT)[:half], rsv=4, fin=False)
            + client_frame(b"p", 9)
            + client_frame(squeezed(TEXT)[half:], 0)
            + client_frame(squeezed(b"\0\1"), 2, rsv=4)
            + client_frame(b"end")
        )
        expected = [(b"[1]", False), (b"plain", False), (TEXT, False), (b"\0\1", True), (b"end", False)]
        for cut in range(len(stream)):
            _, link, _, session = self.open()
            link.dataReceived(stream[:cut])
            link.dataReceived(stream[cut:])
            self.assertEqual(session.messages, expected, cut)
        _, link, _, session = self.open()
        for n in range(len(stream)):
            link.dataReceived(stream[n : n + 1])
        self.assertEqual(session.messages, expected)
        self.assertIsNone(link._perMessageCompress._decompressor)

    def test_bombs(self) -> None:
        """The limit counts what comes out: little that becomes much ends with 1009, whole or in fragments."""
        bomb = squeezed(bytes(50_000_000))
        self.assertLess(len(bomb), 65536)
        for stream in (
            client_frame(bomb, 2, rsv=4),
            client_frame(bomb[:10000], 2, rsv=4, fin=False) + client_frame(bomb[10000:], 0),
            client_frame(squeezed(bytes(65537)), 2, rsv=4),
            client_frame(squeezed(bytes(65538)), 2, rsv=4),
            client_frame(squeezed(bytes(65537))[:-1], 2, rsv=4, fin=False)
            + client_frame(squeezed(bytes(65537))[-1:], 0),
        ):
            listener, link, wire, session = self.open()
            link.dataReceived(stream)
            listener.clock.advance(0)
            self.assertEqual((session.messages, close_code(wire.value())), ([], 1009))
            self.assertEqual(listener.journal.kinds("frame.refused"), ["1009"])
        _, link, _, session = self.open()
        link.dataReceived(client_frame(squeezed(bytes(65536)), 2, rsv=4))
        self.assertEqual(len(session.messages[0][0]), 65536)

    def test_violations(self) -> None:
        """Bytes that are no deflate, text that is no UTF-8, and reserved bits in the wrong place."""
        for stream, code in [
            (client_frame(b"\xff\xff\xff\xff", rsv=4), 1007),
            (client_frame(squeezed(b"\xff"), rsv=4), 1007),
            (client_frame(b"", 9, rsv=4), 1002),
            (client_frame(b"x", rsv=2), 1002),
            (client_frame(b"a", fin=False) + client_frame(b"b", 0, rsv=4), 1002),
        ]:
            _, link, wire, session = self.open()
            link.dataReceived(stream)
            self.assertEqual((session.messages, close_code(wire.value())), ([], code))

    def test_every_way_to_end(self) -> None:
        """A message may end with a block that says it is the last, with or without an octet behind it, with an empty
        block or a stored one (RFC 7692 section 7.2.3); the next message begins anew."""
        squeezer = zlib.compressobj(wbits=-15)
        last = squeezer.compress(TEXT) + squeezer.flush(zlib.Z_FINISH)
        for payload, expected in [
            (last, TEXT),
            (last + b"\0", TEXT),
            (b"\0", b""),
            (squeezed(b""), b""),
            (bytes.fromhex("000500faff48656c6c6f00"), b"Hello"),
            (bytes.fromhex("f248050000 00ffffcac9c90700"), b"Hello"),
        ]:
            _, link, _, session = self.open()
            link.dataReceived(client_frame(payload, rsv=4) + client_frame(squeezed(b"[1]"), rsv=4))
            self.assertEqual(session.messages, [(expected, False), (b"[1]", False)], payload)

    def test_random_bytes(self) -> None:
        """Whatever claims to be compressed costs at most the connection."""
        chance = random.Random(7692)
        for _ in range(200):
            _, link, wire, session = self.open()
            link.dataReceived(client_frame(chance.randbytes(chance.randrange(200)), 2, rsv=4))
            self.assertTrue(session.messages or close_code(wire.value()) in (1002, 1007, 1009) or not wire.value())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_off(self) -> None:
        """Without the setting no offer is answered, and a compressed frame is a violation."""
        for listener, extra in (
            (MemoryListener(), "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            (MemoryListener(deflate=True), ""),
        ):
            link, wire = listener.connect()
            link.dataReceived(upgrade(extra=extra))
            self.assertNotIn(b"Extensions", wire.value())
            wire.clear()
            link.dataReceived(client_frame(squeezed(b"[1]"), rsv=4))
            self.assertEqual(close_code(wire.value()), 1002)
            self.assertIs(link.framer, server_frame)

    def test_the_answer(self) -> None:
        """It stands in the 101, and the link's frames are those agreed upon."""
        listener = MemoryListener(deflate=True)
        link, wire = listener.connect()
        link.dataReceived(upgrade(extra="Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11\r\n"))
        header = f"\r\nSec-WebSocket-Extensions: {PLAIN}; server_max_window_bits=11\r\n"
        self.assertIn(header.encode(), wire.value())
        self.assertIs(link.framer, deflate.deflated_framer(11))
