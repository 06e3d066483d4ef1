"""Members for the router's tests, and a search for what still names one that has left."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from orosync.model import Principal
from orosync.router.deliveries import Member
from orosync.wamp.payload import Payload

FAR = 2**40
"""Session ids begin here, so that no small id of a subscription or a request looks like one."""

PAYLOAD = Payload.of(["a value"], {"key": "another"})


def member(number: int, authid: str = "", authrole: str = "user", features: str = "") -> Member:
    """The ``number``-th member; its authid is its own unless given; ``features`` separated by spaces."""
    principal = Principal(authid or f"user-{number}", authrole, "ticket", "tests")
    return Member(FAR + number, principal, frozenset(features.split()), expel=lambda goodbye: None)


def everything_in(root: object) -> Iterator[object]:
    """Every object that can be reached from ``root`` through data (not through code)."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType | BuiltinFunctionType | MethodType):
            continue
        seen[id(thing)] = thing
        yield thing
        waiting.extend(gc.get_referents(thing))
        if isinstance(thing, dict):
            # The collector does not care for keys that are strings.
            waiting.extend(thing)


def names_of(root: object, gone: Member) -> list[object]:
    """What within ``root`` still names a member that has left: itself, its principal, its session id, its authid."""
    return [
        thing
        for thing in everything_in(root)
        if thing is gone
        or thing is gone.principal
        or (type(thing) is int and thing == gone.session)
        or (type(thing) is str and thing == gone.principal.authid)
    ]
