"""``twistd orosync``: its options, and the service that twistd runs, which ``orosync.app.service`` builds."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from twisted.application.service import IService
from twisted.logger import ILogObserver, LogLevel
from twisted.python import usage
from twisted.python.logfile import LogFile

from orosync import __version__
from orosync.clocks import make_monotonic
from orosync.config import Configuration, load
from orosync.config.sections import RouterSection
from orosync.errors import ConfigError
from orosync.ops import log

if TYPE_CHECKING:
    from orosync.app.ending import Ending

T = TypeVar("T")


class RouterOptions(usage.Options):
    """``--config FILE``; the configuration is read and checked as a whole before anything starts."""

    command, example = "orosync", "etc/router.ini"
    longdesc = "Serves WAMP v1 and v2 to Oro applications and other clients, as the configuration file says."
    optParameters = [  # noqa: RUF012 (usage.Options reads it from the class)
        ["config", "c", None, "The configuration file, which has to be named."],
    ]

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"orosync {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        if self["config"] is None:
            raise usage.UsageError(f"name the configuration file: twistd {self.command} --config {self.example}")
        raise_open_files()
        configuration = self["configuration"] = or_give_up(lambda: load(Path(self["config"]), os.environ))
        whole = getattr(self, "parent", None)
        if whole is not None and whole["logger"] is None:
            _log_of_twistd[:] = [(whole, configuration.router)]
            whole["logger"] = f"{log_observer.__module__}.{log_observer.__name__}"


Options = RouterOptions
"""The name under which twistd looks for it."""


def makeService(options: RouterOptions) -> IService:
    """Build the whole router; a configuration that cannot be built ends the process with status 1."""
    from twisted.internet import reactor

    from orosync.app.process import settle_memory

    configuration: Configuration = options["configuration"]
    if not configuration.listeners:
        give_up(ConfigError(["[listen:public]: no [listen:NAME] section is there, add one"]))
    steady(reactor)
    router = or_give_up(lambda: _router(configuration, reactor, ending(options, reactor)), configuration)
    reactor.callWhenRunning(settle_memory)
    return router


def _router(configuration: Configuration, reactor: Any, ending: Ending) -> IService:
    """The router in this process, or what starts its workers."""
    if configuration.router.workers > 1:
        from orosync.app.supervisor import Supervisor

        supervisor: IService = Supervisor(configuration, reactor, ending)
        return supervisor
    from orosync.app.service import build

    service: IService = build(configuration, reactor, ending)
    return service


def steady(reactor: Any) -> None:
    """Give ``reactor`` a monotonic clock; where that comes too late, the process ends."""
    try:
        make_monotonic(reactor)
    except RuntimeError as error:
        give_up(ConfigError([str(error)]))


def ending(options: usage.Options, reactor: Any) -> Ending:
    """What ends the process in time; twistd's own options say where its pidfile is."""
    from orosync.app.ending import Ending

    whole = getattr(options, "parent", None)
    return Ending(reactor, "" if whole is None else whole["pidfile"] or "")


_log_of_twistd: list[tuple[usage.Options, RouterSection]] = []
"""twistd's own options, and [router], once they are read: for ``log_observer``, which has no arguments."""


def log_observer() -> ILogObserver:
    """What twistd writes the log with, from its first line on: where its own options say, in the form and from the
    level that [router] says. twistd finds this by its name (``--logger``) and calls it before it goes into the
    background."""
    ((whole, section),) = _log_of_twistd
    if whole["syslog"]:
        return log.syslog_observer(section.log, section.log_level, whole["prefix"])
    name = whole["logfile"] or ("-" if whole["nodaemon"] else "twistd.log")
    if name != "-":
        file = LogFile.fromFullPath(name)
        if not signal.getsignal(signal.SIGUSR1):
            signal.signal(signal.SIGUSR1, lambda *_: _in_reactor(file.rotate))
        return log.observer(section.log, section.log_level, file)
    if not whole["nodaemon"]:
        give_up(ConfigError(["--logfile=-: a daemon has no standard output, name a file or write --nodaemon"]))
    return log.observer(section.log, section.log_level, sys.stdout, journal=log.is_journal(sys.stdout, os.environ))


def _in_reactor(act: Callable[[], object]) -> None:
    from twisted.internet import reactor

    running: Any = reactor
    running.callFromThread(act)


def raise_open_files() -> None:
    """Take all the open files that the hard limit grants: the soft one is often 1024, a descriptor for each connection.

    Where that is not allowed everything stays as it is; the configuration warns if it is too little.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def or_give_up(make: Callable[[], T], configuration: Configuration | None = None) -> T:
    """What ``make`` makes; a configuration of which nothing can be made ends the process. The ``configuration`` knows
    the lines that the faults concern."""
    try:
        return make()
    except ConfigError as error:
        give_up(error if configuration is None else ConfigError(configuration.located(error.faults)))


def give_up(error: ConfigError) -> NoReturn:
    """One line for each fault on standard error, status 1, no traceback."""
    for fault in error.faults:
        text = f"orosync: {fault}"
        if log.is_journal(sys.stderr, os.environ):
            text = log.prefixed(text, LogLevel.error).rstrip("\n")
        print(text, file=sys.stderr)
    raise SystemExit(1)
