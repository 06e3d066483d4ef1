"""Tests for orosync.uplink.uplink: our realm in memory, the other router a real one on real sockets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from orosync.config.credentials import Secret
from orosync.model import Match, Verdict
from orosync.wamp.messages import Call, Error, Event, Invocation, Publish, Result, Yield
from orosync.wamp.payload import Payload
from tests.support import server_tls
from tests.uplink.routers import SECRET, SEED, DeafRouter, UplinkCase, Voice


class Exchanging(UplinkCase):
    async def test_events(self) -> None:
        """What is published here on chosen topics is heard there and the other way round, once, and who by."""
        there = Voice(self.serve(), "zoe")
        here = Voice(self.fixture.realm_context, "anna")
        self.join(publish="prefix com.out., exact com.both", subscribe="wildcard com..in, exact com.both")
        await self.joined()
        for voice in (here, there):
            voice.session.subscribe("com.", Match.PREFIX)
        payload = Payload.of([b"\0\xff", 2**64 - 1, 1.5, None], {"self": 1, "options": {"é": []}})
        for topic in ("com.not", "com.out.a", "com.both"):
            here.session.send(Publish(1, {"disclose_me": True}, topic), payload)
        for topic in ("com.not", "com.x.in", "com.both"):
            there.session.send(Publish(2, {"disclose_me": True}, topic), payload)
        found = await self.until(lambda: len(there.heard) >= 2 and there.take(Event))
        self.assertEqual([message.details["topic"] for message, _, _ in found], ["com.out.a", "com.both"])
        for message, args, kwargs in found:
            self.assertEqual((args, kwargs), payload.values())
            self.assertIn("publisher", message.details)
        found = await self.until(lambda: len(here.heard) >= 2 and here.take(Event))
        self.assertEqual([message.details["topic"] for message, _, _ in found], ["com.x.in", "com.both"])
        for message, args, kwargs in found:
            self.assertEqual((args, kwargs), payload.values())
            self.assertEqual(message.details["publisher_authid"], "zoe")
        await deferLater(reactor, 0.1, lambda: None)
        self.assertEqual((here.heard, there.heard), ([], []))

    async def test_order(self) -> None:
        """A publisher's events arrive in the order in which they were published."""
        there, here = Voice(self.serve()), Voice(self.fixture.realm_context)
        self.join(publish="prefix com.")
        await self.joined()
        there.session.subscribe("com.a", Match.EXACT)
        for number in range(500):
            here.session.send(Publish(number, {}, "com.a"), Payload.of([number]))
        found = await self.until(lambda: len(there.heard) >= 500 and there.take(Event))
        self.assertEqual([args for _, args, _ in found], [[number] for number in range(500)])

    async def test_calls(self) -> None:
        """A procedure of theirs is called from here and one of ours from there, with answers, parts and errors."""
        there, here = Voice(self.serve()), Voice(self.fixture.realm_context)
        self.join(call="prefix com.theirs.", register="exact com.ours.p")
        here.session.register("com.ours.p", Match.EXACT)
        there.session.register("com.theirs.p", Match.EXACT)
        await self.joined()
        for caller, callee, procedure in ((here, there, "com.theirs.p"), (there, here, "com.ours.p")):
            for request, error in ((1, ""), (2, "com.error")):
                caller.session.send(
                    Call(request, {"receive_progress": True}, procedure), Payload.of(["x"], {"self": 1})
                )
                [(message, args, kwargs)] = await self.until(partial(callee.take, Invocation))
                self.assertEqual((args, kwargs), (["x"], {"self": 1}))
                callee.session.send(Yield(message.request, {"progress": True}), Payload.of(["part"]))
                if error:
                    callee.session.send(Error(68, message.request, {}, error), Payload.of(["y"]))
                else:
                    callee.session.send(Yield(message.request, {}), Payload.of(["y"]))
                await self.until(lambda: len(caller.heard) == 2)  # noqa: B023
                answers = [
                    (message.request, args, getattr(message, "error", ""))
                    for message, args, _ in caller.take(Result) + caller.take(Error)
                ]
                self.assertEqual(answers, [(request, ["part"], ""), (request, ["y"], error)])

    async def test_our_rules(self) -> None:
        """What comes from there is judged by its role here, and refused or let through."""
        there, here = Voice(self.serve()), Voice(self.fixture.realm_context)
        self.join(subscribe="prefix com.", register="prefix com.")
        await self.joined()
        here.session.subscribe("com.a", Match.EXACT)
        here.session.register("com.p", Match.EXACT)
        self.fixture.authorizer.default = type(self.fixture.authorizer.default)(Verdict.DENY, "no")
        there.session.send(Publish(1, {}, "com.a"))
        there.session.send(Call(2, {}, "com.p"))
        [(message, _, _)] = await self.until(lambda: there.take(Error))
        self.assertEqual(message.error, "wamp.error.not_authorized")
        self.assertEqual(here.heard, [])
        self.assertEqual(self.noted("publish.refused", "denied")[0]["user"], "uplink:oro")

    async def test_their_rules(self) -> None:
        """What the other router refuses is told with its reason, and nothing else suffers."""
        self.serve()
        here = Voice(self.fixture.realm_context)
        self.join(subscribe="exact secret.a, exact com.x", register="exact secret.a", publish="prefix secret.")
        await self.joined()
        here.session.send(Publish(1, {}, "secret.a"))
        await self.until(lambda: self.noted("uplink.refused", "publish"))
        for what, uri in (
            ("subscribe", "exact secret.a"),
            ("register", "exact secret.a"),
            ("publish", "secret.a"),
        ):
            [fields] = self.noted("uplink.refused", what)
            self.assertEqual((fields["uri"], fields["reason"]), (uri, "wamp.error.not_authorized"))

    async def test_authorities_and_transports(self) -> None:
        """Every serializer, and a secret that is proven by WAMP-CRA."""
        realm_context = self.serve()
        there, here = Voice(realm_context), Voice(self.fixture.realm_context, "anna")
        there.session.subscribe("com.", Match.PREFIX)
        for serializer in ("json", "msgpack", "cbor"):
            uplink = self.join(
                publish="prefix com.", serializer=serializer, authid="link", secret=Secret(SECRET, "env:SECRET")
            )
            await self.until(lambda: any(m.principal.authid == "link" for m in realm_context.realm.members.values()))
            await self.until(lambda: self.uplink._remote.session)
            here.session.send(Publish(1, {"disclose_me": True}, "com.a"), Payload.of([serializer, b"\0\xff"]))
            [(message, args, _)] = await self.until(lambda: there.take(Event))
            self.assertEqual(args, [serializer, b"\0\xff"])
            self.assertEqual(message.details["publisher_authid"], "anna", "a forwarder's word is taken")
            await uplink.stopService()
        self.assertEqual(self.noted("uplink.joined", "oro")[0]["authrole"], "member")

    async def test_a_key(self) -> None:
        """We prove to be who we are by cryptosign; the key alone says who that is."""
        self.serve()
        self.join(subscribe="prefix com.", key=Secret(SEED, "env:KEY"))
        await self.joined()
        [fields] = self.noted("uplink.joined", "oro")
        self.assertEqual((fields["authid"], fields["authrole"]), ("robot", "member"))

    async def test_tls(self) -> None:
        """The certificate is verified: against the authorities of ``ca``, and for the host of the address."""
        files = server_tls.made(self.directory)
        self.serve(f"certificate = {files.certificate}\nkey = {files.key}\ntransport = universal")
        for url, authority, reason in (
            (f"wss://127.0.0.1:{self.port}/", files.stranger, "certificate verify failed"),
            (f"wss://localhost:{self.port}/", files.authority, "VerificationError"),
            (f"rss://127.0.0.1:{self.port}", files.stranger, "certificate verify failed"),
            (f"wss://127.0.0.1:{self.port}/", files.authority, ""),
            (f"rss://127.0.0.1:{self.port}", files.authority, ""),
        ):
            self.fixture.journal.notes.clear()
            uplink = self.join(url=url, ca=Path(authority))
            if reason:
                await self.until(lambda: self.fixture.journal.notes)
                self.assertEqual(self.noted("uplink.joined", "oro"), [])
                self.assertIn(reason, str(self.noted("uplink.failed", "unreachable")))
            else:
                await self.joined()
            await uplink.stopService()

    async def test_only_what_was_asked_for(self) -> None:
        """Whatever the other router sends, topics and procedures that are not configured do not pass."""
        there, here = Voice(self.serve()), Voice(self.fixture.realm_context)
        uplink = self.join(subscribe="prefix com.in.", register="prefix com.ours.")
        await self.joined()
        here.session.subscribe("", Match.PREFIX)
        here.session.register("secret.p", Match.EXACT)
        uplink._from_remote(Event(1, 2, {"topic": "oro/maintenance"}), None)
        uplink._from_remote(Event(99, 3, {}), None)
        uplink._from_remote(Invocation(1, 2, {"procedure": "secret.p"}), None)
        uplink._from_remote(Invocation(2, 99, {}), None)
        there.session.send(Publish(1, {}, "com.in.a"))
        [(message, _, _)] = await self.until(lambda: here.take(Event))
        self.assertEqual(message.details["topic"], "com.in.a")
        self.assertEqual(here.heard, [])
        self.assertEqual(self.fixture.journal.counts["uplink.call_failed", "unknown"], 2)


class Enduring(UplinkCase):
    async def test_away(self) -> None:
        """While nobody is there events are counted and calls fail at once; once somebody is, the number is told."""
        here = Voice(self.fixture.realm_context)
        uplink = self.join(publish="prefix com.", call="exact com.p", retry=0.3)
        self.assertFalse(uplink.connected)
        for number in range(3):
            here.session.send(Publish(number, {}, "com.a"))
        here.session.send(Call(9, {}, "com.p"))
        [(message, _, _)] = here.take(Error)
        self.assertEqual((message.request, message.error), (9, "wamp.error.network_failure"))
        await self.until(lambda: self.fixture.journal.counts["uplink.failed", "unreachable"] >= 2)
        there = Voice(self.serve())
        there.session.subscribe("com.", Match.PREFIX)
        await self.joined()
        self.assertEqual(self.noted("uplink.joined", "oro")[0]["events_lost"], 3)
        self.assertTrue(uplink.connected)
        here.session.send(Publish(4, {}, "com.a"))
        self.assertEqual(len(await self.until(lambda: there.take(Event))), 1)

    async def test_the_other_router_restarts(self) -> None:
        """Calls in progress fail, and both directions heal when it is back."""
        there, here = Voice(self.serve()), Voice(self.fixture.realm_context)
        self.join(publish="prefix com.", subscribe="prefix com.", call="exact there.p", retry=0.3)
        there.session.register("there.p", Match.EXACT)
        await self.joined()
        here.session.send(Call(1, {}, "there.p"))
        await self.until(lambda: there.take(Invocation))
        await self.end_there()
        [(message, _, _)] = await self.until(lambda: here.take(Error))
        self.assertIn(message.error, ("wamp.error.network_failure", "wamp.error.canceled"))
        await self.until(lambda: self.noted("uplink.failed", "lost"))
        there = Voice(self.serve())
        await self.joined(2)
        for one, other in ((here, there), (there, here)):
            other.session.subscribe("com.a", Match.EXACT)
            one.session.send(Publish(1, {}, "com.a"))
            await self.until(partial(other.take, Event))

    async def test_not_let_in(self) -> None:
        """A router that does not let us in is asked again, less and less often."""
        self.serve()
        self.join(realm="nowhere", retry=0.6)
        fields = await self.until(
            lambda: (
                self.fixture.journal.counts["uplink.failed", "refused"] >= 3 and self.noted("uplink.failed", "refused")
            )
        )
        self.assertIn("wamp.error.no_such_realm", fields[0]["reason"])
        self.assertEqual([one["again"] for one in fields], ["in 0.5 s"], "told once")

    async def test_silence(self) -> None:
        """Whoever accepts and says nothing is given up after a while."""
        port = reactor.listenTCP(self.port, Factory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        for url in (f"ws://127.0.0.1:{self.port}/", f"rs://127.0.0.1:{self.port}"):
            self.fixture.journal.notes.clear()
            uplink = self.join(url=url, timeout=0.3)
            await self.until(lambda: [one for one in self.fixture.journal.notes if one[0] == "uplink.failed"])
            await uplink.stopService()

    async def test_leaves(self) -> None:
        """At a stop nothing of it is left, here or there; whether it is joined or still trying."""
        realm_context = self.serve()
        uplink = self.join(publish="prefix com.", call="prefix p.")
        await self.joined()
        self.assertEqual((len(realm_context.realm.members), len(self.fixture.realm.members)), (1, 1))
        await uplink.stopService()
        self.assertEqual((len(realm_context.realm.members), len(self.fixture.realm.members)), (0, 0))
        self.assertEqual(self.noted("uplink.failed", "lost"), [])
        await self.end_there()
        uplink = self.join()
        await self.until(lambda: self.noted("uplink.failed", "unreachable"))
        await uplink.stopService()
        self.assertEqual(len(self.fixture.realm.members), 0)

    async def test_stopped_while_connecting(self) -> None:
        """A stop does not wait for a connection."""
        port = reactor.listenTCP(self.port, Factory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        uplink = self.join(url=f"rs://127.0.0.1:{self.port}")
        await deferLater(reactor, 0.1, lambda: None)
        began = reactor.seconds()
        await uplink.stopService()
        self.assertTrue(reactor.seconds() - began < 1)
        self.assertIsInstance(uplink._loop, Deferred)

    async def test_a_router_that_does_not_read(self) -> None:
        """What it does not read waits within a bound, the rest is dropped and counted, and the order stays. At a stop
        nobody waits for its GOODBYE longer than a second."""
        DeafRouter.made.clear()
        port = reactor.listenTCP(self.port, Factory.forProtocol(DeafRouter), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        here = Voice(self.fixture.realm_context)
        uplink = self.join(url=f"rs://127.0.0.1:{self.port}", publish="prefix com.", queue=10, event_rate=10_000)
        await self.until(lambda: self.noted("uplink.joined", "oro"))
        count, text = 300, "x" * 100_000
        for number in range(count):
            here.session.send(Publish(number, {}, "com.a"), Payload.of([number, text]))
            if number % 20 == 0:
                await deferLater(reactor, 0, lambda: None)
        dropped = self.fixture.journal.counts["uplink.dropped", "queue"]
        self.assertGreater(dropped, 100)
        (router,) = DeafRouter.made
        router.listen()
        await self.until(lambda: len(router.messages) == 1 + count - dropped)
        numbers = [message[4][0] for message in router.messages[1:]]
        self.assertEqual(numbers, sorted(set(numbers)))
        here.session.send(Publish(count, {}, "com.a"), Payload.of(["again"]))
        await self.until(lambda: router.messages[-1][4][0] == "again")
        began = reactor.seconds()
        await uplink.stopService()
        self.assertLess(reactor.seconds() - began, 2.0)
