"""Tests of orosync.config.credentials."""

from __future__ import annotations

import attrs

from orosync.config import credentials
from orosync.config.readers import Source
from tests.config.files import SECRET, FilesCase

TWO_LINES = "env:S holds more than one line or a control character, leave the secret alone in it"


class Secrets(FilesCase):
    """References to secrets."""

    def place(self, **environ: str) -> Source:
        return Source(self.directory, {"CREDENTIALS_DIRECTORY": str(self.directory), **environ})

    def refusal(self, text: str, **environ: str) -> str:
        return str(self.assertRaises(ValueError, credentials.salt, text, self.place(**environ)))

    def test_from_a_file(self) -> None:
        """A file's text counts, less the newlines at its end; a relative path starts beside the configuration."""
        for content in (SECRET, SECRET + "\n", SECRET + "\r\n", SECRET + "\r\n\r\n\n", "\ufeff" + SECRET + "\n"):
            path = self.write(content, "secret")
            for text in (f"file:{path}", "file:secret", "file:${CREDENTIALS_DIRECTORY}/secret"):
                found = credentials.secret(text, self.place())
                self.assertEqual((found.value, found.reference), (SECRET, text))

    def test_from_the_environment(self) -> None:
        """A variable's text counts."""
        self.assertEqual(credentials.salt("env:ORO_SECRET", self.place(ORO_SECRET=SECRET)).value, SECRET)

    def test_blanks_belong_to_it(self) -> None:
        """Only newlines are taken away: a blank may be part of a secret. It is told."""
        for outer in (" ", "\t", "\u00a0", "\u200b"):
            for value in (outer + SECRET, SECRET + outer, outer + SECRET + outer):
                told: list[str] = []
                place = attrs.evolve(self.place(S=value + "\n"), warn=told.append)
                for read in (credentials.secret, credentials.salt, credentials.location):
                    self.assertEqual(read("env:S", place).value, value)
                self.assertEqual(len(told), 3)
                for words in told:
                    self.assertIn("env:S begins or ends with a blank", words)
                    self.assertNotIn(SECRET, words)

    def test_quotes(self) -> None:
        """Oro's secret and an address are never in quotes, as in .env files: a fault. A password may be: told."""
        for value in (
            f'"{SECRET}"',
            f"'{SECRET}'",
            f"`{SECRET}`",
            f"\u201c{SECRET}\u201d",
            f' "{SECRET}"',
            f'"{SECRET}" ',
        ):
            place = self.place(S=value)
            for read in (credentials.salt, credentials.salt_or_generate, credentials.location):
                words = str(self.assertRaises(ValueError, read, "env:S", place))
                self.assertIn("in quotes, as .env files do: take the quotes away", words)
                self.assertNotIn(SECRET, words)
            told: list[str] = []
            self.assertEqual(credentials.secret("env:S", attrs.evolve(place, warn=told.append)).value, value)
            self.assertEqual(len(told), 1, value)
            self.assertIn("in quotes", told[0])
        for value in (f'"{SECRET}', f"{SECRET}'", f"\"{SECRET}'", SECRET[:8] + '"' + SECRET[8:]):
            told = []
            place = attrs.evolve(self.place(S=value), warn=told.append)
            self.assertEqual(credentials.salt("env:S", place).value, value)
            at_an_end = not (value[0] + value[-1]).isalnum()
            self.assertEqual(["a quotation mark at one end" in one for one in told], [True] * at_an_end, value)

    def test_placeholders(self) -> None:
        """Where a secret or an address stands, in place of itself."""
        for value in (
            "%env(ORO_SECRET)%",
            "%env(resolve:ORO_DB_DSN)%",
            "%kernel.secret%",
            "${ORO_SECRET}",
            "$ORO_SECRET_OF_MINE",
        ):
            for read in (credentials.salt, credentials.location):
                words = str(self.assertRaises(ValueError, read, "env:S", self.place(S=value)))
                self.assertEqual(words.partition(",")[0], "env:S holds the name of another setting")
        for value in (f"%{SECRET}", f"{SECRET}%", f"%{SECRET} {SECRET}%", f"${SECRET.lower()}x"):
            self.assertEqual(credentials.salt("env:S", self.place(S=value)).value, value)

    def test_whole_lines(self) -> None:
        """A line of .env or parameters.yml in place of the secret."""
        for line in ("ORO_SECRET={}", "export ORO_SECRET={}", "secret: {}", "APP_SECRET='{}'", "ORO_DB_DSN={}"):
            for read in (credentials.salt, credentials.location):
                words = str(self.assertRaises(ValueError, read, "env:S", self.place(S=line.format(SECRET))))
                self.assertIn("holds a whole line of a file of settings", words)
        for value in (SECRET + "==", "secret" + SECRET, SECRET + "SECRET="):
            self.assertEqual(credentials.salt("env:S", self.place(S=value)).value, value)

    def test_rights(self) -> None:
        """Who else can read or change the file is told."""
        path = self.write(SECRET, "secret")
        path.chmod(0o666)
        told: list[str] = []
        credentials.salt("file:secret", attrs.evolve(self.place(), warn=told.append))
        self.assertEqual(len(told), 2, told)
        self.assertNotIn(SECRET, " ".join(told))

    def test_never_shown(self) -> None:
        """repr and str tell where it is, not what it is."""
        found = credentials.secret("env:S", self.place(S=SECRET))
        self.assertEqual((str(found), repr(found)), ("env:S", "Secret(reference='env:S')"))

    def test_generated(self) -> None:
        """`generate` is a new one each time, as long as any."""
        first, second = (credentials.salt_or_generate("generate", self.place()) for _ in range(2))
        self.assertNotEqual(first.value, second.value)
        self.assertEqual((len(first.value), first.reference), (64, "generate"))
        self.assertEqual(credentials.salt_or_generate("env:S", self.place(S=SECRET)).value, SECRET)

    def test_refusals(self) -> None:
        """Whatever is wrong is told without the secret."""
        table = {
            "": "env:S is empty, put the secret there",
            "\n": "env:S is empty, put the secret there",
            "short": "env:S is too short (5 bytes), use at least 16",
            "x" * 4001: "env:S is too long (4001 bytes), use at most 4000",
            f"{SECRET}\n{SECRET}": TWO_LINES,
            " " * 20: "env:S holds nothing but blanks, put the secret there",
            "\t\u00a0\u200b" * 9: "env:S holds nothing but blanks, put the secret there",
            f"{SECRET}\n \n": TWO_LINES,
            f"\n{SECRET}": TWO_LINES,
            f"{SECRET[:16]}\t{SECRET}": TWO_LINES,
            f"{SECRET}\x00": TWO_LINES,
            f"{{{SECRET}": "env:S holds a { or }, with which Oro itself cannot make tickets: choose another secret",
            f"{SECRET}}}": "env:S holds a { or }, with which Oro itself cannot make tickets: choose another secret",
        }
        for value, words in table.items():
            self.assertEqual(self.refusal("env:S", S=value), words)

    def test_published(self) -> None:
        """The published one is no secret; whether Oro's may be it, its section says."""
        published = "ThisTokenIsNotSoSecretChangeIt"
        words = "env:S holds the secret that Oro is published with, which is public: choose your own"
        self.assertEqual(
            str(self.assertRaises(ValueError, credentials.secret, "env:S", self.place(S=published))), words
        )
        found = credentials.salt("env:S", self.place(S=published))
        self.assertTrue(found.published)
        self.assertEqual(str(self.assertRaises(ValueError, credentials.unpublished, found)), words)
        self.assertFalse(credentials.salt("env:S", self.place(S=SECRET)).published)

    def test_braces_are_a_matter_of_salts(self) -> None:
        """A secret that is no salt may hold braces."""
        self.assertEqual(credentials.secret("env:S", self.place(S="{" + SECRET)).value, "{" + SECRET)

    def test_plain_secrets(self) -> None:
        """A secret written into the configuration is refused and not repeated."""
        for text in (SECRET, "env:", "file:", "vault:x"):
            self.assertEqual(
                self.refusal(text),
                "a secret never stands in this file, write file:/path or env:NAME to say where it is",
            )

    def test_addresses(self) -> None:
        """Where something is may be said shortly, but in one line; what is there is not repeated."""
        self.assertEqual(credentials.location("env:S", self.place(S="redis://r\n")).value, "redis://r")
        for value, words in (
            ("", "env:S is empty, put the address there"),
            ("redis://r\nx", "env:S holds more than one"),
        ):
            error = self.assertRaises(ValueError, credentials.location, "env:S", self.place(S=value))
            self.assertTrue(str(error).startswith(words), error)

    def test_nothing_there(self) -> None:
        """A missing variable or file, or bytes that are no text, are faults."""
        self.assertEqual(self.refusal("env:S"), "the environment has no S, set it")
        self.assertEqual(
            self.refusal("file:/nowhere/s"),
            "/nowhere/s cannot be read (No such file or directory), correct the path or its rights",
        )
        self.assertEqual(self.refusal("file:${NO}/s"), "the environment has no NO, set it or write the path out")
        self.write(b"\xff" * 20, "latin")
        self.assertEqual(self.refusal("file:latin"), "file:latin is not text in UTF-8, write it anew")

    def test_a_huge_file_is_not_read(self) -> None:
        """Only as much is read as a secret may have, and a bit."""
        self.write("x" * 1_000_000, "huge")
        self.assertEqual(self.refusal("file:huge"), "file:huge is too long (8000 bytes), use at most 4000")
