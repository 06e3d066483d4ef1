"""The contract suites of authenticators and authorizers.

It must not know any authenticator or authorizer.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Any

from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.testing.doubles import connection_facts
from orosync.wamp import uris

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object  # a contract is mixed into a test case, and is none itself

_ODD: tuple[Any, ...] = ("", "\x00", "\u00e4", "\ud800", "x" * 5000, "=", "{}", "admin' --", "0" * 64, "f" * 192)
"""What a client may write where something else is expected."""

_NO_TEXT: tuple[Any, ...] = (None, 0, -1, 1.5, True, [], {}, [{}], b"\xff" * 32)

_ODD_EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"nonce": "AAAA"},
    {"nonce": None, "channel_binding": 7, "cbind_data": []},
)


class AuthenticatorContract(_Case):
    """What every IAuthenticator keeps; mixed into a twisted.trial TestCase that says how one is made."""

    credentials: tuple[str, ...] = ()
    """Secrets, tickets, keys: all that must never be repeated to anybody."""

    def make_authenticator(self) -> IAuthenticator:
        """One that knows somebody."""
        raise NotImplementedError

    def wrong_attempt(self, authenticator: IAuthenticator) -> Awaitable[Any]:
        """Present a credential of its kind that is wrong, to the end; what comes of it. Where nothing can be wrong, a
        method that it cannot do."""
        return authenticator.at_hello(connection_facts(), HelloDetails("realm", "anna", ("quantum",), {}), "quantum", 1)

    def test_interface(self) -> None:
        """It keeps the interface, has a name, and says which methods it can do."""
        authenticator = self.make_authenticator()
        verifyObject(IAuthenticator, authenticator)
        self.assertTrue(authenticator.name)
        self.assertIsInstance(authenticator.methods, tuple)
        self.assertTrue(all(isinstance(method, str) and method for method in authenticator.methods))

    async def test_nothing_presented(self) -> None:
        """A bare handshake is none of its business: it says so, and refuses nobody."""
        self.assertIsNone(await self.make_authenticator().at_handshake(connection_facts()))

    async def test_refusal(self) -> None:
        """What is wrong is Refused, with a word to count by and a line for the log, neither of which holds a secret."""
        with self.assertRaises(Refused) as caught:
            await self.wrong_attempt(self.make_authenticator())
        self._harmless(caught.exception)

    async def test_foreign_method(self) -> None:
        """A method that it does not do is Refused, even if somebody asks."""
        authenticator = self.make_authenticator()
        with self.assertRaises(Refused) as caught:
            await authenticator.at_hello(
                connection_facts(), HelloDetails("realm", None, ("quantum",), {}), "quantum", 1
            )
        self._harmless(caught.exception)

    async def test_odd_hello(self) -> None:
        """Whatever HELLO holds, the outcome is a principal, a challenge that any serializer carries, or Refused."""
        keys = ("nonce", "pubkey", "challenge", "channel_binding", "ticket")
        extras: list[dict[str, Any]] = [{}, *({key: value} for key in keys for value in (*_ODD, *_NO_TEXT))]
        extras.append({"pubkey": "0" * 64, "nonce": "AAAA"})
        for method in self.make_authenticator().methods:
            for authid in (None, *_ODD):
                await self._met(method, authid, {"pubkey": "0" * 64, "nonce": "AAAA"})
            for extra in extras:
                await self._met(method, "anna", extra)

    async def test_odd_answer(self) -> None:
        """Whatever AUTHENTICATE holds, it is Refused if it is not the answer."""
        authenticator = self.make_authenticator()
        for method in authenticator.methods:
            for signature in _ODD:
                for extra in _ODD_EXTRAS:
                    challenge = await self._met(method, "anna", {"pubkey": "0" * 64, "nonce": "AAAA"})
                    if isinstance(challenge, AuthenticationStep):
                        with self.assertRaises(Refused) as caught:
                            await challenge.answer(signature, extra)
                        self._harmless(caught.exception)

    async def _met(
        self, method: str, authid: str | None, extra: dict[str, Any]
    ) -> Principal | AuthenticationStep | None:
        """One HELLO, to an authenticator that has seen no failure before; None if it was refused."""
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
            self.assertIsInstance(outcome, Principal)
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


class AuthorizerContract(_Case):
    """What every IAuthorizer keeps; mixed into a twisted.trial TestCase that says how one is made and what it grants.

    Samples decide how much is seen: name some of everything that it tells apart.
    """

    grants: tuple[_Request, ...] = ()
    """Requests that it allows: (principal, action, exact URI)."""

    refusals: tuple[_Request, ...] = ()
    """Requests that it does not allow, near those that it does."""

    def make_authorizer(self) -> IAuthorizer:
        """One of which the samples are true, and stay true."""
        raise NotImplementedError

    def test_interface(self) -> None:
        """It keeps the interface."""
        verifyObject(IAuthorizer, self.make_authorizer())
        self.assertTrue(self.grants and self.refusals, "name samples of what it grants and of what it does not")

    async def test_samples(self) -> None:
        """It allows what it grants and nothing else, in whatever order it is asked, and again."""
        authorizer = self.make_authorizer()
        for _ in range(2):
            for request in self.grants:
                self.assertTrue(await self._allows(authorizer, *request), request)
            for request in self.refusals:
                self.assertFalse(await self._allows(authorizer, *request), request)

    async def test_odd_requests(self) -> None:
        """Whatever a client asks for, there is an answer, and afterwards everything is as it was."""
        authorizer = self.make_authorizer()
        for principal, uri in self._everybody_and_everything():
            for action in Action:
                for match in Match:
                    for odd in (*_ODD_URIS, f"{uri}\n", f" {uri}", f"{uri}.", uri.upper()):
                        await self._allows(authorizer, principal, action, odd, match)
                    for options in _OPTIONS:
                        await self._allows(authorizer, principal, action, uri, match, options)
        for request in self.grants:
            self.assertTrue(await self._allows(authorizer, *request), request)

    async def test_patterns(self) -> None:
        """A pattern is allowed only where every URI that it could match is: the samples, and others made up."""
        authorizer = self.make_authorizer()
        known = {uri for _, _, uri in (*self.grants, *self.refusals)}
        for principal, uri in self._everybody_and_everything():
            for pattern, match in _patterns(uri):
                for action in (Action.SUBSCRIBE, Action.REGISTER):
                    if not await self._allows(authorizer, principal, action, pattern, match):
                        continue
                    for other in (*known, *_made_up(pattern, match)):
                        if uris.matches(pattern, match, other):
                            self.assertTrue(
                                await self._allows(authorizer, principal, action, other),
                                f"{principal.authid} may {action.value} {pattern!r} ({match.value}), but not {other!r}",
                            )

    async def test_constant(self) -> None:
        """If it says to be constant, its answers come at once and do not depend on options."""
        authorizer = self.make_authorizer()
        if getattr(authorizer, "constant", False):
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
        """One request; whatever is answered has to be a decision, or Unavailable."""
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
        self.assertEqual(given, before, "options are the client's, and not to be changed")
        return answer.verdict is Verdict.ALLOW

    def _everybody_and_everything(self) -> Iterator[tuple[Principal, str]]:
        samples = (*self.grants, *self.refusals)
        principals = {principal.authid: principal for principal, _, _ in samples}
        for principal in principals.values():
            for uri in dict.fromkeys(uri for _, _, uri in samples):
                yield principal, uri


def _patterns(uri: str) -> Iterator[tuple[str, Match]]:
    """Patterns that match ``uri``: all its beginnings, and each of its components left open, and all of them."""
    for length in range(len(uri) + 1):
        yield uri[:length], Match.PREFIX
    components = uri.split(".")
    for index in range(len(components)):
        yield ".".join([*components[:index], "", *components[index + 1 :]]), Match.WILDCARD
    yield "." * (len(components) - 1), Match.WILDCARD


def _made_up(pattern: str, match: Match) -> Iterator[str]:
    """URIs that nobody has thought of and that ``pattern`` matches."""
    for word in ("zzz", "0", "\u00e4"):
        if match is Match.PREFIX:
            yield from (f"{pattern}{word}", f"{pattern}.{word}", f"{pattern}{word}.{word}/{word}")
        else:
            yield ".".join(component or word for component in pattern.split("."))
