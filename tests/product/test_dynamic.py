"""Procedures of the application decide: a real router, a real program that decides, and clients that are judged."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client, Refused
from tests.product.raw import RawClient
from tests.product.running_router import TREE, start
from tests.support.ports import free_port
from tests.support.processes import Child

SECRET = "the secret of the desk"
FAILED, DENIED = "wamp.error.authorization_failed", "wamp.error.not_authorized"
CONFIGURATION = """
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional

[realm:oro]
authenticators = machines tickets guests
authorizers = roles acl

[authenticator:machines]
use = wampcra
user.desk = authorizer file:desk.secret
user.boss = boss file:desk.secret

[authenticator:tickets]
use = remote
method = ticket
procedure = com.example.authenticate
registered_by = authorizer
roles = user

[authenticator:guests]
use = anonymous
role = guest

[authorizer:acl]
use = remote
procedure = com.example.authorize
timeout = 1s
cache = 60s
purge = com.example.forget
purge_role = boss

[role:user]
permissions =
    prefix com.static. subscribe,publish
[role:guest]
permissions =
    prefix com.static. subscribe,publish
"""


class DynamicCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="dynamic-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        (self.directory / "desk.secret").write_text(SECRET)
        (self.directory / "router.ini").write_text(CONFIGURATION.format(port=self.port))
        self.router = start(self.directory / "router.ini")
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)

    def component(self, program: Path = TREE / "tests/product/deciding_component.py") -> Child:
        """The program that decides, when it can."""
        environ = {**os.environ, "DESK_SECRET": SECRET, "ROUTER": self.url, "ANNAS_TICKET": "t-123"}
        child = Child([sys.executable, str(program), self.url, str(self.directory)], environ=environ)
        self.addCleanup(child.end)
        return child

    def asked(self) -> list[Any]:
        """What the program was asked about, so far."""
        path = self.directory / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def client(self, authid: str, **options: Any) -> Client:
        client = Client("autobahn-python", self.url, authid=authid, ticket=f"ticket of {authid}", **options)
        self.addCleanup(client.end)
        return client

    def boss(self) -> Client:
        client = Client("autobahn-python", self.url, method="wampcra", authid="boss", secret=SECRET)
        self.addCleanup(client.end)
        return client

    def refused(self, client: Client, do: str, uri: str, **options: Any) -> str:
        """The error that a request gets."""
        with self.assertRaises(Refused) as caught:
            client.ask(do, uri, **options)
        return caught.exception.uri


class DecidingTests(DynamicCase):
    def test_answers(self) -> None:
        """A yes is a yes, a no is a no; whatever else comes, comes too late, or twice, makes nothing a yes."""
        self.component().wait_for_line("registered")
        anna = self.client("anna")
        anna.ask("subscribe", "com.t.allow")
        anna.ask("subscribe", "com.t.twice")
        for how, error in {
            "deny": DENIED, "garbage": FAILED, "raise": FAILED, "never": FAILED, "late": FAILED,
        }.items():  # fmt: skip
            self.assertEqual(self.refused(anna, "subscribe", f"com.t.{how}"), error, how)
        self.assertEqual(self.refused(anna, "call", "com.t.deny"), DENIED)
        self.assertEqual(self.refused(anna, "register", "com.t.", match="prefix"), DENIED)
        anna.ask("subscribe", "com.t.allow.wait-5")
        session, uri, action, options = next(one for one in self.asked() if one[1] == "com.t.")
        self.assertEqual((uri, action, options), ("com.t.", "register", {"match": "prefix"}))
        self.assertEqual((session["session"], session["authid"], session["authrole"]), (anna.session, "anna", "user"))
        self.assertEqual((session["authprovider"], session["authextra"]), ("tickets", {"desk": 7}))
        self.assertEqual(session["transport"]["websocket_protocol"], "wamp.2.json")
        self.assertNotIn("ticket of", json.dumps([one for one in self.asked() if len(one) == 4]))
        self.assertNotIn("ticket of", self.router.output)

    def test_killed_in_the_middle(self) -> None:
        """Who was asked is gone: that request fails at once, the next too, and what is known by rules goes on; a new
        program takes its place."""
        component = self.component()
        component.wait_for_line("registered")
        anna = self.client("anna")
        anna.ask("subscribe", "com.t.allow")
        began = time.monotonic()
        self.assertEqual(self.refused(anna, "subscribe", "com.t.die"), FAILED)
        self.assertLess(time.monotonic() - began, 0.9)
        self.assertEqual(self.refused(anna, "subscribe", "com.u.allow"), FAILED)
        with self.assertRaises(Refused) as caught:
            self.client("ben")
        self.assertEqual(caught.exception.uri, "wamp.error.authentication_failed")
        anna.ask("subscribe", "com.static.news")
        self.component().wait_for_line("registered")
        anna.ask("subscribe", "com.u.allow")

    def test_order(self) -> None:
        """Answers come out of order, and yet one client's messages keep theirs."""
        self.component().wait_for_line("registered")
        boss = self.client("boss")
        client = RawClient(self.url)
        self.addCleanup(client.close)
        client.send([1, "oro", {"roles": {"subscriber": {}}, "authmethods": ["ticket"], "authid": "anna"}])
        self.assertEqual(client.read()[0], 4)
        client.send([5, "ticket of anna", {}])
        self.assertEqual(client.read()[0], 2)
        waits = [400, 5, 200, 1, 100]
        client.send(*([32, number, {}, f"com.t.wait-{ms}"] for number, ms in enumerate(waits, 1)))
        self.assertEqual([client.read()[:2] for _ in waits], [[33, number] for number in range(1, 6)])
        boss.ask("subscribe", "com.t.wait-1")
        client.send([16, 9, {"acknowledge": True}, "com.t.wait-1", ["first"]], [16, 10, {}, "com.t.wait-1", ["second"]])
        self.assertEqual([boss.event()[1] for _ in range(2)], [["first"], ["second"]])

    def test_roles_of_an_authenticator(self) -> None:
        """A wrong ticket and a role that is not listed: the same answer, and different lines in the log."""
        self.component().wait_for_line("registered")
        anna = self.client("anna")
        self.assertEqual((anna.details["role"], anna.details["method"]), ("user", "ticket"))
        for authid, ticket in (("anna", "another"), ("mallory", "ticket of mallory")):
            with self.assertRaises(Refused) as caught:
                Client("autobahn-python", self.url, authid=authid, ticket=ticket)
            self.assertEqual(caught.exception.uri, "wamp.error.authentication_denied")
        self.router.wait_for_line("wrong_ticket")
        self.router.wait_for_line("role_not_listed")

    def test_reserved(self) -> None:
        """Nobody but the program's role registers what decides, in any form, and nobody calls it."""
        anybody = Client("autobahn-python", self.url)
        self.addCleanup(anybody.end)
        for uri, options in [
            ("com.example.authorize", {}), ("com.example.authorize", {"invoke": "roundrobin"}),
            ("com.example.authenticate", {}), ("com.example.forget", {}),
            ("com.example.", {"match": "prefix"}), ("com..authorize", {"match": "wildcard"}),
        ]:  # fmt: skip
            self.assertEqual(self.refused(anybody, "register", uri, **options), DENIED, (uri, options))
        self.component().wait_for_line("registered")
        for uri in ("com.example.authorize", "com.example.authenticate", "com.example.forget"):
            self.assertEqual(self.refused(anybody, "call", uri), DENIED)


class CacheTests(DynamicCase):
    def test_nobody_gets_somebody_elses(self) -> None:
        """Anna's yes is asked for once, and is not Carl's, who has her role; a purge has it asked for again."""
        self.component().wait_for_line("registered")
        anna, carl, boss = self.client("anna"), self.client("carl"), self.boss()
        for _ in range(2):
            anna.ask("subscribe", "com.t.cached")
            anna.ask("unsubscribe", "com.t.cached")
            self.assertEqual(self.refused(carl, "subscribe", "com.t.cached"), DENIED)
        self.assertEqual([one[0]["authid"] for one in self.asked() if len(one) == 4], ["anna", "carl"])
        self.assertEqual(self.refused(anna, "call", "com.example.forget"), DENIED)
        boss.ask("call", "com.example.forget")
        self.router.wait_for_line("authorizer.purged (acl)")
        anna.ask("subscribe", "com.t.cached")
        self.assertEqual(len([one for one in self.asked() if len(one) == 4]), 3)


class ReloadTests(DynamicCase):
    def test_rules_change(self) -> None:
        """SIGHUP: what the new rules do not give is taken away from those who have it, and from nobody else; a file
        that is unsound changes nothing."""
        self.component().wait_for_line("registered")
        client = RawClient(self.url)
        self.addCleanup(client.close)
        roles = {"subscriber": {"features": {"subscription_revocation": True}}}
        client.send([1, "oro", {"roles": roles, "authmethods": ["anonymous"]}])
        self.assertEqual(client.read()[0], 2)
        client.send([32, 1, {}, "com.static.news"], [32, 2, {}, "com.static.more"])
        number = client.read()[2]
        self.assertEqual(client.read()[0], 33)
        path, text = self.directory / "router.ini", CONFIGURATION.format(port=self.port)
        path.write_text(text.replace("[role:guest]", "[role:gest]").replace("subscribe,publish", "subscribe,shout"))
        self.hang_up("the old rules stay")
        self.assertTrue(client.silent())
        rule = "[role:guest]\npermissions =\n    exact com.static.more subscribe"
        path.write_text(text[: text.index("[role:guest]")] + rule + "\n")
        self.hang_up("rules reloaded")
        reason = {"subscription": number, "reason": DENIED}
        self.assertEqual(client.read(), [35, 0, reason])
        client.send([32, 3, {}, "com.static.more"])
        self.assertEqual(client.read()[:2], [33, 3])

    def hang_up(self, until: str) -> None:
        self.router.process.send_signal(signal.SIGHUP)
        self.router.wait_for_line(until)


class OtherClientsTests(DynamicCase):
    def test_others_do_not_notice(self) -> None:
        """While many wait for a program that never answers, another client on a topic of the rules is served;
        and nothing of the waiting is left."""
        self.component().wait_for_line("registered")
        waiting = [self.client("anna") for _ in range(3)]
        uninvolved = RawClient(self.url)
        self.addCleanup(uninvolved.close)
        uninvolved.send([1, "oro", {"roles": {"subscriber": {}, "publisher": {}}, "authmethods": ["anonymous"]}])
        self.assertEqual(uninvolved.read()[0], 2)
        uninvolved.send([32, 1, {}, "com.static.news"])
        self.assertEqual(uninvolved.read()[0], 33)
        over = threading.Event()

        def storm() -> None:
            for number in range(4):
                tickets = [client.send("subscribe", f"com.t{number}.never") for client in waiting]
                for client, ticket in zip(waiting, tickets, strict=True):
                    self.assertRaises(Refused, client.wait, ticket)
            over.set()

        thread = threading.Thread(target=storm)
        thread.start()
        took = []
        while not over.is_set():
            began = time.monotonic()
            uninvolved.send([16, 1, {"exclude_me": False}, "com.static.news", [1]])
            self.assertEqual(uninvolved.read()[0], 36)
            took.append(time.monotonic() - began)
            time.sleep(0.01)
        thread.join()
        self.assertGreater(len(took), 100)
        self.assertLess(sorted(took)[int(len(took) * 0.99)], 0.1)
        for client in waiting:
            client.ask("subscribe", "com.t.allow")


class PageTests(DynamicCase):
    def test_the_example(self) -> None:
        """What docs/dynamic.md shows does what it says."""
        page = (TREE / "docs/dynamic.md").read_text()
        example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
        (self.directory / "desk.py").write_text(example)
        self.component(self.directory / "desk.py")
        deadline = time.monotonic() + 20
        while True:
            try:
                anna = Client("autobahn-python", self.url, authid="anna", ticket="t-123")
                break
            except Refused:
                self.assertLess(time.monotonic(), deadline, "the example did not come")
                time.sleep(0.2)
        self.addCleanup(anna.end)
        anna.ask("subscribe", "com.example.of.anna.news")
        self.assertEqual(self.refused(anna, "subscribe", "com.example.of.ben.news"), DENIED)
