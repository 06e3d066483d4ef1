"""WAMP's own procedures about subscriptions: which there are, who has them, and taking one away (WAMP, "Subscriptions
Meta API"; ``remove_subscriber`` is Crossbar.io's).

This file must not know who may call what: that has been decided before a call comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.meta_call import Handler, MetaCall
from orosync.router.meta_events import shown, subscription_details
from orosync.router.subscriptions import Subscription
from orosync.wamp import names

if TYPE_CHECKING:
    from orosync.router.realm import Realm


def subscription_procedures(realm: Realm) -> dict[str, Handler]:
    """The handlers for ``realm``, by procedure."""
    subscriptions = _Subscriptions(realm)
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
    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._broker = realm.broker

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
        """(subscription, session, reason): the session hears no more, and is told if it can understand it."""
        subscription, session, reason = self._one(call), call.id(1, "session"), call.reason(2)
        member = subscription.members.get(session)
        if member is None or member.expel is None:
            raise RequestError(names.NO_SUCH_SESSION, "no session with this id has the subscription")
        call.also += self._broker.revoke(member, subscription.id, reason)
        return []

    def _one(self, call: MetaCall) -> Subscription:
        found = self._broker.find(call.id(0, "subscription"))
        if found is None:
            raise RequestError(names.NO_SUCH_SUBSCRIPTION, "no subscription with this id is in the realm")
        return found
