"""The example of presence: who else has a record open, of WAMP v1 and v2, however they come and go."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.container import Container
from orosync.config import load
from orosync.model import Action, Match, Verdict
from orosync.testing import principal
from tests.product.house import TREE, start
from tests.product.raw import RawClient
from tests.product.test_readme import REST
from tests.support.ports import free_port

CONFIGURATION = """
[router]
state = .
plugins = {examples}
[listen:one]
endpoint = tcp:{port}:interface=127.0.0.1
[realm:open]
authenticators = login guests
authorizers = roles
[authenticator:login]
use = demo_login:NoPasswords
people = anna ben carla
role = guest
[authenticator:guests]
use = anonymous
role = guest
[role:guest]
permissions =
    any all
[component:presence]
use = presence:Presence
prefix = acme/presence/
role = guest
"""
TWELVE, THIRTEEN = "acme/presence/account/12", "acme/presence/account/13"


class Documented(SynchronousTestCase):
    """The sections that docs/examples.md shows."""

    def test_in_a_realm_of_oros(self) -> None:
        """They are a configuration without faults or warnings, in which users listen and the component alone speaks."""
        directory = Path(self.mktemp())
        directory.mkdir()
        (text,) = re.findall(r"(?ms)^```ini\n(.*?)^```$", (TREE / "docs" / "examples.md").read_text())
        rest = REST.replace("[router]\nstate = .\n", "").replace("[topics:oro]\nuse = oro\n", "")
        realm = "[realm:oro]\nauthenticators = ticket\nauthorizers = topics:oro roles\n"
        (directory / "router.ini").write_text(text.replace("/opt/acme/plugins", str(TREE / "examples")) + rest + realm)
        self.patch(sys, "path", list(sys.path))
        configuration = load(directory / "router.ini", {"SECRET": "0123456789abcdef", "HOME": str(directory)}, 65536)
        of_the_checkout = "modules are run from there"  # it may lie where others can write
        self.assertEqual([one for one in configuration.warnings if of_the_checkout not in one], [])
        chain = Container(configuration, Clock()).realms["oro"].chain
        user, own = principal(), principal("presence", authrole="presence", user_id=None)
        for who, action, uri, verdict in [
            (user, Action.SUBSCRIBE, TWELVE, Verdict.ALLOW),
            (user, Action.PUBLISH, TWELVE, Verdict.DENY),
            (user, Action.SUBSCRIBE, "wamp.session.on_join", Verdict.DENY),
            (user, Action.CALL, "wamp.session.list", Verdict.DENY),
            (own, Action.PUBLISH, TWELVE, Verdict.ALLOW),
            (own, Action.SUBSCRIBE, "wamp.subscription.on_create", Verdict.ALLOW),
            (own, Action.CALL, "wamp.session.kill_all", Verdict.DENY),
        ]:
            self.assertIs(chain.decide(who, action, uri, Match.EXACT, {}).verdict, verdict, (who.authid, uri))


class Presence(SynchronousTestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="presence-")
        self.addCleanup(holder.cleanup)
        self.port = free_port()
        config = Path(holder.name) / "router.ini"
        config.write_text(CONFIGURATION.format(examples=TREE / "examples", port=self.port))
        self.child = start(config)
        self.addCleanup(self.child.end)
        self.child.wait_for_line("[component:presence] has started")

    def client(self, user: str, *topics: str) -> RawClient:
        client = RawClient(f"ws://127.0.0.1:{self.port}/")
        self.addCleanup(client.close)
        client.join("open", authid=user, authmethods=["demo"])
        for number, topic in enumerate(topics, 1):
            client.send([32, number, {}, topic])
            self.assertEqual(client.read()[:2], [33, number])
        return client

    def hears(self, client: RawClient, *people: str) -> None:
        """The next message is an event that says who is there."""
        message: Any = client.read()
        self.assertEqual((message[0], message[4]), (36, [list(people)]))

    def test_coming_and_going(self) -> None:
        """Everybody hears of everybody else at the same record, and of nobody elsewhere; a lost connection is an end,
        and who has two windows is there until both are closed."""
        anna = self.client("anna", TWELVE)
        self.hears(anna, "anna")
        ben = self.client("ben", TWELVE)
        self.hears(anna, "anna", "ben")
        self.hears(ben, "anna", "ben")
        carla = self.client("carla", "acme/news", THIRTEEN)
        self.hears(carla, "carla")
        second = self.client("ben", TWELVE)
        for client in (anna, ben, second):
            self.hears(client, "anna", "ben")
        ben.close()
        for client in (anna, second):
            self.hears(client, "anna", "ben")
        second.send([34, 2, 1])
        self.assertEqual(second.read()[0], 8)
        second.close()
        self.hears(anna, "anna")
        self.assertTrue(carla.silent())

    def test_wamp_1(self) -> None:
        """A page of Oro's, which speaks WAMP v1, is there like any other."""
        old = RawClient(f"ws://127.0.0.1:{self.port}/", "wamp")
        self.addCleanup(old.close)
        self.assertEqual(old.read()[0], 0)
        old.send([5, TWELVE])
        (stranger,) = old.read()[2]
        self.client("anna", TWELVE)
        self.assertEqual(old.read(), [8, TWELVE, sorted([stranger, "anna"])])

    def test_started_again(self) -> None:
        """When the component is thrown out and comes back, it finds who is there."""
        anna, ben = self.client("anna", TWELVE), self.client("ben", TWELVE)
        for people in (["anna"], ["anna", "ben"]):
            self.hears(anna, *people)
        self.hears(ben, "anna", "ben")
        ben.send([48, 5, {}, "wamp.session.kill_by_authid", ["presence"]])
        self.assertEqual(ben.read()[0], 50)
        self.child.wait_for_line("component.ended (lost): component=presence")
        ben.close()
        self.hears(anna, "anna")
        self.client("carla", TWELVE)
        self.hears(anna, "anna", "carla")
