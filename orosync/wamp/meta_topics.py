"""The meta topics, WAMP's own, and which of them a subscription matches (WAMP, "Session Meta API", "Subscriptions Meta
API", "Registration Meta API")."""

from __future__ import annotations

from orosync.model import Match
from orosync.wamp.uris import matches

ON_JOIN = "wamp.session.on_join"
ON_LEAVE = "wamp.session.on_leave"
SUBSCRIPTION_CREATED = "wamp.subscription.on_create"
SUBSCRIBED = "wamp.subscription.on_subscribe"
UNSUBSCRIBED = "wamp.subscription.on_unsubscribe"
SUBSCRIPTION_DELETED = "wamp.subscription.on_delete"
REGISTRATION_CREATED = "wamp.registration.on_create"
REGISTERED = "wamp.registration.on_register"
UNREGISTERED = "wamp.registration.on_unregister"
REGISTRATION_DELETED = "wamp.registration.on_delete"

TOPICS = (
    ON_JOIN,
    ON_LEAVE,
    SUBSCRIPTION_CREATED,
    SUBSCRIBED,
    UNSUBSCRIBED,
    SUBSCRIPTION_DELETED,
    REGISTRATION_CREATED,
    REGISTERED,
    UNREGISTERED,
    REGISTRATION_DELETED,
)

_TOPICS = frozenset(TOPICS)

OWN = "wamp."
"""What all of WAMP's own URIs begin with."""


def matched_by(topic: str, match: Match) -> tuple[str, ...]:
    """The meta topics that a subscription matches: none for nearly every subscription, which is found out cheaply."""
    if match is Match.EXACT:
        return (topic,) if topic in _TOPICS else ()
    if match is Match.PREFIX:
        if topic[: len(OWN)] != OWN[: len(topic)]:
            return ()
    elif not topic.startswith((OWN, ".")):
        return ()
    return tuple(each for each in TOPICS if matches(topic, match, each))
