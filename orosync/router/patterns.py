"""An index of entries filed under URIs, prefixes and wildcard patterns, and the look-up of all that match a URI.

WAMP, "Pattern-based Subscriptions" and "Pattern-based Registrations". Looking up a URI costs one dictionary
access, a bisection of the filed prefixes, and a few accesses for each component of the URI where wildcard patterns with
as many components exist. How many entries are filed hardly matters, nor how long they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from orosync.model import Match

Entry = TypeVar("Entry")

GAP = ""
"""A wildcard pattern's component that any component of a URI fits into."""


class PrefixIndex(Generic[Entry]):
    """Entries filed under string prefixes; a URI is a prefix of itself.

    The prefixes are sorted, and each refers to the longest other one that it begins with. All filed prefixes of a URI
    are prefixes of the last filed one that sorts before the URI, so a bisection and that chain of references find them.
    """

    __slots__ = ("_entries", "_order", "_shorter")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._shorter: dict[str, str | None] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._order)

    def get(self, prefix: str) -> Entry | None:
        """The entry filed under exactly this prefix."""
        return self._entries.get(prefix)

    def add(self, prefix: str, entry: Entry) -> None:
        """File ``entry``; the prefix must be free."""
        shorter = self._longest(prefix)
        self._entries[prefix] = entry
        self._shorter[prefix] = shorter
        position = bisect_right(self._order, prefix)
        self._order.insert(position, prefix)
        self._follow(position + 1, prefix, shorter, prefix)

    def remove(self, prefix: str) -> None:
        """Take away what is filed under ``prefix``; KeyError when nothing is."""
        del self._entries[prefix]
        position = bisect_right(self._order, prefix) - 1
        del self._order[position]
        self._follow(position, prefix, prefix, self._shorter.pop(prefix))

    def matching(self, uri: str) -> list[Entry]:
        """Every entry whose prefix ``uri`` begins with, the longest prefix last."""
        prefix = self._longest(uri)
        if prefix is None:
            return []
        entries, shorter = self._entries, self._shorter
        found = []
        while prefix is not None:
            found.append(entries[prefix])
            prefix = shorter[prefix]
        found.reverse()
        return found

    def _longest(self, uri: str) -> str | None:
        """The longest filed prefix that ``uri`` begins with."""
        position = bisect_right(self._order, uri)
        if not position:
            return None
        prefix: str | None = self._order[position - 1]
        while prefix is not None and not uri.startswith(prefix):
            prefix = self._shorter[prefix]
        return prefix

    def _follow(self, position: int, prefix: str, before: str | None, now: str | None) -> None:
        """Let prefixes from ``position`` on that begin with ``prefix`` refer to ``now`` if they did to ``before``."""
        order, shorter = self._order, self._shorter
        while position < len(order) and order[position].startswith(prefix):
            if shorter[order[position]] == before:
                shorter[order[position]] = now
            position += 1


class WildcardIndex(Generic[Entry]):
    """Entries filed under patterns whose empty components fit any component.

    One tree for each number of components: a node maps a component to the next node, in the last level to the entry.
    """

    __slots__ = ("_trees",)

    def __init__(self) -> None:
        self._trees: dict[int, dict[str, Any]] = {}

    def __iter__(self) -> Iterator[Entry]:
        for count, tree in self._trees.items():
            row: Iterable[Any] = [tree]
            for _ in range(count):
                row = [following for node in row for following in node.values()]
            yield from row

    def get(self, pattern: str) -> Entry | None:
        """The entry filed under exactly this pattern."""
        components = pattern.split(".")
        node: Any = self._trees.get(len(components))
        for component in components:
            if node is None:
                return None
            node = node.get(component)
        found: Entry | None = node
        return found

    def add(self, pattern: str, entry: Entry) -> None:
        """File ``entry``; the pattern must be free."""
        *way, last = pattern.split(".")
        node = self._trees.setdefault(len(way) + 1, {})
        for component in way:
            node = node.setdefault(component, {})
        node[last] = entry

    def remove(self, pattern: str) -> None:
        """Take away what is filed under ``pattern`` with every node it alone needed; KeyError when nothing is."""
        components = pattern.split(".")
        count = len(components)
        nodes = [self._trees[count]]
        for component in components[:-1]:
            nodes.append(nodes[-1][component])
        for node, component in zip(reversed(nodes), reversed(components), strict=True):
            del node[component]
            if node:
                return
        del self._trees[count]

    def matching(self, uri: str) -> list[Entry]:
        """Every entry whose pattern ``uri`` fits, the best match first.

        Best in the sense of WAMP's rule for registrations: the longest run of components before the first gap,
        then before the second, and so on. Two patterns that both fit differ for the first time where one has the
        URI's own component and the other a gap; there the former's run is the longer one. So looking at the
        component before the gap, row by row, yields that order.
        """
        tree = self._trees.get(uri.count(".") + 1)
        if tree is None:
            return []
        row: list[Any] = [tree]
        for component in uri.split("."):
            following = []
            for node in row:
                fitting = node.get(component)
                if fitting is not None:
                    following.append(fitting)
                gap = node.get(GAP)
                # The same one when the URI's own component is empty, as it may be in an opaque v1 topic.
                if gap is not None and gap is not fitting:
                    following.append(gap)
            if not following:
                return []
            row = following
        return row


class UriIndex(Generic[Entry]):
    """Entries filed under (URI, match): one at most for each pair.

    ``beyond_exact``: a look-up needs more than ``exact``, because there are patterns (``has_patterns``) or the owner
    needs every look-up (``owner_cares``).
    """

    __slots__ = ("_owner_cares", "beyond_exact", "exact", "has_patterns", "prefixes", "wildcards")

    def __init__(self) -> None:
        self._owner_cares = False
        self.has_patterns = False
        self.beyond_exact = False  # True is rare; a publish asks only this flag
        self.exact: dict[str, Entry] = {}
        self.prefixes: PrefixIndex[Entry] = PrefixIndex()
        self.wildcards: WildcardIndex[Entry] = WildcardIndex()

    def get(self, uri: str, match: Match) -> Entry | None:
        """The entry that is filed under exactly this pair."""
        if match is Match.EXACT:
            return self.exact.get(uri)
        return self.prefixes.get(uri) if match is Match.PREFIX else self.wildcards.get(uri)

    def add(self, uri: str, match: Match, entry: Entry) -> None:
        """File ``entry``; the pair must be free."""
        if match is Match.EXACT:
            self.exact[uri] = entry
            return
        (self.prefixes if match is Match.PREFIX else self.wildcards).add(uri, entry)
        self.has_patterns = self.beyond_exact = True

    def remove(self, uri: str, match: Match) -> None:
        """Take away what is filed under the pair; KeyError when nothing is."""
        if match is Match.EXACT:
            del self.exact[uri]
            return
        (self.prefixes if match is Match.PREFIX else self.wildcards).remove(uri)
        self._settle()

    @property
    def owner_cares(self) -> bool:
        """Whether the owner needs every look-up, as the broker does to record publications."""
        return self._owner_cares

    @owner_cares.setter
    def owner_cares(self, cares: bool) -> None:
        self._owner_cares = cares
        self._settle()

    def _settle(self) -> None:
        self.has_patterns = bool(self.prefixes._order or self.wildcards._trees)
        self.beyond_exact = self._owner_cares or self.has_patterns

    def entries(self, match: Match) -> Iterable[Entry]:
        """Everything that is filed for this kind of matching."""
        if match is Match.EXACT:
            return self.exact.values()
        return self.prefixes if match is Match.PREFIX else self.wildcards

    def patterns(self, uri: str) -> list[Entry]:
        """Every entry filed under a prefix or a wildcard pattern that ``uri`` matches."""
        found = self.prefixes.matching(uri) if self.prefixes._order else []
        return found + self.wildcards.matching(uri) if self.wildcards._trees else found

    def matching(self, uri: str) -> list[Entry]:
        """Every entry that ``uri`` matches, the exact one first."""
        exact = self.exact.get(uri)
        return self.patterns(uri) if exact is None else [exact, *self.patterns(uri)]

    def best(self, uri: str) -> Entry | None:
        """The one entry to prefer: exact, else the longest prefix, else the best wildcard pattern.

        WAMP, "Calls matching multiple registrations". Prefixes are compared as strings.
        """
        entry = self.exact.get(uri)
        if entry is not None:
            return entry
        prefixes = self.prefixes.matching(uri)
        if prefixes:
            return prefixes[-1]
        wildcards = self.wildcards.matching(uri)
        return wildcards[0] if wildcards else None
