"""The channel between two processes of one router on one machine: a UNIX stream socket, inherited or handed over.

A frame is its length (4 bytes, big-endian) and a MessagePack array ``[name, *fields]``. Each side's first frame is
``["orosync", PROTOCOL, version]``: processes with different protocols do not talk to each other. Sockets are handed
over with frames (SCM_RIGHTS, unix(7)); a descriptor arrives with the first byte of its frame at the latest, and those
of one direction in order, so that the n-th frame that brings one belongs to the n-th descriptor.

Neither side is trusted less than this process itself: both are orosync, started by the same command.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync import __version__
from orosync.errors import ChannelLost, NotDone

PROTOCOL = 1
"""Raised with every change of what is said over a channel."""

LARGEST = 64 << 20
"""Bytes of a frame."""

GREETING, DESCRIPTOR, TAKEN, QUESTION, ANSWER = "orosync", ".descriptor", ".taken", ".question", ".answer"
"""Frames of the channel itself: the first one, one that brings a descriptor, one that says that it has arrived."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_log = Logger()


@implementer(IFileDescriptorReceiver)
class ProcessChannel(Protocol):
    """One end. Handlers are set before ``connect``; frames of other names are ignored.

    ``opened`` is called when the other side's first frame has come, ``lost`` with the reason when the channel has
    ended; frames from the other side come only in between. What is sent earlier waits in the socket, what is sent later
    is dropped.
    """

    def __init__(self, lost: Callable[[str], None], opened: Callable[[], None] = lambda: None) -> None:
        self._lost = lost
        self._opened = opened
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._takers: dict[str, Callable[..., Any]] = {}
        self._answerers: dict[str, Callable[..., Any]] = {}
        self._questions: dict[int, Deferred[Any]] = {}
        self._last_question = 0
        self._buffer = bytearray()
        self._arrived: deque[int] = deque()
        self._sent: deque[int] = deque()
        self._over = False
        self._come = 0
        self._reason = "the other process has closed it"
        self.version = ""
        """The version of orosync on the other side, once it is known."""

    # -- what the two sides say

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        """``handler(*fields)`` is called for each frame of ``name``."""
        self._handlers[name] = handler

    def on_descriptor(self, name: str, handler: Callable[..., Any]) -> None:
        """``handler(descriptor, *fields)`` for each frame of ``name`` that brings one, which then belongs to it."""
        self._takers[name] = handler

    def on_question(self, name: str, handler: Callable[..., Any]) -> None:
        """``handler(*fields)`` gives the answer, or a Deferred of it. It raises NotDone, with words for who asked."""
        self._answerers[name] = handler

    def send(self, name: str, *fields: Any) -> None:
        """Send a frame. Fields are what MessagePack has, and msgspec structs."""
        self._write(_encode((name, *fields)))

    def send_descriptor(self, name: str, descriptor: int, *fields: Any) -> None:
        """Send a frame with a descriptor, which the caller may close afterwards."""
        if self._over:
            return
        transport: Any = self.transport
        mine = os.dup(descriptor)
        self._sent.append(mine)  # open until it has arrived: Twisted does not tell when it is sent
        transport.sendFileDescriptor(mine)
        self.send(DESCRIPTOR, name, *fields)

    def ask(self, name: str, *fields: Any) -> Deferred[Any]:
        """The answer of the other side. Fails with NotDone, and with ChannelLost when the channel ends before."""
        if self._over:
            return fail(ChannelLost(self._reason))
        self._last_question = number = self._last_question + 1

        def cancelled(_: object) -> None:
            self._questions.pop(number, None)

        question: Deferred[Any] = Deferred(cancelled)
        self._questions[number] = question
        self.send(QUESTION, number, name, list(fields))
        return question

    @property
    def queued(self) -> int:
        """Bytes that wait for the other side to read."""
        transport: Any = self.transport
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen if transport else 0

    def close(self, reason: str = "closed") -> None:
        """End the channel now; ``lost`` is called in a later turn."""
        self._reason = reason
        transport: Any = self.transport
        if transport is not None and not self._over:
            transport.abortConnection()

    def finish(self, reason: str) -> None:
        """End the channel when the other process has ended, having handled what it has still sent."""
        transport: Any = self.transport
        come = -1
        while transport is not None and not self._over and come != self._come:
            come = self._come
            if transport.doRead() is not None:
                break
        self.close(reason)

    # -- the socket

    def connectionMade(self) -> None:
        self.send(GREETING, PROTOCOL, __version__)

    def dataReceived(self, data: bytes) -> None:
        self._come += len(data)
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= 4 and not self._over:
            length = int.from_bytes(buffer[start : start + 4])
            if length > LARGEST:
                self.close(f"a frame of {length} bytes has come")
                return
            if len(buffer) - start - 4 < length:
                break
            with memoryview(buffer) as view:
                frame = _decode(view[start + 4 : start + 4 + length])
            start += 4 + length
            self._receive(frame[0], frame[1:])
        del buffer[:start]

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """See IFileDescriptorReceiver."""
        os.set_inheritable(descriptor, False)
        self._arrived.append(descriptor)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over = True
        for descriptors in (self._arrived, self._sent):
            while descriptors:
                os.close(descriptors.popleft())
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.errback(ChannelLost(self._reason))
        self._lost(self._reason)

    # -- frames

    def _write(self, frame: bytes) -> None:
        if len(frame) > LARGEST:
            raise ValueError(f"a frame of {len(frame)} bytes")
        if not self._over and self.transport is not None:
            self.transport.writeSequence((len(frame).to_bytes(4), frame))

    def _receive(self, name: str, fields: list[Any]) -> None:
        if not self.version:
            self._greeted(name, fields)
        elif name in self._handlers:
            self._call(self._handlers[name], *fields)
        elif name == DESCRIPTOR:
            self.send(TAKEN)
            self._call(self._takers.get(fields[0], _close), self._arrived.popleft(), *fields[1:])
        elif name == TAKEN:
            os.close(self._sent.popleft())
        elif name == QUESTION:
            self._asked(*fields)
        elif name == ANSWER:
            self._answered(*fields)

    def _greeted(self, name: str, fields: list[Any]) -> None:
        if name != GREETING or len(fields) < 2 or fields[0] != PROTOCOL:
            version = fields[1] if name == GREETING and len(fields) > 1 else "unknown"
            self.close(f"the other process is of orosync {version}, this one of {__version__}: restart the router")
            return
        self.version = str(fields[1])
        self._call(self._opened)

    def _call(self, handler: Callable[..., Any], *arguments: Any) -> None:
        try:
            handler(*arguments)
        except Exception:
            _log.failure("a frame from another process of this router could not be handled")

    def _asked(self, number: int, name: str, fields: list[Any]) -> None:
        answerer = self._answerers.get(name)
        if answerer is None:
            self.send(ANSWER, number, f"there is no {name} here", None)
            return
        found: Deferred[Any] = maybeDeferred(answerer, *fields)
        found.addCallback(lambda answer: self.send(ANSWER, number, "", answer))
        found.addErrback(partial(self._not_done, number))

    def _not_done(self, number: int, failure: Failure) -> None:
        if not failure.check(NotDone):
            _log.failure("a question of another process of this router failed", failure=failure)
        self.send(ANSWER, number, failure.getErrorMessage() or "it failed", None)

    def _answered(self, number: int, refused: str, answer: Any) -> None:
        question = self._questions.pop(number, None)
        if question is None:
            return
        if refused:
            question.errback(NotDone(refused))
        else:
            question.callback(answer)


def _close(descriptor: int, *fields: Any) -> None:
    os.close(descriptor)


def connect(reactor: Any, descriptor: int, channel: ProcessChannel) -> None:
    """Have ``channel`` use a connected UNIX socket, which belongs to it from now on."""
    os.set_blocking(descriptor, False)
    reactor.adoptStreamConnection(descriptor, socket.AF_UNIX, _Factory.forProtocol(lambda: channel))
    os.close(descriptor)


def pair() -> tuple[int, int]:
    """The descriptors of two sockets that are connected to each other; neither is inherited."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return one.detach(), other.detach()


class _Factory(Factory):
    noisy = False
