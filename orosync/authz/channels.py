"""Channels: families of topics with one rule each, as Oro's websocket_routing.yml declares them.

A channel has the shape of its topics, the roles that may subscribe and publish, and the variables that must be the
principal's own (its user id, its organizations, its Oro roles). Channels of the configuration and of Oro's files are
the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

import attrs

from orosync.authz import requirements, template
from orosync.authz.template import Template
from orosync.model import EMPTY, Match, Principal

Granted = Mapping[str, frozenset[str]]
"""Roles of the realm, each with the Oro roles of which a principal needs one; empty where the role is enough."""

ID = "[0-9]+"
WORD = "[A-Za-z0-9_-]+"

ALL = "*"
"""Instead of an id or a role: for all."""

_ANONYMOUS = "anonymous"


class Owner(Enum):
    """What a variable is compared with: the principal's user id, the organizations that the principal is in, or the
    roles that the principal has in Oro."""

    USER = "user"
    ORGANIZATION = "organization"
    ROLE = "role"


OWNERS: Mapping[str, Owner] = {"user_id": Owner.USER, "organization_id": Owner.ORGANIZATION, "role": Owner.ROLE}
"""Variables that must be the principal's own, unless a channel says otherwise."""


@attrs.frozen
class Binding:
    """A variable that must be the principal's own; ``but`` holds the values that every principal may use ("*")."""

    owner: Owner
    but: frozenset[str] = frozenset()

    def refusal(self, principal: Principal, name: str, value: str) -> str | None:
        """Why ``principal`` may not use ``value``, or None when it may.

        A user's id counts as a number: ``007`` is user 7, as in Oro (SyncBundle, SecuredTopic). There is no user 0.
        """
        if value in self.but:
            return None
        if self.owner is Owner.ROLE:
            return None if value in principal.roles else f"{principal.authid} has not the Oro role of {name} {value}"
        number = int(value) if value.isascii() and value.isdigit() else 0
        if number == 0:
            return f"{name} {value} does not exist"
        if self.owner is Owner.USER:
            if principal.user_id is None:
                return f"{name} {value} belongs to a user, and {principal.authid} is none"
            return None if number == principal.user_id else f"{name} {value} is another user than {principal.user_id}"
        return None if number in principal.organizations else f"{principal.authid} is not in {name} {value}"


def granted(roles: Granted | Iterable[str]) -> Granted:
    """``roles`` as they are, or made of roles that are enough by themselves."""
    return dict(roles) if isinstance(roles, Mapping) else {role: frozenset() for role in roles}


def either(one: Granted, other: Granted) -> Granted:
    """What one of the two grants."""
    both = {**one, **other}
    for role in one.keys() & other.keys():
        both[role] = one[role] | other[role] if one[role] and other[role] else frozenset()
    return both


def words(roles: Granted) -> str:
    """``user with ROLE_A ROLE_B or backend``, as it is written in a configuration."""
    each = (" with ".join(filter(None, (role, " ".join(sorted(roles[role]))))) for role in sorted(roles))
    return " or ".join(each) or "nobody"


@attrs.frozen
class Channel:
    """One family of topics and its rule.

    ``pattern``       the shape of its topics: ``oro/email_event/{user_id}/{organization_id}``
    ``requirements``  what each variable may hold (``orosync.authz.requirements``)
    ``bindings``      the variables that must be the principal's own; the others are free
    ``subscribers``   who may subscribe, ``publishers`` who may publish
    ``source``        where it was declared, for explanations: ``[topics:oro]``; ``key`` its key there when it is not
                      the pattern alone; ``place`` file and line, or ``built in``
    ``retained``      what is published is kept for those who subscribe later
    ``note``          what an administrator should know about it

    Raises ValueError that names the place when pattern or requirements cannot be read, or a binding has no variable.
    """

    pattern: str
    requirements: Mapping[str, str] = EMPTY
    bindings: Mapping[str, Binding] = EMPTY
    subscribers: Granted = attrs.field(default=(), converter=granted)
    publishers: Granted = attrs.field(default=(), converter=granted)
    source: str = ""
    key: str = ""
    place: str = ""
    retained: bool = False
    note: str = ""
    template: Template = attrs.field(init=False, repr=False, eq=False)

    @template.default
    def _read_template(self) -> Template:
        read = template.read(self.pattern, self.requirements)
        if not set(self.bindings) <= set(read.variables):
            wrong = ", ".join(sorted(set(self.bindings) - set(read.variables)))
            raise ValueError(f"{self.pattern!r}: bound, but no variable of it: {wrong}")
        return read

    @property
    def title(self) -> str:
        """The channel's name in explanations: ``[topics:oro] channel.acme/news (router.ini:34)``."""
        return f"{self.source} {self.key or self.pattern}".lstrip() + (f" ({self.place})" if self.place else "")

    def values(self, topic: str) -> Mapping[str, str] | None:
        """The values of the variables in ``topic`` (an empty mapping without any); None for a topic of another
        channel."""
        return self.template.values(topic)

    def could_match(self, pattern: str, match: Match) -> bool:
        """Whether a subscription to ``pattern`` could ever receive a topic of this channel; never a wrong no."""
        return self.template.could_match(pattern, match)

    def subscribe_refusal(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        """Why ``principal`` may not subscribe to the topic with ``values``, or None when it may."""
        refusal = _not_granted(self.subscribers, principal, "subscribers")
        if refusal is not None:
            return f"{refusal}; {self.note}" if self.note else refusal
        return self._not_own(principal, values)

    def publish_refusal(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        """Why ``principal`` may not publish to the topic with ``values``, or None when it may.

        Users publish to their own topics only, as they subscribe; a back end, which is no user, to the topics of all.
        """
        refusal = _not_granted(self.publishers, principal, "publishers")
        if refusal is not None or publishes_for_all(principal):
            return refusal
        return self._not_own(principal, values)

    def _not_own(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        for name, binding in self.bindings.items():
            refusal = binding.refusal(principal, name, values[name])
            if refusal is not None:
                return refusal
        return None


def publishes_for_all(principal: Principal) -> bool:
    """Whether ``principal`` publishes on behalf of all users: authenticated, and no user itself."""
    return principal.user_id is None and principal.authmethod != _ANONYMOUS


def _not_granted(roles: Granted, principal: Principal, called: str) -> str | None:
    needed = roles.get(principal.authrole)
    if needed is None:
        return f'the role "{principal.authrole}" is not one of its {called} ({words(roles)})'
    if needed and not needed & principal.roles:
        return f"{principal.authid} has none of the Oro roles that its {called} need ({words(roles)})"
    return None


def default_requirement(name: str) -> str:
    """What a variable may hold by default: an id for users and organizations, else a word."""
    return WORD if OWNERS.get(name, Owner.ROLE) is Owner.ROLE else ID


def admits_all(requirement: str) -> bool:
    """Whether a variable may be ``*``, and the requirement names it: ``.`` and ``[^/]`` do not. Raises ValueError for a
    requirement that cannot be read."""
    named = requirements.read(requirement, any_of=requirements.PRINTABLE - {ALL})
    return re.fullmatch(named.regex, ALL, re.ASCII) is not None
