"""Symfony's .env files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import dotenv


class DotenvCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def loaded(self, files: dict[str, str], environ: dict[str, str] | None = None) -> dict[str, str]:
        """The values that the files of an application give; ``faults`` and ``places`` beside them."""
        for name, text in files.items():
            (self.directory / name).write_text(text)
        found = dotenv.load(self.directory, ".env-app", "ORO_ENV", environ or {})
        self.faults = found.faults
        self.places = {name: one.file for name, one in found.variables.items()}
        return {name: one.value for name, one in found.variables.items()}


class GrammarTests(DotenvCase):
    """One file: each text with what Symfony's Dotenv makes of it."""

    def test_values(self) -> None:
        """Quotes, comments, escapes, parts in a row."""
        for written, value in (
            ("", ""),
            ("   # nothing", ""),
            ("#nothing", ""),
            ("a", "a"),
            ("a # comment", "a"),
            ("a#b", "a#b"),
            ("redis://h/0?a=b&c[d]=e", "redis://h/0?a=b&c[d]=e"),
            ("'a b # $X \\n'", "a b # $X \\n"),
            ('"a b # c"', "a b # c"),
            ('"a\\"b\\nc"', 'a"b\nc'),
            ("'a''b'", "ab"),
            ("a'b'\"c\"", "abc"),
            ('"p\\$X"', "p$X"),
            ("p\\$X", "p$X"),
            ("p\\$", "p$"),
            ("p$", "p$"),
            ("'a'#b", "a#b"),
            ("'a' # b", "a"),
            ("a\\\\b", "a\\b"),
            ('"two\nlines"', "two\nlines"),
            ("p%40ss", "p%40ss"),
        ):
            found = self.loaded({".env-app": f"A={written}\nB=after\n"})
            self.assertEqual((found["A"], found["B"], self.faults), (value, "after", ()), written)

    def test_variables(self) -> None:
        """They are those of the process, then of this file, then of earlier ones; a default is for an empty one."""
        for written, value in (
            ("$X/1", "x/1"),
            ("${X}1", "x1"),
            ('"${X} $X"', "x x"),
            ("${NONE}a", "a"),
            ("${NONE:-b}a", "ba"),
            ("${X:-b}", "x"),
            ("$NONE:-b", "b"),
            ("$X $X", "x x"),
            ("$OUTER", "process"),
            ("\\\\$X", "\\x"),
        ):
            found = self.loaded({".env-app": f"X=x\nOUTER=file\nA={written}\n"}, {"OUTER": "process"})
            self.assertEqual(found["A"], value, written)

    def test_names(self) -> None:
        """``export`` may precede them; Windows' line ends count as one."""
        self.assertEqual(self.loaded({".env-app": "export A=1\r\n\r\nB_2=2\r\n"}), {"A": "1", "B_2": "2"})

    def test_faults(self) -> None:
        """They have file and line, no value, and the variables before them count."""
        for line in (
            "no name",
            "A B=secret",
            'A="secret',
            "A='secret",
            "A=$(secret)",
            'A="x$(secret)"',
            "A= secret",
            "A=secret text",
            "A=${secret",
        ):
            found = self.loaded({".env-app": f"GOOD=1\n\n{line}\nC=3\n"})
            self.assertEqual(found.get("GOOD"), "1")
            (fault,) = self.faults
            self.assertIn(".env-app, line 3: ", fault)
            self.assertNotIn("secret", fault)


class FilesTests(DotenvCase):
    """Several files."""

    def test_order(self) -> None:
        """The later one decides, the process before all of them; what an earlier file made of a variable stays."""
        files = {
            ".env-app": "ORO_ENV=prod\nA=1\nB=1\nC=1\nD=1\nURL=old\nDSN=$URL/0\n",
            ".env-app.local": "B=2\nC=2\nD=2\nURL=new\n",
            ".env-app.prod": "C=3\nD=3\n",
            ".env-app.prod.local": "D=4\n",
            ".env-app.dev": "A=9\n",
        }
        found = self.loaded(files, {"E": "5", "A": "process"})
        self.assertEqual([found[name] for name in "ABCDE"], ["process", "2", "3", "4", "5"])
        self.assertEqual((found["URL"], found["DSN"]), ("new", "old/0"))
        self.assertEqual(
            [self.places[name] for name in "ABCD"],
            ["the environment", ".env-app.local", ".env-app.prod", ".env-app.prod.local"],
        )

    def test_environment_is_chosen(self) -> None:
        """By the process or by a file; in "test" the local file is left out."""
        files = {".env-app": "ORO_ENV=prod\nA=1\n", ".env-app.local": "A=2\n", ".env-app.dev": "A=3\n"}
        self.assertEqual(self.loaded(files, {"ORO_ENV": "dev"})["A"], "3")
        self.assertEqual(self.loaded(files, {"ORO_ENV": "test"})["A"], "1")
        self.assertEqual(self.loaded({".env-app.local": "ORO_ENV=dev\nA=2\n"})["A"], "3")

    def test_dumped(self) -> None:
        """What ``composer dump-env`` wrote replaces all other files, unless it is of another environment."""
        dumped = "<?php\n\nreturn array (\n  'ORO_ENV' => 'prod',\n  'A' => 'it\\'s \\\\ one',\n);\n"
        files = {".env-app": "ORO_ENV=prod\nA=file\nB=file\n", ".env-app.local.php": dumped}
        found = self.loaded(files)
        self.assertEqual((found["A"], found.get("B"), self.places["A"]), ("it's \\ one", None, ".env-app.local.php"))
        self.assertEqual(self.loaded(files, {"ORO_ENV": "dev"})["A"], "file")

    def test_what_cannot_be_read(self) -> None:
        """A file that is no text, or a directory, is named; one that is absent is none's fault."""
        self.assertEqual((self.loaded({}), self.faults), ({}, ()))
        (self.directory / ".env-app").write_bytes(b"A=\xff\n")
        (self.directory / ".env-app.local").mkdir()
        self.assertEqual(self.loaded({}), {})
        self.assertEqual(
            self.faults, (".env-app is not text in UTF-8", ".env-app.local cannot be read (Is a directory)")
        )
