"""The contracts of authenticators and authorizers let the good pass, and notice each way to break them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from orosync import testing
from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.roles import Permission, RolePermissions
from orosync.authz.topics import TopicRules
from orosync.errors import Refused, Unavailable
from orosync.interfaces import AuthenticationStep, IAuthenticator, IAuthorizer
from orosync.model import Action, Decision, Match, Verdict
from orosync.testing.contracts import AuthenticatorContract, AuthorizerContract

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
        self.abstains = False
        self.decoy = False
        self.gullible = False
        for name, value in changes.items():
            setattr(self, name, value)

    def at_handshake(self, facts: Any) -> Deferred[Any]:
        return defer.succeed(self.handshake)

    def at_hello(self, facts: Any, hello: Any, method: str, session_id: int) -> Deferred[Any]:
        if method not in self.methods and not self.any_method:
            return defer.fail(self.refusal)
        if self.abstains:
            return defer.succeed(None)
        return defer.succeed(self.outcome or AuthenticationStep(method, self.extra, self._answer, self.decoy))

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

    def test_abstaining(self) -> None:
        """So does one that does not know the client: it abstains, with a decoy or without; it still refuses a method
        that it cannot do, and every answer to its decoy."""
        abstaining: dict[str, Any] = {"abstains": True}
        self.assertEqual(self.broken(**abstaining), set())
        self.assertEqual(self.broken(decoy=True), set())
        self.assertIn("test_foreign_method", self.broken(any_method=True, **abstaining))
        self.assertIn("test_odd_answer", self.broken(decoy=True, gullible=True))

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
            ({"outcome": AuthenticationStep("other", {}, Doors()._answer)}, "test_odd_hello"),
            ({"gullible": True}, "test_odd_answer"),
        ]
        for changes, name in table:
            self.assertIn(name, self.broken(**changes), changes)

    def test_offered(self) -> None:
        """It stands where people look for it."""
        self.assertIs(testing.AuthenticatorContract, AuthenticatorContract)
        self.assertIs(testing.AuthorizerContract, AuthorizerContract)


ANNA, BEN = testing.principal("anna", user_id=1), testing.principal("ben", user_id=2)
BACKEND = testing.principal("php", authrole="backend", user_id=None)


class TopicRulesContract(AuthorizerContract, TestCase):
    """The topics of Oro and one's own."""

    grants = (
        (ANNA, Action.SUBSCRIBE, "oro/ping"),
        (ANNA, Action.SUBSCRIBE, "oro/email_event/1/1"),
        (ANNA, Action.SUBSCRIBE, "acme.task.1.paint"),
        (BACKEND, Action.PUBLISH, "oro/ping"),
    )
    refusals = (
        (ANNA, Action.SUBSCRIBE, "oro/email_event/2/1"),
        (BEN, Action.SUBSCRIBE, "acme.task.1.paint"),
        (ANNA, Action.SUBSCRIBE, "acme.task.1.paint.more"),
        (ANNA, Action.PUBLISH, "oro/ping"),
        (BACKEND, Action.SUBSCRIBE, "acme.task.1.paint"),
        (ANNA, Action.CALL, "oro/ping"),
    )

    def make_authorizer(self) -> Any:
        own = Channel(
            "acme.task.{user_id}.{task}",
            {"user_id": "[0-9]+", "task": "[a-z]+"},
            {"user_id": Binding(Owner.USER)},
            {"user"},
            {"backend"},
        )
        return TopicRules([*ORO_CHANNELS, own])


class RolePermissionsContract(AuthorizerContract, TestCase):
    """Rules of every kind, one of which takes back what another gives."""

    grants = (
        (ANNA, Action.SUBSCRIBE, "shop.orders.new"),
        (ANNA, Action.CALL, "shop.orders.count"),
        (ANNA, Action.REGISTER, "desk.any.help"),
        (BACKEND, Action.PUBLISH, "shop.internal.prices"),
    )
    refusals = (
        (ANNA, Action.SUBSCRIBE, "shop.internal.prices"),
        (ANNA, Action.SUBSCRIBE, "shop.orders.secret"),
        (ANNA, Action.REGISTER, "desk.any.secret"),
        (BACKEND, Action.SUBSCRIBE, "shop.orders.new"),
    )

    def make_authorizer(self) -> Any:
        every = frozenset(Action)
        user = [
            Permission("shop.", Match.PREFIX, every),
            Permission("shop.internal.", Match.PREFIX),
            Permission("shop.orders.secret", Match.EXACT),
            Permission("desk..help", Match.WILDCARD, every),
        ]
        return RolePermissions(
            {"user": user, "backend": [Permission("shop.", Match.PREFIX, frozenset({Action.PUBLISH}))]}
        )


@implementer(IAuthorizer)
class Wardens:
    """Grants anna "own.anna.", by whatever pattern; keeps the contract but for what a test changes."""

    def __init__(self, **changes: Any) -> None:
        self.answer: Any = None
        self.touch = self.forgets_match = self.once = False
        self.odd: Any = None
        for name, value in changes.items():
            setattr(self, name, value)

    def authorize(self, principal: Any, action: Any, uri: str, match: Any, options: Any) -> Any:
        if self.touch and options:
            options["seen"] = True
        if self.odd is not None and uri == "..":
            return self.odd if not isinstance(self.odd, Exception) else defer.fail(self.odd)
        if self.answer is not None:
            return self.answer
        mine = f"own.{principal.authid}."
        if match is Match.WILDCARD and not self.forgets_match:
            return Decision(Verdict.DENY)
        fits = uri[: len(mine)] == mine if not self.forgets_match else mine.startswith(uri) or uri.startswith(mine)
        if self.once and fits:
            self.answer = Decision(Verdict.DENY)
        return defer.succeed(Decision(Verdict.ALLOW if fits else Verdict.DENY))


def at_once(principal: Any, action: Any, uri: str, match: Any, options: Any) -> Decision:
    """``Wardens.authorize`` of one whose answer comes at once and depends on the name."""
    mine = uri.startswith(f"own.{principal.authid}.") and match is not Match.WILDCARD
    return Decision(Verdict.ALLOW if mine else Verdict.DENY)


class NoticingAuthorizers(SynchronousTestCase):
    NAMES: ClassVar[list[str]] = sorted(name for name in vars(AuthorizerContract) if name.startswith("test_"))

    def broken(self, make: Callable[[], Any]) -> set[str]:
        class Suite(AuthorizerContract, TestCase):
            grants = ((ANNA, Action.SUBSCRIBE, "own.anna.mail"), (BEN, Action.CALL, "own.ben.count"))
            refusals = ((ANNA, Action.SUBSCRIBE, "own.ben.mail"), (BEN, Action.CALL, "own.anna.mail"))

            def make_authorizer(self) -> Any:
                return make()

        failed = set()
        for name in self.NAMES:
            result = TestResult()
            Suite(name).run(result)
            if not result.wasSuccessful():
                failed.add(name)
        return failed

    def test_good(self) -> None:
        """Who keeps it passes every test, be it now or later, and may be unable to tell."""
        self.assertEqual(len(self.NAMES), 5)
        self.assertEqual(self.broken(Wardens), set())
        self.assertEqual(self.broken(lambda: Wardens(odd=Unavailable("down", "the database is down"))), set())

    def test_each_breach(self) -> None:
        """Each breach fails the test that is about it."""
        allowed = Decision(Verdict.ALLOW)
        constant = {"constant": True}
        table: list[tuple[dict[str, Any], str]] = [
            ({"authorize": lambda: None}, "test_interface"),
            ({"answer": allowed}, "test_samples"),
            ({"answer": Decision(Verdict.ABSTAIN)}, "test_samples"),
            ({"once": True}, "test_samples"),
            ({"odd": "yes"}, "test_odd_requests"),
            ({"odd": True}, "test_odd_requests"),
            ({"odd": Decision("allow")}, "test_odd_requests"),
            ({"odd": ValueError("what is that?")}, "test_odd_requests"),
            ({"touch": True}, "test_odd_requests"),
            ({"forgets_match": True}, "test_patterns"),
            (constant, "test_constant"),
            ({**constant, "authorize": at_once, "depends_on": ("authrole",)}, "test_constant"),
        ]
        for changes, name in table:
            self.assertIn(name, self.broken(lambda changes=changes: Wardens(**changes)), changes)
        self.assertEqual(self.broken(lambda: Wardens(constant=True, authorize=at_once, depends_on=("authid",))), set())

    def test_samples_are_wanted(self) -> None:
        """A suite without samples proves nothing, and says so."""

        class Suite(AuthorizerContract, TestCase):
            def make_authorizer(self) -> Any:
                return Wardens()

        result = TestResult()
        Suite("test_interface").run(result)
        self.assertFalse(result.wasSuccessful())

    def test_demand(self) -> None:
        """What fails says what the contract demands; a test of the plugin's own does not."""

        class Suite(AuthorizerContract, TestCase):
            grants = ((testing.principal("anna"), Action.CALL, "com.example.a"),)
            refusals = ((testing.principal("ben"), Action.CALL, "com.example.a"),)

            def make_authorizer(self) -> Any:
                return Wardens(answer=Decision(Verdict.ALLOW))

            def test_own(self) -> None:
                """Of the plugin."""
                self.fail("own words")

        said = {}
        for name in ("test_samples", "test_own"):
            result = TestResult()
            Suite(name).run(result)
            ((_, failure),) = result.failures
            said[name] = failure.getErrorMessage()
        self.assertIn("the contract demands: It allows what it grants and nothing else, in any", said["test_samples"])
        self.assertIn("own words", said["test_own"])
        self.assertNotIn("demands", said["test_own"])

    def test_page(self) -> None:
        """docs/plugins.md has the demand of every test of every contract."""
        page = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text()
        for contract in (one for name, one in vars(testing).items() if name.endswith("Contract")):
            for name in (name for name in dir(contract) if name.startswith("test_")):
                demand = " ".join((getattr(contract, name).__doc__ or "").split()).replace("|", "\\|")
                self.assertTrue(demand, name)
                self.assertIn(f"| `{contract.__name__}` | `{name}` | {demand} |", page)
