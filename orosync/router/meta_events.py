"""What a realm publishes on WAMP's own topics (WAMP, "Session Meta API", "Subscriptions Meta API", "Registration Meta
API").

Nothing is said where nobody listens, and nothing about subscriptions to WAMP's own topics: the realm does not talk of
being listened to. This file must not know who may listen, nor why something happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

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
    """What on_join and ``wamp.session.get`` tell of a session."""
    principal = member.principal
    return {
        "session": member.session,
        "authid": principal.authid,
        "authrole": principal.authrole,
        "authmethod": principal.authmethod,
        "authprovider": principal.authprovider,
    }


def subscription_details(subscription: Subscription) -> dict[str, Any]:
    """What on_create and ``wamp.subscription.get`` tell of a subscription."""
    return {
        "id": subscription.id,
        "created": timestamp(subscription.created),
        "uri": subscription.topic,
        "match": subscription.match.value,
    }


def registration_details(registration: Registration) -> dict[str, Any]:
    """What on_create and ``wamp.registration.get`` tell of a registration."""
    return {
        "id": registration.id,
        "created": timestamp(registration.created),
        "uri": registration.procedure,
        "match": registration.match.value,
        "invoke": registration.invoke.value,
    }


def timestamp(seconds: float) -> str:
    """A moment (seconds since 1970) as ISO 8601 and RFC 3339 have it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


News = Iterable[tuple[str, list[Any]]]
"""(meta topic, arguments) of what is to be said, in order."""


def joined(member: Member) -> News:
    """A session has come."""
    if member.expel is not None:
        yield ON_JOIN, [session_details(member)]


def left(member: Member) -> News:
    """A session has gone."""
    if member.expel is not None:
        yield ON_LEAVE, [member.session, member.principal.authid, member.principal.authrole]


def shown(members: Iterable[Member], most: int | None = None) -> list[int]:
    """The sessions among ``members`` that are not orosync's own; the first ``most`` of them tell who is alone among
    thousands as fast as among three."""
    return list(islice((member.session for member in members if member.expel is not None), most))


def subscribed(member: Member, subscription: Subscription) -> News:
    """``member`` has been added to ``subscription``; it is new if nobody else is there."""
    if member.expel is not None and not subscription.topic.startswith(OWN):
        if shown(subscription.members.values(), 2) == [member.session]:
            yield SUBSCRIPTION_CREATED, [member.session, subscription_details(subscription)]
        yield SUBSCRIBED, [member.session, subscription.id]


def unsubscribed(member: Member, subscription: Subscription) -> News:
    """``member`` has been taken off ``subscription``; it is no more if nobody is left."""
    if member.expel is not None and not subscription.topic.startswith(OWN):
        yield UNSUBSCRIBED, [member.session, subscription.id]
        if shown(subscription.members.values(), 2) in ([], [member.session]):
            yield SUBSCRIPTION_DELETED, [member.session, subscription.id]


def registered(member: Member, registration: Registration) -> News:
    """``member`` has become a callee of ``registration``; it is new if nobody else is one."""
    if member.expel is not None:
        if shown(registration.callees, 2) == [member.session]:
            yield REGISTRATION_CREATED, [member.session, registration_details(registration)]
        yield REGISTERED, [member.session, registration.id]


def unregistered(member: Member, registration: Registration) -> News:
    """``member`` has been taken off ``registration``; it is no more if nobody is left."""
    if member.expel is not None:
        yield UNREGISTERED, [member.session, registration.id]
        if not shown(registration.callees, 1):
            yield REGISTRATION_DELETED, [member.session, registration.id]
