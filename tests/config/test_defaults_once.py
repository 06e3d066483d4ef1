"""A default stands once: in the configuration's section, and not again in the part that is made from it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.fields import keys_of
from orosync.config.reference import TABLES

TREE = Path(__file__).resolve().parent.parent.parent

OTHERS = {
    "orosync/authz/chain.py timeout",
    "orosync/identity/php/session.py context",
    "orosync/model.py message_limit",
    "orosync/testing/memory_realm.py role",
}
"""Of the same name and value as a key, in a part that can be made without a section too. None may be added."""


def defaults() -> dict[str, set[Any]]:
    """By key: its numbers and words in all sections that have it."""
    found: dict[str, set[Any]] = {}
    for section in TABLES.values():
        values = {field.name: field.default for field in attrs.fields(section)}
        for key in keys_of(section):
            if isinstance(values[key], str | int | float) and not isinstance(values[key], bool) and values[key]:
                found.setdefault(key, set()).add(values[key])
    return found


def written(source: str) -> Iterator[tuple[str, ast.expr]]:
    """The names of fields and parameters with their defaults."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            positional = [*node.args.posonlyargs, *node.args.args]
            given = node.args.defaults
            yield from zip((one.arg for one in positional[len(positional) - len(given) :]), given, strict=True)
            for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if default is not None:
                    yield one.arg, default
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
                    yield line.target.id, line.value


def doubles(source: str, known: dict[str, set[Any]]) -> list[str]:
    """The names whose default is a literal that a key of that name has too."""
    found = []
    for name, default in written(source):
        try:
            value = ast.literal_eval(default)
        except ValueError:
            continue
        if not isinstance(value, bool) and isinstance(value, str | int | float) and value in known.get(name, ()):
            found.append(name)
    return found


class DefaultsStandOnce(SynchronousTestCase):
    def test_every_part(self) -> None:
        """No part outside the configuration has a number or a word of its own where a key has the same one."""
        known = defaults()
        self.assertGreater(len(known), 50)
        found = {
            f"{path.relative_to(TREE)} {name}"
            for path in (TREE / "orosync").rglob("*.py")
            if "config" not in path.parts
            for name in doubles(path.read_text(), known)
        }
        self.assertEqual(sorted(found), sorted(OTHERS))

    def test_what_is_noticed(self) -> None:
        """Fields and parameters of both kinds; neither other values nor what is no literal."""
        known = {"ttl": {300.0}}
        for source, noticed in (
            ("class A:\n    ttl: float = 300", True),
            ("def f(a, ttl=300.0): pass", True),
            ("async def f(*, a, ttl=300): pass", True),
            ("class A:\n    ttl: float = 30", False),
            ("class A:\n    ttl: float", False),
            ("def f(ttl, a=300): pass", False),
            ("def f(ttl=TTL): pass", False),
        ):
            self.assertEqual(doubles(source, known), ["ttl"] if noticed else [], source)
