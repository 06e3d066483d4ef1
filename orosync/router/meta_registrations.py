"""WAMP's own procedures about registrations: which there are, who stands behind them, and taking one away (WAMP,
"Registration Meta API"; ``remove_callee`` is Crossbar.io's).

This file must not know who may call what: that has been decided before a call comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.meta_call import Handler, MetaCall
from orosync.router.meta_events import registration_details, shown
from orosync.router.registrations import Registration
from orosync.wamp import names

if TYPE_CHECKING:
    from orosync.router.realm import Realm


def registration_procedures(realm: Realm) -> dict[str, Handler]:
    """The handlers for ``realm``, by procedure."""
    registrations = _Registrations(realm)
    return {
        "wamp.registration.list": registrations.list_all,
        "wamp.registration.lookup": registrations.lookup,
        "wamp.registration.match": registrations.match,
        "wamp.registration.get": registrations.get,
        "wamp.registration.list_callees": registrations.list_callees,
        "wamp.registration.count_callees": registrations.count_callees,
        "wamp.registration.remove_callee": registrations.remove_callee,
    }


class _Registrations:
    def __init__(self, realm: Realm) -> None:
        self._dealer = realm.dealer

    def list_all(self, call: MetaCall) -> list[Any]:
        found: dict[str, list[int]] = {match.value: [] for match in Match}
        for registration in self._dealer:
            found[registration.match.value].append(registration.id)
        return [found]

    def lookup(self, call: MetaCall) -> list[Any]:
        found = self._dealer.lookup(call.text(0, "procedure"), call.match(1))
        return [None if found is None else found.id]

    def match(self, call: MetaCall) -> list[Any]:
        found = self._dealer.match(call.text(0, "procedure"))
        return [None if found is None else found.id]

    def get(self, call: MetaCall) -> list[Any]:
        return [registration_details(self._one(call))]

    def list_callees(self, call: MetaCall) -> list[Any]:
        return [shown(self._one(call).callees)]

    def count_callees(self, call: MetaCall) -> list[Any]:
        return [len(shown(self._one(call).callees))]

    def remove_callee(self, call: MetaCall) -> list[Any]:
        """(registration, session, reason): the session is called no more, and is told if it can understand it."""
        registration, session, reason = self._one(call), call.id(1, "session"), call.reason(2)
        member = next((one for one in registration.callees if one.session == session), None)
        if member is None or member.expel is None:
            raise RequestError(names.NO_SUCH_SESSION, "no session with this id has the registration")
        call.also += self._dealer.revoke(member, registration.id, reason)
        return []

    def _one(self, call: MetaCall) -> Registration:
        found = self._dealer.find(call.id(0, "registration"))
        if found is None:
            raise RequestError(names.NO_SUCH_REGISTRATION, "no registration with this id is in the realm")
        return found
