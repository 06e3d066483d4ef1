"""A Crossbar.io that asks orosync: the configurations of etc/crossbar, with another address for everything in them."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orosync.model import AdminSession
from tests.identity.sessions.logins import written
from tests.product.raw import RawClient
from tests.product.running_router import ticket
from tests.support.crossbar import Node
from tests.support.ports import free_port
from tests.support.processes import Child

TREE = Path(__file__).resolve().parents[2]
SHIPPED = TREE / "etc" / "crossbar"
WAYS = ("websocket", "rawsocket", "class", "function")
OFFICE = "https://oro.example.com"
ANNAS, BENS, UNKNOWN = (letter * 26 for letter in "abc")
"""Sessions of the back office."""

NUMBERS = {"subscribe": 32, "publish": 16, "call": 48, "register": 64}


class Denied(Exception):
    """The router said no, with this URI."""


class Visitor(RawClient):
    """A client of WAMP v2 in JSON. ``details`` are WELCOME's, ``events`` what has come by the way."""

    def __init__(
        self,
        port: int,
        realm: str = "realm1",
        *,
        ticket: str | None = None,
        authid: str | None = None,
        cookie: str = "",
        origin: str | None = None,
        headers: tuple[str, ...] = (),
        **hello: Any,
    ) -> None:
        headers += (f"Cookie: BAPID={cookie}",) if cookie else ()
        super().__init__(f"ws://127.0.0.1:{port}/", origin=origin, headers=headers)
        self.events: list[tuple[str, Any]] = []
        self._topics: dict[int, str] = {}
        if self.status != 101:
            raise Denied(f"handshake {self.status}")
        method = "anonymous" if ticket is None else "ticket"
        details: dict[str, Any] = {"authmethods": [method], **({} if authid is None else {"authid": authid})}
        roles: dict[str, Any] = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}
        self.send([1, realm, {"roles": roles, **details, **hello}])
        answer = self.read()
        if answer[0] == 4:
            self.send([5, ticket, {}])
            answer = self.read()
        if answer[0] != 2:
            raise Denied(answer[2])
        self.details: dict[str, Any] = answer[2]

    def subscribe(self, topic: str, **options: Any) -> None:
        answer = self._ask([NUMBERS["subscribe"], 1, options, topic])
        self._topics[answer[2]] = topic

    def publish(self, topic: str, payload: Any) -> None:
        self._ask([NUMBERS["publish"], 1, {"acknowledge": True}, topic, [payload]])

    def call(self, procedure: str, *args: Any) -> Any:
        return self._ask([NUMBERS["call"], 1, {}, procedure, list(args)])[3:]

    def register(self, procedure: str, **options: Any) -> None:
        self._ask([NUMBERS["register"], 1, options, procedure])

    def heard(self) -> list[tuple[str, Any]]:
        """The events so far: whatever the router has sent before it answers one more request."""
        with suppress(Denied):
            self.call("com.example.nothing")
        events, self.events = self.events, []
        return events

    def _ask(self, request: list[Any]) -> list[Any]:
        self.send(request)
        while (answer := self.read())[0] == 36:
            self.events.append((self._topics[answer[1]], answer[4][0]))
        if answer[0] == 8:
            raise Denied(answer[4])
        assert isinstance(answer, list)
        return answer


class CrossbarNode:
    """The whole of one way. ``public`` is the clients' port; ``node`` and ``helpers`` (the two twistd) may be ended and
    started again by whoever does not share it."""

    def __init__(self, way: str, *, any_origin: bool = False) -> None:
        self.way = way
        self.state = Path(tempfile.mkdtemp(prefix="orosync-node-"))
        self.public, self.own = free_port(), free_port()
        self.secret = secrets.token_hex(20)
        self.hashes = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        key = Ed25519PrivateKey.generate()
        files = {"oro_secret": self.secret, "attach_key": key.private_bytes_raw().hex(), **self.hashes}
        for name, value in files.items():
            (self.state / name).write_text(value + "\n")
        self._write_configurations()
        (self.state / "sessions").mkdir()
        anna, ben = (AdminSession(name, n, self.hashes[name], 1) for n, name in enumerate(self.hashes, 1))
        written("files", {ANNAS: anna, BENS: ben}, path=str(self.state / "sessions"), mode="0600")
        self._environ = {
            **os.environ,
            "CREDENTIALS_DIRECTORY": str(self.state),
            "PYTHONPATH": str(TREE),
        }
        self.node = Node(
            self._router(key.public_key().public_bytes_raw().hex(), any_origin),
            environ=self._environ,
            ports=[self.public, self.own] if way in ("websocket", "rawsocket") else [self.public],
        )
        self.helpers: dict[str, Child] = {}

    def _write_configurations(self) -> None:
        scheme = "rs" if self.way == "rawsocket" else "ws"
        database = "use = postgresql\ndsn = file:${CREDENTIALS_DIRECTORY}/db_dsn"
        people = "use = static"
        for number, name in enumerate(self.hashes, 1):
            people += f"\nuser.{name} = {number} file:{self.state}/{name} organizations=1"
        for name in ("authenticator.ini", "authorizer.ini"):
            text = (SHIPPED / name).read_text()
            text = text.replace("ws://127.0.0.1:8081/", f"{scheme}://127.0.0.1:{self.own}")
            text = text.replace("/var/www/oro/var/sessions/prod", str(self.state / "sessions"))
            text = text.replace(database, people)
            (self.state / name).write_text(text)

    def _router(self, public_key: str, any_origin: bool) -> str:
        text = (SHIPPED / f"{self.way}.yaml").read_text().replace("0" * 64, public_key)
        text = text.replace("port: 8080", f"port: {self.public}").replace("port: 8081", f"port: {self.own}")
        text = text.replace("/etc/orosync/", f"{self.state}/")
        return text.replace(f'allowed_origins: ["{OFFICE}:443"]', 'allowed_origins: ["*"]') if any_origin else text

    def start(self) -> CrossbarNode:
        """Everything runs, and whoever is asked has joined."""
        self.node.start()
        if self.way in ("websocket", "rawsocket"):
            for what in ("authenticator", "authorizer"):
                self.helper(what).wait_for_line("attach.joined")
        return self

    def helper(self, what: str) -> Child:
        """``twistd orosync-authenticator`` or ``-authorizer``, started anew."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        config = str(self.state / f"{what}.ini")
        command = [sys.executable, twistd, "--nodaemon", "--pidfile=", f"orosync-{what}", "--config", config]
        self.helpers[what] = Child(command, cwd=self.state, environ=self._environ)
        return self.helpers[what]

    @property
    def log(self) -> str:
        """What all of them have said."""
        return self.node.log + "".join(child.output for child in self.helpers.values())

    def wait_for_line(self, text: str, seconds: float = 10.0) -> str:
        """The first line of any log that holds ``text``."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.log.splitlines():
                if text in line:
                    return line
            if time.monotonic() > deadline:
                raise AssertionError(f"no line with {text!r}; they said:\n{self.log[-5000:]}")
            time.sleep(0.05)

    def end(self) -> None:
        for child in self.helpers.values():
            child.kill()
        self.node.end()
        shutil.rmtree(self.state, ignore_errors=True)

    # -- who comes

    def ticket(self, name: str, **how: Any) -> str:
        """Oro's ticket for a user, or for the back end ("")."""
        return ticket(name, self.hashes.get(name, self.secret), self.secret, **how)

    def user(self, name: str, **how: Any) -> Visitor:
        return Visitor(self.public, ticket=self.ticket(name), authid=name, **how)

    def back_end(self, **how: Any) -> Visitor:
        return Visitor(self.public, ticket=self.ticket(""), authid="backend", **how)

    def page(self, cookie: str, **how: Any) -> Visitor:
        """A page of the back office: nothing but its cookie."""
        how.setdefault("origin", OFFICE)
        if self.way == "function":  # Crossbar.io has no functions for "anonymous"
            how.setdefault("ticket", "")
        return Visitor(self.public, cookie=cookie, **how)
