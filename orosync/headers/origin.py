"""Which web pages may connect: the Origin header against a list. Pure; knows neither requests nor answers.

A browser always sends Origin and scripts cannot forge it, which is what protects a session cookie from a foreign
page. Other clients may send what they like, so the rule says nothing about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ORIGIN = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.\-]*)://)?(?P<host>[0-9A-Za-z._\-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class OriginRule:
    """The listener's rule.

    An entry that is a bare host (``shop.example``) allows that host with any scheme and port, and without a
    scheme, as Oro's server does; a full origin (``https://shop.example:8443``) is compared exactly, a scheme's
    default port apart. Hosts are compared as browsers send them: an upper-case Origin is refused. ``null``, an
    empty Origin, and anything with a path or user information are always refused. A missing Origin is
    allowed only where ``required`` is False. Raises ValueError for an entry that is neither.
    """

    def __init__(self, entries: Iterable[str], required: bool = True) -> None:
        hosts, origins = set(), set()
        for entry in entries:
            found = _ORIGIN.fullmatch(entry.lower())
            if found is None or found["host"] == "null" or (found["port"] and not found["scheme"]):
                raise ValueError(f"{entry!r} is neither a host nor a full origin such as https://shop.example")
            if found["scheme"]:
                origins.add(_exact(found))
            else:
                hosts.add(found["host"])
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._required = required

    def allows(self, origin: str | None) -> bool:
        """Whether a request with this Origin header (None: it had none) may go on."""
        if origin is None:
            return not self._required
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            return False
        if found["host"] in self._hosts:
            return True
        return found["scheme"] is not None and _exact(found) in self._origins


def _exact(found: re.Match[str]) -> str:
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if not port or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"
