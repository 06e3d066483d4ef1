"""The rules of a realm together, whatever they are: channels, permissions of roles, and the chain that asks them."""

from __future__ import annotations

import re
from unittest import mock

import attrs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.chain import Chain
from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.roles import Permission, RolePermissions
from orosync.authz.topics import TopicRules
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.testing import principal
from orosync.wamp import uris

PEOPLE = [
    principal("anna", user_id=7, organizations=frozenset({7}), roles=frozenset({"a", "R"})),
    principal("ben", user_id=8, organizations=frozenset({7, 8}), roles=frozenset({"b"})),
    principal("boss", user_id=7, authrole="backend", roles=frozenset({"R"})),
    principal("php", user_id=None, authrole="backend"),
    principal("guest", user_id=None, authmethod="anonymous"),
    principal("nobody", user_id=7, authrole="stranger"),
]
OWNERS = {"u": Owner.USER, "o": Owner.ORGANIZATION, "r": Owner.ROLE}
URIS = st.text("ab78./*", max_size=5)
VALUES = st.sampled_from(["7", "8", "a", "b", "*", "77"])
OFTEN = (Action.PUBLISH, Action.CALL)
MANY, FEW = settings.default.max_examples * 3, settings.default.max_examples // 2
UNHURRIED = list(HealthCheck)

ALWAYS = frozenset[str]()
granted = st.sampled_from(
    [
        {},
        {"user": ALWAYS},
        {"user": frozenset({"R"})},
        {"user": ALWAYS, "backend": ALWAYS},
        {"user": frozenset({"b"}), "backend": ALWAYS},
        {"backend": frozenset({"R"})},
    ]
)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    """A channel of two variables, one or none."""
    names = draw(st.sampled_from([(), ("u",), ("o",), ("r",), ("u", "x"), ("x", "r")]))
    literals = [draw(st.sampled_from([".a.", "/a", ".", "/b."])) for _ in range(len(names) + 1)]
    pattern = (
        draw(st.sampled_from(["a", "b", ""]))
        + literals[0]
        + "".join(f"{{{name}}}{behind}" for name, behind in zip(names, literals[1:], strict=True))
    )
    pattern = pattern.rstrip(draw(st.sampled_from(["./", "#"])))
    assume(pattern)
    wanted = {name: draw(st.sampled_from([r"[78]", r"\d+|\*", r"\d+|[ab]"])) for name in names}
    stars = draw(st.frozensets(st.just("*"), max_size=1))
    bound = {name: Binding(OWNERS[name], stars) for name in names if name in OWNERS}
    return Channel(pattern, wanted, bound, draw(granted), draw(granted), retained=draw(st.booleans()))


permissions = st.builds(
    Permission,
    st.sampled_from(["", "a", "b", "a.", ".b", "a.b", "a.b.", "a..", ".", "a.7", "b..a"]),
    st.sampled_from(Match),
    st.sampled_from([(), (Action.SUBSCRIBE,), (Action.PUBLISH, Action.CALL), tuple(Action)]).map(frozenset),
    st.frozensets(st.sampled_from(OFTEN)),
)


@attrs.frozen
class Rules:
    """Channels, and permissions by role; asked in the order of ``order`` ("topics", "roles")."""

    channels: list[Channel]
    permissions: dict[str, list[Permission]]
    order: tuple[str, ...]

    def authorizers(self, memo: int) -> list[IAuthorizer]:
        made = {"topics": TopicRules(self.channels, memo=memo), "roles": RolePermissions(self.permissions)}
        return [made[name] for name in self.order]

    def chain(self, memo: int = 2) -> Chain:
        return Chain(self.authorizers(memo), mock.Mock(), clock=Clock())

    def patterns(self) -> list[tuple[str, Match]]:
        """What the permissions match, and the beginnings of the channels."""
        written = [(one.uri, one.match) for lines in self.permissions.values() for one in lines]
        return written + [(re.split(r"\{|$", one.pattern)[0], Match.PREFIX) for one in self.channels]

    def topics(self, draw: st.DrawFn) -> list[str]:
        """URIs that the rules are about: a topic of each channel, one that each permission matches."""
        found = [re.sub(r"\{.\}", lambda _: draw(VALUES), one.pattern) for one in self.channels]
        return found + [filled(draw, uri, match) for uri, match in self.patterns()]


rule_sets = st.builds(
    Rules,
    st.lists(channels(), max_size=4, unique_by=lambda channel: channel.pattern),
    st.fixed_dictionaries({role: st.lists(permissions, max_size=5) for role in ("user", "backend")}),
    st.sampled_from([("topics", "roles"), ("roles", "topics"), ("topics",), ("roles",)]),
)


def filled(draw: st.DrawFn, pattern: str, match: Match) -> str:
    """A URI that the pattern matches."""
    if match is Match.WILDCARD:
        return ".".join(part or draw(VALUES) for part in pattern.split("."))
    return pattern + draw(URIS) if match is Match.PREFIX else pattern


def decide(asked: Chain, who: Principal, action: Action, uri: str, match: Match = Match.EXACT) -> Decision:
    decision = asked.decide(who, action, uri, match, {})
    assert isinstance(decision, Decision)
    return decision


def judged(declared: list[Channel], who: Principal, action: Action, uri: str) -> Verdict:
    """What the channel of a topic says by itself."""
    for channel in sorted(declared, key=lambda channel: not channel.template.fixed):
        values = channel.values(uri)
        if values is not None:
            judge = channel.subscribe_refusal if action is Action.SUBSCRIBE else channel.publish_refusal
            return Verdict.ALLOW if judge(who, values) is None else Verdict.DENY
    return Verdict.ABSTAIN


class PropertyTests(SynchronousTestCase):
    """Whatever the rules are."""

    @settings(max_examples=MANY, suppress_health_check=UNHURRIED)
    @given(rule_sets, st.sampled_from(PEOPLE[:4]), st.data())
    def test_no_pattern_reaches_beyond(self, rules: Rules, who: Principal, data: st.DataObject) -> None:
        """Whatever an allowed subscription or registration could receive, the same principal could have had by its
        exact name."""
        asked = rules.chain()
        drawn = data.draw(st.tuples(URIS, st.sampled_from(Match)))
        for pattern, match in [*rules.patterns(), drawn]:
            wanted = [pattern, pattern.rpartition(".")[0], f"{pattern}."][data.draw(st.integers(0, 2))]
            for action in (Action.SUBSCRIBE, Action.REGISTER):
                if decide(asked, who, action, wanted, match).verdict is not Verdict.ALLOW:
                    continue
                near = [uri for uri in rules.topics(data.draw) if uris.matches(wanted, match, uri)]
                for uri in [*near, filled(data.draw, wanted, match)]:
                    self.assertTrue(uris.matches(wanted, match, uri))
                    decision = decide(asked, who, action, uri)
                    self.assertIs(decision.verdict, Verdict.ALLOW, (action, wanted, match, uri, decision.rule))

    @settings(max_examples=FEW, suppress_health_check=UNHURRIED)
    @given(rule_sets, st.data())
    def test_no_decision_is_anothers(self, rules: Rules, data: st.DataObject) -> None:
        """Whoever asks, and whoever has asked before, the answer is the same as that of rules that remember nothing."""
        asked, kept = rules.chain(), TopicRules(rules.channels, memo=2)
        remembered = {(who.authid, action): asked.grants(who, action) for who in PEOPLE for action in OFTEN}
        topics = [*rules.topics(data.draw), data.draw(URIS)]
        for who in data.draw(st.permutations(PEOPLE)):
            for uri in data.draw(st.permutations(topics)):
                for action in Action:
                    expected = decide(rules.chain(), who, action, uri)
                    self.assertEqual(decide(asked, who, action, uri), expected, (who.authid, action, uri))
                    if action in OFTEN:
                        grants = remembered[who.authid, action]
                        self.assertEqual(grants.known.get(uri) or grants.decide(uri, {}), expected, (who.authid, uri))
                self.assertIs(kept.retained(uri), TopicRules(rules.channels).retained(uri))
                for action in (Action.SUBSCRIBE, Action.PUBLISH):
                    told = kept.authorize(who, action, uri, Match.EXACT, {}).verdict
                    self.assertIs(told, judged(rules.channels, who, action, uri), (who.authid, action, uri))
