"""Ids that are the same on all nodes without asking any of them: keyed hashes of what they stand for."""

from __future__ import annotations

import hashlib

from orosync.model import Match
from orosync.wamp.ids import LARGEST


class SharedIds:
    """The ids of one realm. ``key``: the secret of all nodes, so that clients cannot look for two topics with one id.

    Two of a million topics have the same id with a probability of 1 in 18,000; the second one gets another id then,
    which depends on the node.
    """

    def __init__(self, key: bytes, realm: str) -> None:
        self._key = hashlib.sha256(b"orosync ids\0" + realm.encode() + b"\0" + key).digest()
        self.mark = f"{self._hash('realm', '', ''):x}"
        """Tells the realm from every other in trails (``wamp.forwarding``)."""

    def subscription(self, topic: str, match: Match) -> int:
        """The id of a subscription."""
        return self._hash("subscription", match.value, topic)

    def registration(self, procedure: str, match: Match) -> int:
        """The id of a registration."""
        return self._hash("registration", match.value, procedure)

    def _hash(self, kind: str, match: str, uri: str) -> int:
        text = f"{kind}\0{match}\0{uri}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=8, key=self._key).digest()
        return (int.from_bytes(digest, "big") & (LARGEST - 1)) + 1
