"""The ``orosync`` command.

Exit codes (stable, docs/stability.md): 0 good, 1 refused or nothing done, or a configuration with faults, 2 invalid
arguments, 3 a part cannot be reached. Tickets and cookies are read from a file or standard input, because every user of
the machine can read a command line.

The module of a command is imported when it is chosen: most need every part of a router, and those that ask a running
one need none.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import traceback
from argparse import Namespace
from typing import Any, TextIO
from urllib.parse import unquote

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from orosync.cli import control
from orosync.cli.completion import SHELLS
from orosync.cli.questions import asked, parser
from orosync.cli.streams import Misused, Streams, line
from orosync.clocks import make_monotonic, time_of_day
from orosync.config import Configuration, load
from orosync.errors import ConfigError, Refused, Unavailable

GOOD, REFUSED, MISUSED, UNREACHABLE = range(4)
TIMEOUT = 30.0
"""Seconds for an answer."""

LONGEST = 65536
"""Characters that are read of a ticket or cookie."""


def main() -> None:
    """The console command."""
    _die_of_signals()
    # Of a closed one (``>&-``) Python has nothing, and argparse would take the other instead.
    sys.stdout, sys.stderr = (
        stream or io.TextIOWrapper(io.FileIO(os.devnull, "w")) for stream in (sys.stdout, sys.stderr)
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal has no letters for
    try:
        react(_reacting, (parser().parse_args(),))
    finally:
        for stream in (sys.stdout, sys.stderr):
            _give_up_unwritten(stream)


def _die_of_signals() -> None:
    """Ctrl-C and SIGTERM end the process as they end any other that is asked a question: at once, without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _give_up_unwritten(stream: TextIO) -> None:
    """What could not be written has been told, and Python need not try again when it ends."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


async def _reacting(reactor: Any, options: Namespace) -> None:
    make_monotonic(reactor)
    reactor.callWhenRunning(_die_of_signals)  # the reactor has put handlers of its own by then
    status = await run(reactor, options, Streams(sys.stdin, sys.stdout, sys.stderr))
    if status:
        raise SystemExit(status)


async def run(reactor: Any, options: Namespace, streams: Streams) -> int:
    """Do what the command line (``parser``) says; the exit code. No exception leaves it."""
    try:
        return await _run(reactor, options, streams)
    except Misused as error:
        streams.tell(f"orosync: {error}")
        return MISUSED
    except Exception as error:
        streams.tell(f"orosync: {line(_unexpected(error))}")
        return UNREACHABLE


def _unexpected(error: Exception) -> str:
    """Where a plugin, or orosync itself, has a mistake."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"failed with {type(error).__name__}: {error} ({place.filename}, line {place.lineno}): correct the plugin, "
        "or report it if that file is none of yours"
    )


async def _run(reactor: Any, options: Namespace, streams: Streams) -> int:
    try:
        if options.command in control.COMMANDS:
            return await deferToThread(control.run, options, streams)
        if options.command == "init":
            from orosync.cli import init

            return await deferToThread(init.run, options, streams)
        if options.command == "check-config" and (options.probe or options.json):
            if not options.probe:
                raise Misused("--json goes with --probe")
            from orosync.cli import probe

            return await probe.run(reactor, options, streams)
        status, answer = await Deferred.fromCoroutine(_answer(reactor, options, streams)).addTimeout(TIMEOUT, reactor)
    except ConfigError as error:
        for fault in error.faults:
            streams.tell(f"orosync: {fault}")
        return REFUSED if options.command == "check-config" else MISUSED
    except Unavailable as error:
        streams.tell(f"unreachable ({error.code}): {line(error.reason)}")
        return UNREACHABLE
    except TimeoutError:
        streams.tell(f"unreachable (timeout): no answer within {TIMEOUT:g} s")
        return UNREACHABLE
    except Refused as error:
        streams.answer(f"refused ({error.code}): {line(error.reason)}")
        return REFUSED
    streams.answer(answer)
    return status


async def _answer(reactor: Any, options: Namespace, streams: Streams) -> tuple[int, str]:
    if options.command == "topics" and options.from_oro is not None:
        from orosync.cli import topics

        return GOOD, "\n".join(line(one) for one in topics.from_oro(options.from_oro))
    if options.command == "completion":
        return GOOD, SHELLS[options.shell](parser())
    if options.command == "derive":  # needs no configuration
        from orosync.cli import derive

        password = _read(options.file, streams).removesuffix("\n")
        return GOOD, derive.derive(password, options.kdf, options.salt, options.iterations, options.memory)
    configuration = load(options.config, open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    try:
        return await _made(configuration, reactor, options, streams)
    except ConfigError as error:
        raise ConfigError(configuration.located(error.faults)) from error


async def _made(configuration: Configuration, reactor: Any, options: Namespace, streams: Streams) -> tuple[int, str]:
    if options.command == "explain":
        from orosync.cli import explain

        answer = await explain.explain(configuration, reactor, asked(options))
        return GOOD if answer.allowed else REFUSED, "\n".join(line(one) for one in answer.lines)
    return GOOD, await _said(configuration, reactor, options, streams)


async def _said(configuration: Configuration, reactor: Any, options: Namespace, streams: Streams) -> str:
    """The answer of a command that is good if it is answered at all."""
    if options.command == "check-config":
        return await _check_config(configuration, reactor)
    if options.command == "topics":
        from orosync.cli import topics

        return "\n".join(line(one) for one in topics.tables(configuration))
    if options.command == "session":
        from orosync.cli import session

        cookie = _given(options.file, streams)
        return f"OK: {line(await session.verify(configuration, reactor, options.sessions, cookie))}"
    from orosync.cli import ticket

    if options.action == "verify":
        text = _given(options.file, streams)
        return f"OK: {line(await ticket.verify(configuration, reactor, options.authenticator, text))}"
    made, warning = await ticket.make(configuration, reactor, options.authenticator, options.user)
    if warning:
        streams.tell(f"orosync: {line(warning)}")
    return made


async def _check_config(configuration: Configuration, reactor: Any) -> str:
    """Make every part, read certificates, and ask directories for shared passwords, as far as they answer."""
    from orosync.app.container import Container
    from orosync.app.listeners import check
    from orosync.cli.running import shared_passwords

    check(configuration.listeners.values(), configuration.router.state, time_of_day)
    container = Container(configuration, reactor)
    container.realms  # noqa: B018 (made when asked for)
    read = container.authorizer_factory.warnings
    warnings = [*configuration.warnings, *read, *await shared_passwords(container)]
    return "\n".join([*(f"warning: {line(warning)}" for warning in warnings), "configuration OK"])


def _given(file: str, streams: Streams) -> str:
    """A ticket or cookie as it stands in a file or, for "-", on standard input, or in a URL."""
    return unquote(_read(file, streams).strip())


def _read(file: str, streams: Streams) -> str:
    """The text of a file or, for "-", of standard input. Misused when there is none."""
    try:
        if file == "-":
            if streams.stdin is None:
                raise Misused("standard input is closed: name a file")
            text = streams.stdin.read(LONGEST)
        else:
            with open(file, encoding="utf-8-sig") as opened:
                text = opened.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})") from None
    if not text.strip():
        raise Misused("nothing was given: name a file, or write it to standard input")
    return text
