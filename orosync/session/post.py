"""The post office: takes the router's deliveries to their receivers.

It must not know how a delivery came about, nor whether it was allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from orosync.interfaces import IJournal
from orosync.router.delivery import Audience, Delivery, Member
from orosync.wamp.messages import Message
from orosync.wamp.payload import Payload


class PostOffice:
    """Encodes an EVENT once for each wire among its receivers, and hands everything else to its receiver.

    ``push`` and ``tell`` only queue and never raise (``ILink.push``), so one receiver cannot spoil another's
    delivery. A receiver whose serializer cannot carry a payload gets nothing; that is counted. ``awaited``, by session:
    how many answers to its calls are still to be decided (``later``).
    """

    def __init__(self, journal: IJournal) -> None:
        self._journal = journal
        self.awaited: dict[int, int] = {}

    def post(self, deliveries: Iterable[Delivery]) -> None:
        """Queue every delivery, in order."""
        for receivers, message, payload, topic in deliveries:
            if not topic:
                for member in receivers:
                    member.tell(message, payload)
                continue
            if len(receivers) == 1:
                (receiver,) = receivers
                self._give(receiver, message, payload, topic)
                continue
            groups = receivers.groups if receivers.__class__ is Audience else None
            for wire, pushes in groups or _grouped(receivers):
                frame = wire.event(message, payload, topic)
                if frame is None:
                    self._journal.note("payload.undeliverable", "event", topic=topic, receivers=len(pushes))
                    continue
                for push in pushes:
                    push(frame)

    def _give(self, member: Member, message: Message, payload: Payload | None, topic: str) -> None:
        """An EVENT for one receiver: nothing to be shared."""
        frame = member.wire.event(message, payload, topic)
        if frame is None:
            self._journal.note("payload.undeliverable", "event", topic=topic)
        else:
            member.push(frame)


def _grouped(receivers: Collection[Member]) -> list[tuple[Any, list[Callable[[Any], None]]]]:
    """The ways to the receivers, by wire. An audience is asked once: it stays as it is."""
    groups: dict[Any, list[Callable[[Any], None]]] = {}
    for member in receivers:
        groups.setdefault(member.wire, []).append(member.push)
    found = list(groups.items())
    if isinstance(receivers, Audience):
        receivers.groups = found
    return found
