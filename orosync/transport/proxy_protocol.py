"""The PROXY protocol (versions 1 and 2): what a proxy that passes on TCP as it is says first, of whom it is for.

The header stands in front of everything, of TLS too, and is believed from trusted proxies alone. Twisted's own reader
(``haproxy:`` endpoints) is not used: it believes everybody, and bounds neither a header's length nor its time.
It must not know what is spoken behind the header.
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
from orosync.transport.accepting import Build, Delayed, HangUp, hand_over
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
    """What came is no header. ``kind`` is "no_header" where it does not even begin as one; the text quotes nothing."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@attrs.frozen
class Header:
    """``size`` bytes. ``source`` is the address of whom the connection is for; "" where it is the proxy's own (LOCAL,
    as health checks are), and with ``unnamed`` where it is somebody's whom the proxy does not name."""

    size: int
    source: str = ""
    unnamed: bool = False


def parse(data: bytes) -> Header | None:
    """The header that ``data`` begins with; None while more bytes are needed. Raises BadHeader as soon as it is known
    that none will come."""
    for start, read in ((_WORD, _text), (SIGNATURE, _binary)):
        if data.startswith(start):
            return read(data)
        if start.startswith(data):
            return None
    raise BadHeader("no_header", "it does not begin with a header of the PROXY protocol")


def _text(data: bytes) -> Header | None:
    """Version 1: a line of text."""
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
    """Version 2: 16 bytes, the addresses, and what else there is (TLVs), which is passed over."""
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise BadHeader("malformed", "its header has another version than 2, or an unknown command")
    if len(data) < _FIXED:
        return None
    family, protocol = divmod(data[13], 16)
    length = int.from_bytes(data[14:16], "big")
    if _FIXED + length > LONGEST_BINARY:
        raise BadHeader("malformed", f"its header is longer than {LONGEST_BINARY} bytes")
    local = data[12] == 0x20
    # The addresses of LOCAL are passed over, whatever they are; a family that is unknown counts as unspecified.
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
    """As every other address is: a mapped IPv4 address as itself."""
    return str(getattr(address, "ipv4_mapped", None) or address)


class Gate(Interface):
    """What a listener is to a connection whose header is read."""

    timers: TimerWheel
    journal: IJournal
    handshake_ticks: int
    hurried_ticks: int
    header_limit: int

    def identified(self, place: Place, build: Build) -> Protocol | None:
        """What a connection gets whose client is known now (``place.peer``)."""

    def refuse_proxy(self, kind: str, peer: str, reason: str) -> None:
        """Write down that a connection is not served."""


class ProxyHeader(Protocol):
    """A connection of a proxy until its header has been read: then it goes on as its client's, ``build`` makes what
    serves it."""

    slot: set[Timed] | None = None

    def __init__(self, listener: Gate, place: Place, build: Build) -> None:
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
            self._refuse(fault.kind, str(fault))
            return
        if header is not None:
            self._buffer = b""
            self._go_on(header, buffer[header.size :])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._listener.timers.cancel(self)
        self._place.release()
        if not self._over:
            # A load balancer that looks whether the port is open sends nothing.
            self._listener.journal.count("handshake.lost", "partial" if self._buffer else "silent")

    def due(self) -> None:
        """See keepalive.Member."""
        self._refuse("timeout", "no header of the PROXY protocol came in time")

    def _go_on(self, header: Header, rest: bytes) -> None:
        listener, place = self._listener, self._place
        listener.timers.cancel(self)
        place.comes_from(header.source, header.unnamed)
        chosen: Any = listener.identified(place, partial(self._with_rest, rest))
        if isinstance(chosen, Delayed) and len(rest) > listener.header_limit:
            self._refuse("early", f"sent more than {listener.header_limit} bytes before its turn")
            return
        if isinstance(chosen, Delayed):
            place.hold_head(len(rest), self._drop)
        hand_over(self, chosen)
        if rest and isinstance(chosen, HangUp):
            chosen.dataReceived(rest)

    def _with_rest(self, rest: bytes, place: Place) -> Protocol | None:
        """What serves the connection, which begins with what came behind the header."""
        chosen: Any = self._build(place)
        make_connection = chosen.makeConnection

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
