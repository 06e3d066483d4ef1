"""How a section is described, and how one is made from its raw text.

A section is a frozen attrs class whose fields are made by ``setting`` (or ``dotted``): reader, default and meaning
stand together, for the loader and for the reference page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import attrs

from orosync.config.credentials import PUBLISHED, Secret, is_reference
from orosync.config.readers import BUILTIN, Reader, Source, did_you_mean, plain
from orosync.config.source import RawSection

T = TypeVar("T")
Report = Callable[[str, str], None]
"""Takes (key, what is wrong and what to do)."""

DottedReader = Callable[[str, str, Source], Any]

_METADATA = "orosync.config.key"
_NOTHING = object()

RENAMED = {
    "believe": "trusted_providers",
    "once": "single_use",
    "output_limit": "send_buffer_limit",
    "output_stall": "send_timeout",
    "proxies": "trusted_proxies",
}
"""Keys of 0.1, each with its name from 0.2.0 on, for the sections that have the new one. They are not read: the error
names the new key."""

REMOVED = {
    ("notifications", "maintenance_lock"): "Oro's page never learned anything from it, and gets the change from Oro",
}
"""Keys of 0.1 that are gone, by section and name, each with the reason."""


@attrs.frozen
class Key:
    """One key, for the loader and the reference page. ``shown`` is the default in words."""

    read: Callable[..., Any]
    meaning: str
    shown: str
    required: bool = False
    example: str = ""
    multiline: bool = False
    dotted: bool = False


def setting(
    read: Reader,
    meaning: str,
    *,
    default: str | None = None,
    unset: Any = None,
    otherwise: str = "none",
    required: bool = False,
    example: str = "",
    multiline: bool = False,
) -> Any:
    """A field. ``default`` is written as in a file; without one the value is ``unset``, and ``otherwise`` says what
    that means."""
    if required:
        spec = Key(read, meaning, "required", True, example, multiline)
        return attrs.field(metadata={_METADATA: spec})
    shown = otherwise if default is None else f"`{default}`"
    spec = Key(read, meaning, shown, False, example, multiline)
    value = unset if default is None else read(default, BUILTIN)
    return attrs.field(default=value, metadata={_METADATA: spec})


def dotted(read: DottedReader, meaning: str, *, example: str) -> Any:
    """A field for keys ``NAME.anything``: a tuple of what ``read(anything, text, source)`` returns, in order."""
    spec = Key(read, meaning, "none", False, example, dotted=True)
    return attrs.field(default=(), metadata={_METADATA: spec})


def use(kind: str, meaning: str = "") -> Any:
    """The field for the key ``use`` of a section that is chosen by ``use = kind``."""
    return setting(plain, meaning or f"`{kind}`", required=True, example=kind)


def keys_of(section: type[Any]) -> dict[str, Key]:
    """The keys of a section class by field name, in order."""
    fields = attrs.fields(section)
    return {field.name: field.metadata[_METADATA] for field in fields if _METADATA in field.metadata}


def build(
    section: type[T], raw: RawSection, source: Source, fixed: Mapping[str, Any], report: Report, warn: Report
) -> T | None:
    """Make a section; every fault is reported. ``warn`` takes what is likely to be a mistake. ``fixed`` holds the
    fields that are no keys (the section's name).

    A section with faults is made of the keys without, so that what is wrong between those is found too; a key with a
    fault has its default, a required one its example. None where that is not possible."""
    keys = keys_of(section)
    found: dict[str, Any] = dict(fixed)
    faults: list[str] = []
    with_colon: set[str] = set()

    def fault(at: str, text: str) -> None:
        faults.append(at)
        report(at, text)

    for name, value in raw.values.items():
        head, dot, tail = name.partition(".")
        spec = keys.get(head if dot else name)
        before = name.partition(": " if dot else ":")[0].strip()
        if before != name and before.partition(".")[0] in keys:
            with_colon.add(before)  # what follows may be a secret, and is not told
            fault(before, "stands with a colon, write = in its place")
            continue
        if spec is None or spec.dotted != bool(dot):
            fault(name, _unknown(name, raw, keys))
            continue
        problem = _unsuitable(value.text, spec)
        if problem:
            fault(name, problem)
            continue
        here = attrs.evolve(source, section=raw.title, lines=value.lines or (value.line,), warn=partial(warn, name))
        try:
            if spec.dotted:
                found[head] = (*found.get(head, ()), spec.read(tail, value.text, here))
            else:
                found[name] = spec.read(value.text, here)
        except ValueError as error:
            fault(name, str(error))
    for name, spec in keys.items():
        if spec.required and name not in raw.values and name not in with_colon:
            fault(name, f"is missing, add a line like: {name} = {spec.example}")
    if faults:
        found.update((name, _stand_in(spec)) for name, spec in keys.items() if spec.required and name not in found)
        if _NOTHING in found.values():
            return None
    return section(**found)


def _stand_in(spec: Key) -> Any:
    """A value that is no fault, for a required key that has none."""
    try:
        return spec.read(spec.example, BUILTIN)
    except ValueError:  # a reference to a secret
        return Secret("", spec.example) if is_reference(spec.example) else _NOTHING


def _unsuitable(text: str, spec: Key) -> str:
    if not text:
        return "is empty, give a value or remove the line"
    if "\n" in text and not spec.multiline:
        return "goes on in the next line because that one is indented, start it at the margin"
    if PUBLISHED in text:
        return "holds the secret that Oro is published with, which is public: choose your own"
    if len(text) > 1 and text[0] in "\"'" and text.find(text[0], 1) == len(text) - 1:
        return "stands in quotes, which would be part of it: take them away"
    if re.search(r"\s#|\s;\s" if not spec.dotted else r"\s#", text):
        return "has a comment behind it, which would be part of it: put the comment on a line of its own"
    return ""


def _unknown(name: str, raw: RawSection, keys: Mapping[str, Key]) -> str:
    renamed = RENAMED.get(name)
    if renamed in keys:
        return f"is no key of [{raw.title}], was renamed to {renamed}"
    if (raw.title, name) in REMOVED:
        return f"was removed, delete the line: {REMOVED[raw.title, name]}"
    names = {key: f"{key}.NAME" if spec.dotted else key for key, spec in keys.items()}
    hint = did_you_mean(name.partition(".")[0], names)
    for key, shown in names.items():
        hint = hint.replace(f" {key}?", f" {shown}?")
    return f"is no key of [{raw.title}]{hint or ', its keys are ' + ', '.join(sorted(names.values()))}"
