"""The command that derives what to keep of a password."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.cli import main
from orosync.identity import scram_keys
from orosync.identity.wampcra import cra_key, derived
from tests.identity.method_fixtures import SECRET

TREE = Path(__file__).resolve().parents[2]
SALT = base64.b64encode(b"sixteen bytes!!!").decode()


class Deriving(TestCase):
    async def derive(self, *arguments: str, stdin: str = SECRET + "\n", status: int = 0) -> str:
        """What it prints, on standard error if it does not succeed."""
        from twisted.internet import reactor

        streams = main.Streams(io.StringIO(stdin), io.StringIO(), io.StringIO())
        options = main.parser().parse_args(["derive", *arguments])
        self.assertEqual(await Deferred.fromCoroutine(main.run(reactor, options, streams)), status)
        return (streams.stderr if status else streams.stdout).getvalue().removesuffix("\n")

    async def test_wampcra(self) -> None:
        """The line can be used as a secret; it is the password's, with a new salt each time."""
        line = await self.derive("wampcra")
        salting = cra_key(line).salting
        self.assertEqual(line, derived(SECRET, salting["salt"], salting["iterations"], salting["keylen"]))
        self.assertEqual(salting["iterations"], 100_000)
        self.assertNotEqual(line, await self.derive("wampcra"))

    async def test_scram(self) -> None:
        """Each way to derive, and the usual one."""
        for arguments, kdf in (
            ((), "argon2id13"),
            (("--kdf", "argon2id-13"), "argon2id-13"),
            (("--kdf", "pbkdf2"), "pbkdf2"),
        ):
            keys = scram_keys.parse(await self.derive("scram", *arguments))
            self.assertEqual((keys.kdf, (keys.iterations, keys.memory)), (kdf, scram_keys.COSTS[kdf.replace("-", "")]))

    async def test_costs(self) -> None:
        """Salt, iterations and memory as given: the same line each time, which is read back as it was given."""
        line = await self.derive("wampcra", "--salt", "pepper", "--iterations", "1000")
        self.assertEqual(line, derived(SECRET, "pepper", 1000))
        costs = ("--salt", SALT, "--iterations", "3", "--memory", "64KiB")
        line = await self.derive("scram", *costs)
        self.assertTrue(line.startswith(f"argon2id13$3,64:{SALT}$"), line)
        self.assertEqual(str(scram_keys.parse(line)), line)
        self.assertEqual(await self.derive("scram", *costs), line)
        line = await self.derive("scram", "--kdf", "pbkdf2", "--salt", SALT, "--iterations", "4096")
        self.assertEqual(line, str(scram_keys.derived(SECRET, "pbkdf2", b"sixteen bytes!!!", 4096)))

    async def test_from_a_file(self) -> None:
        """One newline at its end is none of the password's."""
        path = Path(self.mktemp())
        path.write_text(f" {SECRET} \n")
        self.assertEqual(await self.derive("wampcra", "--salt", "x", str(path)), derived(f" {SECRET} ", "x"))

    async def test_bad(self) -> None:
        """One line says what is wrong and what to write; the password is not in it."""
        for arguments, words in (
            (("wampcra", "--salt", "a$b"), "--salt: for wampcra write"),
            (("wampcra", "--salt", ""), "--salt: for wampcra write"),
            (("wampcra", "--iterations", "0"), "--iterations: write a number from 1 to 9999999"),
            (("scram", "--iterations", "10000000"), "--iterations: write a number from 1 to 9999999"),
            (("scram", "--salt", "AAAA"), "--salt: for scram write at least 8 bytes in base64"),
            (("scram", "--salt", "no base64"), "--salt: for scram write at least 8 bytes in base64"),
            (("scram", "--memory", "7KiB"), "--memory: write 8KiB or more"),
            (("scram", "--memory", "10GiB"), "below 10GiB"),
            (("scram", "--kdf", "pbkdf2", "--memory", "1MiB"), "--memory is for argon2id13"),
            (("scram", "/nowhere/password"), "cannot be read"),
        ):
            error = await self.derive(*arguments, status=main.MISUSED)
            self.assertIn(words, error)
            self.assertNotIn(SECRET, error)
        for password in ("\n", "two\nlines\n"):
            error = await self.derive("scram", stdin=password, status=main.MISUSED)
            self.assertRegex(error, "one line with the password|nothing was given")
        error = await self.derive("scram", stdin="\u06271 secret", status=main.MISUSED)
        self.assertNotIn("secret", error)

    async def test_without_the_extra(self) -> None:
        """What is missing is said with how to get it."""
        with mock.patch.dict("sys.modules", {"argon2": None, "argon2.low_level": None}):
            error = await self.derive("scram", status=main.MISUSED)
        self.assertIn("pip install '.[crypto]'", error)

    def test_as_a_command(self) -> None:
        """As the documentation has it."""
        command = [sys.executable, "-c", "from orosync.cli.main import main; main()", "derive", "wampcra"]
        done = subprocess.run(command, input=SECRET, capture_output=True, text=True, timeout=60, check=True, cwd=TREE)
        self.assertTrue(cra_key(done.stdout.strip()).salting)
        size = [*command[:-1], "scram", "--memory", "64"]
        done = subprocess.run(size, input=SECRET, capture_output=True, text=True, timeout=60, check=False, cwd=TREE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("'64' is not a size, write 64B for bytes", done.stderr)
