"""A session of ours in another router: joined by WebSocket and RawSocket, refused, lost, and joined again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, UNIXServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.attached.client import Attachment
from orosync.config.attached import AttachSection
from orosync.config.credentials import Secret
from orosync.errors import ConfigError
from orosync.testing import RecordingJournal
from orosync.wamp.codec import CODECS
from orosync.wamp.messages import Abort, Goodbye, Hello, Register, Registered, Welcome

reactor: Any = installed_reactor
CODEC = CODECS["wamp.2.cbor"]
WELCOME = Welcome(1, {"roles": {"broker": {}, "dealer": {}}, "authrole": "orosync"})


class Router(Protocol):
    """The other end of a RawSocket in CBOR: answers as its factory's ``script`` says."""

    factory: Any

    def connectionMade(self) -> None:
        self.data = b""
        self.greeted = False
        self.factory.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.greeted and len(self.data) >= 4:
            self.greeted, self.data = True, self.data[4:]
            self.transport.write(bytes((0x7F, 0xF3, 0, 0)))  # type: ignore[union-attr]
        while self.greeted and len(self.data) >= 4:
            end = 4 + int.from_bytes(self.data[1:4], "big")
            if len(self.data) < end:
                return
            message, self.data = CODEC.decode(self.data[4:end])[0], self.data[end:]
            self.factory.heard.append(message)
            answer = self.factory.script(message)
            if answer is not None:
                self.say(answer)

    def say(self, message: Any) -> None:
        data = CODEC.encode(message, None)
        self.transport.write(len(data).to_bytes(4, "big") + data)  # type: ignore[union-attr]


def willing(message: Any) -> Any:
    """A router that lets everybody in."""
    if isinstance(message, Hello):
        return WELCOME
    if isinstance(message, Register):
        return Registered(message.request, 77)
    return Goodbye({}, "wamp.close.goodbye_and_out") if isinstance(message, Goodbye) else None


class Attached(TestCase):
    """attachment.Attachment."""

    timeout = 20

    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.router: Any = Factory.forProtocol(Router)
        self.router.connections, self.router.heard, self.router.script = [], [], willing

    async def listen(self, endpoint: Any = None) -> str:
        port = await (endpoint or TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")).listen(self.router)
        self.addCleanup(port.stopListening)
        self.addCleanup(lambda: [one.transport.abortConnection() for one in self.router.connections])
        return f"rs://127.0.0.1:{getattr(port.getHost(), 'port', 0)}"

    def attach(self, url: str, **keys: Any) -> Attachment:
        section = AttachSection(url=url, realm="realm1", **{"timeout": 0.5, "retry": 0.2, **keys})
        made = Attachment(section, {"com.x": lambda: None}, self.journal, reactor, jitter=lambda: 0.0)
        made.startService()
        self.addCleanup(lambda: made.stopService() if made.running else None)
        return made

    async def until(self, condition: Any) -> None:
        for _ in range(1000):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail(f"it did not become true; {self.journal.notes}")

    def kinds(self, event: str = "attach.failed") -> list[str]:
        return [kind for happened, kind, _ in self.journal.notes if happened == event]

    def test_joined(self) -> Deferred[None]:
        """It says who it is, registers its procedure so that the newest is asked, and takes its leave at the end."""

        async def run() -> None:
            attachment = self.attach(await self.listen(), authid="us", ticket=Secret("t" * 16, "env:T"))
            await self.until(lambda: self.kinds("attach.joined"))
            hello, registering = self.router.heard
            self.assertEqual((hello.realm, hello.details["authid"]), ("realm1", "us"))
            self.assertEqual(hello.details["authmethods"], ["ticket"])
            self.assertEqual((registering.procedure, registering.options["invoke"]), ("com.x", "last"))
            await attachment.stopService()
            self.assertIsInstance(self.router.heard[-1], Goodbye)
            self.assertEqual(self.kinds(), [])
            self.assertEqual(self.journal.notes[0][2]["serves"], "com.x")

        return Deferred.fromCoroutine(run())

    def test_a_socket_file(self) -> Deferred[None]:
        """A router on this machine is reached without a port too."""

        async def run() -> None:
            path = Path(self.mktemp()).absolute()
            await self.listen(UNIXServerEndpoint(reactor, str(path)))
            self.attach(f"rs://unix:{path}")
            await self.until(lambda: self.kinds("attach.joined"))

        return Deferred.fromCoroutine(run())

    def test_lost(self) -> Deferred[None]:
        """A lost connection is told, and there is another one soon."""

        async def run() -> None:
            self.attach(await self.listen())
            for times in (1, 2, 3):
                await self.until(lambda times=times: len(self.kinds("attach.joined")) == times)
                self.router.connections[-1].transport.abortConnection()
            await self.until(lambda: len(self.kinds("attach.joined")) == 4)
            self.assertEqual(self.kinds(), ["lost"] * 3)

        return Deferred.fromCoroutine(run())

    def test_sent_away(self) -> Deferred[None]:
        """A router that ends the session has its reason told; it is asked again."""

        async def run() -> None:
            self.attach(await self.listen())
            await self.until(lambda: self.kinds("attach.joined"))
            self.router.connections[-1].say(Goodbye({"message": "maintenance"}, "wamp.close.system_shutdown"))
            await self.until(lambda: len(self.kinds("attach.joined")) == 2)
            (told,) = [note for note in self.journal.notes if note[0] == "attach.failed"]
            self.assertEqual((told[1], told[2]["reason"]), ("lost", "wamp.close.system_shutdown: maintenance"))

        return Deferred.fromCoroutine(run())

    def test_refused(self) -> Deferred[None]:
        """Not let in, not allowed to register, asked something that we do not answer: told in words, tried again."""

        async def run() -> None:
            from orosync.wamp.messages import Challenge, Error

            abort = Abort({"message": "no principal"}, "wamp.error.not_authorized")
            for script, words in [
                (lambda message: abort, "wamp.error.not_authorized: no principal"),
                (
                    lambda message: (
                        WELCOME if isinstance(message, Hello) else Error(64, message.request, {}, "wamp.error.no")
                    ),
                    "we may not register our procedures: ",
                ),
                (lambda message: Challenge("wampcra", {"challenge": "x"}), "the router asked for wampcra"),
            ]:
                self.journal.notes.clear()
                self.router.script = lambda message, script=script: (
                    script(message) if isinstance(message, Hello | Register) else None
                )
                attachment = self.attach(await self.listen(), ticket=Secret("t" * 16, "env:T"))
                await self.until(lambda: len(self.kinds()) >= 2)
                await attachment.stopService()
                self.assertEqual(set(self.kinds()), {"refused"})
                reason = str(self.journal.notes[0][2]["reason"])
                self.assertIn(words, reason)
                self.assertNotIn("t" * 16, reason)

        return Deferred.fromCoroutine(run())

    def test_nobody_there(self) -> Deferred[None]:
        """Nobody listens, or somebody who says nothing: told with the next attempt, and a stop does not wait for it."""

        async def run() -> None:
            attachment = self.attach("rs://127.0.0.1:1", retry=60.0)
            await self.until(lambda: len(self.kinds()) == 1)
            self.assertEqual((self.kinds(), self.journal.notes[0][2]["again"]), (["unreachable"], "in 0.5 s"))
            await attachment.stopService()

            self.journal.notes.clear()
            self.router.script = lambda message: None
            silent = self.attach(await self.listen(), timeout=0.1)
            await self.until(lambda: self.kinds())
            self.assertEqual(self.journal.notes[0][1:2], ("refused",))
            self.assertIn("joining took too long", str(self.journal.notes[0][2]["reason"]))
            await silent.stopService()

        return Deferred.fromCoroutine(run())

    def test_without_an_address(self) -> None:
        """A process of its own has to know where the router is."""
        section = AttachSection(realm="realm1")
        error = self.assertRaises(ConfigError, Attachment, section, {}, self.journal, reactor)
        self.assertIn("[attach] url: is missing", error.faults[0])
