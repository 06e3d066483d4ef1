"""The nouns that rooms share: that they keep secrets, stay as they are, and start from careful defaults."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action, AdminSession, ConnectionPolicy, Decision, Match, Principal, User, Verdict
from orosync.testing import connection_facts, principal

VALUES = (
    User(1, "anna", "hash"),
    AdminSession("anna"),
    Decision(Verdict.DENY),
    ConnectionPolicy(),
    principal(),
    connection_facts(),
)


class ModelTests(SynchronousTestCase):
    def test_secrets_are_not_shown(self):
        """A log line or traceback that shows a value shows no password hash, ticket or cookie."""
        facts = connection_facts(query="ticket=SECRET", cookies={"BAPID": "SECRET"}, headers={"cookie": "SECRET"})
        for value in (User(1, "anna", "SECRET"), AdminSession("anna", password_hash="SECRET"), facts):
            self.assertNotIn("SECRET", repr(value))
            self.assertNotIn("SECRET", str(value))
            self.assertIn(type(value).__name__, repr(value))

    def test_authextra(self):
        """What Oro knows of its user has precedence over what else is told; there is none of it for others."""
        user = principal(organizations=frozenset({2, 1}), roles=frozenset({"B", "A"}), extra={"user_id": 9, "x": 1})
        rights = {"user_id": 1, "organizations": [1, 2], "roles": ["A", "B"]}
        self.assertEqual((user.oro_rights, user.authextra), (rights, {"x": 1, **rights}))
        other = principal(user_id=None, extra={"x": 1})
        self.assertEqual(other.authextra, {"x": 1})
        self.assertEqual(other.oro_rights, {"user_id": None, "organizations": [], "roles": []})

    def test_nothing_changes(self):
        """No room can change what another one holds: a change is a new value."""
        for value in VALUES:
            field = attrs.fields(type(value))[0].name
            with self.assertRaises(attrs.exceptions.FrozenInstanceError):
                setattr(value, field, None)
        self.assertEqual(attrs.evolve(principal(), authid="ben").authid, "ben")
        self.assertEqual(principal().authid, "anna")

    def test_refusals(self):
        """The log tells an authorizer that broke from one that said no, and that from nobody having an opinion."""
        refusals = {
            (failed, declared): Decision(Verdict.DENY, failed=failed, declared=declared).refusal
            for failed in (True, False)
            for declared in (True, False)
        }
        self.assertEqual(list(refusals.values()), ["failed", "failed", "denied", "undeclared"])

    def test_extra_cannot_be_written(self):
        """A principal's extra facts are shared by default, and therefore nobody can put anything in."""
        with self.assertRaises(TypeError):
            principal().extra["role"] = "admin"  # type: ignore[index]

    def test_careful_defaults(self):
        """Whoever forgets a field gets the lesser right: no user, no special treatment, a small message, pings."""
        who = Principal("x", "guest", "anonymous", "guests")
        self.assertEqual(
            (who.user_id, who.is_backend, who.organizations, who.roles), (None, False, frozenset(), frozenset())
        )
        self.assertEqual(
            (ConnectionPolicy().message_limit, ConnectionPolicy().skip_oversized, ConnectionPolicy().pinged),
            (65536, False, True),
        )
        self.assertEqual((Decision(Verdict.DENY).disclose, Decision(Verdict.DENY).failed), (False, False))

    def test_words(self):
        """The words of WAMP are spelt as WAMP spells them, since options and configurations are compared with them."""
        self.assertEqual([one.value for one in Match], ["exact", "prefix", "wildcard"])
        self.assertEqual([one.value for one in Action], ["subscribe", "publish", "call", "register"])

    def test_members_as_keys(self):
        """Enumeration members find themselves in dictionaries, also after a look-up by their word."""
        for kind in (Match, Action, Verdict):
            table = {one: one.value for one in kind}
            self.assertEqual([table[kind(one.value)] for one in kind], [one.value for one in kind])
