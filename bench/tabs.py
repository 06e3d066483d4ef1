#!/usr/bin/env python3
"""What open pages of Oro's cost: CPU time, memory and latency, over orosync's own TLS and behind nginx.

    python bench/tabs.py                                   2,000 and 10,000 pages, 50 seconds each
    python bench/tabs.py --tabs 200 --secs 5 --ways tls    a short run
    python bench/tabs.py --svg docs/images/tabs.svg        also draws

Each page has logged in with a ticket and has the 12 subscriptions of Oro's pages. Once a second a changed record is
published, with 1 KiB of tags, to all of them; ``oro/ping`` comes each 50 seconds; and five times a second a page is
left and another one opened. Five pages belong to one user. Oro's PHP publishes on a port of its own, without TLS.
nginx has two processes, TLS as orosync has, and the location of etc/proxies/nginx.conf.

Oro's own server is a model, no measurement: what one process of PHP (Ratchet with ext-uv) took for each event, login
and leaving page, in relation to ``floor-txd``, which is measured here as well. Loopback only. Ends with 1 where a page
lost its connection or an event.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import Pool
from pathlib import Path
from typing import Any
from urllib.parse import quote

from drawing import Drawing
from own_router import TREE, OwnRouter, certificate, cpu_seconds, family, ticket
from record import free_port, generated, listening, server
from scenarios import PEERS, SCENARIOS

CONFIGURATION = """
[router]
state = .
drain = 0s
[listen:tabs]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
{listener}
# All come from one address here.
max_connections = 20000
max_unauthenticated = 20000
unauthenticated_per_address = 20000
connection_rate = 20000
[listen:backend]
endpoint = tcp:{backend}:interface=127.0.0.1
origins = 127.0.0.1
publisher = yes
[realm:realm1]
authenticators = tickets
authorizers = topics:oro
[authenticator:tickets]
use = ticket
secret = env:STORM_SECRET
directory = people
# The tickets of all pages are made before the first of them connects.
ttl = 3600s
[directory:people]
use = static
{users}
[topics:oro]
use = oro
"""

NGINX = """
daemon off; worker_processes 2; worker_rlimit_nofile {files}; pid nginx.pid; error_log stderr warn; {user}
events {{ worker_connections {files}; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    server {{
        listen 127.0.0.1:{port} ssl reuseport backlog=4096;
        {location}
    }}
}}
"""

WAYS = {"tls": "orosync with TLS", "nginx": "orosync behind nginx"}
LEFT = 250
TABS_OF_A_USER, LOGINS, PING = 5, 5, 50
OWN_TOPICS, COMMON_TOPICS = 6, 6

# Ratchet 0.4.4 and GosWebSocketBundle on PHP 8.2 with ext-uv: microseconds, beside 8.2 of floor-txd in the same run.
# Without an extension PHP cannot hold more than 1,024 connections.
STOCK_FLOOR, STOCK_EVENT, STOCK_TICKET, STOCK_JOIN = 8.2, 25.1, 3800, 188
STOCK_LEAVE_EACH_TOPIC, STOCK_KIB = 1745 / 10_000, 24.6


def password_hash(number: int) -> str:
    """Of a user: each has another one."""
    return f"$2y$13${number:053}"


def pss(pid: int) -> float:
    """KiB of memory, what processes share once."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def figures_of(pids: list[int]) -> dict[str, float]:
    """CPU seconds and KiB of processes together."""
    return {"cpu": sum(map(cpu_seconds, pids)), "kib": sum(map(pss, pids))}


@contextmanager
def nginx(directory: Path, pem: Path, upstream: int) -> Iterator[tuple[int, int]]:
    """It runs in front of the router: its process id and its port."""
    port = free_port(1)
    location = (TREE / "etc" / "proxies" / "nginx.conf").read_text().replace(":8080", f":{upstream}")
    user = "user root;" if os.getuid() == 0 else ""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = NGINX.format(files=files, pem=pem, port=port, location=location, user=user)
    (directory / "nginx.conf").write_text(text)
    log = directory / "nginx.log"
    environ = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    command = ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    try:
        listening(port, process, time.monotonic() + 20, log)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def measured(way: str, tabs: int, asked: argparse.Namespace) -> dict[str, Any]:
    """One run: the load generator's figures, and what the processes took meanwhile."""
    users = -(-tabs // TABS_OF_A_USER)
    with tempfile.TemporaryDirectory(prefix="tabs-") as name:
        directory, lines = Path(name), []
        for number in range(1, users + 1):
            (directory / f"hash.{number}").write_text(password_hash(number))
            lines.append(f"user.user{number} = {number} file:{directory}/hash.{number}")
        pem = certificate(directory)
        listener = f"certificate = {pem}\nkey = {pem}" if way == "tls" else "trusted_proxies = loopback"
        with OwnRouter(configuration=CONFIGURATION, listener=listener, users="\n".join(lines)) as router:
            (directory / "tickets").write_text("\n".join(prepared(router, tabs, users, asked.secs)))
            with nginx(directory, pem, router.port) if way == "nginx" else nullcontext((0, router.port)) as (pid, port):
                groups = {"router": [router.pid], "tickets": list(family(router.pid))[1:]}
                groups["nginx"] = list(family(pid)) if pid else []
                row = driven(asked, tabs, directory / "tickets", (port, router.backend), groups)
                if not row["ok"]:
                    print(router.log.read_text()[-2000:], file=sys.stderr)
                return row


def prepared(router: OwnRouter, tabs: int, users: int, secs: float) -> list[str]:
    """Lines of a ticket and its user's id: the publisher's first, then one for each login."""
    logins = tabs + int(LOGINS * secs) + 10
    ids = [number % users + 1 for number in range(logins)]
    wanted = [(f"user{number}", password_hash(number), router.secret) for number in ids]
    with Pool() as pool:
        made = pool.starmap(ticket, [("", router.secret, router.secret), *wanted], 50)
    return [f"{quote(one, safe='')} {number}" for one, number in zip(made, [0, *ids], strict=True)]


def driven(
    asked: argparse.Namespace, tabs: int, tickets: Path, ports: tuple[int, int], groups: dict[str, list[int]]
) -> dict[str, Any]:
    """Have the load generator open the pages, and read the processes' figures while it publishes."""
    time.sleep(2)
    empty = {group: figures_of(pids) for group, pids in groups.items()}
    command = [str(asked.generator), "--scenario", "tabs", "--v", "1", "--path", "/ws", "--tls", "1", "--nap", "1000"]
    command += ["--port", str(ports[0]), "--pubport", str(ports[1]), "--tickets", str(tickets), "--subs", str(tabs)]
    command += ["--topic", "oro/data/update", "--shape", "tags", "--size", "1024", "--rate", "1"]
    command += ["--logins", str(LOGINS), "--secs", str(asked.secs)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    begun: dict[str, dict[str, float]] = {}
    spent: dict[str, float] = {}
    for line in process.stderr:
        if line == "measuring\n":
            begun = {group: figures_of(pids) for group, pids in groups.items()}
            start = time.monotonic()
        elif line == "measured\n":
            took = time.monotonic() - start
            full = {group: figures_of(pids) for group, pids in groups.items()}
            spent = {group: (full[group]["cpu"] - begun[group]["cpu"]) / took for group in groups}
            break
    said, complained = process.communicate()
    if not spent:
        raise SystemExit(f"the pages did not open: {said} {complained}")
    each = {group: (full[group]["kib"] - empty[group]["kib"]) / tabs for group in groups}
    return {**json.loads(said), "cores": spent, "kib_each": each, "load": os.getloadavg()[0]}


def model(tabs: int, floor: float, nginx: dict[str, Any]) -> dict[str, Any]:
    """Oro's own server with as many pages, on a machine where floor-txd takes ``floor`` microseconds for an event, and
    behind the nginx of a measured row."""
    topics = COMMON_TOPICS + OWN_TOPICS * tabs / TABS_OF_A_USER
    events = tabs * (1 + 1 / PING) * STOCK_EVENT
    pages = LOGINS * (STOCK_TICKET + STOCK_JOIN + STOCK_LEAVE_EACH_TOPIC * topics)
    cores = {"router": (events + pages) * floor / STOCK_FLOOR / 1e6, "tickets": 0, "nginx": nginx["cores"]["nginx"]}
    return {"cores": cores, "kib_each": {"router": STOCK_KIB, "tickets": 0, "nginx": nginx["kib_each"]["nginx"]}}


def floor_txd(generator: Path, secs: float) -> float:
    """Microseconds that an event of 1 KiB to 1,000 takes floor-txd on this machine, now."""
    peer = PEERS["floor-txd"]
    options = [*peer.options.split(), *SCENARIOS["fan1000k"].options.format(secs=secs).split()]
    with server(peer, Path("/dev/null")) as (pid, port):
        row = generated(generator, ["--name", "floor-txd", "--port", str(port), "--pid", str(pid), *options])
    return float(row["us_ev"])


def shown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    heads = (
        "",
        "pages",
        "CPU: router, tickets, nginx",
        "KiB a page: orosync, nginx",
        "event p50, p99",
        "login p50, p99",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in rows:
        cores, kib = row["cores"], row["kib_each"]
        cells = [f"{cores['router']:.1%}, {cores['tickets']:.1%}, {cores['nginx']:.1%}"]
        cells.append(f"{kib['router'] + kib['tickets']:.1f}, {kib['nginx']:.1f}")
        if row["way"] == "stock":
            cells += ["-", "-"]
        else:
            cells += [f"{row[f'{of}p50_us'] / 1000:.0f}, {row[f'{of}p99_us'] / 1000:.0f} ms" for of in ("", "login_")]
        lines.append(f"| {row['title']} | {row['tabs']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def drawn(rows: list[dict[str, Any]]) -> str:
    """CPU, memory and latency of each run as bars: what is orosync's own, then what nginx adds."""
    drawing = Drawing(760, "CPU time and memory of open pages of Oro's")
    names = [f"{row['title']}, {row['tabs']:,}" for row in rows]
    for title, key, unit in (("CPU, % of one core", "cores", 100), ("Memory of a page, KiB", "kib_each", 1)):
        parts = [[(row[key]["router"] + row[key]["tickets"]) * unit, row[key]["nginx"] * unit] for row in rows]
        kinds = [("other" if row["way"] == "stock" else "ours", "added") for row in rows]
        drawing.bars(title, list(zip(names, parts, kinds, strict=True)), left=LEFT)
    late = [(f"{row['title']}, {row['tabs']:,}", [row["p99_us"] / 1000], ["ours"]) for row in rows if "p99_us" in row]
    drawing.bars("From publishing to a page, p99, ms", late, left=LEFT)
    drawing.text(LEFT, drawing.y + 26, "orange: nginx; gray: a model, no measurement")
    return drawing.finished(drawing.y + 40)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tabs", type=int, nargs="+", default=[2000, 10_000], help="how many pages are open")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--secs", type=float, default=50)
    parser.add_argument("--out", type=Path, help="write the figures there, as lines of JSON")
    parser.add_argument("--read", type=Path, nargs="+", help="print and draw what --out wrote, and measure nothing")
    parser.add_argument("--svg", type=Path, help="draw to this file")
    parser.add_argument("--generator", type=Path, default=TREE / "bench" / "wampload", help="the load generator")
    asked = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if max(asked.tabs) + 100 > limit:
        parser.error(f"at most {limit - 100} pages: the limit of open files is {limit} (ulimit -Hn)")
    rows = [json.loads(line) for file in asked.read or () for line in file.read_text().splitlines()]
    for tabs in () if asked.read else asked.tabs:
        for way in asked.ways:
            rows.append({**measured(way, tabs, asked), "way": way, "title": WAYS[way], "tabs": tabs})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        if rows[-1]["way"] == "nginx":
            modelled = model(tabs, floor_txd(asked.generator, min(asked.secs, 5)), rows[-1])
            rows.append({**modelled, "way": "stock", "title": "Oro's own server (model)", "tabs": tabs, "ok": 1})
    if asked.out:
        asked.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if asked.svg:
        asked.svg.write_text(drawn(rows))
    print(shown(rows))
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
