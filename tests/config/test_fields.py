"""Tests of orosync.config.fields."""

from __future__ import annotations

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from orosync.config import fields, readers
from orosync.config.fields import build, dotted, keys_of, setting
from orosync.config.readers import BUILTIN, Source
from orosync.config.reference import TABLES
from orosync.config.source import RawSection, RawValue


def pair(name: str, text: str, place: Source) -> tuple[str, int]:
    if text == "13":
        place.warn("is doubtful")
    return name, readers.count(text, place)


@frozen(kw_only=True)
class Sample:
    """A section for these tests."""

    name: str
    limit: int = setting(readers.size, "How much.", default="1KiB")
    word: str = setting(readers.name, "Which.", required=True, example="this")
    note: str | None = setting(readers.plain, "What.", otherwise="nothing", multiline=True)
    item: tuple[tuple[str, int], ...] = dotted(pair, "How many.", example="item.a = 1")


class Keys(SynchronousTestCase):
    """Sections from raw sections."""

    def build(self, **texts: str) -> tuple[Sample | None, list[tuple[str, str]]]:
        given = {key.replace("__", "."): RawValue(text, 1) for key, text in texts.items()}
        faults: list[tuple[str, str]] = []
        self.warnings: list[tuple[str, str]] = []
        made = build(
            Sample,
            RawSection("sample:x", 1, given),
            BUILTIN,
            {"name": "x"},
            lambda *fault: faults.append(fault),
            lambda *warning: self.warnings.append(warning),
        )
        return made, faults

    def test_warnings(self) -> None:
        """What a reader finds likely to be a mistake is reported with its key, and the section is made all the same."""
        made, faults = self.build(word="w", item__a="13")
        self.assertEqual((faults, self.warnings), ([], [("item.a", "is doubtful")]))
        self.assertIsNotNone(made)

    def test_defaults(self) -> None:
        """What is not written has its default, read from the very words of the reference."""
        self.assertEqual(self.build(word="w"), (Sample(name="x", limit=1024, word="w", note=None, item=()), []))

    def test_everything(self) -> None:
        """Dotted keys are gathered in order; a multiline key may have several lines."""
        made, faults = self.build(word="w", limit="2B", note="a\nb", item__b="2", item__a="1", item__a__c="3")
        self.assertEqual(faults, [])
        self.assertEqual(made, Sample(name="x", limit=2, word="w", note="a\nb", item=(("b", 2), ("a", 1), ("a.c", 3))))

    def test_all_faults(self) -> None:
        """Each key's fault is told. The section is made of the others all the same, for checks between keys."""
        made, faults = self.build(limit="2", wrod="hush", note="", item__a="0", item="1", word__x="1", name="y")
        known = ", its keys are item.NAME, limit, note, word"
        self.assertEqual(made, Sample(name="x", limit=1024, word="this", note=None, item=()))
        self.assertEqual(
            faults,
            [
                ("limit", "'2' is not a size, write 2B for bytes"),
                ("wrod", "is no key of [sample:x], did you mean word?"),
                ("note", "is empty, give a value or remove the line"),
                ("item.a", "'0' is not a number from 1 to 999999999, write one"),
                ("item", "is no key of [sample:x], did you mean item.NAME?"),
                ("word.x", "is no key of [sample:x], did you mean word?"),
                ("name", "is no key of [sample:x]" + known),
                ("word", "is missing, add a line like: word = this"),
            ],
        )

    def test_renamed(self) -> None:
        """A key of an earlier release is not read; the error names its new name, in the sections that have that one."""
        self.patch(fields, "RENAMED", {"text": "word", "words": "elsewhere"})
        _, faults = self.build(text="w", words="w", word="w")
        self.assertEqual(
            faults,
            [
                ("text", "is no key of [sample:x], was renamed to word"),
                ("words", "is no key of [sample:x], did you mean word?"),
            ],
        )

    def test_renamed_keys_exist(self) -> None:
        """Every new name is a key of some section, and no section has an old one."""
        known = {key for section in TABLES.values() for key in keys_of(section)}
        self.assertEqual(set(fields.RENAMED.values()) - known, set())
        self.assertEqual(set(fields.RENAMED) & known, set())

    def test_removed_keys_are_gone(self) -> None:
        """No section has a key that was removed from it, and each of these sections exists."""
        for section, key in fields.REMOVED:
            self.assertNotIn(key, keys_of(TABLES[section]))

    def test_swallowed_lines(self) -> None:
        """A key that went into the value above by its indentation is noticed."""
        _, faults = self.build(word="w\nlimit = 2B")
        self.assertEqual(
            faults, [("word", "goes on in the next line because that one is indented, start it at the margin")]
        )

    def test_colon(self) -> None:
        """A colon in place of the equals sign is told without what stands behind it, which may be a secret."""
        self.assertEqual(
            self.build(**{"word: hush?x": "y", "item__a: hush": "1", "wrod": "2"})[1],
            [
                ("word", "stands with a colon, write = in its place"),
                ("item.a", "stands with a colon, write = in its place"),
                ("wrod", "is no key of [sample:x], did you mean word?"),
            ],
        )

    def test_comment(self) -> None:
        """A comment has a line of its own; a # or ; within a value is part of it."""
        told = "has a comment behind it, which would be part of it: put the comment on a line of its own"
        for text in ("w # why", "w ; why", "w\t# why"):
            self.assertEqual(self.build(word=text)[1], [("word", told)])
        self.assertEqual(self.build(word="w", note="a#b;c")[1], [])
        self.assertEqual(self.build(word="w", item__a="1 # why")[1], [("item.a", told)])

    def test_quotes(self) -> None:
        """No value stands in quotes, as in other kinds of files; one that only has some is left to its reader."""
        for text in ('"w"', "'w'", '"a b"', '""', '"tcp:8080"'):
            made, faults = self.build(word="w", note=text, item__a=text)
            told = "stands in quotes, which would be part of it: take them away"
            self.assertEqual((made, faults), (Sample(name="x", word="w"), [("note", told), ("item.a", told)]), text)
        for text in ('"', '"a" "b"', "'a\"", 'say "a"', "it's"):
            self.assertEqual(self.build(word="w", note=text)[1], [], text)

    def test_published_secret_anywhere(self) -> None:
        """Oro's published secret is refused as any value, whatever stands around it."""
        _, faults = self.build(word="w", note="x=ThisTokenIsNotSoSecretChangeIt")
        self.assertEqual(
            faults,
            [("note", "holds the secret that Oro is published with, which is public: choose your own")],
        )

    def test_description(self) -> None:
        """What the reference page shows of each key."""
        keys = keys_of(Sample)
        self.assertEqual(list(keys), ["limit", "word", "note", "item"])
        self.assertEqual([key.shown for key in keys.values()], ["`1KiB`", "required", "nothing", "none"])
        self.assertEqual([key.required for key in keys.values()], [False, True, False, False])
