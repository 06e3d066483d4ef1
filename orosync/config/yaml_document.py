"""YAML files of an Oro application as PyYAML's nodes, each with its line.

Only the nodes are used, never Python objects: their scalars are then read as Symfony reads them. A file that is too
large or too deep is not read, nor one with anchors and aliases unless the caller allows them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

EXTRA = "oro"
MODULE = "yaml"
"""PyYAML, which this extra of orosync installs."""

LARGEST = 65536
"""Bytes of one file."""

DEEPEST = 16
"""Mappings in mappings."""

Fault = Callable[[int, str], None]
"""Called with (line, what is wrong and what to do)."""


def document(data: bytes, fault: Fault, what: str, aliases: bool = False) -> Any:
    """The node of the only document in ``data``, a file of the kind ``what``; None for an empty one or one with a
    fault. Raises nothing but ImportError without PyYAML."""
    yaml = import_module(MODULE)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if len(data) > LARGEST:
        fault(0, f"is larger than {LARGEST} bytes, no {what} is")
        return None
    try:
        text = data.decode()
        # Events first, one by one: no node is built of a file that is too deep or would grow by aliases.
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            line = event.start_mark.line + 1
            if not aliases and (isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None):
                fault(line, "anchors and aliases are not read, write the text out")
                return None
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                fault(line, f"goes deeper than {DEEPEST} levels, no {what} does")
                return None
        return yaml.compose(text, Loader=loader)
    except UnicodeDecodeError as error:
        fault(data[: error.start].count(b"\n") + 1, "is not text in UTF-8")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or " ".join(str(error).split())
        fault(0 if mark is None else mark.line + 1, f"is no YAML ({said}), correct it")
    return None
