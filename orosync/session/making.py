"""A router's realm made from its section of the configuration. It must not know how a section is written."""

from __future__ import annotations

from orosync.config.realms import RealmSection
from orosync.router.history import Kept
from orosync.router.realm import Realm
from orosync.router.subscriptions import Now


def made_realm(section: RealmSection, now: Now) -> Realm:
    """The realm; ``now`` tells the time, in seconds since 1970."""
    return Realm(
        section.name,
        now=now,
        retained_events=section.retained_events,
        retained_bytes=section.retained_bytes,
        history=[Kept(line.match, line.uri, line.events, line.bytes, line.age) for line in section.history],
    )
