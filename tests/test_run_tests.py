"""tools/run_tests.py runs all tests in several processes, and no failure and no lost module passes for a success."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).resolve().parent.parent

MODULE = """
import os
from twisted.trial.unittest import SynchronousTestCase

class Tests(SynchronousTestCase):
    def test_one(self):
        {one}

    def test_two(self):
        {two}
"""


class RunTests(SynchronousTestCase):
    """On packages of tests that are made for it."""

    def made(self, **bodies: tuple[str, str]) -> None:
        """A package ``sample`` with these modules of two tests each."""
        holder = tempfile.TemporaryDirectory(prefix="orosync-sample-")
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        package = self.top / "sample" / "inner"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
        for name, (one, two) in bodies.items():
            (package / f"test_{name}.py").write_text(MODULE.format(one=one, two=two))

    def ran(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output."""
        command = [sys.executable, str(TREE / "tools" / "run_tests.py"), "--jobs", "2", *arguments]
        done = subprocess.run(command, cwd=self.top, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_all_pass(self) -> None:
        """Every module is run once, and the closing lines are those of trial, which count what a test skips."""
        skip = "self.skipTest('why')"
        self.made(**{f"part{number}": ("pass", skip) for number in range(5)})
        code, output = self.ran("sample")
        self.assertEqual(code, 0, output)
        for number in range(5):
            self.assertRegex(output, rf"(?m)^ +\d+\.\d s +2  sample\.inner\.test_part{number}$")
        self.assertIn("The slowest of 5 modules:\n", output)
        self.assertRegex(output, r"\nRan 10 tests in \d+\.\d{3}s\n\nPASSED \(skips=5, successes=5\)\n$")

    def test_failures(self) -> None:
        """A failure and an error are shown with their reasons, right behind their module, and make the run fail."""
        self.made(good=("pass", "pass"), bad=("self.assertEqual(1, 2)", "raise OSError('told')"))
        code, output = self.ran("sample")
        self.assertEqual(code, 1, output)
        for text in ("FailTest: 1 != 2", "OSError: told", "sample.inner.test_bad.Tests.test_one"):
            self.assertIn(text, output)
        self.assertRegex(output, r"(?m)^.* 2  sample\.inner\.test_bad: failed\n=+\n\[FAIL\]$")
        self.assertIn("failed: sample.inner.test_bad\n---", output)
        self.assertRegex(output, r"(?m)^.* 2  sample\.inner\.test_good$")
        self.assertIn("FAILED (failures=1, errors=1, successes=2)\n", output)

    def test_module_that_cannot_be_imported(self) -> None:
        """It counts as an error."""
        self.made(good=("pass", "pass"))
        (self.top / "sample" / "test_broken.py").write_text("import not_there_at_all\n")
        code, output = self.ran("sample")
        self.assertEqual(code, 1, output)
        self.assertIn("No module named 'not_there_at_all'", output)
        self.assertIn("FAILED (errors=1, successes=2)\n", output)

    def test_process_that_ends(self) -> None:
        """The modules that a process took along with it are named, and the other process goes on."""
        self.made(bad=("os._exit(0)", "pass"), good=("pass", "pass"), worse=("os._exit(3)", "pass"))
        code, output = self.ran("sample")
        self.assertEqual(code, 1, output)
        for name in ("bad", "worse"):
            self.assertIn(f"not finished: sample.inner.test_{name}\n", output)
        self.assertIn("process", output)
        self.assertIn("FAILED (errors=", output)

    def test_no_test(self) -> None:
        """A run without a test is no success."""
        self.made(empty=("pass", "pass"))
        (self.top / "sample" / "inner" / "test_empty.py").write_text("")
        code, output = self.ran("sample")
        self.assertEqual(code, 1, output)
        self.assertIn("Ran 0 tests in", output)

    def test_names(self) -> None:
        """A package, a module, a file, a class and a method can be named."""
        self.made(a=("pass", "pass"), b=("pass", "pass"))
        for name, count in (
            ("sample.inner", 4),
            ("sample.inner.test_a", 2),
            ("sample/inner/test_a.py", 2),
            ("sample.inner.test_a.Tests", 2),
            ("sample.inner.test_a.Tests.test_two", 1),
        ):
            code, output = self.ran(name)
            self.assertEqual(code, 0, output)
            self.assertIn(f"Ran {count} tests in", output, name)
