"""The router as a service, on real sockets: listeners, reload, the loopback rule, start and stop."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync import __version__
from orosync.app.container import Container
from orosync.app.service import RouterService, build
from orosync.config import load
from orosync.config.endpoints import BACKLOG
from orosync.identity.ticket import date_c, make_ticket
from orosync.transport.tls import self_signed
from tests.product.raw import Closed, RawClient
from tests.product.raw_socket import RawSocketClient
from tests.product.running_router import start
from tests.support.ports import free_port

OPEN = """
[router]
drain = 1s
node = web1
state = .
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
{one}
{more}
[realm:open]
authenticators = guests
authorizers = roles
[role:guest]
permissions =
    any all
[authenticator:guests]
use = anonymous
role = guest
"""
DEMO = Path(__file__).resolve().parents[2] / "etc" / "router.ini"


class ServiceCase(TestCase):
    """Builds services of this process; its signal handlers are kept from being replaced."""

    timeout = 30

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.handlers = {}
        install = signal.signal

        def instead(number, handler):
            if number in (signal.SIGTERM, signal.SIGHUP):
                self.handlers[number] = handler
                return None
            return install(number, handler)

        self.patch(signal, "signal", instead)
        self.log = []
        globalLogPublisher.addObserver(self.log.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.log.append)

    def configuration(self, one="", more="", text=None):
        path = self.directory / "router.ini"
        path.write_text(OPEN.format(one=one, more=more) if text is None else text)
        return load(path, {"HOME": str(self.directory)}, 65536)

    def serve(self, **texts):
        """A running service, stopped when the test ends."""
        service = build(self.configuration(**texts), reactor)
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        return service

    def said(self, level=LogLevel.info):
        """What RouterService logged at one level, and what it has read anew."""
        names = "orosync.app.service.RouterService", "orosync.app.reload.Reload"
        mine = [event for event in self.log if event.get("log_namespace") in names]
        return [event["log_format"].format(**event) for event in mine if event["log_level"] is level]

    def certificate(self):
        """Files of a new certificate, as the keys of a listener."""
        files = self.directory / "certificate.pem", self.directory / "key.pem"
        self_signed(*files)
        return f"certificate = {files[0]}\nkey = {files[1]}"


class ListeningTests(ServiceCase):
    async def test_every_listener_is_open(self):
        """Each [listen:NAME] is served where it says, and where that is can be asked."""
        path = self.directory / "socket"
        service = self.serve(
            more=f"[listen:two]\nendpoint = tcp:0:interface=127.0.0.1\n[listen:local]\nendpoint = unix:{path}"
        )
        ports = [service.address_of(name).partition(":")[2] for name in ("one", "two")]
        self.assertEqual(len(set(ports)), 2)
        for port in ports:
            client = await deferToThread(RawClient, f"ws://127.0.0.1:{port}/")
            self.addCleanup(client.close)
            await deferToThread(client.join)
        self.assertEqual({port.backlog for port in service._ports.values()}, {BACKLOG})
        self.assertIn(str(path), service.address_of("local"))
        self.assertTrue(path.is_socket())
        self.assertEqual(len([line for line in self.said() if " serves ws on " in line]), 3, self.said())

    async def test_what_listeners_share(self):
        """One scheduler, and one queue of those who wait for their turn."""
        service = self.serve(more="[listen:two]\nendpoint = tcp:0:interface=127.0.0.1\ntransport = rawsocket")
        factories = list(service._factories.values())
        self.assertEqual(len(factories), 2)
        self.assertEqual(len({id(factory.scheduler) for factory in factories}), 1)
        self.assertEqual(len({id(factory.turns) for factory in factories}), 1)

    async def test_node(self):
        """The first line of the log and that of the stop name the node, for logs of several in one place."""
        service = self.serve()
        self.assertEqual(self.said()[0], f"orosync {__version__} starts, node web1")
        await service.stopService()
        self.assertIn("node web1 stops: 0 clients are let go", self.said()[-1])

    async def test_each_kind_of_listener(self):
        """T1, T2: the log says what a listener serves, and it does."""
        listener = "[listen:{0}]\nendpoint = tcp:0:interface=127.0.0.1\ntransport = {1}\n{2}\n"
        more = listener.format("raw", "rawsocket", "") + listener.format("both", "universal", "")
        service = self.serve(more=f"{more}{self.certificate()}")
        self.assertIn("[listen:raw] serves rs on tcp:0:interface=127.0.0.1", self.said())
        self.assertIn("[listen:both] serves wss and rss on tcp:0:interface=127.0.0.1", self.said())
        port = int(service.address_of("raw").rpartition(":")[2])
        with await deferToThread(RawSocketClient, port) as client:
            self.assertEqual(await deferToThread(client.greet), b"\x7f\x71\0\0")

    async def test_warnings(self):
        """What is likely to be a mistake is told at the start."""
        self.serve(more="[authenticator:nobody]\nuse = anonymous")
        (warning,) = self.said(LogLevel.warn)
        self.assertRegex(warning, r"^\[authenticator:nobody\] no realm names it, it is not used \(line \d+\)$")

    async def test_systemd_is_told(self):
        """systemd hears that orosync is ready once its ports are open, and that it stops before anybody is let go."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.directory / "notify"))
            systemd.settimeout(5)
            self.patch(os, "environ", {**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify")})
            service = self.serve()
            self.assertEqual(systemd.recv(100), b"READY=1")
            await service.stopService()
            self.assertEqual(systemd.recv(100), b"STOPPING=1\nEXTEND_TIMEOUT_USEC=13000000")

    async def test_stop(self):
        """At a stop nobody new is let in, everybody there is let go, and the log says how many they were."""
        service = self.serve()
        host, _, port = service.address_of("one").partition(":")
        client = await deferToThread(RawClient, f"ws://{host}:{port}/")
        self.addCleanup(client.close)
        await deferToThread(client.join)
        await service.stopService()
        with self.assertRaises(Closed):
            await deferToThread(client.read)
        with self.assertRaises(ConnectionRefusedError):
            await deferToThread(RawClient, f"ws://{host}:{port}/")
        self.assertIn("node web1 stops: 1 clients are let go within 1 s", self.said())


class ReloadTests(ServiceCase):
    async def served(self, service):
        """The certificate that new connections get."""
        host, _, port = service.address_of("one").partition(":")
        return await deferToThread(ssl.get_server_certificate, (host, int(port)))

    async def test_renewed(self):
        """SIGHUP: a renewed certificate is taken up without a restart."""
        service = self.serve(one=self.certificate())
        first = await self.served(service)
        self.certificate()
        self.assertEqual(await self.served(service), first)
        self.handlers[signal.SIGHUP](signal.SIGHUP, None)
        await deferToThread(time.sleep, 0.05)
        self.assertNotEqual(await self.served(service), first)
        self.assertIn("[listen:one] certificate read anew, new connections get it", self.said())

    async def test_broken(self):
        """A certificate that was broken by its renewal leaves the old one in service, and the log says which file."""
        service = self.serve(one=self.certificate())
        first = await self.served(service)
        for name, text in [("key.pem", "nothing of use"), ("certificate.pem", "")]:
            self.certificate()
            (self.directory / name).write_text(text)
            service.reload()
            self.assertEqual(await self.served(service), first)
            told = self.said(LogLevel.error)[-1]
            self.assertIn("[listen:one] certificate: cannot be read anew, the old one stays in service: ", told)
            self.assertIn(name, told)

    async def test_signals(self):
        """SIGTERM ends the reactor from the reactor's own thread, so that the process ends with status 0; SIGHUP has
        everything read anew there."""
        asked = []
        service = self.serve()
        await deferLater(reactor, 0, lambda: None)  # that it runs
        self.patch(reactor, "callFromThread", asked.append)
        self.handlers[signal.SIGTERM](signal.SIGTERM, None)
        self.handlers[signal.SIGHUP](signal.SIGHUP, None)
        self.assertEqual(asked, [reactor.stop, service.reload])


class DateTests(ServiceCase):
    async def test_refusals(self):
        """A response that the listener sends itself has the date of now (RFC 9110 section 6.6.1)."""
        service = self.serve()

        def asked():
            error = self.assertRaises(
                urllib.error.HTTPError, urllib.request.urlopen, f"http://{service.address_of('one')}/", timeout=10
            )
            error.close()
            return error.code, parsedate_to_datetime(error.headers["Date"]).timestamp()

        status, date = await deferToThread(asked)
        self.assertEqual(status, 426)
        self.assertLess(abs(date - time.time()), 60)


class DemonstrationTests(ServiceCase):
    async def test_its_door(self):
        """The demonstration serves this machine under its own names, with no proxy in between: pages and WebSocket, on
        both of its addresses; the log names the one without a certificate first. Each takes its own page's origin."""
        text = re.sub(r"tcp:844\d:", "tcp:0:", DEMO.read_text()).replace(
            "demo = yes", f"demo = yes\nstate = {self.directory}"
        )
        container = Container(self.configuration(text=text), reactor)
        service = RouterService(container)
        service.startService()
        self.addCleanup(service.stopService)
        at = [line for line in self.said() if line.startswith("the demonstration is at ")]
        first, second = (service.address_of(name) for name in ("http", "https"))
        self.assertEqual(at, [f"the demonstration is at http://{first}/", f"the demonstration is at https://{second}/"])
        anna = container.demo_users[0]
        secret = container.configuration.authenticators["ticket"].secret.value
        refused = 0
        for scheme, own, host, header, status in [
            (scheme, own, host, header, status)
            for scheme, own in (("http", "http://127.0.0.1:8442"), ("https", "https://localhost:8443"))
            for host, header, status in (
                ("127.0.0.1", (), 101),
                ("localhost", (), 101),
                ("127.0.0.1", ("X-Forwarded-For: 127.0.0.1",), 403),
                ("127.0.0.1", ("Via: 1.1 proxy",), 403),
                ("demo.example.com", (), 403),
                ("192.0.2.1", (), 403),
            )
        ]:
            port = service.address_of(scheme).rpartition(":")[2]
            nonce, created = os.urandom(8).hex(), date_c(int(time.time()))
            ticket = quote(make_ticket(anna.username, anna.password_hash, secret, nonce, created), safe="")
            url = f"{scheme.replace('http', 'ws')}://127.0.0.1:{port}/ws?ticket={ticket}"
            client = await deferToThread(RawClient, url, "wamp", own, header, f"{host}:{port}")
            client.close()
            self.assertEqual(client.status, status, (scheme, host, header))
            page = await deferToThread(self.page, f"{scheme}://127.0.0.1:{port}/", f"{host}:{port}", header)
            self.assertEqual(page, 200 if status == 101 else 403, (scheme, host, header))
            refused += status == 403
        self.assertEqual(container.journal.counts["handshake.refused", "demo"], refused)
        port = service.address_of("http").rpartition(":")[2]
        client = await deferToThread(
            RawClient, f"ws://127.0.0.1:{port}/ws?ticket=x", "wamp", "http://shop.example:8442", (), f"127.0.0.1:{port}"
        )
        client.close()
        self.assertEqual(client.status, 403)
        self.assertEqual(container.journal.counts["handshake.refused", "origin"], 1)

    def page(self, url, host, headers):
        """The status of the page at ``url``, asked for as ``host`` with more headers."""
        own = dict(header.split(": ") for header in headers)
        trusting = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers={"Host": host, **own}), timeout=10, context=trusting
            ) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


class StartTests(SynchronousTestCase):
    """The process that cannot start."""

    def test_ports_that_cannot_be_had(self):
        """A port that is taken ends the process with status 1 and one line that says so, for each such listener."""
        path = Path(self.mktemp()).absolute()
        path.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            free = f"[listen:two]\nendpoint = tcp:{free_port()}:interface=127.0.0.1\n"
            more = free + "[listen:three]\nendpoint = unix:/nowhere/socket"
            text = OPEN.format(one="", more=more).replace("tcp:0:", f"tcp:{number}:")
            (path / "router.ini").write_text(text)
            with start(path / "router.ini") as child:
                self.assertEqual(child.process.wait(60), 1, child.output)
        told = [line for line in child.output.splitlines() if "cannot listen" in line]
        self.assertEqual(len(told), 2, child.output)
        self.assertIn(
            f"[listen:one] endpoint: cannot listen on tcp:{number}:interface=127.0.0.1 (Address already in use by ",
            told[0],
        )
        self.assertIn(
            "[listen:three] endpoint: cannot listen on unix:/nowhere/socket (No such file or directory)", told[1]
        )
        self.assertNotIn("Traceback", child.output)
