"""WAMP URIs: the predefined error and close URIs, which URIs are well formed, and which URIs a pattern matches.

Rules (WAMP, sections "URIs" and "Pattern-based Subscriptions"):

* A component is loose (anything but whitespace, "." and "#") or strict ([0-9a-z_]).
* An exact URI has no empty component.
* A wildcard pattern may have empty components, anywhere; each stands for one component.
* A prefix pattern is compared as a string, so it may end in the middle of a component or with a "."; the empty
  prefix is well formed too and matches every URI. Authorization decides who may use it.
* A URI or pattern has at most LONGEST characters, since many copies may be kept. A wildcard pattern has at most
  COMPONENTS components.

Topics of WAMP v1 are opaque strings, of which only the length is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from orosync.errors import RequestError
from orosync.model import Match

# Basic profile: requests
INVALID_URI = "wamp.error.invalid_uri"
NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure"
PROCEDURE_ALREADY_EXISTS = "wamp.error.procedure_already_exists"
NO_SUCH_REGISTRATION = "wamp.error.no_such_registration"
NO_SUCH_SUBSCRIPTION = "wamp.error.no_such_subscription"
INVALID_ARGUMENT = "wamp.error.invalid_argument"
CANCELED = "wamp.error.canceled"
PAYLOAD_SIZE_EXCEEDED = "wamp.error.payload_size_exceeded"

# Basic profile: sessions
PROTOCOL_VIOLATION = "wamp.error.protocol_violation"
NO_SUCH_REALM = "wamp.error.no_such_realm"
NOT_AUTHORIZED = "wamp.error.not_authorized"
AUTHORIZATION_FAILED = "wamp.error.authorization_failed"

# Advanced profile: authentication and authorization
NO_MATCHING_AUTH_METHOD = "wamp.error.no_matching_auth_method"
AUTHENTICATION_DENIED = "wamp.error.authentication_denied"
AUTHENTICATION_FAILED = "wamp.error.authentication_failed"

# Advanced profile: requests
TIMEOUT = "wamp.error.timeout"
OPTION_NOT_ALLOWED = "wamp.error.option_not_allowed"
OPTION_DISALLOWED_DISCLOSE_ME = "wamp.error.option_disallowed.disclose_me"
RUNTIME_ERROR = "wamp.error.runtime_error"
NETWORK_FAILURE = "wamp.error.network_failure"
UNAVAILABLE = "wamp.error.unavailable"
UNREGISTERED = "wamp.error.unregistered"
"""The reason when another session's force_reregister takes a registration away, as in Crossbar.io."""
NO_AVAILABLE_CALLEE = "wamp.error.no_available_callee"
FEATURE_NOT_SUPPORTED = "wamp.error.feature_not_supported"
NO_SUCH_SESSION = "wamp.error.no_such_session"

# Closing
SYSTEM_SHUTDOWN = "wamp.close.system_shutdown"
GOODBYE_AND_OUT = "wamp.close.goodbye_and_out"
KILLED = "wamp.close.killed"

LONGEST = 1024
"""Characters of a URI or pattern."""

TOO_LONG = f"a URI has at most {LONGEST} characters"

COMPONENTS = 64
"""Components of a wildcard pattern: each is a node of a tree, which costs much more than its characters."""


def _patterns(component: str) -> dict[Match, re.Pattern[str]]:
    # The length is part of the pattern, to spare a second check on hot paths.
    short = f"(?!.{{{LONGEST + 1}}})"
    return {
        Match.EXACT: re.compile(rf"{short}{component}+(?:\.{component}+)*"),
        Match.PREFIX: re.compile(rf"{short}(?:{component}+\.)*{component}*"),
        Match.WILDCARD: re.compile(rf"{short}{component}*(?:\.{component}*){{0,{COMPONENTS - 1}}}"),
    }


_LOOSE = _patterns(r"[^\s.#]")
_STRICT = _patterns(r"[0-9a-z_]")
_LOOSE_EXACT = _LOOSE[Match.EXACT].fullmatch
_STRICT_EXACT = _STRICT[Match.EXACT].fullmatch


def exact_rule(strict: bool) -> Callable[[str], object]:
    """A function whose result is true for a URI that is well formed for exact matching; ``check`` for hot paths."""
    return _STRICT_EXACT if strict else _LOOSE_EXACT


def check(uri: str, match: Match = Match.EXACT, *, strict: bool = False) -> None:
    """Refuse a URI or pattern that is not well formed: RequestError with ``wamp.error.invalid_uri``."""
    if match is Match.EXACT and not strict:
        if _LOOSE_EXACT(uri):
            return
    elif (_STRICT if strict else _LOOSE)[match].fullmatch(uri):
        return
    if len(uri) > LONGEST:
        raise RequestError(INVALID_URI, TOO_LONG)
    if match is Match.WILDCARD and uri.count(".") >= COMPONENTS:
        raise RequestError(INVALID_URI, f"a wildcard pattern has at most {COMPONENTS} components")
    raise RequestError(INVALID_URI, f"not a well-formed URI for {match.value} matching")


def is_reserved(uri: str) -> bool:
    """Whether ``uri`` belongs to the protocol itself (first component "wamp")."""
    return uri.startswith("wamp.") or uri == "wamp"


def matches(pattern: str, match: Match, uri: str) -> bool:
    """Whether ``pattern``, compared as ``match`` says, matches the exact ``uri``."""
    if match is Match.EXACT:
        return pattern == uri
    if match is Match.PREFIX:
        return uri.startswith(pattern)
    return _fits(pattern.split("."), uri.split("."))


def covers(grant: str, grant_match: Match, pattern: str, match: Match) -> bool:
    """Whether every URI that (``pattern``, ``match``) can match is also matched by (``grant``, ``grant_match``)."""
    if match is Match.WILDCARD and "" not in (components := pattern.split(".")):
        match = Match.EXACT
    if match is Match.EXACT:
        return matches(grant, grant_match, pattern)
    if grant_match is Match.EXACT:
        return False
    if grant_match is Match.PREFIX:
        # Any text may follow a wildcard's first gap, so only the text before it counts.
        sure = pattern if match is Match.PREFIX else _before_gap(components)
        return sure.startswith(grant)
    # A prefix can be continued with any number of components, a wildcard has a fixed number.
    return match is Match.WILDCARD and _fits(grant.split("."), components)


def _fits(pattern: list[str], components: list[str]) -> bool:
    return len(pattern) == len(components) and all(
        not wanted or wanted == found for wanted, found in zip(pattern, components, strict=True)
    )


def _before_gap(components: list[str]) -> str:
    return "".join(f"{component}." for component in components[: components.index("")])
