"""Meta events: what a realm publishes on WAMP's own topics (WAMP, "Session Meta API", "Subscriptions Meta API",
"Registration Meta API").

There are none about subscriptions to WAMP's own topics, and none about orosync's own sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from orosync.clocks import timestamp
from orosync.router.deliveries import Member
from orosync.router.registrations import Registration
from orosync.router.subscriptions import Subscription
from orosync.wamp.meta_topics import (
    ON_JOIN,
    ON_LEAVE,
    OWN,
    REGISTERED,
    REGISTRATION_CREATED,
    REGISTRATION_DELETED,
    SUBSCRIBED,
    SUBSCRIPTION_CREATED,
    SUBSCRIPTION_DELETED,
    UNREGISTERED,
    UNSUBSCRIBED,
)


def session_details(member: Member) -> dict[str, Any]:
    """The details of a session in on_join and ``wamp.session.get``."""
    principal = member.principal
    return {
        "session": member.session,
        "authid": principal.authid,
        "authrole": principal.authrole,
        "authmethod": principal.authmethod,
        "authprovider": principal.authprovider,
    }


def subscription_details(subscription: Subscription) -> dict[str, Any]:
    """The details of a subscription in on_create and ``wamp.subscription.get``."""
    return {
        "id": subscription.id,
        "created": timestamp(subscription.created),
        "uri": subscription.topic,
        "match": subscription.match.value,
    }


def registration_details(registration: Registration) -> dict[str, Any]:
    """The details of a registration in on_create and ``wamp.registration.get``."""
    return {
        "id": registration.id,
        "created": timestamp(registration.created),
        "uri": registration.procedure,
        "match": registration.match.value,
        "invoke": registration.invoke.value,
    }


News = Iterable[tuple[str, list[Any]]]
"""(meta topic, arguments) of meta events, in order."""


def joined(member: Member) -> News:
    """A session has joined."""
    if member.expel is not None:
        yield ON_JOIN, [session_details(member)]


def left(member: Member) -> News:
    """A session has left."""
    if member.expel is not None:
        yield ON_LEAVE, [member.session, member.principal.authid, member.principal.authrole]


def shown(members: Iterable[Member], most: int | None = None) -> list[int]:
    """The session ids of ``members`` that are not orosync's own, at most ``most`` of them: two tell whether a member is
    alone, at the same cost for thousands."""
    return list(islice((member.session for member in members if member.expel is not None), most))


def subscribed(member: Member, subscription: Subscription, elsewhere: bool = False) -> News:
    """``member`` has subscribed; the subscription is new if it is the only member. ``elsewhere``: other nodes have
    subscribers."""
    if member.expel is not None and not subscription.topic.startswith(OWN):
        if not elsewhere and shown(subscription.members.values(), 2) == [member.session]:
            yield SUBSCRIPTION_CREATED, [member.session, subscription_details(subscription)]
        yield SUBSCRIBED, [member.session, subscription.id]


def unsubscribed(member: Member, subscription: Subscription, elsewhere: bool = False) -> News:
    """``member`` has unsubscribed; the subscription is deleted if no member is left. ``elsewhere``: other nodes have
    subscribers."""
    if member.expel is not None and not subscription.topic.startswith(OWN):
        yield UNSUBSCRIBED, [member.session, subscription.id]
        if not elsewhere and shown(subscription.members.values(), 2) in ([], [member.session]):
            yield SUBSCRIPTION_DELETED, [member.session, subscription.id]


def registered(member: Member, registration: Registration) -> News:
    """``member`` has registered; the registration is new if it is the only callee."""
    if member.expel is not None:
        if shown(registration.callees, 2) == [member.session]:
            yield REGISTRATION_CREATED, [member.session, registration_details(registration)]
        yield REGISTERED, [member.session, registration.id]


def unregistered(member: Member, registration: Registration) -> News:
    """``member`` has unregistered; the registration is deleted if no callee is left."""
    if member.expel is not None:
        yield UNREGISTERED, [member.session, registration.id]
        if not shown(registration.callees, 1):
            yield REGISTRATION_DELETED, [member.session, registration.id]
