"""The meta API, retained events, history and testaments as autobahn-python and autobahn-js use them, over sockets."""

from __future__ import annotations

import queue
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product import running_router
from tests.product.clients import SECONDS, Client, Refused
from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter, shared

REALM = """
history =
    prefix com.example.log. events=100 age=1h
"""
ROLES = """
[role:oro/user]
permissions =
    prefix com.example. all
    prefix wamp. call,subscribe
    exact wamp.session.kill_all call
    deny exact wamp.registration.list
"""


class MetaTests(SynchronousTestCase):
    """Anna looks and ends, Ben is looked at and ended."""

    def setUp(self) -> None:
        self.router = shared(realm=REALM, more=ROLES)
        self.anna, self.ben = self.client("anna"), self.client("ben")

    def client(self, user: str, library: str = "autobahn-python") -> Client:
        client = Client(library, self.router.url(user))
        self.addCleanup(client.end)
        return client

    def call(self, procedure: str, *args: Any, by: Client | None = None, **kwargs: Any) -> list[Any]:
        result = (by or self.anna).ask("call", procedure, list(args), kwargs)
        found: list[Any] = result["args"]
        return found

    def left(self, client: Client) -> dict[str, Any]:
        """What the client heard when its session was ended."""
        try:
            return client._ready.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError("it is still there") from None

    def test_looking(self) -> None:
        """Sessions and subscriptions can be looked at, by clients that may, and by no others."""
        both = sorted([self.anna.session, self.ben.session])
        self.assertEqual(self.call("wamp.session.count"), [2])
        self.assertEqual(sorted(self.call("wamp.session.list")[0]), both)
        (about,) = self.call("wamp.session.get", self.ben.session)
        self.assertEqual((about["authid"], about["authrole"], about["authmethod"]), ("ben", "user", "ticket"))
        self.ben.ask("subscribe", "com.example.x")
        (number,) = self.call("wamp.subscription.lookup", "com.example.x")
        self.assertEqual(self.call("wamp.subscription.list_subscribers", number), [[self.ben.session]])
        with self.assertRaises(Refused) as caught:
            self.call("wamp.registration.list")
        self.assertEqual(caught.exception.uri, "wamp.error.not_authorized")
        with self.assertRaises(Refused) as caught:
            self.anna.ask("register", "wamp.session.count")
        self.assertEqual(caught.exception.uri, "wamp.error.not_authorized")

    def test_events(self) -> None:
        """Who joins, leaves and subscribes is told, also of a client whose process was killed."""
        for topic in ("session.on_join", "session.on_leave", "subscription.on_create", "subscription.on_delete"):
            self.anna.ask("subscribe", f"wamp.{topic}")
        other = self.client("ben", "autobahn")
        topic, ((about), *_), _ = self.anna.event()
        self.assertEqual((topic, about["session"]), ("wamp.session.on_join", other.session))
        other.ask("subscribe", "com.example.x")
        topic, args, _ = self.anna.event()
        self.assertEqual(
            (topic, args[0], args[1]["uri"]), ("wamp.subscription.on_create", other.session, "com.example.x")
        )
        other.end()
        told = [self.anna.event()[:2] for _ in range(2)]
        gone = ("wamp.session.on_leave", [other.session, "ben", "user"])
        self.assertEqual([topic for topic, _ in told], ["wamp.subscription.on_delete", "wamp.session.on_leave"])
        self.assertEqual(told[1], gone)

    def test_killing(self) -> None:
        """A killed client hears why and is gone; one that does not listen is gone as well, and one of v1."""
        self.call("wamp.session.kill", self.ben.session, reason="com.example.bye", message="off you go")
        self.assertEqual(self.left(self.ben), {"left": "com.example.bye", "message": "off you go"})
        deaf = RawClient(self.router.url("ben")).join("oro")
        old = RawClient(self.router.url("ben"), "wamp")
        old.read()
        self.assertEqual(self.call("wamp.session.count"), [3])
        self.assertEqual(len(self.call("wamp.session.kill_by_authid", "ben")[0]), 2)
        self.assertEqual(self.call("wamp.session.count"), [1])
        self.assertEqual(deaf.read(), [6, {}, "wamp.close.killed"])
        self.assertEqual((deaf.ended(), old.ended()), (1000, None))
        for raw in (deaf, old):
            raw.close()

    def test_revoked(self) -> None:
        """A subscription that was taken away is over, nothing else of the client's is. (Not so with autobahn-python: it
        announces that it understands, and ends its session.)"""
        clients = [self.client("ben", library) for library in ("autobahn", "wampy")]
        for client in (*clients, self.anna):
            client.ask("subscribe", "com.example.x")
        (number,) = self.call("wamp.subscription.lookup", "com.example.x")
        for client in clients:
            self.call("wamp.subscription.remove_subscriber", number, client.session, "com.example.no_longer")
        self.assertEqual(self.call("wamp.subscription.list_subscribers", number), [[self.anna.session]])
        self.ben.ask("publish", "com.example.x", [1], acknowledge=True)
        self.assertEqual(self.anna.event(), ("com.example.x", [1], {}))
        for client in clients:
            self.assertTrue(client.silent(0.1))
            client.ask("subscribe", "com.example.y")
        self.ben.ask("publish", "com.example.y", [2], acknowledge=True)
        for client in clients:
            self.assertEqual(client.event(), ("com.example.y", [2], {}))

    def test_retained(self) -> None:
        """A retained event waits for who comes later, with every filter of its publication."""
        publish = {"retain": True, "acknowledge": True}
        self.anna.ask("publish", "com.example.state", ["on"], **publish)
        self.anna.ask("publish", "com.example.state", ["secret"], exclude_authid=["ben"], **publish)
        late = self.client("ben")
        late.ask("subscribe", "com.example.state", get_retained=True)
        self.assertEqual(late.event(), ("com.example.state", ["on"], {}))
        self.assertTrue(late.silent(0.1))
        late = self.client("anna")
        late.ask("subscribe", "com.example.", match="prefix", get_retained=True)
        self.assertEqual(late.event(), ("com.example.state", ["secret"], {}))

    def test_testament(self) -> None:
        """What a client left is published when its process is killed, and not before."""
        self.anna.ask("subscribe", "com.example.gone")
        self.call("wamp.session.add_testament", "com.example.gone", ["Seeya!"], {"who": "ben"}, by=self.ben)
        self.assertTrue(self.anna.silent(0.1))
        self.ben.end()
        self.assertEqual(self.anna.event(), ("com.example.gone", ["Seeya!"], {"who": "ben"}))
        with self.assertRaises(Refused) as caught:
            self.call("wamp.session.add_testament", "oro/data/update", [])
        self.assertEqual(caught.exception.uri, "wamp.error.not_authorized")

    def test_history(self) -> None:
        """What was published can be asked for later, page by page."""
        for number in range(3):
            self.ben.ask("publish", "com.example.log.a", [number], acknowledge=True)
        (number,) = self.call("wamp.subscription.lookup", "com.example.log.", {"match": "prefix"})
        first, second = self.call("wamp.subscription.get_events", number, limit=2)
        self.assertEqual([first["args"], second["args"]], [[0], [1]])
        self.assertEqual(first["details"], {"topic": "com.example.log.a"})
        (last,) = self.call("wamp.subscription.get_events", number, after_publication=second["publication"])
        self.assertEqual(last["args"], [2])

    def test_v1(self) -> None:
        """A client of WAMP v1 asks by CALL."""
        with RawClient(self.router.url("anna"), "wamp") as old:
            old.read()
            old.send([2, "a", "wamp.session.count"])
            self.assertEqual(old.read(), [3, "a", 3])


class ChannelTests(SynchronousTestCase):
    """A channel that is declared retained."""

    CHANNEL = "use = oro\nchannel.acme/state = subscribe user; publish backend; retained\n"

    def test_from_php_to_pages(self) -> None:
        """What PHP published before a page was opened reaches the page when it subscribes: nothing behind WELCOME, the
        event behind SUBSCRIBE. A client of v2 gets it when it asks; the state of maintenance is told as ever."""
        self.patch(
            running_router, "CONFIGURATION", running_router.CONFIGURATION.replace("use = oro\n", self.CHANNEL, 1)
        )
        with RunningRouter() as running:
            running.publish(topic="acme/state", payload={"isOn": True})
            with RawClient(running.url("anna"), "wamp") as page:
                self.assertEqual(page.read()[0], 0)
                self.assertTrue(page.silent(0.1))
                page.send([5, "acme/state"], [5, "oro/maintenance"])
                self.assertEqual(page.read(), [8, "acme/state", {"isOn": True}])
                self.assertEqual(page.read(), [8, "oro/maintenance", {"isOn": False, "userId": None}])
            with RawClient(running.url("ben")).join("oro") as client:
                client.send([32, 1, {}, "acme/state"], [32, 2, {"get_retained": True}, "acme/state"])
                self.assertEqual([client.read()[0] for _ in range(2)], [33, 33])
                self.assertEqual(client.read()[3:], [{"retained": True}, [{"isOn": True}]])
                client.send([32, 3, {}, "wamp.session.on_join"], [48, 4, {}, "wamp.session.count"])
                self.assertEqual([client.read()[4] for _ in range(2)], ["wamp.error.not_authorized"] * 2)
