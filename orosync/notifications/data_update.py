"""Outdated content: the tags and the payload of ``oro/data/update``, as Oro's back end makes them.

For the demonstration and for tools that publish in place of Oro. Pure functions; the shapes are those of Oro's
SyncBundle (``Content/DoctrineTagGenerator.php``, ``Content/DataUpdateTopicSender.php``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

TOPIC = "oro/data/update"

_NOT_LETTERS = re.compile("[^A-Za-z]+")
_COLLECTION = "_type_collection"


class Change(Enum):
    """What happened to an entity."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


def class_tag(class_name: str) -> str:
    """A PHP class name as a tag: each run of anything but ASCII letters becomes one ``_``; digits vanish as well.

    ``Oro\\Bundle\\UserBundle\\Entity\\User`` -> ``Oro_Bundle_UserBundle_Entity_User``
    """
    return _NOT_LETTERS.sub("_", class_name)


def entity_tag(class_name: str, *identifiers: object) -> str:
    """One entity's tag: ``Oro_Bundle_UserBundle_Entity_User_1``. A composite key's identifiers follow in its order."""
    return "_".join([class_tag(class_name), *map(str, identifiers)])


def collection_tag(class_name: str) -> str:
    """The tag of every list of a class: ``Oro_Bundle_UserBundle_Entity_User_type_collection``."""
    return class_tag(class_name) + _COLLECTION


def tags_of(change: Change, class_name: str, *identifiers: object) -> list[str]:
    """What Oro tags for one entity: a new one only its lists, an updated one only itself, a deleted one both."""
    own, lists = [entity_tag(class_name, *identifiers)], [collection_tag(class_name)]
    if change is Change.CREATED:
        return lists
    return own if change is Change.UPDATED else own + lists


def payload(tags: Iterable[str], username: str | None) -> list[Mapping[str, str | None]]:
    """The one event argument: ``[{"username": ..., "tagname": ...}, ...]``, each tag once, in order.

    ``username`` is who made the change, whose own pages are then not told; None for a command or consumer.
    """
    return [{"username": username, "tagname": tag} for tag in dict.fromkeys(tags)]


def changed(
    class_name: str, *identifiers: object, username: str | None = None, change: Change = Change.UPDATED
) -> list[Mapping[str, str | None]]:
    """The payload for one changed entity: ``publisher.publish(TOPIC, [changed(...)])``."""
    return payload(tags_of(change, class_name, *identifiers), username)
