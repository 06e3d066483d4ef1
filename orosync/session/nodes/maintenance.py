"""What pages were told of maintenance, kept in the engine for nodes that start. Running nodes see the event itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from twisted.internet.defer import Deferred

from orosync.interfaces import IBackplane
from orosync.notifications.maintenance import MaintenanceState
from orosync.session.nodes.part import RealmPart

AREA = "maintenance"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bool, int | None, float]).decode


class SharedMaintenance(RealmPart):
    """The maintenance state of one realm."""

    def __init__(self, realm: str, state: MaintenanceState, backplane: IBackplane) -> None:
        self._realm = realm
        self._state = state
        self._backplane = backplane
        state.on_told = self._put

    def _put(self) -> None:
        """Every node does it: all have the same."""
        state = self._state
        self._backplane.put(AREA, self._realm, _encode((state.on, state.user_id, state.time)))

    def load(self) -> Deferred[None]:
        """See RealmPart."""
        return self._backplane.load(AREA).addCallback(self._loaded)

    def _loaded(self, values: Mapping[str, bytes]) -> None:
        try:
            on, user_id, time = _decode(values.get(self._realm, b""))
        except msgspec.MsgspecError:  # nothing, or another program's
            time = 0.0
        else:
            self._state.restore(on, user_id, time)
        if self._state.time > time:
            self._put()
