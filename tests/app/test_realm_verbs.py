"""publish, subscribe, call and maintenance, as commands for a running router."""

from __future__ import annotations

import io
import json

import attrs
from twisted.internet.threads import deferToThread

from orosync.ops.answers import EventLine
from tests.cli.control_case import ControlCase, later

OPEN = ("--realm", "open")


class Publish(ControlCase):
    """orosync publish."""

    async def test_both_protocols(self):
        """Subscribers get it as from any publisher, and the number of sessions is printed."""
        old, new = await self.subscriber("com.news", "wamp"), await self.subscriber("com.news")
        self.assertEqual(await self.orosync("publish", "com.news", *OPEN, "--args", '["text", 1]'), 0)
        self.assertEqual(self.out, "published to 2 sessions\n")
        self.assertEqual((await deferToThread(old.read))[:2], [8, "com.news"])
        self.assertEqual((await deferToThread(new.read))[4], ["text", 1])
        answer = await self.answer("publish", "com.news", *OPEN, "--kwargs", '{"a": "\\u0000AQID"}')
        self.assertEqual(answer, {"realm": "open", "topic": "com.news", "sessions": 2})
        self.assertEqual((await deferToThread(new.read))[4:], [[], {"a": "\0AQID"}])

    async def test_for_one_user(self):
        """Only the sessions of that user."""
        one, other = await self.subscriber("com.news"), await self.subscriber("com.news")
        rows = await self.answer("sessions")
        name = next(row["user"] for row in rows if row["session"] == one.number)
        answer = await self.answer("publish", "com.news", *OPEN, "--user", name)
        self.assertEqual(answer["sessions"], 1)
        self.assertEqual((await deferToThread(one.read))[0], 36)
        self.assertTrue(await deferToThread(other.silent))

    async def test_mistakes(self):
        """Status 2, and how to write it."""
        for arguments, words in (
            (("com.news",), "name a realm, one of open, shop"),
            (("com.news", "--realm", "none"), "there is no realm none"),
            (("com. news", *OPEN), "not a well-formed URI"),
            (("wamp.session.on_join", *OPEN), "belong to the protocol"),
            (("com.news", *OPEN, "--args", "{}"), "--args: write a JSON list"),
            (("com.news", *OPEN, "--kwargs", "x"), "--kwargs: write a JSON object"),
            (("com.news", *OPEN, "--args", '["\\u0000?"]'), "no client could read this"),
            (("com.news", *OPEN, "--args", "[NaN]"), "no client could read this"),
        ):
            self.assertEqual(await self.orosync("publish", *arguments), 2, arguments)
            self.assertIn(words, self.err)


class Subscribe(ControlCase):
    """orosync subscribe."""

    async def test_lines(self):
        """Each event is a line as soon as it is published; the last subscription leaves nothing behind."""
        output = io.StringIO()
        running = deferred(self.orosync("subscribe", "com.", *OPEN, "--match", "prefix", "--count", "2", stdout=output))
        broker = self.service._container.realms["open"].realm.broker
        while not broker.matching("com.news"):
            await later(0.01)
        client = await self.client()
        await deferToThread(client.send, [16, 1, {}, "com.news", ["é"], {"n": 1}])
        while not output.getvalue():
            await later(0.01)
        line = json.loads(output.getvalue())
        self.assertEqual(set(line), {field.name for field in attrs.fields(EventLine)})
        self.assertEqual((line["topic"], line["args"], line["kwargs"]), ("com.news", ["é"], {"n": 1}))
        await deferToThread(client.send, [16, 2, {}, "com.other"])
        self.assertEqual(await running, 0)
        self.assertEqual(len(output.getvalue().splitlines()), 2)
        while broker.matching("com.news"):
            await later(0.01)

    async def test_two_at_a_time(self):
        """They share a subscription, which stays until the last one ends."""
        one = deferred(self.orosync("subscribe", "com.news", *OPEN, "--count", "1"))
        other = deferred(self.orosync("subscribe", "com.news", *OPEN, "--count", "2"))
        member = self.service._verbs._realm_verbs._member("open")
        while sum(map(len, member._receivers.values())) < 3:  # one is for maintenance
            await later(0.01)
        await self.orosync("publish", "com.news", *OPEN)
        self.assertEqual(await one, 0)
        await self.orosync("publish", "com.news", *OPEN)
        self.assertEqual(await other, 0)

    async def test_mistakes(self):
        self.assertEqual(await self.orosync("subscribe", "com..news", *OPEN), 2)
        self.assertIn("not a well-formed URI for exact matching", self.err)


class Call(ControlCase):
    """orosync call."""

    async def callee(self, answer):
        """A client that answers its next call with ``answer(invocation)``."""
        client = await self.client()
        await deferToThread(client.send, [64, 1, {}, "com.add"])
        await deferToThread(client.read)

        def serve():
            invocation = client.read()
            message = answer(invocation)
            if message is not None:
                client.send(message)

        return deferToThread(serve)

    async def test_a_result(self):
        """Its only argument, or all of it."""
        served = await self.callee(lambda call: [70, call[1], {}, [sum(call[4])]])
        self.assertEqual(await self.orosync("call", "com.add", *OPEN, "--args", "[1, 2]"), 0)
        self.assertEqual(self.out, "3\n")
        await served

    async def test_json(self):
        served = await self.callee(lambda call: [70, call[1], {}, [1, 2], {"a": 3}])
        answer = await self.answer("call", "com.add", *OPEN)
        self.assertEqual(
            answer, {"realm": "open", "procedure": "com.add", "error": "", "args": [1, 2], "kwargs": {"a": 3}}
        )
        await served

    async def test_an_error(self):
        """Status 1, with the URI of the error."""
        served = await self.callee(lambda call: [8, 68, call[1], {}, "com.error.full", ["no room"]])
        self.assertEqual(await self.orosync("call", "com.add", *OPEN), 1)
        self.assertEqual(self.out, "refused (com.error.full): no room\n")
        await served
        self.assertEqual(await self.orosync("call", "com.nobody", *OPEN), 1)
        self.assertIn("refused (wamp.error.no_such_procedure)", self.out)

    async def test_no_answer(self):
        """Status 1 when the time is over."""
        served = await self.callee(lambda call: None)
        self.assertEqual(await self.orosync("call", "com.add", *OPEN, "--timeout", "200ms"), 1)
        self.assertEqual(self.out, "refused (wamp.error.timeout): no answer within 0.2 s\n")
        await served
        for wrong in ("soon", "2h"):
            self.assertEqual(await self.orosync("call", "com.add", *OPEN, "--timeout", wrong), 2)

    async def test_procedures_of_the_protocol(self):
        """The meta API answers too."""
        await self.client()
        self.assertEqual(await self.orosync("call", "wamp.session.count", *OPEN), 0)
        self.assertEqual(self.out, "1\n")


class Maintenance(ControlCase):
    """orosync maintenance."""

    async def test_on_and_off(self):
        """Pages are told; without --yes only how many sessions that blocks."""
        page = await self.subscriber("oro/maintenance", "wamp")
        self.assertEqual(await deferToThread(page.read), [8, "oro/maintenance", {"isOn": False, "userId": None}])
        self.assertEqual(await self.orosync("maintenance", "on"), 1)
        self.assertIn("blocks the pages of 1 sessions", self.out)
        self.assertTrue(await deferToThread(page.silent))
        self.assertEqual(await self.orosync("maintenance", "on", "--yes", "--user-id", "7"), 0)
        self.assertRegex(self.out, r"^maintenance is on since \S+: pages are blocked, except those of user 7 \(1 ")
        self.assertEqual(await deferToThread(page.read), [8, "oro/maintenance", {"isOn": True, "userId": 7}])
        self.assertEqual(await self.orosync("maintenance", "off"), 0)
        self.assertEqual(await deferToThread(page.read), [8, "oro/maintenance", {"isOn": False, "userId": None}])

    async def test_status(self):
        """What pages were told last, by whomever."""
        self.assertEqual(await self.orosync("maintenance", "status"), 0)
        self.assertIn("nothing was told since the router was started", self.out)
        application = await self.client("wamp")
        await deferToThread(application.send, [7, "oro/maintenance", {"isOn": True, "userId": 3}])
        answer = {"on": None}
        while answer["on"] is None:
            answer = await self.answer("maintenance", "status")
        self.assertEqual((answer["on"], answer["user_id"], answer["sessions"]), (True, 3, 0))
        await self.orosync("maintenance", "off")
        self.assertIs((await self.answer("maintenance", "status"))["on"], False)


class WithoutOro(ControlCase):
    """A router that has nothing of Oro's."""

    text = ControlCase.text.replace("[notifications]\nrealm = open\n", "")

    async def test_maintenance(self):
        self.assertEqual(await self.orosync("maintenance", "on", "--yes"), 2)
        self.assertIn("[notifications] realm: names none", self.err)


def deferred(coroutine):
    """The coroutine begun."""
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(coroutine)
