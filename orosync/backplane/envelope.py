"""What carries a batch of messages from one node to another: who sent it, to whom, which numbers, signed.

The engine that carries it (Redis) is shared with others and is not trusted: a batch is read only when its code is that
of the key that all nodes of a router share (HMAC with SHA-256, RFC 2104, cut to 16 bytes as in its section 5). It names
the lives of both processes, so that a batch that is repeated later, or shown to another node, is of no use.

    1  version    1  flags    8  sender's boot    8  receiver's boot    8  first number    8  received    4  count
    1  length of the sender's name, its name in UTF-8    the messages, a MessagePack array    16  code

``received`` acknowledges: the last number that the sender has of the receiver. A batch without messages (count 0, no
array) has the number that the next message will have. In place of the array a request (REPEAT) may have how many
messages after ``received`` need not be repeated, as a number of 4 bytes: parts of a message that is not whole yet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hmac import compare_digest

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from msgspec import Struct

from orosync.errors import Refused

VERSION = 1

BEGIN = 1
"""Flag: with the first message the receiver forgets what it knew of the sender. A snapshot follows."""

REPEAT = 2
"""Flag: asks for what follows the number in ``received``, or what it has of the next message, once more."""

ANEW = 4
"""Flag, with REPEAT: the sender of this batch knows nothing of the receiver and needs a snapshot."""

UNCOUNTED = 8
"""Flag, with BEGIN: more may be missing than the numbers say, as the sender had not waited for the receiver."""

SHORTEST_KEY = 16

LONGEST_NAME = 255
"""Bytes of a node's name."""

_HEADER = struct.Struct(">BB8s8sQQIB")
_CODE = 16
_NO_CODE = bytes(_CODE)
_FLAGS = BEGIN | REPEAT | ANEW | UNCOUNTED

OVERHEAD = _HEADER.size + LONGEST_NAME + _CODE + 5
"""Bytes that a batch has at most beside its encoded messages."""


class Envelope(Struct, gc=False):
    """A batch as it was read: ``sender`` and ``receiver`` are boots of 8 bytes, ``body`` the MessagePack array."""

    flags: int
    sender: bytes
    first: int
    received: int
    count: int
    name: bytes
    body: memoryview

    @property
    def wanted_after(self) -> int:
        """Of a request: the number before the first that is asked for."""
        return self.received + int.from_bytes(self.body, "big")


class Envelopes:
    """Makes and reads the envelopes of one node: ``node`` with ``boot`` (16 hexadecimal digits). ``key``: of all nodes;
    a batch that was made with ``previous_key`` is read, too. ``signed`` is False where only nodes can send any:
    then the code is 16 zero bytes.

    ValueError for a name that is too long, a boot of another form, or a key of fewer than 16 bytes.
    """

    def __init__(self, key: bytes, node: str, boot: str, previous_key: bytes = b"", *, signed: bool = True) -> None:
        self._name = node.encode()
        self._boot = bytes.fromhex(boot)
        if not 0 < len(self._name) <= LONGEST_NAME:
            raise ValueError(f"a node's name has 1 to {LONGEST_NAME} bytes")
        if len(self._boot) != 8:
            raise ValueError("a boot has 16 hexadecimal digits")
        keys = [key, previous_key] if previous_key else [key]
        if any(len(one) < SHORTEST_KEY for one in keys):
            raise ValueError(f"a key has at least {SHORTEST_KEY} bytes")
        signers = [_signer(one) for one in keys] if signed else [_unsigned]
        self._keyed, self._before = signers[0], signers[1:]

    def seal(self, receiver: bytes, flags: int, first: int, received: int, count: int, body: bytes) -> bytes:
        """The batch for the node whose boot is ``receiver``."""
        name = self._name
        header = _HEADER.pack(VERSION, flags, self._boot, receiver, first, received, count, len(name))
        signed = b"".join((header, name, body))
        return signed + self._keyed(signed)

    def open(self, batch: bytes) -> Envelope:
        """The envelope of a batch for this node.

        Refused for anything else: ``malformed``, ``version``, ``bad_signature`` (another key, or it was changed),
        ``loop`` (it is this node's own), ``other_boot`` (it is for another life of this process, or another node).
        """
        if len(batch) < _HEADER.size + 1 + _CODE:
            raise Refused("malformed", f"{len(batch)} bytes are no batch")
        version, flags, sender, receiver, first, received, count, length = _HEADER.unpack_from(batch)
        if version != VERSION:
            raise Refused("version", f"a batch of version {version}, this node has {VERSION}")
        view = memoryview(batch)
        signed, code = view[:-_CODE], view[-_CODE:]
        if not compare_digest(self._keyed(signed), code) and not any(
            compare_digest(keyed(signed), code) for keyed in self._before
        ):
            raise Refused("bad_signature", "the batch was made with another key, or was changed")
        if receiver != self._boot:
            raise Refused("other_boot", "the batch is for another life of a node")
        if sender == self._boot:
            raise Refused("loop", "the batch is this node's own")
        end = _HEADER.size + length
        if flags & ~_FLAGS or not 0 < length <= len(batch) - _CODE - _HEADER.size or not first:
            raise Refused("malformed", "a header that no node makes")
        name, body = batch[_HEADER.size : end], view[end:-_CODE]
        return Envelope(flags, sender, first, received, count, name, body)

    def join(self, receiver: bytes, batches: list[bytes], received: int) -> bytes:
        """One batch in place of several of this node's own, which follow each other. Flags are those of the first."""
        found = [(*_HEADER.unpack_from(batch), self.body(batch)) for batch in batches]
        flags, first, count = found[0][1], found[0][4], sum(one[6] for one in found)
        messages = b"".join([one[-1][len(_array_head(one[6])) :] for one in found])
        return self.seal(receiver, flags, first, received, count, array([messages], count))

    def body(self, batch: bytes) -> memoryview:
        """That of a batch of this node's own."""
        return memoryview(batch)[_HEADER.size + len(self._name) : -_CODE]


def _signer(key: bytes) -> Callable[[bytes | memoryview], bytes]:
    """The code of a batch by ``key``. For a small batch this takes less than half the time of the standard library's
    ``hmac``."""
    keyed = HMAC(key, SHA256())

    def code(data: bytes | memoryview) -> bytes:
        copy = keyed.copy()
        copy.update(data)
        return copy.finalize()[:_CODE]

    return code


def _unsigned(data: bytes | memoryview) -> bytes:
    return _NO_CODE


def array(messages: list[bytes], count: int = 0) -> bytes:
    """Encoded messages as one MessagePack array; ``count`` if there are several in one of ``messages``."""
    return _array_head(count or len(messages)) + b"".join(messages)


def _array_head(count: int) -> bytes:
    """What an array of ``count`` messages begins with."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 0x10000:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
