"""sessions, subscriptions and kick, as commands for a running router."""

from __future__ import annotations

import attrs
from twisted.internet.threads import deferToThread

from orosync.app import session_verbs
from orosync.ops.answers import SessionRow, SubscriptionRow
from orosync.wamp.payload import Payload
from tests.cli.control_case import ControlCase


class Sessions(ControlCase):
    """orosync sessions."""

    async def test_rows(self):
        """Who is connected, how, from where and since when; clients that have not joined are not listed."""
        old, new = await self.client("wamp"), await self.client()
        rows = {row["session"]: row for row in await self.answer("sessions")}
        self.assertEqual(set(rows), {old.number, new.number})
        self.assertEqual(set(rows[old.number]), {field.name for field in attrs.fields(SessionRow)})
        one, other = rows[old.number], rows[new.number]
        self.assertEqual((one["protocol"], other["protocol"], other["serializer"]), ("v1", "v2", "json"))
        self.assertEqual((one["realm"], one["role"], one["listener"], one["queued"]), ("open", "guest", "one", 0))
        self.assertRegex(one["since"], r"^20\d\d-\d\d-\d\dT[\d:.]+Z$")

    async def test_the_table(self):
        """A head and a line for each session."""
        self.assertEqual((await self.orosync("sessions"), self.out), (0, "no sessions\n"))
        client = await self.client()
        await self.orosync("sessions")
        head, row = self.out.splitlines()
        self.assertTrue(head.startswith("SESSION"), head)
        self.assertTrue(row.startswith(str(client.number)), row)

    async def test_which(self):
        """Each option leaves out what does not fit; a network is an address too."""
        one, other = await self.client(), await self.client(realm="shop")
        name = next(row["user"] for row in await self.answer("sessions") if row["session"] == one.number)
        for options, found in (
            (("--realm", "shop"), [other]),
            (("--user", name), [one]),
            (("--session", str(other.number)), [other]),
            (("--role", "guest", "--realm", "open"), [one]),
            (("--role", "nobody"), []),
            (("--address", "127.0.0.1", "--sort", "since"), [one, other]),
            (("--address", "127.0.0.0/8", "--sort", "since", "--limit", "1"), [one]),
            (("--address", "192.0.2.1"), []),
        ):
            rows = await self.answer("sessions", *options)
            self.assertEqual([row["session"] for row in rows], [client.number for client in found], options)

    async def test_many(self):
        """They are listed in several turns of the reactor, so that nobody waits for it; each once, in order."""
        self.patch(session_verbs, "AT_A_TURN", 2)
        numbers = [(await self.client()).number for _ in range(5)]
        rows = await self.answer("sessions", "--sort", "since")
        self.assertEqual([row["session"] for row in rows], numbers)

    async def test_what_cannot_be_chosen(self):
        """Status 2, and what would be right."""
        for options, words in ((("--realm", "none"), "open, shop"), (("--address", "office"), "192.0.2.0/24")):
            self.assertEqual(await self.orosync("sessions", *options), 2)
            self.assertIn(words, self.err)

    async def test_queued(self):
        """A client that does not read is found by the bytes that wait for it."""
        slow = await self.subscriber("com.news")
        await self.client()
        publish = self.service._container.realms["open"].realm.broker.publish
        deliver, payload = self.service._container.dispatcher.deliver, Payload.of(["x" * 200_000])
        first = {"queued": 0}
        while not first["queued"]:  # as much as the sockets take first
            deliver(publish("com.news", payload)[1])
            first, *_ = await self.answer("sessions", "--sort", "queued")
        self.assertEqual(first["session"], slow.number)


class Subscriptions(ControlCase):
    """orosync subscriptions."""

    async def test_rows(self):
        """Topics and patterns with their subscribers, most of them first; orosync's own are not counted."""
        self.assertEqual((await self.orosync("subscriptions"), self.out), (0, "no subscriptions\n"))
        for _ in range(2):
            await self.subscriber("com.news")
        await self.subscriber("oro/ping", "wamp")
        await self.subscriber("com.offers", realm="shop")
        rows = await self.answer("subscriptions")
        self.assertEqual(set(rows[0]), {field.name for field in attrs.fields(SubscriptionRow)})
        found = [(row["topic"], row["match"], row["realm"], row["subscribers"]) for row in rows]
        self.assertEqual(
            found,
            [("com.news", "exact", "open", 2), ("com.offers", "exact", "shop", 1), ("oro/ping", "exact", "open", 1)],
        )
        self.assertEqual(len(await self.answer("subscriptions", "--limit", "1")), 1)
        (row,) = await self.answer("subscriptions", "--realm", "shop")
        self.assertEqual(row["topic"], "com.offers")

    async def test_of_a_topic(self):
        """Those that an event reaches, patterns among them."""
        client = await self.client()
        await deferToThread(client.send, [32, 1, {"match": "prefix"}, "com."])
        await deferToThread(client.read)
        await self.subscriber("com.news")
        rows = await self.answer("subscriptions", "--topic", "com.news")
        self.assertEqual({row["match"] for row in rows}, {"exact", "prefix"})
        self.assertEqual(len(await self.answer("subscriptions", "--topic", "com.other")), 1)


class Kick(ControlCase):
    """orosync kick."""

    async def test_each_protocol(self):
        """A v2 client gets GOODBYE with the reason, a page of v1 loses its connection and connects again."""
        old, new = await self.client("wamp"), await self.client()
        self.assertEqual(await self.orosync("kick", "--address", "127.0.0.1", "--reason", "new version"), 0)
        self.assertEqual(self.out, "2 sessions ended\n")
        self.assertEqual(await deferToThread(new.read), [6, {"message": "new version"}, "wamp.close.killed"])
        self.assertIsNone(await deferToThread(old.ended))
        self.assertEqual(await self.answer("sessions"), [])
        (line,) = [one for one in self.log if "verb" in str(one) and "kick" in str(one)]
        self.assertIn("address=127.0.0.1", str(line))

    async def test_one(self):
        """By its id or its user, and nobody else."""
        one, other = await self.client(), await self.client()
        self.assertEqual(await self.answer("kick", "--session", str(one.number)), {"kicked": 1, "of": 1})
        (left,) = await self.answer("sessions")
        self.assertEqual(left["session"], other.number)
        self.assertEqual(await self.orosync("kick", "--user", left["user"]), 0)
        self.assertEqual(self.out, "1 session ended\n")

    async def test_none(self):
        """Status 1 where there is no such session, 2 where none was named."""
        self.assertEqual(await self.orosync("kick", "--user", "nobody"), 1)
        self.assertEqual(self.out, "there is no such session\n")
        self.assertEqual(await self.orosync("kick"), 2)
        self.assertIn("say which sessions", self.err)
        self.assertEqual(await self.orosync("kick", "--user", "x", "--reason", "y" * 2000), 2)

    async def test_many(self):
        """In groups, so that not all pages come back at the same moment; each group is reported."""
        clients = [await self.client() for _ in range(30)]
        done = await deferToThread(lambda: list(self.router().watch("kick", {"address": "127.0.0.1"})))
        self.assertEqual(done, [{"kicked": 25, "of": 30}, {"kicked": 30, "of": 30}])
        self.assertEqual(len(clients), 30)
