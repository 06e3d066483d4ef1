"""Oro's websocket_routing.yml as values, each with its line.

The keys are those of GosPubSubRouterBundle (YamlFileLoader): ``pattern`` and ``callback``, or their deprecated names
``channel`` and ``handler``; ``requirements``, ``defaults``, ``options``; ``resource``, ``type`` and ``exclude`` of an
import. Oro adds the forms ``handler: {callback: ...}`` and ``requirements: {name: {pattern: ..., wildcard: ...}}``
(SyncBundle, Loader/YamlFileLoader). What is not written in one of these forms is no fault of the file: the route is
returned with the reason, so that it can be denied.

Only PyYAML's nodes are used: their scalars are read as Symfony's YAML reads them, which Oro uses. There ``on``,
``off``, ``yes`` and ``no`` are strings like any other; a number, a date, true or false is not read where a string
belongs. A file with anchors or aliases is not read, nor one that is too large or too deep.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from orosync.config.readers import did_you_mean
from orosync.config.yaml_document import Fault, document
from orosync.model import EMPTY

_STRING, _BOOLEAN, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"
_INTEGER = "tag:yaml.org,2002:int"
_WORDS = ("on", "off", "yes", "no")
_NUMBER = re.compile(r"[-+.]?[0-9][0-9A-Fa-fxXo_.,+-]*", re.ASCII)
"""What Symfony's YAML may take for a number, though PyYAML does not."""

KEYS = (
    "pattern",
    "channel",
    "callback",
    "handler",
    "requirements",
    "defaults",
    "options",
    "resource",
    "type",
    "exclude",
)


@attrs.frozen
class Written:
    """A string and its line (from 1)."""

    text: str
    line: int


@attrs.frozen
class Route:
    """One route: its name, its channel, what handles it, the requirement of each variable that has one, and the
    variables that have a default.

    ``problems`` are (line, why it cannot be decided who may use it); only without any are the other values complete.
    ``oro`` is True where one of the forms is used that Oro adds; Oro reads them in its own files, not in imported ones.
    """

    name: Written
    channel: Written | None
    callback: Written | None = None
    requirements: Mapping[str, Written] = EMPTY
    defaults: frozenset[str] = frozenset()
    oro: bool = False
    problems: tuple[tuple[int, str], ...] = ()


@attrs.frozen
class Import:
    """An entry with ``resource``: the routes of another file, to all of which requirements and defaults are added.

    ``problems`` as in ``Route``.
    """

    name: Written
    resource: Written
    kind: str
    requirements: Mapping[str, Written] = EMPTY
    defaults: frozenset[str] = frozenset()
    problems: tuple[tuple[int, str], ...] = ()


Entry = Route | Import


def read(data: bytes) -> tuple[tuple[Entry, ...], tuple[tuple[int, str], ...]]:
    """The entries of a file in order, and (line, text) for each fault for which the file, or an entry without a name,
    is not read. Raises nothing but ImportError without PyYAML."""
    faults: list[tuple[int, str]] = []
    root = document(data, lambda line, text: faults.append((line, text)), "file of routes")
    if root is None or root.tag == _NULL:
        return (), tuple(faults)
    if root.id != "mapping":
        return (), ((_line(root), "is no mapping, write it like key: value"),)
    entries: list[Entry] = []
    names: dict[str, int] = {}
    for key, node in root.value:
        if key.id != "scalar":
            faults.append((_line(key), "is no text, write one word behind the colon"))
            continue
        name = Written(key.value, _line(key))
        entry = _entry(name, node)
        if name.text in names:
            twice = (name.line, "stands here a second time, remove one of the two")
            entry = attrs.evolve(entry, problems=(*entry.problems, twice))
            first = entries[names[name.text]]
            entries[names[name.text]] = attrs.evolve(first, problems=(*first.problems, twice))
        names.setdefault(name.text, len(entries))
        entries.append(entry)
    return tuple(entries), tuple(faults)


def _items(node: Any, fault: Fault) -> list[tuple[Written, Any]]:
    """The pairs of a mapping, with strings as keys and none of them twice."""
    if node.id != "mapping":
        fault(_line(node), "is no mapping, write it like key: value")
        return []
    found: dict[str, tuple[Written, Any]] = {}
    for key, value in node.value:
        text = _text(key, fault)
        if text is None:
            continue
        if text.text in found:
            fault(text.line, f"{text.text} stands here a second time, remove one of the two")
            continue
        found[text.text] = (text, value)
    return list(found.values())


def _entry(name: Written, node: Any) -> Entry:
    problems: list[tuple[int, str]] = []

    def fault(line: int, text: str) -> None:
        problems.append((line, text))

    parts: dict[str, Any] = {}
    for key, value in _items(node, fault):
        if key.text not in KEYS:
            hint = did_you_mean(key.text, KEYS) or f", only these are: {', '.join(KEYS)}"
            fault(key.line, f"{key.text} is not known here{hint}")
        elif value.tag != _NULL:  # as if it were not written
            parts[key.text] = value
    defaults = frozenset(
        key.text for key, value in _items(parts["defaults"], fault) if value.tag != _NULL
    ) if "defaults" in parts else frozenset()  # fmt: skip
    for key, _ in _items(parts["options"], fault) if "options" in parts else ():
        if key.text == "compiler_class":
            fault(key.line, "the option compiler_class has PHP code of its own match topics")
    requirements: dict[str, Written] = {}
    oro = False
    for variable, wanted in _items(parts["requirements"], fault) if "requirements" in parts else ():
        oro = oro or wanted.id == "mapping"
        requirement = _requirement(variable, wanted, fault)
        if requirement is not None:
            requirements[variable.text] = requirement
    if "resource" in parts:
        if oro:
            fault(_line(parts["requirements"]), "the requirements of an import are texts, a pattern is not read there")
        return _import(name, parts, requirements, defaults, problems)
    channel = _one_of("pattern", "channel", parts, name, fault)
    if "type" in parts:
        fault(_line(parts["type"]), "type belongs to an import, which has a resource")
    handler = parts.get("handler")
    if handler is not None and handler.id == "mapping" and "callback" not in parts:
        oro = True
        found = [value for key, value in _items(handler, fault) if key.text == "callback"]
        callback = _text(found[0], fault) if found else None
        if not found:
            fault(_line(handler), "the handler has no callback, add it")
    else:
        callback = _one_of("callback", "handler", parts, name, fault)
    return Route(name, channel, callback, requirements, defaults, oro, tuple(problems))


def _import(
    name: Written,
    parts: Mapping[str, Any],
    requirements: Mapping[str, Written],
    defaults: frozenset[str],
    problems: list[tuple[int, str]],
) -> Import:
    def fault(line: int, text: str) -> None:
        problems.append((line, text))

    for key in ("pattern", "channel"):
        if key in parts:
            fault(_line(parts[key]), f"{key} and resource exclude each other, remove one of the two")
    if "exclude" in parts:
        fault(_line(parts["exclude"]), "exclude is not read: write an import for each file that is wanted")
    resource = _text(parts["resource"], fault) or Written("", _line(parts["resource"]))
    kind = _text(parts["type"], fault) if "type" in parts else None
    return Import(name, resource, kind.text if kind else "", requirements, defaults, tuple(problems))


def _one_of(new: str, old: str, parts: Mapping[str, Any], name: Written, fault: Fault) -> Written | None:
    """The text of a key that has a deprecated name too; both at once, or none, is a fault."""
    if new in parts and old in parts:
        fault(_line(parts[old]), f"{new} and {old} are the same, remove one of the two")
        return None
    node = parts.get(new, parts.get(old))
    if node is None:
        fault(name.line, f"{new} is missing, add it")
        return None
    return _text(node, fault)


def _requirement(variable: Written, node: Any, fault: Fault) -> Written | None:
    """A pattern alone, or ``pattern`` and ``wildcard``, which lets the variable be ``*`` too. Oro does not look at
    other keys."""
    if node.id == "scalar":
        return _text(node, fault)
    parts = {key.text: value for key, value in _items(node, fault)}
    if "pattern" not in parts:
        fault(variable.line, f"the requirement of {variable.text} has no pattern, add it")
        return None
    pattern = _text(parts["pattern"], fault)
    wildcard = _truth(parts["wildcard"], fault) if "wildcard" in parts else False
    if pattern is None or wildcard is None:
        return None
    return Written(f"{pattern.text}|\\*", pattern.line) if wildcard else pattern


def _text(node: Any, fault: Fault) -> Written | None:
    if node.id != "scalar":
        fault(_line(node), "is no text, write one word behind the colon")
        return None
    value: str = node.value
    plain = not node.style
    if plain and _NUMBER.fullmatch(value):
        fault(_line(node), f"{value!r} is no text but a number or date, put it in quotes")
        return None
    if node.tag == _STRING or (node.tag == _BOOLEAN and value.lower() in _WORDS and plain):
        return Written(value, _line(node))
    fault(_line(node), f"{value!r} is no text ({node.tag.rpartition(':')[2]}), put it in quotes")
    return None


def _truth(node: Any, fault: Fault) -> bool | None:
    """What PHP's ``empty`` makes of a value: only false, null, 0, '' and '0' are."""
    value = node.value if node.id == "scalar" else ""
    plain = node.id == "scalar" and not node.style
    if node.tag == _NULL:
        return False
    if node.tag == _BOOLEAN and plain:
        return value.lower() != "false"  # Symfony reads the other words, "no" too, as texts
    if node.tag == _INTEGER and plain and value.isascii() and value.isdigit():
        return int(value) != 0
    if node.tag == _STRING and node.id == "scalar" and not (plain and _NUMBER.fullmatch(value)):
        return value not in ("", "0")
    fault(_line(node), "wildcard is true or false, write one of them")
    return None


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
