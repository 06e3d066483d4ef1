"""A PostgreSQL server of the tests' own: a new cluster in a directory of this run, on a free port and a UNIX socket.

It blocks while it starts (some two seconds, once in a run); it ends with the interpreter, however that ends.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support import server_tls, unprivileged
from tests.support.ports import free_port
from tests.support.processes import Child, run

OWNER = "oro"
PASSWORD = "the owner's pass/word@home"

QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
}


@functools.cache
def server() -> PostgreSQL:
    """The one of this run, started."""
    made = PostgreSQL()
    atexit.register(made.end)
    made.start()
    return made


class PostgreSQL:
    """One cluster; ``start`` and ``kill`` as often as one likes, ``end`` for good."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="orosync-postgresql-"))
        self.socket = str(self.directory)
        self.port = free_port()
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version).parent
        self._child: Child | None = None
        self._owner: dict[str, Any] = {}
        unprivileged.give(self.directory, "postgres")
        self.tls = server_tls.made(self.directory, "postgres")
        passwords = self.directory / "password"
        passwords.write_text(PASSWORD)
        passwords.chmod(0o644)
        run(
            *self._command("initdb"),
            f"--pgdata={self.directory / 'data'}",
            f"--username={OWNER}",
            f"--pwfile={passwords}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            cwd="/",
        )

    def _command(self, program: str) -> list[str]:
        return [*unprivileged.command("postgres"), str(self._programs / program)]

    def start(self) -> None:
        """Serve, and return when it does."""
        given = {
            **QUICK,
            "unix_socket_directories": self.socket,
            "ssl": "on",
            "ssl_cert_file": self.tls.certificate,
            "ssl_key_file": self.tls.key,
        }
        settings = [f"--{key}={value}" for key, value in given.items()]
        command = [*self._command("postgres"), "-D", str(self.directory / "data"), "-p", str(self.port), *settings]
        self._child = Child(command, cwd="/")
        self._child.wait_for_line("database system is ready to accept connections")

    def kill(self) -> None:
        """Gone from one moment to the next, every connection of it too."""
        for connection in self._owner.values():
            connection.close()
        self._owner.clear()
        if self._child is not None:
            self._child.process.send_signal(signal.SIGQUIT)  # "immediate": what SIGKILL does, but for the children too
            self._child.process.wait(20)
            self._child = None

    def freeze(self, frozen: bool) -> None:
        """It still has its connections and answers nothing; or goes on."""
        assert self._child is not None
        main = self._child.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, children)):
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self) -> None:
        """Gone, with its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def execute(self, text: str, database: str = "postgres", *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement (without parameters: several) as the owner; the rows it gives. Parameters may be one dict."""
        import psycopg

        if database not in self._owner:
            where = {"host": self.socket, "port": self.port, "user": OWNER, "dbname": database}
            self._owner[database] = psycopg.connect(**where, autocommit=True)
        given = parameters[0] if parameters and isinstance(parameters[0], dict) else parameters
        cursor = self._owner[database].execute(text, given or None)
        return cursor.fetchall() if cursor.description else []

    def script(self, path: Path, database: str, **variables: str) -> str:
        """Run a file with psql, as an administrator does."""
        given = [f"--set={key}={value}" for key, value in variables.items()]
        where = [f"--host={self.socket}", f"--port={self.port}", f"--username={OWNER}", f"--dbname={database}"]
        return run(str(self._programs / "psql"), "--no-psqlrc", *where, *given, f"--file={path}", cwd="/")

    @property
    def sockets(self) -> int:
        """How many connections this object has itself."""
        return len(self._owner)

    def connections(self, user: str) -> int:
        """How many connections a user has."""
        rows = self.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", "postgres", user)
        return int(rows[0][0])

    def wait_until_left(self, user: str, seconds: float = 5.0) -> int:
        """How many connections a user still has, when none or after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.connections(user)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


def _version(path: Path) -> int:
    return int(path.parent.parent.name)
