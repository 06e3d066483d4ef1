"""What options add to the details of EVENT and INVOCATION."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.session.v2_requests import event_details, invocation_details

ZOE = {"session": 7, "authid": "zoe", "authrole": "chief"}


class DetailsTests(SynchronousTestCase):
    """What options say of where a message comes from."""

    def test_of_the_trusted(self) -> None:
        """The first of the list is who published or called."""
        options = {"forward_for": [ZOE, {"session": 8, "authid": "link", "authrole": "link"}]}
        self.assertEqual(
            event_details(options, True),
            {"publisher": 7, "publisher_authid": "zoe", "publisher_authrole": "chief"},
        )
        self.assertEqual(
            invocation_details(options, True), {"caller": 7, "caller_authid": "zoe", "caller_authrole": "chief"}
        )

    def test_of_others(self) -> None:
        """Nobody else passes for another."""
        self.assertIsNone(event_details({"forward_for": [ZOE]}, False))
        self.assertIsNone(invocation_details({"forward_for": [ZOE]}, False))

    def test_shapes(self) -> None:
        """What is no such list says nothing, and costs nobody anything."""
        table: list[Any] = [
            None, 7, "x", [], {}, [None], [[ZOE]], [{}], [{**ZOE, "session": "7"}], [{**ZOE, "session": -1}],
            [{**ZOE, "session": True}], [{**ZOE, "authid": None}], [{**ZOE, "authrole": 3}],
        ]  # fmt: skip
        for value in table:
            self.assertIsNone(event_details({"forward_for": value}, True), value)
        self.assertEqual(event_details({"forward_for": ({**ZOE, "session": 7.0},)}, True)["publisher"], 7)

    def test_hash(self) -> None:
        """A short string of anybody's is handed on, anything else is not."""
        self.assertEqual(event_details({"transaction_hash": "abc"}, False), {"transaction_hash": "abc"})
        self.assertEqual(invocation_details({"transaction_hash": "abc"}, False), {"transaction_hash": "abc"})
        for value in (None, 7, ["abc"], "x" * 401):
            self.assertIsNone(event_details({"transaction_hash": value}, True), value)
        self.assertIsNone(event_details({}, True))
