"""The testaments of sessions (P11)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.router.testaments import MOST, MOST_BYTES, Scope, Testament, Testaments
from orosync.wamp import uris
from orosync.wamp.payload import Payload


def testament(topic: str, scope: Scope = Scope.DESTROYED, text: str = "") -> Testament:
    return Testament(topic, Payload.of([text]), {}, scope)


class Books(SynchronousTestCase):
    """Two sessions leave testaments."""

    def setUp(self) -> None:
        self.testaments = Testaments()
        for topic, scope in (("a", "destroyed"), ("b", "detached"), ("c", "destroyed"), ("d", "detached")):
            self.testaments.add(1, testament(topic, Scope(scope)))
        self.testaments.add(2, testament("e"))

    def topics(self, session: int) -> list[str]:
        return [one.topic for one in self.testaments.take(session)]

    def test_take(self) -> None:
        """Detached before destroyed, each in the order in which they were added, and only once."""
        self.assertEqual(self.topics(1), ["b", "d", "a", "c"])
        self.assertEqual((self.topics(1), self.topics(2), self.topics(3)), ([], ["e"], []))

    def test_flush(self) -> None:
        """One scope is forgotten, the other stays, and so does what others left."""
        self.testaments.flush(1, Scope.DETACHED)
        self.testaments.flush(3, Scope.DETACHED)
        self.assertEqual(self.topics(1), ["a", "c"])
        self.testaments.flush(2, Scope.DESTROYED)
        self.assertEqual(self.topics(2), [])

    def test_forget(self) -> None:
        """All of a session's are forgotten."""
        self.testaments.forget(1)
        self.testaments.forget(3)
        self.assertEqual((self.topics(1), self.topics(2)), ([], ["e"]))

    def test_withdraw(self) -> None:
        """One testament is taken back, once; another that looks the same stays."""
        mine = testament("e")
        self.testaments.add(2, mine)
        self.assertEqual([self.testaments.withdraw(2, mine), self.testaments.withdraw(2, mine)], [True, False])
        self.assertFalse(self.testaments.withdraw(9, mine))
        self.assertEqual(self.topics(2), ["e"])

    def test_bounded(self) -> None:
        """A session has so many testaments, and so many bytes of them; what is too much is refused, the rest stays."""
        for number in range(MOST):
            self.testaments.add(5, testament(f"t{number}"))
        error = self.assertRaises(RequestError, self.testaments.add, 5, testament("more"))
        self.assertEqual((error.uri, len(self.topics(5))), (uris.UNAVAILABLE, MOST))
        half = "x" * (MOST_BYTES // 2)
        self.testaments.add(6, testament("a", text=half))
        self.assertRaises(RequestError, self.testaments.add, 6, testament("b", text=half))
        greedy = Testament("b", Payload.of([]), {"exclude_authid": [half]}, Scope.DETACHED)
        self.assertRaises(RequestError, self.testaments.add, 6, greedy)
        self.testaments.add(6, testament("c"))
        self.assertEqual(self.topics(6), ["a", "c"])
