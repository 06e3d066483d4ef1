"""The command that derives what to keep of a password."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.derive import main
from orosync.identity.scram_keys import parse
from orosync.identity.wampcra import cra_key, derived
from tests.identity.method_fixtures import SECRET

TREE = Path(__file__).resolve().parents[2]


def run(*arguments: str, password: str = SECRET + "\n") -> str:
    """What it prints."""
    sink = io.StringIO()
    main(arguments, io.StringIO(password), sink)
    return sink.getvalue()


class Deriving(SynchronousTestCase):
    def test_wampcra(self) -> None:
        """The line can be used as a secret; it is the password's."""
        line = run("wampcra").removesuffix("\n")
        salting = cra_key(line).salting
        self.assertEqual(line, derived(SECRET, salting["salt"], salting["iterations"], salting["keylen"]))

    def test_scram(self) -> None:
        """Each way to derive, and the usual one."""
        for arguments, kdf in (((), "argon2id13"), (("argon2id-13",), "argon2id-13"), (("pbkdf2",), "pbkdf2")):
            self.assertEqual(parse(run("scram", *arguments).removesuffix("\n")).kdf, kdf)

    def test_bad(self) -> None:
        """One line says what is wrong; the password is not in it."""
        for arguments in ((), ("ticket",), ("scram", "md5"), ("wampcra", "pbkdf2"), ("scram", "pbkdf2", "x")):
            error = self.assertRaises(SystemExit, run, *arguments)
            self.assertIn("write: python -m orosync.identity.derive", str(error))
        for password in ("", "\n", "two\nlines\n"):
            error = self.assertRaises(SystemExit, run, "scram", password=password)
            self.assertIn("one line with the password", str(error))
        error = self.assertRaises(SystemExit, run, "scram", password="\u06271 secret")
        self.assertNotIn("secret", str(error))

    def test_without_the_extra(self) -> None:
        """What is missing is said with how to get it."""
        with mock.patch.dict("sys.modules", {"argon2": None, "argon2.low_level": None}):
            error = self.assertRaises(SystemExit, run, "scram")
        self.assertIn("pip install '.[crypto]'", str(error))

    def test_as_a_command(self) -> None:
        """As the documentation has it."""
        command = [sys.executable, "-m", "orosync.identity.derive", "wampcra"]
        environ = {**os.environ, "PYTHONPATH": str(TREE)}
        done = subprocess.run(
            command, input=SECRET, capture_output=True, text=True, timeout=60, check=True, env=environ
        )
        self.assertTrue(cra_key(done.stdout.strip()).salting)
