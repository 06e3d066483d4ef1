"""What a remote authenticator may answer."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused, Unavailable
from orosync.identity.accounts import Account
from orosync.identity.remote import RemoteAnswer, RemoteLimits, account, read
from orosync.identity.wampcra import derived

LIMITS = RemoteLimits(("user", "clerk"), "", ("oro", "shop"))
SECRET = "a secret of anna alone"


class ReadTests(SynchronousTestCase):
    def answer(
        self, answer: Any, method: str = "ticket", authid: str | None = "anna", limits: RemoteLimits = LIMITS
    ) -> Any:
        return read(method, authid, [answer], {}, limits)

    def test_role_alone(self) -> None:
        """A role is enough where the client has nothing to prove to us."""
        for method in ("ticket", "anonymous", "tls"):
            found = self.answer("clerk", method)
            self.assertEqual((found.authid, found.role, found.realm, found.extra), ("anna", "clerk", "", {}))
        for method in ("wampcra", "scram", "cryptosign"):
            self.assertRaises(Unavailable, self.answer, "clerk", method)

    def test_all_of_it(self) -> None:
        """Another name, a realm, something for WELCOME; what means nothing to us is passed over."""
        found = self.answer({"role": "user", "authid": "Anna", "realm": "shop", "extra": {"a": 1}, "more": [1]})
        self.assertEqual((found.authid, found.role, found.realm, found.extra), ("Anna", "user", "shop", {"a": 1}))
        self.assertEqual(self.answer({"role": "user", "realm": None, "extra": None}).realm, "")

    def test_default_role(self) -> None:
        """Where the answer names none, if there is one."""
        limits = RemoteLimits(("user",), "user", ())
        self.assertEqual(self.answer({"authid": "x"}, limits=limits).role, "user")
        self.assertEqual(self.answer({"role": None}, limits=limits).role, "user")

    def test_more_than_it_may(self) -> None:
        """No role and no realm but those of the configuration; nobody without a name."""
        for answer, authid, kind in [
            ({"role": "admin"}, "anna", "role_not_listed"),
            ("admin", "anna", "role_not_listed"),
            ({"role": ""}, "anna", "role_not_listed"),
            ({}, "anna", "role_not_listed"),
            ({"role": "user", "realm": "admin"}, "anna", "realm_not_listed"),
            ({"role": "user"}, None, "no_authid"),
            ({"role": "user", "authid": ""}, "", "no_authid"),
        ]:
            error = self.assertRaises(Refused, self.answer, answer, authid=authid)
            self.assertEqual((error.code, isinstance(error, Unavailable)), (kind, False), answer)

    def test_nonsense(self) -> None:
        """The authenticator is at fault, and the client is refused."""
        for args, kwargs in [
            ([], {}), (["user", 1], {}), (["user"], {"a": 1}), ([None], {}), ([True], {}), ([["user"]], {}), ([7], {}),
            ([{"role": 7}], {}), ([{"role": "user", "authid": 7}], {}), ([{"role": "user", "realm": []}], {}),
            ([{"role": "user", "extra": "x"}], {}),
        ]:  # fmt: skip
            error = self.assertRaises(Unavailable, read, "ticket", "anna", args, kwargs, LIMITS)
            self.assertEqual(error.code, "nonsense")

    def test_secrets_are_not_shown(self) -> None:
        """An answer's proof is in no repr."""
        self.assertNotIn(SECRET, repr(self.answer({"role": "user", "secret": SECRET}, "wampcra")))


class AccountTests(SynchronousTestCase):
    def made(self, method: str, **proof: Any) -> Account:
        return account(method, RemoteAnswer("anna", "user", proof=proof), "anna")

    def test_wampcra(self) -> None:
        """A plain secret, or a salted one as autobahn derives it."""
        self.assertEqual(self.made("wampcra", secret=SECRET), Account("anna", "user", SECRET))
        text = derived(SECRET, "salt", 1000, 32)
        key = text.rpartition("$")[2]
        self.assertEqual(self.made("wampcra", secret=key, salt="salt", iterations=1000, keylen=32).secret, text)

    def test_cryptosign(self) -> None:
        """A key in hex digits, in whatever case."""
        self.assertEqual(self.made("cryptosign", pubkey="AB" * 32).identifiers, ("ab" * 32,))

    def test_scram(self) -> None:
        """Hex digits become what is written in configurations."""
        proof = {"salt": "00ff", "iterations": 4096, "stored-key": "01" * 32, "server-key": "02" * 32}
        stored, server = (base64.b64encode(bytes([one]) * 32).decode() for one in (1, 2))
        made = self.made("scram", kdf="pbkdf2", memory=None, **proof)
        self.assertEqual(made.secret, f"pbkdf2$4096:AP8=${stored}:{server}")
        made = self.made("scram", kdf="argon2id-13", memory=512, **proof)
        self.assertEqual(made.secret, f"argon2id-13$4096,512:AP8=${stored}:{server}")

    def test_nonsense(self) -> None:
        """What is no proof is told without a word of it."""
        for method, proof in [
            ("wampcra", {}), ("wampcra", {"secret": 7}), ("wampcra", {"secret": ""}),
            ("wampcra", {"secret": SECRET, "salt": "x"}), ("wampcra", {"secret": SECRET, "iterations": 1000}),
            ("wampcra", {"secret": SECRET, "salt": "x", "iterations": 1000, "keylen": 32}),
            ("wampcra", {"secret": "AAAA", "salt": "x", "iterations": True, "keylen": 3}),
            ("wampcra", {"secret": "AAAA", "salt": "x", "iterations": 0, "keylen": 3}),
            ("wampcra", {"secret": derived(SECRET, "s", 1)}), ("cryptosign", {}), ("cryptosign", {"pubkey": b"x"}),
            ("scram", {"kdf": "pbkdf2", "iterations": 1}), ("scram", {"kdf": "argon2id-13", "iterations": 1}),
            ("scram", {"kdf": "pbkdf2", "iterations": 1, "salt": "zz", "stored-key": "00", "server-key": "00"}),
        ]:  # fmt: skip
            error = self.assertRaises(Unavailable, self.made, method, **proof)
            self.assertEqual(error.code, "nonsense")
            self.assertNotIn(SECRET, error.reason)
