"""One value out of a query string, exactly as PHP's parse_str finds it.

The browser and the publisher write their query for PHP, so PHP's reading is the standard here. It must not
know what the value means.

Oro's sync ticket as a value: reading one strictly, judging its age, making one.

    base64( digest ";" username ";" nonce ";" created )

``digest`` signs ``nonce|created|password`` with the application's secret as salt; ``password`` is the user's
stored password hash, or the secret itself for the back end, whose username is empty (Oro's
SyncBundle/Authentication/Ticket/TicketProvider.php). Stock reads tickets loosely (any alphabet, any number of
fields, any date that strtotime takes); here a ticket has one spelling, the one that PHP writes.

Everything here is cheap: no hashing happens before a ticket has passed. It must not know users, clocks or I/O.

Tickets that are good once: which have been used already, and by whom.

A user's ticket is good for one connection. The back end's is good for one address as long as it lives, since PHP comes
back with the one that it has when its connection breaks; under its other name it is not the one that PHP has. No clock
makes one forgotten: when the time of day is set back, an old ticket is young again, but still used. Bounded: past
50,000 the oldest is forgotten, which then is good once more until it expires. This process alone remembers; it must not
know what makes a ticket good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

import attrs

from orosync.errors import Refused
from orosync.identity.digests import message_digest

MOST_VARIABLES = 1000
"""PHP reads no further (max_input_vars)."""


def last_value(query: str, name: str) -> bytes | None:
    """The decoded value of ``name``: the last of several wins, "+" and "%20" are blanks. None if it is absent.

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


LONGEST_TICKET = 512
LONGEST_NONCE = 64
BACK_END_NAMES = frozenset({"", "0"})
"""Both are false to PHP, hence an anonymous ticket to Oro."""

# 64 bytes in base64: 86 characters, of which the last carries two bits.
_DIGEST = re.compile(rb"[A-Za-z0-9+/]{85}[AQgw]==")
# PHP's date('c'), which always has an offset of hours and minutes.
_CREATED = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class Ticket:
    """A ticket of the right shape. Whether its digest is true is not known yet.

    ``created_at`` is ``created`` in seconds since 1970. ``key`` is a hash of all four fields: the memory of an outcome,
    which depends on the name, goes by it. ``signed`` is a hash of what is signed (digest, nonce and date) and stands
    for the ticket whatever name is written into it.
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
        """Whether it speaks for the application itself instead of a user."""
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
    ValueError for a user name with ";" (it could never be read back) and as ``digest.merged``.
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


REMEMBERED = 50_000


class ReplayCache:
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
