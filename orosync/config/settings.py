"""The configuration as one value: all sections of a file, with their line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from orosync.config.attached import AttachSection
from orosync.config.backplane import AnyBackplane
from orosync.config.listen import ListenSection
from orosync.config.operations import OperationsSection
from orosync.config.realms import ComponentSection, RealmSection, RoleSection
from orosync.config.rules import PermissionLine
from orosync.config.sections import (
    Authenticator,
    Authorizer,
    Directory,
    ForeignSection,
    NotificationsSection,
    RouterSection,
    TopicsSection,
)
from orosync.config.sessions import AnySessions
from orosync.config.uplinks import UplinkSection


@attrs.frozen(kw_only=True)
class Configuration:
    """A whole file without faults. Sections of one kind stand under their names, in the order of the file; ``uplinks``
    has one for each realm that has an uplink, with a section of its own or without. ``operations`` is [listen:ops];
    ``backplane`` is None for a router of one process.

    ``warnings`` holds lines of the same form as faults, for what works and is likely to be a mistake.
    ``lines`` has the lines (from 1) of keys by (section's title, key), and of sections by (title, "").
    """

    path: Path
    router: RouterSection
    listeners: Mapping[str, ListenSection]
    realms: Mapping[str, RealmSection]
    roles: tuple[RoleSection, ...]
    authenticators: Mapping[str, Authenticator]
    authorizers: Mapping[str, Authorizer]
    directories: Mapping[str, Directory]
    session_stores: Mapping[str, AnySessions | ForeignSection]
    topics: Mapping[str, TopicsSection]
    notifications: NotificationsSection
    components: Mapping[str, ComponentSection] = attrs.field(factory=dict)
    uplinks: Mapping[str, UplinkSection] = attrs.field(factory=dict)
    attach: AttachSection | None = None
    operations: OperationsSection | None = None
    backplane: AnyBackplane | None = None
    warnings: tuple[str, ...] = ()
    lines: Mapping[tuple[str, str], int] = attrs.field(factory=dict, eq=False, repr=False)

    @property
    def endpoints(self) -> dict[str, str]:
        """Where the router listens, by the name NAME of [listen:NAME]; [listen:ops] is among them."""
        found = {name: one.endpoint for name, one in self.listeners.items()}
        return found if self.operations is None else {**found, "ops": self.operations.endpoint}

    def located(self, faults: Iterable[str]) -> list[str]:
        """``faults`` found while the parts were made, each with its line."""
        return [self._located(fault) for fault in faults]

    def _located(self, fault: str) -> str:
        found = re.match(r"\[(?P<title>[^\]]+)\](?: (?P<key>[^\s:]+):)?", fault)
        if found is None or re.search(r"\(line [0-9]+\)$", fault):
            return fault
        line = self.lines.get((found["title"], found["key"] or "")) or self.lines.get((found["title"], ""))
        return f"{fault} (line {line})" if line else fault

    def permissions(self, realm: str) -> dict[str, tuple[PermissionLine, ...]]:
        """By role: what holds in ``realm``, the realm's own lines before those for every realm."""
        found: dict[str, tuple[PermissionLine, ...]] = {}
        for role in sorted(self.roles, key=lambda role: role.realm is None):
            if role.realm in (None, realm):
                found[role.name] = (*found.get(role.name, ()), *role.permissions)
        return found

    def unlimited(self, realm: str) -> frozenset[str]:
        """The roles without a message rate in ``realm``."""
        return frozenset(role.name for role in self.roles if role.unlimited and role.realm in (None, realm))

    def trustlevels(self, realm: str) -> dict[str, int]:
        """By role: the trust in it that holds in ``realm``, that of the realm before that for every realm."""
        found: dict[str, int] = {}
        for role in sorted(self.roles, key=lambda role: role.realm is not None):
            if role.realm in (None, realm) and role.trustlevel is not None:
                found[role.name] = role.trustlevel
        return found
