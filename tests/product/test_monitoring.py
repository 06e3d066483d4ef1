"""The running product as a monitoring system sees it: every page and every metric of [listen:ops]."""

from __future__ import annotations

import atexit
import json
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import trustme
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.metrics import METRICS
from orosync.app.metrics_page import sample_names
from orosync.metrics import PREFIX
from tests.product.raw import RawClient
from tests.product.running_router import start, ticket
from tests.product.test_demo_story import Browser
from tests.support.ports import free_port
from tests.support.processes import Child

CONFIGURATION = """
[router]
state = {state}
drain = 1s
[listen:public]
endpoint = tcp:{public}:interface=127.0.0.1
origins = https://oro.example.com 127.0.0.1
publisher_from = loopback
realm = oro
path = /ws
health = /health
send_buffer_limit = 2MiB
send_timeout = 3s
[listen:secure]
endpoint = tcp:{secure}:interface=127.0.0.1
certificate = {state}/certificate.pem
key = {state}/key.pem
origins = https://oro.example.com
realm = oro
[listen:there]
endpoint = tcp:{there}:interface=127.0.0.1
origin = optional
realm = there
[listen:ops]
endpoint = tcp:{ops}:interface=127.0.0.1
[realm:oro]
authenticators = tickets cookie
authorizers = topics:oro roles
uplink = ws://127.0.0.1:{there}/
[uplink:oro]
realm = there
publish = exact oro/data/update
[realm:there]
authenticators = guests
authorizers = roles
[role:there/guest]
permissions =
    any all
[role:oro/user]
permissions =
    prefix com.acme. call
[role:oro/clerk]
permissions =
    prefix com.acme. all
[role:oro/uplink]
permissions =
    any all
[component:clerk]
use = tests.product.monitored_component:Monitored
realm = oro
role = clerk
[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
[authenticator:cookie]
use = cookie
sessions = office
directory = people
[authenticator:guests]
use = anonymous
role = guest
[sessions:office]
use = files
path = {state}
[directory:people]
use = static
user.anna = 1 file:{state}/anna organizations=1
user.ben = 2 file:{state}/ben organizations=1
[topics:oro]
use = oro
[notifications]
realm = oro
"""

ORIGIN = "https://oro.example.com"
TOPIC = "oro/data/update"


class Figures:
    """A page of metrics as it was read. ``value(name, **labels)``: the sum of the samples with these labels, 0 for
    none."""

    def __init__(self, page: str) -> None:
        self.families = list(text_string_to_metric_families(page))
        self.samples = [one for family in self.families for one in family.samples]

    def value(self, name: str, **labels: str) -> float:
        return sum(
            one.value for one in self.samples if one.name == PREFIX + name and labels.items() <= one.labels.items()
        )


class Router:
    """The router of these tests."""

    def __init__(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="monitoring-"))
        names = ("public", "secure", "there", "ops")
        self.ports = {name: free_port() for name in names}
        self.secret = secrets.token_hex(20)
        self.users = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        for name, value in {"secret": self.secret, **self.users}.items():
            (self.state / name).write_text(value)
        certificate = trustme.CA().issue_cert("localhost")
        (self.state / "certificate.pem").write_bytes(b"".join(one.bytes() for one in certificate.cert_chain_pems))
        (self.state / "key.pem").write_bytes(certificate.private_key_pem.bytes())
        config = self.state / "router.ini"
        config.write_text(CONFIGURATION.format(state=self.state, **self.ports))
        self.child: Child = start(config)
        for name in names:
            self.child.wait_for_port(self.ports[name])
        self.child.wait_for_line("uplink.joined")

    def end(self) -> None:
        self.child.end()
        shutil.rmtree(self.state)

    def ticket(self, user: str) -> str:
        """The back end's for an empty name."""
        return ticket(user, self.users[user] if user else self.secret, self.secret)

    def get(self, path: str, port: str = "ops", method: str = "GET", **headers: str) -> tuple[int, str]:
        """(status, body)."""
        try:
            request = Request(f"http://127.0.0.1:{self.ports[port]}{path}", headers=headers, method=method)
            with urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def figures(self) -> Figures:
        status, page = self.get("/metrics")
        assert status == 200, page
        return Figures(page)


@cache
def shared() -> Router:
    """The router that the tests share: none of them leaves it changed."""
    router = Router()
    atexit.register(router.end)
    return router


class MonitoringCase(SynchronousTestCase):
    """One router for all tests, which compare with what was counted before."""

    def setUp(self) -> None:
        self.router = shared()
        self.until(lambda: self.router.figures().value("sessions", protocol="v1") == 0)  # another test's are gone
        self.before = self.router.figures()

    def client(self, user: str, subprotocol: str = "wamp.2.json", cookie: str = "", **options: Any) -> RawClient:
        """A page of ``user``, or the back end."""
        origin = ORIGIN if user else "127.0.0.1"
        query = "" if cookie else f"?ticket={quote(options.pop('ticket', self.router.ticket(user)), safe='')}"
        headers = (f"Cookie: BAPID={cookie}",) if cookie else ()
        client = RawClient(f"ws://127.0.0.1:{self.router.ports['public']}/ws{query}", subprotocol, origin, headers)
        self.addCleanup(client.close)
        return client

    def joined(self, user: str) -> RawClient:
        client = self.client(user)
        client.send([1, "oro", {"roles": {"subscriber": {}, "caller": {}, "publisher": {}}}])
        self.assertEqual(client.read()[0], 2)
        return client

    def gained(self, name: str, **labels: str) -> float:
        """What a counter has counted since the test began."""
        return self.router.figures().value(name, **labels) - self.before.value(name, **labels)

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not what():
            self.assertLess(time.monotonic(), deadline, self.router.child.output)
            time.sleep(0.05)


class Metrics(MonitoringCase):
    """/metrics."""

    def test_all_are_there(self) -> None:
        """Every metric of the table with its help and kind, those without a value too."""
        found = {family.name: family for family in self.before.families}
        self.assertEqual(set(found), {PREFIX + name for name in METRICS})
        for name, family in found.items():
            metric = METRICS[name.removeprefix(PREFIX)]
            self.assertEqual((family.type, family.documentation), (metric.kind.value, metric.help))
            names = {sample.name for sample in family.samples}
            self.assertLessEqual(names, set(sample_names(metric)), name)
            for sample in family.samples:
                self.assertEqual(sample.labels.keys() - {"le"}, set(metric.labels))

    def test_of_the_process(self) -> None:
        """They are those of the process, as the system has them."""
        pid = self.router.child.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        memory = int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024  # type: ignore[index]
        self.assertLess(abs(self.before.value("process_resident_memory_bytes") / memory - 1), 0.2)
        self.assertGreater(self.before.value("process_open_fds"), 5)
        self.assertGreater(self.before.value("process_max_fds"), 100)
        self.assertGreater(self.before.value("process_cpu_seconds_total"), 0.1)
        self.assertGreater(self.before.value("uptime_seconds"), 0)
        self.assertEqual(self.before.value("build_info"), 1)
        self.until(lambda: self.gained("reactor_lag_seconds_count") >= 2)

    def test_of_logins(self) -> None:
        """By ticket and cookie, good and bad."""
        old = self.client("anna", "wamp")
        self.assertEqual(old.read()[0], 0)
        self.joined("ben")
        figures = self.router.figures()
        for protocol in ("v1", "v2"):
            self.assertEqual(figures.value("sessions", realm="oro", protocol=protocol, role="user"), 1)
        self.assertEqual(figures.value("sessions", role="clerk"), 1)
        self.assertEqual(figures.value("connections", listener="public"), 2)
        self.assertEqual(figures.value("connections_unauthenticated", listener="public"), 0)
        self.assertEqual(self.gained("session_joins_total", method="ticket"), 2)
        self.assertEqual(self.gained("pages_without_cookie_total", authenticator="cookie"), 2)
        self.assertEqual(self.gained("ticket_check_seconds_count"), 2)
        self.assertEqual(figures.value("tickets_waiting"), 0)
        self.assertGreater(figures.value("ticket_workers"), 0)
        forged = ticket("anna", "another hash", self.router.secret)
        self.assertEqual(self.client("anna", ticket=forged).status, 403)
        self.assertEqual(self.gained("refusals_total", code="bad_digest"), 1)
        self.assertEqual(self.client("anna", cookie="a" * 26).status, 403)
        self.assertEqual(self.gained("refusals_total", code="no_session"), 1)
        self.assertEqual(self.gained("lookup_seconds_count", dependency="sessions:office"), 1)
        figures = self.router.figures()
        self.assertEqual(figures.value("dependency_down"), 0)
        self.assertEqual(figures.value("lookups_waiting"), 0)
        old.close()
        self.until(lambda: self.gained("session_leaves_total", method="ticket") == 1)

    def test_of_events(self) -> None:
        """Subscriptions by the channel's pattern, publications, and the way to several receivers."""
        anna, ben = self.joined("anna"), self.joined("ben")
        for number, client in enumerate((anna, ben), 1):
            client.send([32, 1, {}, TOPIC], [32, 2, {}, f"oro/email_event/{number}/1"])
            self.assertEqual([client.read()[0], client.read()[0]], [33, 33])
        email = "oro/email_event/{user_id}/{organization_id}"
        figures = self.router.figures()
        for route, count in ((TOPIC, 3), (email, 2), ("other", 0)):  # the uplink has one, too
            self.assertEqual(figures.value("subscriptions", realm="oro", route=route), count, route)
        php = self.client("", "wamp")
        php.read()
        php.send([7, TOPIC, "saved"])
        self.assertEqual([anna.read()[0], ben.read()[0]], [36, 36])
        self.until(lambda: self.gained("publications_total", realm="there") == 1)
        self.assertEqual(self.gained("publications_total", realm="oro"), 1)
        self.assertEqual(self.gained("events_queued_total"), 3)
        self.assertEqual(self.gained("fan_out_seconds_count"), 1)
        self.assertGreater(self.gained("fan_out_seconds_sum"), 0)
        self.assertEqual(self.router.figures().value("uplink_up", realm="oro"), 1)

    def test_of_calls(self) -> None:
        """How many, how long, and those in progress."""
        anna = self.joined("anna")
        anna.send([48, 1, {}, "com.acme.add", [1, 2]])
        self.assertEqual(anna.read(), [50, 1, {}, [3]])
        self.assertEqual(self.gained("calls_total", realm="oro"), 1)
        self.assertEqual(self.gained("call_seconds_count", realm="oro"), 1)
        anna.send([48, 2, {}, "com.acme.never"])
        self.until(lambda: self.router.figures().value("calls_in_progress", realm="oro") == 1)
        anna.close()
        self.until(lambda: self.router.figures().value("calls_in_progress", realm="oro") == 0)
        figures = self.router.figures()
        self.assertEqual(figures.value("registrations", realm="oro"), 3)
        self.assertEqual(figures.value("component_up", component="clerk"), 1)

    def test_of_slow_clients(self) -> None:
        """What waits for them, until they are disconnected."""
        slow, php = self.joined("anna"), self.client("", "wamp")
        slow.send([32, 1, {}, TOPIC])
        self.assertEqual(slow.read()[0], 33)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def published() -> Figures:
            php.send([7, TOPIC, "x" * 200_000])
            return self.router.figures()

        self.until(lambda: published().value("send_queue_bytes") > 0)
        self.assertEqual(self.router.figures().value("slow_clients"), 1)
        self.until(lambda: self.gained("cuts_total", event="consumer.cut", code="stalled") == 1)
        figures = self.router.figures()
        self.assertEqual((figures.value("send_queue_bytes"), figures.value("slow_clients")), (0, 0))
        self.assertEqual(self.gained("log_events_total", event="consumer.cut"), 1)

    def test_of_certificates(self) -> None:
        """How long the certificate is valid."""
        self.assertGreater(self.before.value("certificate_expiry_seconds", listener="secure"), 86400)


class Pages(MonitoringCase):
    """The other pages."""

    def test_status(self) -> None:
        """The same figures and the health as JSON."""
        status, text = self.router.get("/status")
        found = json.loads(text)
        self.assertEqual(status, 200)
        self.assertEqual(found["health"], {"status": "ready", "wrong": {}})
        self.assertLessEqual(set(found["metrics"]), set(METRICS))
        self.assertEqual(found["metrics"]["component_up"], [[["clerk"], 1]])

    def test_a_component_fails(self) -> None:
        """The node is not ready until the component has been started again; it is alive meanwhile."""
        self.assertEqual(self.router.get("/readyz"), (200, "ready\n"))
        self.assertEqual(self.before.value("ready"), 1)
        anna = self.joined("anna")
        anna.send([48, 1, {}, "com.acme.fail"])
        self.until(lambda: self.router.get("/readyz")[0] == 503)
        self.assertEqual(self.router.get("/healthz"), (200, "ok\n"))
        status, text = self.router.get("/readyz")
        figures = self.router.figures()
        if status == 503:  # it may be back: it is started again after a second
            self.assertEqual(text, "unready\ncomponent:clerk: closed by the component\n")
        self.assertLessEqual(figures.value("component_up", component="clerk"), 1)
        self.until(lambda: self.router.get("/readyz") == (200, "ready\n"))

    def test_health_check_of_a_load_balancer(self) -> None:
        """On the port of clients: 200 or 503, without a body, and whatever the Origin."""
        for method in ("GET", "HEAD"):
            self.assertEqual(self.router.get("/health", "public", method, Origin="https://evil.example"), (200, ""))
        anna = self.joined("anna")
        anna.send([48, 1, {}, "com.acme.fail"])
        self.until(lambda: self.router.get("/health", "public") == (503, ""))
        self.until(lambda: self.router.get("/health", "public") == (200, ""))
        self.until(lambda: self.router.figures().value("component_up") == 1)

    def test_a_person_sees_a_page(self) -> None:
        """Chromium shows words, not an error of its own, where it asks for WebSocket's address or for the root."""
        profile = tempfile.mkdtemp(prefix="chromium-")
        self.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        browser = Browser(profile)
        self.addCleanup(browser.driver.quit)
        for path in ("/", "/ws"):
            browser.driver.get(f"http://127.0.0.1:{self.router.ports['public']}{path}")
            self.assertEqual(browser.driver.title, "WebSocket")
            self.assertIn("It works.", browser.driver.find_element("tag name", "body").text)
        status, text = self.router.get("/", "public", Accept="text/html")
        self.assertEqual(status, 426)
        self.assertIn("<h1>This address is for WebSocket</h1>", text)

    def test_nothing_is_logged(self) -> None:
        """Neither scrapes nor probes, nor connections that say nothing, such as a load balancer's check over TCP."""
        self.router.child.forget()
        for _ in range(30):
            for path in ("/healthz", "/readyz", "/metrics", "/status", "/"):
                self.router.get(path)
                self.router.get(path, method="HEAD")
            self.assertEqual(self.router.get("/health", "public"), (200, ""))
            for port in ("public", "secure"):
                socket.create_connection(("127.0.0.1", self.router.ports[port])).close()
        self.until(lambda: self.gained("log_events_total", event="handshake.lost", code="silent") >= 30)
        self.assertEqual(self.router.child.output, "")
