"""Tests for orosync.components.side."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.components.side import SEALS, forwarded


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
