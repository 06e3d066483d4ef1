"""The contract of authenticators lets the good pass, and notices each way to break it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from orosync import testing
from orosync.contracts import AuthenticatorContract
from orosync.errors import Refused
from orosync.interfaces import Challenge, IAuthenticator

SECRET = "sesame"


@implementer(IAuthenticator)
class Doors:
    """An authenticator that keeps the contract but for what a test changes."""

    def __init__(self, **changes: Any) -> None:
        self.name = "doors"
        self.methods: Any = ("ticket",)
        self.handshake: Any = None
        self.refusal: Exception = Refused("wrong_word", "the word was another")
        self.extra: dict[str, Any] = {}
        self.any_method = False
        self.outcome: Any = None
        self.gullible = False
        for name, value in changes.items():
            setattr(self, name, value)

    def at_handshake(self, facts: Any) -> Deferred[Any]:
        return defer.succeed(self.handshake)

    def at_hello(self, facts: Any, hello: Any, method: str, session_id: int) -> Deferred[Any]:
        if method not in self.methods and not self.any_method:
            return defer.fail(self.refusal)
        return defer.succeed(self.outcome or Challenge(method, self.extra, self._answer))

    def _answer(self, signature: str, extra: Any) -> Deferred[Any]:
        return defer.succeed(testing.principal()) if self.gullible else defer.fail(self.refusal)


def suite(make: Callable[[], Any]) -> type[TestCase]:
    class Suite(AuthenticatorContract, TestCase):
        credentials = (SECRET,)

        def make_authenticator(self) -> Any:
            return make()

    return Suite


class Noticing(SynchronousTestCase):
    NAMES: ClassVar[list[str]] = sorted(name for name in vars(AuthenticatorContract) if name.startswith("test_"))

    def broken(self, **changes: Any) -> set[str]:
        """The tests of the suite that an authenticator with ``changes`` does not pass."""
        failed = set()
        for name in self.NAMES:
            result = TestResult()
            suite(lambda: Doors(**changes))(name).run(result)
            self.assertEqual(result.testsRun, 1, io.StringIO().getvalue())
            if not result.wasSuccessful():
                failed.add(name)
        return failed

    def test_good(self) -> None:
        """Who keeps it passes every test."""
        self.assertEqual(len(self.NAMES), 6)
        self.assertEqual(self.broken(), set())

    def test_each_breach(self) -> None:
        """Each breach fails the test that is about it."""
        table: list[tuple[dict[str, Any], str]] = [
            ({"name": ""}, "test_interface"),
            ({"methods": ["ticket"]}, "test_interface"),
            ({"methods": ("",)}, "test_interface"),
            ({"handshake": testing.principal()}, "test_nothing_presented"),
            ({"refusal": ValueError("not ours")}, "test_refusal"),
            ({"refusal": Refused("wrong_word", f"it is not {SECRET}")}, "test_refusal"),
            ({"refusal": Refused("Wrong word!", "the word was another")}, "test_refusal"),
            ({"refusal": Refused("wrong_word", "")}, "test_refusal"),
            ({"any_method": True}, "test_foreign_method"),
            ({"extra": {"set": {1}}}, "test_odd_hello"),
            ({"outcome": "welcome"}, "test_odd_hello"),
            ({"outcome": Challenge("other", {}, Doors()._answer)}, "test_odd_hello"),
            ({"gullible": True}, "test_odd_answer"),
        ]
        for changes, name in table:
            self.assertIn(name, self.broken(**changes), changes)

    def test_offered(self) -> None:
        """It stands where people look for it."""
        self.assertIs(testing.AuthenticatorContract, AuthenticatorContract)
