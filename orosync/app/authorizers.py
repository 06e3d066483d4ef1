"""Makes the authorizers of each realm from the configuration, at the start and at each reload.

Roles and topics are made anew each time; plugins and remote authorizers stay as long as their sections do not change.
The rule about reserved procedures is always the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from orosync.authz.factory import reservations, role_permissions, topic_rules
from orosync.authz.remote import DecisionCache, RemoteAuthorizer
from orosync.authz.reserved import ReservedProcedures
from orosync.authz.topics import TopicRules
from orosync.config import Configuration
from orosync.config.authentication import RemoteAuthorizerSection
from orosync.config.sections import ForeignSection
from orosync.errors import CallFailed, ConfigError, RequestError
from orosync.interfaces import IAuthorizer, ICaller, IJournal
from orosync.session.local import LocalMember
from orosync.session.realm_context import RealmContext
from orosync.wamp import uris

Foreign = Callable[[ForeignSection], IAuthorizer]
Key = tuple[str, str]


@attrs.define(eq=False)
class Authorizers:
    """What ``AuthorizerFactory.make`` made; not in use before ``AuthorizerFactory.put``.

    ``by_realm`` in the order in which they are asked, ``topic_rules`` those of them that are topic rules,
    ``trustlevels`` by realm and role, ``unlimited`` roles by realm. ``kept`` has, by (realm, name), what need not be
    made anew, with its section; ``purges``, by (realm, procedure), those that forget when it is called. ``warnings``
    tell what was not read of the files of an application.
    """

    by_realm: dict[str, list[IAuthorizer]] = attrs.field(factory=dict)
    topic_rules: dict[str, tuple[TopicRules, ...]] = attrs.field(factory=dict)
    trustlevels: dict[str, dict[str, int]] = attrs.field(factory=dict)
    unlimited: dict[str, frozenset[str]] = attrs.field(factory=dict)
    kept: dict[Key, tuple[Any, IAuthorizer]] = attrs.field(factory=dict)
    purges: dict[Key, list[RemoteAuthorizer]] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)


class AuthorizerFactory:
    """Makes the authorizers of all ``hosted`` realms. ``foreign(section)`` makes a plugin."""

    _log = Logger()

    def __init__(
        self, hosted: Mapping[str, RealmContext], journal: IJournal, clock: IReactorTime, foreign: Foreign
    ) -> None:
        self._hosted = hosted
        self._journal = journal
        self._clock = clock
        self._foreign = foreign
        self._members: dict[str, LocalMember] = {}
        self._offered: dict[Key, int] = {}
        self._now = Authorizers()

    def caller(self, realm: str) -> ICaller:
        """orosync's own caller in a realm. CallFailed where the realm is not in service: no router is running."""
        if realm not in self._hosted:
            raise CallFailed(uris.UNAVAILABLE, [f"the realm {realm} is not in service here"])
        return self._member(realm)

    def _member(self, realm: str) -> LocalMember:
        if realm not in self._members:
            self._members[realm] = LocalMember(self._hosted[realm])
        return self._members[realm]

    def topic_rules(self, realm: str) -> tuple[TopicRules, ...]:
        """The topic rules among the authorizers of ``realm`` that are in use, in their order: the same tuple until they
        are replaced."""
        return self._now.topic_rules.get(realm, ())

    @property
    def plugins(self) -> Mapping[str, IAuthorizer]:
        """The authorizers in use that are not made anew at each reload, by their sections' titles."""
        return {f"authorizer:{name}": part for (_, name), (_, part) in self._now.kept.items()}

    @property
    def in_use(self) -> Authorizers:
        """What decides now."""
        return self._now

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the authorizers that are in use."""
        return tuple(self._now.warnings)

    def make(self, configuration: Configuration) -> Authorizers:
        """Everything that decides according to ``configuration``, in the realms that are in service. Changes nothing.
        Raises ConfigError with every fault."""
        made, faults = Authorizers(), list[str]()
        for realm in self._hosted:
            if realm in configuration.realms:
                try:
                    made.by_realm[realm] = self._in_order(configuration, realm, made)
                    made.topic_rules[realm] = tuple(one for one in made.by_realm[realm] if isinstance(one, TopicRules))
                    made.trustlevels[realm] = configuration.trustlevels(realm)
                    made.unlimited[realm] = configuration.unlimited(realm)
                except ConfigError as error:
                    faults += [fault for fault in error.faults if fault not in faults]
        if faults:
            raise ConfigError(faults)
        return made

    def of(self, configuration: Configuration, realm: str) -> list[IAuthorizer]:
        """Those of one realm, in service or not. Raises ConfigError with every fault."""
        made = Authorizers()
        found = self._in_order(configuration, realm, made)
        for warning in made.warnings:
            self._log.warn("{text}", text=warning)
        return found

    def put(self, made: Authorizers) -> list[IAuthorizer]:
        """From now on these decide, in every realm at once. What is asked no more comes back."""
        before, self._now = self._now, made
        for realm, authorizers in made.by_realm.items():
            self._hosted[realm].chain.replace(authorizers)
            self._hosted[realm].realm.set_trust_levels(made.trustlevels[realm])
            self._hosted[realm].exempt(made.unlimited[realm])
        for key in self._offered.keys() - made.purges.keys():
            self._members[key[0]].unregister(self._offered.pop(key))
        for key in made.purges.keys() - self._offered.keys():
            self._offer(*key)
        still = {id(part) for _, part in made.kept.values()}
        return [part for _, part in before.kept.values() if id(part) not in still]

    def _in_order(self, configuration: Configuration, realm: str, made: Authorizers) -> list[IAuthorizer]:
        reserved, faults = reservations(configuration, realm), list[str]()
        found: list[IAuthorizer] = [ReservedProcedures(reserved)] if reserved else []
        for name in configuration.realms[realm].authorizers:
            try:
                found.append(self._one(configuration, realm, name, made))
            except ConfigError as error:
                faults += error.faults
        if faults:
            raise ConfigError(faults)
        return found

    def _one(self, configuration: Configuration, realm: str, name: str, made: Authorizers) -> IAuthorizer:
        if name == "roles":
            return role_permissions(configuration, realm)
        if name.startswith("topics:"):
            rules = topic_rules(configuration.topics[name.removeprefix("topics:")])
            made.warnings += [warning for warning in rules.warnings if warning not in made.warnings]
            return rules
        section = configuration.authorizers[name]
        known = self._now.kept.get((realm, name))
        if known is not None and known[0] == section:
            part = known[1]
        elif isinstance(section, RemoteAuthorizerSection):
            part = self._remote(section, section.realm or realm)
        else:
            part = self._foreign(section)
        made.kept[realm, name] = (section, part)
        if isinstance(section, RemoteAuthorizerSection) and isinstance(part, RemoteAuthorizer) and section.purge:
            made.purges.setdefault((section.realm or realm, section.purge), []).append(part)
        return part

    def _remote(self, section: RemoteAuthorizerSection, realm: str) -> RemoteAuthorizer:
        cache = None
        if section.cache is not None:
            cache = DecisionCache(section.cache, section.cache_entries, self._clock)
        return RemoteAuthorizer(
            section.name,
            partial(self.caller, realm),
            section.procedure,
            self._journal,
            registered_by=section.registered_by,
            timeout=section.timeout,
            cache=cache,
        )

    def _offer(self, realm: str, procedure: str) -> None:
        def purge() -> tuple[()]:
            for authorizer in self._now.purges[realm, procedure]:
                authorizer.purge()
                self._journal.note("authorizer.purged", authorizer.name)
            return ()

        try:
            self._offered[realm, procedure] = self._member(realm).register(procedure, purge)
        except RequestError as error:
            self._log.error(
                "purge = {procedure}: cannot be had in realm {realm} ({why}), restart orosync or name another",
                procedure=procedure, realm=realm, why=error.message,
            )  # fmt: skip
