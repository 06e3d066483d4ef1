"""The two sessions of an uplink, one here and one there, as what passes between them sees them.

Both speak WAMP v2 in values; so what goes from here to there and what comes the other way is the same code.

Calls on their way from one realm into another, and their answers on the way back.

A CALL for each INVOCATION; RESULT, progressive results and ERROR come back as YIELD and ERROR, INTERRUPT goes after
it as CANCEL. Whoever calls is answered whatever becomes of the link. This file must not know which realm is ours.

Events on their way from one realm into another.

A PUBLISH for each EVENT, in order, with its payload as it came. What does not pass is counted by reason. This file must
not know which of the two realms is ours.
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


class Side(Protocol):
    """One of the two."""

    def send(self, message: Message, payload: Payload | None = None) -> bool:
        """A request or an answer of ours. False when it is not taken (nobody is connected, too much waits)."""

    def next_request(self) -> int:
        """An id for a request (WAMP, "Session Scope IDs")."""


def forwarded(details: dict[str, Any], who: str, trail: str, option: str) -> dict[str, Any]:
    """The options under which a message with ``details`` goes on: its trail, how its payload is sealed, and for ``who``
    ("publisher" or "caller") it is, where that was disclosed (Crossbar.io's ``forward_for``)."""
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
    """What ``details`` say of a sealed payload."""
    return {seal: details[seal] for seal in SEALS if seal in details}


well_formed = uris.exact_rule(False)
"""What tells that every router takes a URI for one. Names of WAMP v1 are any text, and Crossbar.io ends the session of
whoever sends it one that is no URI."""

PASSTHRU = {"ppt_scheme": FEATURE, "enc_algo": "payload_transparency"}
"""What a router announces that hands sealed payloads on, by the option that says how one is sealed."""

ALL_SEALS = frozenset(PASSTHRU)
_ARRAYS: Mapping[Format, Container[int]] = {
    Format.JSON: b"[",
    Format.MSGPACK: (*range(0x90, 0xA0), 0xDC, 0xDD),
    Format.CBOR: range(0x80, 0xA0),
}
"""How an array begins."""


def seals_of(welcome: Mapping[str, Any]) -> frozenset[str]:
    """Which sealed payloads a router hands on, by what WELCOME.Details announce of its broker and its dealer both."""
    roles = welcome.get("roles")
    announced = [_features(roles.get(role)) if isinstance(roles, dict) else {} for role in ("broker", "dealer")]
    return frozenset(
        seal for seal, feature in PASSTHRU.items() if all(features.get(feature) is True for features in announced)
    )


def acceptable(payload: Payload | None, details: Mapping[str, Any], seals: frozenset[str]) -> bool:
    """Whether a realm whose router hands on ``seals`` takes a message with that payload. Another router would take it
    for a violation of the protocol, and end the session."""
    if payload is None or not payload.args or payload.args[0] in _ARRAYS[payload.format]:
        return True
    return any(seal in details for seal in seals)


def _features(role: object) -> dict[str, Any]:
    features = role.get("features") if isinstance(role, dict) else None
    return features if isinstance(features, dict) else {}


_SEALED = "the router at the other end of the uplink hands on no such payload"
_MODES = ("skip", "kill", "killnowait")


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
        """The marks of the two realms, once they are known, and the sealed payloads that each hands on."""
        self._left, self._entered, self._seals_back, self._seals = left, entered, back, seals

    # -- what the source says

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
        """An INVOCATION while nobody is there to be called."""
        number = int(invocation.request)
        self._refuse("away", number, uris.NETWORK_FAILURE, "the other router cannot be reached")

    def unknown(self, invocation: Invocation) -> None:
        """An INVOCATION of what was never registered."""
        self._refuse("unknown", int(invocation.request), uris.NO_SUCH_PROCEDURE, "no such procedure was registered")

    def interrupted(self, number: int, options: dict[str, Any]) -> None:
        """INTERRUPT: whoever called does not want the answer, or wants it soon."""
        request = self._invocations.get(number)
        if request is not None:
            mode = options.get("mode")
            self._sink.send(Cancel(request, {"mode": mode if mode in _MODES else "killnowait"}))

    # -- what the sink says

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
        """Nobody will answer any more: whoever waits is told."""
        for request in list(self._calls):
            number = self._close(request)
            assert number is not None
            self._refuse("lost", number, uris.NETWORK_FAILURE, "the other router was lost during the call")

    def source_gone(self) -> None:
        """Nobody waits any more: whoever works need not go on."""
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


SECONDS_AT_ONCE = 5
"""What has not passed in the last seconds may pass at once."""

MOST_ASKED = 1000
"""Of so many publishes that are not acknowledged yet the topic is known when one is refused."""


class EventForwarding:
    """Into ``sink``; ``rate`` a second, payloads of up to
    ``limit`` bytes. ``acknowledge``: let the sink say what it refuses. ``dropped`` counts by reason since it was last
    cleared."""

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
        like no others (``forwarding.has_random_ids``); ``seals``: the sealed payloads that the second one hands on."""
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
        """An EVENT that nobody is there to take: counted, and told together once somebody is."""
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
