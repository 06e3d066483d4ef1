"""PHP as the oracle: sessions that it wrote, and what it says it reads in them (tests/php/sessions.php, judge.php)."""

from __future__ import annotations

import base64
import json
import math
import os
import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from orosync.identity.php.serialized import PhpArray, PhpCustom, PhpEnum, PhpObject, PhpUnresolved, PhpValue
from tests.support.processes import run

TESTS = Path(__file__).resolve().parent.parent.parent
SCRIPTS = TESTS / "php"
SAMPLE = (TESTS / "vectors" / "sess_0123456789abcdefghijklmnop").read_bytes()


class Session(NamedTuple):
    """One session that PHP wrote, and PHP's view of it."""

    name: str
    data: bytes
    view: list[Any]


@cache
def sessions(handler: str = "php", seed: int = 1, entities: str = "") -> dict[str, Session]:
    """More than 200 sessions by name; ``entities="serializable"`` has Oro's entities write themselves as before 5.0."""
    said = run(
        "php",
        *("-d", f"session.serialize_handler={handler}"),
        *("-d", "session.use_cookies=0", "-d", "session.cache_limiter="),
        str(SCRIPTS / "sessions.php"),
        str(seed),
        environ={**os.environ, "ORO_ENTITIES": entities},
    )
    found = [json.loads(line) for line in said.splitlines()]
    return {one["name"]: Session(one["name"], base64.b64decode(one["session"]), one["view"]) for one in found}


def judged(values: Sequence[bytes]) -> list[Any]:
    """What PHP's unserialize() makes of each: a view, or None where it refuses."""
    lines = "".join(base64.b64encode(value).decode() + "\n" for value in values)
    done = subprocess.run(
        ["php", str(SCRIPTS / "judge.php")], input=lines.encode(), stdout=subprocess.PIPE, timeout=300, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class View:
    """Our values in the shape in which tests/php/sessions.php shows PHP's.

    ``names``: the keys of objects are shown as strings, whatever they are.
    """

    def __init__(self, names: bool = False) -> None:
        self._names = names
        self._met: dict[int, int] = {}

    def entries(self, array: PhpArray, names: bool = False) -> list[Any]:
        """[[key, value], ...], keys and values as [kind, ...]."""
        shown = []
        for key, value in array.items():
            if isinstance(key, int) and not names:
                shown.append([["i", str(key)], self.of(value)])
            else:
                shown.append([["s", _text(key if isinstance(key, bytes) else b"%d" % key)], self.of(value)])
        return shown

    def of(self, value: PhpValue) -> list[Any]:
        """[kind, ...]; a container met before is ["again", its number]."""
        if value is None:
            return ["N"]
        if isinstance(value, bool):
            return ["b", value]
        if isinstance(value, int):
            return ["i", str(value)]
        if isinstance(value, float):
            return ["d", "nan" if math.isnan(value) else struct.pack(">d", value).hex()]
        if isinstance(value, bytes):
            return ["s", _text(value)]
        if isinstance(value, PhpEnum):
            return ["E", _text(value.class_name), _text(value.case)]
        if isinstance(value, PhpUnresolved):
            return ["unresolved", value.number]
        if id(value) in self._met:
            return ["again", self._met[id(value)]]
        number = self._met[id(value)] = len(self._met) + 1
        if isinstance(value, PhpArray):
            return ["a", number, self.entries(value)]
        if isinstance(value, PhpObject):
            return ["O", number, _text(value.class_name), self.entries(value.properties, self._names)]
        assert isinstance(value, PhpCustom)
        if value.payload is not None:
            return ["P", number, _text(value.class_name), _text(value.payload)]
        return ["C", number, _text(value.class_name), self.of(value.value)]


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
