"""Topic rules: an authorizer made of channels.

It decides about every topic that a channel declares, and abstains from everything else, calls and registrations too.
Topics are compared as they are: another spelling (percent signs, other scripts' digits, a slash or newline at the end,
a CURIE) is another topic, which no channel declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from zope.interface import implementer

from orosync.authz.channels import Channel, Granted, publishes_for_all, words
from orosync.authz.template import LONGEST
from orosync.interfaces import IAuthorizer
from orosync.model import EMPTY, Action, Decision, Match, Principal, Verdict

_UNDECLARED = Decision(Verdict.ABSTAIN, "no channel declares it", declared=False)
_NOT_OURS = Decision(Verdict.ABSTAIN, "channels are about subscribing and publishing only", declared=False)
_MOST_ROLES = 64
"""Roles of one channel for which a denial is kept; a plugin's authenticator may invent any number of roles."""

# A member looked up on its Enum costs a descriptor call, and every publish passes here.
_PUBLISH, _SUBSCRIBE = Action.PUBLISH, Action.SUBSCRIBE
_EXACT, _PREFIX = Match.EXACT, Match.PREFIX


class _Known(NamedTuple):
    """A topic whose channel is known: its values and, by role, the decisions that do not depend on the principal.

    ``publish_for_all``: those for principals that publish on behalf of all users.
    """

    channel: Channel
    values: Mapping[str, str]
    publish: dict[str, Decision]
    publish_for_all: dict[str, Decision]
    subscribe: dict[str, Decision]


@implementer(IAuthorizer)
class TopicRules:
    """Decides by ``channels``. A topic without variables is looked up; of channels with variables the first wins.

    ``retains`` tells whether any channel is retained; without one there is no need to ask ``retained``. ``memo`` bounds
    how many topics with variables are remembered, and how many that no channel declares; when one of the two is full,
    it is emptied. ``warnings`` tell what was not read where the channels come from, and who is denied what for that.
    Raises ValueError when two channels have the same pattern.
    """

    constant = True
    depends_on = ("authmethod", "authrole", "organizations", "roles", "user_id")

    def __init__(
        self, channels: Iterable[Channel], *, name: str = "topics", memo: int = 4096, warnings: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.warnings = tuple(warnings)
        self.channels: tuple[Channel, ...] = tuple(channels)
        self.retains = any(channel.retained for channel in self.channels)
        self._memo = memo
        self._fixed: dict[str, _Known] = {}
        self._variable: list[_Known] = []
        seen: dict[str, Channel] = {}
        for channel in self.channels:
            if channel.pattern in seen:
                raise ValueError(f"{channel.title}: already declared as {seen[channel.pattern].title}")
            seen[channel.pattern] = channel
            known = _Known(channel, EMPTY, *_publish_answers(channel), _subscribe_answers(channel))
            if channel.template.fixed:
                self._fixed[channel.pattern] = known
            else:
                self._variable.append(known)
        self._known: dict[str, _Known] = dict(self._fixed)
        self._undeclared: set[str] = set()
        self._which = re.compile(
            "|".join(f"({known.channel.template.bare})" for known in self._variable) or "(?!)", re.ASCII
        )

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """See IAuthorizer. Always answers at once; ABSTAIN is never ``declared``."""
        if action is _PUBLISH:
            known = self._known.get(uri) or self._find(uri)
            if known is None:
                return _UNDECLARED
            return known.publish.get(principal.authrole) or _decide_publish(known, principal)
        if action is not _SUBSCRIBE:
            return _NOT_OURS
        if match is not _EXACT and (match is _PREFIX or not all(uri.split("."))):
            return self._decide_pattern(uri, match)
        # A wildcard pattern without an empty component matches itself alone.
        known = self._known.get(uri) or self._find(uri)
        if known is None:
            return _UNDECLARED
        return known.subscribe.get(principal.authrole) or _decide_subscribe(known, principal)

    def retained(self, topic: str) -> bool:
        """Whether the last event of ``topic`` is retained for later subscribers."""
        known = self._known.get(topic) or self._find(topic)
        return known is not None and known.channel.retained

    def route(self, topic: str) -> str:
        """The pattern of the channel that declares ``topic``, "" for none. Nothing is remembered for it."""
        known = self._fixed.get(topic) or self._matching(topic)
        return "" if known is None else known.channel.pattern

    def _find(self, topic: str) -> _Known | None:
        # The bound comes first: it keeps matching and remembering cheap, whatever clients send.
        if len(topic) > LONGEST or topic in self._undeclared:
            return None
        declared = self._matching(topic)
        if declared is None:
            if len(self._undeclared) >= self._memo:
                self._undeclared.clear()
            self._undeclared.add(topic)
            return None
        values = declared.channel.values(topic) or EMPTY
        if len(self._known) >= self._memo + len(self._fixed):
            self._known = dict(self._fixed)
        known = self._known[topic] = declared._replace(values=values)
        return known

    def _matching(self, topic: str) -> _Known | None:
        """The first channel with variables that ``topic`` is one of; the values are not read."""
        found = None if len(topic) > LONGEST else self._which.fullmatch(topic)
        return None if found is None or found.lastindex is None else self._variable[found.lastindex - 1]

    def _decide_pattern(self, pattern: str, match: Match) -> Decision:
        """A pattern also matches topics that no channel has (every script's letters, any length), so channels never
        grant it: denied where it overlaps one, ABSTAIN where it does not."""
        for channel in self.channels:
            if channel.could_match(pattern, match):
                return Decision(
                    Verdict.DENY,
                    f"{channel.title}: subscribe to its topics one by one, the {match.value} pattern matches more",
                )
        return _UNDECLARED


def _publish_answers(channel: Channel) -> tuple[dict[str, Decision], dict[str, Decision]]:
    """By role, the decisions that do not depend on the principal: for all principals, and for those that publish on
    behalf of all users."""
    answers = {
        role: Decision(Verdict.ALLOW, f"{channel.title}: publish = {role}")
        for role, needed in channel.publishers.items()
        if not needed
    }
    return {} if channel.bindings else answers, answers


def _subscribe_answers(channel: Channel) -> dict[str, Decision]:
    if channel.bindings:
        return {}
    return {
        role: Decision(Verdict.ALLOW, f"{channel.title}: subscribe = {role}")
        for role, needed in channel.subscribers.items()
        if not needed
    }


def _decide_publish(known: _Known, principal: Principal) -> Decision:
    if publishes_for_all(principal):
        answer = known.publish_for_all.get(principal.authrole)
        if answer is not None:
            return answer
    channel = known.channel
    refusal = channel.publish_refusal(principal, known.values)
    if refusal is not None:
        return _denied(channel, channel.publishers, principal.authrole, refusal, known.publish)
    role = principal.authrole
    own = "" if publishes_for_all(principal) else _own(known)
    return Decision(Verdict.ALLOW, f"{channel.title}: publish = {words({role: channel.publishers[role]})}{own}")


def _decide_subscribe(known: _Known, principal: Principal) -> Decision:
    channel, role = known.channel, principal.authrole
    refusal = channel.subscribe_refusal(principal, known.values)
    if refusal is not None:
        return _denied(channel, channel.subscribers, role, refusal, known.subscribe)
    granted = words({role: channel.subscribers[role]})
    return Decision(Verdict.ALLOW, f"{channel.title}: subscribe = {granted}{_own(known)}")


def _denied(channel: Channel, granted: Granted, role: str, refusal: str, answers: dict[str, Decision]) -> Decision:
    """The denial, kept among the answers where it is the same for every principal with this role."""
    decision = Decision(Verdict.DENY, f"{channel.title}: {refusal}")
    if role not in granted and len(answers) < _MOST_ROLES:
        answers[role] = decision
    return decision


def _own(known: _Known) -> str:
    """The values that were compared with the principal, in words."""
    bound = known.channel.bindings.items()
    own = [f"own {name} {known.values[name]}" for name, binding in bound if known.values[name] not in binding.but]
    return "".join(f", {one}" for one in own)
