"""What a CALL asks for besides its procedure, read once and checked (WAMP, ``CALL.Options``).

It must not know who gets the call.

Calls in progress: handed to a callee, or waiting for one, and not answered yet.

The books are kept for each session, as a caller by the request id of its CALL, as a callee by the request id of the
INVOCATION. Those of a callee count up from 1 (WAMP, "Session Scope IDs"), so one number tells an invocation that is
over from one that never was. Both books are bounded; over the bound a new call is refused.

This file must not know of policies or messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import ref

from orosync.errors import ProtocolViolation, RequestError
from orosync.router.deliveries import flag, whole
from orosync.wamp import uris
from orosync.wamp.payload import described

if TYPE_CHECKING:
    from orosync.router.deliveries import Member
    from orosync.router.registrations import Registration, Slots
    from orosync.wamp.payload import Payload


STREAMS = "progressive_call_invocations"


class CallOptions(NamedTuple):
    """``progress``: progressive results are welcome. ``streaming``: more of the payload follows. ``timeout``: in
    milliseconds, 0 for none. ``sealed``: the options of a payload that only the callee can read. ``disclose`` and
    ``told`` as for ``Dealer.call``."""

    procedure: str
    disclose: bool = False
    told: Mapping[str, Any] | None = None
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
        told: Mapping[str, Any] | None,
    ) -> CallOptions:
        """RequestError INVALID_ARGUMENT for an option of a wrong type; ProtocolViolation for what the caller has not
        announced among its ``features``."""
        return cls(
            procedure,
            disclose,
            told,
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


KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of arguments that the calls of one caller may keep here (Particulars): to be sent later, or again."""

REMEMBERED = 64
"""Streams of a caller that are over and may still get a late CALL, which is nobody's business then."""


class Late(Enum):
    """What is said of a CALL that goes on with a stream which is over."""

    LATE = "late"


LATE = Late.LATE


class Watch(Protocol):
    """Somebody who measures how long a call takes."""

    def progressed(self) -> None:
        """A progressive result has come."""

    def settled(self) -> None:
        """The call is over."""

    def left(self) -> int:
        """How much longer it may take, in milliseconds; 0 when it has taken too long."""

    def enforce(self, ours: bool) -> None:
        """Whether the call is to be ended when its time is up; False while its callee sees to that. The time runs on
        either way."""


class CallState:
    """What only few calls need.

    ``registration``  what was called, for one that may go to another callee or has to wait for one
    ``asked``         what its CALL asked for, and ``payload`` as long as it may have to be sent again, or later
    ``size``          bytes of what is kept for that
    ``details``       of its INVOCATION
    ``tried``         callees that could not take it; some may have left since, and are not kept for that
    ``streaming``     more of its payload follows in further CALLs
    ``relayed``       the caller has heard a result, or the callee more than one part: nobody else can take over
    ``timeout``       how long it may take, in milliseconds; 0 for ever, or where its callee alone sees to that
    ``forwarded``     the callee that has it now keeps the limit itself
    ``slots``         of its callee, one of which it has; None where that takes any number of calls
    """

    __slots__ = (
        "asked", "details", "forwarded", "payload", "registration", "relayed", "size", "slots", "streaming", "timeout",
        "tried", "watch",
    )  # fmt: skip

    def __init__(
        self, registration: Registration, asked: CallOptions, details: Mapping[str, Any], payload: Payload | None
    ) -> None:
        self.registration = registration
        self.asked = asked
        self.details = details
        self.payload = payload
        self.size = 0 if payload is None else payload.size
        if asked.sealed is not None:
            self.size += sum(map(len, asked.sealed.values()))
        self.tried: list[ref[Member]] = []
        self.streaming = False
        self.relayed = False
        self.timeout = 0
        self.forwarded = False
        self.slots: Slots | None = None
        self.watch: Watch | None = None

    def give_back(self) -> None:
        """The callee has one slot more, in the registration under which it took this call."""
        slots, self.slots = self.slots, None
        if slots is not None:
            slots.taken -= 1


class PendingCall:
    """One call in progress.

    ``callee`` is None, and ``invocation`` 0, while it waits for one. ``progressive``: the callee was told that the
    caller takes progressive results. ``interrupted``: the callee has been sent an INTERRUPT.
    """

    __slots__ = ("callee", "caller", "interrupted", "invocation", "particulars", "progressive", "request")

    def __init__(self, caller: Member, request: int, callee: Member | None, invocation: int, progressive: bool) -> None:
        self.caller = caller
        self.request = request
        self.callee = callee
        self.invocation = invocation
        self.progressive = progressive
        self.interrupted = False
        self.particulars: CallState | None = None


class _Books:
    """One session's: its calls and how many there may be, the bytes that they keep, the invocations it works on, the
    number of invocations it ever got, and the request ids of its streams that are over."""

    __slots__ = ("calls", "invocations", "issued", "kept", "most", "streams")

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = 0
        self.calls: dict[int, PendingCall] = {}
        self.invocations: dict[int, PendingCall] = {}
        self.issued = 0
        self.streams: deque[int] | None = None


class PendingCalls:
    """All calls in progress in one realm. A session's books exist from its first call or invocation until it leaves."""

    __slots__ = ("_books", "_limit")

    def __init__(self, limit: int) -> None:
        """``limit``: how many calls a callee may have in progress, and how many a caller for which nothing else is said
        (``Member.call_limit``), each counted alone."""
        self._books: dict[int, _Books] = {}
        self._limit = limit

    def __len__(self) -> int:
        return sum(len(books.calls) for books in self._books.values())

    def check_request(self, caller: Member, request: int) -> PendingCall | Late | None:
        """May ``caller`` begin a call under this id? None: it may. A call: this goes on with it. LATE: that is over.

        ProtocolViolation while a call of its that is no stream has the id; RequestError UNAVAILABLE over the bound.
        """
        books = self._books.get(caller.session)
        if books is None:
            return None
        known = books.calls.get(request)
        if known is not None:
            if known.particulars is None or not known.particulars.streaming:
                raise ProtocolViolation(f"CALL {request} is still in progress")
            return known
        if books.streams is not None and request in books.streams:
            return LATE
        if len(books.calls) >= books.most:
            raise RequestError(uris.UNAVAILABLE, f"more than {books.most} calls in progress")
        return None

    def check_kept(self, caller: Member, size: int) -> None:
        """RequestError UNAVAILABLE when with one more of ``size`` bytes the calls of ``caller`` would keep more than
        KEPT_BYTES. One alone may be of any size."""
        books = self._books.get(caller.session)
        if books is not None and books.kept and books.kept + size > KEPT_BYTES:
            raise RequestError(uris.UNAVAILABLE, f"more than {KEPT_BYTES} bytes in calls in progress")

    def keep(self, pending: PendingCall, particulars: CallState) -> None:
        """A call that was entered has these."""
        pending.particulars = particulars
        self._books[pending.caller.session].kept += particulars.size

    def forget_payload(self, pending: PendingCall) -> None:
        """The arguments of a call that was entered are not needed any more."""
        particulars = pending.particulars
        if particulars is not None:
            self._books[pending.caller.session].kept -= particulars.size
            particulars.payload, particulars.size = None, 0

    def has_room(self, callee: Member) -> bool:
        """Whether ``callee`` is below the bound."""
        books = self._books.get(callee.session)
        return books is None or len(books.invocations) < self._limit

    def is_stream(self, caller: Member, request: int) -> bool:
        """Whether the payload of this call of ``caller`` comes, or came, in several parts."""
        books = self._books.get(caller.session)
        if books is None:
            return False
        known = books.calls.get(request)
        if known is not None:
            return known.particulars is not None and known.particulars.streaming
        return books.streams is not None and request in books.streams

    def stream_is_over(self, caller: Member, request: int) -> None:
        """What still comes under this id is late."""
        books = self._books_of(caller)
        if books.streams is None:
            books.streams = deque(maxlen=REMEMBERED)
        books.streams.append(request)

    def open(self, caller: Member, request: int, callee: Member, progressive: bool) -> PendingCall:
        """Enter a call that ``check_request`` let pass. RequestError UNAVAILABLE when the callee is over the bound."""
        books = self._books
        theirs = books.get(callee.session)
        if theirs is None:
            theirs = self._books_of(callee)
        elif len(theirs.invocations) >= self._limit:
            raise RequestError(uris.UNAVAILABLE, "the callee has too many calls in progress")
        ours = books.get(caller.session)
        if ours is None:
            ours = self._books_of(caller)
        # Ids wrap after 2**53, which a session would reach in centuries.
        theirs.issued = invocation = theirs.issued + 1
        pending = PendingCall(caller, request, callee, invocation, progressive)
        ours.calls[request] = pending
        theirs.invocations[invocation] = pending
        return pending

    def wait(self, caller: Member, request: int) -> PendingCall:
        """Enter a call that ``check_request`` let pass and for which no callee is free."""
        pending = PendingCall(caller, request, None, 0, False)
        self._books_of(caller).calls[request] = pending
        return pending

    def give(self, pending: PendingCall, callee: Member) -> None:
        """Give a call to ``callee``; if somebody had it, that one does not any more. The bound is not looked at: who is
        handed a waiting call has just become free."""
        if pending.callee is not None:
            del self._books[pending.callee.session].invocations[pending.invocation]
        theirs = self._books_of(callee)
        theirs.issued = pending.invocation = theirs.issued + 1
        theirs.invocations[pending.invocation] = pending
        pending.callee = callee
        pending.interrupted = False

    def called(self, caller: Member, request: int) -> PendingCall | None:
        """The call that ``caller`` made under this id, None when it is over or never was."""
        books = self._books.get(caller.session)
        return None if books is None else books.calls.get(request)

    def invoked(self, callee: Member, invocation: int) -> PendingCall | None:
        """The call that ``callee`` works on under this id, None when it is over (answered, cancelled, caller gone).

        ProtocolViolation when ``callee`` never got such an invocation.
        """
        books = self._books.get(callee.session)
        if books is None or not 0 < invocation <= books.issued:
            raise ProtocolViolation(f"there was no INVOCATION {invocation}")
        return books.invocations.get(invocation)

    def close(self, pending: PendingCall) -> None:
        """Strike a call in progress out of both books."""
        books = self._books
        ours = books[pending.caller.session]
        del ours.calls[pending.request]
        if pending.callee is not None:
            del books[pending.callee.session].invocations[pending.invocation]
        particulars = pending.particulars
        if particulars is not None:
            ours.kept -= particulars.size
            if particulars.streaming:
                self.stream_is_over(pending.caller, pending.request)
            if particulars.watch is not None:
                particulars.watch.settled()

    def leave(self, member: Member) -> tuple[list[PendingCall], list[PendingCall]]:
        """Close all calls of ``member`` and its books: (those it made to others, those others made to it).

        A call to itself is in neither: nobody is left to be told.
        """
        books = self._books.get(member.session)
        if books is None:
            return [], []
        made = [pending for pending in books.calls.values() if pending.callee is not member]
        taken = [pending for pending in books.invocations.values() if pending.caller is not member]
        own = [pending for pending in books.calls.values() if pending.callee is member]
        for pending in made + taken + own:
            self.close(pending)
        del self._books[member.session]
        return made, taken

    def _books_of(self, member: Member) -> _Books:
        books = self._books.get(member.session)
        if books is None:
            limit = member.call_limit
            books = self._books[member.session] = _Books(self._limit if limit is None else limit)
        return books
