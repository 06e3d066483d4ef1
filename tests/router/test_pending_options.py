"""Tests for orosync.router.pending."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, RequestError
from orosync.router.pending import CallOptions
from orosync.wamp import uris

ABLE = frozenset(["caller.progressive_call_invocations", "caller.payload_passthru_mode"])


def asked(options: dict[str, Any], features: frozenset[str] = ABLE) -> CallOptions:
    return CallOptions.of("a.procedure", options, features, False, None)


class AskedTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Each option, null as none at all, integral floats as numbers, and unknown ones as nobody's business."""
        table: list[tuple[dict[str, Any], CallOptions]] = [
            ({}, CallOptions("a.procedure")),
            ({"receive_progress": True}, CallOptions("a.procedure", progress=True)),
            ({"progress": True}, CallOptions("a.procedure", streaming=True)),
            ({"timeout": 1500}, CallOptions("a.procedure", timeout=1500)),
            ({"timeout": 1500.0}, CallOptions("a.procedure", timeout=1500)),
            ({"timeout": 0, "runmode": "partition"}, CallOptions("a.procedure")),
            ({"timeout": None, "progress": None, "receive_progress": None}, CallOptions("a.procedure")),
            ({"ppt_scheme": "wamp"}, CallOptions("a.procedure", sealed={"ppt_scheme": "wamp"})),
        ]
        for options, expected in table:
            self.assertEqual(asked(options), expected, options)

    def test_wrong_types(self) -> None:
        """Cost the request one ERROR."""
        for options in (
            {"timeout": -1},
            {"timeout": "5"},
            {"timeout": 1.5},
            {"timeout": True},
            {"timeout": 2**60},
            {"progress": 1},
            {"receive_progress": "yes"},
        ):
            error = self.assertRaises(RequestError, asked, options)
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, options)

    def test_not_announced(self) -> None:
        """A stream, or a sealed payload, of a caller that has not announced it violates the protocol (R2, P13)."""
        for options in ({"progress": True}, {"ppt_scheme": "wamp"}):
            self.assertRaises(ProtocolViolation, asked, options, frozenset())
