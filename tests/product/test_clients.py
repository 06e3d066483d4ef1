"""Other people's clients, v1 and v2, in every serializer: publish, subscribe, call, register, errors."""

from __future__ import annotations

import itertools

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client, Refused
from tests.product.running_router import RunningRouter, shared

V2 = [*itertools.product(["autobahn-python", "autobahn", "wampy"], ["json", "msgpack", "cbor"])]
VALUES = [1, -7, 1.5, "text", "\u00fcml\u00e4ut \U0001f600", True, None, [1, [2]], {"a": {"b": []}}, 2**40]


class ClientTests(SynchronousTestCase):
    def setUp(self):
        self.router = shared()

    def client(self, library, serializer="json", **options):
        options.setdefault("realm", "open")
        url = self.router.url(secure=options.pop("secure", False))
        client = Client(library, url, serializer=serializer, **options)
        self.addCleanup(client.end)
        return client

    def test_publish_and_subscribe(self):
        """What one client publishes every other hears, value for value, in order, whatever each speaks."""
        clients = {who: self.client(*who) for who in V2}
        for client in clients.values():
            client.ask("subscribe", "com.example.news")
        for who, publisher in clients.items():
            self.assertEqual(
                publisher.ask("publish", "com.example.news", VALUES, {"from": list(who)}, acknowledge=True), "published"
            )
            for other, client in clients.items():
                if other != who:
                    self.assertEqual(client.event(), ("com.example.news", VALUES, {"from": list(who)}), (who, other))
        for client in clients.values():
            self.assertTrue(client.silent(0.05))

    def test_calls_and_errors(self):
        """Every client calls a procedure of every other; results and errors come back as they were."""
        clients = {who: self.client(*who) for who in V2}
        for (library, serializer), client in clients.items():
            client.ask("register", f"com.example.{library}.{serializer}".replace("-", "_"))
        for caller in clients.values():
            for library, serializer in V2:
                procedure = f"com.example.{library}.{serializer}".replace("-", "_")
                result = caller.ask("call", procedure, VALUES, {"key": "value"})
                self.assertEqual(result, {"args": VALUES, "kwargs": {"key": "value"}})
                with self.assertRaises(Refused) as caught:
                    caller.ask("call", procedure, ["why"], {"fail": "com.example.failed"})
                self.assertEqual(caught.exception.uri, "com.example.failed")
            with self.assertRaises(Refused) as caught:
                caller.ask("call", "com.example.nobody")
            self.assertEqual(caught.exception.uri, "wamp.error.no_such_procedure")

    def test_patterns_and_leaving(self):
        """Prefix and wildcard subscriptions in every client; after unsubscribing nothing comes."""
        publisher = self.client("autobahn-python")
        for who in V2:
            with self.client(*who) as client:
                client.ask("subscribe", "com.example", match="prefix")
                client.ask("subscribe", "com..news", match="wildcard")
                publisher.ask("publish", "com.example.news", [1], acknowledge=True)
                self.assertEqual([client.event()[0] for _ in range(2)], ["com.example.news"] * 2, who)
                client.ask("subscribe", "org.example.other")
                client.ask("unsubscribe", "org.example.other")
                publisher.ask("publish", "org.example.other", [2], acknowledge=True)
                self.assertTrue(client.silent(0.1), who)

    def test_binary_crosses_serializers(self):
        """Bytes stay bytes from MessagePack and CBOR to JSON clients and back."""
        packed = [self.client("autobahn-python", s) for s in ("msgpack", "cbor")]
        text = self.client("autobahn-python", "json")
        for client in (*packed, text):
            client.ask("subscribe", "com.example.blob")
        everybody = [*packed, text]
        for publisher in everybody:
            publisher.ask("publish", "com.example.blob", [{"binary": "00ff80"}], acknowledge=True)
            for client in everybody:
                if client is not publisher:
                    self.assertEqual(client.event()[1], [{"binary": "00ff80"}])

    def test_v1_beside_v2(self):
        """On one topic in publishing order."""
        old, new = self.v1("anna"), Client("autobahn", self.router.url("ben"))
        self.addCleanup(new.end)
        for client in (old, new):
            client.ask("subscribe", "oro/data/update")
        self.router.publish(port=self.router.backend, per_connection=100, linger=0.2)
        for client in (old, new):
            self.assertEqual([client.event()[1][0]["k"] for _ in range(100)], list(range(100)))

    def test_v1_calls(self):
        """A v1 client calls a procedure of a v2 client: values, errors, a procedure that nobody has, one it may not
        call. What it publishes with the right to do so, both hear."""
        rights = "prefix com.example. call,register,publish,subscribe"
        with RunningRouter(more=f"[role:oro/user]\npermissions = {rights}") as router:
            old, new = Client("wamp1", router.url("anna")), Client("autobahn-python", router.url("ben"))
            self.addCleanup(old.end)
            self.addCleanup(new.end)
            new.ask("register", "com.example.echo")
            for value in VALUES:
                if not isinstance(value, list):  # a single list is the arguments themselves
                    self.assertEqual(old.ask("call", "com.example.echo", [value])["args"], [value])
            for procedure, args, uri in (
                ("com.example.echo", [{"fail": "com.example.failed"}, "for a reason"], "com.example.failed"),
                ("com.example.nobody", [], "wamp.error.no_such_procedure"),
                ("org.example.echo", [], "wamp.error.not_authorized"),
            ):
                with self.assertRaises(Refused) as caught:
                    old.ask("call", procedure, args)
                self.assertEqual(caught.exception.uri, uri)
                if len(args) > 1:
                    self.assertIn(args[1], str(caught.exception))
            for client in (old, new):
                client.ask("subscribe", "com.example.news")
            old.ask("call", "com.example.echo", [1])  # v1 subscribes without an answer; what follows comes later
            old.ask("publish", "com.example.news", [VALUES])
            new.ask("publish", "com.example.news", ["from v2"], acknowledge=True)
            self.assertEqual([old.event()[1], old.event()[1]], [[VALUES], ["from v2"]])
            self.assertEqual(new.event()[1], [VALUES])

    def v1(self, user):
        client = Client("wamp1", self.router.url(user))
        self.addCleanup(client.end)
        return client

    def test_ticket_as_wamp_authentication(self):
        """Every v2 client logs in with HELLO, CHALLENGE and a ticket; with a wrong one it is not let in."""
        for who in V2:
            library, serializer = who
            ticket = self.router.ticket("anna")
            options = {"serializer": serializer, "realm": "oro", "authid": "anna"}
            with Client(library, self.router.url(), ticket=ticket, **options) as client:
                client.ask("subscribe", "oro/data/update")
                with self.assertRaises(Refused) as caught:
                    client.ask("subscribe", "oro/email_event/2/1")
                self.assertEqual(caught.exception.uri, "wamp.error.not_authorized", who)
            with self.assertRaises(Refused):
                Client(library, self.router.url(), ticket=ticket[:-8] + "AAAAAAA=", **options)

    def test_over_tls(self):
        """The same over TLS."""
        with self.client("autobahn", secure=True) as one, self.client("wampy", "cbor", secure=True) as other:
            other.ask("subscribe", "com.example.news")
            one.ask("publish", "com.example.news", ["over TLS"], acknowledge=True)
            self.assertEqual(other.event()[1], ["over TLS"])
