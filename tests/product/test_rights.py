"""The running product when a user's rights change in the application: who stays, who goes, and what is taken away."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import start, ticket
from tests.support.ports import free_port

DIRECTORY = '''
import json
from pathlib import Path

from twisted.internet.defer import succeed
from zope.interface import implementer

from orosync.interfaces import IDirectory
from orosync.model import User


@implementer(IDirectory)
class People:
    """Users in a file that is read at each look-up."""

    def __init__(self, name, options):
        self.path = Path(options["path"])

    def find(self, login):
        row = json.loads(self.path.read_text()).get(login)
        if row is None:
            return succeed(None)
        sets = {key: frozenset(row.pop(key)) for key in ("organizations", "roles")}
        return succeed(User(username=login, **row, **sets))
'''
CONFIGURATION = """
[router]
drain = 1s
recheck = 1s
plugins = plugins
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
[realm:oro]
authenticators = tickets
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = file:oro.secret
directory = people
[directory:people]
use = acme_people:People
path = {state}/people.json
[topics:oro]
channel.acme/managers = subscribe user with ROLE_MANAGER; publish backend
channel.acme/of/{{organization_id}} = subscribe user; publish backend
channel.acme/all = subscribe user; publish backend
"""


class RightsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="rights-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.port, self.secret, self.hash = free_port(), secrets.token_hex(20), "$2y$13$" + secrets.token_hex(20)
        (self.state / "plugins").mkdir(mode=0o755)
        (self.state / "plugins" / "acme_people.py").write_text(DIRECTORY)
        (self.state / "oro.secret").write_text(self.secret)
        (self.state / "router.ini").write_text(CONFIGURATION.format(port=self.port, state=self.state))
        self.anna(roles=["ROLE_MANAGER"], organizations=[1, 2])
        self.router = start(self.state / "router.ini")
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)

    def anna(self, **row: Any) -> None:
        """What the application says of her from now on."""
        new = self.state / "people.new"
        new.write_text(json.dumps({"anna": {"id": 1, "password_hash": self.hash, **row}}))
        os.replace(new, self.state / "people.json")

    def client(self, subprotocol: str) -> RawClient:
        """Anna, joined."""
        shown = quote(ticket("anna", self.hash, self.secret))
        client = RawClient(f"ws://127.0.0.1:{self.port}/?ticket={shown}", subprotocol)
        self.addCleanup(client.close)
        if subprotocol != "wamp":
            client.send([1, "oro", {"roles": {"subscriber": {"features": {"subscription_revocation": True}}}}])
        self.assertIn(client.read()[0], (0, 2))
        return client

    def test_other_roles_and_organizations(self) -> None:
        """She stays connected, loses what her rights no longer give, keeps the rest, and gets what they give now; when
        she is disabled she is out."""
        old, new = self.client("wamp"), self.client("wamp.2.json")
        topics = ["acme/managers", "acme/of/2", "acme/all"]
        old.send(*([5, topic] for topic in topics))
        new.send(*([32, number, {}, topic] for number, topic in enumerate(topics, 1)))
        ids = [new.read()[2] for _ in topics]
        self.anna(roles=["ROLE_CLERK"], organizations=[1, 3])
        self.router.wait_for_line("session.renewed (rights_changed)")
        told = [new.read() for _ in range(2)]
        self.assertEqual([message[:2] for message in told], [[35, 0]] * 2)
        self.assertEqual({message[2]["subscription"] for message in told}, set(ids[:2]))
        self.assertTrue(old.silent())
        new.send([32, 4, {}, "acme/of/3"], [32, 5, {}, "acme/of/2"])
        self.assertEqual([new.read()[0] for _ in range(2)], [33, 8])
        old.send([5, "acme/of/2"])
        self.assertIn("not allowed", old.read())
        self.anna(roles=["ROLE_CLERK"], organizations=[1, 3], enabled=False)
        self.assertEqual(new.read()[::2], [6, "wamp.close.killed"])
        self.assertIsNone(old.ended())
        self.router.wait_for_line("session.ended (disabled)")
