"""Endpoint strings: those of Twisted's that a listener may use, and who can reach it.

The string is kept as it is, for ``twisted.internet.endpoints.serverFromString``; it is parsed here so that a mistake is
reported with all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address

import attrs

from orosync.config.readers import Source, did_you_mean

_ALLOWED = {
    "tcp": (("port", "interface", "backlog"), "tcp:8080:interface=127.0.0.1"),
    "unix": (("address", "mode", "backlog", "lockfile"), "unix:/run/orosync/ws.sock:mode=660"),
    "systemd": (("domain", "index", "name"), "systemd:domain=INET:name=ws"),
}
"""What follows the kind, in the order in which it may stand without a name, and an example."""

BACKLOG = 4096
"""Connections that may wait to be accepted; the system may allow fewer (net.core.somaxconn). When all clients reconnect
at once, those that find the queue full wait a second or more before they retry; Oro's PHP does not retry."""


class Reach(Enum):
    """Who can connect."""

    LOOPBACK = "loopback"
    LOCAL_FILE = "a UNIX socket"
    OTHER_MACHINES = "other machines"


@attrs.frozen
class Endpoint:
    """An endpoint string taken apart: every part under its name, and in ``surplus`` what there is no name for."""

    kind: str
    options: dict[str, str]
    surplus: tuple[str, ...] = ()

    @property
    def reach(self) -> Reach:
        """Of a socket that systemd opened only its unit tells: it counts as open to other machines."""
        if self.kind == "unix":
            return Reach.LOCAL_FILE
        interface = self.options.get("interface")
        if self.kind == "tcp" and interface and ip_address(interface).is_loopback:
            return Reach.LOOPBACK
        return Reach.OTHER_MACHINES


def take_apart(text: str) -> Endpoint:
    """Split at colons and the first ``=`` of each part; a backslash takes the next character literally (Twisted's
    own rule). Raises ValueError when nothing follows the last backslash."""
    parts: list[list[str]] = [[""]]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError("it ends with a backslash, remove that")
            parts[-1][-1] += escaped
        elif character == ":":
            parts.append([""])
        elif character == "=" and len(parts[-1]) == 1:
            parts[-1].append("")
        else:
            parts[-1][-1] += character
    kind = parts[0][0]
    names = iter(_ALLOWED[kind][0] if kind in _ALLOWED else ())
    options, surplus = {}, []
    for part in parts[1:]:
        name = part[0] if len(part) == 2 else next(names, "")
        if not name or name in options:
            surplus.append(part[-1])
        else:
            options[name] = part[-1]
    return Endpoint(kind, options, tuple(surplus))


def endpoint(text: str, source: Source) -> str:
    """A reader: the string as it is, if it can be used."""
    found = take_apart(text)
    if found.kind in ("ssl", "tls"):
        raise ValueError(
            f"{found.kind}: would serve an old certificate after its renewal, write tcp: and let the keys certificate "
            "and key wrap it"
        )
    if found.kind == "tcp6":
        raise ValueError(
            r"write an address of IPv6 like tcp:8080:interface=\:\:1 (each of its colons is \:); interface=\:\: is all "
            "addresses of IPv6 and IPv4"
        )
    if found.kind not in _ALLOWED:
        raise ValueError(
            f"{found.kind!r} is no kind of endpoint, write tcp:, unix: or systemd:{did_you_mean(found.kind, _ALLOWED)}"
        )
    known, example = _ALLOWED[found.kind]
    for option in found.options:
        if option not in known:
            raise ValueError(f"{found.kind}: has no {option}=, write it like {example}{did_you_mean(option, known)}")
    faults = {"tcp": _tcp_fault, "unix": _unix_fault, "systemd": _systemd_fault}
    fault = faults[found.kind](found.options)
    if found.surplus:
        fault = "it has a part too many (a colon within a part stands as \\:)"
    if fault:
        raise ValueError(f"{fault}, write it like {example}")
    return text


def with_backlog(text: str) -> str:
    """A valid endpoint string that says how many connections may wait to be accepted: BACKLOG unless it says so
    itself (Twisted's own default is 50). A socket of systemd's is as long as its unit says."""
    found = take_apart(text)
    if "backlog" in found.options or "backlog" not in _ALLOWED[found.kind][0]:
        return text
    return f"{text}:backlog={BACKLOG}"


def _tcp_fault(options: Mapping[str, str]) -> str:
    port, interface, backlog = options.get("port", ""), options.get("interface", ""), options.get("backlog", "50")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        return f"{port!r} is not a port"
    if interface:
        try:
            ip_address(interface)
        except ValueError:
            return f"{interface!r} is not the address of an interface (the colons of IPv6 stand as \\:)"
    return "" if re.fullmatch(r"[0-9]{1,6}", backlog) else f"{backlog!r} is not a backlog"


def _unix_fault(options: Mapping[str, str]) -> str:
    if not options.get("address", "").startswith("/"):
        return "the path of the socket is missing or not absolute"
    mode = options.get("mode", "666")
    return "" if re.fullmatch(r"[0-7]{3,4}", mode) else f"{mode!r} is not a mode in octal digits"


def _systemd_fault(options: Mapping[str, str]) -> str:
    if options.get("domain") not in ("INET", "INET6", "UNIX"):
        return "domain is none of INET, INET6 and UNIX"
    if ("name" in options) == ("index" in options):
        return "it needs either name= or index="
    index = options.get("index", "0")
    return "" if re.fullmatch(r"[0-9]{1,4}", index) else f"{index!r} is not an index"
