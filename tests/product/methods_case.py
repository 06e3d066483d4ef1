"""A router with methods for WAMP's own authentication methods: a realm, its users, and clients that come to it."""

from __future__ import annotations

import atexit
import functools
import hashlib
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from nacl.signing import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity import scram_keys, wampcra
from tests.product.clients import Client, Refused
from tests.product.raw import RawClient
from tests.product.running_router import shared
from tests.support.ports import free_port

LIBRARIES = ("autobahn-python", "autobahn", "wampy")
DENIED = "wamp.error.authentication_denied"
SECRET, OTHER = "a secret of anna alone", "another secret, of ben"
ROBOT, STRANGER = bytes([7]) * 32, bytes([8]) * 32
"""Seeds of Ed25519 keys."""

DOORS = """
[listen:plain]
endpoint = tcp:{plain}:interface=127.0.0.1
transport = universal
origins = localhost 127.0.0.1
origin = optional
realm = methods

[listen:tls]
endpoint = tcp:{tls}:interface=127.0.0.1
transport = universal
certificate = certificate.pem
key = key.pem
client_ca = people.pem
origins = localhost 127.0.0.1
origin = optional
realm = methods

[realm:methods]
authenticators = cra scram keys certificates
authorizers = roles
[realm:mixed]
authenticators = robots tickets
authorizers = roles
[realm:bound]
authenticators = bound
authorizers = roles
[role:user]
permissions =
    any all
[role:admin]
permissions =
    any all

[authenticator:robots]
use = password
user.lift = user file:anna.secret
user.crane = admin file:ben.cra

[authenticator:cra]
use = wampcra
user.anna = user file:anna.secret
user.ben = admin file:ben.cra

[authenticator:scram]
use = scram
iterations = 1
memory = 64KiB
user.anna = user file:anna.secret
user.ben = admin file:ben.scram

[authenticator:keys]
use = cryptosign
user.robot = user {robot}

[authenticator:bound]
use = cryptosign
channel_binding = required
key = file:router.key
user.robot = user {robot}

[authenticator:certificates]
use = certificate
user.desk = user cn:desk
user.laptop = admin {laptop}
"""


@dataclass(frozen=True)
class Doors:
    """``plain`` and ``tls`` are ports; ``contexts`` are TLS clients' with a certificate of that name, which stands in
    ``directory`` with its key. ``more`` and ``files`` are the router's."""

    directory: Path
    contexts: dict[str, ssl.SSLContext]
    plain: int
    tls: int
    more: str
    files: dict[str, str]


@functools.cache
def methods() -> Doors:
    """Those of this run."""
    people = trustme.CA()
    directory = Path(tempfile.mkdtemp(prefix="methods-"))
    atexit.register(shutil.rmtree, directory)
    contexts: dict[str, ssl.SSLContext] = {}
    for name, issuer in (("desk", people), ("laptop", people), ("nobody", people), ("foreign", trustme.CA())):
        issued = issuer.issue_cert(f"{name}@example.com", common_name=name if name != "foreign" else "desk")
        (directory / name).write_bytes(issued.private_key_and_cert_chain_pem.bytes())
        contexts[name] = ssl.create_default_context()
        issued.configure_cert(contexts[name])
        if name == "laptop":
            der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
            laptop = "sha256:" + hashlib.sha256(der).hexdigest()
    plain, tls = free_port(), free_port()
    more = DOORS.format(plain=plain, tls=tls, robot=bytes(SigningKey(ROBOT).verify_key).hex(), laptop=laptop)
    files = {
        "people.pem": people.cert_pem.bytes().decode(),
        "anna.secret": SECRET,
        "ben.cra": wampcra.derived(OTHER, iterations=1000),
        "ben.scram": str(scram_keys.derived(OTHER, scram_keys.PBKDF2, None, 4096)),
        "router.key": "05" * 32,
    }
    return Doors(directory, contexts, plain, tls, more, files)


class MethodsCase(SynchronousTestCase):
    """The attributes are those of ``Doors``; the router is shared."""

    def setUp(self) -> None:
        made = methods()
        self.directory, self.contexts, self.plain, self.tls = made.directory, made.contexts, made.plain, made.tls
        self.router = shared(more=made.more, files=made.files)
        for port in (self.plain, self.tls):
            self.router.child.wait_for_port(port)

    def client(self, library: str, tls: bool = False, scheme: str = "ws", **options: Any) -> Client:
        port = self.tls if tls else self.plain
        url = f"{scheme}{'s' if tls else ''}://127.0.0.1:{port}{'/ws' if scheme == 'ws' else ''}"
        client = Client(library, url, **{"realm": "methods", **options})
        self.addCleanup(client.end)
        return client

    def refused(self, uri: str, *args: Any, **options: Any) -> None:
        """A client is told ``uri``."""
        with self.assertRaises(Refused) as caught:
            self.client(*args, **options)
        self.assertEqual(caught.exception.uri, uri, (args, options))

    def raw(self, tls: ssl.SSLContext | None = None, **options: Any) -> RawClient:
        """A client that says what it is told; over TLS with a context."""
        scheme, port = ("ws", self.plain) if tls is None else ("wss", self.tls)
        client = RawClient(f"{scheme}://127.0.0.1:{port}/ws", tls=tls, **options)
        self.addCleanup(client.close)
        return client

    def greet(self, client: RawClient, *methods: str, realm: str = "methods", **details: Any) -> Any:
        """The answer to a HELLO."""
        client.send([1, realm, {"roles": {"caller": {}}, "authmethods": list(methods), **details}])
        return client.read()
