"""Parts by name: a built-in name, or ``package.module:factory``.

A module is imported only if a configuration names it; installed packages are not searched. A part that cannot be
imported, constructed or verified stops the start with one line that says why.
"""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from zope.interface import Invalid
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyObject

from orosync.errors import ConfigError

Factory = Callable[..., Any]


def search(directories: Iterable[Path]) -> None:
    """Search modules in ``directories`` too, after Python's own path."""
    for directory in directories:
        if str(directory) not in sys.path:
            sys.path.append(str(directory))


def how_to_install(extra: str) -> str:
    """How to get the modules of one of our extras into this environment: from the checkout that orosync was installed
    from. Never by the bare name of the package, which on a package index may belong to third parties."""
    python = shlex.quote(sys.executable or "python3")
    return f"install it, in the checkout of orosync: {python} -m pip install '.[{extra}]'"


def missing_module(module: str, extra: str) -> str:
    """Which module is missing and how to install it; "" when ``module``, which belongs to ``extra``, can be
    imported."""
    try:
        import_module(module)
    except ImportError as error:
        return f"needs the module {module} ({error}), {how_to_install(extra)}"
    return ""


def resolve(section: str, name: str, builtins: Mapping[str, Factory], interface: InterfaceClass) -> Factory:
    """The factory that ``use = name`` of ``[section]`` means; it is meant to make an ``interface``.

    Raises ConfigError with one fault: an unknown name, a module that is not there or does not load, an attribute that
    is not there or cannot be called, a class that declares another interface.
    """
    if name in builtins:
        return builtins[name]
    where = f"[{section}] use:"
    module_name, colon, path = name.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, builtins, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"write {', '.join((*builtins, 'package.module:factory'))}"
        raise ConfigError([f"{where} {name!r} is not known, {hint}"])
    found = _imported(where, module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "correct the name"
            raise ConfigError([f"{where} {module_name} has no {path}, {hint}"])
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError([f"{where} {name} is no factory (it cannot be called), name a class or function"])
    if isinstance(found, type) and not interface.implementedBy(found):
        raise ConfigError([f"{where} {name} does not implement {interface.__name__}, name another or declare it"])
    factory: Factory = found
    return factory


def create(section: str, factory: Factory, interface: InterfaceClass, *args: Any, **kwargs: Any) -> Any:
    """Call a factory and check what it made. Whatever it raises becomes a ConfigError (its own pass unchanged)."""
    try:
        made = factory(*args, **kwargs)
    except ConfigError:
        raise
    except Exception as error:
        name = getattr(factory, "__qualname__", repr(factory))
        raise ConfigError([f"[{section}] use: {name} cannot be made ({_words(error)}), correct its options"]) from error
    return check(section, made, interface)


def check(section: str, instance: Any, interface: InterfaceClass) -> Any:
    """``instance``, once it is proven to provide ``interface`` (names, signatures); else ConfigError."""
    try:
        verifyObject(interface, instance)
    except Invalid as error:
        made = type(instance).__name__
        raise ConfigError(
            [f"[{section}] use: {made} is no {interface.__name__} ({_words(error)}), correct it"]
        ) from None
    return instance


def _imported(where: str, module_name: str) -> Any:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ConfigError(
                [f"{where} {module_name} needs a module {error.name}, install it into this environment"]
            ) from error
        raise ConfigError(
            [f"{where} there is no module {error.name}, install it into this environment or correct the name"]
        ) from error
    except Exception as error:
        raise ConfigError([f"{where} {module_name} does not load ({_words(error)}), correct it"]) from error


def _words(error: Exception) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
