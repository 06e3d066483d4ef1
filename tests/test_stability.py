"""What docs/stability.md promises is recorded in tests/stability, and is as it is recorded."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import run

TREE = Path(__file__).resolve().parent.parent


def _tool(name: str) -> ModuleType:
    path = TREE / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stability, manual = _tool("stability"), _tool("manual")


class Records(SynchronousTestCase):
    """A change of what is stable shows in the tree's own files."""

    def test_nothing_has_changed_unseen(self) -> None:
        """Keys, reason codes, exit codes, interfaces, metrics and fields are the recorded ones;
        ``python tools/stability.py`` records them anew."""
        for name, text in stability.SUBJECTS.items():
            recorded = (TREE / "tests" / "stability" / name).read_text()
            self.assertEqual(text().splitlines(), recorded.splitlines(), name)

    def test_every_record_has_its_subject(self) -> None:
        """No file is left over."""
        names = {path.name for path in (TREE / "tests" / "stability").iterdir()}
        self.assertEqual(names, set(stability.SUBJECTS))

    def test_what_is_recorded(self) -> None:
        """One example of each."""
        self.assertIn("[listen:NAME] send_timeout = `10s`\n", stability.configuration())
        self.assertIn("[directory:NAME, use = static] user.NAME = none\n", stability.configuration())
        codes = dict(line.split(":", 1) for line in stability.reason_codes().splitlines() if ":" in line)
        self.assertIn("ping_timeout", codes["consumer.cut"].split())
        self.assertIn("no_credentials", codes["refusals"].split())
        self.assertIn("orosync 3 unreachable\n", stability.exit_codes())
        self.assertIn("orosync_refusals counter code\n", stability.metrics())
        self.assertIn("SessionRow queued: int\n", stability.json_fields())
        self.assertIn("    find(login: str) -> Deferred[User | None]\n", stability.interfaces())


class ManualPage(SynchronousTestCase):
    """man/orosync.1."""

    def test_up_to_date(self) -> None:
        """It is the command line as it is; ``python tools/manual.py`` writes it anew."""
        self.assertEqual(manual.orosync(), (TREE / "man" / "orosync.1").read_text())

    def test_it_is_a_manual_page(self) -> None:
        """mandoc finds nothing to correct, except that it has no date."""
        told = run("sh", "-c", "mandoc -T lint -W warning man/orosync.1 || true", cwd=TREE)
        self.assertEqual([line for line in told.splitlines() if "missing date" not in line], [])
        shown = re.sub(".\x08", "", run("mandoc", "-T", "ascii", "man/orosync.1", cwd=TREE))
        self.assertRegex(shown, r"(?s)NAME\s+orosync - examine and control.*orosync kick\n\s+End sessions; ")
