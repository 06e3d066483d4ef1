"""PUBLISH.Options, and which subscribers they let an event reach (WAMP, "Subscriber Black- and Whitelisting").

There are six lists, each optional, all of which must let a receiver pass. A list that is present but empty is a list:
an empty ``eligible`` excludes every receiver (v2). In v1 it excludes none, as in Ratchet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

import attrs

from orosync.errors import ProtocolViolation, RequestError
from orosync.router.deliveries import flag
from orosync.wamp import ids, uris

if TYPE_CHECKING:
    from orosync.router.deliveries import Member

_OPTIONS = frozenset(
    ("exclude", "exclude_authid", "exclude_authrole", "eligible", "eligible_authid", "eligible_authrole")
)
_LONGEST_ID = len(str(2**53))
_ID_SIZE = 64

FORWARDER = "forwarder"
"""The feature of a member that forwards events to a realm which does not know these lists. A user who is excluded by
authid or authrole may be there too, so such an event is not forwarded. Session ids do not exist there."""


@attrs.frozen
class Filters:
    """The six lists; None where the publisher gave none."""

    exclude: frozenset[int] | None = None
    exclude_authid: frozenset[str] | None = None
    exclude_authrole: frozenset[str] | None = None
    eligible: frozenset[int] | None = None
    eligible_authid: frozenset[str] | None = None
    eligible_authrole: frozenset[str] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Filters | None:
        """The filters in PUBLISH.Options, None when there are none.

        A null list is no list; session ids may be integral floats. RequestError INVALID_ARGUMENT for anything
        that is not a list of ids or of strings.
        """
        if _OPTIONS.isdisjoint(options):
            return None
        filters = cls(
            _session_ids(options, "exclude"),
            _strings(options, "exclude_authid"),
            _strings(options, "exclude_authrole"),
            _session_ids(options, "eligible"),
            _strings(options, "eligible_authid"),
            _strings(options, "eligible_authrole"),
        )
        return None if filters == _NONE else filters

    @classmethod
    def from_v1(cls, exclude: object = None, eligible: object = None) -> tuple[bool, Filters | None]:
        """(exclude_me, filters) of a WAMP v1 PUBLISH, by its fourth and fifth element, as Ratchet reads them.

        ``exclude``: missing, null, false, 0 or "" excludes no session, a list those session ids, anything else the
        publisher. ``eligible``: missing, null or an empty list is all sessions, otherwise a list of session ids.
        A JSON object counts as the list of its values, as in PHP. RequestError INVALID_ARGUMENT for an
        ``eligible`` of any other type.
        """
        exclude_me = False
        excluded = chosen = None
        if isinstance(exclude, list | tuple | dict):
            excluded = _v1_session_ids(exclude) or None
        else:
            exclude_me = bool(exclude) and exclude != "0"
        if isinstance(eligible, list | tuple | dict):
            # Ids of no session count as a list: what is left may be empty, and then no session is eligible.
            chosen = _v1_session_ids(eligible) if eligible else None
        elif eligible is not None:
            raise RequestError(uris.INVALID_ARGUMENT, "eligible must be a list of session ids")
        if excluded is None and chosen is None:
            return exclude_me, None
        return exclude_me, cls(exclude=excluded, eligible=chosen)

    @property
    def size(self) -> int:
        """About how many bytes they take: what keeping them costs."""
        ids = len(self.exclude or ()) + len(self.eligible or ())
        texts = (self.exclude_authid, self.exclude_authrole, self.eligible_authid, self.eligible_authrole)
        return _ID_SIZE * ids + sum(_ID_SIZE + len(one) for some in texts for one in some or ())

    def among(self, sessions: Set[int]) -> Filters | None:
        """These lists when only those sessions are left, since ids of other sessions never come back; None when they
        exclude no session."""
        eligible = None if self.eligible is None else self.eligible & sessions
        exclude = None if self.exclude is None else (self.exclude & sessions or None)
        left = attrs.evolve(self, exclude=exclude, eligible=eligible)
        return None if left == _NONE else left

    def objection(self, member: Member) -> str:
        """The list that keeps the event from ``member``, by its name; "" where ``select`` would let it pass."""
        who, session = member.principal, member.session
        if self.eligible is not None and session not in self.eligible:
            return "eligible"
        if self.exclude is not None and session in self.exclude:
            return "exclude"
        if self.eligible_authid is not None and who.authid not in self.eligible_authid:
            return "eligible_authid"
        if self.eligible_authrole is not None and who.authrole not in self.eligible_authrole:
            return "eligible_authrole"
        if self.exclude_authid and (who.authid in self.exclude_authid or FORWARDER in member.features):
            return "exclude_authid"
        if self.exclude_authrole and (who.authrole in self.exclude_authrole or FORWARDER in member.features):
            return "exclude_authrole"
        return ""

    def select(self, members: Mapping[int, Member]) -> list[Member]:
        """Those of ``members`` (by session id) that every list lets pass.

        The cost is that of the shorter of ``eligible`` and ``members``: an event for one session of thousands is cheap.
        """
        passed: Iterable[Member]
        if self.eligible is not None:
            eligible = self.eligible - self.exclude if self.exclude else self.eligible
            if len(eligible) < len(members):
                passed = [members[session] for session in eligible if session in members]
            else:
                passed = [member for session, member in members.items() if session in eligible]
        elif self.exclude:
            left = dict(members)
            for session in self.exclude:
                left.pop(session, None)
            passed = left.values()
        else:
            passed = members.values()
        if self.eligible_authid is not None:
            passed = [member for member in passed if member.principal.authid in self.eligible_authid]
        if self.eligible_authrole is not None:
            passed = [member for member in passed if member.principal.authrole in self.eligible_authrole]
        if self.exclude_authid:
            passed = [member for member in passed if member.principal.authid not in self.exclude_authid]
        if self.exclude_authrole:
            passed = [member for member in passed if member.principal.authrole not in self.exclude_authrole]
        if self.exclude_authid or self.exclude_authrole:
            passed = [member for member in passed if FORWARDER not in member.features]
        return list(passed)


@attrs.frozen
class PublishOptions:
    """What a PUBLISH asks for besides its topic (WAMP, ``PUBLISH.Options``), read once and checked.

    ``disclose``: the publisher asks to be named to the receivers. ``retain``: the event is kept for later subscribers.
    """

    acknowledge: bool = False
    exclude_me: bool = True
    filters: Filters | None = None
    disclose: bool = False
    retain: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PublishOptions:
        """RequestError INVALID_ARGUMENT for an option of a wrong type."""
        return cls(
            flag(options, "acknowledge"),
            flag(options, "exclude_me", True),
            Filters.from_options(options),
            flag(options, "disclose_me"),
            flag(options, "retain"),
        )


_NONE = Filters()


def _elements(options: Mapping[str, Any], name: str) -> list[Any] | tuple[Any, ...] | None:
    value = options.get(name)
    if value is None or isinstance(value, list | tuple):
        return value
    raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a list")


def _session_ids(options: Mapping[str, Any], name: str) -> frozenset[int] | None:
    elements = _elements(options, name)
    if elements is None:
        return None
    try:
        return frozenset([ids.normalise(element) for element in elements])
    except ProtocolViolation:
        # A wrong id in a message's own field ends the session; in an option it only fails the request.
        raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a list of session ids") from None


def _strings(options: Mapping[str, Any], name: str) -> frozenset[str] | None:
    elements = _elements(options, name)
    if elements is None:
        return None
    if not all(isinstance(element, str) for element in elements):
        raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a list of strings")
    return frozenset(elements)


def _v1_session_ids(elements: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> frozenset[int]:
    """The sessions of v1 ids: a v1 session id is the number in decimal. Other strings are ids of no session."""
    values = elements.values() if isinstance(elements, dict) else elements
    found = set()
    for value in values:
        # The length first: int() raises an error of its own for thousands of digits.
        if isinstance(value, str) and len(value) <= _LONGEST_ID and value.isascii() and value.isdigit():
            number = int(value)
            if str(number) == value:
                found.add(number)
    return frozenset(found)
