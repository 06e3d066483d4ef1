"""What docs/stability.md promises is recorded in tests/stability, and is as it is recorded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).resolve().parent.parent


def _stability() -> ModuleType:
    path = TREE / "tools" / "stability.py"
    spec = importlib.util.spec_from_file_location("stability", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stability = _stability()


class Records(SynchronousTestCase):
    """A change of what is stable shows in the tree's own files."""

    def test_nothing_has_changed_unseen(self) -> None:
        """Keys, reason codes, exit codes, interfaces and metrics are the recorded ones; ``python tools/stability.py``
        records them anew."""
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
        self.assertIn("    find(login: str) -> Deferred[User | None]\n", stability.interfaces())
