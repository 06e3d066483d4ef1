"""Calls in progress: what a CALL asked for, and the calls that were handed to a callee or wait for one.

Calls are kept for each session, as a caller by the request id of its CALL, as a callee by the request id of the
INVOCATION. The invocation ids of a callee count up from 1 (WAMP, "Session Scope IDs"), so one number tells an
invocation that is over from one that never was. Both are bounded; over the bound a new call is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import ref

from orosync.errors import ProtocolViolation, RequestError
from orosync.metrics import SLOW, Histogram
from orosync.router.deliveries import flag, whole
from orosync.wamp import uris
from orosync.wamp.payload import described

if TYPE_CHECKING:
    from orosync.router.deliveries import ExtraDetails, Member
    from orosync.router.registrations import Registration, Slots
    from orosync.wamp.payload import Payload

STREAMS = "progressive_call_invocations"

KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of arguments that the calls of one caller may keep (``CallState.payload``): to be sent later, or again."""

REMEMBERED = 64
"""Finished progressive call invocations of a caller whose late CALLs are still recognised, and ignored."""


class CallOptions(NamedTuple):
    """What a CALL asks for besides its procedure (WAMP, ``CALL.Options``), read once and checked.

    ``progress``: the caller takes progressive results. ``streaming``: more of the payload follows. ``timeout``: in
    milliseconds, 0 for none. ``sealed``: the options of a payload that only the callee can read. ``disclose`` and
    ``extra_details`` as for ``Dealer.call``.
    """

    procedure: str
    disclose: bool = False
    extra_details: ExtraDetails | None = None
    progress: bool = False
    streaming: bool = False
    timeout: int = 0
    sealed: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        procedure: str,
        options: Mapping[str, Any],
        features: frozenset[str],
        disclose: bool,
        extra_details: ExtraDetails | None,
    ) -> CallOptions:
        """RequestError INVALID_ARGUMENT for an option of a wrong type; ProtocolViolation for what the caller has not
        announced among its ``features``."""
        return cls(
            procedure,
            disclose,
            extra_details,
            flag(options, "receive_progress"),
            streams_on(options, features),
            whole(options, "timeout") or 0,
            described(options, features, "caller"),
        )


def streams_on(options: Mapping[str, Any], features: frozenset[str]) -> bool:
    """Whether more of the payload follows in further CALLs. Fails as ``CallOptions.of``."""
    streaming = flag(options, "progress")
    if streaming and f"caller.{STREAMS}" not in features:
        raise ProtocolViolation(f"CALL with progress without having announced {STREAMS}")
    return streaming


class Late(Enum):
    """The answer of ``check_request`` for a further part of a progressive call invocation that is over."""

    LATE = "late"


LATE = Late.LATE


class Watch(Protocol):
    """The timer of one call."""

    def progressed(self) -> None:
        """A progressive result has come."""

    def settled(self) -> None:
        """The call is over."""

    def left(self) -> int:
        """Milliseconds until the time limit; 0 when it has passed."""

    def enforce(self, caller_session: bool) -> None:
        """Whether the router ends the call when its time is up; False while its callee does. The time runs on either
        way."""


class CallState:
    """What only some calls need: those that wait, may go to another callee, have a time limit or come in parts.

    ``registration``  the registration that was called
    ``options``       of its CALL, and ``payload`` as long as it may have to be sent later, or again
    ``size``          bytes of ``payload`` and of the options of a sealed payload
    ``details``       of its INVOCATION
    ``tried``         callees that could not take it, as weak references since some may have left
    ``streaming``     more of its payload follows in further CALLs
    ``relayed``       the caller got a result, or the callee more than one part: no other callee can take over
    ``timeout``       the time limit in milliseconds; 0 for none, or where the callee alone enforces it
    ``forwarded``     the present callee enforces the limit itself
    ``slots``         of its callee, one of which it has; None where the callee takes any number of calls
    ``watch``         its timer, if it has one
    ``only``          the callee for which another node has chosen it; ``details`` are as that node made them
    """

    __slots__ = (
        "details", "forwarded", "only", "options", "payload", "registration", "relayed", "size", "slots", "streaming",
        "timeout", "tried", "watch",
    )  # fmt: skip

    def __init__(
        self, registration: Registration, options: CallOptions, details: Mapping[str, Any], payload: Payload | None
    ) -> None:
        self.registration = registration
        self.options = options
        self.details = details
        self.payload = payload
        self.size = 0 if payload is None else payload.size
        if options.sealed is not None:
            self.size += sum(map(len, options.sealed.values()))
        self.tried: list[ref[Member]] = []
        self.streaming = False
        self.relayed = False
        self.timeout = 0
        self.forwarded = False
        self.slots: Slots | None = None
        self.watch: Watch | None = None
        self.only: Member | None = None

    def give_back(self) -> None:
        """Free the slot of the callee, in the registration under which it took this call."""
        slots, self.slots = self.slots, None
        if slots is not None:
            slots.taken -= 1


class PendingCall:
    """One call in progress.

    ``callee`` is None, and ``invocation`` 0, while it waits for one. ``progressive``: the callee was told that the
    caller takes progressive results. ``interrupted``: the callee has been sent an INTERRUPT. ``began``: when it was
    made, in seconds of a clock that measures spans.
    """

    __slots__ = ("began", "callee", "caller", "interrupted", "invocation", "progressive", "request", "state")

    def __init__(
        self, caller: Member, request: int, callee: Member | None, invocation: int, progressive: bool, began: float
    ) -> None:
        self.caller = caller
        self.request = request
        self.callee = callee
        self.invocation = invocation
        self.progressive = progressive
        self.began = began
        self.interrupted = False
        self.state: CallState | None = None


class _SessionCalls:
    """The calls in progress of one session.

    ``calls``         that it made, by request id, ``limit`` at most; ``kept``: bytes that they keep
    ``invocations``   that it works on, by invocation id; ``issued``: how many it ever got, which is the last id
    ``ended_streams`` request ids of its progressive call invocations that are over
    """

    __slots__ = ("calls", "ended_streams", "invocations", "issued", "kept", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept = 0
        self.calls: dict[int, PendingCall] = {}
        self.invocations: dict[int, PendingCall] = {}
        self.issued = 0
        self.ended_streams: deque[int] | None = None


class PendingCalls:
    """All calls in progress in one realm."""

    __slots__ = ("_limit", "_seconds", "_sessions", "opened", "spans")

    def __init__(self, limit: int, seconds: Callable[[], float] = float) -> None:
        """``limit``: how many calls a callee may have in progress, and how many a caller without a limit of its own
        (``Member.call_limit``); the two are counted apart. ``seconds`` measures spans."""
        self._sessions: dict[int, _SessionCalls] = {}
        self._limit = limit
        self._seconds = seconds
        self.opened = 0
        """Calls of this node's callers so far."""
        self.spans = Histogram(SLOW)
        """How long the calls took that are over, from the CALL to its last answer."""

    def __len__(self) -> int:
        return sum(len(session.calls) for session in self._sessions.values())

    def check_request(self, caller: Member, request: int) -> PendingCall | Late | None:
        """Whether ``caller`` may begin a call with this id. None: it may. A call: this CALL is its next part. LATE: it
        is a further part of a call that is over.

        ProtocolViolation while an ordinary call has the id; RequestError UNAVAILABLE over the bound.
        """
        session = self._sessions.get(caller.session)
        if session is None:
            return None
        known = session.calls.get(request)
        if known is not None:
            if known.state is None or not known.state.streaming:
                raise ProtocolViolation(f"CALL {request} is still in progress")
            return known
        if session.ended_streams is not None and request in session.ended_streams:
            return LATE
        if len(session.calls) >= session.limit:
            raise RequestError(uris.UNAVAILABLE, f"more than {session.limit} calls in progress")
        return None

    def check_kept(self, caller: Member, size: int) -> None:
        """RequestError UNAVAILABLE when the calls of ``caller`` would keep more than KEPT_BYTES with another ``size``
        bytes. A single call may be of any size."""
        session = self._sessions.get(caller.session)
        if session is not None and session.kept and session.kept + size > KEPT_BYTES:
            raise RequestError(uris.UNAVAILABLE, f"more than {KEPT_BYTES} bytes in calls in progress")

    def keep(self, pending: PendingCall, state: CallState) -> None:
        """Give a call that was opened its state, and count the bytes that it keeps."""
        pending.state = state
        self._sessions[pending.caller.session].kept += state.size

    def forget_payload(self, pending: PendingCall) -> None:
        """Drop the arguments of a call, which are not needed any more."""
        state = pending.state
        if state is not None:
            self._sessions[pending.caller.session].kept -= state.size
            state.payload, state.size = None, 0

    def has_room(self, callee: Member) -> bool:
        """Whether ``callee`` is below the bound."""
        session = self._sessions.get(callee.session)
        return session is None or len(session.invocations) < self._limit

    def is_stream(self, caller: Member, request: int) -> bool:
        """Whether the payload of this call of ``caller`` comes in several parts, or did until a moment ago."""
        session = self._sessions.get(caller.session)
        if session is None:
            return False
        known = session.calls.get(request)
        if known is not None:
            return known.state is not None and known.state.streaming
        return session.ended_streams is not None and request in session.ended_streams

    def stream_is_over(self, caller: Member, request: int) -> None:
        """Further parts with this request id are late from now on."""
        session = self._session(caller)
        if session.ended_streams is None:
            session.ended_streams = deque(maxlen=REMEMBERED)
        session.ended_streams.append(request)

    def open(self, caller: Member, request: int, callee: Member, progressive: bool) -> PendingCall:
        """Enter a call that ``check_request`` let pass and give it to ``callee``. RequestError UNAVAILABLE when the
        callee is over the bound."""
        sessions = self._sessions
        callee_session = sessions.get(callee.session)
        if callee_session is None:
            callee_session = self._session(callee)
        elif len(callee_session.invocations) >= self._limit:
            raise RequestError(uris.UNAVAILABLE, "the callee has too many calls in progress")
        caller_session = sessions.get(caller.session)
        if caller_session is None:
            caller_session = self._session(caller)
        # Ids wrap after 2**53, which a session would reach in centuries.
        callee_session.issued = invocation = callee_session.issued + 1
        pending = PendingCall(caller, request, callee, invocation, progressive, self._seconds())
        self.opened += 1
        caller_session.calls[request] = pending
        callee_session.invocations[invocation] = pending
        return pending

    def wait(self, caller: Member, request: int) -> PendingCall:
        """Enter a call that ``check_request`` let pass and for which no callee is free."""
        pending = PendingCall(caller, request, None, 0, False, self._seconds())
        self.opened += 1
        self._session(caller).calls[request] = pending
        return pending

    def give(self, pending: PendingCall, callee: Member) -> None:
        """Give a call to ``callee``, and take it from the callee that had it, if any. The bound is not checked: a
        callee that gets a waiting call has just become free."""
        if pending.callee is not None:
            del self._sessions[pending.callee.session].invocations[pending.invocation]
        callee_session = self._session(callee)
        callee_session.issued = pending.invocation = callee_session.issued + 1
        callee_session.invocations[pending.invocation] = pending
        pending.callee = callee
        pending.interrupted = False

    def called(self, caller: Member, request: int) -> PendingCall | None:
        """The call that ``caller`` made with this id, None when it is over or never was."""
        session = self._sessions.get(caller.session)
        return None if session is None else session.calls.get(request)

    def invoked(self, callee: Member, invocation: int) -> PendingCall | None:
        """The call that ``callee`` works on with this id, None when it is over (answered, cancelled, caller gone).

        ProtocolViolation when ``callee`` never got such an invocation.
        """
        session = self._sessions.get(callee.session)
        if session is None or not 0 < invocation <= session.issued:
            raise ProtocolViolation(f"there was no INVOCATION {invocation}")
        return session.invocations.get(invocation)

    def close(self, pending: PendingCall) -> None:
        """End a call, for its caller and its callee."""
        if not pending.caller.elsewhere:  # its own node counts it
            self.spans.observe(self._seconds() - pending.began)
        sessions = self._sessions
        caller_session = sessions[pending.caller.session]
        del caller_session.calls[pending.request]
        if pending.callee is not None:
            del sessions[pending.callee.session].invocations[pending.invocation]
        state = pending.state
        if state is not None:
            caller_session.kept -= state.size
            if state.streaming:
                self.stream_is_over(pending.caller, pending.request)
            if state.watch is not None:
                state.watch.settled()

    def __contains__(self, member: Member) -> bool:
        """Whether calls of ``member`` or to it are remembered."""
        return member.session in self._sessions

    def leave(self, member: Member) -> tuple[list[PendingCall], list[PendingCall]]:
        """Close all calls of ``member``: (those it made to others, those others made to it).

        A call to itself is in neither list: no answer is needed.
        """
        session = self._sessions.get(member.session)
        if session is None:
            return [], []
        made = [pending for pending in session.calls.values() if pending.callee is not member]
        taken = [pending for pending in session.invocations.values() if pending.caller is not member]
        own = [pending for pending in session.calls.values() if pending.callee is member]
        for pending in made + taken + own:
            self.close(pending)
        del self._sessions[member.session]
        return made, taken

    def _session(self, member: Member) -> _SessionCalls:
        session = self._sessions.get(member.session)
        if session is None:
            limit = member.call_limit
            session = self._sessions[member.session] = _SessionCalls(self._limit if limit is None else limit)
        return session
