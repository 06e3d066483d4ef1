"""Tests for orosync.uplink.forward."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.uplink.forward import ALL_SEALS, acceptable, forwarded, seals_of
from orosync.wamp import transcode
from orosync.wamp.formats import Format
from orosync.wamp.payload import SEALS, Payload


class Forwarded(SynchronousTestCase):
    """The options under which a message goes on."""

    def test_identity(self) -> None:
        """Who published or called goes along where it was disclosed, as the strings that routers insist on."""
        trail = {"transaction_hash": "orosync:1:a"}
        zoe = {"session": 7, "authid": "zoe", "authrole": "chief"}
        table: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({}, trail),
            ({"topic": "a", "publisher_authid": "zoe"}, trail),
            (
                {"publisher": 7, "publisher_authid": "zoe", "publisher_authrole": "chief"},
                {**trail, "forward_for": [zoe]},
            ),
            ({"publisher": 7}, {**trail, "forward_for": [{"session": 7, "authid": "", "authrole": ""}]}),
            ({"caller": 7}, trail),
        ]
        for details, expected in table:
            self.assertEqual(forwarded(details, "publisher", "orosync:1:a", "transaction_hash"), expected, details)

    def test_seals(self) -> None:
        """A payload that only its receiver can open goes with what says how."""
        details = dict.fromkeys(SEALS, "x")
        self.assertEqual(forwarded(details, "caller", "t", "h"), {"h": "t", **details})


class Sealed(SynchronousTestCase):
    """Payloads that only their receiver can open."""

    def test_seals_of(self) -> None:
        """What broker and dealer both announce counts; whatever has another shape says nothing."""

        def roles(broker: Any, dealer: Any) -> dict[str, Any]:
            return {"roles": {"broker": {"features": broker}, "dealer": {"features": dealer}}}

        both = {"payload_passthru_mode": True, "payload_transparency": True}
        table: list[tuple[dict[str, Any], set[str]]] = [
            (roles(both, both), {"ppt_scheme", "enc_algo"}),
            (roles(both, {"payload_transparency": True}), {"enc_algo"}),
            (roles({**both, "payload_transparency": 1}, both), {"ppt_scheme"}),
            (roles({}, both), set()),
            (roles(None, []), set()),
            ({"roles": {"broker": 7}}, set()),
            ({"roles": []}, set()),
            ({}, set()),
        ]
        for welcome, seals in table:
            self.assertEqual(seals_of(welcome), seals, welcome)

    def test_acceptable(self) -> None:
        """Arrays of every serialization go anywhere; one binary in their place does not."""
        for count in (0, 1, 20, 70_000):
            for write in (Format.JSON, Format.MSGPACK, Format.CBOR):
                payload = Payload(write, transcode.write([1] * count, write))
                self.assertTrue(acceptable(payload, {}, frozenset()), (count, write))
        for write in (Format.JSON, Format.MSGPACK, Format.CBOR):
            binary = Payload(write, transcode.write(b"sealed", write))
            self.assertFalse(acceptable(binary, {"ppt_scheme": "x"}, frozenset()))
            self.assertTrue(acceptable(binary, {"ppt_scheme": "x"}, ALL_SEALS))
        self.assertTrue(acceptable(None, {}, frozenset()))
        self.assertTrue(acceptable(Payload.of(None, {"a": 1}), {}, frozenset()))
