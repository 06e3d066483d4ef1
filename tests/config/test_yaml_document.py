"""YAML documents as nodes. What is no document of routes: tests/authz/test_oro_yaml.py."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.yaml_document import DEEPEST, EXTRA, LARGEST, MODULE, document
from orosync.registry import missing_module


class DocumentTests(SynchronousTestCase):
    def read(self, text: str, aliases: bool = False) -> object:
        self.faults: list[tuple[int, str]] = []
        return document(text.encode(), lambda *fault: self.faults.append(fault), "file of settings", aliases)

    def test_node(self) -> None:
        """The node of the whole document, None for an empty one; lines are kept."""
        node = self.read("a: 1\nb: !tag c\n")
        self.assertEqual([(key.value, value.start_mark.line) for key, value in node.value], [("a", 0), ("b", 1)])  # type: ignore[attr-defined]
        self.assertEqual((self.read("# nothing\n"), self.faults), (None, []))

    def test_aliases(self) -> None:
        """They are a fault unless the caller allows them; then a node stands in both places."""
        text = "a: &x {b: 1}\nc: *x\n"
        self.assertIsNone(self.read(text))
        self.assertEqual(self.faults, [(1, "anchors and aliases are not read, write the text out")])
        node = self.read(text, True)
        self.assertIs(node.value[0][1], node.value[1][1])  # type: ignore[attr-defined]

    def test_limits(self) -> None:
        """Size and depth are limited, with aliases too."""
        self.assertIsNone(self.read("#" * (LARGEST + 1), True))
        self.assertEqual(self.faults, [(0, f"is larger than {LARGEST} bytes, no file of settings is")])
        self.assertIsNone(self.read("[" * (DEEPEST + 1), True))
        self.assertEqual(self.faults, [(1, f"goes deeper than {DEEPEST} levels, no file of settings does")])

    def test_missing(self) -> None:
        """Without PyYAML it is said what to install."""
        self.assertEqual(missing_module(MODULE, EXTRA), "")
        self.patch(sys, "modules", {**sys.modules, "yaml": None})
        self.assertIn(" -m pip install '.[oro]'", missing_module(MODULE, EXTRA))
