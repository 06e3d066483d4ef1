"""What a remote authorizer may answer, in Crossbar.io's words, and for how long an answer is remembered.

It must not know who was asked, or how.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from orosync.model import Decision

_FLAGS = ("allow", "disclose", "cache")


@attrs.frozen
class Ruling:
    """One answer. ``cache``: it may be given again to the same question."""

    allow: bool
    disclose: bool = False
    cache: bool = False


def ruling(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ruling:
    """Read a RESULT: a boolean, or a dict of ``allow`` and if need be ``disclose``, ``cache`` and ``validate``.

    ``validate`` (Crossbar.io's payload types) is a dict or None and not heeded. ValueError for anything else, of which
    nothing is repeated but its type and the names of keys.
    """
    if kwargs or len(args) != 1:
        raise ValueError("the answer is not one value")
    (answer,) = args
    if isinstance(answer, bool):
        return Ruling(answer)
    if not isinstance(answer, dict):
        raise ValueError(f"the answer is a {type(answer).__name__}, neither a boolean nor a dict")
    if "allow" not in answer:
        raise ValueError("the answer has no allow")
    for key, value in answer.items():
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"the answer's {key} is no boolean")
        elif key != "validate":
            raise ValueError(f"the answer has a key {str(key)[:40]!r}, which means nothing")
        elif value is not None and not isinstance(value, dict):
            raise ValueError("the answer's validate is neither a dict nor null")
    return Ruling(**{key: answer[key] for key in _FLAGS if key in answer})


class RulingCache:
    """Decisions by the fingerprint of their question, each for ``age`` seconds at most, the ``entries`` last used."""

    def __init__(self, age: float, entries: int, clock: IReactorTime) -> None:
        self._age = age
        self._entries = entries
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Decision]] = OrderedDict()
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, question: bytes) -> Decision | None:
        """What was decided, if that is not too long ago."""
        known = self._known.get(question)
        if known is None:
            return None
        until, decision = known
        if until <= self._clock.seconds():
            del self._known[question]
            return None
        self._known.move_to_end(question)
        return decision

    def put(self, question: bytes, decision: Decision, epoch: int) -> None:
        """Remember a decision that was asked for in ``epoch``; one from before a purge is not."""
        if epoch != self.epoch:
            return
        self._known[question] = (self._clock.seconds() + self._age, decision)
        self._known.move_to_end(question)
        if len(self._known) > self._entries:
            self._known.popitem(last=False)

    def purge(self) -> None:
        """Forget everything, and what is being asked now too."""
        self._known.clear()
        self.epoch += 1
