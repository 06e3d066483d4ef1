"""Oro's browsers and PHP, which Crossbar.io cannot serve, meet its clients over the uplink of a realm.

Everything is real: a node of Crossbar.io, orosync as a process, Oro's v1 client and publisher, autobahn's clients.
"""

from __future__ import annotations

import json
import queue
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.config.files import SOUND, FilesCase
from tests.product.clients import TREE, Client, Refused
from tests.product.running_router import RunningRouter
from tests.support import crossbar
from tests.support.crossbar import Node, one_worker, role, shared, websocket
from tests.support.ports import free_port

TICKET = "a ticket of at least sixteen bytes"
WARES = "com.acme."


def permission(uri: str, match: str = "prefix", disclose: bool = False, **allow: bool) -> dict[str, Any]:
    """One of Crossbar.io's."""
    return {"uri": uri, "match": match, "allow": allow, "disclose": {"publisher": disclose, "caller": disclose}}


LINK = role(
    "orosync",
    permission("oro/data/update", "exact", publish=True, disclose=True),
    permission(f"{WARES}out.", publish=True, disclose=True),
    permission(f"{WARES}in.", subscribe=True),
    permission(f"{WARES}theirs.", call=True),
    permission(f"{WARES}ours.", register=True),
)
"""The role of the uplink there: what docs/uplink.md has an administrator write."""


def node() -> Node:
    """Crossbar.io with two realms, alike; anybody may do everything, the uplink what it is for."""
    port, raw = free_port(), free_port()
    ways = {
        "anonymous": {"type": "static", "role": "anonymous"},
        "ticket": {"type": "static", "principals": {"orosync": {"ticket": TICKET, "role": "orosync"}}},
    }
    anybody = role(
        "anonymous", {"uri": "", "match": "prefix", "allow": crossbar.EVERYTHING, "disclose": {"publisher": True}}
    )
    return Node(
        one_worker(
            realms=[crossbar.realm("realm1", LINK, anybody)],
            transports=[websocket(port, auth=ways), crossbar.rawsocket(raw, auth=ways)],
        )
    )


JOINED = """
[uplink:oro]
realm = realm1
authid = orosync
ticket = file:ticket
publish = exact oro/data/update, prefix com.acme.out.
subscribe = prefix com.acme.in.
call = prefix com.acme.theirs.
register = prefix com.acme.ours.
retry = 1s
{more}

[role:oro/user]
permissions =
    prefix com.acme. all disclose

[role:oro/uplink]
permissions =
    prefix com.acme.in. publish
    prefix com.acme.ours. call
"""


class UplinkTests(SynchronousTestCase):
    def setUp(self):
        self.node = shared("uplink", node)
        self.there = f"ws://127.0.0.1:{self.node.ports[0]}"

    def router(self, url: str = "", more: str = "", joined: str = JOINED) -> RunningRouter:
        router = RunningRouter(
            realm=f"uplink = {url or self.there}", more=joined.format(more=more), files={"ticket": TICKET}
        )
        self.addCleanup(router.close)
        router.child.wait_for_line("uplink.joined")
        return router

    def client(self, library: str, url: str, **options: Any) -> Client:
        client = Client(library, url, **options)
        self.addCleanup(client.end)
        return client

    def far(self) -> Client:
        return self.client("autobahn-python", self.there, realm="realm1")

    def until_heard(self, publish: Any, client: Client, seconds: float = 20.0) -> Any:
        """Publish again and again until somebody hears it: how long healing takes is not known to the client."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            publish()
            try:
                return client.events.get(timeout=0.2)
            except queue.Empty:
                continue
        raise AssertionError("nothing was heard")

    def test_oro_meets_crossbar(self):
        """A page and PHP of Oro's here, a client there: events both ways and a call each way."""
        router = self.router()
        page, far = self.client("wamp1", router.url("anna")), self.far()
        far.ask("subscribe", "oro/data/update")
        page.ask("subscribe", f"{WARES}in.stock")
        router.publish(payload=[{"username": "admin", "tagname": "Über 1"}], linger=0.2)
        self.assertEqual(far.event(), ("oro/data/update", [[{"username": "admin", "tagname": "Über 1"}]], {}))
        far.ask("publish", f"{WARES}in.stock", [{"left": 2**53 - 1, "of": [1.5, None, "é"]}])
        self.assertEqual(page.event()[1], [{"left": 2**53 - 1, "of": [1.5, None, "é"]}])

        far.ask("register", f"{WARES}theirs.price")
        self.assertEqual(page.ask("call", f"{WARES}theirs.price", ["chair"]), {"args": ["chair"], "kwargs": {}})
        shop = self.client("autobahn-python", router.url("ben"))
        shop.ask("register", f"{WARES}ours.order")
        answer = far.ask("call", f"{WARES}ours.order", [{"binary": "00ff"}], {"k": 2**60})
        self.assertEqual(answer, {"args": [{"binary": "00ff"}], "kwargs": {"k": 2**60}})
        with self.assertRaises(Refused) as refused:
            far.ask("call", f"{WARES}ours.order", ["no"], {"fail": "com.acme.error.sold"})
        self.assertEqual(refused.exception.uri, "com.acme.error.sold")
        with self.assertRaises(Refused) as refused:
            page.ask("call", f"{WARES}theirs.nothing", [])
        self.assertEqual(refused.exception.uri, "wamp.error.no_such_procedure")

        far.ask("subscribe", f"{WARES}out.sold")
        shop.ask("publish", f"{WARES}out.sold", [{"binary": "fe00"}], {"n": 1})
        event = far.events.get(timeout=15)
        self.assertEqual((event["args"], event["kwargs"], event["by"]), ([{"binary": "fe00"}], {"n": 1}, "ben"))
        self.assertRegex(event["hash"], r"^orosync:[0-9]+:[0-9a-f]+$")  # the trail, which Crossbar.io hands on
        shop.ask("subscribe", f"{WARES}in.stock")
        far.ask("publish", f"{WARES}in.stock", ["y"])
        self.assertEqual(page.event()[1], ["y"])
        event = shop.events.get(timeout=15)
        self.assertEqual((event["args"], event["by"]), (["y"], far.details["authid"]))
        for client in (page, far, shop):
            self.assertTrue(client.silent(), "an echo")
        for log in (router.log, self.node.log.rpartition("NODE_BOOT_COMPLETE")[2]):
            self.assertNotIn("Traceback", log)

    def test_raw_sockets(self):
        """The same over RawSocket, in MessagePack and CBOR."""
        for serializer in ("msgpack", "cbor"):
            router = self.router(f"rs://127.0.0.1:{self.node.ports[1]}", f"serializer = {serializer}")
            page, far = self.client("wamp1", router.url("anna")), self.far()
            page.ask("subscribe", f"{WARES}in.stock")
            far.ask("subscribe", "oro/data/update")
            router.publish(payload={"n": 1}, linger=0.2)
            self.assertEqual(far.event()[1], [{"n": 1}])
            far.ask("publish", f"{WARES}in.stock", ["x"])
            self.assertEqual(page.event()[1], ["x"])
            router.close()

    def test_both_restart(self):
        """Crossbar.io goes and comes back, then orosync: each time both ways heal within seconds."""
        self.node = node().start()
        self.addCleanup(self.node.end)
        self.there = f"ws://127.0.0.1:{self.node.ports[0]}"
        router = self.router()
        page = self.client("wamp1", router.url("anna"))
        page.ask("subscribe", f"{WARES}in.stock")
        self.node.kill()
        router.child.wait_for_line("uplink.failed (lost)")
        router.publish(times=3)
        with self.assertRaises(Refused) as refused:
            page.ask("call", f"{WARES}theirs.price", [])
        self.assertEqual(refused.exception.uri, "wamp.error.network_failure")
        self.node.start()
        router.child.wait_for_line("events_lost=3")
        far = self.far()
        self.until_heard(lambda: far.ask("publish", f"{WARES}in.stock", ["again"]), page, 10.0)

        self.assertEqual(router.child.end(), 0)
        router.start()
        router.child.wait_for_line("uplink.joined")
        page = self.client("wamp1", router.url("anna"))
        page.ask("subscribe", f"{WARES}in.stock")
        self.until_heard(lambda: far.ask("publish", f"{WARES}in.stock", ["again"]), page, 10.0)
        far.ask("subscribe", "oro/data/update")
        router.publish(payload="here", linger=0.2)
        self.assertEqual(far.event()[1], ["here"])

    def test_two_at_one_crossbar(self):
        """Two routers joined to one realm, each for both ways: everybody hears everything once."""
        joined = JOINED.replace("publish = exact oro/data/update, prefix com.acme.out.", "publish = prefix com.acme.")
        joined = joined.replace("ticket = file:ticket\n", "").replace(
            "subscribe = prefix com.acme.in.", "subscribe = prefix com.acme."
        )
        joined = joined.replace("prefix com.acme.in. publish", "prefix com.acme. publish").replace(
            "authid = orosync\n", ""
        )
        first, second = self.router(joined=joined), self.router(joined=joined)
        clients = [
            self.client("autobahn-python", first.url("anna")),
            self.client("autobahn-python", second.url("anna")),
            self.far(),
        ]
        for client in clients:
            client.ask("subscribe", f"{WARES}news")
        for number, client in enumerate(clients):
            client.ask("publish", f"{WARES}news", [number])
        time.sleep(1.0)
        self.assertEqual([sorted(client.heard()) for client in clients], [[1, 2], [0, 2], [0, 1]])

    def test_their_rules(self):
        """What the role there does not allow is told in the log; the rest passes."""
        joined = JOINED.replace("subscribe = prefix com.acme.in.", "subscribe = prefix com.acme.in., prefix com.other.")
        router = self.router(joined=joined)
        line = router.child.wait_for_line("uplink.refused (subscribe)")
        self.assertIn('uri="prefix com.other."', line)
        self.assertIn("not_authorized", line)
        page, far = self.client("wamp1", router.url("anna")), self.far()
        page.ask("subscribe", f"{WARES}in.stock")
        self.until_heard(lambda: far.ask("publish", f"{WARES}in.stock", ["x"]), page)

    def test_a_flood(self):
        """More from there than passes is dropped and counted; who is here notices nothing but what is meant for him."""
        router = self.router(more="event_rate = 20")
        page, far = self.client("wamp1", router.url("anna")), self.far()
        page.ask("subscribe", f"{WARES}in.flood")
        page.ask("subscribe", "oro/data/update")
        for _ in range(1000):
            far.send("publish", f"{WARES}in.flood", ["x" * 1000])
        began = time.monotonic()
        router.publish(payload="in between", linger=0.2)
        flood = 0
        while (event := page.event())[0] != "oro/data/update":
            flood += 1
        self.assertLess(time.monotonic() - began, 10)
        far.ask("publish", f"{WARES}in.end", [])
        router.child.wait_for_line("uplink.dropped (rate)")
        time.sleep(0.5)
        self.assertLess(flood + page.events.qsize(), 100 + 20 * (time.monotonic() - began + 5))
        self.assertEqual(event[1], ["in between"])


class PageTests(FilesCase):
    """docs/uplink.md."""

    def test_the_example(self):
        """The configuration that the page gives is sound as it stands, and Crossbar.io's words there are JSON."""
        blocks = ["\n".join(line[4:] for line in block) for block in _blocks((TREE / "docs" / "uplink.md").read_text())]
        ini, roles, ways = blocks[:3]
        self.write(TICKET, "ticket")
        text = SOUND.replace("[realm:oro]\nauthenticators = ticket\nauthorizers = topics:oro\n", "")
        self.assertNotIn("[realm:oro]", text)
        configuration = self.load(text + ini.replace("file:/etc/orosync/uplink.ticket", "file:ticket"))
        self.assertEqual(configuration.warnings, ())
        section = configuration.uplinks["oro"]
        allowed = json.loads("{" + roles + "}")["roles"][0]["permissions"]
        for word in ("publish", "subscribe", "call"):
            ours = [(pattern.match.value, pattern.uri) for pattern in getattr(section, word)]
            self.assertEqual(ours, [(one["match"], one["uri"]) for one in allowed if one["allow"].get(word)], word)
        self.assertEqual(json.loads("{" + ways + "}")["auth"]["ticket"]["principals"]["orosync"]["role"], "orosync")


def _blocks(page: str) -> list[list[str]]:
    """The indented blocks of a page, blank lines within them included."""
    found: list[list[str]] = [[]]
    for line in page.split("\n"):
        if line.startswith("    ") or (not line and found[-1]):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]
