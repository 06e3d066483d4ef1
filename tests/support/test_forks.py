"""Programs that are copies of one process behave as if they had been started by themselves."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.forks import Forked, forked

ECHO = """
import json
import sys
from os import environ, getpid

from twisted.internet import reactor

print(json.dumps([__name__, sys.argv[1:], environ["ONE"], getpid(), sys.path[0], id(reactor) > 0]), flush=True)
for line in sys.stdin:
    print(line.upper(), end="", flush=True)
raise RuntimeError("the end")
"""


class ForkedTests(SynchronousTestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.program = Path(holder.name) / "program.py"
        self.program.write_text(ECHO)

    def started(self, *arguments: str) -> Forked:
        program = forked(self.program, *arguments, environ={**os.environ, "ONE": arguments[0]})
        self.addCleanup(self.ended, program)
        return program

    def ended(self, program: Forked) -> None:
        program.kill()
        program.wait()
        for pipe in (program.stdin, program.stdout, program.stderr):
            pipe.close()

    def test_two(self) -> None:
        """Each has its own arguments, environment, pipes and end; what it fails with is told on standard error."""
        one, two = self.started("one", "more"), self.started("two")
        for name, program in (("one", one), ("two", two)):
            told = program.stdout.readline()
            self.assertIn(f'"__main__", ["{name}"', told)
            self.assertIn(f'], "{name}", ', told)
            self.assertIn(f'"{self.program.parent}", true', told)
        one.stdin.write("to one\n")
        one.stdin.close()
        self.assertEqual(one.stdout.read(), "TO ONE\n")
        self.assertIn("RuntimeError: the end", one.stderr.read())
        one.wait()
        two.stdin.write("to two\n")
        two.stdin.flush()
        self.assertEqual(two.stdout.readline(), "TO TWO\n")

    def test_killed(self) -> None:
        """It ends at once, whatever it is doing, and its pipes with it; to do so twice does no harm."""
        program = self.started("one")
        program.stdout.readline()
        began = time.monotonic()
        program.kill()
        program.wait()
        self.assertEqual(program.stdout.read(), "")
        self.assertLess(time.monotonic() - began, 5)
        program.kill()
        program.wait()
