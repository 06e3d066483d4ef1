"""What HELLO says about the authentication of a client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.session.v2 import hello_details


class HelloDetailsTests(SynchronousTestCase):
    def test_shape(self):
        """What HELLO says of the client; methods left out mean anonymous (WAMP), another shape is a violation."""
        hello = hello_details("oro", {"authmethods": ["ticket"], "authid": "anna", "authextra": {"a": 1}})
        self.assertEqual((hello.realm, hello.authmethods, hello.authid), ("oro", ("ticket",), "anna"))
        self.assertEqual(hello.authextra, {"a": 1})
        self.assertEqual(hello_details("oro", {}).authmethods, ("anonymous",))
        for details in ({"authmethods": "ticket"}, {"authmethods": [1]}, {"authid": 1}, {"authextra": []}):
            with self.assertRaises(ProtocolViolation):
                hello_details("oro", details)
