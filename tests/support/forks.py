"""Python programs that are started often: one process imports what they need, and a copy of it becomes each of them.

To import autobahn takes a second of a core, which is most of what a client does in a test. ``forked`` starts a program
as subprocess.Popen does with three pipes; the process that is copied is started when it is first needed, one for each
process of tests, and ends with that. It imports what stands at the top of a program, except for Twisted's reactor:
each copy has to have its own.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, NoReturn

REACTOR = "twisted.internet.reactor"
LARGEST = 128 * 1024
"""Bytes of one request: the arguments and the environment of a program."""

_one_at_a_time = Lock()


class Forked:
    """A running program, with what subprocess.Popen has of these names: text in the pipes, and no exit code."""

    def __init__(self, args: Sequence[str], process: int, stdin: int, stdout: int, stderr: int) -> None:
        self.args = list(args)
        self._process = process
        self.stdin: IO[str] = os.fdopen(stdin, "w")
        self.stdout: IO[str] = os.fdopen(stdout)
        self.stderr: IO[str] = os.fdopen(stderr)

    def kill(self) -> None:
        if self._process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> None:
        if self._process >= 0:
            select.select([self._process], [], [])
            os.close(self._process)
            self._process = -1


def forked(program: Path, *arguments: str, environ: Mapping[str, str]) -> Forked:
    """``python program arguments...``."""
    (in_theirs, in_ours), (out_ours, out_theirs), (err_ours, err_theirs) = os.pipe(), os.pipe(), os.pipe()
    request = json.dumps([str(program), arguments, dict(environ)]).encode()
    theirs = [in_theirs, out_theirs, err_theirs]
    with _one_at_a_time:
        server = _server()
        socket.send_fds(server, [request], theirs)
        _, processes, _, _ = socket.recv_fds(server, 1, 1)
    for descriptor in theirs:
        os.close(descriptor)
    if not processes:
        raise AssertionError(f"{program} cannot be imported; standard error has the reason")
    return Forked([str(program), *arguments], processes[0], in_ours, out_ours, err_ours)


@functools.cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen([sys.executable, __file__], stdin=theirs)
    return ours


# -- in the process that is copied


def _serve(requests: socket.socket) -> None:
    while True:
        request, files, _, _ = socket.recv_fds(requests, LARGEST, 3)
        if not request:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        program, arguments, environ = json.loads(request)
        _import_for(program)
        pid = os.fork()
        if pid == 0:
            _become(program, arguments, environ, files)
        process = os.pidfd_open(pid)
        socket.send_fds(requests, [b"."], [process])
        for descriptor in (process, *files):
            os.close(descriptor)


@functools.cache
def _import_for(program: str) -> None:
    for statement in ast.parse(Path(program).read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.module is not None:
            importlib.import_module(statement.module)
        elif isinstance(statement, ast.Import):
            for name in statement.names:
                importlib.import_module(name.name)
    assert REACTOR not in sys.modules, f"what {program} imports has a reactor of its own"
    gc.freeze()


def _become(program: str, arguments: list[str], environ: dict[str, str], files: list[int]) -> NoReturn:
    """In the copy. The first of ``files`` takes the place of the socket for requests."""
    code = 1
    try:
        for number, descriptor in enumerate(files):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = [program, *arguments]
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _serve(socket.socket(fileno=0))
    os._exit(0)
