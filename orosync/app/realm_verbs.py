"""Verbs of the control socket that take part in a realm, as orosync's own member of it: publish, subscribe, call, and
Oro's maintenance mode."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from orosync.clocks import Now, timestamp
from orosync.errors import CallFailed, NotCarriable, RequestError
from orosync.model import Match
from orosync.notifications import maintenance
from orosync.notifications.maintenance import MaintenanceState
from orosync.ops.answers import CallAnswer, EventLine, MaintenanceAnswer, PublishAnswer, plain
from orosync.ops.control import (
    Arguments,
    Emit,
    Rejected,
    StreamingVerb,
    Verb,
    check_names,
    number_of,
    realm_of,
    text_of,
)
from orosync.session.local import LocalMember
from orosync.session.realm_context import RealmContext
from orosync.wamp import transcode, uris
from orosync.wamp.formats import Format
from orosync.wamp.messages import Event
from orosync.wamp.payload import Payload

LONGEST_CALL = 3600.0
"""Seconds for the answer to a call."""


class RealmVerbs:
    """``oro`` names the realm of Oro's notifications, "" for none. ``now`` tells the time, in seconds since 1970."""

    def __init__(self, realms: Mapping[str, RealmContext], oro: str, clock: IReactorTime, now: Now) -> None:
        self._realms = realms
        self._oro = oro if oro in realms else ""
        self._clock = clock
        self._now = now
        self._members: dict[str, LocalMember] = {}
        self.maintenance = MaintenanceState(now)

    @property
    def verbs(self) -> list[Verb | StreamingVerb]:
        return [
            Verb("publish", self._publish, acts=True),
            Verb("call", self._call, acts=True),
            StreamingVerb("subscribe", self._subscribe, acts=True),
            Verb("maintenance-status", self._maintenance_status),
            Verb("maintenance", self._set_maintenance, acts=True),
        ]

    def start(self) -> None:
        """From now on what pages are told about maintenance is remembered."""
        if self._oro:
            self._member(self._oro).subscribe(maintenance.TOPIC, Match.EXACT, self.maintenance.told)

    def _member(self, realm: str) -> LocalMember:
        member = self._members.get(realm)
        if member is None:
            member = self._members[realm] = LocalMember(self._realms[realm])
        return member

    def _realm_of(self, arguments: Arguments) -> str:
        name = realm_of(arguments, self._realms)
        if not name and len(self._realms) == 1:
            return next(iter(self._realms))
        if not name:
            raise Rejected(f"name a realm, one of {', '.join(self._realms)}")
        return name

    def _publish(self, arguments: Arguments) -> dict[str, Any]:
        check_names(arguments, "realm", "topic", "args", "kwargs", "user")
        realm, topic, user = self._realm_of(arguments), text_of(arguments, "topic"), text_of(arguments, "user")
        args, kwargs = _values(arguments)
        _check(topic)
        if uris.is_reserved(topic):
            raise Rejected("topics that begin with wamp. belong to the protocol")
        receivers = self.receivers(realm, topic, user)
        self._member(realm).publish(topic, args, kwargs or None, user=user)
        return plain(PublishAnswer(realm=realm, topic=topic, sessions=receivers))

    def receivers(self, realm: str, topic: str, user: str = "") -> int:
        """How many sessions of clients, of ``user`` where one is named, an event on ``topic`` reaches."""
        found = self._subscribers(realm, topic)
        if user:
            members = self._realms[realm].realm.members
            found = {one for one in found if one in members and members[one].principal.authid == user}
        return len(found)

    def _subscribers(self, realm: str, topic: str) -> set[int]:
        """The sessions of clients that an event on ``topic`` reaches."""
        found = self._realms[realm].realm.broker.matching(topic)
        return {member.session for one in found for member in one.members.values() if member.expel is not None}

    def _call(self, arguments: Arguments) -> Deferred[dict[str, Any]]:
        check_names(arguments, "realm", "procedure", "args", "kwargs", "timeout")
        realm, procedure = self._realm_of(arguments), text_of(arguments, "procedure")
        args, kwargs = _values(arguments)
        _check(procedure)
        seconds = number_of(arguments, "timeout")
        if not 0 < seconds <= LONGEST_CALL:
            raise Rejected(f"timeout is a number of seconds up to {LONGEST_CALL:g}")
        answer = self._member(realm).call(procedure, args, kwargs or None)
        if not answer.called:
            answer.addTimeout(seconds, self._clock, lambda *_: _too_late(seconds))

        def made(error: str, found: tuple[list[Any], dict[str, Any]]) -> dict[str, Any]:
            try:
                args, kwargs = _as_json(found)
            except NotCarriable as fault:
                error, args, kwargs = uris.INVALID_ARGUMENT, [f"the answer has no JSON form: {fault}"], {}
            return plain(CallAnswer(realm=realm, procedure=procedure, error=error, args=args, kwargs=kwargs))

        def failed(failure: Failure) -> dict[str, Any]:
            error: Any = failure.value
            failure.trap(CallFailed)
            return made(error.uri, (list(error.arguments), error.kwargs))

        return answer.addCallbacks(lambda found: made("", found), failed)

    def _subscribe(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
        check_names(arguments, "realm", "topic", "match")
        realm, topic = self._realm_of(arguments), text_of(arguments, "topic")
        try:
            match = Match(text_of(arguments, "match") or "exact")
        except ValueError:
            raise Rejected(f"match is one of {', '.join(one.value for one in Match)}") from None
        _check(topic, match)

        def receive(event: Event, payload: Payload | None, topic: str) -> None:
            args: list[Any] = []
            kwargs: dict[str, Any] = {}
            unreadable = ""
            try:
                if payload is not None:
                    args, kwargs = _as_json(payload.values())
            except NotCarriable as fault:
                unreadable = str(fault)
            emit(
                plain(
                    EventLine(
                        time=timestamp(self._now()),
                        realm=realm,
                        topic=topic,
                        publication=int(event.publication),
                        args=args,
                        kwargs=kwargs,
                        details=event.details,
                        unreadable=unreadable,
                    )
                )
            )

        return self._member(realm).subscribe(topic, match, receive)

    # -- maintenance

    def _oro_realm(self) -> str:
        if not self._oro:
            raise Rejected("[notifications] realm: names none, so pages cannot be told of maintenance")
        return self._oro

    def _maintenance_status(self, arguments: Arguments) -> dict[str, Any]:
        check_names(arguments)
        realm, state = self._oro_realm(), self.maintenance
        return plain(
            MaintenanceAnswer(
                realm=realm,
                on=state.on,
                user_id=state.user_id,
                time=timestamp(state.time) if state.on is not None else "",
                sessions=len(self._subscribers(realm, maintenance.TOPIC)),
            )
        )

    def _set_maintenance(self, arguments: Arguments) -> dict[str, Any]:
        check_names(arguments, "on", "user_id")
        on, user_id = arguments.get("on"), arguments.get("user_id")
        if not isinstance(on, bool) or isinstance(user_id, bool) or not isinstance(user_id, int | None):
            raise Rejected("on is true or false, user_id a number")
        self._member(self._oro_realm()).publish(maintenance.TOPIC, [maintenance.event(on, user_id)])
        return self._maintenance_status({})


def _values(arguments: Arguments) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = arguments.get("args"), arguments.get("kwargs")
    if not isinstance(args, list | None) or not isinstance(kwargs, dict | None):
        raise Rejected("args is a JSON list, kwargs a JSON object")
    values = transcode.binary_from_text([args or [], kwargs or {}])
    try:
        transcode.write(values, Format.JSON)
    except NotCarriable as error:
        raise Rejected(f"no client could read this: {error}") from None
    return values[0], values[1]


def _check(uri: str, match: Match = Match.EXACT) -> None:
    try:
        uris.check(uri, match)
    except RequestError as error:
        raise Rejected(f"{uri!r}: {error.message}") from None


def _as_json(values: tuple[list[Any], dict[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments as JSON has them (WAMP, "Binary conversion of JSON Strings"). Raises NotCarriable."""
    args, kwargs = json.loads(transcode.write(list(values), Format.JSON))
    return args, kwargs


def _too_late(seconds: float) -> Any:
    raise CallFailed(uris.TIMEOUT, [f"no answer within {seconds:g} s"])
