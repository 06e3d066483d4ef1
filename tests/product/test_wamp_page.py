"""docs/wamp.md is true: what it says is announced, and each test that it names is there."""

from __future__ import annotations

import re
from importlib import import_module
from typing import NamedTuple
from unittest import TestCase

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, Unfit
from orosync.session.features import roles
from orosync.wamp.codec import CODECS
from orosync.wamp.formats import MAX_DEPTH
from orosync.wamp.payload import Payload
from orosync.wamp.v1 import Prefixes
from tests.product.libraries import LIBRARIES
from tests.product.running_router import TREE

PAGE = TREE / "docs" / "wamp.md"
NUMBERS = {"B": 22, "R": 13, "P": 13, "M": 1, "A": 11, "T": 7}
WITHOUT = {"R9", "R13", "P7", "P12", "T5", "T6", "T7"}
"""Features that orosync does not have, and says so."""


class Row(NamedTuple):
    number: str
    flags: set[str]
    supported: bool
    reason: str
    tests: list[str]


def rows() -> list[Row]:
    """The tables' rows; those of the profiles have six columns, one of them for what is announced."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[A-Z]\d+", cells[0]):
            announced = cells.pop(2) if cells[0][0] in "RPM" else ""
            flags = set(re.findall(r"`((?:broker|dealer)\.\w+)`", announced))
            found.append(Row(cells[0], flags, cells[2].startswith("yes"), cells[2], re.findall(r"`(\S+)`", cells[3])))
    return found


class WampPageTests(SynchronousTestCase):
    def test_every_feature_has_a_row(self) -> None:
        """None is passed over, none stands twice, and they come in order."""
        there = [row.number for row in rows()]
        self.assertEqual(there, [f"{letter}{n + 1}" for letter, last in NUMBERS.items() for n in range(last)])

    def test_what_is_announced(self) -> None:
        """Every feature of WELCOME stands in the table as supported, and no other one does."""
        announced = {f"{role}.{name}" for role, told in roles(history=True).items() for name in told["features"]}
        for row in rows():
            self.assertTrue(row.supported or not row.flags, row)
        flags = [flag for row in rows() for flag in row.flags]
        self.assertEqual(sorted(flags), sorted(announced))

    def test_what_is_not_there(self) -> None:
        """Whatever is not supported has a reason, and no tests."""
        self.assertEqual({row.number for row in rows() if not row.supported}, WITHOUT)
        for row in rows():
            if not row.supported:
                self.assertRegex(row.reason, r"^no: .{10,}", row.number)
                self.assertEqual(row.tests, [], row.number)

    def test_every_feature_is_tested(self) -> None:
        """Each names a test, and each test that is named can be run: trial finds it by this name."""
        for row in rows():
            self.assertEqual(bool(row.tests), row.supported, row.number)
            for named in row.tests:
                module, case, method = re.fullmatch(r"(tests(?:\.\w+)+)\.(\w+)\.(test_\w+)", named).groups()  # type: ignore[union-attr]
                made = getattr(import_module(module), case)
                self.assertTrue(issubclass(made, TestCase), named)
                self.assertTrue(callable(getattr(made, method)), named)

    def test_clients(self) -> None:
        """The table of clients names all those of the tests, with the versions that are installed."""
        text = PAGE.read_text()
        table = text[text.index("## Clients") : text.index("## Basic")]
        self.assertLessEqual(set(LIBRARIES), set(re.findall(r"`([\w-]+)`", table)))
        package = (TREE / "tests/js/package.json").read_text()
        setup = (TREE / "setup.cfg").read_text()
        for library, version in re.findall(r"(?m)^\| .*?`([\w-]+)`[^|]*\| (?:from )?([\d.]+) \|", table):
            pinned = f'{library}": "{version}"' in package
            floor = re.search(rf"{library.partition('-')[0]}(?:\[[\w,]+\])?>={re.escape(version)}\n", setup)
            self.assertTrue(pinned or floor, (library, version))


FORMATS = {"JSON": "json", "MessagePack": "msgpack", "CBOR": "cbor"}
BEFORE = {"JSON": b'[16,1,{},"t",', "MessagePack": b"\x95\x10\x01\x80\xa1t", "CBOR": b"\x85\x10\x01\xa0\x61t"}
"""A PUBLISH up to its arguments."""


class ValuesTests(SynchronousTestCase):
    """The table of values."""

    def test_every_row(self) -> None:
        """What is sent arrives as the page says, or not at all."""
        text = PAGE.read_text()
        text = text[text.index("## Values") : text.index("**none**")]
        table = [
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"
        ]
        self.assertGreater(len(table), 30)
        for value, source, sent, *expected in table[2:]:
            codec = CODECS[f"wamp.2.{FORMATS[source]}"]
            message = BEFORE[source] + written(source, sent) + b"]" * (source == "JSON")
            try:
                payload = codec.decode(message)[1]
            except Unfit:
                found = ["ERROR"] * 3
            else:
                assert payload is not None
                found = [self.arrived(payload, target) for target in FORMATS]
            self.assertEqual(found, expected, value)

    def arrived(self, payload: Payload, target: str) -> str:
        try:
            _, data = payload.tail(CODECS[f"wamp.2.{FORMATS[target]}"].format)
        except NotCarriable:
            return "none"
        return f"`{data.decode() if target == 'JSON' else data.hex()}`"

    def test_depth(self) -> None:
        """The page tells the bound that there is."""
        self.assertIn(f"**Nesting**: {MAX_DEPTH} levels", PAGE.read_text())


def written(source: str, cell: str) -> bytes:
    return cell.strip("`").encode() if source == "JSON" else bytes.fromhex(cell.strip("`"))


class CurieTests(SynchronousTestCase):
    def test_every_row(self) -> None:
        """Each example of the page is resolved as it says."""
        section = PAGE.read_text().partition("## CURIEs of WAMP v1")[2].partition("\n## ")[0]
        found = re.findall(r"^\| (?:`(.+?)` = `(.+?)`|none) \| `(.+?)` \| `(.+?)` \|$", section, re.M)
        self.assertEqual(len(found), 6)
        for prefix, uri, written, topic in found:
            prefixes = Prefixes()
            if prefix:
                prefixes.declare(prefix, uri)
            self.assertEqual(prefixes.resolve(written), topic, (prefix, uri))
