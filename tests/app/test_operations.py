"""Monitoring of a router on real sockets: the pages of [listen:ops]."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.threads import deferToThread

from orosync.app.metrics import METRICS
from orosync.metrics import PREFIX
from tests.app.test_service import ServiceCase
from tests.support.ports import free_port


class Pages(ServiceCase):
    """The listener, over HTTP."""

    def serving(self, more=""):
        self.port = free_port()
        ops = f"[listen:ops]\nendpoint = tcp:{self.port}:interface=127.0.0.1\n{more}"
        self.service = self.serve(more=ops)

    def get(self, path):
        """(status, text) of a page."""

        def fetch():
            try:
                with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()

        return deferToThread(fetch)

    async def test_alive_and_ready(self):
        self.serving()
        self.assertEqual((await self.get("/healthz")), (200, "ok\n"))
        self.assertEqual((await self.get("/readyz")), (200, "ready\n"))
        self.assertEqual((await self.get("/nothing"))[0], 404)

    async def test_a_listener_that_is_closed(self):
        """It is this node's own fault: the node is not ready."""
        self.serving()
        port = self.service._ports.pop("one")
        self.assertEqual((await self.get("/readyz")), (503, "unready\nlisten:one: is not open\n"))
        self.assertEqual((await self.get("/healthz"))[0], 200)
        self.service._ports["one"] = port

    async def test_metrics_are_those_of_the_table(self):
        """Every one has its help, and none is there that the table does not have."""
        self.serving()
        status, page = await self.get("/metrics")
        self.assertEqual(status, 200)
        for family in text_string_to_metric_families(page):
            metric = METRICS[family.name.removeprefix(PREFIX)]
            self.assertEqual((family.documentation, family.type), (metric.help, metric.kind.value))

    async def test_status(self):
        self.serving()
        status, text = await self.get("/status")
        self.assertEqual(status, 200)
        found = json.loads(text)
        self.assertEqual(found["health"], {"status": "ready", "wrong": {}})
        self.assertEqual(found["configuration"], str(self.directory / "router.ini"))
        self.assertIn("sessions", {**found["metrics"], "sessions": []})
