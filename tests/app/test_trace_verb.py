"""`trace` of a running router: real WAMP v1 and v2 clients, and each reason why an event did not arrive."""

from __future__ import annotations

import json
import secrets
from urllib.parse import quote

import attrs
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from orosync.app import trace_verb
from orosync.cli.router import Router
from orosync.cli.streams import Misused
from orosync.model import Match
from orosync.ops.answers import TraceLine
from orosync.router.relays import RelayedPublication
from orosync.session.local import LocalMember
from orosync.wamp.payload import Payload
from tests.app.test_service import ServiceCase
from tests.product.raw import RawClient
from tests.product.running_router import ticket

SECRET, HASHES = secrets.token_hex(20), {"anna": secrets.token_hex(20), "ben": secrets.token_hex(20)}
TEXT = """
[router]
drain = 1s
state = .
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
origins = 127.0.0.1
realm = oro
send_buffer_limit = 64KiB
[realm:oro]
authenticators = tickets guests
authorizers = topics:oro roles
[realm:other]
authenticators = guests
authorizers = roles
[role:feed]
permissions =
    any publish,call
[authenticator:tickets]
use = ticket
secret = file:secret
directory = people
[authenticator:guests]
use = anonymous
role = feed
[directory:people]
use = static
user.anna = 1 file:anna
user.ben = 2 file:ben
[topics:oro]
use = oro
channel.acme/news = subscribe user; publish feed user
channel.acme/board = subscribe nobody; publish feed
channel.acme/mail/{user_id} = subscribe user; publish feed
channel.acme.rates = subscribe user; publish feed
[notifications]
realm = oro
"""
NEWS, BOARD = "acme/news", "acme/board"


class TraceCase(ServiceCase):
    """A router with users and a feed."""

    def setUp(self):
        super().setUp()
        self.fields = set()
        for name, text in {"secret": SECRET, **HASHES}.items():
            (self.directory / name).write_text(text)
        self.service = self.serve(text=TEXT)
        self.address = self.service.address_of("one")
        self.back_end = LocalMember(self.service._container.realms["oro"])
        self.router = Router([self.service._control.path])

    async def client(self, url, *arguments):
        found = await deferToThread(RawClient, f"ws://{self.address}/{url}", *arguments)
        self.addCleanup(found.close)
        return found

    def url(self, user, password=None):
        return f"?ticket={quote(ticket(user, password or HASHES[user], SECRET), safe='')}"

    async def v1(self, user="anna"):
        """A user's page; it knows its ``session``."""
        client = await self.client(self.url(user), "wamp")
        client.session = int((await deferToThread(client.read))[1])
        return client

    async def v2(self, realm="oro", user=None):
        client = await self.client("" if user is None else self.url(user), "wamp.2.json")
        await deferToThread(client.join, realm)
        return client

    async def feed(self, topic=NEWS, options=None, args=("hello",), **kwargs):
        """Publish as the feed, and wait until the router has done so."""
        if not hasattr(self, "_feed"):
            self._feed = await self.v2()
        self._feed.send(
            [16, 1, {"acknowledge": True, **(options or {})}, topic, list(args), *([kwargs] if kwargs else [])]
        )
        answer = await deferToThread(self._feed.read)
        self.assertEqual(answer[0], 17, answer)
        return answer[2]

    async def trace(self, **wanted):
        """Begin; the rows of the state, up to which the router has answered."""
        self.rows = []
        self.addCleanup(lambda: self.assertLessEqual(self.fields, {one.name for one in attrs.fields(TraceLine)}))
        lines = await deferToThread(lambda: self.router.watch("trace", wanted))

        def read():
            for row in lines:
                self.rows.append(row)
                if "." not in row["event"]:  # not of the log
                    self.fields.update(row)

        self.reading = deferToThread(read)
        self.addCleanup(lambda: self.reading)
        self.addCleanup(self.service._verbs._tracing.end)
        await self.until("tracing")
        return self.rows

    async def rejected(self, **wanted):
        """The words of a trace that is not begun."""

        def asked():
            try:
                return list(self.router.watch("trace", wanted))
            except Misused as error:
                return str(error)

        return await deferToThread(asked)

    async def until(self, event, **fields):
        """The first row of ``event`` with these fields, waited for; it and all before it are forgotten."""
        for _ in range(500):
            for place, row in enumerate(list(self.rows)):
                if row["event"] == event and all(row.get(name) == value for name, value in fields.items()):
                    del self.rows[: place + 1]
                    return row
            await deferLater(reactor, 0.02)
        raise AssertionError(f"no {event} {fields} among {json.dumps(self.rows, indent=1)}")

    async def subscribed(self, client, *topics):
        """As a v1 client; wait until the trace has seen it."""
        for topic in topics:
            client.send([5, topic])
            await self.until("subscribed", topic=topic)


class Reasons(TraceCase):
    """Why Anna saw no notification."""

    async def test_sent(self):
        """What reaches her is told too: to whom, from whom and how long; not what it said."""
        await self.trace(user="anna")
        anna = await self.v1()
        joined = await self.until("joined")
        self.assertEqual((joined["session"], joined["protocol"], joined["method"]), (anna.session, "v1", "ticket"))
        self.assertEqual((joined["listener"], joined["address"]), ("one", "127.0.0.1"))
        await self.subscribed(anna, NEWS)
        number = await self.feed()
        row = await self.until("sent")
        self.assertEqual((row["topic"], row["session"], row["user"]), (NEWS, anna.session, "anna"))
        self.assertEqual((row["publication"], row["publisher_user"][:1] != ""), (number, True))
        self.assertEqual(row["bytes"], len('["hello"]'))
        self.assertNotIn("args", row)
        self.assertEqual(await deferToThread(anna.read), [8, NEWS, "hello"])

    async def test_not_subscribed(self):
        """Once for each topic; nothing of topics that she may not have, unless they are what is traced."""
        anna = await self.v1()
        rows = await self.trace(user="anna")
        await self.feed()
        row = await self.until("not_sent", code="not_subscribed", topic=NEWS, session=anna.session)
        self.assertIn("though it may: [topics:oro] channel.acme/news", row["why"])
        await self.feed()
        await self.feed(BOARD)
        for number in (2, 1):
            self.back_end.publish(f"acme/mail/{number}")
        await self.until("not_sent", topic="acme/mail/1")
        self.assertEqual([row for row in rows if row["event"] == "not_sent"], [])

    async def test_refused(self):
        """The rule is named: when she asks, in the state if she asked before, and with an event of that topic."""
        anna = await self.v1()
        anna.send([5, BOARD])
        await deferToThread(anna.read)
        await self.trace(user="anna", topic=BOARD)
        state = await self.until("not_subscribed", topic=BOARD)
        self.assertIn("it may not subscribe: [topics:oro] channel.acme/board", state["why"])
        past = await self.until("subscribe.refused", code="denied", user="anna")
        self.assertIn("channel.acme/board", past["rule"])
        self.assertGreaterEqual(past["ago"], 0)
        await self.feed(BOARD)
        row = await self.until("not_sent", code="not_subscribed")
        self.assertIn("it may not subscribe: [topics:oro] channel.acme/board", row["why"])
        anna.send([5, BOARD])
        self.assertNotIn("ago", await self.until("subscribe.refused", code="denied"))

    async def test_undeclared(self):
        """The log tells the first one of a v1 client alone, a trace each."""
        anna = await self.v1()
        await self.trace(user="anna")
        for topic in ("acme/typo", "acme/tippo"):
            anna.send([5, topic])
            await self.until("topic.unknown", code="subscribe", uri=topic)

    async def test_excluded(self):
        """By the publisher's lists, which are named, and because she published it herself."""
        anna = await self.v1()
        await self.trace(user="anna")
        await self.subscribed(anna, NEWS)
        for options, code, name in (
            ({"exclude": [anna.session]}, "excluded", "exclude"),
            ({"exclude_authid": ["anna"]}, "excluded", "exclude_authid"),
            ({"eligible_authrole": ["staff"]}, "not_eligible", "eligible_authrole"),
            ({"eligible": []}, "not_eligible", "eligible"),
        ):
            await self.feed(options=options)
            row = await self.until("not_sent")
            self.assertEqual((row["code"], row["session"]), (code, anna.session))
            self.assertIn(f"publisher's {name} leaves", row["why"])
        anna.send([7, NEWS, "mine", True])
        row = await self.until("not_sent")
        self.assertEqual((row["code"], row["publisher"]), ("excluded", anna.session))

    async def test_not_carriable(self):
        """WAMP v1 has no form for an encrypted payload; a v2 session of hers gets it."""
        anna = await self.v1()
        new = await self.v2(user="anna")
        await self.trace(user="anna")
        new.send([32, 1, {}, NEWS])
        await self.until("subscribed")
        await self.subscribed(anna, NEWS)
        await self.feed(options={"enc_algo": "x", "enc_serializer": "json"}, args=("c2VjcmV0",))
        row = await self.until("not_sent")
        self.assertEqual((row["code"], row["session"]), ("not_carriable", anna.session))
        self.assertIn("cannot carry", row["why"])
        await self.until("sent")

    async def test_no_session(self):
        """How the last one ended, and when; each event says so again."""
        anna = await self.v1()
        await deferToThread(anna.send_frame, b"\x03\xe8bye", 8)
        await deferToThread(anna.ended)
        await self.trace(user="anna", topic=NEWS)
        row = await self.until("no_session")
        self.assertEqual((row["session"], row["address"]), (anna.session, "127.0.0.1"))
        self.assertRegex(row["why"], r"^the last one ended \d[\d.]* s ago: closed by the client \(1000\): bye$")
        await self.feed()
        row = await self.until("not_sent", code="no_session", realm="oro")
        self.assertEqual(row["user"], "anna")

    async def test_never_there(self):
        """It is said what to do where her topics cannot be known."""
        rows = await self.trace(user="nobody")
        self.assertEqual((await self.until("no_session"))["why"], "there is none, and none has ended lately")
        self.assertIn("--topic", (await self.until("hint"))["why"])
        await self.feed()
        self.assertEqual([row for row in rows if row["event"] != "joined"], [])

    async def test_cut(self):
        """She does not read: what is queued, that she is cut, and that later events find no session."""
        anna = await self.v1()
        await self.trace(user="anna", topic=NEWS)
        await self.subscribed(anna, NEWS)
        queued = None
        for _ in range(40):
            self.back_end.publish(NEWS, ["x" * 1_000_000])
            while not {row["event"] for row in self.rows} & {"sent", "queued"}:
                await deferLater(reactor, 0.01)
            queued = self.rows[-1]
            self.rows.clear()
            if queued["event"] == "queued":
                break
        self.assertRegex(queued["why"], r"^\d+ bytes wait for this client to read$")
        while self.back_end.publish(NEWS, ["x" * 1_000_000]):
            await deferLater(reactor, 0)
        left = await self.until("left")
        self.assertEqual((left["session"], left["why"]), (anna.session, "cut: queue_full"))
        await self.feed()
        row = await self.until("not_sent", code="no_session")
        self.assertEqual(row["why"], "its session has ended: cut: queue_full")

    async def test_login_refused(self):
        """A ticket of hers that is refused, with the reason."""
        await self.trace(user="anna")
        client = await self.client(self.url("anna", "wrong"), "wamp")
        self.assertEqual(client.status, 403)
        row = await self.until("handshake.refused", code="bad_digest")
        self.assertIn("ticket of 'anna': its digest is of another", row["reason"])
        await self.client(self.url("ben", "wrong"), "wamp")
        await self.v1()
        await self.until("joined")

    async def test_killed(self):
        """Ended by somebody else; what she unsubscribed before is told as well."""
        anna, admin = await self.v1(), await self.v2()
        await self.trace(user="anna")
        await self.subscribed(anna, NEWS)
        anna.send([6, NEWS])
        await self.until("unsubscribed", topic=NEWS)
        admin.send([48, 1, {}, "wamp.session.kill_by_authid", ["anna"]])
        self.assertEqual((await deferToThread(admin.read))[:2], [50, 1])
        await self.until("session.ended", code="killed")
        self.assertRegex((await self.until("left"))["why"], "killed")


class Topics(TraceCase):
    """--topic and --address."""

    async def test_topic(self):
        """Each publication, and what became of it for each subscriber."""
        anna, ben = await self.v1(), await self.v1("ben")
        anna.send([5, NEWS])
        ben.send([5, BOARD])
        await deferToThread(ben.read)
        await self.trace(topic=NEWS)
        self.assertEqual((await self.until("topic", realm="oro"))["subscribers"], 1)
        state = await self.until("session")
        self.assertEqual((state["user"], state["subscriptions"]), ("anna", [NEWS]))
        ben.send([5, NEWS])
        await self.until("subscribed", user="ben")
        await self.feed(options={"exclude_authid": ["ben"]})
        row = await self.until("published")
        self.assertEqual((row["topic"], row["subscribers"]), (NEWS, 2))
        await self.until("not_sent", code="excluded", user="ben")
        await self.until("sent", user="anna")
        anna.send([6, NEWS])
        await self.until("unsubscribed", user="anna")
        ben.send([6, NEWS])
        await self.until("unsubscribed", user="ben")
        await self.feed()
        await self.until("not_sent", code="no_subscribers")

    async def test_publish_refused(self):
        """A publisher without the right is part of the answer."""
        anna, ben = await self.v1(), await self.v1("ben")
        await self.trace(user="anna", topic="acme.rates")
        await self.subscribed(anna, "acme.rates")
        ben.send([7, "acme.rates", "cheap"])
        row = await self.until("publish.refused", code="denied", uri="acme.rates")
        self.assertEqual(row["user"], "ben")

    async def test_patterns(self):
        """A subscription to a pattern counts, and is named as one."""
        anna = await self.v2(user="anna")
        context = self.service._container.realms["oro"]
        await self.trace(user="anna")
        (member,) = [one for one in context.realm.members.values() if one.principal.authid == "anna"]
        context.dispatcher.deliver(context.realm.broker.subscribe(member, "acme.", Match.PREFIX)[1])
        await self.until("subscribed", topic="acme. (prefix)")
        await self.feed("acme.rates")
        await self.until("sent", topic="acme.rates", session=member.session)
        self.assertEqual((await deferToThread(anna.read))[3]["topic"], "acme.rates")

    async def test_from_another_node(self):
        """An event that was published elsewhere is followed to the sessions of this node, and its node is named."""
        anna = await self.v1()
        await self.trace(user="anna")
        await self.subscribed(anna, NEWS)
        context = self.service._container.realms["oro"]
        publication = RelayedPublication(NEWS, 77, Payload.of(["hello"]), node="web2", publisher=5)
        context.dispatcher.deliver(context.realm.broker.relay(publication))
        row = await self.until("sent")
        self.assertEqual((row["publication"], row["node"], row["publisher"]), (77, "web2", 5))

    async def test_address(self):
        """All sessions from there, of each realm."""
        await self.v1("ben")
        await self.trace(address="127.0.0.1")
        self.assertEqual((await self.until("session"))["user"], "ben")
        await self.v2("other")
        await self.until("joined", realm="other")

    async def test_payload(self):
        """Only where it is asked for, and as JSON has it."""
        anna = await self.v1()
        await self.trace(user="anna", payload=True)
        await self.subscribed(anna, NEWS)
        await self.feed(args=(1, "zwei"), drei=[None])
        row = await self.until("sent")
        self.assertEqual((row["args"], row["kwargs"]), ([1, "zwei"], {"drei": [None]}))


class Bounds(TraceCase):
    """What it costs, and who may."""

    async def test_nothing_is_left(self):
        """When the last trace ends, nothing observes any more; a reload in between changes nothing of that."""
        container = self.service._container
        brokers = [one.realm.broker for one in container.realms.values()]
        before = [list(one) for one in brokers]
        self.assertEqual([one.recorder for one in brokers], [None, None])
        await self.trace(user="anna", seconds=0.5)
        container.realms["oro"].chain.replace([])
        self.assertNotIn(None, [one.recorder for one in brokers])
        self.assertTrue(all(one.meta_listeners for one in brokers))
        self.assertEqual((await self.until("end"))["why"], "0.5 s are over")
        await self.reading
        self.assertEqual([one.recorder for one in brokers], [None, None])
        self.assertEqual([list(one) for one in brokers], before)
        self.assertEqual(container.journal.observers, [])

    async def test_too_many(self):
        """A few at the same time."""
        self.patch(trace_verb, "MOST_TRACES", 1)
        await self.trace(user="anna", seconds=1)
        self.assertIn("under way already", await self.rejected(user="ben"))

    async def test_mistakes(self):
        """Each says what is wrong."""
        for wanted, words in (
            ({}, "name a user, a topic or an address"),
            ({"user": ""}, "name a user, a topic or an address"),
            ({"topic": 1}, "topic is no text"),
            ({"user": "anna", "seconds": 7200}, "seconds must be a number up to 3600"),
            ({"user": "anna", "seconds": True}, "seconds is no number"),
            ({"user": "anna", "payload": "yes"}, "payload must be true or false"),
            ({"session": 1}, "does not know session"),
        ):
            self.assertIn(words, await self.rejected(**wanted))

    async def test_audited(self):
        """It shows what others are sent: the log says who traces whom."""
        await self.trace(user="anna", seconds=0.2, payload=True)
        await self.reading
        (line,) = [one for one in self.log if one.get("event") == "control"]
        self.assertEqual((line["code"], line["verb"]), ("act", "trace"))
        self.assertIn("user=anna", line["arguments"])
        self.assertIn("payload=True", line["arguments"])
