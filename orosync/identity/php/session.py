"""PHP's sessions: their ids, their formats, and the back-office user of Oro who is logged in to one.

``session.serialize_handler`` names the format (PHP's ext/session/session.c):

    php             key|value key|value ...       the default; no separator after a value, no "|" in a key
    php_binary      <length byte>key value ...    keys of up to 127 bytes
    php_serialize   value                         one array, as serialize() writes it

References count through a whole session: a value may be the same object as one under an earlier key.

A session of Symfony holds ``_sf2_attributes``, there under ``_security_<context>`` a string, in which the token of a
login is serialized once more. Only the token of the configured context counts: ``_security.last_error`` may carry a
user who never logged in, other contexts are other firewalls (the storefront's, for one).

In the token (Symfony's AbstractToken, Oro's token traits; 4.2 to 7.x) the *state* counts, wherever it stands:

    [user, authenticated, null or old roles, attributes, names of roles (missing from Symfony 7.3 on)]

It is looked for in the token's own arrays only, not in other objects: so a "switch user" token speaks for the user it
became, never for the original one, and a token that still waits for a second factor has no user. The attributes of a
token may hold anything and are not looked at. Two states with different users make the session unreadable. Classes
must be known by name: tokens ``TOKEN_CLASSES``, users ``USER_CLASSES`` and Doctrine's proxies of them; tokens of other
classes are refused until the configuration names them, each with a reason code of its own (``SessionReading.code``).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import attrs

from orosync.errors import Refused
from orosync.identity.php.serialized import (
    DEFAULT_LIMITS,
    ParseLimits,
    PhpArray,
    PhpCustom,
    PhpObject,
    PhpValue,
    SessionUnreadable,
    ValueReader,
    shown,
    unserialize,
)
from orosync.model import AdminSession

HANDLERS: Final = ("php", "php_binary", "php_serialize")

LARGEST = DEFAULT_LIMITS.size
"""Bytes of a session that are read. A store need not fetch more than one byte beyond."""

QUICK = 16 * 1024
"""Bytes that are parsed in a few milliseconds; longer sessions are better parsed in a thread."""

TOKEN_CLASSES: Final = frozenset(
    {
        r"Oro\Bundle\SecurityBundle\Authentication\Token\UsernamePasswordOrganizationToken",
        r"Oro\Bundle\SecurityBundle\Authentication\Token\OrganizationRememberMeToken",
        r"Oro\Bundle\UserBundle\Security\ImpersonationUsernamePasswordOrganizationToken",
        r"Oro\Bundle\SSOBundle\Security\OAuthToken",
        # Enterprise: subclasses of the above, which write what those write and filter roles by organization.
        r"Oro\Bundle\SecurityProBundle\Tokens\ProUsernamePasswordOrganizationToken",
        r"Oro\Bundle\SecurityProBundle\Tokens\ProOrganizationRememberMeToken",
        r"Oro\Bundle\SecurityProBundle\Tokens\ProOAuthToken",
    }
)
USER_CLASSES: Final = frozenset({r"Oro\Bundle\UserBundle\Entity\User"})

_ORGANIZATION = rb"Oro\Bundle\OrganizationBundle\Entity\Organization"
_ROLE_ENTITY = rb"Oro\Bundle\UserBundle\Entity\Role"
_ROLE_MODEL = rb"Oro\Bundle\SecurityBundle\Model\Role"
_PROXY = b"\\__CG__\\"

MALFORMED: Final = "malformed_session"
NOT_LOGGED_IN: Final = "not_logged_in"

_SWITCHED = rb"Symfony\Component\Security\Core\Authentication\Token\SwitchUserToken"
_SECOND_FACTOR = b"\\TwoFactorToken"

_ID = re.compile(r"[A-Za-z0-9,-]{22,256}")


def checked(session_id: str) -> str:
    """``session_id``, if PHP could have made it (session.sid_bits_per_character, session.sid_length); else
    Refused("malformed_session"). To be called before an id becomes part of a path, a key, a query or a header.

    An id is a credential: the reason never repeats it."""
    if _ID.fullmatch(session_id) is None:
        raise Refused(MALFORMED, "a session id is 22 to 256 letters, digits, commas and dashes, this one is not")
    return session_id


def read_session(data: bytes, handler: str = "php", limits: ParseLimits = DEFAULT_LIMITS) -> PhpArray:
    """The values of a session by their keys; empty for no bytes, as PHP has it.

    SessionUnreadable when the bytes are not what PHP writes; ValueError for a ``handler`` that is none of ``HANDLERS``.
    """
    if handler == "php_serialize":
        whole = unserialize(data, limits) if data else PhpArray()
        if not isinstance(whole, PhpArray):
            raise SessionUnreadable("the session is not an array")
        return whole
    if handler not in HANDLERS:
        raise ValueError(f"{handler!r} is none of {', '.join(HANDLERS)}")
    split = _up_to_bar if handler == "php" else _counted
    reader = ValueReader(data, limits)
    session = PhpArray()
    position = 0
    while position < len(data):
        key, position = split(data, position)
        if key in session:
            raise SessionUnreadable(f"byte {position}: a key occurs twice")
        session[key], position = reader.read(position)
    return session


def _up_to_bar(data: bytes, position: int) -> tuple[bytes, int]:
    bar = data.find(b"|", position)
    if bar < 0:
        raise SessionUnreadable(f"byte {position}: a key without a value")
    return data[position:bar], bar + 1


def _counted(data: bytes, position: int) -> tuple[bytes, int]:
    start = position + 1
    stop = start + data[position]
    if data[position] > 127 or stop >= len(data):
        raise SessionUnreadable(f"byte {position}: a key longer than PHP writes, or without a value")
    return data[start:stop], stop


@attrs.frozen
class SessionReading:
    """What a session says: its back-office user, or None with a reason code and the reason in one line, for an
    administrator.

    Reason codes: not_logged_in, unknown_token, switched_user, second_factor, unknown_user_class, disabled,
    malformed_session. ``last_used`` is when the application last used it (``_sf2_meta``), in seconds since 1970; None
    if it does not say.
    """

    admin: AdminSession | None
    last_used: int | None
    code: str = ""
    reason: str = ""


class BackOfficeTokens:
    """Finds the back-office user of a session."""

    def __init__(
        self,
        context: str = "main",
        *,
        token_classes: Collection[str] = TOKEN_CLASSES,
        user_classes: Collection[str] = USER_CLASSES,
        handler: str = "php",
        limits: ParseLimits = DEFAULT_LIMITS,
    ) -> None:
        r"""``context`` is that of the back office's firewall; ``handler`` PHP's ``session.serialize_handler``.

        Class names are PHP's full ones; a leading backslash is not minded.
        """
        self._key = b"_security_" + context.encode()
        self._token_classes = _encoded(token_classes)
        self._user_classes = _encoded(user_classes)
        self._handler = handler
        self._limits = limits

    def read(self, data: bytes) -> SessionReading:
        """The user of the session ``data``; SessionUnreadable when it cannot be read."""
        session = read_session(data, self._handler, self._limits)
        last_used = _last_used(session.get(b"_sf2_meta"))
        attributes = session.get(b"_sf2_attributes", PhpArray())
        if not isinstance(attributes, PhpArray):
            raise SessionUnreadable("_sf2_attributes is not an array")
        serialized = attributes.get(self._key)
        if serialized is None:
            nobody = Refused(NOT_LOGGED_IN, f"no user is logged in ({self._key.decode()} is missing)")
            return SessionReading(None, last_used, nobody.code, nobody.reason)
        if not isinstance(serialized, bytes):
            raise SessionUnreadable("the token is not a string")
        token = unserialize(serialized, self._limits)
        if not isinstance(token, PhpObject | PhpCustom):
            raise SessionUnreadable("the token is not an object")
        trusted = token.class_name in self._token_classes
        found = self._user(_TokenParts.of(token)) if trusted else _untrusted(token.class_name)
        if isinstance(found, Refused):
            return SessionReading(None, last_used, found.code, found.reason)
        return SessionReading(found, last_used)

    def _user(self, parts: _TokenParts) -> AdminSession | Refused:
        """The token's user, or why there is none."""
        users = [state[0] for state in parts.states]
        if not users:
            return Refused(NOT_LOGGED_IN, "the token holds no user")
        for user in users:
            name = _real_class(user)
            if name not in self._user_classes:
                reason = f"users of class {shown(name)} are not of the back office; if they are, add the class to users"
                return Refused("unknown_user_class", reason)
        password, _salt, username, enabled, _confirmation, user_id = first = _user_fields(users[0])
        if any(_user_fields(user) != first for user in users[1:]):
            raise SessionUnreadable("the token holds several users")
        if not all(state[1] is True for state in parts.states):
            return Refused(NOT_LOGGED_IN, "the token is not authenticated")
        if enabled is not True:
            return Refused("disabled", "the user was disabled at the login")
        if password is None:  # Oro's users of OAuth and LDAP may have none
            password = b""
        if not (isinstance(password, bytes) and isinstance(username, bytes) and username):
            return Refused(MALFORMED, "the user has no name, or no text for a password")
        if type(user_id) is not int or user_id <= 0:
            return Refused(MALFORMED, "the user was never stored")
        return AdminSession(
            _text(username),
            user_id,
            _text(password),
            parts.organization_id(),
            frozenset(map(_text, parts.role_names())),
        )


def _untrusted(name: bytes) -> Refused:
    """Why tokens of a class that is not configured are refused."""
    if name.endswith(_SECOND_FACTOR):
        return Refused("second_factor", f"the login waits for its second factor (token {shown(name)})")
    what = f"tokens of class {shown(name)} are not accepted"
    if name == _SWITCHED:
        return Refused("switched_user", f"{what}: the user acts as another one (switch_user)")
    return Refused("unknown_token", f"{what}; if each of them is a complete login, add the class to tokens")


@attrs.define
class _TokenParts:
    """What a token's own arrays hold: states, and objects beside them."""

    states: list[PhpArray] = attrs.Factory(list)
    others: list[PhpObject | PhpCustom] = attrs.Factory(list)

    @classmethod
    def of(cls, token: PhpObject | PhpCustom) -> _TokenParts:
        parts = cls()
        content = _content(token)
        waiting = [] if content is None else [content]
        seen = set()
        while waiting:
            array = waiting.pop()
            if id(array) in seen:
                continue
            seen.add(id(array))
            if _is_state(array):
                parts.states.append(array)
                continue
            for value in array.values():
                if isinstance(value, PhpArray):
                    waiting.append(value)
                elif isinstance(value, PhpObject | PhpCustom):
                    parts.others.append(value)
        return parts

    def organization_id(self) -> int | None:
        """That of the organisation the user has chosen; SessionUnreadable when there are several."""
        found = set()
        for value in self.others:
            content = _content(value) if _real_class(value) == _ORGANIZATION else None
            number = content.get(2) if content is not None else None
            if type(number) is int:
                found.add(number)
        if len(found) > 1:
            raise SessionUnreadable("the token holds several organizations")
        return found.pop() if found else None

    def role_names(self) -> list[bytes]:
        """The names in the state; where Symfony leaves them out, those of the roles that Oro keeps beside it."""
        listed = self.states[0].get(4)
        names: list[PhpValue] = list(listed.values()) if isinstance(listed, PhpArray) else []
        if listed is None:
            for value in self.others:
                content, name = _content(value), _real_class(value)
                if content is not None and name == _ROLE_ENTITY:
                    names.append(content.get(1))
                elif content is not None and name == _ROLE_MODEL:
                    names.append(content.get(b"\0" + _ROLE_MODEL + b"\0role"))
        return [name for name in names if isinstance(name, bytes)]


def _is_state(array: PhpArray) -> bool:
    """Whether it is what AbstractToken::__serialize returns, with a user that is an object."""
    return (
        4 <= len(array) <= 5
        and list(array) == list(range(len(array)))
        and isinstance(array[0], PhpObject | PhpCustom)
        and isinstance(array[1], bool)
        and isinstance(array[2], PhpArray | None)
        and isinstance(array[3], PhpArray)
        and isinstance(array.get(4), PhpArray | None)
    )


def _content(value: PhpValue) -> PhpArray | None:
    """What an object wrote, in PHP's format or, before Oro 5.0, through its own."""
    if isinstance(value, PhpObject):
        return value.properties
    return value.value if isinstance(value, PhpCustom) and isinstance(value.value, PhpArray) else None


def _real_class(value: PhpValue) -> bytes:
    """The class of an object; for one of Doctrine's proxies the class behind it."""
    assert isinstance(value, PhpObject | PhpCustom)
    return value.class_name.rpartition(_PROXY)[2]


def _user_fields(user: PhpValue) -> list[PhpValue]:
    """password, salt, username, enabled, confirmation token, id (AbstractUser::__serialize; serialize() in 4.2)."""
    content = _content(user)
    if content is None or not all(number in content for number in range(6)):
        raise SessionUnreadable("the user is not written as Oro writes users")
    return [content[number] for number in range(6)]


def _last_used(meta: PhpValue) -> int | None:
    used = meta.get(b"u") if isinstance(meta, PhpArray) else None
    return used if type(used) is int else None


def _encoded(names: Collection[str]) -> frozenset[bytes]:
    return frozenset(name.removeprefix("\\").encode() for name in names)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise SessionUnreadable("a name or password of the token is not UTF-8") from None


@attrs.frozen
class SessionReader:
    """Reads sessions of the store ``title`` (its section); may be used in any thread."""

    title: str
    tokens: BackOfficeTokens = attrs.field(factory=BackOfficeTokens)

    def read(self, data: bytes) -> SessionReading:
        """The user of the session ``data``; Refused("malformed_session") when it cannot be read."""
        try:
            return self.tokens.read(data)
        except SessionUnreadable as error:
            raise self.unreadable(str(error)) from None

    def admin_of(self, reading: SessionReading) -> AdminSession:
        """The user of a reading; Refused with its reason code when it has none."""
        if reading.admin is None:
            raise Refused(reading.code, f"[{self.title}] {reading.reason}")
        return reading.admin

    def admin(self, data: bytes) -> AdminSession:
        """The user of the session ``data``; Refused as ``read`` and ``admin_of``."""
        return self.admin_of(self.read(data))

    def unreadable(self, why: str) -> Refused:
        """The refusal of one session."""
        return Refused(MALFORMED, f"[{self.title}] the session cannot be read: {why}")
