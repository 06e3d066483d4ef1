"""`make run` as README has it: it says what it does, and however it is ended, make has nothing to complain of."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import TREE
from tests.support.ports import free_port
from tests.support.processes import Child

FILES = (
    "Makefile",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "native/rounds.c",
    "native/transport.c",
    "etc/router.ini",
)


class MakeCase(SynchronousTestCase):
    """What the Makefile needs of a checkout, without an environment."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="orosync-make-")
        self.addCleanup(holder.cleanup)
        self.tree, self.port, self.tls_port = Path(holder.name), free_port(), free_port()
        for name in (*FILES, *(f"tools/{path.name}" for path in (TREE / "tools").glob("*.sh"))):
            (self.tree / name).parent.mkdir(exist_ok=True)
            shutil.copy(TREE / name, self.tree / name)
        configuration = self.tree / "etc" / "router.ini"
        text = configuration.read_text().replace("tcp:8442:", f"tcp:{self.port}:")
        configuration.write_text(text.replace("tcp:8443:", f"tcp:{self.tls_port}:"))

    def make(self) -> Child:
        """`make run`, in a process group of its own as a shell starts it."""
        child = Child(["make", "run"], cwd=self.tree, environ={**os.environ, "PYTHON": sys.executable}, family=True)
        self.addCleanup(child.kill)
        return child

    def ends(self, child: Child, number: signal.Signals) -> str:
        """What it has said when a signal for the whole group has ended make, and every process of the group."""
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.killpg(child.process.pid, number)
        self.assertEqual(self.waited(child), -number)  # as a shell wants it of a program it interrupts
        self.nothing_left(child)
        self.assertNotIn("***", child.output)
        self.assertNotIn("Traceback", child.output)
        return child.output

    def waited(self, child: Child) -> int:
        """How make ended."""
        try:
            return child.process.wait(60)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"it goes on: {child.output}") from late

    def nothing_left(self, child: Child) -> None:
        """No process of its group is left."""
        deadline = time.monotonic() + 20
        while True:
            try:
                os.killpg(child.process.pid, 0)
            except ProcessLookupError:
                return
            self.assertLess(time.monotonic(), deadline, child.output)
            time.sleep(0.02)


class Demonstration(MakeCase):
    """With everything installed."""

    def setUp(self) -> None:
        super().setUp()
        (self.tree / ".venv").mkdir()
        (self.tree / ".venv" / "bin").symlink_to(Path(sys.prefix, "bin"))
        (self.tree / ".venv" / ".runnable").touch()

    def running(self) -> Child:
        """The demonstration, when it serves its page."""
        child = self.make()
        child.wait_for_line(f"the demonstration is at http://127.0.0.1:{self.port}/")
        child.wait_for_line(f"the demonstration is at https://127.0.0.1:{self.tls_port}/")
        return child

    def test_interrupted(self) -> None:
        """Ctrl-C goes to make, the shell and the router at once; it warns of nothing."""
        said = self.ends(self.running(), signal.SIGINT)
        self.assertIn(" stops: 0 clients", said)
        self.assertNotIn("warn", said)

    def test_interrupted_twice(self) -> None:
        """An impatient user gets no other message from make."""
        child = self.running()
        os.killpg(child.process.pid, signal.SIGINT)
        child.wait_for_line(" stops: ")
        self.ends(child, signal.SIGINT)

    def test_the_terminal_goes(self) -> None:
        """SIGHUP is a reload for the router, yet the demonstration does not outlive its terminal."""
        self.ends(self.running(), signal.SIGHUP)

    def test_terminated(self) -> None:
        """SIGTERM for make alone ends the router too."""
        child = self.running()
        child.process.terminate()
        self.assertEqual(self.waited(child), -signal.SIGTERM)
        self.nothing_left(child)

    def test_failure(self) -> None:
        """What ends by itself is told: its message, and make's line."""
        configuration = self.tree / "etc" / "router.ini"
        configuration.write_text(configuration.read_text() + "\n[nonsense]\n")
        child = self.make()
        self.waited(child)
        self.assertRegex(child.output, r"\[nonsense\](?s:.*)\*\*\*")


class Installation(MakeCase):
    """With nothing installed."""

    def test_interrupted(self) -> None:
        """It says that it makes the environment and with what; Ctrl-C leaves no mark that it was made."""
        child = self.make()
        line = child.wait_for_line("Creating the virtual environment .venv")
        self.assertIn("(Python 3.", line)
        time.sleep(0.3)  # a Ctrl-C between two programs is heeded when the next has ended
        self.assertIn("Interrupted: the same command", self.ends(child, signal.SIGINT))
        self.assertFalse((self.tree / ".venv" / ".runnable").exists())

    def test_what_is_installed(self) -> None:
        """Running takes the package alone; the tests take more, and serve for running as well."""
        for target, extras in (("run", "."), ("unit", "'.[test]'")):
            done = subprocess.run(
                ["make", "--dry-run", target], cwd=self.tree, capture_output=True, text=True, check=True, timeout=20
            )
            installs = [line for line in done.stdout.splitlines() if "environment.sh" in line]
            self.assertEqual([line.split()[3:] for line in installs], [[extras]])
        self.assertIn("touch .venv/.runnable", done.stdout)
