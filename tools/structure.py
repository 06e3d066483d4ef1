#!/usr/bin/env python3
"""structure.py [CHECKOUT]: figures of the package's structure: modules, import cycles, small files, names, words.

What tests/test_structure.py demands of them is written there. Only the standard library is used; nothing is imported
from the checkout that is looked at.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

SMALL = 80
"""A module below this many lines usually belongs to its importer, where it has only one."""

PEOPLE = re.compile(r"\b(whoever|somebody|nobody|anybody|everybody)\b", re.IGNORECASE)
"""Words in place of which a reader expects clients, users or the back end."""


class Tree:
    """The modules of one checkout's package, parsed. Names are dotted, ``orosync`` included."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.sources: dict[str, str] = {}
        self.packages: set[str] = set()
        for path in sorted((checkout / "orosync").rglob("*.py")):
            parts = path.relative_to(checkout).with_suffix("").parts
            if parts[-1] == "__init__":
                self.packages.add(".".join(parts[:-1]))
            else:
                self.sources[".".join(parts)] = path.read_text()
        self.parsed = {name: ast.parse(source) for name, source in self.sources.items()}
        self.nodes = {name: list(ast.walk(tree)) for name, tree in self.parsed.items()}

    def lines(self) -> dict[str, int]:
        return {name: len(source.splitlines()) for name, source in self.sources.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """The modules of the package that each module imports, in functions and for type checkers too."""
        found: dict[str, set[str]] = {}
        for name, nodes in self.nodes.items():
            wanted: set[str] = set()
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    for alias in node.names:
                        inner = f"{node.module}.{alias.name}"
                        wanted.add(inner if inner in self.sources else node.module)
                elif isinstance(node, ast.Import):
                    wanted.update(alias.name for alias in node.names)
            found[name] = {one for one in wanted if one in self.sources and one != name}
        return found

    def classes(self) -> Iterator[tuple[str, ast.ClassDef]]:
        """(module, class) of every class at the top of a module."""
        for name, tree in self.parsed.items():
            yield from ((name, node) for node in tree.body if isinstance(node, ast.ClassDef))


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or round several corners (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def crumbs(tree: Tree) -> list[str]:
    """Small modules that a single module imports."""
    importers: dict[str, set[str]] = defaultdict(set)
    for name, wanted in tree.imports.items():
        for one in wanted:
            importers[one].add(name)
    return sorted(name for name, lines in tree.lines().items() if lines < SMALL and len(importers[name]) == 1)


def doubles(tree: Tree) -> dict[str, list[str]]:
    """Public classes of one name in several modules."""
    found: dict[str, list[str]] = defaultdict(list)
    for module, node in tree.classes():
        if not node.name.startswith("_"):
            found[node.name].append(module)
    return {name: modules for name, modules in sorted(found.items()) if len(modules) > 1}


def halves(tree: Tree) -> list[str]:
    """Classes that are only the other half of a single child: named in code outside their module by that child's bases
    alone, never made, and in another file than the child."""
    children: dict[str, list[tuple[str, str]]] = defaultdict(list)
    homes: dict[str, str] = {}
    for module, node in tree.classes():
        homes[node.name] = module
        for base in node.bases:
            if isinstance(base, ast.Name):
                children[base.id].append((module, node.name))
    uses: dict[str, int] = defaultdict(int)
    for nodes in tree.nodes.values():
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                uses[node.id] += 1
    found = []
    for name, born in sorted(children.items()):
        if name in homes and len(born) == 1 and uses[name] == 1 and born[0][0] != homes[name]:
            found.append(f"{homes[name]}.{name} is half of {born[0][0]}.{born[0][1]}")
    return found


def people(checkout: Path) -> int:
    """How often code and pages speak of whoever, somebody, nobody, anybody or everybody."""
    files = [checkout / "README.md", *(checkout / "docs").rglob("*.md"), *(checkout / "orosync").rglob("*.py")]
    return sum(len(PEOPLE.findall(path.read_text())) for path in files)


def figures(tree: Tree) -> dict[str, str]:
    """Everything that is printed, by its name."""
    lines = list(tree.lines().values())
    total = sum(lines)
    functions = sum(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for nodes in tree.nodes.values() for node in nodes
    )
    import_lines = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for nodes in tree.nodes.values()
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
    )
    ordered = sorted(lines)
    return {
        "modules": str(len(lines)),
        "lines": str(total),
        "median module, lines": f"{statistics.median(lines):.0f}",
        "90 % are below, lines": str(ordered[len(ordered) * 9 // 10]),
        "longest, lines": str(ordered[-1]),
        "import edges": str(sum(map(len, tree.imports.values()))),
        "import cycles": "; ".join(" ".join(group) for group in cycles(tree.imports)) or "none",
        f"below {SMALL} lines with one importer": str(len(crumbs(tree))),
        "public class names used twice": ", ".join(doubles(tree)) or "none",
        "classes that are half of another": str(len(halves(tree))),
        "functions per 1,000 lines": f"{functions * 1000 / total:.0f}",
        "import lines per 1,000 lines": f"{import_lines * 1000 / total:.0f}",
        "whoever, somebody, nobody, anybody, everybody": str(people(tree.checkout)),
    }


if __name__ == "__main__":
    for name, figure in figures(Tree(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())).items():
        print(f"{name}: {figure}")
