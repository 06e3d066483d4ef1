"""Whether two URI patterns could ever match the same URI.

The counterpart of ``wamp.uris.covers``: that one must never say yes wrongly (it grants), this one must never say no
wrongly (a rule that denies part of a pattern must be found). This file must not know rules, channels or principals.
"""

from __future__ import annotations

from orosync.model import Match


def could_meet(one: str, one_match: Match, other: str, other_match: Match) -> bool:
    """True unless no URI at all is matched by both (``one``, ``one_match``) and (``other``, ``other_match``).

    A prefix is compared by character, a wildcard pattern by dot-separated components, of which an empty one
    stands for any one component, an empty one included (WAMP, pattern-based subscriptions).
    """
    if one_match is Match.EXACT and other_match is Match.EXACT:
        return one == other
    if one_match is Match.EXACT or (one_match is Match.PREFIX and other_match is Match.WILDCARD):
        return could_meet(other, other_match, one, one_match)
    if other_match is Match.EXACT:
        return other.startswith(one) if one_match is Match.PREFIX else _all_meet(one.split("."), other.split("."))
    if one_match is Match.PREFIX:
        return one.startswith(other) or other.startswith(one)
    if other_match is Match.WILDCARD:
        return _all_meet(one.split("."), other.split("."))
    return _prefix_meets(other.split("."), one.split("."))


def _all_meet(one: list[str], other: list[str]) -> bool:
    return len(one) == len(other) and all(not a or not b or a == b for a, b in zip(one, other, strict=True))


def _prefix_meets(prefix: list[str], pattern: list[str]) -> bool:
    if len(prefix) > len(pattern):
        return False
    *whole, begun = prefix
    last = pattern[len(whole)]
    # Only the last component of a prefix is unfinished; an empty one in front of it is a real, empty component.
    return all(not b or a == b for a, b in zip(whole, pattern, strict=False)) and (not last or last.startswith(begun))
