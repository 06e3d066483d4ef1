"""A MariaDB server of the tests' own: new data in a directory of this run, on a free port and a UNIX socket.

It blocks while it starts (some seconds, once in a run); it ends with the interpreter, however that ends.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support import server_tls, unprivileged
from tests.support.ports import free_port
from tests.support.processes import Child, run

OWNER = "root"

QUICK = (
    "--bind-address=127.0.0.1",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-fast-shutdown=2",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=8M",
    "--max-connections=40",
)


@functools.cache
def server() -> MariaDB:
    """The one of this run, started."""
    made = MariaDB()
    atexit.register(made.end)
    made.start()
    return made


class MariaDB:
    """One server; ``start`` and ``kill`` as often as one likes, ``end`` for good."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="orosync-mariadb-"))
        self.socket = str(self.directory / "socket")
        self.port = free_port()
        self._data = self.directory / "data"
        self._child: Child | None = None
        self._owner: dict[str | None, Any] = {}
        unprivileged.give(self.directory, "mysql")
        self.tls = server_tls.made(self.directory, "mysql")
        run(
            *unprivileged.command("mysql"),
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=16M",
            cwd="/",
        )

    def start(self) -> None:
        """Serve, and return when it does."""
        command = [*unprivileged.command("mysql"), _program("mariadbd"), "--no-defaults", f"--datadir={self._data}"]
        command += [f"--socket={self.socket}", f"--port={self.port}", f"--pid-file={self.directory / 'pid'}"]
        command += [f"--ssl-cert={self.tls.certificate}", f"--ssl-key={self.tls.key}"]
        self._child = Child([*command, *QUICK], cwd="/")
        self._child.wait_for_line("ready for connections")
        self._child.wait_for_port(self.port)

    def kill(self) -> None:
        """Gone from one moment to the next, every connection of it too."""
        for connection in self._owner.values():
            connection.close()
        self._owner.clear()
        if self._child is not None:
            self._child.process.kill()
            self._child.process.wait(20)
            self._child = None

    def freeze(self, frozen: bool) -> None:
        """It still has its connections and answers nothing; or goes on."""
        assert self._child is not None
        self._child.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self) -> None:
        """Gone, with its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def execute(self, text: str, database: str | None = None, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the owner; the rows it gives. Parameters may be one dict."""
        import pymysql

        if database not in self._owner:
            where = {"unix_socket": self.socket, "user": OWNER, "database": database}
            self._owner[database] = pymysql.connect(**where, autocommit=True, ssl_disabled=True)
        given = parameters[0] if parameters and isinstance(parameters[0], dict) else parameters
        with self._owner[database].cursor() as cursor:
            cursor.execute(text, given or None)
            return list(cursor.fetchall())

    def script(self, path: Path, database: str, first: str = "") -> str:
        """Run a file with the client, as an administrator does, after the statement ``first``."""
        # Without TLS: from MariaDB 11.4 on the client wants to verify the server's certificate, on a socket too.
        client = ["mariadb", "--no-defaults", "--skip-ssl", f"--socket={self.socket}", f"--user={OWNER}"]
        with path.open("rb") as text:
            done = subprocess.run(
                [*client, *([f"--init-command={first}"] if first else []), database],
                stdin=text,
                capture_output=True,
                text=True,
                timeout=60,
            )
        if done.returncode:
            raise AssertionError(f"{path}: exit {done.returncode}; it said:\n{done.stderr}")
        return done.stdout

    @property
    def sockets(self) -> int:
        """How many connections this object has itself."""
        return len(self._owner)

    def connections(self, user: str) -> int:
        """How many connections a user has."""
        rows = self.execute("SELECT count(*) FROM information_schema.processlist WHERE user = %s", None, user)
        return int(rows[0][0])

    def wait_until_left(self, user: str, seconds: float = 5.0) -> int:
        """How many connections a user still has, when none or after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.connections(user)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


def _program(name: str) -> str:
    """Debian puts servers outside many a PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise AssertionError(f"there is no {name}; tests/setup.sh installs it")
    return found
