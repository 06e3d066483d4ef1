"""An uplink between a realm in memory and another router, a real one on real sockets."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from orosync.app.container import Container
from orosync.app.service import RouterService
from orosync.config import load
from orosync.config.readers import BUILTIN
from orosync.config.uplinks import UplinkSection, patterns
from orosync.model import Match
from orosync.router.filters import FORWARDER
from orosync.session.local import LocalSession
from orosync.testing import principal
from orosync.uplink.uplink import FEATURES, Uplink
from orosync.wamp.payload import Payload
from tests.session.fixture import RealmFixture
from tests.support.ports import free_port

THERE = """
[router]
drain = 0s
state = .
[listen:one]
endpoint = tcp:{port}:interface=127.0.0.1
origin = optional
{tls}
[realm:there]
forwarders = member
authenticators = guests members keys
authorizers = roles
[role:guest]
permissions =
    deny exact secret.a
    deny exact closed.a
    any all disclose
[role:member]
permissions =
    any all
[authenticator:guests]
use = anonymous
role = guest
[authenticator:members]
use = wampcra
user.link = member env:SECRET
[authenticator:keys]
use = cryptosign
user.robot = member d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
"""
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
SECRET = "a secret of at least sixteen bytes"


class Voice:
    """A client in a realm, by values. ``heard`` is what it was told."""

    def __init__(self, realm_context: Any, authid: str = "voice") -> None:
        self.heard: list[tuple[Any, Payload | None]] = []
        who = principal(authid, authrole="guest", authmethod="anonymous", authprovider="guests")
        self.session = LocalSession(realm_context, who, FEATURES, lambda m, p, _: self.heard.append((m, p)))

    def take(self, kind: type) -> list[Any]:
        """(message, args, kwargs) of one kind."""
        found = [
            (message, *(payload or Payload.of()).values()) for message, payload in self.heard if type(message) is kind
        ]
        self.heard = [one for one in self.heard if type(one[0]) is not kind]
        return found


class UplinkCase(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        install = signal.signal
        ours = (signal.SIGTERM, signal.SIGHUP)
        self.patch(signal, "signal", lambda number, how: None if number in ours else install(number, how))
        self.port = free_port()
        self.fixture = RealmFixture()
        self.service: RouterService | None = None
        self.uplink: Uplink | None = None
        self.addCleanup(self.end)

    async def end(self) -> None:
        if self.uplink is not None and self.uplink.running:
            await self.uplink.stopService()
        await self.end_there()

    def serve(self, tls: str = "") -> Any:
        """The other router; its realm. ``tls``: further keys of its listener."""
        path = self.directory / "router.ini"
        path.write_text(THERE.format(port=self.port, tls=tls))
        parts = Container(load(path, {"HOME": str(self.directory), "SECRET": SECRET}, 65536), reactor)
        self.service = RouterService(parts)
        self.service.startService()
        return parts.realms["there"]

    async def end_there(self) -> None:
        service, self.service = self.service, None
        if service is not None:
            await service.stopService()

    def join(self, **keys: Any) -> Uplink:
        """An uplink of the stage's realm."""
        lists = ("publish", "subscribe", "call", "register")
        section = UplinkSection(
            name="oro", url=keys.pop("url", f"ws://127.0.0.1:{self.port}/"), realm=keys.pop("realm", "there"),
            **{key: patterns(value, BUILTIN) if key in lists else value for key, value in keys.items()},
        )  # fmt: skip
        who = principal("uplink:oro", authrole="uplink", authmethod="uplink", authprovider="uplink:oro")
        near = partial(LocalSession, self.fixture.realm_context, who, FEATURES | {FORWARDER})
        self.uplink = Uplink(section, near, self.fixture.journal, reactor, jitter=lambda: 0.0)
        self.uplink.startService()
        return self.uplink

    async def until(self, what: Callable[[], Any]) -> Any:
        """Wait for something true."""
        for _ in range(400):
            found = what()
            if found:
                return found
            await deferLater(reactor, 0.02, lambda: None)
        raise AssertionError(f"never came true; noted: {self.fixture.journal.notes}")

    def noted(self, event: str, kind: str) -> list[dict[str, Any]]:
        return [fields for one, other, fields in self.fixture.journal.notes if (one, other) == (event, kind)]

    async def joined(self, times: int = 1) -> None:
        """Until it is joined, and what it asked for is granted (a refusal comes behind the other answers)."""
        await self.until(lambda: len(self.noted("uplink.joined", "oro")) >= times)
        far = self.uplink._remote.session
        assert far is not None
        try:
            await far.subscribe("closed.a", Match.EXACT)
        except Exception as error:
            self.assertIn("not_authorized", str(error))


class DeafRouter(Protocol):
    """A router in RawSocket and JSON that lets everybody in, and reads nothing more until ``listen``."""

    made: ClassVar[list[DeafRouter]] = []

    def connectionMade(self) -> None:
        self.made.append(self)
        self._data = b""
        self.messages: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if self._data.startswith(b"\x7f"):
            self._data = self._data[4:]
            self.transport.write(b"\x7f\xf1\0\0")
        while len(self._data) >= 4:
            length = int.from_bytes(self._data[:4], "big")
            if len(self._data) < 4 + length:
                return
            message = json.loads(self._data[4 : 4 + length])
            self._data = self._data[4 + length :]
            self.messages.append(message)
            if message[0] == 1:
                welcome = json.dumps([2, 7, {"roles": {}}]).encode()
                self.transport.write(len(welcome).to_bytes(4, "big") + welcome)
                self.transport.pauseProducing()

    def listen(self) -> None:
        self.transport.resumeProducing()
