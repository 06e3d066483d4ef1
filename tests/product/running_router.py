"""The product as its users run it: ``twistd orosync`` as a child process, on free ports, configured for the test."""

from __future__ import annotations

import atexit
import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trustme

from tests.product import spread
from tests.support.ports import free_port
from tests.support.processes import Child

TREE = Path(__file__).resolve().parents[2]

CONFIGURATION = """
[router]
state = {state}
drain = 1s
{router}

[listen:public]
endpoint = tcp:{public}:interface=127.0.0.1
origins = localhost 127.0.0.1
origin = optional
trusted_proxies = loopback
publisher_from = loopback
realm = oro
authenticators = tickets guests
connections_per_user = 200
{listen}

[listen:secure]
endpoint = tcp:{secure}:interface=127.0.0.1
certificate = {state}/certificate.pem
key = {state}/key.pem
origins = localhost 127.0.0.1
origin = optional
publisher_from = loopback
realm = oro
authenticators = tickets guests

[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
realm = oro

[realm:oro]
authenticators = tickets
authorizers = topics:oro roles
{realm}

[realm:open]
authenticators = guests
authorizers = roles

[role:open/guest]
permissions =
    any all

[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
{tickets}

[authenticator:guests]
use = anonymous
role = guest

[directory:people]
use = static
user.anna = 1 file:{state}/anna organizations=1
user.ben = 2 file:{state}/ben organizations=1

[topics:oro]
use = oro
{topics}

[notifications]
realm = oro
{more}
"""


class RunningRouter:
    """A running router. ``with RunningRouter() as router``: ports are ``public``, ``secure`` (TLS) and ``backend``.

    ``files`` are texts beside the configuration, by their names.
    """

    def __init__(
        self,
        *,
        listen: str = "",
        router: str = "",
        tickets: str = "",
        topics: str = "",
        realm: str = "",
        more: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="router-")
        state = Path(self._directory.name)
        self.public, self.secure, self.backend = free_port(), free_port(), free_port()
        self.secret = secrets.token_hex(20)
        self.users = {"anna": "$2y$13$" + secrets.token_hex(20), "ben": "$2y$13$" + secrets.token_hex(20)}
        for name, value in {"secret": self.secret, **self.users, **(files or {})}.items():
            (state / name).write_text(value + "\n")
        certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
        (state / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        (state / "key.pem").write_bytes(certificate.private_key_pem.bytes())
        self.config = state / "router.ini"
        text = CONFIGURATION.format(
            state=state,
            public=self.public,
            secure=self.secure,
            backend=self.backend,
            listen=listen,
            router=f"{router}\n{spread.WORKERS}" if spread.SPREAD == "workers" else router,
            tickets=tickets,
            topics=topics,
            realm=realm,
            more=more,
        )
        self.config.write_text(text)
        self.start()

    def start(self) -> None:
        """Run it; done by itself at first, to be called after ``child.end()``."""
        self.child: Any = spread.Nodes(self.config, start) if spread.SPREAD == "redis" else start(self.config)
        try:
            for port in (self.public, self.secure, self.backend):
                self.child.wait_for_port(port)
            if spread.SPREAD == "workers":
                spread.wait_for_workers(self.child)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RunningRouter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.child.end()
        self._directory.cleanup()

    @property
    def log(self) -> str:
        return self.child.output

    def url(self, user: str | None = None, *, secure: bool = False, port: int | None = None, ticket: str = "") -> str:
        """A WebSocket address, with a ticket of ``user`` in its query."""
        where = port or (self.secure if secure else self.public)
        if user is not None:
            ticket = self.ticket(user)
        query = f"?ticket={quote(ticket, safe='')}" if ticket else ""
        return f"{'wss' if secure else 'ws'}://127.0.0.1:{where}/ws{query}"

    def ticket(self, user: str) -> str:
        """What Oro would issue now; the back end's for an empty name."""
        return ticket(user, self.users[user] if user else self.secret, self.secret)

    def publish(self, *, port: int | None = None, tls: bool = False, topic: str = "oro/data/update", **job: Any) -> Any:
        """Run the PHP publisher; what it printed."""
        return php_publisher(
            host="127.0.0.1",
            port=port or (self.secure if tls else self.public),
            tls=tls,
            path="/ws",
            secret=self.secret,
            topic=topic,
            **{"times": 1, **job},
        )


_shared: dict[str, RunningRouter] = {}


def shared(*, anew: bool = False, **options: Any) -> RunningRouter:
    """The router with these options of ``RunningRouter``, started when there is none; any other shared one ends.

    For tests of one module that leave it as it was: a start takes longer than most of them. Its log begins anew for
    each test. A test that counts what another one may have caused, or used up, wants it started ``anew``.
    """
    key = json.dumps(options, sort_keys=True)
    if anew or key not in _shared or _shared[key].child.process.poll() is not None:
        end_shared()
        _shared[key] = RunningRouter(**options)
    _shared[key].child.forget()
    return _shared[key]


@atexit.register
def end_shared() -> None:
    """No router is shared any more."""
    for running in _shared.values():
        running.close()
    _shared.clear()


def start(config: Path, *options: str) -> Child:
    """``twistd orosync`` of the tree under test, with a configuration file."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    environ = {**os.environ, "PYTHONPATH": str(TREE)}
    command = [sys.executable, twistd, *options, "--nodaemon", "--pidfile=", "orosync", "--config", str(config)]
    return Child(command, cwd=config.parent, environ=environ)


def ticket(username: str, password_hash: str, secret: str, *, age: float = 0.0, nonce: str | None = None) -> str:
    """A ticket made here independently of the product: nonce|created|password{secret}, 5000 rounds of SHA-512."""
    nonce = nonce or secrets.token_hex(8)
    created = datetime.fromtimestamp(datetime.now(UTC).timestamp() - age, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    salted = f"{nonce}|{created}|{password_hash}{{{secret}}}".encode()
    digest = hashlib.sha512(salted).digest()
    for _ in range(4999):
        digest = hashlib.sha512(digest + salted).digest()
    fields = [base64.b64encode(digest).decode(), username, nonce, created]
    return base64.b64encode(";".join(fields).encode()).decode()


def php_publisher(**job: Any) -> Any:
    """tests/php/publisher.php with a job; the JSON object that it prints."""
    command = ["php", str(TREE / "tests/php/publisher.php")]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"php ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)
