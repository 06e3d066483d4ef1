"""docs/plugins.md: its parts keep their contracts, its package installs, its sections are a configuration."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from twisted.trial.reporter import TestResult
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase

from orosync import testing
from tests.product.raw import RawClient
from tests.product.running_router import TREE
from tests.product.test_readme import REST
from tests.support.ports import free_port
from tests.support.processes import Child, run

PAGE = (TREE / "docs" / "plugins.md").read_text()
TOKEN = "a long token that only the gate knows"


def blocks(language: str) -> list[str]:
    """The page's blocks of code in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)


class PluginsPage(SynchronousTestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="plugins-")
        self.addCleanup(holder.cleanup)
        self.place = Path(holder.name)
        (self.place / "acme").mkdir()
        (self.place / "acme" / "__init__.py").touch()
        for text in (*blocks("python"), *blocks("toml")):
            name = text.partition("\n")[0].removeprefix("# ")
            (self.place / name).write_text(text)
        self.addCleanup(self.forget)

    def forget(self) -> None:
        """The page's modules are no part of any other test."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
            del sys.modules[name]

    def configured(self, port: int, plugins: str) -> Path:
        """The page's sections in a whole configuration."""
        (sections,) = blocks("ini")
        (self.place / "gate.sha256").write_text(hashlib.sha256(TOKEN.encode()).hexdigest())
        (self.place / "people.json").write_text(json.dumps([{"id": 1, "username": "anna", "password_hash": "x"}]))
        rest = REST.replace("tcp:0:", f"tcp:{port}:").replace(
            "[directory:people]\nuse = static\nuser.anna = 1 env:SECRET\n", ""
        )
        rest = rest.replace("state = .", f"state = .\n{plugins}")
        path = self.place / "router.ini"
        path.write_text(rest + sections.replace("/etc/orosync/", f"{self.place}/"))
        return path

    def test_contracts(self) -> None:
        """Every test of the page passes, and every part has some."""
        self.patch(sys, "path", [str(self.place), *sys.path])
        loader, passed = TestLoader(), 0
        for path in sorted((self.place / "acme").glob("test_*.py")):
            suite = loader.loadByName(f"acme.{path.stem}")
            result = TestResult()
            suite.run(result)
            troubles = [str(failure) for _, failure in (*result.errors, *result.failures)]
            self.assertEqual(troubles, [], path.name)
            self.assertGreater(result.testsRun, 0, path.name)
            passed += result.testsRun
        self.assertGreater(passed, 15)
        parts = {path.stem for path in (self.place / "acme").glob("[a-z]*.py") if not path.stem.startswith("test_")}
        self.assertEqual(parts, {"projects", "machines", "people", "orders"})

    def test_every_contract_is_named(self) -> None:
        """The table has every contract suite that there is."""
        there = {name for name in vars(testing) if name.endswith("Contract")}
        self.assertEqual(set(re.findall(r"`(\w+Contract)`", PAGE)), there)

    def test_installed(self) -> None:
        """The package installs; named in the configuration its parts are found, made and at work."""
        target = self.place / "installed"
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target))
        run(*pip, str(self.place), cwd="/")
        (self.place / "acme").rename(self.place / "elsewhere")
        port = free_port()
        config = self.configured(port, f"plugins = {target}")
        environ = {**os.environ, "PYTHONPATH": str(TREE), "SECRET": "0123456789abcdef"}
        orosync = str(Path(sys.executable).with_name("orosync"))
        checked = run(sys.executable, orosync, "check-config", "--config", str(config), cwd="/", environ=environ)
        self.assertIn("configuration OK", checked)
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [sys.executable, twistd, "-n", "--pidfile=", "orosync", "--config", str(config)]
        with Child(command, cwd="/", environ=environ) as child:
            child.wait_for_line("[component:orders] has started")
            gate = RawClient(f"ws://127.0.0.1:{port}/")
            self.addCleanup(gate.close)
            gate.send([1, "oro", {"roles": {"publisher": {}}, "authid": "gate", "authmethods": ["machine"]}])
            self.assertEqual(gate.read()[:2], [4, "machine"])
            gate.send([5, TOKEN, {}])
            self.assertEqual(gate.read()[2]["authrole"], "machine")
            gate.send([16, 1, {}, "acme.order.placed", ["anna"]])
            gate.send([48, 2, {}, "acme.order.count", ["anna"]])
            self.assertEqual(gate.read(), [50, 2, {}, [1]])
            gate.send([32, 3, {}, "acme.project.bridge.news"])
            self.assertEqual(gate.read()[4], "wamp.error.not_authorized")
            self.assertEqual(child.end(), 0, child.output)
