"""Announced features."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.session import features
from orosync.testing import principal


class FeatureTests(SynchronousTestCase):
    def test_announced(self):
        """Only what is announced as true counts; other shapes are ignored."""
        table = [
            ({"callee": {"features": {"call_canceling": True, "x": False, "y": 1}}}, {"callee.call_canceling"}),
            ({"callee": {"features": {"call_canceling": True, "x" * 99: True}}}, {"callee.call_canceling"}),
            ({"caller": {}, "subscriber": {"features": None}}, set()),
            ({"caller": {"features": []}, "callee": 7}, set()),
            ({"dealer": {"features": {"a": True}}}, set()),
            (None, set()),
            ([], set()),
        ]
        for roles, expected in table:
            self.assertEqual(features.announced(roles), expected, roles)

    def test_has_role(self):
        """At least one client role, with its details as an object."""
        table = [({"caller": {}}, True), ({}, False), ({"caller": None}, False), ({"broker": {}}, False), (None, False)]
        for roles, expected in table:
            self.assertEqual(features.has_role(roles), expected, roles)

    def test_welcomed(self):
        """WELCOME tells who one is, and nothing of what the login rests on."""
        who = principal("anna", password_fingerprint=b"imprint of a password", organizations=frozenset({2, 1}))
        details = features.welcome_details("oro", who)
        self.assertEqual(
            {key: value for key, value in details.items() if key != "roles"},
            {
                "realm": "oro",
                "authid": "anna",
                "authrole": "user",
                "authmethod": "ticket",
                "authprovider": "oro",
                "authextra": {"user_id": 1, "organizations": [1, 2], "roles": []},
            },
        )
        stranger = principal(user_id=None)
        self.assertNotIn("authextra", features.welcome_details("oro", stranger))
        extra = features.welcome_details("oro", principal(user_id=None, extra={"x": 1}))["authextra"]
        self.assertEqual(extra, {"x": 1})

    def test_mark(self):
        """Only an uplink is told the realm's mark: nobody else has a use for it."""
        self.assertNotIn("_orosync_realm", features.welcome_details("oro", principal(), {"agent": "x"}, "abc"))
        self.assertNotIn("_orosync_realm", features.welcome_details("oro", principal(), {"_orosync_uplink": 1}, "abc"))
        self.assertEqual(
            features.welcome_details("oro", principal(), {"_orosync_uplink": True}, "abc")["_orosync_realm"], "abc"
        )
