"""``python -m orosync.taps.worker NODE``: the process of a worker, which only a supervisor starts (``app.workers``)."""

from __future__ import annotations

import signal
from typing import Any

from twisted.logger import globalLogBeginner

from orosync.app.ending import Ending
from orosync.app.worker import CHANNEL, ServingWorker, die_with_parent
from orosync.backplane.channel import connect
from orosync.clocks import make_monotonic


def main() -> None:
    """Run until it is told to stop."""
    from twisted.internet import reactor

    die_with_parent()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal's, meant for the supervisor
    make_monotonic(reactor)
    ending = Ending(reactor)
    ending.watch()
    running: Any = reactor
    worker = ServingWorker(running, ending, globalLogBeginner.beginLoggingTo)
    connect(running, CHANNEL, worker.channel)
    running.run()


if __name__ == "__main__":
    main()
