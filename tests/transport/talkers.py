"""Clients of an in-memory listener with real sessions, whose message rate is small: RATE a second, BURST at once."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from orosync.interfaces import Admission, ISessionHost
from orosync.model import ConnectionFacts, ConnectionPolicy
from orosync.session.batched import BatchedSession
from orosync.session.v1 import V1Session
from orosync.session.v2 import V2Session
from orosync.testing import principal
from orosync.wamp import rawsocket
from orosync.wamp.codec import CODECS
from tests.session.fixture import HELLO, RealmFixture
from tests.support.raw_wires import raw_frame
from tests.support.wires import MemoryListener, client_frame, server_frames, upgrade

RATE, BURST = 100, 200


@implementer(ISessionHost)
class RatedHost:
    """Admits all clients with a real session and a bucket of RATE and BURST."""

    def __init__(self, fixture: RealmFixture, policy: ConnectionPolicy) -> None:
        self._fixture, self._policy = fixture, policy

    def admit(self, facts: ConnectionFacts) -> Deferred[Admission]:
        (chosen,) = facts.subprotocols
        return succeed(Admission(chosen, session(self._fixture, facts, chosen, self._policy)))


def session(fixture: RealmFixture, facts: ConnectionFacts, subprotocol: str, policy: ConnectionPolicy) -> Any:
    if subprotocol == "wamp":
        return V1Session(fixture.context, fixture.realm_context, facts, principal(), policy)
    kind = BatchedSession if subprotocol.endswith(".batched") else V2Session
    return kind(fixture.context, facts, CODECS[subprotocol.removesuffix(".batched")], None, policy)


class Client:
    """One connection of a listener with ``subprotocol``, "raw" for RawSocket; what it has been told is in ``heard``."""

    def __init__(self, listener: MemoryListener, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self.link, self.wire = listener.connect()
        link: Any = self.link
        link.dataReceived(b"\x7f\xf1\0\0" if subprotocol == "raw" else upgrade(subprotocol=subprotocol))
        listener.clock.advance(0)
        self.wire.clear()
        self._listener = listener
        self._rest = b""

    def frame(self, message: Any) -> bytes:
        data = json.dumps(message).encode()
        if self.subprotocol == "raw":
            return raw_frame(data)
        return client_frame(data + b"\x1e" * self.subprotocol.endswith(".batched"))

    def ping(self, payload: bytes = b"") -> bytes:
        return raw_frame(payload, 1) if self.subprotocol == "raw" else client_frame(payload, 9)

    def pong(self) -> bytes:
        return raw_frame(b"", 2) if self.subprotocol == "raw" else client_frame(b"", 10)

    def send(self, data: bytes, step: int = 0) -> None:
        """As bytes that arrive at once, or in pieces of ``step``: paused sockets bring none."""
        link: Any = self.link
        for start in range(0, len(data), step or len(data)):
            link.dataReceived(data[start : start + (step or len(data))])
        self._turns()

    def _turns(self) -> None:
        """As many turns of the reactor as all of it may need, in no time."""
        self._listener.clock.pump([0] * 40)

    def join(self) -> Client:
        if self.subprotocol != "wamp":
            self.send(self.frame(HELLO))
            self.heard()
        return self

    def heard(self) -> list[tuple[int, bytes]]:
        """Frames since the last time, as (first byte, payload)."""
        self._turns()
        data = self._rest + self.wire.value()
        self.wire.clear()
        if self.subprotocol != "raw":
            frames, self._rest = server_frames(data)
            return frames
        found = []
        while data:
            kind, length = rawsocket.measure(int.from_bytes(data[:4], "big"))
            found.append((kind, data[4 : 4 + length]))
            data = data[4 + length :]
        return found

    def answered(self) -> list[Any]:
        """What the CALLs that were answered had for a name."""
        found = []
        for _, payload in self.heard():
            for one in payload.split(b"\x1e"):
                message = json.loads(one) if one else [0]
                if message[0] in (8, 4):
                    found.append(message[2] if message[0] == 8 else int(message[1]))
        return found

    def calls(self, numbers: range) -> bytes:
        """CALLs of what is not there; each is answered."""
        if self.subprotocol == "wamp":
            return b"".join(self.frame([2, str(n), "no.such"]) for n in numbers)
        return b"".join(self.frame([48, n, {}, "no.such"]) for n in numbers)
