"""WAMP's own procedures and topics, asked and heard by other people's clients."""

from __future__ import annotations

from typing import Any

from tests.product.clients import Client
from tests.product.libraries import LibrariesCase, name, router
from tests.product.raw import RawClient


class MetaTests(LibrariesCase):
    """Every library, serializer and transport."""

    def result(self, client: Client, procedure: str, *args: Any) -> Any:
        """The one value of an answer."""
        answer = client.ask("call", procedure, list(args))
        self.assertEqual(answer["kwargs"], {})
        return answer["args"][0] if answer["args"] else None

    def visitor(self) -> tuple[RawClient, int]:
        """Somebody who comes and goes, and the session id."""
        client = RawClient(router().url())
        self.addCleanup(client.close)
        client.send([1, "libraries", {"roles": {"subscriber": {}, "callee": {}}}])
        return client, client.read()[1]

    def test_sessions(self) -> None:
        """wamp.session.count, list and get; an id that nobody has."""
        everybody = {client.session for client in self.libraries.values()}
        for who, client in self.libraries.items():
            self.assertEqual(self.result(client, "wamp.session.count"), len(everybody), who)
            self.assertEqual(set(self.result(client, "wamp.session.list")), everybody, who)
            told = self.result(client, "wamp.session.get", client.session)
            self.assertEqual((told["session"], told["authrole"]), (client.session, "guest"), who)
            self.refused("wamp.error.no_such_session", client, "call", "wamp.session.get", [2**52], label=who)
            self.refused("wamp.error.invalid_argument", client, "call", "wamp.session.get", ["x"], label=who)

    def test_subscriptions(self) -> None:
        """lookup, match, get, list_subscribers and count_subscribers tell of one's own subscription."""
        for who, client in self.libraries.items():
            topic = f"com.example.meta.{name(who)}"
            self.subscribe(topic, {who: client})
            found = self.result(client, "wamp.subscription.lookup", topic)
            self.assertEqual(self.result(client, "wamp.subscription.match", topic), [found], who)
            told = self.result(client, "wamp.subscription.get", found)
            self.assertEqual((told["id"], told["uri"], told["match"]), (found, topic, "exact"), who)
            self.assertEqual(self.result(client, "wamp.subscription.list_subscribers", found), [client.session], who)
            self.assertEqual(self.result(client, "wamp.subscription.count_subscribers", found), 1, who)
            self.assertIn(found, self.result(client, "wamp.subscription.list")["exact"], who)
            self.refused("wamp.error.no_such_subscription", client, "call", "wamp.subscription.get", [2**40], label=who)

    def test_registrations(self) -> None:
        """lookup, match, get, list_callees and count_callees tell of one's own registration."""
        for who, client in self.libraries.items():
            procedure = self.register(who, f"com.example.meta.{name(who)}")
            found = self.result(client, "wamp.registration.lookup", procedure)
            self.assertEqual(self.result(client, "wamp.registration.match", procedure), found, who)
            told = self.result(client, "wamp.registration.get", found)
            expected = (found, procedure, "exact", "single")
            self.assertEqual((told["id"], told["uri"], told["match"], told["invoke"]), expected, who)
            self.assertEqual(self.result(client, "wamp.registration.list_callees", found), [client.session], who)
            self.assertEqual(self.result(client, "wamp.registration.count_callees", found), 1, who)
            self.refused("wamp.error.no_such_registration", client, "call", "wamp.registration.get", [2**40], label=who)

    def heard(self, topic: str, *events: tuple[str, Any]) -> None:
        """Everybody hears these (topic, first argument), the second being looked at by what is given."""
        for who, client in self.libraries.items():
            for expected, argument in events:
                told, args, _ = client.event()
                self.assertEqual(told, expected, who)
                first = args[0]["session"] if isinstance(args[0], dict) else args[0]
                self.assertEqual(first, argument, (who, topic))

    def test_who_comes_and_goes(self) -> None:
        """on_join and on_leave reach everybody, with the session's id."""
        self.subscribe("wamp.session.on_join")
        self.subscribe("wamp.session.on_leave")
        client, session = self.visitor()
        client.send([6, {}, "wamp.close.normal"])
        self.assertEqual(client.read()[0], 6)
        self.heard("session", ("wamp.session.on_join", session), ("wamp.session.on_leave", session))

    def test_what_is_subscribed_to(self) -> None:
        """on_create, on_subscribe, on_unsubscribe and on_delete, in this order."""
        whats = ("on_create", "on_subscribe", "on_unsubscribe", "on_delete")
        for what in whats:
            self.subscribe(f"wamp.subscription.{what}")
        client, session = self.visitor()
        client.send([32, 1, {}, "com.example.watched"])
        subscription = client.read()[2]
        client.send([34, 2, subscription])
        self.assertEqual(client.read()[0], 35)
        self.heard("subscription", *((f"wamp.subscription.{what}", session) for what in whats))

    def test_killed(self) -> None:
        """A client that another one kills is told so, and has gone from the list."""
        for way in self.one_of_each():
            client, session = self.visitor()
            self.result(self.libraries[way], "wamp.session.kill", session)
            self.assertEqual(client.read()[::2], [6, "wamp.close.killed"], way)
            self.assertNotIn(session, self.result(self.libraries[way], "wamp.session.list"), way)
