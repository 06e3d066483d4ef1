"""The contract suite of authenticators; ``orosync.testing`` offers it beside those of the other ports.

It must not know any authenticator.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from zope.interface.verify import verifyObject

from orosync.errors import Refused
from orosync.interfaces import Challenge, Hello, IAuthenticator
from orosync.model import ConnectionFacts, Principal

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object  # a contract is mixed into a test case, and is none itself

_BARE = ConnectionFacts(
    listener="public",
    peer="127.0.0.1",
    address="127.0.0.1",
    host="localhost",
    path="/ws",
    query="",
    origin="http://localhost",
    subprotocols=("wamp.2.json",),
    cookies={},
    headers={},
    tls=False,
    forwarded=False,
)

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
        return authenticator.at_hello(_BARE, Hello("realm", "anna", ("quantum",), {}), "quantum", 1)

    def test_interface(self) -> None:
        """It keeps the interface, has a name, and says which methods it can do."""
        authenticator = self.make_authenticator()
        verifyObject(IAuthenticator, authenticator)
        self.assertTrue(authenticator.name)
        self.assertIsInstance(authenticator.methods, tuple)
        self.assertTrue(all(isinstance(method, str) and method for method in authenticator.methods))

    async def test_nothing_presented(self) -> None:
        """A bare handshake is none of its business: it says so, and refuses nobody."""
        self.assertIsNone(await self.make_authenticator().at_handshake(_BARE))

    async def test_refusal(self) -> None:
        """What is wrong is Refused, with a word to count by and a line for the log, neither of which holds a secret."""
        with self.assertRaises(Refused) as caught:
            await self.wrong_attempt(self.make_authenticator())
        self._harmless(caught.exception)

    async def test_foreign_method(self) -> None:
        """A method that it does not do is Refused, even if somebody asks."""
        authenticator = self.make_authenticator()
        with self.assertRaises(Refused) as caught:
            await authenticator.at_hello(_BARE, Hello("realm", None, ("quantum",), {}), "quantum", 1)
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
                    if isinstance(challenge, Challenge):
                        with self.assertRaises(Refused) as caught:
                            await challenge.answer(signature, extra)
                        self._harmless(caught.exception)

    async def _met(self, method: str, authid: str | None, extra: dict[str, Any]) -> Principal | Challenge | None:
        """One HELLO, to an authenticator that has seen no failure before; None if it was refused."""
        hello = Hello("realm", authid, (method,), extra)
        try:
            outcome = await self.make_authenticator().at_hello(_BARE, hello, method, 1)
        except Refused as refusal:
            self._harmless(refusal)
            return None
        if isinstance(outcome, Challenge):
            self.assertEqual(outcome.method, method)
            self.assertTrue(json.dumps(dict(outcome.extra)))
        else:
            self.assertIsInstance(outcome, Principal)
        return outcome

    def _harmless(self, refusal: Refused) -> None:
        self.assertRegex(refusal.kind, r"\A[a-z_]+\Z")
        self.assertTrue(refusal.reason)
        for credential in self.credentials:
            self.assertNotIn(credential, f"{refusal!r} {refusal} {refusal.reason}")
