"""Other people's WAMP clients as processes of their own, all driven by the same commands."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.product import spread
from tests.support.forks import forked

TREE = Path(__file__).resolve().parents[2]
JS = TREE / "tests" / "js"
SECONDS = 15.0
"""How long an answer may take; two cores may be busy."""


CONFIRMED = ("subscribe", "unsubscribe", "register", "unregister")
"""What other nodes learn of a moment after it was confirmed."""

DRIVERS = {"autobahn-python": "autobahn_driver.py", "xconn": "xconn_driver.py"}


class Refused(Exception):
    """The client was told no: ``uri`` and a message."""

    def __init__(self, uri: str, message: str) -> None:
        super().__init__(f"{uri}: {message}")
        self.uri = uri


class Client:
    """One client, connected and joined. ``library`` is autobahn-python or xconn (PyPI), autobahn, wampy,
    kraftfahrstrasse or wamp1 (npm).

    Its procedures give back what they get; with keywords they fail (``fail``: an URI), tell results on the way
    (``steps``: how many), or ``wait`` until the client is asked to ``release``, or they are interrupted.
    """

    def __init__(self, library: str, url: str, **options: Any) -> None:
        options.setdefault("realm", "oro")
        self._process: Any
        if library in DRIVERS:
            program = TREE / "tests/product" / DRIVERS[library]
            self._process = forked(program, url, json.dumps(options), environ=os.environ)
        else:
            self._process = subprocess.Popen(
                [_node(), str(JS / "driver.mjs"), library, url, json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"},
            )
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._ready: queue.Queue[dict[str, Any]] = queue.Queue()
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._signs: queue.Queue[dict[str, Any]] = queue.Queue()
        self._progress: dict[int, list[Any]] = {}
        self._ids = itertools.count(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        first = self._next(self._ready, "to connect")
        if "ready" not in first:
            self.end()
            raise Refused(str(first.get("error") or first.get("left") or "the connection ended"), str(first))
        self.session, self.details = first["ready"], first

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ask(self, do: str, uri: str | None = None, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send one command and wait for its answer; raises Refused."""
        answer = self.wait(self.send(do, uri, args, kwargs, **options))
        if do in CONFIRMED:
            spread.settle()
        return answer

    def send(self, do: str, uri: str | None = None, args: Any = None, kwargs: Any = None, **options: Any) -> int:
        """Send one command and do not wait; gives what ``wait`` wants."""
        ident = next(self._ids)
        self._answers[ident] = queue.Queue()
        command = {"id": ident, "do": do, "uri": uri, "args": args, "kwargs": kwargs, "options": options or None}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({k: v for k, v in command.items() if v is not None}) + "\n")
        self._process.stdin.flush()
        return ident

    def wait(self, ident: int) -> Any:
        answer = self._next(self._answers[ident], "to answer")
        if "error" in answer:
            raise Refused(answer["error"], answer.get("message", ""))
        return answer["ok"]

    def steps(self, ident: int) -> list[Any]:
        """The arguments of the results on the way that a call has had, once it is answered."""
        return self._progress.get(ident, [])

    def sign(self) -> tuple[str, str]:
        """What happened next to a procedure that waits: "invoked" or "interrupted", and its URI."""
        sign = self._next(self._signs, "to be called")
        return sign["sign"], sign["uri"]

    def event(self) -> tuple[str, Any, Any]:
        """The next event: topic, args, kwargs."""
        event = self._next(self.events, "to hear an event")
        return event["event"], event.get("args") or [], event.get("kwargs") or {}

    def heard(self) -> list[Any]:
        """The arguments of all events that have come, in order."""
        found = []
        while not self.events.empty():
            found += self.event()[1]
        return found

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether no event comes within ``seconds``."""
        try:
            self.events.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it was still to be told
                    pipe.close()

    def _next(self, source: queue.Queue[dict[str, Any]], what: str) -> dict[str, Any]:
        try:
            return source.get(timeout=SECONDS)
        except queue.Empty:
            self._process.kill()
            said = self._process.stderr.read() if self._process.stderr else ""
            raise AssertionError(f"{self._process.args[:3]} took too long {what}; it said:\n{said}") from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break  # it was killed while it spoke
            said = json.loads(line)
            if "event" in said:
                self.events.put(said)
            elif "progress" in said:
                self._progress.setdefault(said["progress"], []).append(said.get("args"))
            elif "sign" in said:
                self._signs.put(said)
            elif "id" in said:
                self._answers[said["id"]].put(said)
            else:
                self._ready.put(said)
        self._ready.put({})


def _node() -> str:
    """The Node that came with the clients, else the machine's."""
    own = JS / "node_modules" / ".bin" / "node"
    return str(own) if own.exists() else "node"
