"""Which process has a port or a UNIX socket, as Linux tells it (proc(5), unix(7)).

Of another user's process only the user is known: its descriptors can be read by root and that user alone.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import attrs

from orosync.config.endpoints import take_apart

LISTENING = "0A"
TIMEOUT = 1.0
"""Seconds for a connection on this machine."""


@attrs.frozen
class Holder:
    """A process that listens; ``pid`` 0: not known."""

    uid: int
    pid: int = 0

    def __str__(self) -> str:
        user = user_name(self.uid)
        if not self.pid:
            return f"a process of {user}"
        with suppress(OSError):
            name = Path(f"/proc/{self.pid}/comm").read_text().strip()
            return f"{name} (pid {self.pid}, {user})"
        return f"pid {self.pid} ({user})"


def of_port(interface: str, port: int) -> Holder | None:
    """Who listens on a TCP port at ``interface`` (an address, "" for all of IPv4), or at all addresses."""
    for address, number, uid, inode in _listening():
        if number == port and (address == interface or _every(address) or _every(interface)):
            return Holder(uid, _pid_of(inode))
    return None


def of_endpoint(text: str) -> Holder | None:
    """Who listens at a TCP endpoint of the configuration."""
    found = take_apart(text)
    if found.kind != "tcp":
        return None
    return of_port(found.options.get("interface", ""), int(found.options["port"]))


def of_socket(path: str | Path) -> Holder | None:
    """Who listens on a UNIX socket; None for nobody (what is there was left behind). Raises PermissionError where this
    user may not connect, FileNotFoundError where nothing is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(TIMEOUT)
        try:
            asking.connect(os.fspath(path))
        except (ConnectionRefusedError, TimeoutError):
            return None
        pid, uid = credentials(asking)
        return Holder(uid, pid)


def credentials(connected: socket.socket) -> tuple[int, int]:
    """(pid, uid) of the process at the other end of a UNIX socket (SO_PEERCRED, unix(7)). Raises OSError."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, uid


def user_name(uid: int) -> str:
    """The name of a user, "user N" for one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _every(address: str) -> bool:
    return address in ("", "0.0.0.0", "::")


def _listening() -> Iterator[tuple[str, int, int, str]]:
    """(address, port, uid, inode) of all TCP sockets that listen in this network namespace."""
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING:
                    address, _, port = fields[1].partition(":")
                    yield _address(address), int(port, 16), int(fields[7]), fields[9]


def _address(written: str) -> str:
    """The kernel writes 32 bits at a time, each in the order of this machine."""
    raw = bytes.fromhex(written)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(raw) == 16 and raw.startswith(bytes(10) + b"\xff\xff"):
        raw = raw[12:]
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _pid_of(inode: str) -> int:
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    if os.readlink(descriptor) == wanted:
                        return int(process.name)
    return 0
