"""Tests of orosync.config.source."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import source
from orosync.config.source import read


class Sound(SynchronousTestCase):
    """Texts without a fault."""

    def test_sections_keys_and_lines(self) -> None:
        """Every key comes with its text and the line it stands on, in the order of the file."""
        raw = read("# top\n\n[router]\nnode = a\n\n[listen:public]\n; note\nendpoint = tcp:1\npath = /ws\n[empty:x]\n")
        self.assertEqual(raw.faults, ())
        self.assertEqual(
            [(section.title, section.line) for section in raw.sections],
            [("router", 3), ("listen:public", 6), ("empty:x", 10)],
        )
        listen = raw.sections[1]
        self.assertEqual((listen.kind, listen.name), ("listen", "public"))
        self.assertEqual(
            [(key, value.text, value.line) for key, value in listen.values.items()],
            [("endpoint", "tcp:1", 8), ("path", "/ws", 9)],
        )

    def test_values_are_taken_as_they_are(self) -> None:
        """A % is a character, a # within a value too; keys keep their case; a colon divides nothing."""
        raw = read("[a]\nKey.Name = 100% # no comment ; none\nkey.name = x = y\nchannel.a:b = 1\n")
        self.assertEqual(
            {key: value.text for key, value in raw.sections[0].values.items()},
            {"Key.Name": "100% # no comment ; none", "key.name": "x = y", "channel.a:b": "1"},
        )

    def test_indented_lines_continue(self) -> None:
        """A value may go on in indented lines, with comments in between."""
        raw = read("[a]\nk =\n  one\n  # why\n  two\nlast = 1\n")
        self.assertEqual(raw.sections[0].values["k"].text.split(), ["one", "two"])
        self.assertEqual(raw.sections[0].values["last"].line, 6)

    def test_lines_of_long_values(self) -> None:
        """Each line of a value knows its number, whatever comments and blank lines stand in between."""
        text = "[a]\nk =\n  one\n  # why\n  two\n\n  one\n; no\nl = one\n  # why\n  one\nm = x\n"
        values = read(text).sections[0].values
        self.assertEqual(values["k"].text.split("\n"), ["one", "two", "", "one"])
        self.assertEqual(values["k"].lines, (3, 5, 6, 7))
        self.assertEqual((values["l"].text, values["l"].lines), ("one\none", (9, 11)))
        self.assertEqual((values["m"].line, values["m"].lines), (12, (12,)))

    def test_files_of_other_editors(self) -> None:
        """A byte order mark and Windows' ends of lines do no harm."""
        raw = read("\ufeff[a]\r\nk = v\r\n")
        self.assertEqual((raw.faults, raw.sections[0].values["k"].text), ((), "v"))

    def test_default_is_no_special_section(self) -> None:
        """[DEFAULT] gives nothing to other sections."""
        raw = read("[DEFAULT]\nk = 1\n[a]\n")
        self.assertEqual([(section.title, len(section.values)) for section in raw.sections], [("DEFAULT", 1), ("a", 0)])

    def test_values_stay_out_of_repr(self) -> None:
        """What stands in a file does not reach a log by way of repr."""
        self.assertNotIn("hush", repr(read("[a]\nk = hush\n")))


class Faulty(SynchronousTestCase):
    """Texts with faults of syntax."""

    def test_all_faults_at_once(self) -> None:
        """Each fault has its line, the good parts are there all the same, and no line's text is repeated."""
        raw = read("early = hush\n[a]\nk = 1\nk = hush\n  hush\nm = 2\nsecret: hush\n[b]\n[a]\nz = hush\n[c\nn = 3\n")
        self.assertEqual(
            raw.faults,
            (
                (1, "this line stands before the first [section], put it into one"),
                (4, "[a] k: is given a second time, remove one of the two"),
                (7, "[a]: this line has a colon where = belongs, write key = value"),
                (9, "[a] stands here a second time, join the two into one"),
                (11, "this line is neither [section], nor key = value, nor a # comment, correct it"),
            ),
        )
        self.assertEqual(
            [(section.title, {key: value.text for key, value in section.values.items()}) for section in raw.sections],
            [("a", {"k": "1", "m": "2"}), ("b", {})],
        )
        self.assertNotIn("hush", repr(raw.faults))

    def test_lines_that_are_nothing(self) -> None:
        """The section is told, and a colon in place of the equals sign; a URL is no such mistake."""
        neither = "[a]: this line is neither [section], nor key = value, nor a # comment, correct it"
        for line, fault in [
            ("key: hush", "[a]: this line has a colon where = belongs, write key = value"),
            ("channel.acme/{id}:hush", "[a]: this line has a colon where = belongs, write key = value"),
            ("key hush", neither),
            ("https://hush", neither),
            ("[hush", neither),
        ]:
            raw = read(f"[a]\nk = 1\n# more\n{line}\n[b]\n")
            self.assertEqual(raw.faults, ((4, fault),))

    def test_first_section(self) -> None:
        """A first section without its bracket is told as such."""
        first = (1, "this line begins like a [section] and is none, end it with ]")
        self.assertEqual(read("[router\nk = hush\n").faults[0], first)

    def test_three_of_a_kind(self) -> None:
        """A key and a section that stand three times are two faults each."""
        raw = read("[a]\nk=1\nk=2\nk=3\n[a]\n[a]\n")
        self.assertEqual([line for line, _ in raw.faults], [3, 4, 5, 6])

    def test_a_file_that_is_something_else(self) -> None:
        """A file full of faults is given up in time."""
        raw = read("[a]\n" + "k = 1\n" * (source.MOST_FAULTS + 10))
        self.assertTrue(raw.given_up)
        self.assertEqual((len(raw.faults), raw.sections), (source.MOST_FAULTS + 1, ()))
        self.assertEqual(raw.faults[-1], (0, "there are too many faults to go on, correct these first"))

    def test_any_text_is_survived(self) -> None:
        """Odd texts are faults or nothing, never an exception."""
        for text in (
            "",
            "\0",
            "[]",
            "[",
            "=",
            "[a]\n=",
            "[a]\n  = 1",
            "  [a]",
            "[a]\n\tk\n",
            "[\n]",
            "[a]]\n",
            "\x1b[0m",
        ):
            raw = read(text)
            self.assertTrue(raw.faults or not any(section.values for section in raw.sections), repr(text))
