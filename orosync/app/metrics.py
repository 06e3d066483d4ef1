"""What the metrics of a router are, and where their values are read.

Every metric stands in ``METRICS``; docs/operations.md explains them, and docs/stability.md says what stays. Values are
read when a snapshot is made, which may cost some microseconds for each session and subscription, and nothing at other
times.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from orosync import __version__
from orosync.identity.single_flight import SingleFlight
from orosync.metrics import FAST, SLOW, Histogram, Kind, Metric, Sample, Total
from orosync.session.context import ListenerSession
from orosync.session.dispatch import Dispatcher
from orosync.session.realm_context import RealmContext
from orosync.transport.admission import ConnectionLimit

COUNTER, GAUGE, HISTOGRAM = Kind

# The process.
BUILD = Metric("build_info", GAUGE, "1; the version of orosync and of Python.", ("version", "python"), Total.MOST)
UPTIME = Metric("uptime_seconds", GAUGE, "Seconds since the start.", total=Total.LEAST)
CPU = Metric("process_cpu_seconds", COUNTER, "CPU time of the process.")
MEMORY = Metric("process_resident_memory_bytes", GAUGE, "Memory that the process has in RAM.")
DESCRIPTORS = Metric("process_open_fds", GAUGE, "Open file descriptors.")
DESCRIPTOR_LIMIT = Metric("process_max_fds", GAUGE, "The limit of open file descriptors.")
LAG = Metric("reactor_lag_seconds", HISTOGRAM, "How late a timer of the reactor was.", bounds=FAST)

# Clients.
SESSIONS = Metric("sessions", GAUGE, "Sessions that have joined.", ("realm", "protocol", "role"))
JOINS = Metric("session_joins", COUNTER, "Sessions that have joined since the start.", ("method",))
LEAVES = Metric("session_leaves", COUNTER, "Sessions that have left since the start.", ("method",))
REFUSALS = Metric("refusals", COUNTER, "Connections and logins that were refused, by reason code.", ("code",))
CUTS = Metric("cuts", COUNTER, "Connections that orosync ended, by the event of the log and its reason code.",
              ("event", "code"))  # fmt: skip
EVENTS_LOGGED = Metric("log_events", COUNTER, "Events of the log, suppressed lines included.", ("event", "code"))
CONNECTIONS = Metric("connections", GAUGE, "Open connections.", ("listener",))
UNAUTHENTICATED = Metric("connections_unauthenticated", GAUGE, "Those of them that have not joined yet.", ("listener",))

# Routing.
SUBSCRIPTIONS = Metric("subscriptions", GAUGE, "Subscriptions, one for each session and topic.", ("realm",))
REGISTRATIONS = Metric("registrations", GAUGE, "Registered procedures, one for each callee.", ("realm",))
PUBLICATIONS = Metric("publications", COUNTER, "Publications.", ("realm",))
DELIVERED = Metric("events_queued", COUNTER, "EVENTs queued for receivers, one for each.")

# What other programs answer.
LOOKUPS = Metric("lookup_seconds", HISTOGRAM, "How long look-ups in directories and session stores took.",
                 ("dependency",), bounds=SLOW)  # fmt: skip
LOOKUPS_WAITING = Metric("lookups_waiting", GAUGE, "Look-ups that wait for one under way.", ("dependency",))
DOWN = Metric("dependency_down", GAUGE, "1: the last look-up failed.", ("dependency",), Total.MOST)
TICKETS_WAITING = Metric("tickets_waiting", GAUGE, "Tickets that wait to be checked.")
CERTIFICATE = Metric("certificate_expiry_seconds", GAUGE, "Seconds until the certificate of a listener expires.",
                     ("listener",), Total.LEAST)  # fmt: skip

METRICS: Mapping[str, Metric] = {one.name: one for one in list(globals().values()) if isinstance(one, Metric)}

CUT_EVENTS = frozenset({"connection.cut", "consumer.cut", "frame.cut", "session.ended", "stop.cut"})
"""Events of the log that end a connection."""

REFUSED_EVENTS = frozenset({"connection.refused", "handshake.refused", "hello.refused", "proxy.refused"})
"""Events of the log that refuse a client."""

LAG_INTERVAL = 0.5
"""Seconds between two measurements of the reactor's lag."""


def read_journal(counts: Mapping[tuple[str, str], int]) -> Iterator[Sample]:
    """What the journal has counted."""
    for (event, code), count in counts.items():
        if event == "session.joined":
            yield JOINS, (code,), count
        elif event == "session.left":
            yield LEAVES, (code,), count
        elif event in REFUSED_EVENTS:
            yield REFUSALS, (code,), count
        elif event in CUT_EVENTS:
            yield CUTS, (event, code), count
        yield EVENTS_LOGGED, (event, code), count


def read_sessions(sessions: Callable[[], Iterable[ListenerSession]]) -> Iterator[Sample]:
    """Who is connected."""
    found: Counter[tuple[str, str, str]] = Counter()
    for session in sessions():
        joined = session.joined()
        if joined is not None:
            found[joined.realm_context.name, session.protocol, joined.member.principal.authrole] += 1
    for labels, count in found.items():
        yield SESSIONS, labels, count


def read_realms(realms: Mapping[str, RealmContext], dispatcher: Dispatcher) -> Iterator[Sample]:
    """What is routed."""
    for name, context in realms.items():
        broker = context.realm.broker
        yield PUBLICATIONS, (name,), broker.published
        members = context.realm.members.values()
        yield SUBSCRIPTIONS, (name,), sum(len(one.subscriptions) for one in members)
        yield REGISTRATIONS, (name,), sum(len(one.registrations) for one in members)
    yield DELIVERED, (), dispatcher.events


def read_connections(limits: Mapping[str, ConnectionLimit]) -> Iterator[Sample]:
    """Connections, by listener."""
    for name, limit in limits.items():
        yield CONNECTIONS, (name,), limit.inside
        yield UNAUTHENTICATED, (name,), limit.unauthenticated


def read_lookups(lookups: Iterable[SingleFlight[object]]) -> Iterator[Sample]:
    """What directories and session stores took, by what they are called: ``directory:people``."""
    for one in lookups:
        labels = (one.title,)
        yield LOOKUPS, labels, one.spans
        yield LOOKUPS_WAITING, labels, one.queued
        yield DOWN, labels, int(one.down)


class ProcessFigures:
    """The process: memory, descriptors, and how late the reactor's timers are (``start``, ``stop``)."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._due = 0.0
        self.lag = Histogram(FAST)
        self._call = LoopingCall(self._measure)
        self._call.clock = clock

    def start(self) -> None:
        """Measure the lag from now on."""
        self._due = self._clock.seconds()
        self._call.start(LAG_INTERVAL)

    def stop(self) -> None:
        """Measure no longer."""
        if self._call.running:
            self._call.stop()

    def _measure(self) -> None:
        now = self._clock.seconds()
        self.lag.observe(max(0.0, now - self._due))
        self._due = now + LAG_INTERVAL

    def read(self) -> Iterator[Sample]:
        """See ``metrics.Source``. Linux: proc(5)."""
        yield BUILD, (__version__, platform.python_version()), 1
        yield UPTIME, (), self._clock.seconds() - self._began
        yield CPU, (), time.process_time()
        yield LAG, (), self.lag
        yield MEMORY, (), int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        yield DESCRIPTORS, (), len(os.listdir("/proc/self/fd"))
        yield DESCRIPTOR_LIMIT, (), _descriptor_limit()


def _descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
