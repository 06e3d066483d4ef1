"""docs/deployments.md and `make deployments`: the tables, one case that works and one that does not."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.deployments.cases import APPLICATIONS, DEPLOYMENTS, METHODS, REASONS, VERSIONS, WORKS, cases, page_tables
from tests.deployments.page import PAGE, blocks, sections, settings
from tests.product.running_router import TREE


class PageTests(SynchronousTestCase):
    """What the page shows is what the command runs."""

    def test_tables(self) -> None:
        """They are those that `make deployments` compares its results with."""
        shown = PAGE.read_text().partition("<!-- tables of make deployments -->\n")[2].partition("\n<!-- end -->")[0]
        self.assertEqual(shown, page_tables(), "python -m tests.deployments --markdown prints them")

    def test_configurations(self) -> None:
        """Each deployment has a section with its listeners, Oro's three settings and its proxy's configuration."""
        found = sections(PAGE.read_text())
        for deployment in DEPLOYMENTS.values():
            section = found[deployment.title]
            (listeners,), (oro,) = blocks(section, "ini"), blocks(section, "sh")
            self.assertIn("[listen:", listeners)
            names = {f"ORO_WEBSOCKET_{side}_DSN" for side in ("SERVER", "FRONTEND", "BACKEND")}
            self.assertEqual(set(settings(oro)), names, deployment.title)
            self.assertEqual(len(blocks(section, deployment.web)), int(deployment.proxied), deployment.title)
        self.assertEqual(len(blocks(found["Authentication"], "ini")), 2)

    def test_applications(self) -> None:
        """The page's list of applications is that of the command, and so are the versions."""
        rows = [
            row.split(" | ")
            for row in sections(PAGE.read_text())["Applications"].splitlines()
            if "-application`" in row
        ]
        shipped = [one for one in APPLICATIONS.values() if one.versions == tuple(VERSIONS)]
        self.assertEqual(
            [[cell.strip(" |`") for cell in row[1:]] for row in rows],
            [[one.cookie, one.cookie_path, one.socket_path, f"{one.prefix}/sync/ticket"] for one in shipped],
        )

    def test_no_hole(self) -> None:
        """Every deployment with every application, version and method, once; each outcome is one that is explained."""
        whole = list(cases())
        self.assertEqual(len(whole), len(set(whole)))
        for name, deployment in DEPLOYMENTS.items():
            there = {(case.application, case.version, case.method) for case in whole if case.deployment == name}
            shipped = itertools.product(("platform", "crm", "commerce"), deployment.versions, METHODS)
            wanted = {*shipped, *(("commerce at /ws", "7.0", method) for method in METHODS)}
            self.assertEqual(there, wanted, name)
        outcomes = {outcome for case in whole for checks in case.expected().values() for outcome in checks.values()}
        self.assertEqual(outcomes, {WORKS, *REASONS})
        with self.assertRaisesRegex(ValueError, "'lighttpd' is none of direct, "):
            list(cases(deployments="nginx, lighttpd"))


class CommandTests(SynchronousTestCase):
    """The command, on one case."""

    def run_with(self, page: Path) -> tuple[int, str]:
        """Its exit code and what it printed."""
        command = [sys.executable, "-m", "tests.deployments", "--page", str(page), "--jobs", "1"]
        chosen = ["--deployments", "nginx", "--applications", "commerce", "--versions", "7.0", "--methods", "cookie"]
        done = subprocess.run([*command, *chosen], cwd=TREE, capture_output=True, text=True, timeout=180, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_as_documented(self) -> None:
        """OroCommerce behind nginx: login, events, publisher, restart and logout are as the page says."""
        code, output = self.run_with(PAGE)
        self.assertEqual(code, 0, output)
        self.assertIn("1 cases in", output)
        self.assertIn("0 not as docs/deployments.md says", output)

    def test_otherwise(self) -> None:
        """With a configuration that does not work, the table says so, the logs are printed, and the exit code is 1."""
        with tempfile.TemporaryDirectory() as directory:
            page = Path(directory) / "page.md"
            page.write_text(
                PAGE.read_text().replace("origins = https://oro.example.com", "origins = https://example.com")
            )
            code, output = self.run_with(page)
        self.assertEqual(code, 1, output)
        self.assertIn("NOT works", output)
        self.assertIn("handshake.refused (origin)", output)
