"""No command ends in a traceback: each with many configurations, and with each way in which a shell connects it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twisted.application.service import Service

from orosync.testing import MemoryDirectory
from tests.cli.command_case import CONFIGURATION, CommandCase

TREE = Path(__file__).resolve().parents[2]
COMMANDS = (
    ("check-config",),
    ("topics",),
    ("ticket", "make", "--user", "anna"),
    ("ticket", "make", "--user", "b\udce9la"),
    ("ticket", "make", "--back-end"),
    ("ticket", "verify"),
    ("session", "verify", "--sessions", "office"),
    ("session", "verify", "--sessions", "unused"),
    ("explain", "--user", "anna", "--topic", "oro/ping"),
    ("explain", "--role", "user", "--topic", "com.example.stock", "--action", "call"),
    ("explain", "--back-end", "--topic", "\udce9", "--match", "prefix"),
)
"""Every command; names that are no UTF-8 come from a terminal in another encoding."""

PRESENTED = ("", "nonsense", "\udce9\x00", "YQ==", "a" * 70000, "BAPID=%ff", "%")
"""What is shown as a ticket or cookie."""

ATTACHED = CONFIGURATION.replace(
    "[listen:public]\nendpoint = tcp:0:interface=127.0.0.1\npublisher_from = loopback",
    "[attach]\nurl = ws://127.0.0.1:1/ws\nticket = env:SECRET\nauthid = orosync",
)
STATIC = "[directory:people]\nuse = static\nuser.anna = 1 env:HASH\nuser.gone = 2 env:HASH enabled=no"


def directory(of: str) -> str:
    """The configuration with another directory of users."""
    return CONFIGURATION.replace(STATIC, f"[directory:people]\n{of}")


CONFIGURATIONS: dict[str, str | bytes] = {
    "valid": CONFIGURATION,
    "without listeners": ATTACHED,
    "without listeners, with publisher_from": ATTACHED.replace("authid", "publisher_from = 10.0.0.0/8\nauthid"),
    "without tickets": CONFIGURATION.replace("tickets cookie", "cookie").replace(
        "[authenticator:tickets]\nuse = ticket\nsecret = env:SECRET\ndirectory = people\n", ""
    ),
    "two authenticators of tickets": CONFIGURATION + "[authenticator:more]\nuse = ticket\nsecret = env:SECRET\n"
    "directory = people\n",
    "two realms": CONFIGURATION + "[realm:second]\nauthenticators = tickets\nauthorizers = roles\n"
    "[notifications]\nrealm = oro\n",
    "without topics": CONFIGURATION.replace("[topics:oro]\nsubscribe = user staff", "").replace("topics:oro", "roles"),
    "without plugins": re.sub(
        r"(?s)\[(authenticator:cookie|directory:down|directory:odd|sessions:).*?(?=\n\[)", "", CONFIGURATION
    ).replace(" cookie", ""),
    "a database that does not answer": directory("use = postgresql\ndsn = env:DSN"),
    "a DSN that is none": directory("use = mysql\ndsn = env:HASH"),
    "a directory that cannot be reached": directory("use = tests.cli.command_case:DownDirectory"),
    "a directory that fails when it is asked": directory("use = tests.cli.test_main_streams:FailingDirectory"),
    "a directory that fails when it starts": directory("use = tests.cli.test_main_streams:UnstartableDirectory"),
    "a directory that fails when it is made": directory("use = tests.cli.test_main_streams:unmakable"),
    "a directory without the interface": directory("use = tests.cli.test_main_streams:directory"),
    "sessions without an answer": CONFIGURATION.replace(
        "use = tests.cli.command_case:sessions", "use = redis\nurl = redis://127.0.0.1:1/0"
    ),
    "a remote authorizer": CONFIGURATION.replace("authorizers = topics:oro", "authorizers = remote topics:oro")
    + "[authorizer:remote]\nuse = remote\nprocedure = com.example.authorize\nregistered_by = staff\n",
    "no secret": CONFIGURATION.replace("env:SECRET", "env:NO_SUCH_SECRET"),
    "every value empty": "\n".join(line.partition("=")[0] + "=" * ("=" in line) for line in CONFIGURATION.splitlines()),
    "an empty file": "",
    "Latin-1": CONFIGURATION.replace("people", "l\xe9ute").encode("latin-1"),
    "binary": bytes(range(256)) * 40,
    "NUL": CONFIGURATION.replace("people", "peo\0ple"),
    "an archive": b"\x1f\x8b\x08\x00" + os.urandom(5000),
    "long lines": "[" + "a" * 1_000_000,
    "too long": b" " * (17 << 20),
}


class FailingDirectory(MemoryDirectory):
    """Its author has not thought of everything."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__()

    def find(self, name: str) -> Any:
        raise KeyError(name)


class UnstartableDirectory(MemoryDirectory, Service):
    """It fails where nothing is asked yet."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__()

    def startService(self) -> None:
        raise ZeroDivisionError("of the plugin")


def unmakable(name: str, options: Any) -> Any:
    """It fails before it exists."""
    raise OSError(5, "the plugin's disk")


class ConfigurationTests(CommandCase):
    async def judge(self, what: str, *arguments: str, stdin: str = "") -> None:
        status = await self.orosync(*arguments, stdin=stdin)
        said = (what, arguments, stdin[:20], self.out, self.err)
        self.assertIn(status, (0, 1, 2, 3), said)
        self.assertNotIn("Traceback", self.out + self.err, said)
        self.assertTrue(self.out or self.err, said)
        for line in self.err.splitlines():
            self.assertRegex(line, "^(orosync: |unreachable)", said)
        if what != "a directory that fails when it is asked":
            self.assertEqual(self.flushLoggedErrors(), [], said)
        self.flushLoggedErrors()

    async def test_every_command_with_every_configuration(self):
        """Each fault of a configuration, and each mistake of a plugin, is told in lines for the administrator."""
        os.environ["DSN"] = "postgres://oro:x@127.0.0.1:1/oro"
        for what, text in CONFIGURATIONS.items():
            self.config.write_bytes(text if isinstance(text, bytes) else text.encode())
            for arguments in COMMANDS:
                await self.judge(what, *arguments, stdin="nonsense")

    async def test_whatever_is_presented(self):
        """A file that is no ticket and no cookie is refused in words."""
        for text in (CONFIGURATION, ATTACHED):
            self.config.write_text(text)
            for presented in PRESENTED:
                for arguments in (("ticket", "verify"), ("session", "verify", "--sessions", "office")):
                    await self.judge("valid", *arguments, stdin=presented)

    async def test_ticket_without_a_listener(self):
        """Where orosync serves another router, a ticket is verified as if that had shown it."""
        self.config.write_text(ATTACHED)
        await self.orosync("ticket", "make", "--user", "anna")
        self.assertEqual(await self.orosync("ticket", "verify", stdin=self.out), 0)
        await self.orosync("ticket", "make", "--back-end")
        ticket = self.out
        self.assertEqual(await self.orosync("ticket", "verify", stdin=ticket), 1)
        self.assertIn("refused (no_publish_right)", self.out)
        self.config.write_text(ATTACHED.replace("authid", "publisher_from = 10.0.0.0/8\nauthid"))
        self.assertEqual(await self.orosync("ticket", "verify", stdin=ticket), 0)

    async def test_mistake_of_a_plugin(self):
        """Where the mistake is, in one line, and the status of what cannot be asked."""
        self.config.write_text(CONFIGURATIONS["a directory that fails when it starts"])
        self.assertEqual(await self.orosync("ticket", "make", "--user", "anna"), 3)
        self.assertRegex(
            self.err,
            r"^orosync: failed with ZeroDivisionError: of the plugin \(.*test_main_streams.py, line \d+\): corr",
        )
        self.assertEqual(len(self.err.splitlines()), 1)


RUN = """
import io, json, os, sys
from orosync.cli import explain, init, probe, session, ticket
from orosync.cli.main import main

def connect(number, how):
    if how == "closed":
        os.close(number)
        return None
    if how == "nobody reads":
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, number)
    else:
        os.dup2(os.open(how, os.O_RDWR if how.startswith("/dev") else os.O_RDONLY), number)
    return io.TextIOWrapper(open(number, "rb" if number == 0 else "wb", closefd=False), encoding="utf-8")

for arguments, how, status, place in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            if name in how:
                setattr(sys, name, connect(number, how[name]))
        sys.argv = ["orosync", *arguments]
        os.chdir(place)
        if how.get("place") == "removed":
            os.rmdir(place)
        main()
        raise SystemExit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended not in status:
        print("FAILED", ended, status, arguments, how, flush=True)
print("END", flush=True)
"""
"""Each case in a process of its own, forked from one that has imported everything."""


class StreamTests(CommandCase):
    def run_all(self, cases: list[Any]) -> tuple[str, str]:
        """(standard output, standard error) of all of them together."""
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(cases)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False,
            env={**os.environ, "PYTHONPATH": str(TREE)},
        )  # fmt: skip
        self.assertTrue(done.stdout.endswith("END\n"), done.stdout + done.stderr)
        return done.stdout, done.stderr

    def case(self, arguments: tuple[str, ...], status: tuple[int, ...], **how: str) -> list[Any]:
        return [[*arguments, "--config", str(self.config)], how, status, str(self.config.parent)]

    def test_streams(self):
        """Closed, read by nobody, full, or of another encoding: one line at most, and the status of the answer."""
        latin = self.config.with_name("latin-1")
        latin.write_bytes(b"\xe9\xff\n")
        commands = [one for one in COMMANDS if one[-1].isascii() and "prefix" not in one and "call" not in one]
        cases = []
        for arguments in commands:
            asks = "verify" in arguments
            answered = (1, 2) if asks else (0,)
            cases.append(self.case(arguments, answered, stdout="nobody reads", stderr="closed"))
            cases.append(self.case(arguments, (2,), stdout="/dev/full", stderr="nobody reads"))
            if asks:
                cases.append(self.case(arguments, (2,), stdin="closed"))
                cases.append(self.case(arguments, (2,), stdin=str(latin)))
        cases.append(self.case(("topics",), (0,), stdout="closed"))
        cases.append(self.case(("ticket", "verify"), (1, 2), stdout="closed", stderr="closed"))
        cases += [[[one], {"stdout": "nobody reads"}, (0,), "/"] for one in ("--help", "--version")]
        cases.append([["nonsense"], {"stderr": "closed"}, (2,), "/"])
        out, err = self.run_all(cases)
        self.assertEqual(out, "END\n")
        told = set(err.splitlines())
        self.assertEqual(
            told,
            {"orosync: standard input is closed: name a file", "orosync: -: cannot be read (it is not text)"},
        )

    def test_lost_answer(self):
        """A full disk is told, with a status of its own: a script must not take the answer for given."""
        out, err = self.run_all([self.case(("topics",), (2,), stdout="/dev/full")])
        self.assertEqual(out, "END\n")
        self.assertEqual(err, "orosync: the answer cannot be written to standard output (No space left on device)\n")

    def test_working_directory_that_was_removed(self):
        """Nothing depends on it."""
        self.config.write_text(CONFIGURATIONS["without plugins"])
        gone = self.config.parent / "gone"
        gone.mkdir()
        case = self.case(("check-config",), (0,), place="removed")
        out, err = self.run_all([[*case[:3], str(gone)]])
        self.assertEqual((out.splitlines()[-1], err), ("END", ""))

    def test_names_that_the_terminal_cannot_show(self):
        """They are written with backslashes."""
        done = subprocess.run(
            [sys.executable, "-c", "from orosync.cli.main import main; main()",
             "ticket", "make", "--user", "b\xe9la", "--config", str(self.config)],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(TREE), "PYTHONIOENCODING": "ascii"},
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("has no user 'b\\xe9la'", done.stdout)

    def test_interrupted(self):
        """Ctrl-C and SIGTERM while it waits for its input or for an answer: it ends at once and says nothing."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen(
                [sys.executable, "-c", "from orosync.cli.main import main; print('begun', flush=True); main()",
                 "ticket", "verify", "--config", str(self.config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(TREE)},
            ) as process:  # fmt: skip
                assert process.stdout is not None and process.stderr is not None
                process.stdout.readline()
                while Path(f"/proc/{process.pid}/wchan").exists() and not reads(process.pid):
                    time.sleep(0.02)
                process.send_signal(number)
                self.assertEqual(process.wait(20), -number)
                self.assertEqual((process.stdout.read(), process.stderr.read()), (b"", b""))


def reads(pid: int) -> bool:
    """Whether the process waits in read(0, ...)."""
    system_call = Path(f"/proc/{pid}/syscall").read_text().split()
    return system_call[:2] == ["0", "0x0"]
