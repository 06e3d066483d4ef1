"""Child processes of tests: started, waited for until they say or serve something, and ended for certain."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class Child:
    """A program that runs while a ``with`` block lasts; it blocks, so it is for synchronous tests and worker threads.

    Its output, standard error included, goes to a file: nothing is lost and no full pipe stops it. Python writes there
    without a buffer: the log of autobahn's and Crossbar.io's programs would otherwise come in pieces of 8 KiB.
    ``family``: it starts processes of its own, and whatever is left of them when it has ended is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        family: bool = False,
    ) -> None:
        self.command = list(command)
        self._family = family
        self._skipped = 0
        self._output = tempfile.NamedTemporaryFile(prefix="child-", suffix=".log")  # noqa: SIM115 (lives as long as the child)
        self.process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env={**(os.environ if environ is None else environ), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=family,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def output(self) -> str:
        """All that it has printed so far, or since ``forget``."""
        return Path(self._output.name).read_bytes()[self._skipped :].decode(errors="replace")

    def forget(self) -> None:
        """What it has printed so far belongs to another test."""
        self._skipped = Path(self._output.name).stat().st_size

    def wait_for_line(self, text: str | tuple[str, ...], seconds: float = 20.0) -> str:
        """The first line of its output that holds ``text`` (or one of them); AssertionError with the whole output when
        none comes."""
        texts = (text,) if isinstance(text, str) else text
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None
            complete, _, _ = self.output.rpartition("\n")
            for line in complete.splitlines():
                if any(one in line for one in texts):
                    return line
            self._go_on(ended, deadline, f"no line with {text!r}")

    def wait_for_port(self, port: int, seconds: float = 20.0) -> None:
        """Until 127.0.0.1:``port`` accepts; AssertionError with the whole output when it never does."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                self._go_on(ended, deadline, f"no program listens on port {port}")

    def _go_on(self, ended: bool, deadline: float, complaint: str) -> None:
        if ended or time.monotonic() > deadline:
            how = f"it ended with {self.process.returncode}" if ended else "time is up"
            raise AssertionError(f"{' '.join(self.command)}: {complaint}; {how}; it said:\n{self.output}")
        time.sleep(0.05)

    def end(self, seconds: float = 15.0) -> int:
        """Asks it to end (SIGTERM), forces it after ``seconds``; its exit code, negative for a signal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._bereave()
        return self.process.returncode

    def kill(self) -> None:
        """Gone from one moment to the next."""
        self.process.kill()
        self.process.wait()
        self._bereave()

    def _bereave(self) -> None:
        if self._family:
            with suppress(ProcessLookupError):  # none is left
                os.killpg(self.process.pid, signal.SIGKILL)


def run(
    *command: str, cwd: str | Path | None = None, environ: Mapping[str, str] | None = None, seconds: float = 120.0
) -> str:
    """What a program printed that ran to its end; AssertionError with that when it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{' '.join(command)}: not done in {seconds} s; it said:\n{late.stdout}") from late
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}; it said:\n{done.stdout}")
    return done.stdout


def is_there(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def server_of(client_port: int, pids: Iterable[int]) -> int:
    """Which of these processes has the other end of the connection of 127.0.0.1:``client_port``; 0: none of them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{client_port:04X}") and row[9] != "0"}
    for pid in pids:
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    if os.readlink(entry) in ends:
                        return pid
    return 0
