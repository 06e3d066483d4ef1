"""The settings of a listener for tests: what a [listen:NAME] section that says nothing means, and what a test needs."""

from __future__ import annotations

from typing import Any

import attrs

from orosync.app.listeners import settings_of
from orosync.config import defaults
from orosync.config.listen import ListenSection
from orosync.transport.settings import ListenerSettings


def listener_settings(**given: Any) -> ListenerSettings:
    """Those of a listener called ``public`` on loopback that lists no origins; ``given`` are other values."""
    section = defaults.listener(ListenSection(name="public", endpoint="tcp:0:interface=127.0.0.1"), ["oro"])
    return attrs.evolve(settings_of(section, None), **{"origins": (), **given})
