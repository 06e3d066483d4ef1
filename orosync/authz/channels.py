"""Channels: families of topics with one rule each, as Oro's websocket_routing.yml declares them.

A channel says which topics are its own, which roles may subscribe and publish, and which of its variables belong to the
principal. It must not know of other channels, sessions or the router.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from orosync.authz import template
from orosync.authz.template import Template
from orosync.model import NOTHING, Match, Principal


class Owner(Enum):
    """What a variable is compared with: the principal's user id, or the organizations that the principal is in."""

    USER = "user"
    ORGANIZATION = "organization"


@attrs.frozen
class Binding:
    """A variable that belongs to somebody; ``but`` holds the values that everybody may use all the same ("*")."""

    owner: Owner
    but: frozenset[str] = frozenset()

    def refusal(self, principal: Principal, name: str, value: str) -> str | None:
        """Why ``principal`` may not use ``value``, or None when it may.

        A user's id counts as a number: ``007`` is user 7, as in Oro (SyncBundle, SecuredTopic). User 0 is nobody.
        """
        if value in self.but:
            return None
        number = int(value) if value.isascii() and value.isdigit() else 0
        if number == 0:
            return f"{name} {value} is nobody"
        if self.owner is Owner.USER:
            if principal.user_id is None:
                return f"{name} {value} belongs to a user, and {principal.authid} is none"
            return None if number == principal.user_id else f"{name} {value} is another user than {principal.user_id}"
        return None if number in principal.organizations else f"{principal.authid} is not in {name} {value}"


@attrs.frozen
class Channel:
    """One family of topics and its rule.

    ``pattern``       the shape of its topics: ``oro/email_event/{user_id}/{organization_id}``
    ``requirements``  what each variable may hold (``orosync.authz.requirements``)
    ``bindings``      the variables that belong to somebody; the others are free
    ``subscribers``   roles that may subscribe, ``publishers`` roles that may publish
    ``source``        where it was declared, for explanations: ``[topics:oro]``, or a file

    Raises ValueError that names the place when pattern or requirements cannot be read, or a binding has no variable.
    """

    pattern: str
    requirements: Mapping[str, str] = NOTHING
    bindings: Mapping[str, Binding] = NOTHING
    subscribers: frozenset[str] = frozenset()
    publishers: frozenset[str] = frozenset()
    source: str = ""
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
        """How the channel is called in explanations."""
        return f"{self.source} {self.pattern}".lstrip()

    def values(self, topic: str) -> Mapping[str, str] | None:
        """What the variables hold in ``topic`` (an empty mapping without any); None when it is not of this channel."""
        return self.template.values(topic)

    def could_match(self, pattern: str, match: Match) -> bool:
        """Whether a subscription to ``pattern`` could ever receive a topic of this channel; never a wrong no."""
        return self.template.could_match(pattern, match)

    def refusal(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        """Why ``principal`` may not subscribe to the topic with ``values``, or None when it may."""
        if principal.authrole not in self.subscribers:
            return f'the role "{principal.authrole}" is not one of its subscribers ({_listed(self.subscribers)})'
        for name, binding in self.bindings.items():
            refusal = binding.refusal(principal, name, values[name])
            if refusal is not None:
                return refusal
        return None

    def may_publish(self, role: str) -> bool:
        """Whether ``role`` may publish to every topic of this channel."""
        return role in self.publishers

    def publish_refusal(self, role: str) -> str:
        """The words for ``role``'s refusal."""
        return f'the role "{role}" is not one of its publishers ({_listed(self.publishers)})'


def _listed(roles: frozenset[str]) -> str:
    return ", ".join(sorted(roles)) or "nobody"
