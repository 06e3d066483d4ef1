"""A connection until it is admitted: what is the same for every transport while identity is waited for.

It must not know what identity is or what a session does: it asks the host and obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.errors import ProtocolViolation, Refused, Unavailable
from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.admission import PlaceAnswer
from orosync.transport.connection import Connection

_log = Logger()


def verdict(failure: Failure) -> tuple[int, str, str]:
    """What an admission that failed means: HTTP's status, the reason and its kind, for the log. Fail closed: whoever
    cannot be judged does not come in."""
    fault = failure.value
    if isinstance(fault, Refused):
        return 503 if isinstance(fault, Unavailable) else 403, fault.reason, fault.kind
    if isinstance(fault, ProtocolViolation):
        return 400, str(fault), "subprotocol"
    _log.failure("admission failed", failure=failure)
    return 503, "internal error", "internal"


class Handshake:
    """One connection's, thrown away when it is over."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = b""
        self._waiting: Deferred[Admission] | None = None
        self._delayed = False
        self._over = False

    def timed_out(self) -> None:
        """The listener's handshake time is over."""
        self._note("timeout", "no complete request came in time")
        self._over = True
        self._connection.drop_now("handshake timed out")

    def withdraw(self) -> None:
        """Others need the connection's room."""
        if not self._over:
            self._over = True
            self._no_place()

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        over, self._over = self._over, True
        if self._waiting is not None:
            self._waiting.cancel()
        elif not over:
            self._connection.journal.count("handshake.lost", "partial" if self._buffer else "silent")

    @property
    def _asked(self) -> bool:
        """Whether the client has said what it has to say, and waits for its answer."""
        return self._delayed or self._waiting is not None

    def _ask(self, facts: ConnectionFacts, *more: Any) -> None:
        """Have the host decide, if there is a place and as soon as it is its turn; ``_admitted`` gets its answer,
        ``facts`` and ``more``."""
        self._place(facts.address, facts, lambda: self._have_judged(facts, *more))

    def _place(self, address: str, facts: ConnectionFacts | None, proceed: Callable[[], object]) -> None:
        """``proceed`` once the connection may: the client's address is known now."""
        connection = self._connection
        answer = connection.place.requested(address, facts)
        if answer is PlaceAnswer.REFUSED:
            self._over = True
            self._no_place()
        elif answer is PlaceAnswer.DELAYED:
            self._delayed = True
            connection.place.proceed = lambda: self._over or proceed()
            connection.timers.cancel(connection)
        else:
            proceed()

    def _have_judged(self, facts: ConnectionFacts, *more: Any) -> None:
        connection = self._connection
        waiting = self._waiting = connection.host.admit(facts)
        waiting.addCallbacks(self._welcomed, self._refused, (facts, *more), {}, (facts,))
        if not self._over:
            # The client has done its part; how long identity takes is not its fault.
            connection.timers.cancel(connection)

    def _welcomed(self, admission: Admission, facts: ConnectionFacts, *more: Any) -> None:
        if self._over:
            return
        self._over = True
        if admission.subprotocol is not None and admission.subprotocol not in facts.subprotocols:
            _log.error("{subprotocol} was chosen but never offered", subprotocol=admission.subprotocol)
            self._refuse(503, "internal error", "internal", facts)
            return
        buffer, self._buffer = self._buffer, b""
        self._admitted(admission, facts, buffer, *more)

    def _refused(self, failure: Failure, facts: ConnectionFacts) -> None:
        if self._over:
            if not failure.check(CancelledError, Refused, ProtocolViolation):
                _log.failure("admission failed after the client had left", failure=failure)
            return
        self._refuse(*verdict(failure), facts)

    def _admitted(self, admission: Admission, facts: ConnectionFacts, early: bytes, *more: Any) -> None:
        raise NotImplementedError

    def _refuse(self, status: int, reason: str, kind: str, facts: ConnectionFacts | None) -> None:
        """Say no; ``status`` is HTTP's, whatever the transport makes of it."""
        raise NotImplementedError

    def _no_place(self) -> None:
        """There is no place for the connection, as the log knows."""
        raise NotImplementedError

    def _note(self, kind: str, reason: str, facts: ConnectionFacts | None = None) -> None:
        self._connection.journal.note(
            "handshake.refused",
            kind,
            listener=self._connection.settings.name,
            address=facts.address if facts else self._connection.peer,
            origin=facts.origin if facts else None,
            reason=reason,
        )
