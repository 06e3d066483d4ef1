"""Tickets that are good once: which have been used already, and by whom.

A user's ticket is good for one connection. The back end's is good for one address as long as it lives, since PHP comes
back with the one that it has when its connection breaks; under its other name it is not the one that PHP has. No clock
makes one forgotten: when the time of day is set back, an old ticket is young again, but still used. Bounded: past
50,000 the oldest is forgotten, which then is good once more until it expires. This process alone remembers; it must not
know what makes a ticket good.
"""

from __future__ import annotations

from orosync.errors import Refused
from orosync.identity.tickets import Ticket

REMEMBERED = 50_000


class UsedTickets:
    """By what the digest signs, never by the name, which it does not sign: with another spelling of the e-mail or the
    username it is still the same ticket. One memory serves all authenticators of a process: several may take tickets of
    one secret."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._users: dict[bytes, tuple[str, bytes]] = {}

    def use(self, ticket: Ticket, group: str) -> None:
        """A good ``ticket`` from ``group`` (``forwarding.address_group``) is used.

        Refused("used") if it was used before, the back end's by another group or under its other name.
        """
        user = self._users.get(ticket.signed)
        if user is None:
            if len(self._users) >= self._limit:
                del self._users[next(iter(self._users))]
            self._users[ticket.signed] = group, ticket.key
        elif not ticket.is_back_end:
            raise Refused("used", f"ticket of {ticket.username!r}: it has been used already")
        elif user != (group, ticket.key):
            raise Refused("used", f"ticket of the back end: it has been used already by {user[0]}")
