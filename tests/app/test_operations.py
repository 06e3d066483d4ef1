"""Monitoring of a router on real sockets: the pages of [listen:ops]."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from orosync.app import metrics
from orosync.app.metrics import METRICS
from orosync.interfaces import IAuthorizer, IHealthCheck
from orosync.metrics import PREFIX
from orosync.model import Decision, Verdict
from tests.app.test_service import ServiceCase
from tests.support.ports import free_port


@implementer(IAuthorizer, IHealthCheck)
class Ailing:
    """A plugin that knows when it cannot work."""

    wrong = ""
    shared = False

    def __init__(self, name, options):
        self.name = name

    def authorize(self, principal, action, uri, match, options):
        return Decision(Verdict.ABSTAIN, "not mine", declared=False)

    def fault(self):
        return self.wrong


class Pages(ServiceCase):
    """The listener, over HTTP."""

    def serving(self, more="", one=""):
        self.port = free_port()
        ops = f"[listen:ops]\nendpoint = tcp:{self.port}:interface=127.0.0.1\n{more}"
        self.service = self.serve(more=ops, one=one)

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

    async def test_no_worker_for_tickets(self):
        """Without one, no ticket can be checked here."""
        self.serving()
        hasher = self.service._container.hasher
        workers = hasher._workers[:]
        hasher._workers.clear()
        self.assertEqual((await self.get("/readyz")), (503, "unready\ntickets: nothing is there to check tickets\n"))
        hasher._workers += workers

    async def test_descriptors(self):
        """They are nearly used up."""
        self.serving()
        self.patch(metrics, "_descriptor_limit", lambda: 1)
        status, text = await self.get("/readyz")
        self.assertEqual(status, 503)
        self.assertIn("descriptors: ", text)

    async def test_an_uplink_that_is_away(self):
        """All nodes have it: degraded; unless the node is to be ready with it alone."""
        uplink = f"[realm:two]\nauthenticators = guests\nauthorizers = roles\nuplink = ws://127.0.0.1:{free_port()}/\n"
        uplink += "[uplink:two]\nrealm = there\npublish = exact com.example\n"
        uplink += "[role:two/uplink]\npermissions =\n    any all\n"
        wrong = "uplink:two: is not connected to the other router\n"
        self.serving(f"\n{uplink}", one="realm = open")
        self.assertEqual((await self.get("/readyz")), (200, f"degraded\n{wrong}"))
        await self.service.stopService()
        self.serving(f"ready_requires = uplink:two\n{uplink}", one="realm = open")
        self.assertEqual((await self.get("/readyz")), (503, f"unready\n{wrong}"))

    async def test_a_plugin(self):
        """It says itself what is wrong, and whether other nodes have it, too. One that a reload takes out of service is
        asked no more."""
        realm = "[realm:two]\nauthenticators = guests\nauthorizers = mine roles\n"
        plugin = "[authorizer:mine]\nuse = tests.app.test_operations:Ailing\n"
        self.serving(f"\n{realm}{plugin}", one="realm = open")
        self.assertEqual((await self.get("/readyz")), (200, "ready\n"))
        self.patch(Ailing, "wrong", "has lost its key")
        self.assertEqual((await self.get("/readyz")), (503, "unready\nauthorizer:mine: has lost its key\n"))
        self.patch(Ailing, "shared", True)
        self.assertEqual((await self.get("/readyz")), (200, "degraded\nauthorizer:mine: has lost its key\n"))
        path = self.directory / "router.ini"
        path.write_text(path.read_text().replace(" mine roles", " roles").replace(plugin, ""))
        self.service.reload()
        self.assertEqual((await self.get("/readyz")), (200, "ready\n"))

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
