"""The PROXY protocol, versions 1 and 2: a proxy that forwards TCP unchanged names its client in a header.

The header precedes all other bytes, TLS included, and is accepted from trusted proxies alone. Twisted's own reader
(``haproxy:`` endpoints) is not used: it accepts headers from every peer, and bounds neither their length nor the time
they take. Sections are those of HAProxy's "The PROXY protocol".
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from typing import Protocol as Interface

import attrs
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from orosync.interfaces import IJournal
from orosync.transport.accepting import Build, DelayedConnection, RefusedConnection, hand_over
from orosync.transport.admission import Place
from orosync.transport.timers import Timed, TimerWheel

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""What version 2 begins with (section 2.2 of the specification)."""

LONGEST_TEXT = 107
"""Bytes of a header of version 1 with its CR LF (section 2.1)."""

LONGEST_BINARY = 4096
"""Bytes of a header of version 2 with all that may follow the addresses; proxies send a few hundred."""

_WORD = b"PROXY "
_FIXED = 16
_ADDRESSES: dict[int, tuple[int, int]] = {0x1: (4, 12), 0x2: (16, 36), 0x3: (108, 216)}
"""By address family: the bytes of the source address, and of all addresses."""


class BadHeader(Exception):
    """These bytes are no header. ``code`` is the reason code; the text quotes nothing of them."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@attrs.frozen
class Header:
    """A header of ``size`` bytes. ``source`` is the client's address; "" for the proxy's own connection (LOCAL, for
    health checks), and with ``unnamed`` where the proxy does not name its client."""

    size: int
    source: str = ""
    unnamed: bool = False


def parse(data: bytes) -> Header | None:
    """The header that ``data`` begins with; None while more bytes are needed. Raises BadHeader as soon as the bytes
    cannot become one."""
    for start, read in ((_WORD, _text), (SIGNATURE, _binary)):
        if data.startswith(start):
            return read(data)
        if start.startswith(data):
            return None
    raise BadHeader("no_header", "it does not begin with a header of the PROXY protocol")


def _text(data: bytes) -> Header | None:
    """Version 1 (section 2.1): a line of text."""
    end = data.find(b"\n", 0, LONGEST_TEXT)
    if end < 0:
        if len(data) >= LONGEST_TEXT:
            raise BadHeader("malformed", f"its header has no end within {LONGEST_TEXT} bytes")
        return None
    line = data[:end]
    if not line.endswith(b"\r"):
        raise BadHeader("malformed", "its header does not end with CR LF")
    words = line[:-1].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return Header(end + 1, unnamed=True)
    readers: dict[str, type[IPv4Address] | type[IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}
    if words[1] not in readers or len(words) != 6:
        raise BadHeader("malformed", "its header is none of TCP4, TCP6 and UNKNOWN")
    try:
        source, _ = readers[words[1]](words[2]), readers[words[1]](words[3])
    except ValueError:
        raise BadHeader("malformed", "its header has no addresses of its family") from None
    if "%" in words[2] or not all(_is_port(word) for word in words[4:]):
        raise BadHeader("malformed", "its header has no ports")
    return Header(end + 1, _written(source))


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 5 and int(word) <= 65535


def _binary(data: bytes) -> Header | None:
    """Version 2 (section 2.2): 16 bytes, the addresses, and TLVs, which are skipped."""
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise BadHeader("malformed", "its header has another version than 2, or an unknown command")
    if len(data) < _FIXED:
        return None
    family, protocol = divmod(data[13], 16)
    length = int.from_bytes(data[14:16], "big")
    if _FIXED + length > LONGEST_BINARY:
        raise BadHeader("malformed", f"its header is longer than {LONGEST_BINARY} bytes")
    local = data[12] == 0x20
    # The addresses of LOCAL are skipped, whatever they are; an unknown family counts as unspecified.
    size, all_addresses = (0, 0) if local else _ADDRESSES.get(family, (0, 0))
    if not local and family in _ADDRESSES and protocol != 1:
        raise BadHeader("malformed", "its header is not of a stream")
    if length < all_addresses:
        raise BadHeader("malformed", "its header is shorter than its addresses")
    if len(data) < _FIXED + length:
        return None
    address = data[_FIXED : _FIXED + size]
    if local:
        return Header(_FIXED + length)
    if size == 4:
        return Header(_FIXED + length, str(IPv4Address(address)))
    if size == 16:
        return Header(_FIXED + length, _written(IPv6Address(address)))
    return Header(_FIXED + length, unnamed=True)


def _written(address: IPv4Address | IPv6Address) -> str:
    """As text; a mapped IPv4 address as itself, like every other address."""
    return str(getattr(address, "ipv4_mapped", None) or address)


class ProxyListener(Interface):
    """What ``ProxyHeaderReader`` needs of a listener."""

    timers: TimerWheel
    journal: IJournal
    handshake_ticks: int
    hurried_ticks: int
    header_limit: int

    def admit(self, place: Place, build: Build) -> Protocol | None:
        """The protocol of a connection whose client is known now (``place.peer``)."""

    def refuse_proxy(self, kind: str, peer: str, reason: str) -> None:
        """Log that a connection is refused."""


class ProxyHeaderReader(Protocol):
    """A connection of a proxy until its header has been read. Then it is admitted as its client's, and ``build`` makes
    the protocol that serves it."""

    slot: set[Timed] | None = None

    def __init__(self, listener: ProxyListener, place: Place, build: Build) -> None:
        self._listener = listener
        self._place = place
        self._build = build
        self._buffer = b""
        self._over = False

    def connectionMade(self) -> None:
        place, listener = self._place, self._listener
        if place.undecided:
            place.withdraw = self._drop
        listener.timers.schedule(self, listener.hurried_ticks if place.undecided else listener.handshake_ticks)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        buffer = self._buffer = self._buffer + data
        try:
            header = parse(buffer)
        except BadHeader as fault:
            self._refuse(fault.code, str(fault))
            return
        if header is not None:
            self._buffer = b""
            self._go_on(header, buffer[header.size :])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._listener.timers.cancel(self)
        self._place.release()
        if not self._over:
            # A load balancer that only checks whether the port is open sends nothing.
            self._listener.journal.count("handshake.lost", "partial" if self._buffer else "silent")

    def due(self) -> None:
        """See timers.Timed."""
        self._refuse("timeout", "no header of the PROXY protocol came in time")

    def _go_on(self, header: Header, rest: bytes) -> None:
        listener, place = self._listener, self._place
        listener.timers.cancel(self)
        place.set_source(header.source, header.unnamed)
        chosen: Any = listener.admit(place, partial(self._with_rest, rest))
        if isinstance(chosen, DelayedConnection) and len(rest) > listener.header_limit:
            self._refuse("early", f"sent more than {listener.header_limit} bytes before its turn")
            return
        if isinstance(chosen, DelayedConnection):
            place.hold_head(len(rest), self._drop)
        hand_over(self, chosen)
        if rest and isinstance(chosen, RefusedConnection):
            chosen.dataReceived(rest)

    def _with_rest(self, rest: bytes, place: Place) -> Protocol | None:
        """What ``build`` makes; it receives ``rest``, which arrived behind the header, as soon as it is connected."""
        chosen: Any = self._build(place)
        make_connection = chosen.makeConnection

        # On the instance: ``hand_over`` connects it later, and only then may it get its first bytes.
        def with_rest(transport: Any) -> None:
            del chosen.makeConnection
            make_connection(transport)
            if rest:
                chosen.dataReceived(rest)

        chosen.makeConnection = with_rest
        served: Protocol = chosen
        return served

    def _refuse(self, kind: str, reason: str) -> None:
        self._listener.refuse_proxy(kind, self._place.peer, reason)
        self._drop()

    def _drop(self) -> None:
        self._over = True
        self._buffer = b""
        self._listener.timers.cancel(self)
        transport: Any = self.transport
        transport.abortConnection()
