"""What WELCOME tells and announces: exactly the advanced features that work (WAMP, feature announcement)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orosync.model import EMPTY, Principal
from orosync.wamp import forwarding

ROLES: dict[str, Any] = {
    "broker": {
        "features": {
            "event_retention": True,
            "pattern_based_subscription": True,
            "payload_passthru_mode": True,
            "publication_trustlevels": True,
            "publisher_exclusion": True,
            "publisher_identification": True,
            "session_meta_api": True,
            "subscriber_blackwhite_listing": True,
            "subscription_meta_api": True,
            "subscription_revocation": True,
        }
    },
    "dealer": {
        "features": {
            "call_canceling": True,
            "call_reroute": True,
            "call_timeout": True,
            "call_trustlevels": True,
            "caller_identification": True,
            "pattern_based_registration": True,
            "payload_passthru_mode": True,
            "progressive_call_invocations": True,
            "progressive_call_results": True,
            "registration_meta_api": True,
            "registration_revocation": True,
            "session_meta_api": True,
            "shared_registration": True,
            "testament_meta_api": True,
        }
    },
}

_CLIENT_ROLES = ("publisher", "subscriber", "caller", "callee")


def roles(history: bool) -> dict[str, Any]:
    """What a realm announces; ``history`` is there only where it is configured."""
    if not history:
        return ROLES
    return {**ROLES, "broker": {"features": {**ROLES["broker"]["features"], "event_history": True}}}


def welcome_details(
    realm: str,
    principal: Principal,
    hello: Mapping[str, Any] = EMPTY,
    mark: str = "",
    roles: Mapping[str, Any] = ROLES,
) -> dict[str, Any]:
    """WELCOME.Details: who the client is here and what works. Of a principal only what WAMP names and its
    ``authextra``; the realm's ``mark`` where HELLO.Details ask for it."""
    details: dict[str, Any] = {
        "realm": realm,
        "authid": principal.authid,
        "authrole": principal.authrole,
        "authmethod": principal.authmethod,
        "authprovider": principal.authprovider,
        "roles": roles,
    }
    if authextra := principal.authextra:
        details["authextra"] = authextra
    if hello.get(forwarding.UPLINK) is True:
        details[forwarding.REALM] = mark
    return details


KNOWN = {feature for details in ROLES.values() for feature in details["features"]}
"""The features of clients that matter here. Nothing else of what they announce is kept."""


def announced(roles: Any) -> frozenset[str]:
    """A client's features as "role.feature", out of HELLO.Details.roles; whatever has another shape is ignored, and
    what is not KNOWN."""
    if not isinstance(roles, dict):
        return frozenset()
    found = []
    for role in _CLIENT_ROLES:
        details = roles.get(role)
        features = details.get("features") if isinstance(details, dict) else None
        if isinstance(features, dict):
            found += [f"{role}.{name}" for name, on in features.items() if on is True and name in KNOWN]
    return frozenset(found)


def has_role(roles: Any) -> bool:
    """Whether HELLO announced at least one client role, as it must (WAMP, section HELLO)."""
    return isinstance(roles, dict) and any(isinstance(roles.get(role), dict) for role in _CLIENT_ROLES)
