"""The loopback rule: the demonstration is served only to this machine, over HTTP and WebSocket.

A reverse proxy in front of the demonstration would expose its two users to everyone, and a foreign name that resolves
to 127.0.0.1 to a foreign page (DNS rebinding). Both show in the headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.errors import Refused
from orosync.headers import forwarded
from orosync.interfaces import Admission, ISessionHost
from orosync.model import ConnectionFacts

_HOST = re.compile(r"(?:(?P<name>localhost)|(?P<v4>[0-9.]{7,15})|\[(?P<v6>[0-9a-f:.]{2,45})\])(?::[0-9]{1,5})?", re.I)


def is_loopback_request(headers: Mapping[str, str]) -> bool:
    """Whether ``headers`` (one string for each name; names in any case) are those of a request from this machine."""
    return refusal(headers) is None


def refusal(headers: Mapping[str, str]) -> str | None:
    """Why a request with ``headers`` is not answered, as a sentence for its sender; None if it is."""
    lower = {name.lower(): value for name, value in headers.items()}
    if forwarded(lower):
        return "The demonstration answers no proxy: this request carries a forwarding header."
    host = lower.get("host")
    if host is None or not is_loopback_host(host):
        return "The demonstration answers only on this machine: open it as 127.0.0.1 or localhost."
    return None


def is_loopback_host(host: str) -> bool:
    """Whether ``host``, a Host header's value with or without a port, names this machine by itself, without DNS."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    if found["name"]:
        return True
    try:
        return IPv4Address(found["v4"]).is_loopback if found["v4"] else IPv6Address(found["v6"]) == IPv6Address("::1")
    except ValueError:
        return False


@implementer(ISessionHost)
class LoopbackOnly:
    """Refuses connections through a proxy, or under another name than a loopback one."""

    def __init__(self, host: ISessionHost) -> None:
        self._host = host

    def admit(self, facts: ConnectionFacts) -> Admission | Deferred[Admission]:
        """See ISessionHost."""
        # No Host, no HTTP: a RawSocket comes through no proxy and from no page, and the listener is on loopback.
        if facts.forwarded or (facts.host and not is_loopback_request(facts.headers)):
            raise Refused("demo", "the demonstration serves this machine only, and no proxy")
        return self._host.admit(facts)
