"""Sessions of the demonstration."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.data import DemoSessions


class Sessions(SynchronousTestCase):
    """Logging in and out by a click."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.sessions = DemoSessions(self.clock, most=3, lifetime=100)

    def test_in_and_out(self) -> None:
        """A token stands for whoever opened it, until it is closed; closing twice does no harm."""
        anna, ben = self.sessions.open("anna"), self.sessions.open("ben")
        self.assertEqual((self.sessions.who(anna), self.sessions.who(ben)), ("anna", "ben"))
        self.sessions.close(anna)
        self.sessions.close(anna)
        self.assertEqual((self.sessions.who(anna), self.sessions.who(ben)), (None, "ben"))

    def test_nobody(self) -> None:
        """What was never handed out stands for nobody, however odd."""
        self.sessions.open("anna")
        for token in ("", "anna", "\udcff", "x" * 10000):
            self.assertEqual(self.sessions.who(token), None)

    def test_random(self) -> None:
        """No two tokens are alike, each is long, and each can stand in a cookie as it is."""
        tokens = {self.sessions.open("anna") for _ in range(50)}
        self.assertEqual(len(tokens), 50)
        for token in tokens:
            self.assertRegex(token, r"\A[A-Za-z0-9_-]{43}\Z")

    def test_bounded(self) -> None:
        """However often somebody clicks, no more sessions are kept than allowed; the oldest goes first."""
        tokens = [self.sessions.open("anna") for _ in range(5)]
        self.assertEqual(len(self.sessions), 3)
        self.assertEqual([self.sessions.who(token) for token in tokens], [None, None, "anna", "anna", "anna"])

    def test_forgotten_in_time(self) -> None:
        """A session ends by itself."""
        token = self.sessions.open("anna")
        self.clock.advance(99)
        self.assertEqual(self.sessions.who(token), "anna")
        self.clock.advance(1)
        self.assertEqual(self.sessions.who(token), None)
        self.assertEqual(len(self.sessions), 0)

    def test_tokens_are_not_kept(self) -> None:
        """Whoever sees the store's memory finds no token to log in with."""
        token = self.sessions.open("anna")
        self.assertNotIn(token, repr(vars(self.sessions)))
