"""``orosync check-config --probe``: each mistake that reading the configuration cannot show, on real servers."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.cli import main, probe
from orosync.cli.streams import Streams
from orosync.model import Finding, FindingState, User
from orosync.ops.ports import Holder, user_name
from tests.identity.directories import oro
from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter
from tests.support import mistakes
from tests.support.ports import free_port

CONFIGURATION = """
[router]
state = {state}
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
publisher_from = loopback
max_connections = 100
{listen}
[realm:oro]
authenticators = tickets
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = env:SECRET
directory = {directory}
[topics:oro]
use = oro
{more}
"""
SECRET = "a secret of the application"


class ProbeCase(TestCase):
    """``probe(...)`` runs the command and leaves what it printed in ``out``."""

    timeout = 60

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.config = self.directory / "router.ini"
        self.port = free_port()

    def configure(self, more: str, directory: str = "people", listen: str = "") -> None:
        text = CONFIGURATION.format(state=self.directory, port=self.port, more=more, directory=directory, listen=listen)
        self.config.write_text(text)

    async def probe(self, *arguments: str, environ: Mapping[str, str] | None = None) -> int:
        """The exit code."""
        from twisted.internet import reactor

        streams = Streams(None, io.StringIO(), io.StringIO())
        options = main.parser().parse_args(["check-config", "--probe", "--config", str(self.config), *arguments])
        with mock.patch.dict(os.environ, {"SECRET": SECRET, **(environ or {})}):
            status = await Deferred.fromCoroutine(main.run(reactor, options, streams))
        self.out: Any = streams.stdout.getvalue()
        self.err: Any = streams.stderr.getvalue()
        for secret in (SECRET, *mistakes.passwords()):
            self.assertNotIn(secret, self.out + self.err)
        return status

    async def findings(self, environ: Mapping[str, str] | None = None) -> tuple[int, dict[str, dict[str, str]]]:
        """The exit code, and the findings by their check."""
        status = await self.probe("--json", environ=environ)
        self.assertEqual(self.err, "")
        return status, {one["check"]: one for one in json.loads(self.out)}


STATIC = "[directory:people]\nuse = static\nuser.anna = 1 env:SECRET\n"


class OnServers(ProbeCase):
    """Databases and Redis."""

    async def test_as_it_should_be(self) -> None:
        """With accounts of orosync's own on all three everything is fine: 0, and no finding is wrong."""
        anna = User(1, "anna", "hash", email="a@b.c")
        for server in (oro.on_postgresql(oro.COLUMN), oro.on_mariadb(oro.COLUMN)):
            oro.fill(server, oro.COLUMN, (anna,))
        titles = ("directory:postgresql_good", "directory:mysql_good", "sessions:redis_good")
        self.configure(mistakes.sections(titles), "postgresql_good")
        self.assertEqual(await self.probe(environ=mistakes.environment()), 0)
        for title in titles:
            self.assertRegex(self.out, rf"\n{title} +ok ")
            self.assertRegex(self.out, rf"\n{title} rights +ok ")
        self.assertNotIn("fault", self.out)
        self.assertNotIn("unreachable", self.out)

    async def test_every_mistake(self) -> None:
        """Each is told by its section, with what to do, and with what users see where an authenticator depends on it;
        everything together within some seconds."""
        self.configure(mistakes.sections(), "postgresql_closed")
        environ = mistakes.environment()
        began = time.monotonic()
        status, found = await self.findings(environ)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(status, 1)
        for title, (state, said) in mistakes.EXPECTED.items():
            self.assertEqual((found[title]["state"], said in found[title]["result"]), (state, True), found[title])
            self.assertTrue(found[title]["remedy"])
        self.assertEqual(
            found["directory:postgresql_closed"]["effect"],
            "every new ticket is answered with 503 until it is back; users who are connected stay",
        )
        self.assertEqual(found["directory:mysql_closed"]["effect"], "")

    async def test_unreachable_alone(self) -> None:
        """Without a fault, but with a port where nothing answers, the exit code is 3."""
        self.configure(mistakes.sections(["directory:mysql_closed"]), "mysql_closed")
        self.assertEqual(await self.probe(environ=mistakes.environment()), 3)
        self.assertIn("users: every new ticket is answered with 503 until it is back", self.out)
        self.assertTrue(self.out.splitlines()[1].startswith("directory:mysql_closed"), self.out)

    async def test_shared_passwords(self) -> None:
        """Users with one password hash are named, and those without any counted."""
        users = [User(1, "anna", "h", email="a@b.c"), User(2, "ben", "h", email="b@b.c"), User(3, "cleo", "")]
        oro.fill(oro.on_postgresql(oro.COLUMN), oro.COLUMN, users)
        self.configure(mistakes.sections(["directory:postgresql_good"]), "postgresql_good")
        self.assertEqual(await self.probe(environ=mistakes.environment()), 0)
        self.assertIn("users with the ids 1 and 2 have the same password hash", self.out)
        self.assertIn("1 enabled users have no password hash", self.out)


class Machine(ProbeCase):
    """What needs no server."""

    async def test_quoted_secret(self) -> None:
        """A secret with the quotes of a .env file, Oro's published one, and any other fault of the file: 1."""
        self.configure(STATIC)
        for secret, said in (
            ("'another secret of the application'", "holds the secret in quotes"),
            ("ThisTokenIsNotSoSecretChangeIt", "holds the secret that Oro is published with"),
        ):
            status, found = await self.findings({"SECRET": secret})
            self.assertEqual((status, found["configuration"]["state"]), (1, "fault"))
            self.assertIn(said, found["configuration"]["result"])
            self.assertNotIn(secret, self.out)

    async def test_port_taken(self) -> None:
        """By whom, with the pid."""
        self.configure(STATIC)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port))
            taken.listen()
            status, found = await self.findings()
        one = found["listen:public"]
        self.assertEqual((status, one["state"]), (1, "fault"), one)
        self.assertIn(f"port {self.port} at 127.0.0.1 is taken by ", one["result"])
        self.assertIn(f"(pid {os.getpid()}, ", one["result"])
        self.assertEqual((await self.findings())[0], 0)

    async def test_unix_socket(self) -> None:
        """A directory that is not there; a socket that another program serves; one that can be made."""
        self.configure(STATIC)
        text = self.config.read_text()
        place = self.directory / "run"
        self.config.write_text(text.replace(f"tcp:{self.port}:interface=127.0.0.1", f"unix:{place}/ws"))
        status, found = await self.findings()
        self.assertEqual((status, found["listen:public"]["state"]), (1, "fault"))
        self.assertIn("is no directory", found["listen:public"]["result"])
        place.mkdir()
        status, found = await self.findings()
        self.assertEqual((status, found["listen:public"]["result"]), (0, f"{place}/ws can be made"))
        with socket.socket(socket.AF_UNIX) as taken:
            taken.bind(f"{place}/ws")
            taken.listen()
            status, found = await self.findings()
        self.assertIn(f"(pid {os.getpid()}, ", found["listen:public"]["result"])

    async def test_uplink(self) -> None:
        """Another router that does not answer, and one that does."""
        for port, state in ((free_port(), "unreachable"), (0, "ok")):
            with socket.socket() as other:
                other.bind(("127.0.0.1", port))
                other.listen(1 if not port else 0)
                number = other.getsockname()[1]
                if port:
                    other.close()
                self.configure(STATIC + "[uplink:oro]\npublish = exact com.a\n")
                text = self.config.read_text()
                self.config.write_text(text.replace("[realm:oro]", f"[realm:oro]\nuplink = ws://127.0.0.1:{number}/ws"))
                status, found = await self.findings()
            self.assertEqual((found["uplink:oro"]["state"], status), (state, 3 if port else 0), found["uplink:oro"])

    async def test_certificate(self) -> None:
        """A listener's certificate is examined, with the hosts of its pages."""
        from orosync.transport.tls import self_signed

        self_signed(self.directory / "c.pem", self.directory / "k.pem")
        listen = (
            f"certificate = {self.directory}/c.pem\nkey = {self.directory}/k.pem\norigins = https://oro.example.com"
        )
        self.configure(STATIC, listen=listen + " 127.0.0.1")
        self.assertEqual(await self.probe(), 0)
        self.assertRegex(self.out, r"\ncertificate:public +warning .*signed by itself")
        self.assertRegex(self.out, r"\ncertificate:public +warning .*and not for oro.example.com")

    async def test_misused(self) -> None:
        """--json is for --probe."""
        from twisted.internet import reactor

        self.configure(STATIC)
        streams = Streams(None, io.StringIO(), io.StringIO())
        options = main.parser().parse_args(["check-config", "--json", "--config", str(self.config)])
        self.assertEqual(await Deferred.fromCoroutine(main.run(reactor, options, streams)), 2)
        self.assertIn("--probe", streams.stderr.getvalue())


class Beside(ProbeCase):
    """A router that runs with this configuration."""

    async def test_its_ports_are_its_own(self) -> None:
        """They are taken, and that is no fault; with another configuration it is."""
        with RunningRouter() as running:
            self.config = running.config
            status, found = await self.findings()
            self.assertEqual(status, 0, found)
            for name in ("public", "secure", "backend"):
                self.assertIn("is open in the router that runs", found[f"listen:{name}"]["result"])
            self.assertIn("as which the router runs", found["user"]["result"])
            another = self.directory / "another.ini"
            text = running.config.read_text().replace(
                f"state = {running.config.parent}\n", f"state = {self.directory}\n"
            )
            another.write_text(text)
            self.config = another
            status, found = await self.findings()
            self.assertEqual((status, found["listen:public"]["state"]), (1, "fault"))

    async def test_remote_procedures(self) -> None:
        """The running router tells whether the procedure of a remote authenticator is registered; without a router
        nobody can tell."""
        more = (
            "[authenticator:desk]\nuse = remote\nmethod = ticket\nprocedure = com.example.authenticate\nrealm = open\n"
        )
        with RunningRouter(more=more + "registered_by = guest\nroles = guest\n") as running:
            self.config = running.config
            status, found = await self.findings()
            one = found["authenticator:desk"]
            self.assertEqual((status, one["state"]), (3, "unreachable"))
            self.assertEqual(one["result"], "no client has registered com.example.authenticate in open")
            self.assertIn("are refused until it is registered", one["effect"])
            client = await deferToThread(RawClient, running.url(), "wamp.2.json")
            self.addCleanup(client.close)
            client.send([1, "open", {"roles": {"callee": {}}, "authmethods": ["anonymous"]}])
            self.assertEqual((await deferToThread(client.read))[0], 2)
            client.send([64, 1, {}, "com.example.authenticate"])
            self.assertEqual((await deferToThread(client.read))[0], 65)
            status, found = await self.findings()
            self.assertEqual((status, found["authenticator:desk"]["state"]), (0, "ok"), found["authenticator:desk"])
            running.child.end()
            status, found = await self.findings()
            self.assertEqual((status, found["authenticator:desk"]["state"]), (0, "ok"))
            self.assertIn("(not_running)", found["authenticator:desk"]["result"])


class Users(SynchronousTestCase):
    """Who probes, and who the router's user is."""

    def setUp(self) -> None:
        self.units = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.units)
        self.config = Path("/etc/orosync/router.production.ini")

    def unit(self, *settings: str, name: str = "orosync.service") -> None:
        (self.units / name).parent.mkdir(exist_ok=True)
        (self.units / name).write_text("[Service]\n" + "\n".join(settings) + "\n")

    def said(self, router: Holder | None = None) -> Finding:
        return probe.user(self.config, router, [self.units])

    def test_running(self) -> None:
        """A router of this user, and one of another."""
        self.assertIs(self.said(Holder(os.geteuid(), os.getpid())).state, FindingState.OK)
        other = self.said(Holder(65534))
        self.assertIs(other.state, FindingState.WARNING)
        self.assertIn("while the router runs as nobody", other.result)

    def test_unit(self) -> None:
        """The unit as we ship it has a dynamic user, which no command can be; a drop-in counts; others do not."""
        self.assertIn("may be denied", self.said().result)
        self.unit("ExecStart=/usr/bin/other --config /etc/other.ini", "User=www-data", name="another.service")
        self.assertIn("may be denied", self.said().result)
        shutil.copy(Path(__file__).parents[2] / "etc" / "orosync.service", self.units)
        found = self.said()
        self.assertIs(found.state, FindingState.WARNING)
        self.assertIn("orosync.service runs the router as a dynamic user (orosync)", found.result)
        self.unit("DynamicUser=no", "User=www-data", name="orosync.service.d/user.conf")
        self.assertIn("orosync.service runs the router as www-data", self.said().result)
        self.unit("DynamicUser=no", f"User={user_name(os.geteuid())}", name="orosync.service.d/user.conf")
        self.assertIs(self.said().state, FindingState.OK)


class Codes(SynchronousTestCase):
    """The exit codes, and the table."""

    def finding(self, state: FindingState, **more: str) -> Finding:
        return Finding(f"check:{state.value}", state, "result", **more)

    def test_status(self) -> None:
        """A fault goes before what cannot be reached; a warning does not count."""
        ok, warning, fault, unreachable = map(self.finding, FindingState)
        for findings, status in (
            ([ok], 0),
            ([ok, warning], 0),
            ([ok, unreachable, warning], 3),
            ([unreachable, fault], 1),
        ):
            self.assertEqual(probe.status(findings), status)

    def test_table(self) -> None:
        """What is wrong comes first, with what users see and what to do; no control sequence reaches the terminal."""
        lines = probe.table(
            [
                self.finding(FindingState.OK),
                self.finding(FindingState.FAULT, effect="nothing", remedy="press\x1b[2J"),
            ]
        )
        self.assertEqual(
            lines,
            [
                "CHECK        STATE  RESULT, AND WHAT TO DO",
                "check:fault  fault  result",
                "                    users: nothing",
                "                    do: press\\x1b[2J",
                "check:ok     ok     result",
                "1 fault, 1 ok",
            ],
        )
