"""One scenario, three routers, the same outcome."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import AdminSession
from tests.identity.sessions.logins import written
from tests.product import scenario
from tests.product.crossbar_node import ANNAS, BENS, OFFICE, TREE, CrossbarNode, Visitor
from tests.product.running_router import start, ticket
from tests.support.ports import free_port
from tests.support.processes import Child

ROUTER = """
[listen:one]
endpoint = tcp:{port}:interface=127.0.0.1
origins = {office} 127.0.0.1
origin = optional
publisher_from = loopback
[realm:realm1]
authenticators = tickets cookies helpers
authorizers = {authorizers}
[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
[authenticator:cookies]
use = cookie
sessions = office
directory = people
[authenticator:helpers]
use = cryptosign
user.orosync = orosync {public_key}
[sessions:office]
use = files
path = {state}/sessions
[directory:people]
use = static
user.anna = 1 file:{state}/anna organizations=1
user.ben = 2 file:{state}/ben organizations=1
[authorizer:elsewhere]
use = remote
procedure = com.orosync.authorize
registered_by = orosync
[role:orosync]
permissions =
    exact com.orosync.authorize register
[topics:oro]
use = oro
{channels}
"""

AUTHORIZER = """
[attach]
url = ws://127.0.0.1:{port}/
realm = realm1
key = file:{state}/key
trusted_providers = tickets/ticket cookies/cookie
[realm:realm1]
authorizers = topics:oro
[topics:oro]
use = oro
{channels}
"""


class Orosync:
    """A router of ours: it decides itself, or asks an orosync-authorizer."""

    def __init__(self, state: Path, authorizers: str) -> None:
        self.port, self.secret = free_port(), secrets.token_hex(20)
        self.hashes = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        key = Ed25519PrivateKey.generate()
        for name, value in {"secret": self.secret, "key": key.private_bytes_raw().hex(), **self.hashes}.items():
            (state / name).write_text(value)
        (state / "sessions").mkdir()
        anna, ben = (AdminSession(name, n, self.hashes[name], 1) for n, name in enumerate(self.hashes, 1))
        written("files", {ANNAS: anna, BENS: ben}, path=str(state / "sessions"), mode="0600")
        given = {"state": state, "port": self.port, "channels": scenario.CHANNELS, "office": OFFICE}
        public_key = key.public_key().public_bytes_raw().hex()
        config = state / "router.ini"
        config.write_text(ROUTER.format(**given, authorizers=authorizers, public_key=public_key))
        (state / "authorizer.ini").write_text(AUTHORIZER.format(**given))
        self.children = [start(config)]
        self.children[0].wait_for_port(self.port)
        if authorizers == "elsewhere":
            twistd = str(Path(sys.executable).with_name("twistd"))
            command = [sys.executable, twistd, "--nodaemon", "--pidfile=", "orosync-authorizer"]
            helper = Child([*command, "--config", str(state / "authorizer.ini")], cwd=TREE)
            self.children.append(helper)
            helper.wait_for_line("attach.joined")

    def comes(self, **presented: Any) -> Visitor:
        """See scenario.Stage. On a port that browsers share, a back end sends the Origin that PHP does."""
        if presented.get("ticket") == "":
            presented.setdefault("origin", "127.0.0.1")
        return _comes(self.port, self.hashes, self.secret, **presented)

    def end(self) -> None:
        for child in self.children:
            child.end()


class Crossbar(CrossbarNode):
    """A Crossbar.io that has orosync's classes in its process."""

    def __init__(self) -> None:
        super().__init__("class")
        authorizer = self.state / "authorizer.ini"
        authorizer.write_text(authorizer.read_text() + scenario.CHANNELS)

    def comes(self, **presented: Any) -> Visitor:
        """See scenario.Stage."""
        return _comes(self.public, self.hashes, self.secret, **presented)


def _comes(port: int, hashes: dict[str, str], secret: str, age: float = 0.0, **presented: Any) -> Visitor:
    if "ticket" in presented:
        name = presented["ticket"]
        presented["ticket"] = ticket(name, hashes.get(name, secret), secret, age=age)
    return Visitor(port, **presented)


class Scenario(SynchronousTestCase):
    """tests/product/scenario.py."""

    def orosync(self, authorizers: str) -> Orosync:
        state = Path(self.mktemp()).absolute()
        state.mkdir()
        router = Orosync(state, authorizers)
        self.addCleanup(router.end)
        return router

    def test_orosync(self) -> None:
        """As our own router decides."""
        self.assertEqual(scenario.play(self.orosync("topics:oro")), [])

    def test_orosync_that_asks(self) -> None:
        """The same where an orosync-authorizer in another process decides for it."""
        self.assertEqual(scenario.play(self.orosync("elsewhere")), [])

    def test_crossbar(self) -> None:
        """The same in a Crossbar.io that asks orosync."""
        node = Crossbar()
        self.addCleanup(node.end)
        node.start()
        self.assertEqual(scenario.play(node), [])

    def test_it_would_be_noticed(self) -> None:
        """A router that lets everybody do everything plays it wrong in as many ways as there are refusals."""
        router = self.orosync("roles topics:oro")
        lax = router.children[0]
        lax.end()
        config = Path(router.children[0].command[-1])
        config.write_text(config.read_text() + "[role:user]\npermissions =\n    any all\n")
        router.children[0] = start(config)
        router.children[0].wait_for_port(router.port)
        refused = [one for one in scenario.REQUESTS if not one[4] and one[0] != "php"]
        wrong = [line for line in scenario.play(router) if "should be refused" in line]
        self.assertEqual(len(wrong), len(refused), wrong)
