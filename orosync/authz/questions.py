"""What a remote authorizer is asked, in Crossbar.io's words: (session, uri, action, options).

Values only. This file must not know who answers, or what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from orosync.model import Action, Match, Principal
from orosync.transport_details import transport_details

_EXACT = Match.EXACT


def _flag(value: object) -> bool:
    return value is True or value is False


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) and not _flag(one) for one in value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


_TOLD: Mapping[Action, Mapping[str, Callable[[object], bool]]] = {
    Action.SUBSCRIBE: {"get_retained": _flag},
    Action.PUBLISH: {
        "acknowledge": _flag,
        "exclude_me": _flag,
        "exclude": _ids,
        "exclude_authid": _texts,
        "exclude_authrole": _texts,
        "eligible": _ids,
        "eligible_authid": _texts,
        "eligible_authrole": _texts,
        "retain": _flag,
    },
    Action.CALL: {"timeout": _number, "receive_progress": _flag},
    Action.REGISTER: {"invoke": _text, "concurrency": _number, "force_reregister": _flag},
}
"""The options that are told. One of a wrong type is not: the router refuses such a request or ignores the option."""


def session_details(principal: Principal) -> dict[str, Any]:
    """Who asks, and over what kind of connection. ``session`` is None where nobody joined (orosync's own bridges).

    Of a user of Oro, authextra has ``user_id``, ``organizations`` and ``roles``: orosync's own authorizer reads them.
    """
    session, extra = principal.session, dict(principal.extra)
    if principal.user_id is not None:
        extra["user_id"] = principal.user_id
        extra["organizations"], extra["roles"] = sorted(principal.organizations), sorted(principal.roles)
    return {
        "session": None if session is None else session.id,
        "authid": principal.authid,
        "authrole": principal.authrole,
        "authmethod": principal.authmethod,
        "authprovider": principal.authprovider,
        "authextra": extra,
        "transport": transport_details(None if session is None else session.connection),
    }


def told_options(action: Action, match: Match, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the request, without those that are unset; ``match`` and ``invoke`` only where they are other than
    WAMP's default."""
    told: dict[str, Any] = {} if match is _EXACT else {"match": match.value}
    if options:
        for name, suits in _TOLD[action].items():
            value = options.get(name)
            if value is not None and suits(value) and not (name == "invoke" and value == "single"):
                told[name] = value
    return told


def identity(principal: Principal, session: Mapping[str, Any]) -> bytes:
    """32 bytes that stand for everything of who asks that an answer may depend on, except the session's own id."""
    rights = (principal.user_id, sorted(principal.organizations), sorted(principal.roles))
    return _digest(({**session, "session": None}, rights))


def fingerprint(who: bytes, uri: str, action: Action, match: Match, options: Mapping[str, Any]) -> bytes:
    """32 bytes that stand for a question of ``who`` (``identity``): anything else about it gives others."""
    return _digest((who, uri, action.value, match.value, options))


def _digest(thing: object) -> bytes:
    return blake2b(repr(thing).encode("utf-8", "surrogatepass"), digest_size=32).digest()
