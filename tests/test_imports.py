"""The layers of docs/architecture.md: a package imports only from layers below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).resolve().parent.parent

LAYERS = {
    "taps": 8,
    "cli": 8,
    "crossbar": 8,
    "app": 7,
    "testing": 7,
    "session": 6,
    "demo": 6,
    "router": 5,
    "transport": 5,
    "identity": 5,
    "authz": 5,
    "notifications": 5,
    "backplane": 5,
    "ops": 5,
    "uplink": 5,
    "attached": 6,
    "embedded": 5,
    "client": 4,
    "redis_connection": 4,
    "wamp": 3,
    "headers": 2,
    "interfaces": 3,
    "config": 3,
    "registry": 3,
    "transport_details": 3,
    "trust_roots": 3,
    "clocks": 1,
    "metrics": 1,
    "model": 1,
    "errors": 1,
}

# The language of the protocol is values: it can neither do I/O nor know the time.
NOT_IN_WAMP = {
    "asyncio",
    "autobahn.asyncio",
    "autobahn.twisted",
    "datetime",
    "http",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "twisted.application",
    "twisted.internet",
    "twisted.protocols",
    "twisted.web",
}


def imported(source: str, package: str) -> Iterator[str]:
    """The dotted names that ``source``, a module of ``package``, imports anywhere, also for type checkers only.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parents = package.split(".")
                start = ".".join(parents[: len(parents) - node.level + 1])
                base = f"{start}.{node.module}" if node.module else start
            else:
                base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names)


def below(name: str, roots: set[str]) -> bool:
    """Whether ``name`` is one of the modules ``roots`` or something inside one of them."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def package_of(parts: list[str]) -> str:
    """The package inside orosync that a dotted name is in; empty for orosync itself."""
    return parts[1] if len(parts) > 1 else ""


def faults(module: str, parent: str, source: str) -> list[str]:
    """What ``module``, whose relative imports start in ``parent``, imports against the layers: one line each."""
    package = package_of(module.split("."))
    found = []
    for name in imported(source, parent):
        parts = name.split(".")
        if name == "orosync.__version__":
            continue  # orosync itself is below every layer and imports nothing
        if parts[0] == "orosync":
            other = package_of(parts)
            if other == package and package:
                continue
            if not package:
                found.append(f"{module}: orosync itself imports {name}")
            elif package not in LAYERS or other not in LAYERS:
                found.append(f"{module}: {name}: a package without a layer")
            elif LAYERS[other] >= LAYERS[package]:
                found.append(f"{module} (layer {LAYERS[package]}) imports {name} (layer {LAYERS[other]})")
        elif parts[0] == "tests":
            found.append(f"{module} imports {name}")
        elif name == "twisted.internet.reactor" and package not in ("taps", "crossbar"):
            found.append(f"{module} takes the global reactor: clock and reactor come in as arguments")
        elif package == "wamp" and below(name, NOT_IN_WAMP):
            found.append(f"{module} imports {name}: no I/O and no clock in wamp")
    return found


class Order(SynchronousTestCase):
    """The layers, over every module there is."""

    def test_every_module(self) -> None:
        """A change of a lower package does not require reading those above it: none of them is imported there."""
        found = []
        paths = sorted((TREE / "orosync").rglob("*.py"))
        for path in paths:
            parts = path.relative_to(TREE).with_suffix("").parts
            package = ".".join(parts[:-1])
            module = package if parts[-1] == "__init__" else ".".join(parts)
            found += faults(module, package, path.read_text())
        self.assertTrue(len(paths) > 20, "the modules were not found")
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_every_package_has_a_layer(self) -> None:
        """A new package is given its layer first."""
        packages = {
            path.stem
            for path in (TREE / "orosync").iterdir()
            if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        self.assertEqual(sorted(packages - {"__init__"} - set(LAYERS)), [])

    def test_the_plugin_file_imports_nothing_of_ours(self) -> None:
        """Every twistd on the machine imports the plugin file: that must cost it nothing and break nothing."""
        for path in (TREE / "twisted" / "plugins").glob("*.py"):
            names = list(imported(path.read_text(), "twisted.plugins"))
            self.assertEqual(names, ["twisted.application.service.ServiceMaker"], path.name)


class Rules(SynchronousTestCase):
    """That the check above would notice."""

    def test_what_is_refused(self) -> None:
        """Each way to reach upwards, sideways or out is found, and what is allowed is not."""
        for module, source, wrong in [
            ("orosync.router.broker", "from orosync.wamp import ids", False),
            ("orosync.router.broker", "from orosync.router import filters", False),
            ("orosync.router.broker", "from . import filters", False),
            ("orosync.router.broker", "import orosync.model", False),
            ("orosync.router.broker", "from orosync.transport.tls import x", True),
            ("orosync.router.broker", "from orosync import session", True),
            ("orosync.router.broker", "from ..session import gate", True),
            ("orosync.router.broker", "from .. import session", True),
            ("orosync.router.broker", "import orosync.app.service", True),
            ("orosync.app.process", "from orosync.app.service import build", False),
            ("orosync.router.broker", "from orosync import __version__", False),
            ("orosync.router.broker", "import orosync", True),
            ("orosync.router.broker", "def f():\n    from orosync.identity import ticket", True),
            ("orosync.router.broker", "if TYPE_CHECKING:\n    from orosync.session.gate import Gate", True),
            ("orosync.router.broker", "from orosync.attic import x", True),
            ("orosync.router.broker", "from tests.support import ports", True),
            ("orosync.router.broker", "from twisted.internet import reactor", True),
            ("orosync.taps.router", "from twisted.internet import reactor", False),
            ("orosync.crossbar", "from twisted.internet import reactor", False),
            ("orosync.crossbar", "from orosync.taps import router", True),
            ("orosync.transport.tls", "from twisted.internet import ssl", False),
            ("orosync.wamp.codec", "from twisted.internet import defer", True),
            ("orosync.wamp.codec", "import socket", True),
            ("orosync.wamp.codec", "from time import monotonic", True),
            ("orosync.wamp.codec", "import timeit, msgspec", False),
            ("orosync.model", "from orosync.errors import Refused", True),
            ("orosync", "from orosync.model import User", True),
        ]:
            package = module.rpartition(".")[0] or module
            self.assertEqual(bool(faults(module, package, source)), wrong, f"{module}: {source}")
