"""twistd finds orosync, and Twisted stays whole."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import run

TREE = Path(__file__).resolve().parent.parent


class Plugin(SynchronousTestCase):
    """twisted/plugins/orosync_plugins.py."""

    def test_twistd_lists_orosync(self) -> None:
        """`twistd --help`, run from anywhere, names orosync among its commands and says what it is."""
        listing = run(str(Path(sys.executable).with_name("twistd")), "--help", cwd="/", seconds=60)
        lines = [line.split() for line in listing.splitlines()]
        self.assertIn(["orosync", "A", "WAMP", "router", "for", "Oro", "applications."], lines)
        for command, words in (
            ("orosync-authenticator", "Tells a WAMP router who its clients are."),
            ("orosync-authorizer", "Tells a WAMP router what its clients may."),
        ):
            self.assertIn([command, *words.split()], lines)

    def test_nothing_of_twisted_is_overwritten(self) -> None:
        """An __init__.py in twisted/ or twisted/plugins/ would replace Twisted's own when installed, and take it away
        with orosync: there is none, and nothing else but our one plugin file."""
        files = {
            str(path.relative_to(TREE))
            for path in (TREE / "twisted").rglob("*")
            if path.is_file() and path.suffix != ".pyc" and path.name != "dropin.cache"
        }
        self.assertEqual(files, {"twisted/plugins/orosync_plugins.py"})
