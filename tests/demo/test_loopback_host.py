"""The loopback rule for WebSockets of the demonstration."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.demo.loopback import LoopbackOnly
from orosync.errors import Refused
from orosync.interfaces import ISessionHost
from orosync.model import ConnectionFacts
from orosync.testing import connection_facts


class Host:
    def admit(self, facts: ConnectionFacts) -> Deferred[Any]:
        return succeed("admitted")


class LoopbackOnlyTests(SynchronousTestCase):
    def test_only_this_machine(self) -> None:
        """A client that uses a loopback name, without a proxy, is admitted by the host; others are refused."""
        guarded = LoopbackOnly(Host())  # type: ignore[arg-type]
        verifyObject(ISessionHost, guarded)
        for host, forwarded, fine in [
            ("127.0.0.1:8443", False, True),
            ("localhost", False, True),
            ("oro.example.com", False, False),
            ("127.0.0.1:8443", True, False),
        ]:
            admitted = maybeDeferred(guarded.admit, connection_facts(headers={"host": host}, forwarded=forwarded))
            if fine:
                self.assertEqual(self.successResultOf(admitted), "admitted")
            else:
                self.assertEqual(self.failureResultOf(admitted, Refused).value.code, "demo")

    def test_a_rawsocket_has_no_host(self) -> None:
        """It comes through no proxy and from no page, and the demonstration's listeners are on loopback."""
        guarded = LoopbackOnly(Host())  # type: ignore[arg-type]
        admitted = maybeDeferred(guarded.admit, connection_facts(host="", headers={}))
        self.assertEqual(self.successResultOf(admitted), "admitted")
