"""A component of the application authenticates: every method, with autobahn's own clients and a raw one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

import trustme
from nacl.signing import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity import scram_keys
from tests.product.clients import Client, Refused
from tests.product.methods_case import DENIED, ROBOT, STRANGER
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start
from tests.support.ports import free_port
from tests.support.processes import Child

DESK, SECRET = "the secret of the desk", "a secret of people"
DOOR = """
[authenticator:{method}]
use = remote
method = {method}
procedure = door.{method}
realm = inner
roles = user
"""
CONFIGURATION = """
[listen:plain]
endpoint = tcp:{plain}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
realm = oro
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
certificate = certificate.pem
key = key.pem
client_ca = people.pem
origins = 127.0.0.1
origin = optional
realm = oro
[realm:inner]
authenticators = machines
authorizers = roles
[realm:oro]
authenticators = wampcra scram cryptosign tls anonymous
authorizers = roles
[realm:other]
authenticators = wampcra
authorizers = roles
[authenticator:machines]
use = wampcra
user.desk = {role} file:desk.secret
[role:user]
permissions = any all
[role:stranger]
permissions = any all
[notifications]
realm = oro
"""


class DynamicMethodsCase(SynchronousTestCase):
    role = "authenticator"

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="component-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.port, plain = free_port(), free_port()
        self.url = f"ws://127.0.0.1:{plain}/"
        people = trustme.CA()
        (self.directory / "people.pem").write_bytes(people.cert_pem.bytes())
        for name in ("desk", "other"):
            issued = people.issue_cert(f"{name}@example.com", common_name=name)
            (self.directory / name).write_bytes(issued.private_key_and_cert_chain_pem.bytes())
            der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
            if name == "desk":
                digest = hashlib.sha256(der).hexdigest().upper()
        own = trustme.CA().issue_cert("127.0.0.1")
        (self.directory / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
        (self.directory / "key.pem").write_bytes(own.private_key_pem.bytes())
        (self.directory / "desk.secret").write_text(DESK)
        methods = "".join(DOOR.format(method=one) for one in ("wampcra", "scram", "cryptosign", "tls", "anonymous"))
        text = CONFIGURATION.format(port=self.port, plain=plain, role=self.role) + methods
        (self.directory / "router.ini").write_text(text)
        self.router = start(self.directory / "router.ini")
        self.addCleanup(self.router.end)
        for port in (self.port, plain):
            self.router.wait_for_port(port)
        keys = scram_keys.derived(SECRET, scram_keys.ARGON2_AUTOBAHN, None, 1, 64)
        environ = {
            "DESK_SECRET": DESK,
            "PEOPLES_SECRET": SECRET,
            "PUBLIC_KEY": bytes(SigningKey(ROBOT).verify_key).hex(),
            "FINGERPRINT": ":".join(digest[at : at + 2] for at in range(0, 64, 2)),
            "SCRAM": json.dumps(
                {
                    "kdf": keys.kdf,
                    "iterations": keys.iterations,
                    "memory": keys.memory,
                    "salt": keys.salt.hex(),
                    "stored-key": keys.stored_key.hex(),
                    "server-key": keys.server_key.hex(),
                }
            ),
        }
        command = [sys.executable, str(TREE / "tests/product/authenticating_component.py"), self.url]
        self.keeper = Child(command, environ={**os.environ, **environ})
        self.addCleanup(self.keeper.end)

    def client(self, url: str = "", **options: Any) -> Client:
        client = Client("autobahn-python", url or self.url, **options)
        self.addCleanup(client.end)
        return client

    def refused(self, **options: Any) -> str:
        with self.assertRaises(Refused) as caught:
            self.client(**options)
        return caught.exception.uri


class MethodTests(DynamicMethodsCase):
    def test_every_method(self) -> None:
        """Each way to come in, right and wrong: what is proven is proven to the router, who comes in is the program's
        to say, and no secret is in the log."""
        self.keeper.wait_for_line("registered")
        known: list[tuple[str, dict[str, Any]]] = [
            ("wampcra", {"method": "wampcra", "authid": "anna", "secret": SECRET}),
            ("wampcra", {"method": "wampcra", "authid": "ben", "secret": SECRET}),
            ("scram", {"method": "scram", "authid": "anna", "secret": SECRET}),
            ("cryptosign", {"method": "cryptosign", "key": ROBOT.hex()}),
            ("anonymous", {}),
        ]
        for method, options in known:
            with self.client(**options) as client:
                self.assertEqual((client.details["role"], client.details["method"]), ("user", method), options)
                client.ask("subscribe", "com.example.news")
        asked = json.loads(self.keeper.output.splitlines()[-1].partition(" ")[2])
        self.assertEqual(client.details["authid"], asked[1])
        for options in (
            {"method": "wampcra", "authid": "anna", "secret": "wrong"},
            {"method": "wampcra", "authid": "ben", "secret": "wrong"},
            {"method": "wampcra", "authid": "nobody", "secret": SECRET},
            {"method": "scram", "authid": "anna", "secret": "wrong"},
            {"method": "cryptosign", "key": STRANGER.hex()},
        ):
            self.assertEqual(self.refused(**options), DENIED, options)
        for secret in (SECRET, DESK, ROBOT.hex()):
            self.assertNotIn(secret, self.router.output)
        self.router.wait_for_line("nobody of that name")

    def test_certificate(self) -> None:
        """A TLS client certificate: the program gets its fingerprints."""
        self.keeper.wait_for_line("registered")
        for name, welcome in (("desk", True), ("other", False)):
            context = ssl.create_default_context()
            context.load_cert_chain(self.directory / name)
            client = RawClient(f"wss://127.0.0.1:{self.port}/", tls=context)
            self.addCleanup(client.close)
            client.send([1, "oro", {"roles": {"caller": {}}, "authmethods": ["tls"]}])
            answer = client.read()
            if welcome:
                self.assertEqual((answer[0], answer[2]["authid"], answer[2]["authrole"]), (2, "desk-1", "user"))
                self.assertEqual(answer[2]["authextra"], {"door": "tls"})
            else:
                self.assertEqual((answer[0], answer[2]), (3, DENIED))

    def test_sent_to_another_realm(self) -> None:
        """A realm that names the same section takes who is sent there; WELCOME says where it is."""
        self.keeper.wait_for_line("registered")
        mover = self.client(method="wampcra", authid="mover", secret=SECRET)
        anna = self.client(method="wampcra", authid="anna", secret=SECRET)
        there = self.client(realm="other", method="wampcra", authid="mover", secret=SECRET)
        for client in (anna, there):
            client.ask("subscribe", "com.example.news")
        mover.ask("publish", "com.example.news", ["moved"], acknowledge=True)
        self.assertEqual(there.event()[1], ["moved"])
        self.assertTrue(anna.silent())


class StrangerTests(DynamicMethodsCase):
    role = "stranger"

    def test_another_role(self) -> None:
        """A program whose role may not, though it may do everything else, registers nothing that decides; nobody comes
        in, and nobody waits."""
        self.keeper.wait_for_line("not_authorized")
        self.assertEqual(
            self.refused(method="wampcra", authid="anna", secret=SECRET), "wamp.error.authentication_failed"
        )
