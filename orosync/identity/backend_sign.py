"""What the back end looks like before anything has been verified: for places that are kept for it (BackEndSign).

Whoever comes from where the back end may, and writes a ticket as it does, gets such a place and no more: the ticket is
judged as any other (``ticket_judge``). It must not know what a place is.
"""

from __future__ import annotations

from orosync.errors import Refused
from orosync.identity.publisher_right import PublisherRight
from orosync.identity.query import last_value
from orosync.identity.tickets import parse
from orosync.model import ConnectionFacts


class ListenerBackEnd:
    """The back end's connections to ``listener``; ``alone``: it is there for the back end alone."""

    def __init__(self, right: PublisherRight, listener: str, alone: bool) -> None:
        self._right = right
        self._listener = listener
        self._alone = alone

    def may_come_from(self, peer: str) -> bool:
        """See BackEndSign."""
        return self._right.may_come_from(self._listener, peer)

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        """See BackEndSign: it may publish, and brings a ticket without a user, or comes to its own listener."""
        if self._right.objection(facts) is not None:
            return False
        return self._alone or _has_back_end_ticket(facts.query)


def _has_back_end_ticket(query: str) -> bool:
    try:
        value = last_value(query, "ticket")
        return value is not None and parse(value.decode("ascii").replace(" ", "+")).is_back_end
    except (ValueError, Refused):
        return False
