"""Topic rules: one topic, and patterns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.topics import TopicRules
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.testing import principal
from orosync.wamp import uris

USER = principal("joe", user_id=7)
BACKEND = principal("php", authrole="backend", user_id=None)
ROLE_USER, ROLE_BACKEND = frozenset({"user"}), frozenset({"backend"})


class TopicRulesTests(SynchronousTestCase):
    """TopicRules"""

    def setUp(self) -> None:
        self.rules = TopicRules(ORO_CHANNELS)

    def judge(self, topic: str, match: Match = Match.EXACT, action: Action = Action.SUBSCRIBE) -> Decision:
        return self.rules.authorize(USER, action, topic, match, {})

    def test_interface(self) -> None:
        """Topic rules can stand in a chain."""
        verifyObject(IAuthorizer, self.rules)

    def test_sentences(self) -> None:
        """Each answer says in words which rule decided, for the log and for ``orosync explain``."""
        secured = "[topics:oro] oro/email_event/{user_id}/{organization_id} (built in): "
        for topic, action, words in (
            ("oro/ping", Action.SUBSCRIBE, "[topics:oro] oro/ping (built in): subscribe = user"),
            ("oro/imap_sync_fail/*", Action.SUBSCRIBE,
             "[topics:oro] oro/imap_sync_fail/{user_id} (built in): subscribe = user"),
            ("oro/email_event/7/1", Action.SUBSCRIBE, secured + "subscribe = user, own user_id 7"),
            ("oro/email_event/8/1", Action.SUBSCRIBE, secured + "user_id 8 is another user than 7"),
            (
                "oro/ping",
                Action.PUBLISH,
                '[topics:oro] oro/ping (built in): the role "user" is not one of its publishers (backend)',
            ),
        ):  # fmt: skip
            decision = self.judge(topic, action=action)
            self.assertEqual((decision.rule, decision.declared), (words, True))

    def test_undeclared(self) -> None:
        """What no channel declares is left to others, and known to be undeclared, so that v1 clients are not told."""
        for topic in ("oro/nothing", "", "oro/ping/", "x" * 100_000, "oro/email_event/" + "1" * 300 + "/1"):
            for action in (Action.SUBSCRIBE, Action.PUBLISH):
                for _ in range(2):
                    decision = self.judge(topic, action=action)
                    self.assertEqual((decision.verdict, decision.declared), (Verdict.ABSTAIN, False), topic[:40])

    def test_calls(self) -> None:
        """Calls and registrations are not about topics, whatever their names are."""
        for action in (Action.CALL, Action.REGISTER):
            decision = self.judge("oro/ping", action=action)
            self.assertEqual((decision.verdict, decision.declared), (Verdict.ABSTAIN, False))

    def test_patterns(self) -> None:
        """A pattern that reaches any channel is denied; one that reaches none is left to others; one that matches
        itself alone is a topic like any other."""
        deny, unknown, allow = Verdict.DENY, Verdict.ABSTAIN, Verdict.ALLOW
        for pattern, match, expected in (
            ("oro/data/update", Match.PREFIX, deny),
            ("oro/", Match.PREFIX, deny),
            ("", Match.PREFIX, deny),
            ("oro/email_event/7/", Match.PREFIX, deny),
            ("oro/email_event/7/1", Match.PREFIX, deny),
            ("oro/data/update/", Match.PREFIX, unknown),
            ("com.shop.", Match.PREFIX, unknown),
            ("", Match.WILDCARD, deny),
            (".", Match.WILDCARD, unknown),
            ("com..sold", Match.WILDCARD, unknown),
            ("oro/data/update", Match.WILDCARD, allow),
            ("oro/email_event/7/1", Match.WILDCARD, allow),
            ("oro/email_event/8/1", Match.WILDCARD, deny),
            ("oro/nothing", Match.WILDCARD, unknown),
        ):
            decision = self.judge(pattern, match)
            self.assertIs(decision.verdict, expected, (pattern, match))
            self.assertIs(decision.declared, expected is not unknown)
        self.assertEqual(
            self.judge("oro/", Match.PREFIX).rule,
            "[topics:oro] oro/ping (built in): subscribe to its topics one by one, the prefix pattern matches more",
        )

    def test_first_channel_wins(self) -> None:
        """Of overlapping channels a topic without variables comes first, then the one that was declared first."""
        rules = TopicRules(
            [
                Channel("a/{x}", {"x": "[a-z]+"}, subscribers=frozenset({"one"})),
                Channel("a/{y}", {"y": "[a-z0-9]+"}, subscribers=frozenset({"two"})),
                Channel("a/b", subscribers=frozenset({"three"})),
            ]
        )
        for topic, role in (("a/b", "three"), ("a/c", "one"), ("a/c1", "two")):
            for asked in ("one", "two", "three"):
                decision = rules.authorize(principal(authrole=asked), Action.SUBSCRIBE, topic, Match.EXACT, {})
                self.assertIs(decision.verdict is Verdict.ALLOW, asked == role, (topic, asked))

    def test_declared_twice(self) -> None:
        """Two rules for one pattern would leave an administrator guessing; the second is refused by its place."""
        error = self.assertRaises(ValueError, TopicRules, [Channel("a", source="[topics:x]"), Channel("a", source="y")])
        self.assertEqual(str(error), "y a: already declared as [topics:x] a")

    def test_no_channels(self) -> None:
        """Rules without any channel leave everything to others."""
        decision = TopicRules([]).authorize(USER, Action.SUBSCRIBE, "oro/ping", Match.EXACT, {})
        self.assertIs(decision.verdict, Verdict.ABSTAIN)

    def test_bounded_memory(self) -> None:
        """Whatever clients ask for, only so many topics are remembered, and the answers stay the same."""
        rules = TopicRules(ORO_CHANNELS, memo=10)
        for number in range(1, 100):
            own = rules.authorize(USER, Action.SUBSCRIBE, f"oro/reminder_remind/{number}", Match.EXACT, {})
            self.assertIs(own.verdict, Verdict.ALLOW if number == 7 else Verdict.DENY)
            stranger = rules.authorize(USER, Action.SUBSCRIBE, f"stranger/{number}", Match.EXACT, {})
            self.assertIs(stranger.verdict, Verdict.ABSTAIN)
            self.assertLessEqual(len(rules._known), 10 + 5)
            self.assertLessEqual(len(rules._undeclared), 10)
        self.assertIs(rules.authorize(USER, Action.SUBSCRIBE, "oro/ping", Match.EXACT, {}).verdict, Verdict.ALLOW)

    def test_refusals_are_remembered_by_role(self) -> None:
        """A role that may not is refused by a remembered word, for a bounded number of roles; one that may in general
        is judged each time."""
        first = self.judge("oro/ping", action=Action.PUBLISH)
        self.assertIs(self.judge("oro/ping", action=Action.PUBLISH), first)
        for number in range(100):
            who = principal(authrole=f"role{number}")
            for action in (Action.PUBLISH, Action.SUBSCRIBE):
                decision = self.rules.authorize(who, action, "oro/ping", Match.EXACT, {})
                self.assertIn(f'the role "role{number}" is not one of its', decision.rule)
        known = self.rules._known["oro/ping"]
        self.assertLessEqual(max(len(known.publish), len(known.subscribe)), 64)
        self.assertIs(self.judge("oro/email_event/8/1").verdict, Verdict.DENY)
        self.assertIs(self.judge("oro/email_event/7/1").verdict, Verdict.ALLOW)

    def test_one_user_not_another(self) -> None:
        """A topic remembered from one user's question is judged anew for the next user."""
        for user_id, expected in ((7, Verdict.ALLOW), (8, Verdict.DENY), (7, Verdict.ALLOW)):
            decision = self.rules.authorize(
                principal(user_id=user_id), Action.SUBSCRIBE, "oro/email_event/7/1", Match.EXACT, {}
            )
            self.assertIs(decision.verdict, expected)

    def test_publishing_users(self) -> None:
        """A user may publish to a topic with the own id in it where the channel says so, a back end to all of them;
        the answer for one is never another's."""
        own = {"user_id": Binding(Owner.USER)}
        channel = Channel("acme/{user_id}", {"user_id": "[0-9]+"}, own, (), ["user", "backend"], "[topics:x]")
        rules = TopicRules([channel])
        anna, ben = principal("anna", user_id=7), principal("ben", user_id=8)
        stranger = principal("x", authrole="backend", authmethod="anonymous", user_id=None)
        for _ in range(2):
            for who, topic, words in (
                (BACKEND, "acme/7", "publish = backend"),
                (anna, "acme/7", "publish = user, own user_id 7"),
                (ben, "acme/7", "user_id 7 is another user than 8"),
                (BACKEND, "acme/8", "publish = backend"),
                (ben, "acme/8", "publish = user, own user_id 8"),
                (anna, "acme/8", "user_id 8 is another user than 7"),
                (stranger, "acme/8", "user_id 8 belongs to a user, and x is none"),
            ):
                decision = rules.authorize(who, Action.PUBLISH, topic, Match.EXACT, {})
                self.assertEqual(decision.rule, f"[topics:x] acme/{{user_id}}: {words}")
                self.assertIs(decision.verdict is Verdict.ALLOW, words.startswith("publish = "), words)

    def test_roles_in_oro(self) -> None:
        """Two users of one role, of whom one has the role of Oro that is needed, or that a topic names."""
        managers = {"user": frozenset({"ROLE_MANAGER"})}
        channels = [
            Channel("acme/board", subscribers=managers, publishers=managers),
            Channel("acme/{role}", {"role": "[A-Z_]+"}, {"role": Binding(Owner.ROLE)}, ROLE_USER, ROLE_USER),
        ]
        rules = TopicRules(channels)
        manager, clerk = principal(roles=frozenset({"ROLE_MANAGER"})), principal(roles=frozenset({"ROLE_CLERK"}))
        for _ in range(2):
            for topic in ("acme/board", "acme/ROLE_MANAGER"):
                for action in (Action.SUBSCRIBE, Action.PUBLISH):
                    for who, verdict in ((manager, Verdict.ALLOW), (clerk, Verdict.DENY)):
                        decision = rules.authorize(who, action, topic, Match.EXACT, {})
                        self.assertIs(decision.verdict, verdict, decision.rule)
        decision = rules.authorize(manager, Action.PUBLISH, "acme/board", Match.EXACT, {})
        self.assertEqual(decision.rule, "acme/board: publish = user with ROLE_MANAGER")

    def test_route(self) -> None:
        """The pattern that a topic is counted under is that of the channel that decides about it; nothing is
        remembered for it, however many topics there are."""
        rules = TopicRules(ORO_CHANNELS, memo=2)
        for topic, route in (
            ("oro/ping", "oro/ping"),
            ("oro/email_event/7/1", "oro/email_event/{user_id}/{organization_id}"),
            ("oro/email_event/7/1/", ""),
            ("oro/email_event/" + "1" * 300 + "/1", ""),
            ("nothing", ""),
        ):
            before = dict(rules._known), set(rules._undeclared)
            self.assertEqual(rules.route(topic), route)
            self.assertEqual((rules._known, rules._undeclared), before)
            self.assertEqual(rules.authorize(USER, Action.PUBLISH, topic, Match.EXACT, {}).declared, bool(route))

    def test_retained(self) -> None:
        """Topics of retained channels are told; where no channel is, that is known without looking at a topic."""
        self.assertFalse(self.rules.retains)
        rules = TopicRules(
            [Channel("a", retained=True), Channel("b"), Channel("c/{x}", {"x": "[a-z]+"}, retained=True)]
        )
        self.assertTrue(rules.retains)
        told = {topic: rules.retained(topic) for topic in ("a", "b", "c/x", "c/1", "d") for _ in range(2)}
        self.assertEqual(told, {"a": True, "b": False, "c/x": True, "c/1": False, "d": False})


CHANNELS = TopicRules(
    [
        Channel("a/b", subscribers=ROLE_USER | ROLE_BACKEND, publishers=ROLE_BACKEND),
        Channel("a.b", subscribers=ROLE_USER),
        Channel("a.c", subscribers=ROLE_BACKEND),
        Channel("a.{u}", {"u": r"\d+|\*"}, {"u": Binding(Owner.USER, but=frozenset("*"))}, ROLE_USER, ROLE_BACKEND),
        Channel("b.{v}.c", {"v": "[a-c7]+"}, {}, ROLE_USER, ROLE_USER),
        Channel("c{w}", {"w": "[.a-c]+"}, {}, ROLE_USER, ROLE_USER),
    ]
)
URIS = st.text(alphabet="abc7./*\u0667", max_size=7)


class PatternTests(SynchronousTestCase):
    """No pattern subscription gets round the rules."""

    @given(st.sampled_from([USER, BACKEND]), URIS, st.sampled_from(Match), URIS)
    def test_never_beyond(self, who: Principal, pattern: str, match: Match, topic: str) -> None:
        """Whatever an allowed subscription receives, its subscriber could have subscribed to by its exact name."""
        self.beyond(who, pattern, match, topic)

    @given(st.sampled_from([USER, BACKEND]), URIS, st.sampled_from(Match), st.data())
    def test_never_beyond_nearby(self, who: Principal, pattern: str, match: Match, data: st.DataObject) -> None:
        """The same for topics made from the pattern itself, which it always matches."""
        fill = st.text(alphabet="abc7/*", min_size=1, max_size=2)
        if match is Match.WILDCARD:
            topic = ".".join(part or data.draw(fill) for part in pattern.split("."))
        else:
            topic = pattern + (data.draw(URIS) if match is Match.PREFIX else "")
        self.assertTrue(uris.matches(pattern, match, topic))
        self.beyond(who, pattern, match, topic)

    def beyond(self, who: Principal, pattern: str, match: Match, topic: str) -> None:
        asked = CHANNELS.authorize(who, Action.SUBSCRIBE, pattern, match, {})
        if not uris.matches(pattern, match, topic):
            return
        exact = CHANNELS.authorize(who, Action.SUBSCRIBE, topic, Match.EXACT, {})
        if asked.verdict is Verdict.ALLOW:
            self.assertIs(exact.verdict, Verdict.ALLOW)
        # Left to others only where every topic of it would be.
        if asked.verdict is Verdict.ABSTAIN:
            self.assertIs(exact.verdict, Verdict.ABSTAIN)
