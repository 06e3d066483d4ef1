"""What a remote authorizer may answer, and how long it is remembered."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.remote import DecisionCache, RemoteDecision, read_decision
from orosync.model import Decision, Verdict

YES = Decision(Verdict.ALLOW, "yes")


class RulingTests(SynchronousTestCase):
    def test_answers(self):
        """Booleans, and dicts with allow; the rest is no unless it is said."""
        for answer, read in [
            (True, RemoteDecision(True)),
            (False, RemoteDecision(False)),
            ({"allow": True}, RemoteDecision(True)),
            ({"allow": False, "disclose": True, "cache": True}, RemoteDecision(False, True, True)),
            ({"allow": True, "disclose": False, "cache": False, "validate": None}, RemoteDecision(True)),
            ({"allow": True, "validate": {"event": "acme.Event"}}, RemoteDecision(True)),
        ]:
            self.assertEqual(read_decision([answer], {}), read, answer)

    def test_nonsense(self):
        """Anything else, and nothing of it but types and keys is repeated."""
        secret = "hush"
        for args, kwargs in [
            ([], {}),
            ([True, True], {}),
            ([True], {"a": 1}),
            ([], {"allow": True}),
            ([None], {}),
            ([1], {}),
            ([0], {}),
            (["true"], {}),
            ([[True]], {}),
            ([{}], {}),
            ([{"allow": 1}], {}),
            ([{"allow": None}], {}),
            ([{"disclose": True}], {}),
            ([{"allow": True, "extra": secret}], {}),
            ([{"allow": True, "cache": secret}], {}),
            ([{"allow": True, "disclose": None}], {}),
            ([{"allow": True, "validate": secret}], {}),
            ([secret], {}),
            ([1.0], {}),
            ([b"\x01"], {}),
            ([{"allow": True, 7: 1}], {}),
        ]:
            error = self.assertRaises(ValueError, read_decision, args, kwargs)
            self.assertNotIn(secret, str(error))


class CacheTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.cache = DecisionCache(30.0, 2, self.clock)

    def test_age(self):
        """An answer is given again until it is too old, however often it is used meanwhile."""
        self.cache.put(b"a", YES, self.cache.epoch)
        self.clock.advance(29.9)
        self.assertIs(self.cache.get(b"a"), YES)
        self.clock.advance(0.1)
        self.assertIsNone(self.cache.get(b"a"))
        self.assertEqual(len(self.cache), 0)

    def test_size(self):
        """The one that was not used for longest goes."""
        for question in (b"a", b"b"):
            self.cache.put(question, YES, 0)
        self.cache.get(b"a")
        self.cache.put(b"c", YES, 0)
        self.assertEqual([self.cache.get(one) for one in (b"a", b"b", b"c")], [YES, None, YES])

    def test_purge(self):
        """Nothing is left, and what was asked before the purge is not remembered after it."""
        self.cache.put(b"a", YES, self.cache.epoch)
        epoch = self.cache.epoch
        self.cache.purge()
        self.assertIsNone(self.cache.get(b"a"))
        self.cache.put(b"a", YES, epoch)
        self.assertIsNone(self.cache.get(b"a"))
        self.cache.put(b"a", YES, self.cache.epoch)
        self.assertIs(self.cache.get(b"a"), YES)
