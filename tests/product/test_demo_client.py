"""The page's WAMP v1 client, run by Node against a WebSocket made of variables."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo import endpoints
from tests.support.processes import run

CHECK = Path(__file__).with_name("wamp1_check.mjs")


class Client(SynchronousTestCase):
    """Whoever reads the page's source may take its client for his own page."""

    def test_client(self) -> None:
        """It subscribes, publishes, understands refusals, and comes back after every loss, as its description says."""
        node = shutil.which("node")
        self.assertIsNotNone(node, "node is not installed")
        place = Path(self.mktemp())
        place.mkdir()
        shutil.copy(Path(endpoints.__file__).with_name("static") / "wamp1.js", place)
        shutil.copy(CHECK, place)
        (place / "package.json").write_text('{"type": "module"}')
        said = run(str(node), CHECK.name, cwd=place, seconds=60)
        wanted = re.findall(r'^    "([^"]+)": async', CHECK.read_text(), re.MULTILINE)
        self.assertTrue(len(wanted) > 10)
        self.assertEqual(said.splitlines(), [f"ok: {name}" for name in wanted])
