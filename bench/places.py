#!/usr/bin/env python3
"""How much memory connections take that have not joined, each with as much unfinished as it may have.

    python bench/places.py                       10,000 connections of each kind, plain and over TLS
    python bench/places.py --connections 2000    fewer; the bounds shrink with them
    python bench/places.py --kinds message head  some kinds alone

Prints a table and ends with 1 where the router took more than --plain or --tls MiB beyond what it had before. The
clients have a process of their own and come from 127.0.0.2 and following addresses, so that no address has more than it
may have.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import socket
import ssl
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any

from own_router import OwnRouter

from orosync.transport.tls import self_signed

CONFIGURATION = """
[router]
state = .
drain = 0s
[listen:plain]
endpoint = tcp:{port}:interface=127.0.0.1
{common}
[listen:tls]
endpoint = tcp:{backend}:interface=127.0.0.1
certificate = {certificate}
key = {key}
{common}
[realm:oro]
authenticators = guests
authorizers = roles
[authenticator:guests]
use = anonymous
role = guest
"""
COMMON = """transport = universal
origin = optional
longpoll = /lp
max_connections = 30000
max_unauthenticated = 25000
handshake_timeout = 900s
hello_timeout = 900s
frame_timeout = 900s
ping_interval = 900s"""

EACH = 200
"""Connections of one address."""

LIMIT = 8192
"""A message before HELLO."""

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: wamp.2.json\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 "
    b"Firefox/140.0\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
)


def frame(first: int, payload: bytes, missing: int = 0) -> bytes:
    """A masked frame of 126 bytes or more, without its last ``missing`` bytes."""
    whole = struct.pack("!BBH", first, 0x80 | 126, len(payload)) + b"\0\0\0\0" + payload
    return whole[: len(whole) - missing]


def exchange(client: socket.socket, request: bytes, end: bytes) -> None:
    client.sendall(request)
    answer = b""
    while end not in answer:
        piece = client.recv(4096)
        if not piece:
            raise OSError(answer[9:12].decode("latin-1") or "ended")
        answer += piece


def silent(client: socket.socket) -> None:
    """Says nothing; over TLS it has greeted."""


def head(client: socket.socket) -> None:
    """A request's head that does not end."""
    client.sendall(UPGRADE + b"Cookie: a=" + b"x" * (16 * 1024 - len(UPGRADE) - 20))


def cookies(client: socket.socket) -> None:
    """A long head, then an unfinished message."""
    exchange(client, UPGRADE + b"Cookie: a=" + b"x" * 12_000 + b"\r\n\r\n", b"\r\n\r\n")
    client.sendall(frame(0x81, b"x" * LIMIT, 1))


def message(client: socket.socket) -> None:
    """A message of which the last byte is missing."""
    exchange(client, UPGRADE + b"\r\n", b"\r\n\r\n")
    client.sendall(frame(0x81, b"x" * LIMIT, 1))


def dripping(client: socket.socket) -> None:
    """The same, in many pieces."""
    exchange(client, UPGRADE + b"\r\n", b"\r\n\r\n")
    whole = frame(0x81, b"x" * LIMIT, 1)
    for position in range(0, len(whole), 1000):
        client.sendall(whole[position : position + 1000])
        time.sleep(0)


def fragments(client: socket.socket) -> None:
    """A message in fragments of which the last is missing."""
    exchange(client, UPGRADE + b"\r\n", b"\r\n\r\n")
    piece = LIMIT // 16
    client.sendall(frame(0x01, b"x" * piece) + frame(0x00, b"x" * piece) * 14 + frame(0x80, b"x" * piece, 1))


def rawsocket(client: socket.socket) -> None:
    """The same over RawSocket."""
    exchange(client, b"\x7f\xf1\0\0", b"\0\0")
    client.sendall(LIMIT.to_bytes(4, "big") + b"x" * (LIMIT - 1))


def body(client: socket.socket) -> None:
    """A long-poll request of which the last byte is missing."""
    client.sendall(
        b"POST /lp/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LIMIT + b"x" * (LIMIT - 1)
    )


def record(client: socket.socket) -> None:
    """A message in a TLS record of which the last byte is missing."""
    exchange(client, UPGRADE + b"\r\n", b"\r\n\r\n")
    with socket.socket(fileno=client.detach()) as plain:
        plain.sendall(b"\x17\x03\x03" + (LIMIT + 500).to_bytes(2, "big") + b"x" * (LIMIT + 499))
        HELD.append(plain.dup())


HELD: list[socket.socket] = []
PLAIN: list[Callable[[Any], None]] = [silent, head, cookies, message, dripping, fragments, rawsocket, body]
SECURE: list[Callable[[Any], None]] = [silent, head, message, record]


def clients(port: int, count: int, act: Callable[[Any], None], secure: bool, ours: Any) -> None:
    """Opens them all, says how many there are and how many were refused, and waits for a word before it leaves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    refused: dict[str, int] = {}
    for number in range(count):
        client = socket.socket()
        client.settimeout(20)
        client.bind((f"127.0.{number // EACH // 250}.{number // EACH % 250 + 2}", 0))
        try:
            client.connect(("127.0.0.1", port))
            client = context.wrap_socket(client) if secure else client
            act(client)
            HELD.append(client)
        except OSError as error:
            refused[str(error)] = refused.get(str(error), 0) + 1
            client.close()
    ours.send(refused)
    ours.recv()


def measure(router: OwnRouter, port: int, count: int, act: Callable[[Any], None], secure: bool) -> tuple[float, str]:
    """MiB that ``count`` connections take, and what went otherwise."""
    before = router.memory("VmRSS")
    theirs, ours = Pipe()
    process = Process(target=clients, args=(port, count, act, secure, ours))
    process.start()
    refused = theirs.recv()
    time.sleep(1.0)
    taken = router.memory("VmRSS") - before
    theirs.send("leave")
    process.join()
    return taken, ", ".join(f"{number} {why}" for why, number in sorted(refused.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--plain", type=float, default=150.0, help="MiB for 10,000 plain connections")
    parser.add_argument("--tls", type=float, default=450.0, help="MiB for 10,000 connections over TLS")
    parser.add_argument("--kinds", nargs="+", help="some kinds of unfinished things, instead of all")
    asked = parser.parse_args()
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = 3 * asked.connections + 1000
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))
    failed = False
    print(f"{'':22}{'MiB':>8}{'bound':>8}{'KiB each':>10}")
    for secure, acts, most in ((False, PLAIN, asked.plain), (True, SECURE, asked.tls)):
        for act in acts:
            if asked.kinds and act.__name__ not in asked.kinds:
                continue
            with tempfile.TemporaryDirectory(prefix="places-") as directory:
                certificate, key = Path(directory, "certificate.pem"), Path(directory, "key.pem")
                self_signed(certificate, key)
                files = {"certificate": certificate, "key": key, "common": COMMON}
                with OwnRouter(configuration=CONFIGURATION, **files) as router:
                    port = router.backend if secure else router.port
                    measure(router, port, 50, act, secure)  # what the first ones cost once
                    mib, refused = measure(router, port, asked.connections, act, secure)
            # What all may hold together of long heads does not shrink with the number of connections.
            bound = most if act in (head, cookies) else most * asked.connections / 10_000
            failed |= mib > bound
            name = f"{'TLS' if secure else 'plain'}, {act.__name__}"
            each = mib * 1024 / asked.connections
            print(f"{name:22}{mib:8.1f}{bound:8.1f}{each:10.1f}  {'TOO MUCH ' * (mib > bound)}{refused}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
