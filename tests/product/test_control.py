"""The orosync command beside a router: two programs, as an administrator and systemd use them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import TREE, RunningRouter

COMMAND = str(Path(sys.executable).with_name("orosync"))
ENVIRON = {**os.environ, "PYTHONPATH": str(TREE)}


def orosync(router: RunningRouter, *arguments: str) -> tuple[int, str]:
    """(exit status, output)."""
    command = [COMMAND, *arguments, "--config", str(router.config)]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


class Control(SynchronousTestCase):
    def test_a_day(self) -> None:
        """An event of PHP is printed by subscribe as it is published; a reload with a fault fails; a drain lets a page
        go and ends the router with status 0; then nothing answers."""
        with RunningRouter() as router, RawClient(router.url("anna"), "wamp") as anna:
            self.assertEqual(anna.read()[0], 0)
            command = [COMMAND, "subscribe", "oro/data/update", "--realm", "oro", "--config", str(router.config)]
            with subprocess.Popen(command, env=ENVIRON, stdout=subprocess.PIPE, text=True) as watching:
                assert watching.stdout is not None
                anna.send([5, "oro/data/update"])
                router.child.wait_for_line("verb=subscribe")
                router.publish(topic="oro/data/update", payload=[{"tagname": "é"}])
                event = json.loads(watching.stdout.readline())
                self.assertEqual((event["topic"], event["args"]), ("oro/data/update", [[{"tagname": "é"}]]))
                watching.send_signal(signal.SIGINT)
                self.assertEqual(watching.wait(10), -signal.SIGINT)
            router.config.write_text(router.config.read_text() + "[topcis:x]\n")
            status, told = orosync(router, "reload")
            self.assertEqual(status, 1, told)
            self.assertIn("did you mean topics?", told)
            self.assertEqual(anna.read()[:2], [8, "oro/data/update"])
            status, told = orosync(router, "drain", "--json")
            self.assertEqual((status, json.loads(told)), (0, {"left": 0, "of": 1, "ends": True}))
            self.assertIsNone(anna.ended())
            self.assertEqual(router.child.process.wait(20), 0)
            status, told = orosync(router, "status")
            self.assertEqual(status, 3, told)
