"""Who may touch the procedures that decide."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from orosync.authz.reserved import Reservation, ReservedProcedures
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Match, Verdict
from orosync.testing import AuthorizerContract, principal

DECIDES = Reservation("com.auth.decide", frozenset({"authorizer"}), frozenset(), "[authorizer:acl]")
FORGETS = Reservation("com.auth.purge", frozenset(), frozenset({"admin"}), "[authorizer:acl]")
EXACT, PREFIX, WILDCARD = Match.EXACT, Match.PREFIX, Match.WILDCARD


class ReservedTests(SynchronousTestCase):
    def setUp(self):
        self.reserved = ReservedProcedures([DECIDES, FORGETS])
        verifyObject(IAuthorizer, self.reserved)

    def judged(self, role, action, uri, match=EXACT):
        decision = self.reserved.authorize(principal(authrole=role), action, uri, match, {})
        if decision.verdict is Verdict.DENY:
            self.assertIn("[authorizer:acl]", decision.rule)
            self.assertTrue(decision.declared)
        return decision.verdict.value

    def test_deciding_procedure(self):
        """Nobody calls it; its own role registers it, before anybody else could be asked; nobody else does, in
        whatever form that would reach it."""
        for role, action, uri, match, verdict in [
            ("user", Action.CALL, "com.auth.decide", EXACT, "deny"),
            ("authorizer", Action.CALL, "com.auth.decide", EXACT, "deny"),
            ("trusted", Action.CALL, "com.auth.decide", EXACT, "deny"),
            ("authorizer", Action.REGISTER, "com.auth.decide", EXACT, "allow"),
            ("user", Action.REGISTER, "com.auth.decide", EXACT, "deny"),
            ("user", Action.REGISTER, "com.auth.", PREFIX, "deny"),
            ("user", Action.REGISTER, "com.auth.decide", PREFIX, "deny"),
            ("user", Action.REGISTER, "com.auth.dec", PREFIX, "deny"),
            ("user", Action.REGISTER, "", PREFIX, "deny"),
            ("user", Action.REGISTER, "com..decide", WILDCARD, "deny"),
            ("user", Action.REGISTER, "..", WILDCARD, "deny"),
            ("user", Action.REGISTER, "com.auth.decide", WILDCARD, "deny"),
            ("authorizer", Action.REGISTER, "com.auth.", PREFIX, "abstain"),
            ("user", Action.REGISTER, "com.auth.decide.more", PREFIX, "abstain"),
            ("user", Action.REGISTER, "com.other.", PREFIX, "abstain"),
            ("user", Action.REGISTER, ".auth", WILDCARD, "abstain"),
            ("user", Action.REGISTER, "com.auth.decides", EXACT, "abstain"),
            ("user", Action.CALL, "com.auth.decides", EXACT, "abstain"),
            ("user", Action.PUBLISH, "com.auth.decide", EXACT, "abstain"),
            ("user", Action.SUBSCRIBE, "", PREFIX, "abstain"),
        ]:
            self.assertEqual(self.judged(role, action, uri, match), verdict, (role, action, uri, match))

    def test_own_procedure(self):
        """A procedure of orosync itself is registered by no client, and called by its role only."""
        for role, action, match, verdict in [
            ("admin", Action.CALL, EXACT, "allow"),
            ("user", Action.CALL, EXACT, "deny"),
            ("admin", Action.REGISTER, EXACT, "deny"),
        ]:
            self.assertEqual(self.judged(role, action, "com.auth.purge", match), verdict, (role, action))

    def test_reserved_twice(self):
        """What two sections reserve is for those that both name."""
        other = Reservation("com.auth.decide", frozenset({"authorizer", "other"}), frozenset(), "[authenticator:acl2]")
        self.reserved = ReservedProcedures([DECIDES, other])
        self.assertEqual(self.judged("authorizer", Action.REGISTER, "com.auth.decide"), "allow")
        self.assertEqual(self.judged("other", Action.REGISTER, "com.auth.decide"), "deny")

    def test_constant(self):
        """Publishers' grants are remembered with it in front."""
        self.assertIs(self.reserved.constant, True)


class Contract(AuthorizerContract, TestCase):
    """What every authorizer keeps."""

    grants = (
        (principal("desk", authrole="authorizer"), Action.REGISTER, "com.auth.decide"),
        (principal("boss", authrole="admin"), Action.CALL, "com.auth.purge"),
    )
    refusals = (
        (principal("mallory"), Action.REGISTER, "com.auth.decide"),
        (principal("boss", authrole="admin"), Action.REGISTER, "com.auth.purge"),
        (principal("desk", authrole="authorizer"), Action.CALL, "com.auth.decide"),
    )

    def make_authorizer(self) -> IAuthorizer:
        return ReservedProcedures([DECIDES, FORGETS])
