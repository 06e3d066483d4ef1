"""The contract suites of authenticators and authorizers."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.testing.doubles import connection_facts
from orosync.wamp import uris

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object  # a contract is a mixin for a test case, and none itself

_ODD: tuple[Any, ...] = ("", "\x00", "\u00e4", "\ud800", "x" * 5000, "=", "{}", "admin' --", "0" * 64, "f" * 192)
"""Values that a client may send instead of what is expected."""

_NO_TEXT: tuple[Any, ...] = (None, 0, -1, 1.5, True, [], {}, [{}], b"\xff" * 32)

_ODD_EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"nonce": "AAAA"},
    {"nonce": None, "channel_binding": 7, "cbind_data": []},
)


class Contract(_Case):
    """A contract suite: a failure of one of its tests says in words what the contract demands."""

    @property
    def failureException(self) -> type[BaseException]:  # type: ignore[override]
        """The test case's own, which ``str`` begins with the demand. Tests that are not the contract's keep theirs."""
        base: type[BaseException] = super().failureException
        test = getattr(type(self), self._testMethodName, None)
        demand = " ".join((getattr(test, "__doc__", None) or "").split())
        if not demand or not getattr(test, "__module__", "").startswith("orosync.testing."):
            return base

        class ContractBroken(base):  # type: ignore[valid-type, misc]
            def __str__(self) -> str:
                return f"the contract demands: {demand}\n{super().__str__()}"

        return ContractBroken


class AuthenticatorContract(Contract):
    """What every IAuthenticator must do; a mixin for a twisted.trial TestCase that makes one."""

    credentials: tuple[str, ...] = ()
    """Secrets, tickets, keys: everything that must never be repeated."""

    def make_authenticator(self) -> IAuthenticator:
        """One that knows a user."""
        raise NotImplementedError

    def wrong_attempt(self, authenticator: IAuthenticator) -> Awaitable[Any]:
        """The outcome of a complete attempt with a wrong credential of its kind. Where none can be wrong: of a method
        that it cannot do."""
        return authenticator.at_hello(connection_facts(), HelloDetails("realm", "anna", ("quantum",), {}), "quantum", 1)

    def test_interface(self) -> None:
        """It implements the interface, has a name, and lists the methods that it can do."""
        authenticator = self.make_authenticator()
        verifyObject(IAuthenticator, authenticator)
        self.assertTrue(authenticator.name)
        self.assertIsInstance(authenticator.methods, tuple)
        self.assertTrue(all(isinstance(method, str) and method for method in authenticator.methods))

    async def test_nothing_presented(self) -> None:
        """A handshake without a credential is ignored, not refused."""
        self.assertIsNone(await self.make_authenticator().at_handshake(connection_facts()))

    async def test_refusal(self) -> None:
        """A wrong credential is Refused, with a reason code and a line for the log, neither of which holds a secret."""
        with self.assertRaises(Refused) as caught:
            await self.wrong_attempt(self.make_authenticator())
        self._harmless(caught.exception)

    async def test_foreign_method(self) -> None:
        """A method that it cannot do is Refused."""
        authenticator = self.make_authenticator()
        with self.assertRaises(Refused) as caught:
            await authenticator.at_hello(
                connection_facts(), HelloDetails("realm", None, ("quantum",), {}), "quantum", 1
            )
        self._harmless(caught.exception)

    async def test_odd_hello(self) -> None:
        """Whatever HELLO holds, the outcome is a principal, a challenge that every serializer can carry, None (it does
        not know the client and abstains), or Refused."""
        keys = ("nonce", "pubkey", "challenge", "channel_binding", "ticket")
        extras: list[dict[str, Any]] = [{}, *({key: value} for key in keys for value in (*_ODD, *_NO_TEXT))]
        extras.append({"pubkey": "0" * 64, "nonce": "AAAA"})
        for method in self.make_authenticator().methods:
            for authid in (None, *_ODD):
                await self._hello_outcome(method, authid, {"pubkey": "0" * 64, "nonce": "AAAA"})
            for extra in extras:
                await self._hello_outcome(method, "anna", extra)

    async def test_odd_answer(self) -> None:
        """Whatever AUTHENTICATE holds, it is Refused unless it is the right answer; so is every answer to a decoy."""
        authenticator = self.make_authenticator()
        for method in authenticator.methods:
            for signature in _ODD:
                for extra in _ODD_EXTRAS:
                    challenge = await self._hello_outcome(method, "anna", {"pubkey": "0" * 64, "nonce": "AAAA"})
                    if isinstance(challenge, AuthenticationStep):
                        with self.assertRaises(Refused) as caught:
                            await challenge.answer(signature, extra)
                        self._harmless(caught.exception)

    async def _hello_outcome(
        self, method: str, authid: str | None, extra: dict[str, Any]
    ) -> Principal | AuthenticationStep | None:
        """The outcome of one HELLO, for an authenticator without earlier failures; None if it was refused or the
        authenticator abstained."""
        hello = HelloDetails("realm", authid, (method,), extra)
        try:
            outcome = await self.make_authenticator().at_hello(connection_facts(), hello, method, 1)
        except Refused as refusal:
            self._harmless(refusal)
            return None
        if isinstance(outcome, AuthenticationStep):
            self.assertEqual(outcome.method, method)
            self.assertTrue(json.dumps(dict(outcome.extra)))
        else:
            self.assertIsInstance(outcome, Principal | None, "at_hello fires with a Principal, a question or None")
        return outcome

    def _harmless(self, refusal: Refused) -> None:
        self.assertRegex(refusal.code, r"\A[a-z_]+\Z")
        self.assertTrue(refusal.reason)
        for credential in self.credentials:
            self.assertNotIn(credential, f"{refusal!r} {refusal} {refusal.reason}")


_ODD_URIS = (
    "", ".", "..", "*", "a b", "\x00", "\n", "\ud800", "\u0131", "{user_id}", "%", "a/../b", "x" * 5000, "x." * 2000,
)  # fmt: skip

_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"acknowledge": True, "exclude_me": False, "eligible": [1, 2], "match": "prefix"},
    {"match": 7, "disclose_me": "yes", "": None, "x_own": {"nested": [{"list": []}]}},
)

_Request = tuple[Principal, Action, str]

_STRANGER = Principal("stranger", "nobody", "strange", "strangers", 99, frozenset({98}), frozenset({"ROLE_STRANGE"}))
"""A principal that has nothing in common with any other."""


class AuthorizerContract(Contract):
    """What every IAuthorizer must do; a mixin for a twisted.trial TestCase that makes one and says what it grants.

    Only the samples are tested: name some of every kind that it distinguishes.
    """

    grants: tuple[_Request, ...] = ()
    """Requests that it allows: (principal, action, exact URI)."""

    refusals: tuple[_Request, ...] = ()
    """Requests that it does not allow, similar to those that it does."""

    def make_authorizer(self) -> IAuthorizer:
        """One for which the samples are true, and stay true."""
        raise NotImplementedError

    def test_interface(self) -> None:
        """It implements the interface."""
        verifyObject(IAuthorizer, self.make_authorizer())
        self.assertTrue(self.grants and self.refusals, "name samples of what it grants and of what it does not")

    async def test_samples(self) -> None:
        """It allows what it grants and nothing else, in any order and repeatedly."""
        authorizer = self.make_authorizer()
        for _ in range(2):
            for request in self.grants:
                self.assertTrue(await self._allows(authorizer, *request), request)
            for request in self.refusals:
                self.assertFalse(await self._allows(authorizer, *request), request)

    async def test_odd_requests(self) -> None:
        """Every request gets an answer, and none of them changes the later answers."""
        authorizer = self.make_authorizer()
        for principal, uri in self._principals_and_uris():
            for action in Action:
                for match in Match:
                    for odd in (*_ODD_URIS, f"{uri}\n", f" {uri}", f"{uri}.", uri.upper()):
                        await self._allows(authorizer, principal, action, odd, match)
                    for options in _OPTIONS:
                        await self._allows(authorizer, principal, action, uri, match, options)
        for request in self.grants:
            self.assertTrue(await self._allows(authorizer, *request), request)

    async def test_patterns(self) -> None:
        """A pattern is allowed only where every URI that it matches is: the samples, and invented ones."""
        authorizer = self.make_authorizer()
        known = {uri for _, _, uri in (*self.grants, *self.refusals)}
        for principal, uri in self._principals_and_uris():
            for pattern, match in _patterns(uri):
                for action in (Action.SUBSCRIBE, Action.REGISTER):
                    if not await self._allows(authorizer, principal, action, pattern, match):
                        continue
                    for other in (*known, *_invented(pattern, match)):
                        if uris.matches(pattern, match, other):
                            self.assertTrue(
                                await self._allows(authorizer, principal, action, other),
                                f"{principal.authid} may {action.value} {pattern!r} ({match.value}), but not {other!r}",
                            )

    async def test_constant(self) -> None:
        """If it declares itself constant, its answers come at once and do not depend on options; what it allows depends
        on nothing of a principal but the attributes that it names, if it does (``depends_on``)."""
        authorizer = self.make_authorizer()
        if getattr(authorizer, "constant", False):
            if (depends_on := getattr(authorizer, "depends_on", None)) is not None:
                for principal, action, uri in (*self.grants, *self.refusals):
                    other = attrs.evolve(_STRANGER, **{name: getattr(principal, name) for name in depends_on})
                    said: list[Any] = [
                        authorizer.authorize(who, action, uri, Match.EXACT, {}) for who in (principal, other)
                    ]
                    if any(answer.verdict is Verdict.ALLOW for answer in said):
                        self.assertEqual(said[0], said[1], (principal.authid, action, uri))
            for principal, action, uri in (*self.grants, *self.refusals):
                answers = [authorizer.authorize(principal, action, uri, Match.EXACT, options) for options in _OPTIONS]
                self.assertIsInstance(answers[0], Decision)
                self.assertEqual(answers, answers[:1] * len(answers), (principal.authid, action, uri))

    async def _allows(
        self,
        authorizer: IAuthorizer,
        principal: Principal,
        action: Action,
        uri: str,
        match: Match = Match.EXACT,
        options: dict[str, Any] | None = None,
    ) -> bool:
        """Whether a request is allowed; the answer has to be a decision, or Unavailable."""
        given = {} if options is None else copy.deepcopy(options)
        before = copy.deepcopy(given)
        try:
            answer = authorizer.authorize(principal, action, uri, match, given)
            if not isinstance(answer, Decision):
                answer = await answer
        except Unavailable:
            return False
        self.assertIsInstance(answer, Decision, f"the answer to {action.value} {uri!r}")
        self.assertIsInstance(answer.verdict, Verdict)
        self.assertIsInstance(answer.rule, str)
        self.assertEqual(given, before, "the options are the client's and must not be changed")
        return answer.verdict is Verdict.ALLOW

    def _principals_and_uris(self) -> Iterator[tuple[Principal, str]]:
        samples = (*self.grants, *self.refusals)
        principals = {principal.authid: principal for principal, _, _ in samples}
        for principal in principals.values():
            for uri in dict.fromkeys(uri for _, _, uri in samples):
                yield principal, uri


def _patterns(uri: str) -> Iterator[tuple[str, Match]]:
    """Patterns that match ``uri``: all its prefixes, and wildcards with each and with all of its components empty."""
    for length in range(len(uri) + 1):
        yield uri[:length], Match.PREFIX
    components = uri.split(".")
    for index in range(len(components)):
        yield ".".join([*components[:index], "", *components[index + 1 :]]), Match.WILDCARD
    yield "." * (len(components) - 1), Match.WILDCARD


def _invented(pattern: str, match: Match) -> Iterator[str]:
    """Invented URIs that ``pattern`` matches."""
    for word in ("zzz", "0", "\u00e4"):
        if match is Match.PREFIX:
            yield from (f"{pattern}{word}", f"{pattern}.{word}", f"{pattern}{word}.{word}/{word}")
        else:
            yield ".".join(component or word for component in pattern.split("."))
