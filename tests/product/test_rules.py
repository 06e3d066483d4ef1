"""Two realms behind one listener, clients of every authentication method, and who sees what of whom: said in the
configuration alone."""

from __future__ import annotations

import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trustme
from nacl.signing import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import AdminSession
from tests.identity.sessions.logins import written
from tests.product.clients import Client, Refused
from tests.product.methods_case import OTHER, ROBOT, SECRET
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start, ticket
from tests.support.ports import free_port

CONFIGURATION = """
[router]
drain = 0s
state = .
[listen:everybody]
endpoint = tcp:{port}:interface=127.0.0.1
certificate = certificate.pem
key = key.pem
client_ca = people.pem
origins = localhost 127.0.0.1
origin = optional
realm = shop

[realm:shop]
authenticators = tickets cookies cra scram keys certificates guests
authorizers = topics:shop roles
[realm:desk]
authenticators = tickets cookies cra scram keys certificates guests
authorizers = roles

# Guests see little, staff everything, partners are known to the others.
[role:guest]
permissions =
    exact com.acme.news subscribe
[role:staff]
permissions =
    any all
[role:shop/partner]
permissions =
    prefix com.acme. subscribe,publish disclose publisher
    exact com.acme.price call disclose caller
    deny prefix com.acme.internal.
[role:desk/partner]
permissions =
    prefix com.acme. all disclose caller
[role:desk/guest]
permissions =
    exact com.acme.internal.board subscribe

[topics:shop]
use = own
channel.acme/managers = subscribe staff with ROLE_MANAGER; publish staff with ROLE_MANAGER
channel.acme/inbox/{{user_id}} = subscribe staff; publish staff

[authenticator:tickets]
use = ticket
secret = file:secret
directory = people
role = staff
[authenticator:cookies]
use = cookie
sessions = office
directory = people
role = staff
[authenticator:cra]
use = wampcra
user.carl = partner file:carl.secret
[authenticator:scram]
use = scram
iterations = 1
memory = 64KiB
user.sam = partner file:sam.secret
[authenticator:keys]
use = cryptosign
user.robot = staff {robot}
[authenticator:certificates]
use = certificate
user.kiosk = guest cn:kiosk
[authenticator:guests]
use = anonymous
role = guest

[sessions:office]
use = files
path = sessions
[directory:people]
use = static
user.anna = 1 file:anna.hash roles=ROLE_MANAGER
user.ben = 2 file:ben.hash roles=ROLE_CLERK
[notifications]
realm = shop
"""
NEWS, ORDERS, BOARD, PRICE = "com.acme.news", "com.acme.orders", "com.acme.internal.board", "com.acme.price"
BENS = "b" * 26


class RulesTests(SynchronousTestCase):
    """A router with that configuration."""

    def setUp(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="rules-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.port, self.secret = free_port(), secrets.token_hex(20)
        self.hashes = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        people = trustme.CA()
        issued, kiosk = people.issue_cert("localhost"), people.issue_cert("k@example.com", common_name="kiosk")
        self.kiosk = ssl.create_default_context()
        kiosk.configure_cert(self.kiosk)
        robot = bytes(SigningKey(ROBOT).verify_key).hex()
        for name, text in {
            "secret": self.secret,
            "anna.hash": self.hashes["anna"],
            "ben.hash": self.hashes["ben"],
            "carl.secret": SECRET,
            "sam.secret": OTHER,
            "people.pem": people.cert_pem.bytes().decode(),
            "certificate.pem": issued.cert_chain_pems[0].bytes().decode(),
            "key.pem": issued.private_key_pem.bytes().decode(),
            "router.ini": CONFIGURATION.format(port=self.port, robot=robot),
        }.items():
            (self.state / name).write_text(text)
        (self.state / "sessions").mkdir()
        sessions = {BENS: AdminSession("ben", 2, self.hashes["ben"], 1)}
        written("files", sessions, path=str(self.state / "sessions"), mode="0600")
        self.child = start(self.state / "router.ini")
        self.addCleanup(self.child.end)
        self.child.wait_for_port(self.port)

    def client(self, realm: str, **options: Any) -> Client:
        client = Client("autobahn-python", f"wss://localhost:{self.port}/ws", realm=realm, **options)
        self.addCleanup(client.end)
        return client

    def clients(self, realm: str) -> dict[str, Client]:
        """One of each of four methods: a guest, two of the staff, a partner."""
        return {
            "guest": self.client(realm),
            "anna": self.client(realm, ticket=ticket("anna", self.hashes["anna"], self.secret), authid="anna"),
            "robot": self.client(realm, method="cryptosign", authid="robot", key=ROBOT.hex()),
            "carl": self.client(realm, method="wampcra", authid="carl", secret=SECRET),
        }

    def may(self, client: Client, do: str, uri: str, *args: Any, **options: Any) -> bool:
        """Whether the client is allowed to; if not it is told so."""
        try:
            client.ask(do, uri, *args, **options)
        except Refused as refused:
            self.assertEqual(refused.uri, "wamp.error.not_authorized")
            return False
        return True

    def test_who_sees_what(self) -> None:
        """Each hears what its role in its realm may hear, is refused the rest, and nothing comes from the other realm;
        publishers are disclosed where the configuration says so, and nowhere else."""
        heard = {
            "shop": {"guest": {NEWS}, "anna": {NEWS, ORDERS, BOARD}, "robot": {NEWS, ORDERS, BOARD},
                     "carl": {NEWS, ORDERS}},
            "desk": {"guest": {NEWS, BOARD}, "anna": {NEWS, ORDERS, BOARD}, "robot": {NEWS, ORDERS, BOARD},
                     "carl": {NEWS, ORDERS, BOARD}},
        }  # fmt: skip
        everybody = {realm: self.clients(realm) for realm in heard}
        for realm, clients in everybody.items():
            for name, client in clients.items():
                allowed = {uri for uri in (NEWS, ORDERS, BOARD) if self.may(client, "subscribe", uri)}
                self.assertEqual(allowed, heard[realm][name], (realm, name))
                self.assertIs(self.may(client, "subscribe", "com.acme.", match="prefix"),
                              name in ("anna", "robot") or (realm, name) == ("desk", "carl"))  # fmt: skip
        for realm, publisher, disclosed in (
            ("shop", "anna", None), ("shop", "carl", "carl"), ("desk", "carl", None), ("desk", "robot", None)
        ):  # fmt: skip
            clients = everybody[realm]
            clients[publisher].ask("publish", ORDERS, [f"{realm} of {publisher}"], acknowledge=True)
            for name in ("anna", "robot", "carl"):
                if name == publisher:
                    continue
                # Whoever has the prefix too hears it twice.
                for _ in range(2 if (realm, name) != ("shop", "carl") else 1):
                    event = clients[name].events.get(timeout=10)
                    self.assertEqual(event["args"], [f"{realm} of {publisher}"])
                    self.assertEqual(event["by"], disclosed, (realm, publisher, name))
        for clients in everybody.values():
            self.assertFalse(self.may(clients["guest"], "publish", NEWS, ["x"], acknowledge=True))
        self.assertFalse(self.may(everybody["shop"]["carl"], "publish", BOARD, ["x"], acknowledge=True))
        for clients in everybody.values():
            for name, client in clients.items():
                self.assertTrue(client.silent(0.05), name)

    def test_who_is_told_who_calls(self) -> None:
        """Callers are disclosed to the callee by their role in their realm, apart from publishers."""
        for realm, told in (("shop", {"anna": None, "carl": "carl"}), ("desk", {"anna": None, "carl": "carl"})):
            clients = self.clients(realm)
            clients["robot"].ask("register", PRICE)
            for name, expected in told.items():
                answer = clients[name].ask("call", PRICE, kwargs={"whoami": True})
                self.assertEqual(answer["args"] or [None], [expected], (realm, name))
            self.assertFalse(self.may(clients["guest"], "call", PRICE))
            self.assertIs(self.may(clients["carl"], "register", "com.acme.own"), realm == "desk")

    def test_channels(self) -> None:
        """A role in Oro opens a channel, and a user publishes to the own topic alone, by ticket and by cookie; the
        other methods give staff that is no user of Oro."""
        clients = self.clients("shop")
        cookie = RawClient(f"wss://127.0.0.1:{self.port}/ws", headers=(f"Cookie: BAPID={BENS}",))
        self.addCleanup(cookie.close)
        cookie.join("shop", authmethods=["cookie"])
        for name, uri, subscribe, publish in (
            ("anna", "acme/managers", True, True),
            ("robot", "acme/managers", False, False),
            ("carl", "acme/managers", False, False),
            ("anna", "acme/inbox/1", True, True),
            ("anna", "acme/inbox/2", False, False),
            ("robot", "acme/inbox/1", False, True),
            ("guest", "acme/inbox/1", False, False),
        ):
            self.assertIs(self.may(clients[name], "subscribe", uri), subscribe, (name, uri))
            self.assertIs(self.may(clients[name], "publish", uri, ["x"], acknowledge=True), publish, (name, uri))
        for uri, code in (("acme/inbox/2", 33), ("acme/inbox/1", 8), ("acme/managers", 8)):
            cookie.send([32, 1, {}, uri])
            self.assertEqual(cookie.read()[0], code, uri)
        channel = f"[topics:shop] channel.acme/inbox/{{user_id}} (router.ini:{self.line('channel.acme/inbox')})"
        rule = f"{channel}: user_id 1 is another user than 2"
        self.assertIn(f'user=ben uri=acme/inbox/1 rule="{rule}"', self.child.output)

    def test_the_other_methods(self) -> None:
        """SCRAM, certificates and cookies give their roles in both realms too."""
        for realm in ("shop", "desk"):
            client = self.client(realm, method="scram", authid="sam", secret=OTHER)
            self.assertEqual(client.details["role"], "partner")
            for context, headers, authid, role in (
                (self.kiosk, (), "kiosk", "guest"),
                (None, (f"Cookie: BAPID={BENS}",), "ben", "staff"),
            ):
                raw = RawClient(f"wss://localhost:{self.port}/ws", headers=headers, tls=context)
                self.addCleanup(raw.close)
                methods = ["tls", "cookie"]
                raw.send([1, realm, {"roles": {"subscriber": {}, "publisher": {}}, "authmethods": methods}])
                welcome = raw.read()
                self.assertEqual((welcome[0], welcome[2]["authid"], welcome[2]["authrole"]), (2, authid, role))

    def test_explained(self) -> None:
        """``orosync explain`` says of that configuration what the router does, with the line that decides."""
        role = "[role:shop/partner] {} (router.ini:{}): {}"
        for arguments, status, words in (
            (f"--user carl --realm shop --topic {ORDERS} --action publish", 0,
             role.format("prefix com.acme.", self.line("    prefix com.acme. sub"), "publish, publisher disclosed")),
            (f"--user carl --realm shop --topic {BOARD}", 1,
             role.format("prefix com.acme.internal.", self.line("    deny"), "no subscribe")),
            (f"--user carl --realm desk --topic {BOARD}", 0, "[role:desk/partner] prefix com.acme. (router.ini:"),
            ("--user ben --realm shop --topic acme/managers", 1,
             "ben has none of the Oro roles that its subscribers need (staff with ROLE_MANAGER)"),
            (f"--role guest --realm desk --topic {BOARD}", 0, "[role:desk/guest] exact com.acme.internal.board"),
        ):  # fmt: skip
            command = [sys.executable, "-c", "from orosync.cli.main import main; main()", "explain"]
            command += ["--config", str(self.state / "router.ini"), *arguments.split()]
            done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (status, ""), arguments)
            self.assertIn(words, done.stdout)

    def line(self, beginning: str) -> int:
        """The number of the configuration's line that begins so."""
        lines = (self.state / "router.ini").read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))
