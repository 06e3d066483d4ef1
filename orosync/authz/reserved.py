"""Reserved procedures: those that decide, and those that make orosync forget decisions.

This authorizer stands in front of all others of a realm: a client that could register a deciding procedure, alone, as
one of several or by a pattern, would decide for all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs
from zope.interface import implementer

from orosync.authz.roles import could_meet
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict

_NOT_RESERVED = Decision(Verdict.ABSTAIN, "no reserved procedure", declared=False)
_CALL, _REGISTER = Action.CALL, Action.REGISTER


@attrs.frozen
class Reservation:
    """One procedure, with the roles that may register and call it (none: no client). ``source`` is the section that
    reserves it, "[authorizer:acl]"."""

    procedure: str
    registered_by: frozenset[str]
    called_by: frozenset[str]
    source: str


@implementer(IAuthorizer)
class ReservedProcedures:
    """Decides by ``reservations``. Registering one is allowed here: before it is registered no other authorizer could
    be asked. Where a procedure is reserved twice, only what both allow is allowed.
    """

    constant = True
    depends_on = ("authrole",)

    def __init__(self, reservations: Collection[Reservation], *, name: str = "reserved") -> None:
        self.name = name
        self._reserved: dict[str, Reservation] = {}
        for one in reservations:
            known = self._reserved.get(one.procedure)
            if known is not None:
                registered_by, called_by = one.registered_by & known.registered_by, one.called_by & known.called_by
                one = Reservation(one.procedure, registered_by, called_by, f"{known.source} and {one.source}")
            self._reserved[one.procedure] = one

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """See IAuthorizer. Abstains when no reserved procedure is concerned."""
        if action is _CALL:
            known = self._reserved.get(uri)
            return _NOT_RESERVED if known is None else _decided(known, principal, action, known.called_by)
        if action is not _REGISTER:
            return _NOT_RESERVED
        if match is Match.EXACT:
            known = self._reserved.get(uri)
            return _NOT_RESERVED if known is None else _decided(known, principal, action, known.registered_by)
        for one in self._reserved.values():
            # One that no role may register is registered by orosync itself, and takes precedence over a pattern.
            taken = one.registered_by and could_meet(one.procedure, Match.EXACT, uri, match)
            if taken and principal.authrole not in one.registered_by:
                rule = f"{one.source} reserves {one.procedure}, which this {match.value} pattern would take"
                return Decision(Verdict.DENY, rule)
        return _NOT_RESERVED


def _decided(one: Reservation, principal: Principal, action: Action, roles: Collection[str]) -> Decision:
    if principal.authrole in roles:
        return Decision(Verdict.ALLOW, f"{one.source} {one.procedure}: {action.value} = {principal.authrole}")
    return Decision(Verdict.DENY, f"{one.source} reserves {one.procedure}: no {action.value} for {principal.authrole}")
