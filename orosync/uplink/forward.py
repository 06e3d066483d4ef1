"""What passes between the two realms of an uplink: calls with their answers, and events.

``CallForwarding`` sends a CALL for each INVOCATION; RESULT and ERROR come back as YIELD and ERROR, INTERRUPT goes on as
CANCEL, and every caller is answered whatever becomes of the connection. ``EventForwarding`` sends a PUBLISH for each
EVENT, in order. Payloads stay encoded. Both work in either direction: each end is a ``Side``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from typing import Any, Protocol

from orosync.interfaces import IJournal
from orosync.wamp import forwarding, ids, uris
from orosync.wamp.formats import Format
from orosync.wamp.messages import Call, Cancel, Error, Invocation, Message, Publish, Result, Yield
from orosync.wamp.payload import FEATURE, SEALS, Payload
from orosync.wamp.v2 import INVOCATION

SECONDS_AT_ONCE = 5
"""Seconds of the rate that may pass at once after a pause."""

MOST_ASKED = 1000
"""Publishes that are not acknowledged yet of which the topic is remembered, for the log if one is refused."""

well_formed = uris.exact_rule(False)
"""Whether every router accepts a URI. Names of WAMP v1 are any text, and Crossbar.io ends a session that sends an
invalid URI."""

PASSTHRU = {"ppt_scheme": FEATURE, "enc_algo": "payload_transparency"}
"""The feature that a router announces if it forwards sealed payloads, by the option that describes one."""

ALL_SEALS = frozenset(PASSTHRU)
_ARRAYS: Mapping[Format, Container[int]] = {
    Format.JSON: b"[",
    Format.MSGPACK: (*range(0x90, 0xA0), 0xDC, 0xDD),
    Format.CBOR: range(0x80, 0xA0),
}
"""The first byte of an array."""

_SEALED = "the router at the other end of the uplink does not forward such a payload"
_MODES = ("skip", "kill", "killnowait")


class Side(Protocol):
    """The session at one end."""

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        """A request or an answer of ours. False when it is not taken (there is no connection, too much waits)."""

    def next_request(self) -> int:
        """An id for a request (WAMP, "Session Scope IDs")."""


class CallForwarding:
    """From ``source`` into ``sink``.

    At most ``limit`` are in progress, with payloads of up to ``size`` bytes. ``comes_back(procedure)`` tells whether
    the sink could hand a call of it to ourselves.
    """

    def __init__(
        self,
        uplink: str,
        source: Side,
        sink: Side,
        journal: IJournal,
        comes_back: Callable[[str], bool],
        limit: int,
        size: int,
    ) -> None:
        self._left = self._entered = ""
        self._seals_back = self._seals = ALL_SEALS
        self._uplink = uplink
        self._source = source
        self._sink = sink
        self._journal = journal
        self._comes_back = comes_back
        self._limit = limit
        self._size = size
        self._calls: dict[int, int] = {}
        self._invocations: dict[int, int] = {}

    def __len__(self) -> int:
        """How many are in progress."""
        return len(self._calls)

    def begin(
        self, left: str, entered: str, *, back: frozenset[str] = ALL_SEALS, seals: frozenset[str] = ALL_SEALS
    ) -> None:
        """The marks of the two realms, once they are known, and the sealed payloads that each router forwards."""
        self._left, self._entered, self._seals_back, self._seals = left, entered, back, seals

    # -- from the source

    def invoked(self, invocation: Invocation, procedure: str, payload: Payload | None) -> None:
        """An INVOCATION of ``procedure``."""
        number, details = int(invocation.request), invocation.details
        route = forwarding.extended(details, number, self._left, self._entered)
        if route is None or self._comes_back(procedure):
            self._refuse("loop", number, uris.NO_SUCH_PROCEDURE, f"{procedure} would be called in a circle")
        elif payload is not None and payload.size > self._size:
            self._refuse("too_large", number, uris.PAYLOAD_SIZE_EXCEEDED, "the payload is too large for the uplink")
        elif not well_formed(procedure):
            self._refuse("no_uri", number, uris.INVALID_URI, "what is called there has to be a URI")
        elif not acceptable(payload, details, self._seals):
            self._refuse("sealed", number, uris.FEATURE_NOT_SUPPORTED, _SEALED)
        elif len(self._calls) >= self._limit:
            self._refuse("calls", number, uris.UNAVAILABLE, "too many calls of the uplink are in progress")
        else:
            options = forwarded(details, "caller", route, forwarding.OPTION)
            if details.get("receive_progress") is True:
                options["receive_progress"] = True
            if type(timeout := details.get("timeout")) is int and timeout > 0:
                options["timeout"] = timeout
            request = self._sink.next_request()
            self._calls[request] = number
            self._invocations[number] = request
            if not self._sink.send(Call(request, options, procedure), payload):
                self._close(request)
                self._refuse("away", number, uris.NETWORK_FAILURE, "the other router cannot be reached")

    def away(self, invocation: Invocation) -> None:
        """An INVOCATION while the other router is not connected."""
        number = int(invocation.request)
        self._refuse("away", number, uris.NETWORK_FAILURE, "the other router cannot be reached")

    def unknown(self, invocation: Invocation) -> None:
        """An INVOCATION of what was never registered."""
        self._refuse("unknown", int(invocation.request), uris.NO_SUCH_PROCEDURE, "no such procedure was registered")

    def interrupted(self, number: int, options: dict[str, Any]) -> None:
        """INTERRUPT: the caller has cancelled, or its time is over."""
        request = self._invocations.get(number)
        if request is not None:
            mode = options.get("mode")
            self._sink.send(Cancel(request, {"mode": mode if mode in _MODES else "killnowait"}))

    # -- from the sink

    def answered(self, message: Result, payload: Payload | None) -> None:
        """RESULT: the answer, or a part of it."""
        request, details = int(message.request), message.details
        number = self._calls.get(request)
        if number is None:
            return
        options = seals_among(details)
        if not acceptable(payload, details, self._seals_back):
            self._close(request)
            self._sink.send(Cancel(request, {"mode": "killnowait"}))
            self._refuse("sealed", number, uris.FEATURE_NOT_SUPPORTED, _SEALED)
            return
        if details.get("progress") is True:
            options["progress"] = True
        else:
            self._close(request)
        self._source.send(Yield(number, options), payload)

    def failed(self, message: Error, payload: Payload | None) -> None:
        """ERROR for a CALL."""
        number = self._close(int(message.request))
        if number is not None:
            details = seals_among(message.details)
            if not acceptable(payload, details, self._seals_back):
                details, payload = {}, None
            error = message.error if well_formed(message.error) else uris.RUNTIME_ERROR
            self._source.send(Error(INVOCATION, number, details, error), payload)

    # -- the end of either

    def sink_gone(self) -> None:
        """No answer will come any more: every caller gets an ERROR."""
        for request in list(self._calls):
            number = self._close(request)
            assert number is not None
            self._refuse("lost", number, uris.NETWORK_FAILURE, "the other router was lost during the call")

    def source_gone(self) -> None:
        """No caller waits any more: the callees are interrupted."""
        for request in list(self._calls):
            self._close(request)
            self._sink.send(Cancel(request, {"mode": "killnowait"}))

    def _close(self, request: int) -> int | None:
        number = self._calls.pop(request, None)
        if number is not None:
            del self._invocations[number]
        return number

    def _refuse(self, reason: str, number: int, error: str, message: str) -> None:
        self._journal.count("uplink.call_failed", reason)
        self._source.send(Error(INVOCATION, number, {}, error), Payload.of([message], None))


class EventForwarding:
    """Into ``sink``; ``rate`` events a second, payloads of up to ``limit`` bytes. ``acknowledge``: have the sink report
    what it refuses. ``dropped`` counts by reason since it was last cleared."""

    def __init__(
        self,
        uplink: str,
        sink: Side,
        journal: IJournal,
        seconds: Callable[[], float],
        rate: int,
        limit: int,
        acknowledge: bool,
    ) -> None:
        self._left = self._entered = ""
        self._numbered = True
        self._seals = ALL_SEALS
        self.dropped: Counter[str] = Counter()
        self._uplink = uplink
        self._sink = sink
        self._journal = journal
        self._seconds = seconds
        self._rate = rate
        self._limit = limit
        self._acknowledge = acknowledge
        self._asked: dict[int, str] = {}
        self._publications = forwarding.Memory(MOST_ASKED)
        self._allowance = float(rate * SECONDS_AT_ONCE)
        self._since = seconds()

    def begin(self, left: str, entered: str, *, numbered: bool = True, seals: frozenset[str] = ALL_SEALS) -> None:
        """The marks of the two realms, once they are known. ``numbered``: the ids of publications in the first one are
        like no others (``forwarding.has_random_ids``); ``seals``: the sealed payloads that the second one forwards."""
        self._left, self._entered, self._numbered, self._seals = left, entered, numbered, seals
        self._publications = forwarding.Memory(MOST_ASKED)

    def event(self, publication: int, topic: str, details: dict[str, Any], payload: Payload | None) -> None:
        """An EVENT on ``topic``; where several of our patterns match, it comes once for each of them."""
        if self._publications.seen(publication):
            return
        number = publication if self._numbered else ids.random_id()
        route = forwarding.extended(details, number, self._left, self._entered)
        if uris.is_reserved(topic):
            self._drop("reserved", topic)
        elif not well_formed(topic):
            self._drop("no_uri", topic)
        elif route is None:
            self._drop("loop", topic)
        elif payload is not None and payload.size > self._limit:
            self._drop("too_large", topic)
        elif not acceptable(payload, details, self._seals):
            self._drop("sealed", topic)
        elif not self._granted():
            self._drop("rate", topic)
        else:
            options = forwarded(details, "publisher", route, forwarding.OPTION)
            request = self._sink.next_request()
            if self._acknowledge:
                options["acknowledge"] = True
                self._ask(request, topic)
            if not self._sink.send(Publish(request, options, topic), payload):
                self._drop("queue", topic)

    def accepted(self, request: int) -> None:
        """PUBLISHED."""
        self._asked.pop(request, None)

    def refused(self, request: int, error: str) -> None:
        """ERROR for a PUBLISH."""
        topic = self._asked.pop(request, "")
        self._journal.note("uplink.refused", "publish", uplink=self._uplink, uri=topic, reason=error)

    def _ask(self, request: int, topic: str) -> None:
        if len(self._asked) >= MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[request] = topic

    def lost(self) -> None:
        """An EVENT while the other router is not connected: counted, and reported when it is connected again."""
        self.dropped["away"] += 1
        self._journal.count("uplink.dropped", "away")

    def _drop(self, reason: str, topic: str) -> None:
        self.dropped[reason] += 1
        self._journal.note("uplink.dropped", reason, uplink=self._uplink, topic=topic)

    def _granted(self) -> bool:
        now = self._seconds()
        most = float(self._rate * SECONDS_AT_ONCE)
        self._allowance = min(most, self._allowance + (now - self._since) * self._rate)
        self._since = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True


def forwarded(details: dict[str, Any], who: str, trail: str, option: str) -> dict[str, Any]:
    """The options of a message that is forwarded with ``details``: its trail, how its payload is sealed, its ``who``
    ("publisher" or "caller"), where that was disclosed (Crossbar.io's ``forward_for``)."""
    options: dict[str, Any] = {option: trail}
    session = details.get(who)
    if session is not None:
        authid, authrole = details.get(f"{who}_authid"), details.get(f"{who}_authrole")
        options["forward_for"] = [
            {
                "session": session,
                "authid": authid if isinstance(authid, str) else "",
                "authrole": authrole if isinstance(authrole, str) else "",
            }
        ]
    return options | seals_among(details)


def seals_among(details: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``details`` that describe a sealed payload."""
    return {seal: details[seal] for seal in SEALS if seal in details}


def seals_of(welcome: Mapping[str, Any]) -> frozenset[str]:
    """The sealed payloads that a router forwards: what WELCOME.Details announce for both its broker and its dealer."""
    roles = welcome.get("roles")
    announced = [_features(roles.get(role)) if isinstance(roles, dict) else {} for role in ("broker", "dealer")]
    return frozenset(
        seal for seal, feature in PASSTHRU.items() if all(features.get(feature) is True for features in announced)
    )


def acceptable(payload: Payload | None, details: Mapping[str, Any], seals: frozenset[str]) -> bool:
    """Whether a router that forwards ``seals`` accepts a message with that payload. Another one would treat it as a
    protocol violation, and end the session."""
    if payload is None or not payload.args or payload.args[0] in _ARRAYS[payload.format]:
        return True
    return any(seal in details for seal in seals)


def _features(role: object) -> dict[str, Any]:
    features = role.get("features") if isinstance(role, dict) else None
    return features if isinstance(features, dict) else {}
