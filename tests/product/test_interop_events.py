"""Publish and subscribe between other people's clients: what one publishes every other hears."""

from __future__ import annotations

from tests.product.libraries import (
    CARRY_BYTES,
    HEAR_ITSELF,
    NAME_NOBODY,
    SEND_BAD_URIS,
    VALUES,
    LibrariesCase,
    Way,
    can,
    name,
)


class EventTests(LibrariesCase):
    """Every library, serializer and transport, mixed."""

    def hear(self, hearers: list[Way], *event: object, label: object) -> None:
        for way in hearers:
            self.assertEqual(self.libraries[way].event(), event, (label, way))

    def test_all_receive_all(self) -> None:
        """Value for value and in order, the publisher excepted."""
        topic = "com.example.news"
        self.subscribe(topic)
        for who, publisher in self.libraries.items():
            others = [way for way in self.libraries if way != who]
            answer = publisher.ask("publish", topic, VALUES, {"from": name(who)}, acknowledge=True)
            self.assertEqual(answer, "published", who)
            publisher.ask("publish", topic, ["second"])
            self.hear(others, topic, VALUES, {"from": name(who)}, label=who)
            self.hear(others, topic, ["second"], {}, label=who)

    def test_prefixes(self) -> None:
        """Whoever asked for a prefix is told the topic."""
        self.subscribe("com.example.pre", match="prefix")
        for who, publisher in self.one_of_each().items():
            for topic in ("com.example.pre", "com.example.prefix.one", "com.example.other"):
                publisher.ask("publish", topic, [topic], acknowledge=True)
            for topic in ("com.example.pre", "com.example.prefix.one"):
                self.hear([way for way in self.libraries if way != who], topic, [topic], {}, label=who)

    def test_wildcards(self) -> None:
        """Whoever asked for a pattern with a gap is told the topic."""
        self.subscribe("com.example..created", match="wildcard")
        for who, publisher in self.one_of_each().items():
            for topic in ("com.example.user.created", "com.example.order.created", "com.example.order.deleted"):
                publisher.ask("publish", topic, [topic], acknowledge=True)
            for topic in ("com.example.user.created", "com.example.order.created"):
                self.hear([way for way in self.libraries if way != who], topic, [topic], {}, label=who)

    def test_receivers(self) -> None:
        """Lists of session ids, which are large and come as floats from some; an empty list is nobody."""
        topic = "com.example.chosen"
        self.subscribe(topic)
        ways = list(self.libraries)
        for number, (who, publisher) in enumerate(self.libraries.items()):
            chosen, left_out = ways[number - 1], ways[number - 2]
            ids = [self.libraries[chosen].session, self.libraries[left_out].session]
            publisher.ask("publish", topic, ["one"], acknowledge=True, eligible=ids, exclude=ids[1:])
            self.hear([chosen], topic, ["one"], {}, label=who)
            if can(who, NAME_NOBODY):
                publisher.ask("publish", topic, ["none"], acknowledge=True, eligible=[])

    def test_own_events(self) -> None:
        """Who does not want to be excluded hears itself."""
        topic = "com.example.myself"
        for who, client in self.libraries.items():
            if can(who, HEAR_ITSELF):
                client.ask("subscribe", topic)
                client.ask("publish", topic, ["me"], acknowledge=True, exclude_me=False)
                self.assertEqual(client.event(), (topic, ["me"], {}), who)
                client.ask("unsubscribe", topic)

    def test_unsubscribed(self) -> None:
        """Afterwards nothing comes, and the same topic can be had again."""
        topic, publisher = "com.example.again", self.libraries["autobahn-python", "json", "ws"]
        for who, client in self.libraries.items():
            if client is not publisher:
                client.ask("subscribe", topic)
                client.ask("unsubscribe", topic)
                publisher.ask("publish", topic, ["nobody"], acknowledge=True)
                client.ask("subscribe", topic)
                publisher.ask("publish", topic, ["back"], acknowledge=True)
                self.assertEqual(client.event(), (topic, ["back"], {}), who)
                client.ask("unsubscribe", topic)

    def test_bytes(self) -> None:
        """Bytes stay bytes between binary serializers, and to JSON and back where the library knows how."""
        topic = "com.example.bytes"
        clients = {way: client for way, client in self.libraries.items() if way[1] != "json" or can(way, CARRY_BYTES)}
        self.subscribe(topic, clients)
        for who, publisher in clients.items():
            publisher.ask("publish", topic, [{"binary": "00ff80"}], acknowledge=True)
            self.hear([way for way in clients if way != who], topic, [{"binary": "00ff80"}], {}, label=who)

    def test_errors(self) -> None:
        """A bad URI, and WAMP's own topics, are refused in an ERROR; the session lives on."""
        for who, client in self.libraries.items():
            if can(who, SEND_BAD_URIS):
                self.refused("wamp.error.invalid_uri", client, "subscribe", "com..example", label=who)
                self.refused(
                    "wamp.error.invalid_uri",
                    client,
                    "publish",
                    "wamp.session.on_join",
                    [1],
                    acknowledge=True,
                    label=who,
                )
            self.assertEqual(client.ask("publish", "com.example.fine", acknowledge=True), "published", who)
