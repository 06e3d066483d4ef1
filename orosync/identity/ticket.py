"""Oro's sync tickets: reading one from a query string, its age, its single use, and making one.

    base64( digest ";" username ";" nonce ";" created )

``digest`` signs ``nonce|created|password`` with the application's secret as salt; ``password`` is the user's
stored password hash, or the secret itself for the back end, whose username is empty (Oro's
SyncBundle/Authentication/Ticket/TicketProvider.php). Oro's own server reads tickets loosely (any alphabet, any number
of fields, any date that strtotime takes); here a ticket has one spelling, the one that PHP writes. Nothing here hashes
passwords: that follows when a ticket has passed these checks (``ticket_verifier``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

import attrs
from twisted.internet.defer import Deferred

from orosync.errors import Refused, Unavailable, backplane_down
from orosync.identity.digests import message_digest

MOST_VARIABLES = 1000
"""Variables of a query that PHP reads (max_input_vars)."""

LONGEST_TICKET = 512
LONGEST_NONCE = 64
BACK_END_NAMES = frozenset({"", "0"})
"""Both are false in PHP: Oro takes such a ticket for the back end's."""

# 64 bytes in base64: 86 characters, of which the last carries two bits.
_DIGEST = re.compile(rb"[A-Za-z0-9+/]{85}[AQgw]==")
# PHP's date('c'), which always has an offset of hours and minutes.
_CREATED = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

REMEMBERED = 50_000
"""Used tickets that are remembered."""

ASKED_FOR = 60.0
"""Seconds for which the other nodes remember a ticket beyond its life: their clocks may differ."""

Once = Callable[[str, float, str], Deferred[bool]]
"""Asks all nodes of the router, see IBackplane.once: a key, seconds, and who may come again ("" for none)."""


@attrs.frozen
class Ticket:
    """A well-formed ticket, whose digest has not been verified yet.

    ``created_at`` is ``created`` in seconds since 1970. ``key`` is a hash of all four fields, for outcomes that depend
    on the name. ``signed`` is a hash of digest, nonce and date: the name is not signed, so this identifies the ticket
    whatever name is written into it.
    """

    digest: str = attrs.field(repr=False)
    username: str
    nonce: bytes = attrs.field(repr=False)
    created: bytes = attrs.field(repr=False)
    created_at: int
    key: bytes = attrs.field(repr=False)
    signed: bytes = attrs.field(repr=False)

    @property
    def is_back_end(self) -> bool:
        """Whether it is the ticket of the application itself, not of a user."""
        return self.username in BACK_END_NAMES

    def plain(self, password: bytes) -> bytes:
        """What its digest signs, if ``password`` is right."""
        return b"|".join((self.nonce, self.created, password))


def parse(text: str, limit: int = LONGEST_TICKET) -> Ticket:
    """Read a ticket. Refused("malformed", which rule it broke) for everything that PHP would not have written."""
    if len(text) > limit:
        raise _malformed(f"it is longer than {limit} bytes")
    try:
        encoded = text.encode("ascii")
        raw = base64.b64decode(encoded, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _malformed("it is not base64") from None
    if base64.b64encode(raw) != encoded:
        raise _malformed("it is not base64 as PHP writes it")
    fields = raw.split(b";")
    if len(fields) != 4:
        raise _malformed(f"it has {len(fields)} fields, not 4")
    digest, name, nonce, created = fields
    if len(nonce) > LONGEST_NONCE:
        raise _malformed(f"its nonce is longer than {LONGEST_NONCE} bytes")
    created_at = _seconds(created)
    if not _DIGEST.fullmatch(digest):
        raise _malformed("its digest is not a SHA-512 in base64")
    try:
        username = name.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("its user name is not UTF-8") from None
    if "\0" in username:
        raise _malformed("its user name holds a NUL")
    signed = hashlib.sha256(b";".join((digest, nonce, created))).digest()
    return Ticket(digest.decode("ascii"), username, nonce, created, created_at, hashlib.sha256(raw).digest(), signed)


def check_age(ticket: Ticket, now: float, ttl: float, future: float) -> None:
    """Refused("expired" or "future") unless ``now`` is within [created - future, created + ttl], in whole seconds."""
    age = int(now) - ticket.created_at
    if age > ttl:
        raise Refused("expired", f"ticket of {ticket.username!r}: expired {age - ttl:g} s ago")
    if age < -future:
        raise Refused("future", f"ticket of {ticket.username!r}: made {-age} s in the future; compare the clocks")


def date_c(seconds: int) -> str:
    """``seconds`` since 1970 as PHP's date('c') writes them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def make_ticket(username: str, password_hash: str | None, secret: str, nonce: str, created: str) -> str:
    """The ticket that Oro would make; ``created`` as ``date_c`` gives it.

    An empty ``username`` makes a back-end ticket: then the secret stands in for ``password_hash``.
    ValueError for a user name with ";" (it could never be read back) and as ``digests.merged``.
    """
    if ";" in username:
        raise ValueError('a user name with ";" cannot be in a ticket')
    password = secret if username in BACK_END_NAMES or password_hash is None else password_hash
    digest = message_digest(f"{nonce}|{created}|{password}".encode(), secret.encode())
    return base64.b64encode(f"{digest};{username};{nonce};{created}".encode()).decode("ascii")


def _seconds(created: bytes) -> int:
    if not _CREATED.fullmatch(created):
        raise _malformed("its date is not one of PHP's date('c')")
    try:
        moment = datetime.fromisoformat(created.decode("ascii"))
    except ValueError:
        raise _malformed("its date does not exist") from None
    return int((moment - _EPOCH).total_seconds())


def _malformed(why: str) -> Refused:
    return Refused("malformed", f"ticket: {why}")


def last_value(query: str, name: str) -> bytes | None:
    """The decoded value of ``name`` as PHP's parse_str finds it, for which browsers and back end write their queries:
    the last of several wins, "+" and "%20" are blanks. None if it is absent.

    ValueError if PHP would make an array of it (``name[]=``, ``name[key]=``). ``name`` must be plain letters.
    """
    wanted = name.encode("ascii")
    found: bytes | None = None
    is_array = False
    pairs = [pair for pair in query.split("&") if pair]
    for pair in pairs[:MOST_VARIABLES]:
        key, _, value = pair.partition("=")
        # PHP ends a name at a NUL byte and drops blanks before it.
        base, bracket, rest = _decoded(key).partition(b"\0")[0].lstrip(b" ").partition(b"[")
        if base != wanted:
            continue
        if bracket and b"]" not in rest:
            continue  # a bracket that is never closed becomes part of another name
        found, is_array = _decoded(value), bool(bracket)
    if is_array:
        raise ValueError(f"{name} is a list")
    return found


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("utf-8", "replace"))


class ReplayCache:
    """The tickets that have been used, for single use; one for all authenticators of a process, since several may take
    tickets of one secret.

    A user's ticket is good for one connection. The back end's is good for one address group as long as it lives, since
    PHP reconnects with the ticket that it has. Tickets are remembered by what the digest signs: with another spelling
    of the username it is still the same ticket. No clock makes one forgotten: when the time of day is set back an old
    ticket is valid again, but still used. Beyond ``limit`` the oldest is forgotten and good once more until it expires.

    ``once`` asks the memory of all nodes, where there are several. While it cannot be asked, users are refused; the
    back end is not, which may publish to this node's clients then, and for which this node's memory is enough.
    """

    def __init__(self, limit: int = REMEMBERED, once: Once | None = None) -> None:
        self._limit = limit
        self._once = once
        self._users: dict[bytes, tuple[str, bytes]] = {}

    async def take(self, ticket: Ticket, group: str, seconds: float) -> None:
        """As ``use``, on all nodes; ``ticket`` lives for ``seconds`` at most.

        Unavailable("backplane_down") for a user's ticket, which is not used then, when the others cannot be asked."""
        self.use(ticket, group)
        if self._once is None:
            return
        by = f"{group} {ticket.key.hex()}" if ticket.is_back_end else ""
        try:
            free = await self._once(f"ticket {ticket.signed.hex()}", seconds + ASKED_FOR, by)
        except Unavailable as refusal:
            if ticket.is_back_end:
                return
            self._users.pop(ticket.signed, None)
            raise backplane_down(f"other nodes cannot be asked about the ticket: {refusal}") from None
        if not free:
            who = "the back end" if ticket.is_back_end else repr(ticket.username)
            raise Refused("used", f"ticket of {who}: it has been used already, at another node")

    def use(self, ticket: Ticket, group: str) -> None:
        """A valid ``ticket`` from ``group`` (``headers.address_group``) is used.

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
