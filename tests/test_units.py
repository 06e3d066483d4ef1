"""The units that hand orosync to systemd: systemd itself reads them, and judges how little they may do."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.app.ending import BACKSTOP, GRACE, LOG_TIMEOUT
from orosync.cli.installation import Decisions, Installation
from orosync.cli.router import candidates
from orosync.config import load, oro_application
from tests.config.oro_trees import lay_out
from tests.support.processes import run

TREE = Path(__file__).resolve().parent.parent
UNIT = TREE / "etc" / "orosync.service"
PRODUCTION = TREE / "etc" / "router.production.ini"
INSTALLED = "/opt/orosync/bin/twistd"
COMMAND = "/opt/orosync/bin/orosync"


class Unit(SynchronousTestCase):
    """etc/orosync.service."""

    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        # systemd-analyze refuses a program that is not there; any will do for reading the rest of the unit.
        self.copy = Path(directory, UNIT.name)
        self.copy.write_text(UNIT.read_text().replace(INSTALLED, sys.executable).replace(COMMAND, sys.executable))
        self.unit = RawConfigParser(strict=False)
        self.unit.optionxform = str  # type: ignore[assignment,method-assign]
        self.unit.read(UNIT)

    def test_systemd_understands_every_line(self) -> None:
        """`systemd-analyze verify` has nothing to say: no unknown key, no value that would be ignored."""
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", str(self.copy)), "")

    def test_systemd_would_notice(self) -> None:
        """The check above can fail: a misspelt key is named."""
        self.copy.write_text(self.copy.read_text().replace("ProtectSystem=", "ProtectSytem="))
        self.assertIn("ProtectSytem", run("systemd-analyze", "verify", "--man=no", str(self.copy)))

    def test_little_is_exposed(self) -> None:
        """systemd's own judgement of what a captured service could still do stays at 1.5 of 10 or below."""
        run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(self.copy))
        self.copy.write_text(re.sub(r"(?m)^Protect.*$", "", self.copy.read_text()))
        with self.assertRaises(AssertionError):
            run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(self.copy))

    def test_it_starts_what_the_wheel_installs(self) -> None:
        """The command is twistd in the foreground, without a pid file, with the production configuration."""
        self.assertEqual(
            self.unit["Service"]["ExecStart"],
            f"{INSTALLED} --nodaemon --pidfile= orosync --config /etc/orosync/router.production.ini",
        )
        self.assertTrue(PRODUCTION.is_file())

    def test_it_reloads_with_the_command(self) -> None:
        """So that systemctl reload waits, and fails where the router refuses; the command finds the router's socket in
        the directory that systemd makes for it."""
        reload, start = self.unit["Service"]["ExecReload"], self.unit["Service"]["ExecStart"]
        self.assertEqual(reload, f"{COMMAND} reload --config {start.split()[-1]}")
        runtime = Path("/run", self.unit["Service"]["RuntimeDirectory"])
        found = candidates(Namespace(socket=None, config=str(PRODUCTION)), {"RUNTIME_DIRECTORY": str(runtime)})
        self.assertEqual(found[0].parent, runtime)
        without = candidates(Namespace(socket=None, config=str(PRODUCTION)), {})
        self.assertIn(found[0], without, "a shell of root has no such variable")

    def test_credentials_are_handed_over(self) -> None:
        """Every secret that the production configuration starts from is handed over by the unit, by the same name."""
        lines = [line for line in PRODUCTION.read_text().splitlines() if not line.startswith("#")]
        wanted = set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/(\w+)", "\n".join(lines)))
        given = re.findall(r"(?m)^LoadCredential=(\w+):/etc/orosync/(\w+)$", UNIT.read_text())
        self.assertEqual({name for name, _ in given}, wanted)
        self.assertTrue(wanted and all(name == file for name, file in given), given)

    def test_the_limits_fit_the_configuration(self) -> None:
        """systemd waits longer for the end than the configured drain, and every connection has its descriptor."""
        credentials = self.copy.parent
        (credentials / "oro_secret").write_text("0123456789abcdef0123456789abcdef")
        (credentials / "db_dsn").write_text("postgres://orosync:password@127.0.0.1/oro")
        configuration = load(PRODUCTION, {"CREDENTIALS_DIRECTORY": str(credentials)}, 65536)
        self.assertGreater(float(self.unit["Service"]["TimeoutStopSec"]), configuration.router.drain + 10)
        connections = sum(listener.max_connections for listener in configuration.listeners.values())
        self.assertGreater(int(self.unit["Service"]["LimitNOFILE"]), connections)

    def test_drop_in_of_init(self) -> None:
        """systemd understands the unit with what `orosync init` writes for it, with a port below 1024 too; the command
        and the credentials are those of the drop-in alone."""
        application = oro_application.read(lay_out(self.copy.parent / "oro", "commerce", "7.0"), {})
        drop_in = self.copy.parent / f"{UNIT.name}.d" / "oro.conf"
        drop_in.parent.mkdir()
        for port in (8080, 443):
            decisions = Decisions(
                origin="https://oro.example.com",
                proxy="none",
                port=port,
                cookie=True,
                directory=Path("/etc/x"),
                password="p",
            )
            drop_in.write_text(Installation(application, decisions).files()["systemd-drop-in.conf"])
            self.assertEqual(run("systemd-analyze", "verify", "--man=no", str(self.copy)), "")
        text = drop_in.read_text()
        self.assertIn("\nExecStart=\nExecStart=", text)
        self.assertNotIn("/opt/orosync", text)
        self.assertNotIn("router.production.ini", text)
        for line in UNIT.read_text().splitlines():
            if line.startswith("Exec") and ("/opt/orosync" in line or "router.production.ini" in line):
                self.assertIn(f"\n{line.partition('=')[0]}=/", text)
        drop_in.write_text(drop_in.read_text().replace("LoadCredential=oro", "LoadCredentials=oro"))
        self.assertIn("LoadCredentials", run("systemd-analyze", "verify", "--man=no", str(self.copy)))


class Attached(SynchronousTestCase):
    """etc/orosync-authenticator.service and etc/orosync-authorizer.service."""

    def units(self) -> Iterator[tuple[str, Path, str]]:
        """What each is, a copy that systemd reads without orosync being installed, and its text."""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for what in ("authenticator", "authorizer"):
            unit = TREE / "etc" / f"orosync-{what}.service"
            copy = Path(directory, unit.name)
            copy.write_text(unit.read_text().replace(INSTALLED, sys.executable))
            yield what, copy, unit.read_text()

    def test_systemd_understands_every_line(self) -> None:
        """Nothing that would be ignored, and no more rights than the router's own unit has."""
        for _, copy, _ in self.units():
            self.assertEqual(run("systemd-analyze", "verify", "--man=no", str(copy)), "")
            run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(copy))

    def test_they_start_what_the_wheel_installs(self) -> None:
        """The command with the configuration that docs/crossbar.md copies to /etc/orosync."""
        for what, _, text in self.units():
            command = f"{INSTALLED} --nodaemon --pidfile= orosync-{what} --config /etc/orosync/{what}.ini"
            self.assertIn(f"\nExecStart={command}\n", text)
            self.assertTrue((TREE / "etc" / "crossbar" / f"{what}.ini").is_file())

    def test_the_end_has_its_time(self) -> None:
        """systemd waits longer than the process itself does for what hangs."""
        for _, _, text in self.units():
            (seconds,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
            self.assertGreater(float(seconds), GRACE + LOG_TIMEOUT + BACKSTOP)

    def test_credentials_are_handed_over(self) -> None:
        """Every secret that the shipped configuration names, by the same name, and no other."""
        for what, _, text in self.units():
            shipped = (TREE / "etc" / "crossbar" / f"{what}.ini").read_text()
            wanted = set(re.findall(r"(?m)^[^#\n]*\$\{CREDENTIALS_DIRECTORY\}/(\w+)", shipped))
            given = re.findall(r"(?m)^LoadCredential=(\w+):/etc/orosync/(\w+)$", text)
            self.assertEqual({name for name, _ in given}, wanted)
            self.assertTrue(wanted and all(name == file for name, file in given), given)
