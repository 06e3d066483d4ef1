"""WAMP's own procedures about sessions: who is here, and ending somebody's session (WAMP, "Session Meta API").

Sessions are those of the caller's realm; what orosync has there for itself has not joined and is not shown. This file
must not know who may call what: that has been decided before a call comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from orosync.errors import RequestError
from orosync.router.delivery import Member
from orosync.router.meta_call import Handler, MetaCall
from orosync.router.meta_events import session_details
from orosync.wamp import names
from orosync.wamp.messages import Goodbye

if TYPE_CHECKING:
    from orosync.router.realm import Realm


def session_procedures(realm: Realm) -> dict[str, Handler]:
    """The handlers for ``realm``, by procedure."""
    sessions = _Sessions(realm)
    return {
        "wamp.session.count": sessions.count,
        "wamp.session.list": sessions.list_all,
        "wamp.session.get": sessions.get,
        "wamp.session.kill": sessions.kill,
        "wamp.session.kill_by_authid": sessions.kill_by_authid,
        "wamp.session.kill_by_authrole": sessions.kill_by_authrole,
        "wamp.session.kill_all": sessions.kill_all,
    }


class _Sessions:
    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    def count(self, call: MetaCall) -> list[Any]:
        return [len(self._chosen(call))]

    def list_all(self, call: MetaCall) -> list[Any]:
        return [[member.session for member in self._chosen(call)]]

    def get(self, call: MetaCall) -> list[Any]:
        return [session_details(self._one(call))]

    def kill(self, call: MetaCall) -> list[Any]:
        goodbye = _goodbye(call)
        member = self._one(call)
        if member is call.caller:
            raise RequestError(names.NO_SUCH_SESSION, "there is no other session with this id")
        self._kill(call, [member], goodbye)
        return []

    def kill_by_authid(self, call: MetaCall) -> list[Any]:
        goodbye, authid = _goodbye(call), call.text(0, "authid")
        killed = self._others(call, lambda member: member.principal.authid == authid)
        self._kill(call, killed, goodbye)
        return [[member.session for member in killed]]

    def kill_by_authrole(self, call: MetaCall) -> list[Any]:
        goodbye, authrole = _goodbye(call), call.text(0, "authrole")
        killed = self._others(call, lambda member: member.principal.authrole == authrole)
        self._kill(call, killed, goodbye)
        return [len(killed)]

    def kill_all(self, call: MetaCall) -> list[Any]:
        """Nobody but the caller is left, so WAMP wants neither meta events nor testaments of it."""
        goodbye = _goodbye(call)
        killed = self._others(call, lambda member: True)
        for member in killed:
            self._realm.testaments.forget(member.session)
        for member in killed:
            call.also += [one for one in self._realm.leave(member) if not one.topic]
            _tell(member, goodbye)
        return [len(killed)]

    def _chosen(self, call: MetaCall) -> list[Member]:
        roles = call.texts(0, "filter_authroles")
        return [one for one in self._everybody() if roles is None or one.principal.authrole in roles]

    def _one(self, call: MetaCall) -> Member:
        member = self._realm.members.get(call.id(0, "session"))
        if member is None or member.expel is None:
            raise RequestError(names.NO_SUCH_SESSION, "no session with this id is in the realm")
        return member

    def _others(self, call: MetaCall, chosen: Callable[[Member], bool]) -> list[Member]:
        return [member for member in self._everybody() if member is not call.caller and chosen(member)]

    def _everybody(self) -> list[Member]:
        return [member for member in self._realm.members.values() if member.expel is not None]

    def _kill(self, call: MetaCall, members: Iterable[Member], goodbye: Goodbye) -> None:
        """Out of the realm at once, whatever a client makes of its GOODBYE."""
        for member in members:
            call.also += self._realm.leave(member)
            _tell(member, goodbye)


def _tell(member: Member, goodbye: Goodbye) -> None:
    if member.expel is not None:
        member.expel(goodbye)


def _goodbye(call: MetaCall) -> Goodbye:
    """What the killed are told. RequestError INVALID_URI, INVALID_ARGUMENT."""
    reason, message = call.reason(len(call.args)), call.kwargs.get("message")
    if not isinstance(message, str | None):
        raise RequestError(names.INVALID_ARGUMENT, "message must be a string")
    return Goodbye({} if message is None else {"message": message}, reason or names.KILLED)
