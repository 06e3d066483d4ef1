"""The log of a real process: as text, as JSON, and as systemd's journal reads it."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import TREE, RunningRouter
from tests.support.ports import free_port
from tests.support.processes import Child, run

CONFIGURATION = """
[router]
state = {state}
drain = 100ms
log_level = {level}
log = {form}
[listen:one]
endpoint = tcp:{port}:interface=127.0.0.1
origin = optional
[realm:open]
authenticators = guests
authorizers = roles
[authenticator:guests]
use = anonymous
role = guest
[role:guest]
permissions =
    any all
"""


class Everybody(SynchronousTestCase):
    """log_level = debug, log = json."""

    def test_who_comes_and_goes(self) -> None:
        """Every line of a run is an object; each client that joins and leaves is told with who it is and how long it
        stayed, a refusal with its fields, and text of a client cannot forge a line."""
        with RunningRouter(router="log = json\nlog_level = debug") as running:
            client = RawClient(running.url("anna"), "wamp")
            client.read()
            running.child.wait_for_line("session.joined")
            client.close()
            running.child.wait_for_line("session.left")
            self.assertEqual(RawClient(running.url(ticket="x\n{}"), "wamp").status, 403)
            running.child.wait_for_line("handshake.refused")
            running.child.end()
            lines = [json.loads(line) for line in running.log.splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "level", "namespace", "message"}, set(line), line)
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(line["level"], ("debug", "info", "warn"))
        self.assertIn("starting up", lines[0]["message"])
        self.assertEqual(lines[-1]["message"], "Server Shut Down.")
        (joined,) = (line for line in lines if line.get("event") == "session.joined")
        (left,) = (line for line in lines if line.get("event") == "session.left")
        self.assertEqual((joined["level"], joined["code"], joined["namespace"]), ("debug", "ticket", "orosync"))
        expected = {"user": "anna", "role": "user", "realm": "oro", "protocol": "v1", "listener": "public"}
        for name, value in {**expected, "address": "127.0.0.1"}.items():
            self.assertEqual((joined["fields"][name], left["fields"][name]), (value, value))
        self.assertEqual(joined["fields"]["session"], left["fields"]["session"])
        self.assertGreaterEqual(left["fields"]["seconds"], 0)
        (refused,) = (line for line in lines if line.get("event") == "handshake.refused")
        self.assertEqual((refused["level"], refused["code"]), ("info", "malformed"))
        self.assertEqual(refused["fields"]["listener"], "public")


class Lines(SynchronousTestCase):
    """Lines of text, from a level on."""

    def run_once(self, form: str = "text", level: str = "info", *, journal: bool = False, log: str = "") -> list[str]:
        """A router that a client visits; what it wrote to standard output, or to the file ``log``."""
        with tempfile.TemporaryDirectory() as directory:
            port, config = free_port(), Path(directory) / "router.ini"
            config.write_text(CONFIGURATION.format(state=directory, level=level, form=form, port=port))
            twistd = [sys.executable, str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]
            command = [*twistd, *([f"--logfile={log}"] if log else []), "orosync", f"--config={config}"]
            prelude = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/3) && export JOURNAL_STREAM && " * journal
            shell = ["sh", "-c", f'exec 3>&1 && {prelude} exec "$0" "$@"']
            with Child([*shell, *command], cwd=directory, environ={"PYTHONPATH": str(TREE)}) as child:
                child.wait_for_port(port)
                client = RawClient(f"ws://127.0.0.1:{port}/")
                client.join().close()
                self.assertEqual(child.end(), 0)
                written = child.output
            return ((Path(directory) / log).read_text() if log else written).splitlines()

    def test_text(self) -> None:
        """As ever: time, level, event; clients that come and go are not told."""
        lines = self.run_once()
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 \[[^\]]+\] ")
        self.assertTrue(any("[listen:one] serves ws" in line for line in lines), lines)
        self.assertFalse(any("session." in line for line in lines), lines)

    def test_level(self) -> None:
        """From warn on an ordinary run has nothing to say."""
        self.assertEqual(self.run_once(level="warn"), [])

    def test_file(self) -> None:
        """A file of --logfile has the same lines."""
        lines = [json.loads(line) for line in self.run_once("json", "debug", log="router.log")]
        events = [line["event"] for line in lines if "event" in line]
        self.assertEqual(events, ["session.joined", "session.left"])

    def test_journal(self) -> None:
        """Where systemd's journal reads, each line begins with a priority and has no time of its own."""
        lines = self.run_once(level="debug", journal=True)
        for line in lines:
            self.assertRegex(line, r"^<[2-7]>\[[^\]]+\] ")
        (joined,) = (line for line in lines if "session.joined" in line)
        self.assertRegex(
            joined, r"^<7>\[orosync#debug\] session\.joined \(anonymous\): user=\S+ role=guest realm=open "
        )
        (started,) = (line for line in lines if " starts, node " in line)
        self.assertTrue(started.startswith("<6>"), started)

    def test_fault_before_the_log(self) -> None:
        """What is wrong with the configuration is an error for the journal as well."""
        with tempfile.TemporaryDirectory() as directory:
            config = Path(directory) / "router.ini"
            config.write_text("[router]\nlog = yaml\n")
            twistd = str(Path(sys.executable).with_name("twistd"))
            shell = (
                'exec 3>&1 2>&1; JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/3) "$0" "$1" --nodaemon --pidfile= '
                'orosync --config "$2"; test $? = 1'
            )
            said = run("sh", "-c", shell, sys.executable, twistd, str(config), environ={"PYTHONPATH": str(TREE)})
        self.assertTrue(any(re.match(r"<3>orosync: \[router\] log: 'yaml'", line) for line in said.splitlines()), said)
        for line in said.splitlines():
            self.assertTrue(line.startswith("<3>orosync: "), said)
