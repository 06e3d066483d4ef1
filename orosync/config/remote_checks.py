"""Faults of remote parts that only show beside other sections or keys. Like ``checks``, which calls it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from orosync.config.remote import RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.shape import Configuration
from orosync.config.values import did_you_mean

Fault = Callable[[str, str, str], None]


def check(configuration: Configuration, realms: Collection[str], fault: Fault) -> None:
    """Every fault; ``realms`` are the names that [realm:...] sections have, whether they could be made or not."""
    for authorizer in configuration.authorizers.values():
        if isinstance(authorizer, RemoteAuthorizerSection):
            section = f"authorizer:{authorizer.name}"
            _realm(section, authorizer.realm, realms, fault)
            if authorizer.purge and authorizer.cache is None:
                fault(section, "purge", "nothing is remembered that could be forgotten, add cache = 30s")
            if authorizer.purge_role and not authorizer.purge:
                fault(section, "purge_role", "there is nothing to call, add purge = com.example.purge")
            if authorizer.purge == authorizer.procedure:
                fault(section, "purge", "is the procedure that decides, choose another")
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, RemoteAuthenticatorSection):
            section = f"authenticator:{authenticator.name}"
            _realm(section, authenticator.realm, realms, fault)
            role = authenticator.default_role
            if role and role not in authenticator.roles:
                hint = did_you_mean(role, authenticator.roles) or ", name one that is or add it there"
                fault(section, "default_role", f"{role} is none of roles{hint}")


def _realm(section: str, realm: str, realms: Collection[str], fault: Fault) -> None:
    if realm and realm not in realms:
        hint = did_you_mean(realm, realms) or ", add that section or name another"
        fault(section, "realm", f"there is no [realm:{realm}]{hint}")
