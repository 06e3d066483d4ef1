"""Calls on their way to a callee: whom one goes to, what its INVOCATION says, waiting for somebody who is free, and
going to somebody else (WAMP, "Shared Registration", "Progressive Call Invocations", "Call Re-Routing").

It must not know who may call, how an answer is relayed, or the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import ref

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Delivery, Member
from orosync.router.pending import STREAMS, CallOptions, CallState, PendingCall, PendingCalls, streams_on
from orosync.router.registrations import Capacity, Draw, Registration
from orosync.wamp import uris
from orosync.wamp.messages import Error, Invocation
from orosync.wamp.payload import FEATURE, Payload, described, understood
from orosync.wamp.v2 import CALL

CALL_REROUTE = "callee.call_reroute"
_NOBODY_LEFT = Payload.of(["the last callee has left"], None)
TOO_LONG = Payload.of(["the call took longer than it may"], None)
_ALL_UNAVAILABLE = Payload.of(["no callee is available"], None)


class Calls:
    """The calls of one realm. ``queue_limit`` bounds how many wait for the callees of one registration.

    ``trustlevels`` by role: what callees are told of callers (WAMP, "Call Trust Levels").
    """

    def __init__(
        self, pending_limit: int, queue_limit: int, draw: Draw, trustlevels: Mapping[str, int] | None = None
    ) -> None:
        self.pending = PendingCalls(pending_limit)
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
        told: Mapping[str, Any] | None,
    ) -> list[Delivery]:
        """Hand a CALL to one of the registration's callees, or let it wait for one. Fails as ``Dealer.call``."""
        if not options and registration.capacity is None:  # nearly always: the long way, without what nobody asks for
            callee = registration.pick(self._draw)
            if CALL_REROUTE not in callee.features:
                pending = self.pending.open(caller, request, callee, False)
                details = self._details(registration, procedure, caller, callee, disclose, told)
                return [Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)]
            asked = CallOptions(procedure, disclose, told)
        else:
            asked = CallOptions.of(procedure, options, caller.features, disclose, told)
            found = registration.pick_free(self._draw)
            if found is None:
                return self._wait(caller, request, registration, asked, payload)
            callee = found
        self._check_callee(caller, request, asked, callee)
        details = self._all_details(registration, caller, callee, asked, asked.timeout)
        forwarded = callee.session in registration.forwards_timeout
        movable, capacity = CALL_REROUTE in callee.features, registration.capacity
        # A limit that the callee keeps is of no concern here, unless somebody else may get the call.
        timeout = 0 if forwarded and not movable else asked.timeout
        if not (asked.streaming or timeout or movable or capacity is not None):
            pending = self.pending.open(caller, request, callee, asked.progress)
        else:
            particulars = CallState(registration, asked, details, payload if movable else None)
            particulars.streaming, particulars.timeout, particulars.forwarded = asked.streaming, timeout, forwarded
            self.pending.check_kept(caller, particulars.size)
            pending = self.pending.open(caller, request, callee, asked.progress)
            self.pending.keep(pending, particulars)
            particulars.slots = None if capacity is None else capacity.take(callee.session)
        return [Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)]

    def go_on(self, pending: PendingCall, options: Mapping[str, Any], payload: Payload | None) -> list[Delivery]:
        """Hand on the next part of a stream, to whom the first went. What the first CALL asked for holds for all;
        nothing comes of it once the callee has been told to stop."""
        particulars, callee = pending.particulars, pending.callee
        assert particulars is not None and callee is not None, "only what has been handed over can be a stream"
        more = streams_on(options, pending.caller.features)
        sealed = described(options, pending.caller.features, "caller")
        particulars.streaming = more
        particulars.relayed = True
        if pending.interrupted:
            return []
        details = {key: value for key, value in particulars.details.items() if key != "progress"}
        if more:
            details["progress"] = True
        details.update(sealed or {})
        return [Delivery((callee,), Invocation(pending.invocation, particulars.registration.id, details), payload)]

    def reroute(self, pending: PendingCall) -> list[Delivery] | None:
        """Give a call that its callee is not available for to another one, or tell the caller that there is none. None:
        such a call stays where it is."""
        particulars, callee = pending.particulars, pending.callee
        if particulars is None or callee is None or CALL_REROUTE not in callee.features:
            return None
        if particulars.relayed or particulars.streaming or pending.interrupted:
            return None
        registration = particulars.registration.current()
        if particulars.watch is not None and not particulars.watch.left():
            # The callee kept the time limit, and gave the call back when it was over: nobody else has time for it.
            self.pending.close(pending)
            late = Error(CALL, pending.request, {}, uris.TIMEOUT)
            return [Delivery((pending.caller,), late, TOO_LONG), *self.freed(pending)]
        tried = [one for each in particulars.tried if (one := each()) is not None]
        tried.append(callee)
        particulars.tried.append(ref(callee))
        while (successor := registration.successor(tried, self._draw)) is not None:
            if self._lacking(particulars.asked, successor) is None and self.pending.has_room(successor):
                particulars.give_back()
                particulars.registration = registration
                return [self._hand(pending, successor), *self.serve(registration)]
            tried.append(successor)
            particulars.tried.append(ref(successor))
        self.pending.close(pending)
        error = Error(CALL, pending.request, {}, uris.NO_AVAILABLE_CALLEE)
        return [Delivery((pending.caller,), error, _ALL_UNAVAILABLE), *self.freed(pending)]

    def freed(self, pending: PendingCall) -> list[Delivery]:
        """What comes of a call with particulars being over: somebody may have become free for one that waits."""
        particulars = pending.particulars
        if particulars is None or particulars.registration.capacity is None:
            return []
        capacity = particulars.registration.capacity
        if pending.callee is None:
            if pending in capacity.waiting:
                capacity.waiting.remove(pending)
            return []
        particulars.give_back()
        return self.serve(particulars.registration)

    def serve(self, registration: Registration) -> list[Delivery]:
        """Hand calls that wait to whoever is free; when there is no callee any more, tell their callers."""
        capacity = registration.capacity
        deliveries: list[Delivery] = []
        if capacity is None:
            return deliveries
        while capacity.waiting:
            if not registration.callees:
                pending = capacity.waiting.popleft()
                self.pending.close(pending)
                error = Error(CALL, pending.request, {}, uris.CANCELED)
                deliveries.append(Delivery((pending.caller,), error, _NOBODY_LEFT))
                continue
            callee = registration.pick_free(self._draw)
            if callee is None:
                break
            pending = capacity.waiting.popleft()
            assert pending.particulars is not None, "whoever waits has some"
            lacking = self._lacking(pending.particulars.asked, callee)
            if lacking is None:
                deliveries.append(self._hand(pending, callee))
                continue
            self.pending.close(pending)
            error = Error(CALL, pending.request, {}, uris.FEATURE_NOT_SUPPORTED)
            deliveries.append(Delivery((pending.caller,), error, Payload.of([lacking])))
        return deliveries

    def not_begun(self, registration: Registration) -> list[PendingCall]:
        """Take the calls that wait for a callee of ``registration`` out of its queue."""
        capacity = registration.capacity
        if capacity is None:
            return []
        waiting = list(capacity.waiting)
        capacity.waiting.clear()
        return waiting

    def go_to(self, registration: Registration, waiting: list[PendingCall]) -> list[Delivery]:
        """Have calls that waited for another registration's callees wait for those of this one."""
        if not waiting:
            return []
        if registration.capacity is None:
            registration.capacity = Capacity()
        for pending in waiting:
            assert pending.particulars is not None, "whoever waits has some"
            pending.particulars.registration = registration
            registration.capacity.waiting.append(pending)
        return self.serve(registration)

    def _wait(
        self, caller: Member, request: int, registration: Registration, asked: CallOptions, payload: Payload | None
    ) -> list[Delivery]:
        capacity = registration.capacity
        assert capacity is not None, "without limits somebody is always free"
        if asked.streaming or len(capacity.waiting) >= self._queue_limit:
            raise RequestError(uris.UNAVAILABLE, "all callees are busy")
        particulars = CallState(registration, asked, {}, payload)
        self.pending.check_kept(caller, particulars.size)
        pending = self.pending.wait(caller, request)
        self.pending.keep(pending, particulars)
        particulars.timeout = asked.timeout
        capacity.waiting.append(pending)
        return []

    def _hand(self, pending: PendingCall, callee: Member) -> Delivery:
        """A call that has waited, or that somebody else had, goes to ``callee``."""
        particulars = pending.particulars
        assert particulars is not None
        registration = particulars.registration
        self.pending.give(pending, callee)
        pending.progressive = particulars.asked.progress
        if registration.capacity is not None:
            particulars.slots = registration.capacity.take(callee.session)
        particulars.forwarded = callee.session in registration.forwards_timeout
        left = particulars.asked.timeout
        if particulars.watch is not None:
            left = particulars.watch.left()
            particulars.watch.enforce(not particulars.forwarded)
        details = self._all_details(registration, pending.caller, callee, particulars.asked, left)
        particulars.details = details
        payload = particulars.payload
        if CALL_REROUTE not in callee.features:
            self.pending.forget_payload(pending)  # nobody will get it after this one
        return Delivery((callee,), Invocation(pending.invocation, registration.id, details), payload)

    def _check_callee(self, caller: Member, request: int, asked: CallOptions, callee: Member) -> None:
        lacking = self._lacking(asked, callee)
        if lacking is not None:
            if asked.streaming:
                self.pending.stream_is_over(caller, request)
            raise RequestError(uris.FEATURE_NOT_SUPPORTED, lacking)

    def _lacking(self, asked: CallOptions, callee: Member) -> str | None:
        """Why ``callee`` cannot take such a call; None if it can."""
        if asked.streaming and f"callee.{STREAMS}" not in callee.features:
            return f"the callee has not announced {STREAMS}"
        if asked.sealed is not None and not understood(asked.sealed, callee.features, "callee"):
            return f"the callee has not announced {FEATURE}"
        return None

    def _all_details(
        self, registration: Registration, caller: Member, callee: Member, asked: CallOptions, left: int
    ) -> dict[str, Any]:
        """``left``: of its time limit, in milliseconds."""
        details = self._details(registration, asked.procedure, caller, callee, asked.disclose, asked.told)
        if asked.progress:  # whatever the callee has announced: wampy announces nothing, and others ignore it
            details["receive_progress"] = True
        if asked.streaming:
            details["progress"] = True
        if asked.timeout and callee.session in registration.forwards_timeout:
            details["timeout"] = max(1, left)  # 0 would be for ever
        if asked.sealed is not None:
            details.update(asked.sealed)
        return details

    def _details(
        self,
        registration: Registration,
        procedure: str,
        caller: Member,
        callee: Member,
        disclose: bool,
        told: Mapping[str, Any] | None,
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
        if told is not None:
            details.update(told)
        return details
