"""WAMP's own authentication by passwords, as other people's clients do it, and the choice among methods."""

from __future__ import annotations

import json

from tests.identity.method_fixtures import b64, sha256_hmac
from tests.identity.test_scram import NONCE, SpecificationClient
from tests.product.methods_case import DENIED, LIBRARIES, OTHER, SECRET, MethodsCase


class PasswordTests(MethodsCase):
    def test_fixed_passwords(self):
        """Every client logs in with a fixed password, kept as it is or derived, and users of Oro with their tickets by
        the same method in the same realm, with a name in HELLO or without."""
        ticket = self.router.ticket("anna")
        for library in LIBRARIES:
            for authid, password in (("lift", SECRET), ("crane", OTHER), ("anna", ticket)):
                with self.client(library, realm="mixed", ticket=password, authid=authid) as client:
                    client.ask("subscribe", "com.example.news")
        raw = self.raw()
        self.assertEqual(self.greet(raw, "ticket", realm="mixed"), [4, "ticket", {}])
        raw.send([5, ticket, {}])
        welcome = raw.read()[2]
        self.assertEqual((welcome["authid"], welcome["authprovider"]), ("anna", "tickets"))
        self.assertEqual(welcome["authextra"]["user_id"], 1)
        raw = self.raw()
        self.greet(raw, "ticket", realm="mixed", authid="crane")
        raw.send([5, OTHER, {}])
        welcome = raw.read()[2]
        self.assertEqual(
            (welcome["authrole"], welcome["authmethod"], welcome["authprovider"]), ("admin", "ticket", "robots")
        )
        for authid, password in (("lift", OTHER), ("crane", SECRET), ("nobody", SECRET), ("lift", ticket)):
            raw = self.raw()
            self.assertEqual(self.greet(raw, "ticket", realm="mixed", authid=authid), [4, "ticket", {}])
            raw.send([5, password, {}])
            self.assertEqual(raw.read()[::2], [3, DENIED])
        for secret in (SECRET, OTHER):
            self.assertNotIn(secret, self.router.log)

    def test_wampcra(self):
        """Every client signs a challenge with a plain secret and with a salted one."""
        for library, serializer in zip(LIBRARIES, ("msgpack", "json", "cbor"), strict=True):
            options = {"method": "wampcra", "serializer": serializer}
            for authid, secret in (("anna", SECRET), ("ben", OTHER)):
                with self.client(library, authid=authid, secret=secret, **options) as client:
                    client.ask("subscribe", "com.example.news")
        for library in LIBRARIES:
            for authid, secret in (("ben", SECRET), ("nobody", SECRET)):
                self.refused(DENIED, library, method="wampcra", authid=authid, secret=secret)
        with self.client("autobahn-python", method="wampcra", authid="ben", secret=OTHER) as client:
            self.assertEqual((client.details["role"], client.details["method"]), ("admin", "wampcra"))
        for secret in (SECRET, OTHER):
            self.assertNotIn(secret, self.router.log)

    def test_wampcra_to_the_letter(self):
        """The session's id is the challenge's; an answer seen once is worth nothing on another connection."""
        first, second = self.raw(), self.raw()
        _, method, extra = self.greet(first, "wampcra", authid="anna")
        signature = b64(sha256_hmac(SECRET.encode(), extra["challenge"].encode()))
        first.send([5, signature, {}])
        welcome = first.read()
        self.assertEqual((method, welcome[0], welcome[1]), ("wampcra", 2, json.loads(extra["challenge"])["session"]))
        expected = {"authid": "anna", "authrole": "user", "authmethod": "wampcra", "authprovider": "cra"}
        self.assertEqual({key: welcome[2][key] for key in expected}, expected)
        self.greet(second, "wampcra", authid="anna")
        second.send([5, signature, {}])
        self.assertEqual(second.read()[::2], [3, DENIED])

    def test_refusals_look_the_same(self):
        """Unknown, wrong and nonsensical get one answer, letter for letter."""
        answers = set()
        for authid, signature in (("anna", b64(bytes(32))), ("nobody", b64(bytes(32))), ("ben", "nonsense")):
            for method in ("wampcra", "wamp-scram", "cryptosign"):
                client = self.raw()
                extra = {"nonce": NONCE, "pubkey": "00" * 32}
                self.assertEqual(self.greet(client, method, authid=authid, authextra=extra)[0], 4)
                client.send([5, signature, {}])
                answers.add(json.dumps(client.read()))
                self.assertEqual(client.ended(), 1000)
        self.assertEqual(len(answers), 1, answers)

    def test_scram_of_autobahn(self):
        """autobahn-python with Argon2; it checks our signature too."""
        with self.client("autobahn-python", method="scram", authid="anna", secret=SECRET) as client:
            self.assertEqual((client.details["role"], client.details["method"]), ("user", "scram"))
            client.ask("subscribe", "com.example.news")
        for authid, secret in (("anna", OTHER), ("anna", SECRET + "x")):
            self.refused(DENIED, "autobahn-python", method="scram", authid=authid, secret=secret)

    def test_scram_of_the_specification(self):
        """A client written after the text alone, with Argon2 and with PBKDF2: in, and convinced of us."""
        for authid, secret, kdf in (("anna", SECRET, "argon2id13"), ("ben", OTHER, "pbkdf2")):
            client, raw = SpecificationClient(authid, secret), self.raw()
            _, method, extra = self.greet(raw, "wamp-scram", authid=authid, authextra={"nonce": NONCE})
            self.assertEqual((method, extra["kdf"]), ("wamp-scram", kdf))
            raw.send([5, client.answer(extra), client.extra])
            welcome = raw.read()
            self.assertEqual((welcome[0], welcome[2]["authid"], welcome[2]["authmethod"]), (2, authid, "wamp-scram"))
            self.assertTrue(client.trusts(welcome[2]["authextra"]["verifier"]))


class ChoiceTests(MethodsCase):
    def test_first_offered(self):
        """The first offered method that the realm can do, unknown ones skipped; none is an answer too."""
        extra = {"nonce": NONCE, "pubkey": "00" * 32}
        for methods, chosen in (
            (["wampcra", "cryptosign"], "wampcra"),
            (["cryptosign", "wampcra"], "cryptosign"),
            (["quantum", "anonymous", "ticket", "scram", "wampcra"], "scram"),
            (["wamp-scram", "scram"], "wamp-scram"),
        ):
            self.assertEqual(self.greet(self.raw(), *methods, authid="anna", authextra=extra)[:2], [4, chosen])
        for methods in ([], ["quantum"], ["anonymous", "ticket"]):
            self.assertEqual(self.greet(self.raw(), *methods)[::2], [3, "wamp.error.no_matching_auth_method"])
        for library in LIBRARIES:
            offered = ["quantum", "wampcra"]
            with self.client(library, method="wampcra", authmethods=offered, authid="anna", secret=SECRET) as client:
                client.ask("subscribe", "com.example.news")
            self.refused("wamp.error.no_matching_auth_method", library, method="wampcra", authmethods=["quantum"],
                         authid="anna", secret=SECRET)  # fmt: skip

    def test_messages_while_challenged(self):
        """Anything but AUTHENTICATE and ABORT is a violation, and a second AUTHENTICATE too."""
        for message in (
            [1, "methods", {"roles": {"caller": {}}}],
            [32, 1, {}, "com.example.news"],
            [16, 1, {}, "com.example.news"],
            [48, 1, {}, "com.example.call"],
            [6, {}, "wamp.close.normal"],
            [2, 1, {}],
            [4, "wampcra", {}],
        ):
            client = self.raw()
            self.assertEqual(self.greet(client, "wampcra", authid="anna")[0], 4)
            client.send(message)
            self.assertEqual(client.read()[::2], [3, "wamp.error.protocol_violation"], message)
            self.assertEqual(client.ended(), 1002)
        client = self.raw()
        self.greet(client, "wampcra", authid="anna")
        client.send([3, {}, "wamp.error.cannot_authenticate"])
        self.assertEqual(client.ended(), 1000)
        client = self.raw()
        extra = self.greet(client, "wampcra", authid="anna")[2]
        good = [5, b64(sha256_hmac(SECRET.encode(), extra["challenge"].encode())), {}]
        client.send(good, good)
        self.assertEqual(client.read()[0], 2)
        self.assertEqual(client.read()[::2], [3, "wamp.error.protocol_violation"])
