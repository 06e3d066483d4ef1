"""The tests mirror the package file by file, and a long file says why it is one."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).resolve().parent.parent
MOST_LINES = 500

REASONS: dict[str, str] = {
    "orosync/transport/connection.py": "one connection: its reading, writing and end share their state",
}
"""Files that are longer, and why each of them is one subject."""

# Interfaces say what others must do; they do nothing that could be tested.
WITHOUT_TESTS = {"orosync/interfaces.py"}

# Tests of what is no single module: the tree's own order, and the product as a whole.
OF_THE_WHOLE = {
    "tests/test_alerts.py",  # etc/prometheus, etc/grafana and the runbook
    "tests/test_imports.py",
    "tests/test_limits.py",  # the page of limits, row by row
    "tests/test_instructions.py",
    "tests/test_mirror.py",
    "tests/test_packaging.py",
    "tests/test_stability.py",
    "tests/test_plugin.py",
    "tests/test_run_tests.py",
    "tests/test_structure.py",
    "tests/test_units.py",
    "tests/test_bench.py",
    "tests/session/test_values.py",  # sessions, serializers and router together
    "tests/transport/test_violations.py",  # transport and sessions together
    "tests/session/test_message_rates.py",  # sessions, links and token buckets together
    "tests/transport/test_slowed_clients.py",
    "tests/authz/test_properties.py",  # channels, permissions and the chain together
    "tests/identity/php/test_mutation.py",  # spoiled sessions go through the whole reader
}
PACKAGES_OF_THE_WHOLE = {"tests/support", "tests/product"}


def modules() -> set[str]:
    """The modules of the package, as paths from the top of the tree."""
    paths = (path.relative_to(TREE) for path in (TREE / "orosync").rglob("*.py"))
    return {str(path) for path in paths if path.name != "__init__.py"}


def mirrors() -> set[str]:
    """The test modules that have to stand opposite a module of the package."""
    found = set()
    for path in (TREE / "tests").rglob("test_*.py"):
        relative = path.relative_to(TREE)
        parents = {str(parent) for parent in relative.parents}
        if str(relative) not in OF_THE_WHOLE and not parents & PACKAGES_OF_THE_WHOLE and "node_modules" not in parents:
            found.add(str(relative))
    return found


def mirror_of(module: str) -> str:
    """Where the tests of ``module`` stand: orosync/wamp/uris.py -> tests/wamp/test_uris.py."""
    path = Path(module)
    return str(Path("tests", *path.parts[1:-1], f"test_{path.name}"))


def belongs(test: str, mirror: str) -> bool:
    """Whether ``test`` is ``mirror`` or one of several beside it: test_calls.py, test_calls_progress.py."""
    stem = mirror.removesuffix(".py")
    return test == mirror or test.startswith(stem + "_")


class Mirror(SynchronousTestCase):
    """Whoever opens a module finds its tests without searching, and the other way round."""

    def test_every_module_has_its_tests(self) -> None:
        """No module is without a test module: its name alone, or with the part that is tested behind it."""
        wanted = {mirror_of(module) for module in modules() - WITHOUT_TESTS}
        self.assertTrue(len(wanted) > 15, "the modules were not found")
        there = mirrors()
        missing = [one for one in wanted if not any(belongs(test, one) for test in there)]
        self.assertEqual(sorted(missing), [], "not there")

    def test_every_test_module_has_its_module(self) -> None:
        """No test module is left over from a module that moved away."""
        wanted = {mirror_of(module) for module in modules()}
        left = [test for test in mirrors() if not any(belongs(test, one) for one in wanted)]
        self.assertEqual(sorted(left), [], "opposite of nothing")

    def test_every_folder_of_tests_is_a_package(self) -> None:
        """A folder of tests without an __init__.py is passed over by trial in silence."""
        bare = {
            str(path.parent.relative_to(TREE))
            for path in (TREE / "tests").rglob("test_*.py")
            if not (path.parent / "__init__.py").exists()
        }
        self.assertEqual(sorted(bare), [])

    def test_exceptions_exist(self) -> None:
        """A name stays in the lists of exceptions only as long as there is such a file."""
        self.assertEqual([name for name in sorted(WITHOUT_TESTS | OF_THE_WHOLE) if not (TREE / name).exists()], [])


class Size(SynchronousTestCase):
    """One subject in each file, a class whole in it."""

    def test_long_files_give_a_reason(self) -> None:
        """A file of more than 500 lines is one subject, or it is split."""
        paths = [*(TREE / "orosync").rglob("*.py"), *(path for path in (TREE / "tests").rglob("*.py"))]
        long = {
            str(path.relative_to(TREE))
            for path in paths
            if "node_modules" not in path.parts and len(path.read_text().splitlines()) > MOST_LINES
        }
        self.assertEqual(sorted(long), sorted(REASONS))
        self.assertEqual([path for path, reason in REASONS.items() if len(reason) < 20], [])
