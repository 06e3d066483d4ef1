"""Sessions that wait for an answer."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import ConnectionPolicy
from orosync.session.v2 import V2Session
from orosync.testing import MemoryLink, connection_facts
from orosync.wamp.codec import CODECS
from tests.session.fixture import RealmFixture


class Patient(V2Session):
    """Notes what it is told of failures."""

    def __init__(self) -> None:
        super().__init__(RealmFixture().context, connection_facts(), CODECS["wamp.2.json"], None, ConnectionPolicy())
        self._link = MemoryLink()
        self.got: list[Any] = []

    def _refused(self, failure: Failure) -> None:
        self.got.append(failure.type)


class WaitingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = Patient()

    def paused(self) -> bool:
        link = self.session._link
        assert isinstance(link, MemoryLink)
        return link.paused

    def test_answer_that_is_there(self) -> None:
        """It is used at once, and reading goes on."""
        self.session.wait(succeed(1), self.session.got.append)
        self.assertEqual((self.session.got, self.paused()), ([1], False))

    def test_later(self) -> None:
        """Nothing is read meanwhile, nor until what follows from the answer is there."""
        answer, more = Deferred[int](), Deferred[None]()
        self.session.wait(answer, lambda value: more)
        self.assertTrue(self.paused())
        answer.callback(1)
        self.assertTrue(self.paused())
        more.callback(None)
        self.assertFalse(self.paused())

    def test_failure(self) -> None:
        """Whatever fails, the answer or what is made of it, is told to the session, which reads on."""
        answer = Deferred[int]()
        self.session.wait(answer, lambda value: 1 // value)
        answer.callback(0)
        self.session.wait(Deferred[int](), self.session.got.append)
        self.assertEqual(self.session.got, [ZeroDivisionError])

    def test_over_meanwhile(self) -> None:
        """The answer to a session that has ended is not used."""
        answer = Deferred[int]()
        self.session.wait(answer, self.session.got.append)
        self.session._over = True
        answer.callback(1)
        self.assertEqual(self.session.got, [])
