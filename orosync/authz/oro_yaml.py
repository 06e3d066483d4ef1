"""Oro's websocket_routing.yml as values, each with its line.

Only PyYAML's nodes are used: their scalars are read as Symfony's YAML reads them, which Oro uses. There ``on``,
``off``, ``yes`` and ``no`` are strings like any other; a number, a date, true or false is refused where a string
belongs. Anchors, aliases and tags are refused, and files that are too large or too deep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import attrs

from orosync.config.readers import did_you_mean
from orosync.registry import how_to_install

LARGEST = 65536
"""Bytes of one file."""

DEEPEST = 8
"""Mappings in mappings; a route takes four."""

EXTRA = "oro"
"""The extra of orosync that installs PyYAML."""

Fault = Callable[[int, str], None]
"""Called with (line, what is wrong and what to do)."""

_STRING, _BOOLEAN = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"
_WORDS = ("on", "off", "yes", "no")


@attrs.frozen
class Written:
    """A string and its line (from 1)."""

    text: str
    line: int


@attrs.frozen
class Route:
    """One route: its name, its channel, what handles it, and the requirement of each variable that has one."""

    name: Written
    channel: Written
    callback: Written
    requirements: Mapping[str, Written]


def read(data: bytes) -> tuple[tuple[Route, ...], tuple[tuple[int, str], ...]]:
    """The routes of a file, and (line, text) for each fault. Raises nothing but ImportError without PyYAML."""
    faults: list[tuple[int, str]] = []
    routes: list[Route] = []
    root = _root(data, lambda line, text: faults.append((line, text)))
    if root is not None:
        for name, node in _items(root, lambda line, text: faults.append((line, text))):
            route = _route(name, node, faults)
            if route is not None:
                routes.append(route)
    return tuple(routes), tuple(faults)


def missing() -> str:
    """Which module is missing and how to install it; "" when PyYAML can be imported."""
    try:
        import_module("yaml")
    except ImportError as error:
        return f"needs the module yaml ({error}), {how_to_install(EXTRA)}"
    return ""


def _root(data: bytes, fault: Fault) -> Any:
    """The node of the only document, None for an empty one or one with a fault."""
    yaml = import_module("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if len(data) > LARGEST:
        fault(0, f"is larger than {LARGEST} bytes, no file of routes is")
        return None
    try:
        text = data.decode()
        # Events first, one by one: no node is built of a file that is too deep or would grow by aliases.
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                fault(line, "anchors and aliases are not read, write the text out")
                return None
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                fault(line, f"goes deeper than {DEEPEST} levels, no route does")
                return None
        return yaml.compose(text, Loader=loader)
    except UnicodeDecodeError as error:
        fault(data[: error.start].count(b"\n") + 1, "is not text in UTF-8")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or " ".join(str(error).split())
        fault(0 if mark is None else mark.line + 1, f"is no YAML ({said}), correct it")
    return None


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


def _route(name: Written, node: Any, faults: list[tuple[int, str]]) -> Route | None:
    before = len(faults)

    def fault(line: int, text: str) -> None:
        faults.append((line, f"{name.text}: {text}"))

    parts = _parts(node, ("channel", "handler", "requirements"), fault)
    channel = _text(parts["channel"], fault) if "channel" in parts else None
    callback = _callback(parts["handler"], fault) if "handler" in parts else None
    requirements: dict[str, Written] = {}
    for variable, wanted in _items(parts["requirements"], fault) if "requirements" in parts else ():
        requirement = _requirement(variable, wanted, fault)
        if requirement is not None:
            requirements[variable.text] = requirement
    for key in ("channel", "handler"):
        if key not in parts and node.id == "mapping":
            fault(name.line, f"{key} is missing, add it")
    if channel is None or callback is None or len(faults) > before:
        return None
    return Route(name, channel, callback, requirements)


def _parts(node: Any, known: tuple[str, ...], fault: Fault) -> dict[str, Any]:
    found = {}
    for key, value in _items(node, fault):
        if key.text in known:
            found[key.text] = value
        else:
            hint = did_you_mean(key.text, known) or f", only these are: {', '.join(known)}"
            fault(key.line, f"{key.text} is not known here{hint}")
    return found


def _callback(node: Any, fault: Fault) -> Written | None:
    if node.id == "scalar":
        return _text(node, fault)
    parts = _parts(node, ("callback",), fault)
    if "callback" in parts:
        return _text(parts["callback"], fault)
    fault(_line(node), "the handler has no callback, add it")
    return None


def _requirement(variable: Written, node: Any, fault: Fault) -> Written | None:
    """A pattern alone, or ``pattern`` and ``wildcard``, which lets the variable be ``*`` too."""
    if node.id == "scalar":
        return _text(node, fault)
    parts = _parts(node, ("pattern", "wildcard"), fault)
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
    if node.tag == _STRING or (node.tag == _BOOLEAN and value.lower() in _WORDS and not node.style):
        return Written(value, _line(node))
    fault(_line(node), f"{value!r} is no text ({node.tag.rpartition(':')[2]}), put it in quotes")
    return None


def _truth(node: Any, fault: Fault) -> bool | None:
    value = node.value.lower() if node.id == "scalar" else ""
    if node.tag == _BOOLEAN and not node.style and value in ("true", "false"):
        return bool(value == "true")
    # Symfony reads every other word, "no" too, as a text, which Oro then takes for a yes.
    fault(_line(node), "wildcard is true or false, write one of them")
    return None


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
