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
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start
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
history = exact acme/presence/account/kept
[authenticator:login]
use = demo_login:NoPasswords
people = anna ben carla {people}
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
PEOPLE = " ".join(f"user-{number}" for number in range(30))
TWELVE, THIRTEEN, KEPT = (f"acme/presence/account/{record}" for record in (12, 13, "kept"))


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
        config.write_text(CONFIGURATION.format(examples=TREE / "examples", port=self.port, people=PEOPLE))
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

    def hears(self, client: RawClient, **expected: object) -> None:
        """The next message is an event that says this."""
        message: Any = client.read()
        self.assertEqual((message[0], message[4]), (36, [expected]))

    def test_coming_and_going(self) -> None:
        """Everybody hears of everybody else at the same record, and of nobody elsewhere; a lost connection is an end,
        and who has two windows is there until both are closed."""
        anna = self.client("anna", TWELVE)
        self.hears(anna, here=["anna"])
        ben = self.client("ben", TWELVE)
        self.hears(ben, here=["anna", "ben"])
        self.hears(anna, came="ben")
        carla = self.client("carla", "acme/news", THIRTEEN)
        self.hears(carla, here=["carla"])
        second = self.client("ben", TWELVE)
        self.hears(second, here=["anna", "ben"])
        ben.close()
        second.send([48, 2, {}, "wamp.subscription.lookup", [TWELVE]])
        (subscription,) = second.read()[3]
        second.send([34, 3, subscription])
        self.assertEqual(second.read(), [35, 3])
        self.hears(anna, went="ben")
        second.close()
        self.client("ben", TWELVE)
        self.hears(anna, came="ben")
        self.assertTrue(carla.silent())

    def test_cost(self) -> None:
        """With many at a record, one more costs each of them one short event, and itself one list; leaving costs each
        one short event."""
        libraries = [self.client(f"user-{number}", TWELVE) for number in range(30)]
        for place, client in enumerate(libraries):
            self.hears(client, here=[f"user-{number}" for number in range(place + 1)])
            for number in range(place + 1, len(libraries)):
                self.hears(client, came=f"user-{number}")
        anna = self.client("anna", TWELVE)
        self.hears(anna, here=[*(f"user-{number}" for number in range(30)), "anna"])
        anna.close()
        for client in libraries:
            self.hears(client, came="anna")
            self.hears(client, went="anna")
        self.assertTrue(libraries[0].silent())

    def test_opened_again(self) -> None:
        """A record that nobody had open for a while is one again for the next, also where its events are kept."""
        for topic in (TWELVE, KEPT):
            for user in ("anna", "ben"):
                client = self.client(user, topic)
                self.hears(client, here=[user])
                client.close()

    def test_wamp_1(self) -> None:
        """A page of Oro's, which speaks WAMP v1, is there like any other."""
        old = RawClient(f"ws://127.0.0.1:{self.port}/", "wamp")
        self.addCleanup(old.close)
        self.assertEqual(old.read()[0], 0)
        old.send([5, TWELVE])
        (stranger,) = old.read()[2]["here"]
        anna = self.client("anna", TWELVE)
        self.hears(anna, here=[stranger, "anna"])
        self.assertEqual(old.read(), [8, TWELVE, {"came": "anna"}])

    def test_started_again(self) -> None:
        """When the component is thrown out and comes back, it finds who is there and tells all of them once."""
        anna, ben = self.client("anna", TWELVE), self.client("ben", TWELVE)
        self.hears(anna, here=["anna"])
        self.hears(anna, came="ben")
        self.hears(ben, here=["anna", "ben"])
        ben.send([48, 5, {}, "wamp.session.kill_by_authid", ["presence"]])
        self.assertEqual(ben.read()[0], 50)
        self.child.wait_for_line("component.ended (lost): component=presence")
        ben.close()
        self.hears(anna, here=["anna"])
        self.client("carla", TWELVE)
        self.hears(anna, came="carla")
