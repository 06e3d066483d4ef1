"""How the router's deliveries reach their receivers, and how messages become frames.

A wire joins a protocol's encoder (``wamp``) to a transport's framer. All members that speak the same protocol in the
same serializer over the same kind of transport share one, so that an EVENT for a thousand receivers is encoded and
framed once. Whether a message was allowed is decided before it comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from orosync.errors import NotCarriable
from orosync.interfaces import IJournal
from orosync.metrics import FAST, Histogram
from orosync.router.broker import Broker
from orosync.router.deliveries import Audience, Delivery, Member
from orosync.router.filters import PublishOptions
from orosync.transport.write_queue import send_to_all
from orosync.wamp import v1
from orosync.wamp.codec import Codec
from orosync.wamp.formats import Format
from orosync.wamp.messages import Event, Message
from orosync.wamp.payload import Payload, is_sealed

Framer = Callable[[bytes, bool], bytes]


class Dispatcher:
    """Encodes an EVENT once for each wire among its receivers, and hands everything else to its receiver.

    A wire's ``event`` gives an EVENT as ``Member.push`` takes it, None where its payload cannot be carried.

    ``push`` and ``tell`` only queue and never raise (``ILink.push``), so one receiver cannot spoil another's
    delivery. A receiver whose serializer cannot carry a payload gets nothing; that is counted. ``awaited``, by session:
    how many answers to its calls are still to be decided (``replies.answer_when_decided``).
    """

    def __init__(self, journal: IJournal, seconds: Callable[[], float] = float) -> None:
        """``seconds`` measures spans."""
        self._journal = journal
        self._seconds = seconds
        self.awaited: dict[int, int] = {}
        self.events = 0
        """EVENTs queued so far, one for each receiver."""
        self.fan_outs = Histogram(FAST)
        """How long it took to encode an event for several receivers and to hand it to all of them."""

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Queue every delivery, in order."""
        for receivers, message, payload, topic in deliveries:
            if not topic:
                for member in receivers:
                    member.tell(message, payload)
                continue
            if len(receivers) == 1:  # nothing to be shared
                (receiver,) = receivers
                frame = receiver.wire.event(message, payload, topic)
                if frame is None:
                    self._journal.note("payload.undeliverable", "event", topic=topic)
                else:
                    self.events += 1
                    receiver.push(frame)
                continue
            began = self._seconds()
            groups = receivers.groups if receivers.__class__ is Audience else None
            for wire, pushes in groups or _grouped(receivers):
                frame = wire.event(message, payload, topic)
                if frame is None:
                    self._journal.note("payload.undeliverable", "event", topic=topic, receivers=len(pushes))
                    continue
                self.events += len(pushes)
                send_to_all(pushes, frame)
            self.fan_outs.observe(self._seconds() - began)

    def publish(
        self,
        broker: Broker,
        topic: str,
        payload: Payload | None,
        publisher: Member | None,
        options: PublishOptions,
        disclose: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> tuple[int, list[Delivery]]:
        """Carry out an authorized PUBLISH (WAMP, "Publish and Subscribe"): the publication id, and what was delivered.

        ``publisher`` None is orosync itself. ``details`` is what EVENT.Details hold besides.
        """
        if options.retain and publisher is not None:
            made = broker.publish_retained(
                topic, payload, publisher, options.exclude_me, options.filters, disclose, details
            )
        else:
            made = broker.publish(topic, payload, publisher, options.exclude_me, options.filters, disclose, details)
        self.deliver(made[1])
        return made


def _grouped(receivers: Collection[Member]) -> list[tuple[Any, list[Callable[[Any], None]]]]:
    """The ways to the receivers, by wire. An audience is asked once: it stays as it is."""
    groups: dict[Any, list[Callable[[Any], None]]] = {}
    for member in receivers:
        groups.setdefault(member.wire, []).append(member.push)
    found = list(groups.items())
    if isinstance(receivers, Audience):
        receivers.groups = found
    return found


class V2Wire:
    """WAMP v2 in one serializer over one kind of transport."""

    def __init__(self, codec: Codec, framer: Framer) -> None:
        self.codec = codec
        self.format = codec.format
        self._framer = framer
        self._encode_event, self._binary = codec.encode_event, codec.binary

    def event(self, message: Event, payload: Payload | None, topic: str) -> bytes | None:
        try:
            return self._framer(self._encode_event(message, payload), self._binary)
        except NotCarriable:
            return None

    def frame(self, message: Message, payload: Payload | None = None) -> bytes:
        """Any message framed. Raises NotCarriable."""
        return self._framer(self.codec.encode(message, payload), self.codec.binary)


class V1Wire:
    """WAMP v1: JSON text over one kind of transport; an EVENT needs only its topic.

    A sealed payload (WAMP, "Payload Passthru Mode") is not delivered: v1 cannot say that it is one.
    """

    format = Format.JSON

    def __init__(self, framer: Framer) -> None:
        self._framer = framer

    def event(self, message: Message, payload: Payload | None, topic: str) -> bytes | None:
        details = message.details  # type: ignore[attr-defined]
        if details and is_sealed(details):
            return None
        try:
            return self._framer(v1.encode_event(topic, payload), False)
        except NotCarriable:
            return None

    def frame(self, text: bytes) -> bytes:
        """Text that is encoded already, framed."""
        return self._framer(text, False)


class LocalWire:
    """For members inside this process: the event as it is."""

    format = Format.JSON

    def event(self, message: Message, payload: Payload | None, topic: str) -> tuple[Message, Payload | None, str]:
        return message, payload, topic


class Wires:
    """Hands out the one wire for each (protocol, framer)."""

    def __init__(self) -> None:
        self._v1: dict[Framer, V1Wire] = {}
        self._v2: dict[tuple[str, Framer], V2Wire] = {}

    def v1(self, framer: Framer) -> V1Wire:
        wire = self._v1.get(framer)
        if wire is None:
            wire = self._v1[framer] = V1Wire(framer)
        return wire

    def v2(self, codec: Codec, framer: Framer) -> V2Wire:
        key = (codec.subprotocol, framer)
        wire = self._v2.get(key)
        if wire is None:
            wire = self._v2[key] = V2Wire(codec, framer)
        return wire
