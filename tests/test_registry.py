"""Tests of orosync.registry."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface, implementer

from orosync import registry
from orosync.errors import ConfigError


class Missing(SynchronousTestCase):
    """Modules of extras."""

    def test_missing_module(self) -> None:
        """A module that is there is no fault; one that is not says what to install."""
        self.assertEqual(registry.missing_module("json", "x"), "")
        self.assertEqual(
            registry.missing_module("no_such_driver", "postgres"),
            "needs the module no_such_driver (No module named 'no_such_driver'), "
            f"install it, in the checkout of orosync: {sys.executable} -m pip install '.[postgres]'",
        )


class IGreeter(Interface):
    """A port for these tests."""

    def greet(name: str) -> str:
        """Say hello."""


@implementer(IGreeter)
class Greeter:
    def __init__(self, word: str = "hello") -> None:
        self.word = word

    def greet(self, name: str) -> str:
        return f"{self.word} {name}"


PLUGIN = """
from tests.test_registry import Greeter

class Box:
    made = Greeter

class Stranger:
    pass

def make(**options):
    return Greeter(**options)

greeter = Greeter()
limit = 5
"""

INSTALL = "install it into this environment or correct the name"


class RegistryCase(SynchronousTestCase):
    """Modules of a stranger's, importable while a test runs."""

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        self.patch(sys, "path", [str(directory), *sys.path])
        self.patch(sys, "dont_write_bytecode", True)
        for name, text in {
            "acme_parts": PLUGIN,
            "acme_broken": "raise RuntimeError('no\\n luck')",
            "acme_needy": "import acme_not_there",
        }.items():
            (directory / f"{name}.py").write_text(text)
            self.addCleanup(sys.modules.pop, name, None)

    def resolve(self, name: str) -> registry.Factory:
        return registry.resolve("greeter:x", name, {"plain": Greeter}, IGreeter)


class Resolve(RegistryCase):
    """From a name to a factory."""

    def test_built_in(self) -> None:
        """A built-in name is its factory."""
        self.assertIs(self.resolve("plain"), Greeter)

    def test_elsewhere(self) -> None:
        """A function, a class, something inside of something."""
        self.assertEqual(self.resolve("acme_parts:make")(word="ahoy").greet("you"), "ahoy you")
        self.assertIs(self.resolve("tests.test_registry:Greeter"), Greeter)
        self.assertIs(self.resolve("acme_parts:Box.made"), Greeter)

    def test_only_what_is_named_is_imported(self) -> None:
        """A built-in name imports nothing; a foreign one its own module."""
        self.resolve("plain")
        self.assertNotIn("acme_parts", sys.modules)
        self.resolve("acme_parts:make")
        self.assertIn("acme_parts", sys.modules)
        self.assertNotIn("acme_broken", sys.modules)

    def test_search(self) -> None:
        """Directories of plugins come after Python's own path, and once."""
        self.patch(sys, "path", ["/first"])
        registry.search([Path("/own"), Path("/first"), Path("/own")])
        self.assertEqual(sys.path, ["/first", "/own"])

    def test_faults(self) -> None:
        """Whatever cannot be had is one line that says why."""
        table = {
            "plan": "'plan' is not known, did you mean plain?",
            "postgres": "'postgres' is not known, write plain, package.module:factory",
            "acme_missing.parts:make": f"there is no module acme_missing, {INSTALL}",
            "orosync.missing:make": f"there is no module orosync.missing, {INSTALL}",
            "acme_needy:make": "acme_needy needs a module acme_not_there, install it into this environment",
            "acme_broken:make": "acme_broken does not load (RuntimeError: no luck), correct it",
            "acme_parts:mke": "acme_parts has no mke, did you mean make?",
            "acme_parts:Box.qqqq": "acme_parts has no Box.qqqq, correct the name",
            "acme_parts:limit": "acme_parts:limit is no factory (it cannot be called), name a class or function",
            "acme_parts:greeter": "acme_parts:greeter is no factory (it cannot be called), name a class or function",
            "acme_parts:Stranger": "acme_parts:Stranger does not implement IGreeter, name another or declare it",
        }
        for name, words in table.items():
            error = self.assertRaises(ConfigError, self.resolve, name)
            self.assertEqual(error.faults, (f"[greeter:x] use: {words}",))


class Create(RegistryCase):
    """From a factory to a part that keeps its promise."""

    def fault(self, factory: Any, **options: Any) -> str:
        error = self.assertRaises(ConfigError, registry.create, "greeter:x", factory, IGreeter, **options)
        (fault,) = error.faults
        return str(fault)

    def test_made(self) -> None:
        """Arguments are handed on, and what is made is handed back."""
        made = registry.create("greeter:x", Greeter, IGreeter, word="hi")
        self.assertEqual(made.greet("you"), "hi you")
        self.assertIs(registry.check("greeter:x", made, IGreeter), made)

    def test_broken_promises(self) -> None:
        """What does not provide the interface, lacks a method or takes other arguments is refused in one line."""

        @implementer(IGreeter)
        class Silent:  # type: ignore[misc]
            pass

        @implementer(IGreeter)
        class Deaf:
            def greet(self) -> str:  # type: ignore[override]
                return ""

        for made, why in (
            (object, "has not been declared to implement the interface|Does not declaratively implement"),
            (Silent, "greet"),
            (Deaf, "greet"),
        ):
            fault = self.fault(made)
            self.assertRegex(fault, rf"^\[greeter:x\] use: {made.__name__} is no IGreeter \(.*({why}).*\), correct it$")
            self.assertNotIn("\n", fault)

    def test_factories_that_fail(self) -> None:
        """Wrong options and other failures are told as faults of the configuration."""
        self.assertRegex(
            self.fault(Greeter, wrd="x"),
            r"^\[greeter:x\] use: Greeter cannot be made \(TypeError: Greeter.__init__\(\) got an unexpected keyword "
            r"argument 'wrd'.*\), correct its options$",
        )

    def test_a_factorys_own_words(self) -> None:
        """A factory that says itself what is wrong is believed."""

        def picky() -> None:
            raise ConfigError(["[greeter:x] word: is missing"])

        self.assertEqual(self.fault(picky), "[greeter:x] word: is missing")
