"""What `make bench` runs: the scenarios of the load generator, and the peers that it drives.

A peer is a server and how clients speak to it, so orosync is here several times. A new one needs a script
``peers/NAME/start.sh PORT PEM`` that becomes the server (``exec``), on loopback, in an empty directory that is its own
for one run; it installs on its first start what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass

EVENTS = ("us_ev", "ev_s", "p50_us", "p99_us", "max_us", "srv_busy")


@dataclass(frozen=True)
class Scenario:
    """One load."""

    options: str
    """Of the load generator; ``{secs}`` is how long it lasts."""
    figures: tuple[str, ...]
    """Those of the table; the first is the one that peers are ordered by."""
    title: str


@dataclass(frozen=True)
class Peer:
    """One server, spoken to in one way."""

    start: str
    """The script below peers/, with arguments before PORT and PEM."""
    scenarios: tuple[str, ...]
    """What it can do and is worth running."""
    options: str
    """Of the load generator."""
    offset: int = 0
    """Added to PORT: where it listens for these clients."""
    tickets: bool = False
    """Whether each client logs in with a fresh ticket of Oro's."""
    backend: bool = False
    """Whether the publisher of a fan-out logs in as Oro's back end does, with a ticket without a user."""


# fan...: 10,000 deliveries a second, publishes spaced out so that none coalesce, the generator asleep between its turns
# and 30,000 deliveries before that for caches and compilers to warm up. sat100: a closed loop.
_FAN = "--scenario fanout --nap 1000 --secs {secs}"
SCENARIOS = {
    "fan10": Scenario(f"{_FAN} --subs 10 --rate 1000 --warm 3000", EVENTS, "event to 10 subscribers"),
    "fan100": Scenario(f"{_FAN} --subs 100 --rate 100 --warm 300", EVENTS, "event to 100 subscribers"),
    "fan1000": Scenario(f"{_FAN} --subs 1000 --rate 10 --warm 30", EVENTS, "event to 1,000 subscribers"),
    "fan1000k": Scenario(f"{_FAN} --subs 1000 --rate 10 --warm 30 --size 1024", EVENTS, "the same, 1 KiB"),
    "sat100": Scenario(
        "--scenario fanout --subs 100 --window 16 --nap 500 --secs {secs} --warm 300",
        EVENTS,
        "event to 100, 16 publishes in flight",
    ),
    "topics10k": Scenario(
        "--scenario topics --topics 10000 --subs 500 --window 32 --nap 500 --secs {secs}",
        ("us_ev", "us_leave", "ev_s", "p99_us", "rss_mb"),
        "event, 10,000 topics",
    ),
    "rpc10": Scenario(
        "--scenario rpc --callers 10 --secs {secs}", ("us_call", "calls_s", "p50_us", "p99_us", "srv_busy"), "call"
    ),
    "join": Scenario("--scenario connect --subs 1000 --conc 32", ("us_join", "us_leave", "joins_s", "rss_mb"), "join"),
    "lat100": Scenario(
        "--scenario fanout --subs 100 --rate 50 --secs {secs}", ("p99_us", "p50_us", "max_us", "us_ev"), "event to 100"
    ),
    "lat2000": Scenario(
        "--scenario fanout --subs 2000 --rate 2 --secs 10", ("p99_us", "p50_us", "max_us", "us_ev"), "event to 2,000"
    ),
    "idle5k": Scenario(
        "--scenario idle --subs 5000 --idle 3",
        ("kib_conn", "kib_conn_1k", "rss0_mb", "rss_mb", "idle_cpu_pct"),
        "idle connection of 5,000",
    ),
    "slow": Scenario(
        "--scenario slow --subs 10 --size 65536 --rate 100 --secs 6",
        ("us_ev", "p99_us", "rss0_mb", "rss_peak_mb", "rss_2s_after_close_mb", "slow_dropped"),
        "64 KiB to 10, beside one that reads nothing",
    ),
}

_FANS = ("fan10", "fan100", "fan1000", "fan1000k")
_BOTH = (*_FANS, "sat100", "topics10k", "join", "lat100", "lat2000", "idle5k", "slow")
_TLS = ("fan100", "join", "idle5k")
_BINARY = ("fan10", "fan100")
_OROSYNC = "orosync/start.sh"
_V1, _V2 = "--v 1 --path /", "--v 2 --path /"
_ORO = "--realm oro --topic oro/data/update"
_NCHAN = "--v 0 --path /sub --pubpath /pub"

OWN = {
    "orosync-v1": Peer(_OROSYNC, _BOTH, _V1),
    "orosync-v2": Peer(_OROSYNC, (*_BOTH, "rpc10"), _V2),
    "orosync-msgpack": Peer(_OROSYNC, _BINARY, f"{_V2} --ser msgpack"),
    "orosync-cbor": Peer(_OROSYNC, _BINARY, f"{_V2} --ser cbor"),
    "orosync-raw": Peer(_OROSYNC, _BINARY, f"{_V2} --raw 1", offset=2),
    "orosync-tls-v1": Peer(_OROSYNC, _TLS, f"{_V1} --tls 1", offset=1),
    "orosync-tls-v2": Peer(_OROSYNC, _TLS, f"{_V2} --tls 1", offset=1),
    "orosync-resumed-v1": Peer(_OROSYNC, ("join",), f"{_V1} --tls 1 --resume 1", offset=1),
    "orosync-resumed-v2": Peer(_OROSYNC, ("join",), f"{_V2} --tls 1 --resume 1", offset=1),
    "orosync-ticket-v1": Peer(_OROSYNC, ("join",), _V1, offset=3, tickets=True),
    "orosync-ticket-v2": Peer(_OROSYNC, ("join",), _V2, offset=3, tickets=True),
    "orosync-oro-v1": Peer(_OROSYNC, ("fan100",), f"{_V1} {_ORO}", offset=4, tickets=True, backend=True),
    "orosync-oro-v2": Peer(_OROSYNC, ("fan100",), f"{_V2} {_ORO}", offset=4, tickets=True, backend=True),
    # The yardsticks. The scenarios that no bound compares them in would only take time.
    "relay": Peer("floor.sh relay", ("sat100", "topics10k", "rpc10", "join"), _V2),
    "floor-txd": Peer("floor.sh txd", (*_FANS, "lat100", "lat2000"), _V2),
    "floor-tls": Peer("floor.sh tls", ("fan100", "join"), f"{_V2} --tls 1"),
}
"""orosync, and what its bounds compare it with."""

OTHERS = {
    "crossbar": Peer("crossbar/start.sh", (*_BOTH, "rpc10"), "--v 2 --path /ws"),
    "foxwamp": Peer("foxwamp/start.sh", (*_BOTH, "rpc10"), _V2),
    "node-v1": Peer("node/start.sh", _BOTH, _V1),
    "node-v2": Peer("node/start.sh", (*_BOTH, "rpc10"), _V2),
    "node-tls": Peer("node/start.sh", _TLS, f"{_V2} --tls 1", offset=1),
    "nchan": Peer("nchan/start.sh", (*_FANS, "sat100", "lat100", "lat2000", "join", "idle5k", "slow"), _NCHAN),
    "nchan-tls": Peer("nchan/start.sh", _TLS, f"{_NCHAN} --tls 1", offset=1),
    "floor-py": Peer("floor.sh py", (*_FANS, "lat100", "lat2000"), _V2),
    "floor-tx": Peer("floor.sh tx", (*_FANS, "sat100", "lat100", "lat2000"), _V2),
}
"""What a user could pick instead, and further floors: run when they are named."""

PEERS = {**OWN, **OTHERS}
