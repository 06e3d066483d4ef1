"""The command line, its exit status, and check-config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.internet.defer import Deferred

from orosync import __version__
from orosync.cli import main, ticket
from tests.cli.command_case import CommandCase

TREE = Path(__file__).resolve().parents[2]


class CheckConfigTests(CommandCase):
    async def test_valid_configuration(self):
        """A configuration that a router would start with, and what may yet be a mistake in it."""
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertEqual(self.out.splitlines()[-1], "configuration OK")
        self.configure("subscribe = user staff", "subscribe = user stuff")
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertIn("warning: [topics:oro] subscribe: no authenticator gives stuff, did you mean staff?", self.out)

    async def test_shared_passwords(self):
        """Users who have one password hash are named; that a database cannot be asked is no fault of the file."""
        self.configure("user.gone = 2 env:HASH enabled=no", "user.gone = 2 env:HASH\nuser.dora = 7 env:HASH")
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertIn("warning: [directory:people] users with the ids 1, 2 and 7 have the same password hash", self.out)
        self.assertEqual(await self.orosync("ticket", "make", "--user", "anna"), 0)
        self.assertIn("user 'anna' has the password hash of another user, the ticket will be refused", self.err)
        made = self.out
        self.assertEqual(await self.orosync("ticket", "verify", stdin=made), 1)
        self.assertIn("refused (shared_password): ticket of 'anna': user 1 has", self.out)
        os.environ["DSN"] = "postgres://oro:x@127.0.0.1:1/oro"
        self.config.write_text(
            self.config.read_text().replace(
                "[directory:people]\nuse = static\n", "[directory:people]\nuse = postgresql\ndsn = env:DSN\n#"
            ).replace("\nuser.", "\n#user.")
        )  # fmt: skip
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertIn("warning: [directory:people] it is not known which users have one password: [directory", self.out)
        self.assertEqual(self.out.splitlines()[-1], "configuration OK")

    async def test_published_secret(self):
        """Oro's published secret is refused, or accepted where that is said, with a warning each time."""
        os.environ["SECRET"] = "ThisTokenIsNotSoSecretChangeIt"
        self.assertEqual(await self.orosync("check-config"), 1)
        self.assertIn(
            "[authenticator:tickets] secret: env:SECRET holds the secret that Oro is published with", self.err
        )
        self.configure("secret = env:SECRET", "secret = env:SECRET\naccept_published_secret = yes")
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertIn("warning: [authenticator:tickets] accept_published_secret: the secret is public", self.out)
        self.assertEqual(await self.orosync("ticket", "make", "--back-end"), 0)
        made = self.out
        self.assertEqual(await self.orosync("ticket", "verify", stdin=made), 0)

    async def test_faults(self):
        """Each fault has its line, those of parts from elsewhere too."""
        self.configure("directory = people\nrole", "directry = people\nrole")
        self.configure(
            "use = oro" if "use = oro" in self.config.read_text() else "[topics:oro]", "[topics:oro]\nus = 1"
        )
        self.assertEqual(await self.orosync("check-config"), 1)
        self.assertEqual(len(self.err.splitlines()), 3)
        self.assertIn("did you mean directory?", self.err)

    async def test_part_that_cannot_be_had(self):
        """A part that does not load is found out without starting anything."""
        self.configure("use = tests.cli.command_case:sessions\n[sessions:unused]", "use = nowhere:x\n[sessions:unused]")
        self.assertEqual(await self.orosync("check-config"), 1)
        self.assertIn("[sessions:office] use:", self.err)
        self.assertRegex(self.err, r" \(line \d+\)\n$")

    async def test_certificate_that_cannot_be_used(self):
        """A file that would end the start is found out before it."""
        broken = Path(self.mktemp()).absolute()
        broken.write_text("no PEM")
        self.configure("publisher_from", f"certificate = {broken}\nkey = {broken}\npublisher_from")
        self.assertEqual(await self.orosync("check-config"), 1)
        self.assertIn(f"orosync: [listen:public] certificate: {broken} holds no certificate", self.err)
        self.assertRegex(self.err, r" \(line \d+\)\n")

    async def test_fault_of_another_command(self):
        """Another command with such a configuration counts as misused."""
        self.config.write_text("[listen]\n")
        self.assertEqual(await self.orosync("ticket", "verify", stdin="x"), 2)


class CommandTests(CommandCase):
    def command(self, *arguments, stdin=""):
        environ = {**os.environ, "PYTHONPATH": str(TREE)}
        program = "from orosync.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            input=stdin, capture_output=True, text=True, timeout=60, check=False, env=environ,
        )  # fmt: skip

    def test_as_a_process(self):
        """Answers on standard output, exit status of a shell, nothing else is said."""
        config = ("--config", str(self.config))
        made = self.command("ticket", "make", "--user", "anna", *config)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        judged = self.command("ticket", "verify", *config, stdin=made.stdout)
        self.assertEqual((judged.returncode, judged.stderr), (0, ""))
        self.assertIn("OK: user 'anna'", judged.stdout)
        refused = self.command("ticket", "verify", *config, stdin="nonsense")
        self.assertEqual((refused.returncode, refused.stderr), (1, ""))

    def test_wrong_use(self):
        """Status 2 and a hint; --version and --help are no mistakes."""
        for arguments in ((), ("ticket",), ("ticket", "make", "--config", "x"), ("session", "verify", "--config", "x")):
            done = self.command(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("usage: orosync", done.stderr)
        self.assertEqual(self.command("--version").stdout, f"orosync {__version__}\n")

    def test_no_secret_in_the_arguments(self):
        """There is no way to write a ticket or a secret where every user of the machine can read it."""
        for arguments in (["--ticket", "x"], ["--secret", "x"], ["--cookie", "x"]):
            with self.assertRaises(SystemExit), mock.patch("sys.stderr"):
                main.parser().parse_args(["ticket", "verify", "--config", "x", *arguments])

    async def test_no_answer(self):
        """A part that never answers ends as one that cannot be reached."""
        with mock.patch.object(main, "TIMEOUT", 0.01), mock.patch.object(ticket, "verify", lambda *args: Deferred()):
            self.assertEqual(await self.orosync("ticket", "verify", stdin="x"), 3)
        self.assertIn("unreachable (timeout)", self.err)
