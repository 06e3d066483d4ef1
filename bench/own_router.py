"""A router of one's own to be measured, and tickets for it: what the programs beside it share.

Tickets are made here independently of the router, as Oro makes them. Loopback only.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from multiprocessing import Pool
from pathlib import Path
from urllib.parse import quote

TREE = Path(__file__).resolve().parent.parent

CONFIGURATION = """
[router]
state = .
drain = 0s
[listen:storm]
endpoint = tcp:{port}:interface=127.0.0.1
origins = localhost 127.0.0.1
trusted_proxies = loopback
publisher_from = loopback
connections_per_user = 20000
max_connections = 20000
[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
[realm:oro]
authenticators = tickets
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = env:STORM_SECRET
directory = people
{tickets}
[directory:people]
use = static
user.anna = 1 env:STORM_HASH
user.gone = 2 env:STORM_HASH enabled=no
[topics:oro]
use = oro
"""


class OwnRouter:
    """``twistd orosync`` of this tree on a free port, or with ``url`` one that runs already.

    Of the latter ``$STORM_SECRET`` and ``$STORM_HASH`` tell Oro's secret and the password hash of user anna.
    ``configuration`` gets the ports, ``tickets`` (lines of [authenticator:tickets]) and ``values`` filled in; with
    ``workers`` among them the router has started when so many serve.
    """

    def __init__(
        self, url: str | None = None, tickets: str = "", configuration: str = CONFIGURATION, **values: object
    ) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.secret = os.environ.get("STORM_SECRET") or secrets.token_hex(20)
        self.hash = os.environ.get("STORM_HASH") or "$2y$13$" + secrets.token_hex(27)[:53]
        if url is not None:
            host, _, port = url.removeprefix("ws://").partition("/")[0].partition(":")
            if host not in ("127.0.0.1", "localhost"):
                raise SystemExit("only a router of this machine may be stormed")
            self.port = self.backend = int(port)
            return
        with socket.socket() as free, socket.socket() as another:
            free.bind(("127.0.0.1", 0))
            another.bind(("127.0.0.1", 0))
            self.port, self.backend = free.getsockname()[1], another.getsockname()[1]
        self._directory = tempfile.TemporaryDirectory(prefix="storm-")
        config = Path(self._directory.name, "router.ini")
        self._workers = int(str(values.get("workers", 1)))
        values = {"port": self.port, "backend": self.backend, "tickets": tickets, **values}
        config.write_text(configuration.format(**values))
        self.log = config.with_name("log")
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [sys.executable, twistd, "--nodaemon", "--pidfile=", "orosync", "--config", str(config)]
        environ = {**os.environ, "PYTHONPATH": str(TREE), "STORM_SECRET": self.secret, "STORM_HASH": self.hash}
        self._start = lambda log: subprocess.Popen(command, cwd=config.parent, env=environ, stdout=log, stderr=log)
        self.start()

    def start(self) -> None:
        """Have it run; done by itself at first."""
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = self._start(log)
        for _ in range(1200):
            if self._process.poll() is None and self._answers() and self._all_serve(before):
                return
            time.sleep(0.1)
        self.close()
        raise SystemExit(f"the router did not start:\n{self.log.read_text()}")

    def __enter__(self) -> OwnRouter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of its process, which is its own and not that of a ``url``."""
        assert self._process is not None
        return self._process.pid

    def restart(self) -> None:
        """As an administrator does it: it lets its clients go, ends, and is started again."""
        self.close()
        self.start()

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def memory(self, what: str = "VmHWM") -> float:
        """The most memory that the router has had, in MiB, or what it has now (VmRSS); 0 where that is not known."""
        if self._process is None:
            return 0
        status = Path(f"/proc/{self._process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(what)), 0.0)

    def cpu(self) -> list[float]:
        """Seconds of CPU that the reactor has taken, then those of each of its ticket processes."""
        if self._process is None:
            return []
        return [cpu_seconds(one) for one in family(self._process.pid)]

    def tickets(self, count: int, users: Mapping[str, str] | None = None) -> list[str]:
        """Good tickets of anna, made on all cores; or of ``users`` in turn (their password hashes by their names)."""
        names = list((users or {"anna": self.hash}).items())
        wanted = [(*names[number % len(names)], self.secret) for number in range(count)]
        with Pool() as pool:
            return pool.starmap(ticket, wanted, 50)

    def _all_serve(self, before: int) -> bool:
        """Each worker has said so in the log, behind ``before``."""
        return self._workers == 1 or self.log.read_bytes()[before:].count(b" serves (process ") >= self._workers

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def family(pid: int) -> Iterator[int]:
    """A process and all that come from it."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))
    except FileNotFoundError:
        return


def cpu_seconds(pid: int) -> float:
    """CPU time of one process so far, by its CPU clock (clock_getcpuclockid(3)), whose steps are nanoseconds."""
    return time.clock_gettime(~pid << 3 | 2)


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def ticket(username: str, password_hash: str, secret: str) -> str:
    """What Oro would issue now: nonce|created|password{secret}, 5000 rounds of SHA-512."""
    nonce, created = secrets.token_hex(8), now()
    salted = f"{nonce}|{created}|{password_hash}{{{secret}}}".encode()
    digest = hashlib.sha512(salted).digest()
    for _ in range(4999):
        digest = hashlib.sha512(digest + salted).digest()
    return _joined(digest, username, nonce, created)


def wrong_ticket(username: str) -> str:
    """One of the right form and age that nobody has signed."""
    return _joined(os.urandom(64), username, secrets.token_hex(8), now())


def now() -> str:
    """PHP's date('c')."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def request(port: int, ticket: str, subprotocol: str = "wamp", address: str | None = None) -> bytes:
    """A browser's upgrade with a ticket; with ``address`` as a proxy would forward it."""
    lines = [
        f"GET /ws?ticket={quote(ticket, safe='')} HTTP/1.1",
        f"Host: localhost:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {subprotocol}",
        "Origin: http://localhost",
    ]
    if address is not None:
        lines.append(f"X-Forwarded-For: {address}")
    return "\r\n".join([*lines, "", ""]).encode()


def certificate(directory: Path, key: str = "ec -pkeyopt ec_paramgen_curve:prime256v1") -> Path:
    """A certificate of localhost and its key in one file; ``key``: what ``openssl req -newkey`` takes."""
    path, issued = directory / "server.pem", directory / "certificate.pem"
    command = f"openssl req -x509 -newkey {key} -nodes -days 1 -subj /CN=localhost -keyout {path} -out {issued}"
    subprocess.run(command.split(), check=True, stderr=subprocess.DEVNULL)
    path.write_bytes(issued.read_bytes() + path.read_bytes())
    return path


def _joined(digest: bytes, username: str, nonce: str, created: str) -> str:
    fields = ";".join([base64.b64encode(digest).decode(), username, nonce, created])
    return base64.b64encode(fields.encode()).decode()
