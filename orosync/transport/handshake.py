"""A connection until it is admitted: what WebSocket's and RawSocket's handshakes have in common.

Once the request has been read, the connection needs a place (``admission``), and the host decides who the client is
and whether it may connect (``ISessionHost.admit``). Subclasses read the request and write the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.interfaces import Admission, IJournal
from orosync.model import ConnectionFacts
from orosync.transport.admission import PlaceAnswer
from orosync.transport.connection import Connection

_log = Logger()


def refusal_of(failure: Failure) -> tuple[int, str, str]:
    """The refusal for an admission that failed: HTTP's status, the reason, and its reason code for the log. Any other
    failure refuses the client too (fail closed)."""
    fault = failure.value
    if isinstance(fault, Refused):
        return 503 if isinstance(fault, Unavailable) else 403, fault.reason, fault.code
    if isinstance(fault, ProtocolViolation):
        return 400, str(fault), "subprotocol"
    _log.failure("admission failed", failure=failure)
    return 503, "internal error", "internal"


def note_refusal(
    journal: IJournal, listener: str, kind: str, reason: str, address: str, origin: str | None = None
) -> None:
    """Log that a client was refused before it had a session. ``kind`` is the reason code."""
    journal.note("handshake.refused", kind, listener=listener, address=address, origin=origin, reason=reason)


class Handshake:
    """The handshake of one connection; dropped when it is over."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = b""
        self._waiting: Deferred[Admission] | None = None
        self._delayed = False
        self._over = False

    def timed_out(self) -> None:
        """The client took longer than ``handshake_timeout``."""
        self._note("timeout", "no complete request came in time")
        self._over = True
        self._connection.drop_now("handshake timed out")

    def withdraw(self) -> None:
        """Others need the connection's room."""
        if not self._over:
            self._over = True
            self._refuse_busy()

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        over, self._over = self._over, True
        if self._waiting is not None:
            self._waiting.cancel()
        elif not over:
            self._connection.journal.count("handshake.lost", "partial" if self._buffer else "silent")

    @property
    def _request_complete(self) -> bool:
        """Whether the client has sent its request, and waits for its answer."""
        return self._delayed or self._waiting is not None

    def _request_admission(self, facts: ConnectionFacts, *more: Any) -> None:
        """Have the host decide, once there is a place; ``_admitted`` gets its decision, ``facts`` and ``more``."""
        self._get_place(facts.address, facts, lambda: self._ask_host(facts, *more))

    def _get_place(self, address: str, facts: ConnectionFacts | None, proceed: Callable[[], object]) -> None:
        """Call ``proceed`` once the connection has a place, at once or later: the client's address is known now."""
        connection = self._connection
        answer = connection.place.admit_request(address, facts)
        if answer is PlaceAnswer.REFUSED:
            self._over = True
            self._refuse_busy()
        elif answer is PlaceAnswer.DELAYED:
            self._delayed = True
            connection.place.proceed = lambda: self._over or proceed()
            connection.timers.cancel(connection)
        else:
            proceed()

    def _ask_host(self, facts: ConnectionFacts, *more: Any) -> None:
        connection = self._connection
        try:
            waiting = connection.host.admit(facts)
        except Exception:
            self._host_refused(Failure(), facts)
            return
        if isinstance(waiting, Admission):
            self._host_admitted(waiting, facts, *more)
            return
        self._waiting = waiting
        waiting.addCallbacks(self._host_admitted, self._host_refused, (facts, *more), {}, (facts,))
        if not self._over:
            # The client has sent all it has to; how long authentication takes is not its fault.
            connection.timers.cancel(connection)

    def _host_admitted(self, admission: Admission, facts: ConnectionFacts, *more: Any) -> None:
        if self._over:
            return
        self._over = True
        if admission.subprotocol is not None and admission.subprotocol not in facts.subprotocols:
            _log.error("{subprotocol} was chosen but never offered", subprotocol=admission.subprotocol)
            self._refuse(503, "internal error", "internal", facts)
            return
        buffer, self._buffer = self._buffer, b""
        self._admitted(admission, facts, buffer, *more)

    def _host_refused(self, failure: Failure, facts: ConnectionFacts) -> None:
        if self._over:
            if not failure.check(CancelledError, Refused, ProtocolViolation):
                _log.failure("admission failed after the client had left", failure=failure)
            return
        self._refuse(*refusal_of(failure), facts)

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: Any) -> None:
        """Accept the client, which has sent ``early`` behind its request already."""
        raise NotImplementedError

    def _refuse(self, status: int, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        """Refuse the client. ``status`` is HTTP's; RawSocket translates it."""
        raise NotImplementedError

    def _refuse_busy(self) -> None:
        """Refuse a client for which there is no place; that has been logged."""
        raise NotImplementedError

    def _note(self, kind: str, reason: str, facts: ConnectionFacts | None = None) -> None:
        connection = self._connection
        address, origin = (facts.address, facts.origin) if facts else (connection.peer, None)
        note_refusal(connection.journal, connection.settings.name, kind, reason, address, origin)
