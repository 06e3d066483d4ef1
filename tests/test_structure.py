"""The laws of the package's structure: no import cycle, no half of a class in another file, one class for a name."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).resolve().parent.parent

MOST_CRUMBS = 12
"""Small modules with a single importer that may be there: some of them keep the graph free of cycles."""


def _structure() -> ModuleType:
    path = TREE / "tools" / "structure.py"
    spec = importlib.util.spec_from_file_location("structure", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module  # where its own classes look for themselves
    spec.loader.exec_module(module)
    return module


structure = _structure()


class Laws(SynchronousTestCase):
    """What holds for the tree as it is."""

    tree = structure.Tree(TREE)

    def test_no_import_cycle(self) -> None:
        """No modules import each other, inside a package or under TYPE_CHECKING neither."""
        self.assertEqual(structure.cycles(self.tree.imports), [])

    def test_a_class_stands_in_one_file(self) -> None:
        """No class is only the other half of its single child in another file."""
        self.assertEqual(structure.halves(self.tree), [])

    def test_one_class_for_a_name(self) -> None:
        """A public class name means one thing."""
        self.assertEqual(structure.doubles(self.tree), {})

    def test_few_crumbs(self) -> None:
        """A small module with a single importer usually belongs to that importer."""
        crumbs = structure.crumbs(self.tree)
        self.assertLessEqual(len(crumbs), MOST_CRUMBS, crumbs)


class Tool(SynchronousTestCase):
    """That the tool would notice, and what it prints."""

    def made(self, **sources: str) -> object:
        """A checkout with these modules of orosync."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        (directory / "orosync").mkdir()
        (directory / "orosync" / "__init__.py").write_text("")
        for name, source in sources.items():
            (directory / "orosync" / f"{name}.py").write_text(source)
        return structure.Tree(directory)

    def test_cycles(self) -> None:
        """Direct ones, those round a corner, and those that only type checkers see."""
        late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from orosync import a"
        for sources, found in [
            ({"a": "from orosync.b import x", "b": "x = 1"}, []),
            ({"a": "from orosync.b import x", "b": "from orosync.a import y"}, [["orosync.a", "orosync.b"]]),
            (
                {
                    "a": "from orosync import b",
                    "b": "from orosync import c",
                    "c": "def f():\n    from orosync import a",
                },
                [["orosync.a", "orosync.b", "orosync.c"]],
            ),
            ({"a": "from orosync import b", "b": late}, [["orosync.a", "orosync.b"]]),
        ]:
            self.assertEqual(structure.cycles(self.made(**sources).imports), found, sources)  # type: ignore[attr-defined]

    def test_halves(self) -> None:
        """A base of one child elsewhere is a half; one that is made, named or has two children is not."""
        base, child = "class A:\n    pass\n", "from orosync.a import A\nclass B(A):\n    pass\n"
        self.assertEqual(structure.halves(self.made(a=base, b=child)), ["orosync.a.A is half of orosync.b.B"])
        self.assertEqual(structure.halves(self.made(a=base + "one = A()", b=child)), [])
        self.assertEqual(structure.halves(self.made(a=base, b=child + "class C(A):\n    pass\n")), [])
        self.assertEqual(structure.halves(self.made(a=base + "class B(A):\n    pass\n")), [])

    def test_doubles(self) -> None:
        """Public names count, private ones do not."""
        same = "class A:\n    pass\nclass _B:\n    pass\n"
        self.assertEqual(structure.doubles(self.made(a=same, b=same)), {"A": ["orosync.a", "orosync.b"]})

    def test_figures(self) -> None:
        """Each figure is printed for this tree."""
        figures = structure.figures(Laws.tree)
        self.assertEqual(figures["import cycles"], "none")
        self.assertGreater(int(figures["modules"]), 100)
