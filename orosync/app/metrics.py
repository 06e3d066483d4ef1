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
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from orosync import __version__
from orosync.metrics import FAST, OTHER, SLOW, Histogram, Kind, Metric, Sample, Total
from orosync.model import Match
from orosync.ops.health import Report

if TYPE_CHECKING:  # a supervisor has metrics, and nothing of all this
    from orosync.authz.topics import TopicRules
    from orosync.embedded.component import HostedComponent
    from orosync.identity.cookie_authenticator import CookieAuthenticator
    from orosync.identity.hasher import Hasher
    from orosync.identity.single_flight import SingleFlight
    from orosync.router.realm import Realm
    from orosync.router.subscriptions import Subscription
    from orosync.session.dispatch import Dispatcher
    from orosync.session.realm_context import RealmContext
    from orosync.transport.admission import ConnectionLimit
    from orosync.transport.listener import ListenerFactory
    from orosync.uplink.uplink import Uplink

Rules: TypeAlias = "tuple[TopicRules, ...]"

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
QUEUED = Metric("send_queue_bytes", GAUGE, "Bytes that wait for slow clients to read.")
SLOW_CLIENTS = Metric("slow_clients", GAUGE, "Sessions for whose clients bytes wait.")
LEAVES = Metric("session_leaves", COUNTER, "Sessions that have left since the start.", ("method",))
REFUSALS = Metric("refusals", COUNTER, "Connections and logins that were refused, by reason code.", ("code",))
CUTS = Metric("cuts", COUNTER, "Connections that orosync ended, by the event of the log and its reason code.",
              ("event", "code"))  # fmt: skip
EVENTS_LOGGED = Metric("log_events", COUNTER, "Events of the log, suppressed lines included.", ("event", "code"))
CONNECTIONS = Metric("connections", GAUGE, "Open connections.", ("listener",))
UNAUTHENTICATED = Metric("connections_unauthenticated", GAUGE, "Those of them that have not joined yet.", ("listener",))

# Routing.
SUBSCRIPTIONS = Metric("subscriptions", GAUGE, "Subscriptions, one for each session and topic, by the pattern of the "
                       "channel that declares the topic; other: none does.", ("realm", "route"))  # fmt: skip
REGISTRATIONS = Metric("registrations", GAUGE, "Registered procedures, one for each callee.", ("realm",))
PUBLICATIONS = Metric("publications", COUNTER, "Publications.", ("realm",))
DELIVERED = Metric("events_queued", COUNTER, "EVENTs queued for receivers, one for each.")
FAN_OUT = Metric("fan_out_seconds", HISTOGRAM, "How long it took to encode one event for several receivers and to hand "
                 "it to all of them.", bounds=FAST)  # fmt: skip
CALLS = Metric("calls", COUNTER, "Calls of procedures that clients, components or uplinks offer.", ("realm",))
CALLS_IN_PROGRESS = Metric("calls_in_progress", GAUGE, "Those of them that are not over.", ("realm",))
CALL_TIME = Metric("call_seconds", HISTOGRAM, "How long calls took, from the CALL to the last answer.", ("realm",),
                   bounds=SLOW)  # fmt: skip
UPLINK_UP = Metric("uplink_up", GAUGE, "1: the uplink has joined the other router's realm.", ("realm",), Total.LEAST)
COMPONENT_UP = Metric("component_up", GAUGE, "1: the component runs.", ("component",), Total.LEAST)

# Several nodes.
BACKPLANE_UP = Metric("backplane_up", GAUGE, "1: the engine that joins the nodes can be reached.", total=Total.LEAST)
PEERS = Metric("backplane_peers", GAUGE, "Other nodes that this one exchanges messages with.", total=Total.LEAST)
UNACKNOWLEDGED = Metric("backplane_unacknowledged_messages", GAUGE, "Messages for another node that it has not "
                        "acknowledged.", ("peer",))  # fmt: skip
NODE_MESSAGES = Metric("backplane_messages", COUNTER, "Messages to and from other nodes, an event or call each; "
                       "direction: sent or received.", ("direction",))  # fmt: skip
NODE_BATCHES = Metric("backplane_batches", COUNTER, "Batches that carried them.", ("direction",))
NODE_BYTES = Metric("backplane_bytes", COUNTER, "Bytes of these batches.", ("direction",))
RESENT = Metric("backplane_resent_messages", COUNTER, "Messages that were sent again.")
DUPLICATES = Metric("backplane_duplicate_messages", COUNTER, "Messages that came once more and were dropped.")
LOST = Metric("backplane_lost_messages", COUNTER, "Messages of other nodes that never came.")
REFUSED_BATCHES = Metric("backplane_refused", COUNTER, "Batches that were not taken (another key, version or node), "
                         "and messages that were too large to send.")  # fmt: skip
DROPPED = Metric("backplane_dropped", COUNTER, "With workers: batches for one that does not read, which asks for them "
                 "again, and what the supervisor has no room to keep.")  # fmt: skip
KEPT_BYTES = Metric("backplane_kept_bytes", GAUGE, "Bytes of retained events and histories that the supervisor keeps "
                    "for its workers.")  # fmt: skip

# What other programs answer.
LOOKUPS = Metric("lookup_seconds", HISTOGRAM, "How long look-ups in directories and session stores took.",
                 ("dependency",), bounds=SLOW)  # fmt: skip
LOOKUPS_WAITING = Metric("lookups_waiting", GAUGE, "Look-ups that wait for one under way.", ("dependency",))
DOWN = Metric("dependency_down", GAUGE, "1: the last look-up failed.", ("dependency",), Total.MOST)
TICKETS_WAITING = Metric("tickets_waiting", GAUGE, "Digests of tickets that wait to be computed.")
TICKET_TIME = Metric("ticket_check_seconds", HISTOGRAM, "How long the digests of a ticket took, the wait included.",
                     bounds=SLOW)  # fmt: skip
TICKET_WORKERS = Metric("ticket_workers", GAUGE, "Processes that compute digests of tickets, or the thread in their "
                        "place.")  # fmt: skip
WITHOUT_COOKIE = Metric("pages_without_cookie", COUNTER, "Pages with a user's ticket that came without the back "
                        "office's cookie.", ("authenticator",))  # fmt: skip
CERTIFICATE = Metric("certificate_expiry_seconds", GAUGE, "Seconds until the certificate of a listener expires.",
                     ("listener",), Total.LEAST)  # fmt: skip


# Health.
READY = Metric("ready", GAUGE, "1: /readyz answers 200.", total=Total.LEAST)
FAULTS = Metric("health_fault", GAUGE, "1: this check of /readyz has found a fault.", ("check",), Total.MOST)

METRICS: Mapping[str, Metric] = {one.name: one for one in list(globals().values()) if isinstance(one, Metric)}

CUT_EVENTS = frozenset({"connection.cut", "consumer.cut", "frame.cut", "session.ended", "stop.cut"})
"""Events of the log that end a connection."""

REFUSED_EVENTS = frozenset({"connection.refused", "handshake.refused", "hello.refused", "proxy.refused"})
"""Events of the log that refuse a client."""

LOCAL = "local"
"""The protocol of orosync's own sessions, which are not counted."""

NEARLY = 0.9
"""The part of the descriptors from which on a node is not ready for more clients."""

LAG_INTERVAL = 0.5
"""Seconds between two measurements of the reactor's lag."""


def read_journal(counts: Mapping[tuple[str, str], int]) -> Iterator[tuple[Metric, tuple[str, ...], int]]:
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


def read_sessions(realms: Mapping[str, RealmContext]) -> Iterator[Sample]:
    """Who is connected."""
    for name, context in realms.items():
        for (protocol, role), count in context.present.items():
            if protocol != LOCAL:
                yield SESSIONS, (name, protocol, role), count


def read_backlogs(listeners: Iterable[ListenerFactory]) -> Iterator[Sample]:
    """What waits for slow clients."""
    waiting = [backlog for one in listeners for backlog in one.backlogs()]
    yield QUEUED, (), sum(waiting)
    yield SLOW_CLIENTS, (), len(waiting)


def read_realms(
    realms: Mapping[str, RealmContext], routes: SubscriptionRoutes, dispatcher: Dispatcher
) -> Iterator[Sample]:
    """What is routed."""
    for name, context in realms.items():
        realm = context.realm
        calls = realm.dealer.pending
        yield PUBLICATIONS, (name,), realm.broker.published
        for route, count in routes.of(realm).items():
            yield SUBSCRIPTIONS, (name, route), count
        yield REGISTRATIONS, (name,), sum(not callee.elsewhere for one in realm.dealer for callee in one.callees)
        yield CALLS, (name,), calls.opened
        yield CALLS_IN_PROGRESS, (name,), calls.opened - calls.spans.count
        yield CALL_TIME, (name,), calls.spans
    yield DELIVERED, (), dispatcher.events
    yield FAN_OUT, (), dispatcher.fan_outs


class SubscriptionRoutes:
    """Subscriptions of realms by route. ``rules`` gives the rules of a realm, the same tuple until they are replaced;
    ``clock`` measures spans.

    Counting looks at each subscription. However often it is asked for, it takes a small part of the time: the next
    count comes PAUSE times as long after a count as that took, and until then the figures stay.
    """

    PAUSE = 250

    def __init__(self, rules: Callable[[str], Rules], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._counted: dict[str, tuple[dict[str, int], float]] = {}

    def of(self, realm: Realm) -> dict[str, int]:
        """See ``subscriptions_by_route``."""
        began = self._clock()
        found, until = self._counted.get(realm.name, ({}, began))
        if began >= until:
            found = subscriptions_by_route(realm.broker, self._rules(realm.name))
            now = self._clock()
            self._counted[realm.name] = (found, now + (now - began) * self.PAUSE)
        return found


def subscriptions_by_route(subscriptions: Iterable[Subscription], rules: Rules) -> dict[str, int]:
    """How many there are for each channel's pattern, one for each member. A subscription remembers its route as long as
    ``rules`` are in use, so that topics are matched once."""
    found = {OTHER: 0}
    routes: dict[str, tuple[object, str]] = {}
    for subscription in subscriptions:
        known = subscription.route
        if known is None or known[0] is not rules:
            route = route_of(subscription, rules)
            known = subscription.route = routes.setdefault(route, (rules, route))
        route = known[1]
        found[route] = found.get(route, 0) + len(subscription.members) - subscription.own
    return found


def route_of(subscription: Subscription, rules: Rules) -> str:
    """The pattern of the channel that declares the topic of an exact subscription; "other" for all else."""
    if subscription.match is Match.EXACT:
        for one in rules:
            if route := one.route(subscription.topic):
                return route
    return OTHER


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


def read_tickets(hasher: Hasher) -> Iterator[Sample]:
    """How tickets are checked."""
    yield TICKETS_WAITING, (), hasher.waiting
    yield TICKET_TIME, (), hasher.spans
    yield TICKET_WORKERS, (), hasher.workers


def read_cookies(authenticators: Iterable[CookieAuthenticator]) -> Iterator[Sample]:
    """Cookies that did not come."""
    for one in authenticators:
        yield WITHOUT_COOKIE, (one.name,), one.without_cookie


def read_links(uplinks: Mapping[str, Uplink], components: Iterable[HostedComponent]) -> Iterator[Sample]:
    """What is up, of uplinks by realm and of components."""
    for name, uplink in uplinks.items():
        yield UPLINK_UP, (name,), int(uplink.connected)
    for component in components:
        yield COMPONENT_UP, (component.name,), int(component.joined)


def read_health(report: Callable[[], Report]) -> Iterator[Sample]:
    """What /readyz says."""
    found = report()
    yield READY, (), int(found.ready)
    for name in found.wrong:
        yield FAULTS, (name,), 1


class ProcessFigures:
    """The process: memory, descriptors, and how late the reactor's timers are (``start``, ``stop``)."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._due = 0.0
        self._descriptors = (0, float("-inf"))
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
        yield DESCRIPTORS, (), self._open_descriptors()
        yield DESCRIPTOR_LIMIT, (), _descriptor_limit()

    def descriptors_used_up(self) -> str:
        """What is wrong with the number of open descriptors, "" while there are enough."""
        found, limit = self._open_descriptors(), _descriptor_limit()
        if found < limit * NEARLY:
            return ""
        return f"{found} of {limit} file descriptors are open, new clients may be refused: raise LimitNOFILE"

    def _open_descriptors(self) -> int:
        """Counted once a second at most: listing ten thousand takes milliseconds."""
        found, counted = self._descriptors
        now = self._clock.seconds()
        if now - counted >= 1.0:
            # Since Linux 6.2 the size of the directory is their number (proc(5)).
            found = os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
            self._descriptors = (found, now)
        return found


def _descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
