"""Calls on their way to a callee: which callee gets a call, what its INVOCATION says, waiting for a free callee, and
going on to another one (WAMP, "Shared Registration", "Progressive Call Invocations", "Call Re-Routing").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, ExtraDetails, Member
from orosync.router.pending import STREAMS, CallOptions, CallState, PendingCall, PendingCalls, streams_on
from orosync.router.registrations import Capacity, Draw, Registration
from orosync.wamp import uris
from orosync.wamp.messages import Error, Invocation
from orosync.wamp.payload import FEATURE, Payload, described, understood
from orosync.wamp.v2 import CALL

CALL_REROUTE = "callee.call_reroute"

_NO_CALLEE_LEFT = Payload.of(["the last callee has left"], None)
_CALLEE_GONE = Payload.of(["the callee has gone before it got the call"], None)
_ALL_UNAVAILABLE = Payload.of(["no callee is available"], None)
CALL_TIMED_OUT = Payload.of(["the call took longer than it may"], None)


class Calls:
    """The calls of one realm. ``queue_limit`` bounds how many wait for the callees of one registration.

    ``trustlevels`` by role: what an INVOCATION says of its caller (WAMP, "Call Trust Levels"). ``seconds`` measures
    spans.
    """

    def __init__(
        self,
        pending_limit: int,
        queue_limit: int,
        draw: Draw,
        trustlevels: Mapping[str, int] | None = None,
        seconds: Callable[[], float] = float,
    ) -> None:
        self.pending = PendingCalls(pending_limit, seconds)
        self._queue_limit = queue_limit
        self._draw = draw
        self._trustlevels: Mapping[str, int] = {} if trustlevels is None else trustlevels

    def begin(
        self,
        caller: Member,
        request: int,
        registration: Registration,
        procedure: str,
        options: Mapping[str, Any],
        payload: Payload | None,
        disclose: bool,
        extra_details: ExtraDetails | None,
    ) -> list[Delivery]:
        """Hand a CALL to one of the registration's callees, or let it wait for one. Fails as ``Dealer.call``."""
        if not options and registration.capacity is None:  # the usual call, which needs no CallOptions
            callee = registration.pick(self._draw)
            if CALL_REROUTE not in callee.features:
                pending = self.pending.open(caller, request, callee, False)
                details = self._details(registration, procedure, caller, callee, disclose, extra_details)
                return [Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)]
            call_options = CallOptions(procedure, disclose, extra_details)
        else:
            call_options = CallOptions.of(procedure, options, caller.features, disclose, extra_details)
            found = registration.pick_free(self._draw)
            if found is None:
                return self._wait(caller, request, registration, call_options, payload)
            callee = found
        self._check_callee(caller, request, call_options, callee)
        details = self._all_details(registration, caller, callee, call_options, call_options.timeout)
        forwarded = callee.session in registration.forwards_timeout
        movable, capacity = CALL_REROUTE in callee.features, registration.capacity
        # The router does not need the time limit if the callee enforces it, unless another callee may get the call.
        timeout = 0 if forwarded and not movable else call_options.timeout
        if not (call_options.streaming or timeout or movable or capacity is not None):
            pending = self.pending.open(caller, request, callee, call_options.progress)
        else:
            state = CallState(registration, call_options, details, payload if movable else None)
            state.streaming, state.timeout, state.forwarded = call_options.streaming, timeout, forwarded
            self.pending.check_kept(caller, state.size)
            pending = self.pending.open(caller, request, callee, call_options.progress)
            self.pending.keep(pending, state)
            state.slots = None if capacity is None else capacity.take(callee.session)
        return [Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)]

    def next_part(self, pending: PendingCall, options: Mapping[str, Any], payload: Payload | None) -> list[Delivery]:
        """Hand the next part of a progressive call invocation to the callee of the first (WAMP, "Progressive Call
        Invocations"). The options of the first CALL hold for all; no effect once the callee has been interrupted."""
        state, callee = pending.state, pending.callee
        assert state is not None and callee is not None, "a call in parts has been handed to a callee"
        more = streams_on(options, pending.caller.features)
        sealed = described(options, pending.caller.features, "caller")
        state.streaming = more
        state.relayed = True
        if pending.interrupted:
            return []
        details = {key: value for key, value in state.details.items() if key != "progress"}
        if more:
            details["progress"] = True
        details.update(sealed or {})
        return [Delivery((callee,), Invocation(pending.invocation, state.registration.id, details), payload)]

    def relay(
        self,
        caller: Member,
        request: int,
        callee: Member,
        registration: Registration,
        details: Mapping[str, Any],
        payload: Payload | None,
    ) -> list[Delivery]:
        """As ``Dealer.relay``, for a new call. It never goes to another callee: its own node sees to that."""
        capacity, progress, streaming = registration.capacity, bool(details.get("receive_progress")), _goes_on(details)
        if capacity is None and not streaming:
            pending = self._open_relayed(caller, request, callee, progress)
            return [Delivery((callee,), Invocation(pending.invocation, registration.id, dict(details)), payload)]
        free = registration.is_free(callee)
        if streaming and not free:
            raise RequestError(uris.UNAVAILABLE, "the callee is busy")
        options = CallOptions(registration.procedure, progress=progress, streaming=streaming)
        state = CallState(registration, options, details, None if free else payload)
        state.only, state.relayed, state.streaming = callee, True, streaming
        pending = self._open_relayed(caller, request, callee if free else None, progress)
        self.pending.keep(pending, state)
        if not free:
            assert capacity is not None, "a callee without limits is always free"
            capacity.waiting.append(pending)
            capacity.relayed += 1
            return []
        state.slots = None if capacity is None else capacity.take(callee.session)
        return [Delivery((callee,), Invocation(pending.invocation, registration.id, dict(details)), payload)]

    def _open_relayed(self, caller: Member, request: int, callee: Member | None, progress: bool) -> PendingCall:
        """Enter a call that the node of its caller has counted."""
        if callee is None:
            pending = self.pending.wait(caller, request)
        else:
            pending = self.pending.open(caller, request, callee, progress)
        self.pending.opened -= 1
        return pending

    def next_part_relayed(
        self, pending: PendingCall, details: Mapping[str, Any], payload: Payload | None
    ) -> list[Delivery]:
        """As ``Dealer.relay``, for the next part of a progressive call invocation."""
        state, callee = pending.state, pending.callee
        if state is None or callee is None or not state.streaming:
            return []
        state.streaming = _goes_on(details)
        if pending.interrupted:
            return []
        return [Delivery((callee,), Invocation(pending.invocation, state.registration.id, dict(details)), payload)]

    def reroute(self, pending: PendingCall) -> list[Delivery] | None:
        """Give a call that its callee is not available for to another callee, or answer the caller with an ERROR when
        there is none (WAMP, "Call Re-Routing"). None: the call cannot be moved."""
        state, callee = pending.state, pending.callee
        if state is None or callee is None or CALL_REROUTE not in callee.features:
            return None
        if state.relayed or state.streaming or pending.interrupted:
            return None
        registration = state.registration.current()
        if state.watch is not None and not state.watch.left():
            # The callee enforced the time limit and gave the call back when it had passed: no time is left for another.
            self.pending.close(pending)
            late = Error(CALL, pending.request, {}, uris.TIMEOUT)
            return [Delivery((pending.caller,), late, CALL_TIMED_OUT), *self.release(pending)]
        tried = [one for each in state.tried if (one := each()) is not None]
        tried.append(callee)
        state.tried.append(ref(callee))
        while (successor := registration.successor(tried, self._draw)) is not None:
            if self._missing_feature(state.options, successor) is None and self.pending.has_room(successor):
                state.give_back()
                state.registration = registration
                return [self._hand_over(pending, successor), *self.serve(registration)]
            tried.append(successor)
            state.tried.append(ref(successor))
        self.pending.close(pending)
        error = Error(CALL, pending.request, {}, uris.NO_AVAILABLE_CALLEE)
        return [Delivery((pending.caller,), error, _ALL_UNAVAILABLE), *self.release(pending)]

    def release(self, pending: PendingCall) -> list[Delivery]:
        """Free the slot of a call that is over, and hand waiting calls to the callee that has become free."""
        state = pending.state
        if state is None or state.registration.capacity is None:
            return []
        capacity = state.registration.capacity
        if pending.callee is None:
            if pending in capacity.waiting:
                capacity.waiting.remove(pending)
                capacity.relayed -= state.only is not None
            return []
        state.give_back()
        return self.serve(state.registration)

    def serve(self, registration: Registration) -> list[Delivery]:
        """Hand waiting calls to free callees; when no callee is left, answer them with an ERROR."""
        capacity = registration.capacity
        deliveries: list[Delivery] = []
        if capacity is None:
            return deliveries
        if capacity.relayed:
            return self._serve_each(registration, capacity)
        while capacity.waiting:
            if not registration.callees:
                pending = capacity.waiting.popleft()
                self.pending.close(pending)
                error = Error(CALL, pending.request, {}, uris.CANCELED)
                deliveries.append(Delivery((pending.caller,), error, _NO_CALLEE_LEFT))
                continue
            callee = registration.pick_free(self._draw)
            if callee is None:
                break
            deliveries.append(self._give_waiting(capacity.waiting.popleft(), callee))
        return deliveries

    def _serve_each(self, registration: Registration, capacity: Capacity[Any]) -> list[Delivery]:
        """As ``serve``, where some wait for a certain callee: a call that has to wait on holds up no other."""
        deliveries: list[Delivery] = []
        all_busy = False
        for pending in tuple(capacity.waiting):
            only = pending.state.only
            if only is None:
                if all_busy or not registration.callees:
                    continue
                callee = registration.pick_free(self._draw)
                all_busy = callee is None
            elif only in registration.callees:
                callee = only if registration.is_free(only) else None
            else:
                capacity.waiting.remove(pending)
                capacity.relayed -= 1
                self.pending.close(pending)
                error = Error(CALL, pending.request, {}, uris.UNAVAILABLE)
                deliveries.append(Delivery((pending.caller,), error, _CALLEE_GONE))
                continue
            if callee is not None:
                capacity.waiting.remove(pending)
                capacity.relayed -= only is not None
                deliveries.append(self._give_waiting(pending, callee))
        return deliveries if registration.callees else deliveries + self.serve(registration)

    def _give_waiting(self, pending: PendingCall, callee: Member) -> Delivery:
        assert pending.state is not None, "a waiting call has a state"
        missing = self._missing_feature(pending.state.options, callee)
        if missing is None:
            return self._hand_over(pending, callee)
        self.pending.close(pending)
        error = Error(CALL, pending.request, {}, uris.FEATURE_NOT_SUPPORTED)
        return Delivery((pending.caller,), error, Payload.of([missing]))

    def take_waiting(self, registration: Registration) -> list[PendingCall]:
        """Take the calls that wait for a callee of ``registration`` out of its queue."""
        capacity = registration.capacity
        if capacity is None:
            return []
        waiting = list(capacity.waiting)
        capacity.waiting.clear()
        capacity.relayed = 0
        return waiting

    def requeue(self, registration: Registration, waiting: list[PendingCall]) -> list[Delivery]:
        """Let calls that waited for another registration's callees wait for those of this one."""
        if not waiting:
            return []
        if registration.capacity is None:
            registration.capacity = Capacity()
        for pending in waiting:
            assert pending.state is not None, "a waiting call has a state"
            pending.state.registration = registration
            registration.capacity.waiting.append(pending)
            registration.capacity.relayed += pending.state.only is not None
        return self.serve(registration)

    def _wait(
        self,
        caller: Member,
        request: int,
        registration: Registration,
        call_options: CallOptions,
        payload: Payload | None,
    ) -> list[Delivery]:
        capacity = registration.capacity
        assert capacity is not None, "a registration without limits always has a free callee"
        if call_options.streaming or len(capacity.waiting) - capacity.relayed >= self._queue_limit:
            raise RequestError(uris.UNAVAILABLE, "all callees are busy")
        state = CallState(registration, call_options, {}, payload)
        self.pending.check_kept(caller, state.size)
        pending = self.pending.wait(caller, request)
        self.pending.keep(pending, state)
        state.timeout = call_options.timeout
        capacity.waiting.append(pending)
        return []

    def _hand_over(self, pending: PendingCall, callee: Member) -> Delivery:
        """Give a call that has waited, or that another callee had, to ``callee``."""
        state = pending.state
        assert state is not None
        registration = state.registration
        self.pending.give(pending, callee)
        pending.progressive = state.options.progress
        if registration.capacity is not None:
            state.slots = registration.capacity.take(callee.session)
        state.forwarded = callee.session in registration.forwards_timeout
        left = state.options.timeout
        if state.watch is not None:
            left = state.watch.left()
            state.watch.enforce(not state.forwarded)
        if state.only is None:
            state.details = self._all_details(registration, pending.caller, callee, state.options, left)
        details = dict(state.details)
        payload = state.payload
        if CALL_REROUTE not in callee.features:
            self.pending.forget_payload(pending)  # it cannot be moved from this callee
        return Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)

    def _check_callee(self, caller: Member, request: int, call_options: CallOptions, callee: Member) -> None:
        missing = self._missing_feature(call_options, callee)
        if missing is not None:
            if call_options.streaming:
                self.pending.stream_is_over(caller, request)
            raise RequestError(uris.FEATURE_NOT_SUPPORTED, missing)

    def _missing_feature(self, call_options: CallOptions, callee: Member) -> str | None:
        """Why ``callee`` cannot take a call with these options; None if it can."""
        if call_options.streaming and f"callee.{STREAMS}" not in callee.features:
            return f"the callee has not announced {STREAMS}"
        if call_options.sealed is not None and not understood(call_options.sealed, callee.features, "callee"):
            return f"the callee has not announced {FEATURE}"
        return None

    def _all_details(
        self, registration: Registration, caller: Member, callee: Member, call_options: CallOptions, left: int
    ) -> dict[str, Any]:
        """INVOCATION.Details; ``left``: milliseconds of the time limit that are left."""
        details = self._details(
            registration, call_options.procedure, caller, callee, call_options.disclose, call_options.extra_details
        )
        if call_options.progress:  # not only where the callee announced it: wampy announces nothing, others ignore it
            details["receive_progress"] = True
        if call_options.streaming:
            details["progress"] = True
        if call_options.timeout and callee.session in registration.forwards_timeout:
            details["timeout"] = max(1, left)  # 0 would be no limit
        if call_options.sealed is not None:
            details.update(call_options.sealed)
        return details

    def _details(
        self,
        registration: Registration,
        procedure: str,
        caller: Member,
        callee: Member,
        disclose: bool,
        extra_details: ExtraDetails | None,
    ) -> dict[str, Any]:
        details: dict[str, Any] = {}
        if registration.match is not Match.EXACT:
            details["procedure"] = procedure
        if disclose or callee.session in registration.wants_caller:
            details["caller"] = caller.session
            details["caller_authid"] = caller.principal.authid
            details["caller_authrole"] = caller.principal.authrole
        if self._trustlevels and caller.principal.authrole in self._trustlevels:
            details["trustlevel"] = self._trustlevels[caller.principal.authrole]
        if extra_details is not None:
            details.update(extra_details)
        return details


def _goes_on(details: Mapping[str, Any]) -> bool:
    """Whether further parts follow on an INVOCATION with these details."""
    return details.get("progress") is True
