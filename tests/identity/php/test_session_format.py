"""Whole sessions: what PHP wrote is read as PHP reads it, in each of its three formats."""

from __future__ import annotations

import itertools

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.php.serialized import ParseLimits, PhpArray, PhpObject, SessionUnreadable, unserialize
from orosync.identity.php.session import HANDLERS, read_session
from tests.identity.php.oracle import SAMPLE, View, judged, sessions

BAD = {
    "php": [
        b"a",
        b"a|",
        b"|",
        b"a|i:5",
        b"a|i:5;b",
        b"a|i:5;b|",
        b"a|i:5;a|i:5;",
        b"a|r:1;",
        b"a|i:1;b|r:1;",
    ],
    "php_binary": [b"\x01", b"\x01a", b"\x02ai:5;", b"\x81ai:5;", b"\x00", b"\x01ai:5;\x01ai:5;", b"\x01ai:5;\x7f"],
    "php_serialize": [b"i:5;", b"N;", b'O:1:"A":0:{}', b"a:0:{}x", b"a:1:{i:0;i:5;", b"a|i:5;"],
}
ONE = {
    "php": b'a|i:5;b|s:1:"|";',
    "php_binary": b'\x01ai:5;\x01bs:1:"|";',
    "php_serialize": b'a:2:{s:1:"a";i:5;s:1:"b";s:1:"|";}',
}


class Oracle(SynchronousTestCase):
    """Hundreds of sessions that a real PHP wrote, compared with what that PHP reads in them."""

    def test_equal(self) -> None:
        """Nesting, shared and circular objects, references, enumerations, odd strings, own formats: nothing differs."""
        for handler in HANDLERS:
            written = sessions(handler)
            self.assertGreaterEqual(len(written), 300)
            for session in written.values():
                self.assertEqual(
                    View().entries(read_session(session.data, handler)), session.view, f"{handler}: {session.name}"
                )

    def test_sample(self) -> None:
        """The sample: each of its values, and the token that is a string in one of them, is to us what it is to PHP."""
        names = (b"_sf2_attributes", b"_symfony_flashes", b"_sf2_meta")
        starts = [*(SAMPLE.index(name + b"|") for name in names), len(SAMPLE)]
        values = [SAMPLE[a:b].partition(b"|")[2] for a, b in itertools.pairwise(starts)]
        whole = read_session(SAMPLE)
        self.assertEqual(list(whole), list(names))
        for name, value in zip(names, values, strict=True):
            self.assertEqual(View().of(whole[name]), View().of(unserialize(value)), name)
        attributes = whole[names[0]]
        assert isinstance(attributes, PhpArray)
        token = attributes[b"_security_main"]
        assert isinstance(token, bytes)
        for value, view in zip([*values, token], judged([*values, token]), strict=True):
            self.assertIsNotNone(view, value)
            self.assertEqual(View(names=True).of(unserialize(value)), view)

    def test_other_formats_are_noticed(self) -> None:
        """A handler set wrongly is an error an administrator sees, not an empty session."""
        for handler in HANDLERS:
            for other in set(HANDLERS) - {handler}:
                session = sessions(handler)["oro 5.0"].data
                self.assertRaises(SessionUnreadable, read_session, session, other)

    def test_cut_anywhere(self) -> None:
        """A session that was read while PHP wrote it is refused, or it ends where a key would begin."""
        whole = read_session(SAMPLE)
        ends = {0, SAMPLE.index(b"_symfony_flashes"), SAMPLE.index(b"_sf2_meta")}
        for length in range(len(SAMPLE)):
            if length in ends:
                self.assertEqual(list(read_session(SAMPLE[:length])), list(whole)[: len(read_session(SAMPLE[:length]))])
            else:
                self.assertRaises(SessionUnreadable, read_session, SAMPLE[:length])


class Formats(SynchronousTestCase):
    """The three formats, by hand."""

    def test_read(self) -> None:
        """Keys and values are found."""
        for handler, data in ONE.items():
            self.assertEqual(read_session(data, handler), {b"a": 5, b"b": b"|"}, handler)

    def test_no_bytes(self) -> None:
        """A session that was opened and never written to is empty."""
        for handler in HANDLERS:
            self.assertEqual(read_session(b"", handler), {})

    def test_refused(self) -> None:
        """What PHP would not have written is refused, whatever comes before it."""
        for handler, table in BAD.items():
            for data in table:
                self.assertRaises(SessionUnreadable, read_session, data, handler)
                if handler != "php_serialize":
                    self.assertRaises(SessionUnreadable, read_session, ONE[handler] + data, handler)

    def test_numbers_go_on_over_keys(self) -> None:
        """An object under one key may be the object of another: numbers count through the whole session."""
        session = read_session(b'a|i:1;b|O:1:"A":0:{}c|a:1:{i:0;r:2;}')
        inner = session[b"c"]
        assert isinstance(inner, PhpArray)
        self.assertIsInstance(session[b"b"], PhpObject)
        self.assertIs(inner[0], session[b"b"])

    def test_limits_hold_for_the_whole_session(self) -> None:
        """Many small values are as many as one with many in it."""
        data = b"".join(b"k%d|N;" % number for number in range(11))
        self.assertEqual(len(read_session(data, limits=ParseLimits(values=11))), 11)
        self.assertRaises(SessionUnreadable, read_session, data, limits=ParseLimits(values=10))
        self.assertRaises(SessionUnreadable, read_session, data, limits=ParseLimits(size=len(data) - 1))

    def test_unknown_handler(self) -> None:
        """A handler that does not exist is the administrator's mistake, not the session's."""
        error = self.assertRaises(ValueError, read_session, b"", "igbinary")
        self.assertNotIsInstance(error, SessionUnreadable)
