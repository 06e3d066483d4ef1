"""Calls in progress: handed to a callee and not answered yet.

The books are kept for each session, as a caller by the request id of its CALL, as a callee by the request id of the
INVOCATION. Those of a callee count up from 1 (WAMP, "Session Scope IDs"), so one number tells an invocation that is
over from one that never was. Both books are bounded; over the bound a new call is refused.

This file must not know of registrations or messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orosync.errors import ProtocolViolation, RequestError
from orosync.wamp import names

if TYPE_CHECKING:
    from orosync.router.delivery import Member


class PendingCall:
    """One call in progress.

    ``progressive``: the callee was told that the caller takes progressive results. ``interrupted``: the callee
    has been sent an INTERRUPT.
    """

    __slots__ = ("callee", "caller", "interrupted", "invocation", "progressive", "request")

    def __init__(self, caller: Member, request: int, callee: Member, invocation: int, progressive: bool) -> None:
        self.caller = caller
        self.request = request
        self.callee = callee
        self.invocation = invocation
        self.progressive = progressive
        self.interrupted = False


class _Books:
    """One session's: its calls, the invocations it works on, the number of invocations it ever got."""

    __slots__ = ("calls", "invocations", "issued")

    def __init__(self) -> None:
        self.calls: dict[int, PendingCall] = {}
        self.invocations: dict[int, PendingCall] = {}
        self.issued = 0


class PendingCalls:
    """All calls in progress in one realm. A session's books exist from its first call or invocation until it leaves."""

    __slots__ = ("_books", "_limit")

    def __init__(self, limit: int) -> None:
        """``limit``: how many calls a caller may have in progress, and how many a callee, each counted alone."""
        self._books: dict[int, _Books] = {}
        self._limit = limit

    def __len__(self) -> int:
        return sum(len(books.calls) for books in self._books.values())

    def check_request(self, caller: Member, request: int) -> None:
        """May ``caller`` begin a call under this id?

        ProtocolViolation while another call of its has the id; RequestError UNAVAILABLE over the bound.
        """
        books = self._books.get(caller.session)
        if books is None:
            return
        if request in books.calls:
            raise ProtocolViolation(f"CALL {request} is still in progress")
        if len(books.calls) >= self._limit:
            raise RequestError(names.UNAVAILABLE, f"more than {self._limit} calls in progress")

    def open(self, caller: Member, request: int, callee: Member, progressive: bool) -> PendingCall:
        """Enter a call that ``check_request`` let pass. RequestError UNAVAILABLE when the callee is over the bound."""
        books = self._books
        theirs = books.get(callee.session)
        if theirs is None:
            theirs = books[callee.session] = _Books()
        elif len(theirs.invocations) >= self._limit:
            raise RequestError(names.UNAVAILABLE, "the callee has too many calls in progress")
        ours = books.get(caller.session)
        if ours is None:
            ours = books[caller.session] = _Books()
        # Ids wrap after 2**53, which a session would reach in centuries.
        theirs.issued = invocation = theirs.issued + 1
        pending = PendingCall(caller, request, callee, invocation, progressive)
        ours.calls[request] = pending
        theirs.invocations[invocation] = pending
        return pending

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
        del books[pending.caller.session].calls[pending.request]
        del books[pending.callee.session].invocations[pending.invocation]

    def leave(self, member: Member) -> tuple[list[PendingCall], list[PendingCall]]:
        """Close all calls of ``member`` and its books: (those it made to others, those others made to it).

        A call to itself is in neither: nobody is left to be told.
        """
        books = self._books.get(member.session)
        if books is None:
            return [], []
        made = [pending for pending in books.calls.values() if pending.callee is not member]
        taken = [pending for pending in books.invocations.values() if pending.caller is not member]
        for pending in made + taken:
            self.close(pending)
        del self._books[member.session]
        return made, taken
