"""Calls on their way from one realm into another, and their answers on the way back.

A CALL for each INVOCATION; RESULT, progressive results and ERROR come back as YIELD and ERROR, INTERRUPT goes after
it as CANCEL. Whoever calls is answered whatever becomes of the link. This file must not know which realm is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orosync.components.side import ALL_SEALS, Side, acceptable, forwarded, seals_among, well_formed
from orosync.interfaces import IJournal
from orosync.wamp import names, trail
from orosync.wamp.messages import Call, Cancel, Error, Invocation, Result, Yield
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import INVOCATION

_SEALED = "the router at the other end of the uplink hands on no such payload"
_MODES = ("skip", "kill", "killnowait")


class Calls:
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
        route = trail.further(details, number, self._left, self._entered)
        if route is None or self._comes_back(procedure):
            self._refuse("loop", number, names.NO_SUCH_PROCEDURE, f"{procedure} would be called in a circle")
        elif payload is not None and payload.size > self._size:
            self._refuse("too_large", number, names.PAYLOAD_SIZE_EXCEEDED, "the payload is too large for the uplink")
        elif not well_formed(procedure):
            self._refuse("no_uri", number, names.INVALID_URI, "what is called there has to be a URI")
        elif not acceptable(payload, details, self._seals):
            self._refuse("sealed", number, names.FEATURE_NOT_SUPPORTED, _SEALED)
        elif len(self._calls) >= self._limit:
            self._refuse("calls", number, names.UNAVAILABLE, "too many calls of the uplink are in progress")
        else:
            options = forwarded(details, "caller", route, trail.OPTION)
            if details.get("receive_progress") is True:
                options["receive_progress"] = True
            if type(timeout := details.get("timeout")) is int and timeout > 0:
                options["timeout"] = timeout
            request = self._sink.next_request()
            self._calls[request] = number
            self._invocations[number] = request
            if not self._sink.send(Call(request, options, procedure), payload):
                self._close(request)
                self._refuse("away", number, names.NETWORK_FAILURE, "the other router cannot be reached")

    def away(self, invocation: Invocation) -> None:
        """An INVOCATION while nobody is there to be called."""
        number = int(invocation.request)
        self._refuse("away", number, names.NETWORK_FAILURE, "the other router cannot be reached")

    def unknown(self, invocation: Invocation) -> None:
        """An INVOCATION of what was never registered."""
        self._refuse("unknown", int(invocation.request), names.NO_SUCH_PROCEDURE, "no such procedure was registered")

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
            self._refuse("sealed", number, names.FEATURE_NOT_SUPPORTED, _SEALED)
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
            error = message.error if well_formed(message.error) else names.RUNTIME_ERROR
            self._source.send(Error(INVOCATION, number, details, error), payload)

    # -- the end of either

    def sink_gone(self) -> None:
        """Nobody will answer any more: whoever waits is told."""
        for request in list(self._calls):
            number = self._close(request)
            assert number is not None
            self._refuse("lost", number, names.NETWORK_FAILURE, "the other router was lost during the call")

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
