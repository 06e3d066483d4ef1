"""P13: what describes a payload that only its sender and its receiver can read."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp.payload import described, understood

ABLE = frozenset(["caller.payload_passthru_mode"])


class Passthru(SynchronousTestCase):
    def test_described(self) -> None:
        """Exactly the options that describe the payload are handed on, as they are."""
        table: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
            ({}, None),
            ({"acknowledge": True, "ppt_cipher": "x"}, None),
            ({"ppt_scheme": ""}, None),
            ({"ppt_scheme": "wamp", "timeout": 3}, {"ppt_scheme": "wamp"}),
            (
                {"ppt_scheme": "x", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k", "ppt_other": "o"},
                {"ppt_scheme": "x", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k"},
            ),
            ({"ppt_scheme": "mqtt", "ppt_keyid": None}, {"ppt_scheme": "mqtt"}),
            ({"enc_algo": "cryptobox", "enc_key": "k"}, {"enc_algo": "cryptobox", "enc_key": "k"}),
        ]
        for options, expected in table:
            self.assertEqual(described(options, ABLE, "caller"), expected, options)

    def test_violations(self) -> None:
        """Whoever has not announced it in this role, and whoever writes another type."""
        for options, features, role in (
            ({"ppt_scheme": "wamp"}, frozenset[str](), "caller"),
            ({"ppt_scheme": "wamp"}, ABLE, "callee"),
            ({"ppt_scheme": 5}, ABLE, "caller"),
            ({"ppt_scheme": "wamp", "ppt_keyid": ["k"]}, ABLE, "caller"),
            ({"enc_algo": "cryptobox", "enc_key": 5}, ABLE, "caller"),
        ):
            self.assertRaises(ProtocolViolation, described, options, features, role)

    def test_understood(self) -> None:
        """A receiver has to have announced it, but for what never was announced by anybody."""
        self.assertTrue(understood({"ppt_scheme": "wamp"}, ABLE, "caller"))
        self.assertFalse(understood({"ppt_scheme": "wamp"}, ABLE, "callee"))
        self.assertTrue(understood({"enc_algo": "cryptobox"}, frozenset(), "callee"))
