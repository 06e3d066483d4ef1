"""The entry points of a Crossbar.io node that loads orosync into its own router process.

In the node's configuration (docs/crossbar.md has complete ones):

    {"type": "class", "classname": "orosync.crossbar.Authenticator", "extra": {"config": PATH}, ...}
    {"type": "class", "classname": "orosync.crossbar.Authorizer", "extra": {"config": PATH}, ...}
    {"type": "function", "callbacks": {"join": "orosync.crossbar.authorizer_joined"}, ...}
    "auth": {"ticket": {"type": "function", "create": "orosync.crossbar.authenticator_NAME",
                        "config": {"config": PATH}}}

Crossbar.io stores what ``create`` made under its dotted name: a second transport with the same name and another
configuration would silently use the first one's. So every name that begins with ``authenticator_`` is a function of its
own here, and each configuration takes a name of its own. A function component gets no configuration; its file is named
by the variable OROSYNC_AUTHORIZER of the worker's environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autobahn.wamp.types import ComponentConfig
from twisted.logger import Logger

from orosync.app.attached import AttachedProcedure
from orosync.app.container import Container
from orosync.attached.client import DecidingSession, register
from orosync.config import load
from orosync.errors import ConfigError

VARIABLE = "OROSYNC_AUTHORIZER"
"""Names the configuration of the function component."""

_PREFIX = "authenticator_"
_log = Logger(namespace="orosync")


class _Loaded(DecidingSession):
    """A component of the class kind: extra has the path of the configuration as ``config``."""

    what = ""

    def __init__(self, config: ComponentConfig) -> None:
        super().__init__(config)
        self._attached = attached_procedure(config.extra, self.what, config.realm or "")

    @staticmethod
    def check_config(personality: Any, extra: Any) -> None:
        """What the node calls before it starts anything. Raises ConfigError."""
        _path(extra)

    async def onJoin(self, details: Any) -> None:
        """Be ready before the node admits clients."""
        self._attached.startService()
        await register(self, {self._attached.uri: self._attached.procedure})

    async def onLeave(self, details: Any) -> None:
        """Close databases and stop worker processes."""
        await _stopped(self._attached)
        self.disconnect()


class Authenticator(_Loaded):
    """Authenticates clients."""

    what = "authenticator"


class Authorizer(_Loaded):
    """Authorizes requests."""

    what = "authorizer"


async def authorizer_joined(session: Any, details: Any) -> None:
    """The callback ``join`` of a function component that authorizes requests."""
    served = attached_procedure({"config": os.environ.get(VARIABLE)}, "authorizer", details.realm)
    served.startService()
    await register(session, {served.uri: served.procedure})


async def _create(config: Mapping[str, Any], controller: Any) -> Callable[..., Any]:
    """Makes a function authenticator; in service until the process ends."""
    served = attached_procedure(config, "authenticator")
    served.startService()
    served.container.reactor.addSystemEventTrigger("before", "shutdown", served.stopService)
    return served.procedure


def __getattr__(name: str) -> Any:
    if not name.startswith(_PREFIX):
        raise AttributeError(name)
    return _create


def attached_procedure(extra: Any, what: str, realm: str = "") -> AttachedProcedure:
    """Of the configuration that ``extra`` names; each fault is logged by the node. Raises ConfigError."""
    from twisted.internet import reactor

    try:
        configuration = load(_path(extra), os.environ)
        for warning in configuration.warnings:
            _log.warn("{text}", text=warning)
        try:
            return AttachedProcedure(Container(configuration, reactor, alone=True), what, realm)
        except ConfigError as error:
            raise ConfigError(configuration.located(error.faults)) from error
    except ConfigError as error:
        for fault in error.faults:
            _log.error("{text}", text=fault)
        raise


def _path(extra: Any) -> Path:
    path = extra.get("config") if isinstance(extra, Mapping) else None
    if not isinstance(path, str) or not path:
        raise ConfigError([f'orosync: name its configuration, as "config": "/etc/orosync/...ini" or {VARIABLE}'])
    return Path(path)


async def _stopped(served: AttachedProcedure) -> None:
    stopped = served.stopService() if served.running else None
    if stopped is not None:
        await stopped
    served.container.journal.close()
