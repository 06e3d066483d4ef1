"""An Oro application as orosync sees it: nothing but its routing files, written as Oro's own are."""

from __future__ import annotations

from pathlib import Path

FILE = "Resources/config/oro/websocket_routing.yml"
PLATFORM = "vendor/oro/platform/src/Oro/Bundle/"
CONVERSATION = "vendor/oro/conversation/src/Oro/Bundle/ConversationBundle/"


def route(name: str, channel: str, callback: str = "", **requirements: tuple[str, bool]) -> str:
    """A route in the form that Oro's files have; requirements are (pattern, wildcard)."""
    lines = [f"{name}:", f"    channel: '{channel}'", "    handler:", f"        callback: '{callback or name}'"]
    if requirements:
        lines.append("    requirements:")
    for variable, (pattern, wildcard) in requirements.items():
        lines += [f"        {variable}:", f"            pattern: '{pattern}'"]
        lines += ["            wildcard: true"] if wildcard else []
    return "\n".join(lines) + "\n"


ID, ID_OR_ALL = (r"\d+", False), (r"\d+", True)
FILES = {
    f"{PLATFORM}SyncBundle/{FILE}": "\n".join(
        route(f"oro_sync.{name}", channel)
        for name, channel in (
            ("ping", "oro/ping"), ("data_update", "oro/data/update"), ("maintenance", "oro/maintenance")
        )
    ),
    f"{PLATFORM}UserBundle/{FILE}": route("oro_user.outdated_user_page", "oro/outdated_user_page"),
    f"{PLATFORM}MessageQueueBundle/{FILE}": route(
        "oro_message_queue.message_queue_heartbeat", "oro/message_queue_heartbeat"
    ),
    f"{PLATFORM}EmailBundle/{FILE}": route(
        "oro_email.event", "oro/email_event/{user_id}/{organization_id}", user_id=ID, organization_id=ID_OR_ALL
    ),
    f"{PLATFORM}ImapBundle/{FILE}": route("oro_imap.sync_fail", "oro/imap_sync_fail/{user_id}", user_id=ID_OR_ALL),
    f"{PLATFORM}ReminderBundle/{FILE}": route("oro_reminder.remind", "oro/reminder_remind/{user_id}", user_id=ID),
    f"{PLATFORM}EntityConfigBundle/{FILE}": route(
        "oro_entity_config.attribute_import",
        "oro/attribute_import/{user_id}/{config_model_id}",
        user_id=ID,
        config_model_id=ID,
    ),
    f"{CONVERSATION}{FILE}": route(
        "conversation_event.event",
        "oro/conversation_event/{user_id}/{organization_id}",
        "oro_conversation.event",
        user_id=ID,
        organization_id=ID_OR_ALL,
    ),
}  # fmt: skip
"""The platform's seven files, and the one of the package that came later: ten channels."""


def written(top: Path, files: dict[str, str] = FILES) -> Path:
    """The application with these files, below ``top``."""
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top
