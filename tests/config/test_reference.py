"""Tests of orosync.config.reference."""

from __future__ import annotations

from pathlib import Path

from orosync.config import (
    attached,
    authentication,
    backplane,
    listen,
    loader,
    operations,
    realms,
    reference,
    sections,
    sessions,
    uplinks,
)
from orosync.config.fields import keys_of
from tests.config.files import FilesCase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


class Page(FilesCase):
    """docs/configuration.md."""

    def test_every_key_and_no_other(self) -> None:
        """The page's tables are those of the sections, word for word (made by python -m orosync.config.reference)."""
        page = PAGE.read_text()
        self.assertEqual(page, reference.written_anew(page))
        self.assertEqual(reference.marks(page), list(reference.TABLES))
        for section in reference.TABLES.values():
            for name in keys_of(section):
                self.assertRegex(page, rf"(?m)^\| `{name}(\.NAME)?` \|")

    def test_every_section_has_its_table(self) -> None:
        """No section class is left out, and the page has a heading for every kind of section."""
        there = {
            value
            for module in (
                attached,
                backplane,
                realms,
                listen,
                operations,
                authentication,
                realms,
                authentication,
                sections,
                sessions,
                uplinks,
            )
            for name, value in vars(module).items()
            if name.endswith("Section") and name != "ForeignSection"
        }
        self.assertEqual(there, set(reference.TABLES.values()))
        page = PAGE.read_text()
        for kind in loader.ALONE:
            self.assertIn(f"\n## `[{kind}]`\n", page)
        for kind in loader.NAMED:
            self.assertRegex(page, rf"\n## `\[{kind}:")

    def test_a_page_out_of_date(self) -> None:
        """A page that lost a key and kept an old one is put right, and what stands around the tables is kept."""
        page = "before\n<!-- keys: notifications -->\n| `gone` | | |\n<!-- end -->\nbehind\n"
        path = self.write(page, "page.md")
        reference.main([str(path)])
        written = path.read_text()
        self.assertTrue(written.startswith("before\n<!-- keys: notifications -->\n| key |"))
        self.assertTrue(written.endswith("|\n<!-- end -->\nbehind\n"))
        self.assertIn("| `ping_interval` | `50s` |", written)
        self.assertNotIn("gone", written)

    def test_bars_do_not_break_a_table(self) -> None:
        """Each row has three columns."""
        for section in reference.TABLES.values():
            for row in reference.table(section).splitlines():
                self.assertEqual(row.replace("\\|", "").count("|"), 4, row)
