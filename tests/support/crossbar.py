"""Nodes of Crossbar.io: the real router, from an environment of its own (made by tests/setup.sh), on free ports.

A node takes some three seconds to start and 150 MB. Tests of one class therefore share one (``shared``), and there is
never more than one of those.

    node = shared("rooms", lambda: Node(one_worker(realms=[...], transports=[websocket(port, auth=...)])))
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.support.processes import Child

TREE = Path(__file__).resolve().parents[2]
PROGRAM = TREE / ".cache" / "crossbar" / "bin" / "crossbar"

SECONDS = 60.0
"""How long a start may take; two cores may be busy."""

GAVE_UP = "Could not start node"

EVERYTHING = {"call": True, "register": True, "publish": True, "subscribe": True}


class Node:
    """A node of ``configuration`` (config.json, or config.yaml from its text). ``start`` and ``kill`` as often as one
    likes, ``end`` for good.

    ``directory`` is its CBDIR; ``files`` are texts in it, by their names. ``ports`` are those that must accept
    before it counts as started; left out, all TCP ports of the configuration's transports. ``environ`` is added to the
    environment of the tests.
    """

    def __init__(
        self,
        configuration: Mapping[str, Any] | str,
        *,
        files: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        ports: Sequence[int] | None = None,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="orosync-crossbar-"))
        written, name = configuration, "config.yaml"
        if not isinstance(written, str):
            written, name = json.dumps(configuration), "config.json"
        self.ports = _ports(configuration) if ports is None else list(ports)
        self._environ = {**os.environ, **(environ or {})}
        self._child: Child | None = None
        self.write({**(files or {}), name: written})

    def write(self, files: Mapping[str, str]) -> None:
        """Texts in its directory, by their names; the configuration is read again at a start."""
        for name, text in files.items():
            (self.directory / name).write_text(text)

    def start(self) -> Node:
        """Serve, and return when it does; AssertionError with its log when it never does."""
        if not PROGRAM.exists():
            raise AssertionError(f"{PROGRAM} is not there: run tests/setup.sh")
        command = [str(PROGRAM), "start", "--cbdir", str(self.directory), "--loglevel", "info", "--color", "false"]
        # It ends those that it has started within some seconds when it is told to: they are not waited for.
        self._child = Child(command, cwd=self.directory, environ=self._environ, family=True)
        try:
            line = self._child.wait_for_line(("NODE_BOOT_COMPLETE", GAVE_UP), SECONDS)
            if GAVE_UP in line:  # and takes its time to end
                raise AssertionError(f"the node does not start; it said:\n{self.log}")
            for port in self.ports:
                self._child.wait_for_port(port, SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def log(self) -> str:
        """What the node and its workers have said since the last start."""
        return "" if self._child is None else self._child.output

    def wait_for_line(self, text: str, seconds: float = SECONDS) -> str:
        """The first line of its log that holds ``text``; AssertionError with all of it when none comes."""
        assert self._child is not None
        return self._child.wait_for_line(text, seconds)

    def kill(self) -> None:
        """Gone from one moment to the next, with its workers."""
        if self._child is not None:
            self._child.kill()

    def end(self) -> None:
        """Gone, with its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Node:
        return self.start()

    def __exit__(self, *raised: object) -> None:
        self.end()


class Shareable(Protocol):
    """A node, or something with one in it."""

    def start(self) -> Any: ...

    def end(self) -> None: ...


S = TypeVar("S", bound=Shareable)
_shared: dict[str, Any] = {}


def shared(name: str, make: Callable[[], S]) -> S:
    """What tests share by ``name``, made and started when there is none; any other one ends."""
    if name not in _shared:
        end_shared()
        _shared[name] = made = make()
        try:
            made.start()
        except BaseException:
            end_shared()
            raise
    found: S = _shared[name]
    return found


@atexit.register
def end_shared() -> None:
    """Whatever is shared ends."""
    for node in _shared.values():
        node.end()
    _shared.clear()


def one_worker(
    *,
    realms: Sequence[Mapping[str, Any]],
    transports: Sequence[Mapping[str, Any]],
    components: Sequence[Mapping[str, Any]] = (),
    **worker: Any,
) -> dict[str, Any]:
    """The configuration of a node with one router worker; ``worker`` are further keys of it."""
    return {
        "version": 2,
        "workers": [
            {
                "type": "router",
                "realms": list(realms),
                "components": list(components),
                "transports": list(transports),
                **worker,
            }
        ],
    }


def realm(name: str, *roles: Mapping[str, Any]) -> dict[str, Any]:
    """A realm with its roles."""
    return {"name": name, "roles": list(roles)}


def role(name: str, *permissions: Mapping[str, Any]) -> dict[str, Any]:
    """A role that may do what ``permissions`` say; without any, everything."""
    return {"name": name, "permissions": list(permissions) or [{"uri": "", "match": "prefix", "allow": EVERYTHING}]}


def websocket(port: int, **options: Any) -> dict[str, Any]:
    """A WebSocket transport on loopback; ``options`` are further keys of it (``auth`` ...)."""
    return {"type": "websocket", "endpoint": _loopback(port), **options}


def rawsocket(port: int, **options: Any) -> dict[str, Any]:
    """A RawSocket transport on loopback."""
    return {"type": "rawsocket", "endpoint": _loopback(port), **options}


def _loopback(port: int) -> dict[str, Any]:
    return {"type": "tcp", "interface": "127.0.0.1", "port": port}


def _ports(configuration: Mapping[str, Any] | str) -> list[int]:
    assert not isinstance(configuration, str), "say which ports a text means"
    transports = [one for worker in configuration["workers"] for one in worker.get("transports", ())]
    return [one["endpoint"]["port"] for one in transports if "port" in one.get("endpoint", {})]
