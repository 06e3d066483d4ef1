"""What a worker is told by its supervisor before it reads the configuration, and what comes of the two."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from orosync.config import Configuration
from orosync.config.credentials import Secret
from orosync.config.sections import Authenticator, TicketSection
from orosync.errors import ConfigError
from orosync.model import User

GENERATE = "generate"


class DemoUser(msgspec.Struct, array_like=True):
    """A user of the demonstration."""

    id: int
    username: str
    password_hash: str


class WorkerSettings(msgspec.Struct, kw_only=True):
    """``path`` is the configuration's, ``node`` the worker's name. ``place`` counts workers from 0: the one in place 0
    has what must exist once, uplinks and embedded components; with ``waits`` it starts them when it is told to.
    ``endpoints`` are those whose sockets the supervisor has, by listener. ``secrets`` are generated ones, by the names
    of their authenticators. ``key`` authenticates what workers send each other."""

    path: str
    node: str
    place: int
    workers: int
    waits: bool
    endpoints: dict[str, str]
    secrets: dict[str, str]
    users: list[DemoUser]
    key: bytes
    log_level: str

    def adapt(self, found: Configuration) -> Configuration:
        """The configuration of this worker. Raises ConfigError where the supervisor would have to be another one."""
        faults = [
            f"[listen:{name}] endpoint: differs from when the router was started, restart it"
            for name in dict.fromkeys((*found.listeners, *self.endpoints))
            if name not in found.listeners or found.listeners[name].endpoint != self.endpoints.get(name)
        ]
        if faults:
            raise ConfigError(found.located(faults))
        return self.apart(found)

    def apart(self, found: Configuration) -> Configuration:
        """``found`` with what is this worker's own."""
        once = self.place == 0
        return attrs.evolve(
            found,
            router=attrs.evolve(found.router, node=self.node),
            authenticators={name: self._with_secret(name, one) for name, one in found.authenticators.items()},
            components=found.components if once else {},
            uplinks=found.uplinks if once else {},
            warnings=found.warnings if once else (),
        )

    def demo_users(self) -> tuple[User, ...]:
        """Those of the demonstration."""
        return tuple(
            User(id=one.id, username=one.username, password_hash=one.password_hash, organizations=frozenset({1}))
            for one in self.users
        )

    def _with_secret(self, name: str, section: Authenticator) -> Authenticator:
        if isinstance(section, TicketSection) and section.secret.reference == GENERATE and name in self.secrets:
            return attrs.evolve(section, secret=Secret(self.secrets[name], GENERATE))
        return section


def generated_secrets(configuration: Configuration) -> Mapping[str, str]:
    """Those that are made anew each time the configuration is read, by authenticator."""
    return {
        name: one.secret.value
        for name, one in configuration.authenticators.items()
        if isinstance(one, TicketSection) and one.secret.reference == GENERATE
    }
