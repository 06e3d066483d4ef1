#!/usr/bin/env python3
"""stability.py [DIRECTORY]: what stays as it is from one release to the next, as text, a file for each subject.

Writes configuration.txt, reason_codes.txt, exit_codes.txt, interfaces.txt, json_fields.txt and metrics.txt to DIRECTORY
(tests/stability of the checkout). tests/test_stability.py compares them with the code; docs/stability.md says what may
change, and how.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDS = CHECKOUT / "tests" / "stability"

REFUSALS = frozenset({"Refused", "Unavailable", "NoAnswer"})
"""Exceptions whose first argument is a reason code."""

CODES = frozenset({"kind", "code"})
"""Parameters that take a reason code."""


def configuration() -> str:
    """Each key of each section with its default: ``[section] key = default``."""
    from orosync.config.fields import keys_of
    from orosync.config.reference import TABLES

    lines = []
    for title, section in TABLES.items():
        for name, key in keys_of(section).items():
            lines.append(f"[{title}] {name}{'.NAME' if key.dotted else ''} = {key.shown}")
    return "\n".join(lines) + "\n"


def reason_codes() -> str:
    """Each event of the log with the reason codes that are written beside it (``*``: others, told at run time), those
    of refusals, and other words that are passed as a reason code."""
    found: dict[str, set[str]] = defaultdict(set)
    paths = (path for path in sorted((CHECKOUT / "orosync").rglob("*.py")) if "config" not in path.parts)
    sources = [ast.parse(path.read_text()) for path in paths]
    takes = dict(_takers(sources))
    for source in sources:
        constants = dict(_constants(source))
        for call in (node for node in ast.walk(source) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in ("note", "count") and len(call.args) >= 2:
                for event in _words(call.args[0], constants):
                    found[event].update(_words(call.args[1], constants))
            elif name in REFUSALS and call.args:
                found["refusals"].update(_words(call.args[0], constants))
            elif name in takes and len(call.args) > takes[name]:
                found["others"].update(_words(call.args[takes[name]], constants))
    known = {code for event, codes in found.items() if event != "others" for code in codes}
    found["others"] = {code for code in found["others"] - known if re.fullmatch("[a-z][a-z_]+", code)}
    lines = []
    for event in sorted(found, key=lambda event: (event in ("refusals", "others"), event)):
        codes = sorted(found[event])
        if event not in ("refusals", "others") or codes:
            lines.append(" ".join([f"{event}:", *codes]))
    return "\n".join(lines) + "\n"


def exit_codes() -> str:
    """Those of the ``orosync`` command and of ``twistd``'s commands."""
    from orosync.cli import main
    from orosync.taps import router

    lines = [f"orosync {getattr(main, name)} {name.lower()}" for name in ("GOOD", "REFUSED", "MISUSED", "UNREACHABLE")]
    status = next(
        node.args[0].value
        for node in ast.walk(ast.parse(inspect.getsource(router.give_up)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SystemExit"
        if isinstance(node.args[0], ast.Constant)
    )
    return "\n".join([*lines, f"twistd {status} configuration with faults"]) + "\n"


def interfaces() -> str:
    """Each class of ``orosync.interfaces`` with its methods, attributes and fields; each constant."""
    lines = []
    for node in ast.parse((CHECKOUT / "orosync" / "interfaces.py").read_text()).body:
        if isinstance(node, ast.Assign):
            lines.append(ast.unparse(node))
        elif isinstance(node, ast.ClassDef):
            lines.append(f"{node.name}({', '.join(map(ast.unparse, node.bases))})" if node.bases else node.name)
            for member in node.body:
                if isinstance(member, ast.AnnAssign):
                    lines.append(f"    {ast.unparse(member.target)}: {ast.unparse(member.annotation)}")
                elif isinstance(member, ast.FunctionDef):
                    returns = f" -> {ast.unparse(member.returns)}" if member.returns is not None else ""
                    lines.append(f"    {member.name}({ast.unparse(member.args)}){returns}")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """Each metric with its kind and its labels, by its name in Prometheus' text format (a counter's samples have
    ``_total`` behind it)."""
    from orosync.app.metrics import METRICS
    from orosync.metrics import PREFIX

    lines = [f"{PREFIX}{name} {one.kind.value} {' '.join(one.labels)}".rstrip() for name, one in METRICS.items()]
    return "\n".join(sorted(lines)) + "\n"


def json_fields() -> str:
    """What the verbs of the control socket answer, and what a probe finds: each field with its type."""
    import attrs

    from orosync.model import Finding, FindingState
    from orosync.ops import answers

    classes = [one for one in vars(answers).values() if isinstance(one, type) and attrs.has(one)]
    lines = [f"{one.__name__} {field.name}: {field.type}" for one in (*classes, Finding) for field in attrs.fields(one)]
    return "\n".join([*lines, f"FindingState {' '.join(one.value for one in FindingState)}"]) + "\n"


SUBJECTS = {
    "configuration.txt": configuration,
    "reason_codes.txt": reason_codes,
    "exit_codes.txt": exit_codes,
    "interfaces.txt": interfaces,
    "metrics.txt": metrics,
    "json_fields.txt": json_fields,
}


def _takers(sources: list[ast.Module]) -> Iterator[tuple[str, int]]:
    """Functions with a parameter for a reason code, and which one it is, ``self`` not counted."""
    for source in sources:
        for node in ast.walk(source):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [one.arg for one in node.args.args if one.arg not in ("self", "cls")]
                for index, name in enumerate(names):
                    if name in CODES:
                        yield node.name, index


def _constants(source: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts at the top of a module."""
    for node in source.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value.value


def _words(node: ast.expr, constants: dict[str, str]) -> set[str]:
    """The texts that an expression may be; ``*`` stands for a part that is known at run time alone."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Name) and node.id in constants:
        return {constants[node.id]}
    if isinstance(node, ast.IfExp):
        return _words(node.body, constants) | _words(node.orelse, constants)
    if isinstance(node, ast.BoolOp):
        return set().union(*(_words(value, constants) for value in node.values))
    if isinstance(node, ast.JoinedStr):
        return {"".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)}  # type: ignore[misc]
    return {"*"}


def main(arguments: list[str]) -> None:
    """Write the files anew."""
    directory = Path(arguments[0]) if arguments else RECORDS
    for name, text in SUBJECTS.items():
        (directory / name).write_text(text())


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT))
    main(sys.argv[1:])
