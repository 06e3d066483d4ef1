"""WAMP's own procedures: about sessions, subscriptions and registrations (WAMP, "Session Meta API", "Subscriptions Meta
API", "Registration Meta API"; ``remove_callee`` and ``remove_subscriber`` are Crossbar.io's).

Sessions are those of the caller's realm; orosync's own sessions there are not shown. Calls have been authorized before
they come here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.broker import Broker
from orosync.router.dealer import Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.meta_call import Handler, MetaCall
from orosync.router.meta_events import registration_details, session_details, shown, subscription_details
from orosync.router.registrations import Registration
from orosync.router.subscriptions import Subscription
from orosync.router.testaments import Testaments
from orosync.wamp import uris
from orosync.wamp.messages import Goodbye


class SessionRealm(Protocol):
    """What the procedures about sessions need of a realm; the realm imports this module."""

    members: dict[int, Member]
    testaments: Testaments

    def leave(self, member: Member) -> list[Delivery]: ...


def session_procedures(realm: SessionRealm) -> dict[str, Handler]:
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
    def __init__(self, realm: SessionRealm) -> None:
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
            raise RequestError(uris.NO_SUCH_SESSION, "there is no other session with this id")
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
        """Only the caller is left, so WAMP wants neither meta events nor testaments of the others."""
        goodbye = _goodbye(call)
        killed = self._others(call, lambda member: True)
        for member in killed:
            self._realm.testaments.forget(member.session)
        for member in killed:
            call.deliveries += [one for one in self._realm.leave(member) if not one.topic]
            _expel(member, goodbye)
        return [len(killed)]

    def _chosen(self, call: MetaCall) -> list[Member]:
        roles = call.texts(0, "filter_authroles")
        return [one for one in self._visible() if roles is None or one.principal.authrole in roles]

    def _one(self, call: MetaCall) -> Member:
        member = self._realm.members.get(call.id(0, "session"))
        if member is None or member.expel is None:
            raise RequestError(uris.NO_SUCH_SESSION, "no session with this id is in the realm")
        return member

    def _others(self, call: MetaCall, chosen: Callable[[Member], bool]) -> list[Member]:
        return [member for member in self._visible() if member is not call.caller and chosen(member)]

    def _visible(self) -> list[Member]:
        return [member for member in self._realm.members.values() if member.expel is not None]

    def _kill(self, call: MetaCall, members: Iterable[Member], goodbye: Goodbye) -> None:
        """Remove sessions from the realm at once, without waiting for the answer to GOODBYE."""
        for member in members:
            call.deliveries += self._realm.leave(member)
            _expel(member, goodbye)


def _expel(member: Member, goodbye: Goodbye) -> None:
    if member.expel is not None:
        member.expel(goodbye)


def _goodbye(call: MetaCall) -> Goodbye:
    """The GOODBYE for killed sessions. RequestError INVALID_URI, INVALID_ARGUMENT."""
    reason, message = call.reason(len(call.args)), call.kwargs.get("message")
    if not isinstance(message, str | None):
        raise RequestError(uris.INVALID_ARGUMENT, "message must be a string")
    return Goodbye({} if message is None else {"message": message}, reason or uris.KILLED)


def subscription_procedures(broker: Broker) -> dict[str, Handler]:
    """The handlers for ``broker``, by procedure."""
    subscriptions = _Subscriptions(broker)
    return {
        "wamp.subscription.list": subscriptions.list_all,
        "wamp.subscription.lookup": subscriptions.lookup,
        "wamp.subscription.match": subscriptions.match,
        "wamp.subscription.get": subscriptions.get,
        "wamp.subscription.list_subscribers": subscriptions.list_subscribers,
        "wamp.subscription.count_subscribers": subscriptions.count_subscribers,
        "wamp.subscription.remove_subscriber": subscriptions.remove_subscriber,
    }


class _Subscriptions:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def list_all(self, call: MetaCall) -> list[Any]:
        found: dict[str, list[int]] = {match.value: [] for match in Match}
        for subscription in self._broker:
            found[subscription.match.value].append(subscription.id)
        return [found]

    def lookup(self, call: MetaCall) -> list[Any]:
        found = self._broker.lookup(call.text(0, "topic"), call.match(1))
        return [None if found is None else found.id]

    def match(self, call: MetaCall) -> list[Any]:
        found = self._broker.matching(call.text(0, "topic"))
        return [[subscription.id for subscription in found] or None]

    def get(self, call: MetaCall) -> list[Any]:
        return [subscription_details(self._one(call))]

    def list_subscribers(self, call: MetaCall) -> list[Any]:
        return [shown(self._one(call).members.values())]

    def count_subscribers(self, call: MetaCall) -> list[Any]:
        return [len(shown(self._one(call).members.values()))]

    def remove_subscriber(self, call: MetaCall) -> list[Any]:
        """(subscription, session, reason): the subscriber is removed, with an UNSUBSCRIBED if it announced that."""
        subscription, session, reason = self._one(call), call.id(1, "session"), call.reason(2)
        member = subscription.members.get(session)
        if member is None or member.expel is None:
            raise RequestError(uris.NO_SUCH_SESSION, "no session with this id has the subscription")
        call.deliveries += self._broker.revoke(member, subscription.id, reason)
        return []

    def _one(self, call: MetaCall) -> Subscription:
        found = self._broker.find(call.id(0, "subscription"))
        if found is None:
            raise RequestError(uris.NO_SUCH_SUBSCRIPTION, "no subscription with this id is in the realm")
        return found


def registration_procedures(dealer: Dealer) -> dict[str, Handler]:
    """The handlers for ``dealer``, by procedure."""
    registrations = _Registrations(dealer)
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
    def __init__(self, dealer: Dealer) -> None:
        self._dealer = dealer

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
        """(registration, session, reason): the callee is removed, with an UNREGISTERED if it announced that."""
        registration, session, reason = self._one(call), call.id(1, "session"), call.reason(2)
        member = next((one for one in registration.callees if one.session == session), None)
        if member is None or member.expel is None or member.elsewhere:
            raise RequestError(uris.NO_SUCH_SESSION, "no session with this id has the registration")
        call.deliveries += self._dealer.revoke(member, registration.id, reason)
        return []

    def _one(self, call: MetaCall) -> Registration:
        found = self._dealer.find(call.id(0, "registration"))
        if found is None:
            raise RequestError(uris.NO_SUCH_REGISTRATION, "no registration with this id is in the realm")
        return found
