"""The channels that every Oro application has, with Oro's own rules: data, no code to speak of.

All of them stand in ``Resources/config/oro/websocket_routing.yml`` of Oro's bundles. Who may subscribe is what Oro's
topic handlers enforce (BroadcastTopic: everybody; SecuredTopic: ``user_id`` is the user's own, the organization is not
looked at; ImapBundle's SyncFailTopic: ``*`` for everybody). Publishing is the back end's alone, stricter than Oro.
This file must not know how a rule is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orosync.authz.channels import Binding, Channel, Granted, Owner, either, granted

NUMBER = r"\d+"
NUMBER_OR_ALL = r"\d+|\*"

BUILT_IN = "built in"
"""The place of a rule that is written in no file of the administrator's."""

BROADCAST: tuple[str, ...] = (
    "oro/ping",
    "oro/data/update",
    "oro/maintenance",
    "oro/outdated_user_page",
    "oro/message_queue_heartbeat",
)
"""Open to every user, and to the back end."""

SECURED: Mapping[str, Mapping[str, str]] = {
    "oro/email_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
    "oro/imap_sync_fail/{user_id}": {"user_id": NUMBER_OR_ALL},
    "oro/reminder_remind/{user_id}": {"user_id": NUMBER},
    "oro/attribute_import/{user_id}/{config_model_id}": {"user_id": NUMBER, "config_model_id": NUMBER},
    "oro/conversation_event/{user_id}/{organization_id}": {"user_id": NUMBER, "organization_id": NUMBER_OR_ALL},
}
"""``user_id`` must be the subscriber's own; the values in OPEN are every user's."""

OPEN: Mapping[str, frozenset[str]] = {"oro/imap_sync_fail/{user_id}": frozenset("*")}


def oro_channels(
    users: Granted | Iterable[str] = ("user",),
    backends: Granted | Iterable[str] = ("backend",),
    source: str = "[topics:oro]",
) -> tuple[Channel, ...]:
    """The ten channels, for the roles that users and back ends have in this realm."""
    subscribers, publishers = granted(users), granted(backends)
    everybody = either(subscribers, publishers)
    return tuple(
        Channel(pattern, subscribers=everybody, publishers=publishers, source=source, place=BUILT_IN)
        for pattern in BROADCAST
    ) + tuple(
        Channel(
            pattern,
            requirements,
            {"user_id": Binding(Owner.USER, OPEN.get(pattern, frozenset()))},
            subscribers,
            publishers,
            source,
            place=BUILT_IN,
        )
        for pattern, requirements in SECURED.items()
    )


ORO_CHANNELS: tuple[Channel, ...] = oro_channels()
"""The ten channels with the roles as orosync names them by itself."""
