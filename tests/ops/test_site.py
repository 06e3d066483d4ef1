"""The pages of the operations listener, as a browser's request meets them."""

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.ops.health import Report
from orosync.ops.site import Operations, operations_site


class Pages(SynchronousTestCase):
    """operations_site."""

    def setUp(self):
        self.report = Report(True, False, {})
        self.status = succeed({"node": "é"})
        operations = Operations(lambda: self.report, lambda: succeed({}), {}, lambda: self.status)
        self.site = operations_site(operations, Clock())

    def get(self, path, method="GET"):
        """The connection after one request."""
        channel = self.site.buildProtocol(None)
        transport = StringTransport()
        channel.makeConnection(transport)
        channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return channel, transport

    def answer(self, path, method="GET"):
        """(status, headers, body)."""
        head, _, body = self.get(path, method)[1].value().partition(b"\r\n\r\n")
        return int(head.split()[1]), head.lower(), body

    def test_what_is_there(self):
        status, head, body = self.answer("/")
        self.assertEqual((status, body), (200, b"orosync: /healthz /readyz /metrics /status\n"))
        self.assertIn(b"cache-control: no-store", head)

    def test_readiness(self):
        """Only what is unready is 503; a line says what is wrong."""
        for ready, degraded, status, first in (
            (True, False, 200, b"ready"),
            (True, True, 200, b"degraded"),
            (False, True, 503, b"unready"),
        ):
            self.report = Report(ready, degraded, {"directory:people": "is down"} if degraded else {})
            found, _, body = self.answer("/readyz")
            self.assertEqual((found, body.splitlines()[0]), (status, first))
            self.assertEqual(b"directory:people: is down" in body, degraded)

    def test_head(self):
        """Some load balancers ask with HEAD."""
        status, _, body = self.answer("/readyz", "HEAD")
        self.assertEqual((status, body), (200, b""))

    def test_other_methods(self):
        self.assertEqual(self.answer("/metrics", "POST")[0], 405)

    def test_status_is_json(self):
        status, head, body = self.answer("/status")
        self.assertEqual((status, body.decode()), (200, '{\n  "node": "é"\n}\n'))
        self.assertIn(b"content-type: application/json", head)

    def test_what_fails(self):
        """500, and the log has the reason."""
        self.status = Deferred()
        _, transport = self.get("/status")
        self.assertEqual(transport.value(), b"")
        self.status.errback(ZeroDivisionError())
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 500 "))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_client_that_leaves(self):
        """The question is given up."""
        gone = []
        self.status = Deferred(gone.append)
        channel, transport = self.get("/status")
        channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(gone, [self.status])
        self.assertEqual(transport.value(), b"")
