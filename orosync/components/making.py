"""From ``use = package.module:Class`` to something that makes the component, once for each of its lives.

It must not know sections of a configuration beyond their title, nor what a component does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig
from zope.interface import Interface

from orosync import registry
from orosync.errors import ConfigError


def component_maker(title: str, use: str, realm: str, extra: Mapping[str, str]) -> Callable[[], ApplicationSession]:
    """Makes the ApplicationSession that ``[title] use`` means, with a ComponentConfig of ``realm`` and a copy of
    ``extra``.

    Raises ConfigError as ``registry.resolve`` does, and for a class that is no ApplicationSession of Autobahn's for
    Twisted; what is returned raises TypeError for a function that makes something else.
    """
    factory = registry.resolve(title, use, {}, Interface)
    if isinstance(factory, type) and not issubclass(factory, ApplicationSession):
        raise ConfigError([f"[{title}] use: {use} is no autobahn.twisted.wamp.ApplicationSession, derive it from that"])

    def make() -> ApplicationSession:
        component = factory(ComponentConfig(realm, extra=dict(extra)))
        if not isinstance(component, ApplicationSession):
            kind = type(component).__name__
            raise TypeError(f"{use} made a {kind}, no autobahn.twisted.wamp.ApplicationSession")
        return component

    return make
