"""orosync.backplane.channel: over real sockets, with descriptors, questions and ends."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync import __version__
from orosync.backplane.channel import LARGEST, PROTOCOL, ProcessChannel, connect, pair
from orosync.errors import ChannelLost, NotDone


class End:
    """A channel that notes what happens to it."""

    def __init__(self) -> None:
        self.opened: Deferred[None] = Deferred()
        self.lost: Deferred[str] = Deferred()
        self.channel = ProcessChannel(self.lost.callback, lambda: self.opened.callback(None))


class Both(TestCase):
    def setUp(self) -> None:
        self.one, self.other = End(), End()
        self.descriptors = pair()

    async def connect(self) -> None:
        for end, descriptor in zip((self.one, self.other), self.descriptors, strict=True):
            connect(reactor, descriptor, end.channel)
        self.addCleanup(self.close)
        await self.one.opened
        await self.other.opened

    async def close(self) -> None:
        self.one.channel.close()
        await self.other.lost
        await self.one.lost

    async def test_frames_arrive_whole_and_in_order(self) -> None:
        """Also long ones, which arrive in pieces, and several that arrive at once."""
        got: list[tuple[Any, ...]] = []
        over: Deferred[None] = Deferred()
        self.other.channel.on("word", lambda *fields: got.append(fields))
        self.other.channel.on("over", lambda: over.callback(None))
        await self.connect()
        sent = [(number, "x" * size, b"\xff" * size) for number, size in enumerate((0, 1, 3, 400_000, 7, 70_000))]
        for fields in sent:
            self.one.channel.send("word", *fields)
        self.one.channel.send("nobody has a handler for this", 1)
        self.one.channel.send("over")
        await over
        self.assertEqual(got, sent)

    async def test_each_side_knows_the_others_version(self) -> None:
        await self.connect()
        self.assertEqual((self.one.channel.version, self.other.channel.version), (__version__, __version__))

    async def test_what_is_sent_at_once_arrives_after_opened(self) -> None:
        """A side need not wait for the other one's first frame."""
        order: list[str] = []
        done: Deferred[None] = Deferred()

        def word() -> None:
            order.append("word")
            done.callback(None)

        self.other.channel.on("word", word)
        self.other.opened.addCallback(lambda _: order.append("opened"))
        connect(reactor, self.descriptors[0], self.one.channel)
        self.one.channel.send("word")
        connect(reactor, self.descriptors[1], self.other.channel)
        self.addCleanup(self.close)
        await done
        self.assertEqual(order, ["opened", "word"])

    async def test_descriptors_come_with_their_frames(self) -> None:
        """Each pipe arrives with the frame that names it, also behind much data, and works after the sender closed its
        own; none is left open."""
        got: list[str] = []
        done: Deferred[None] = Deferred()

        def take(descriptor: int, name: str) -> None:
            self.assertFalse(os.get_inheritable(descriptor))
            got.append(os.read(descriptor, 100).decode() + name)
            os.close(descriptor)
            if len(got) == 3:
                done.callback(None)

        await self.connect()
        opened = len(os.listdir("/proc/self/fd"))
        self.other.channel.on_descriptor("pipe", take)
        for name in "abc":
            self.one.channel.send("nothing", b"x" * 200_000)
            reader, writer = os.pipe()
            os.write(writer, name.encode())
            os.close(writer)
            self.one.channel.send_descriptor("pipe", reader, name)
            self.one.channel.send_descriptor("nobody takes this", reader)
            os.close(reader)
        await done
        self.assertEqual(got, ["aa", "bb", "cc"])
        self.one.channel.on_question("sync", lambda: None)
        self.other.channel.on_question("sync", lambda: None)
        await self.one.channel.ask("sync")
        await self.other.channel.ask("sync")
        self.assertEqual(len(os.listdir("/proc/self/fd")), opened)

    async def test_questions_are_answered(self) -> None:
        """At once, later, with words when it cannot be done, and with words when nobody knows the question."""
        later: Deferred[Any] = Deferred()

        def refuse() -> None:
            raise NotDone("not today")

        channel = self.other.channel
        channel.on_question("add", lambda one, other: one + other)
        channel.on_question("later", lambda: later)
        channel.on_question("refuse", refuse)
        channel.on_question("fail", lambda: {}["x"])
        await self.connect()
        slow = self.one.channel.ask("later")
        self.assertEqual(await self.one.channel.ask("add", 1, 2), 3)
        self.assertNoResult(slow)
        later.callback({"a": [1]})
        self.assertEqual(await slow, {"a": [1]})
        self.assertEqual(str(await self.assertFailure(self.one.channel.ask("refuse"), NotDone)), "not today")
        unknown = await self.assertFailure(self.one.channel.ask("unknown"), NotDone)
        self.assertEqual(str(unknown), "there is no unknown here")
        await self.assertFailure(self.one.channel.ask("fail"), NotDone)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_a_handler_that_fails_costs_its_frame_alone(self) -> None:
        done: Deferred[None] = Deferred()
        self.other.channel.on("bad", lambda: {}["x"])
        self.other.channel.on("good", lambda: done.callback(None))
        await self.connect()
        self.one.channel.send("bad")
        self.one.channel.send("bad", "with too many fields")
        self.one.channel.send("good")
        await done
        self.assertEqual(len(self.flushLoggedErrors(KeyError, TypeError)), 2)

    async def test_the_end_is_told_and_fails_questions(self) -> None:
        """When the other process ends, what is sent afterwards is dropped without an error."""
        self.other.channel.on_question("never", lambda: Deferred())
        await self.connect()
        question = self.one.channel.ask("never")
        await deferLater(reactor, 0.01)
        self.other.channel.close("tired")
        await self.assertFailure(question, ChannelLost)
        self.assertEqual(await self.one.lost, "the other process has closed it")
        self.assertEqual(await self.other.lost, "tired")
        self.one.channel.send("word")
        self.one.channel.send_descriptor("word", 0)
        await self.assertFailure(self.one.channel.ask("never"), ChannelLost)
        self.one.lost = self.other.lost = Deferred()
        self.one.lost.callback("")

    async def test_what_was_sent_before_the_end_is_handled(self) -> None:
        """Also when the end is known before it has been read, and an open end is no reason to wait."""
        got: list[int] = []
        self.other.channel.on("word", got.append)
        await self.connect()
        for number in range(3):
            self.one.channel.send("word", number)
        transport: Any = self.one.channel.transport
        while self.one.channel.queued:
            transport.doWrite()
        self.other.channel.finish("it has ended")
        self.assertEqual(got, [0, 1, 2])

    async def test_what_is_not_read_is_queued(self) -> None:
        """``queued`` tells how much waits for the other side."""
        await self.connect()
        self.assertEqual(self.one.channel.queued, 0)
        self.one.channel.send("much", b"x" * 10_000_000)
        self.assertGreater(self.one.channel.queued, 9_000_000)


class Strangers(TestCase):
    """What comes from something else than this version of orosync."""

    def setUp(self) -> None:
        self.end = End()
        self.end.opened.addCallback(self.fail)
        descriptor, other = pair()
        self.socket = socket.socket(fileno=other)
        self.addCleanup(self.socket.close)
        connect(reactor, descriptor, self.end.channel)

    def say(self, *frame: Any) -> None:
        data = msgspec.msgpack.encode(frame)
        self.socket.sendall(len(data).to_bytes(4) + data)

    async def test_another_protocol_ends_the_channel(self) -> None:
        """The reason names both versions and what to do."""
        self.say("orosync", PROTOCOL + 1, "9.9.9")
        why = f"the other process is of orosync 9.9.9, this one of {__version__}: restart the router"
        self.assertEqual(await self.end.lost, why)

    async def test_another_first_frame_ends_the_channel(self) -> None:
        self.say("hello")
        self.assertIn("of orosync unknown", await self.end.lost)

    async def test_a_frame_of_an_impossible_length_ends_the_channel(self) -> None:
        self.socket.sendall((LARGEST + 1).to_bytes(4))
        self.assertEqual(await self.end.lost, f"a frame of {LARGEST + 1} bytes has come")
