"""What happens to the nodes in each case, and what has to hold then and afterwards."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs

from tests.faults.roles import OWN
from tests.faults.routers import RedisRouters, WorkerRouters
from tests.faults.traffic import Traffic
from tests.product.raw import Closed, RawClient
from tests.support.processes import is_there

BEFORE, AFTER = 8.0, 12.0
"""Seconds of traffic before and after a fault."""

GONE = 30.0
"""Seconds after which nothing is left of a dead node."""

ACCEPTED = 1.0
"""Seconds in which a client of a dead node is admitted by another one."""

CALLS = ("result", "wamp.error.canceled", "wamp.error.no_available_callee", "wamp.error.no_such_procedure", "cut")
"""What may become of a call."""


@attrs.define(eq=False)
class Run:
    """A case while it runs."""

    routers: Any
    traffic: Traffic
    moment: float = 0.0
    """When the fault was over."""
    killed: list[tuple[str, float, float]] = attrs.Factory(list)
    notes: list[str] = attrs.Factory(list)
    broken: list[str] = attrs.Factory(list)

    def hold(self, held: object, bound: str) -> None:
        """``bound`` is one that must hold."""
        if not held:
            self.broken.append(bound)

    def over(self) -> None:
        """The fault ends now."""
        self.moment = time.monotonic()

    def kill(self, name: str, pid: int) -> float:
        """kill -9; when."""
        os.kill(pid, signal.SIGKILL)
        now = time.monotonic()
        self.killed.append((name, now, now))
        return now

    def accepted(self, count: int, bound: float = ACCEPTED) -> None:
        """Clients that had lost their connection have another one, within ``bound``; on a busy machine in more time,
        as the clients themselves wait for a processor."""
        bound *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        deadline = time.monotonic() + 30
        while len(self.traffic.roles.moves) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        seconds = [move.seconds for move in self.traffic.roles.moves] or [0.0]
        self.notes.append(f"{len(self.traffic.roles.moves)} clients accepted within {max(seconds):.2f} s")
        self.notes[-1] += f" (median {statistics.median(seconds):.2f} s)"
        self.hold(len(self.traffic.roles.moves) >= count, f"{count} clients are admitted again")
        self.hold(max(seconds) <= bound, f"clients are admitted within {bound:g} s")


@attrs.define(frozen=True)
class Case:
    """``faulty``: the node that is not healthy; "" if all are. ``loses``: its subscribers may miss what is counted as a
    gap. ``back``: seconds within which every node gets the others' events again."""

    name: str
    title: str
    routers: Callable[[], Any]
    fault: Callable[[Run], None]
    faulty: str = ""
    loses: bool = False
    back: float = 10.0


# -- nodes


def _node_killed(run: Run) -> None:
    node = run.routers.children["c"]
    boot = run.routers.boot("c")
    clients = sum(not one.lost for one in run.traffic.roles.clients) // 3
    killed = run.kill("c", node.process.pid)
    node.process.wait()
    run.over()
    run.accepted(clients)
    registered = _registered_again(run, OWN.format("c"), killed)
    run.notes.append(f"its procedure registered elsewhere after {registered:.1f} s")
    run.hold(registered <= 15, "a procedure of the dead node can be registered within 15 s")
    time.sleep(max(0.0, killed + GONE - time.monotonic()))
    left = run.routers.left_of("c", boot)
    sessions = _asked(run, "a", "wamp.session.count")[0] - 1
    alive = run.traffic.alive("open")
    run.notes.append(f"after {GONE:g} s {len(left)} keys or fields, {sessions - alive} sessions of it left")
    run.hold(not left, f"Redis has nothing of it: {left}")
    run.hold(sessions == alive, f"{sessions} sessions where there are {alive}")


def _node_stopped(seconds: float) -> Callable[[Run], None]:
    def fault(run: Run) -> None:
        process = run.routers.children["c"].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        run.over()

    return fault


def _registered_again(run: Run, procedure: str, since: float) -> float:
    """Seconds; infinite if it is not within 30 s."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for when, name, _ in tuple(run.traffic.roles.registered):
            if name == procedure and when > since:
                return when - since
        time.sleep(0.1)
    return float("inf")


def _asked(run: Run, node: str, procedure: str, *arguments: Any) -> Any:
    """What a call by another client of ``node`` is answered: its arguments, or its error's name."""
    with RawClient(f"ws://127.0.0.1:{run.routers.port(node, 'programs')}/ws").join("open") as client:
        client.send([48, 1, {}, procedure, list(arguments)])
        answer = client.read()
        return answer[3] if answer[0] == 50 else answer[4]


# -- Redis


def _redis_restarted(seconds: float) -> Callable[[Run], None]:
    def fault(run: Run) -> None:
        run.routers.redis.kill()
        time.sleep(seconds)
        run.routers.redis.start()
        run.over()

    return fault


def _redis_stopped(run: Run) -> None:
    run.routers.redis.freeze(True)
    time.sleep(5)
    run.routers.redis.freeze(False)
    run.over()


def _connections_killed(run: Run) -> None:
    for _ in range(3):
        run.routers.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        run.over()
        time.sleep(3)


def _failover(run: Run) -> None:
    run.routers.redis.kill()
    run.over()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(AssertionError):
            if b"role:master" in run.routers.replica.ask("INFO", "replication"):
                break
        time.sleep(0.05)
    run.notes.append(f"the replica was made master after {time.monotonic() - run.moment:.1f} s")


# -- a node apart


def _partition(seconds: float) -> Callable[[Run], None]:
    def fault(run: Run) -> None:
        run.routers.forwarder.hold(True)
        time.sleep(seconds)
        run.routers.forwarder.hold(False)
        run.over()

    return fault


def _partition_with_claims(run: Run) -> None:
    """While c is apart, a client of a registers what a client of c has; the older registration wins."""
    procedure = OWN.format("c")
    run.routers.forwarder.hold(True)
    began = time.monotonic()
    with RawClient(f"ws://127.0.0.1:{run.routers.port('a', 'programs')}/ws") as second:
        second.join("open", roles={"callee": {"features": {"registration_revocation": True}}})
        request, answer = 0, None
        while time.monotonic() - began < 20:
            request += 1
            second.send([64, request, {}, procedure])
            answer = second.read()
            if answer[0] == 65:
                break
            time.sleep(0.5)
        taken = time.monotonic() - began
        run.notes.append(f"its procedure registered at another node after {taken:.1f} s")
        run.hold(answer is not None and answer[0] == 65, "the procedure can be registered at another node")
        time.sleep(max(0.0, began + 15 - time.monotonic()))
        run.routers.forwarder.hold(False)
        run.over()
        told, deadline = "not told", time.monotonic() + 20
        second.socket.settimeout(1)
        while told == "not told" and time.monotonic() < deadline:
            try:
                message = second.read()
            except TimeoutError:
                continue
            except Closed:
                told = "cut"
                break
            if message[0] == 68:  # it is its callee until then
                second.send([70, message[1], {}, message[4]])
            elif message[0] == 67:
                told = f"told ({message[2].get('reason')})"
        seconds = time.monotonic() - run.moment
        run.notes.append(f"the younger registration was {told} after {seconds:.1f} s")
        run.hold(told != "not told", "the loser is told")
        run.hold(not run.traffic.roles.revoked, "the older registration stays")
    run.hold(_asked(run, "b", procedure, 7) == [7], "the older one is called")


# -- workers


def _worker_killed(run: Run) -> None:
    pid = run.routers.processes()["w/2"]
    clients = _clients_of(run, "w/2")
    killed = run.kill("w/2", pid)
    run.killed.append(("w/1", killed, killed))  # PHP of the one may have been served by the other
    run.over()
    run.accepted(clients)
    _started_again(run, pid, killed, 20)


def _worker_stopped(run: Run) -> None:
    pid = run.routers.processes()["w/2"]
    clients = _clients_of(run, "w/2")
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    deadline = stopped + 40
    while is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended = time.monotonic()
    run.killed += [("w/1", stopped, ended), ("w/2", stopped, ended)]
    run.notes.append(f"killed after {ended - stopped:.1f} s")
    run.hold(ended - stopped <= 25, "a worker that stands still is killed within 25 s")
    run.over()
    run.accepted(clients)
    _started_again(run, pid, ended, 20)


def _supervisor_killed(run: Run) -> None:
    pids = run.routers.processes()
    clients = len([one for one in run.traffic.roles.clients if not one.lost])
    now = run.kill("w/1", run.routers.child.process.pid)
    run.killed.append(("w/2", now, now))
    run.routers.child.process.wait()
    deadline = now + 20
    while any(map(is_there, pids.values())) and time.monotonic() < deadline:
        time.sleep(0.02)
    seconds = time.monotonic() - now
    run.notes.append(f"its workers ended after {seconds:.1f} s")
    run.hold(seconds <= 5, "workers end within 5 s of their supervisor")
    run.routers.start()
    run.notes.append(f"started again after {time.monotonic() - now:.1f} s")
    run.over()
    run.accepted(clients, 60)


def _clients_of(run: Run, node: str) -> int:
    found = [run.routers.node_of(node, one.port) for one in run.traffic.roles.clients if not one.lost]
    return found.count(node)


def _started_again(run: Run, pid: int, since: float, bound: float) -> None:
    while run.routers.processes()["w/2"] == pid and time.monotonic() - since < bound + 20:
        time.sleep(0.05)
    seconds = time.monotonic() - since
    run.notes.append(f"started again after {seconds:.1f} s")
    run.hold(seconds <= bound, f"a worker serves again within {bound:g} s")


def _with_sentinel() -> RedisRouters:
    return RedisRouters(sentinel=True)


CASES = (
    Case("node-killed", "kill -9 of one of three nodes", RedisRouters, _node_killed, faulty="c"),
    Case("node-stopped-3", "a node stopped for 3 s", RedisRouters, _node_stopped(3), faulty="c"),
    Case("node-stopped-15", "a node stopped for 15 s", RedisRouters, _node_stopped(15), faulty="c"),
    Case("node-stopped-25", "a node stopped for 25 s", RedisRouters, _node_stopped(25), faulty="c"),
    Case("redis-restarted-5", "Redis killed, back empty after 5 s", RedisRouters, _redis_restarted(5)),
    Case("redis-restarted-20", "Redis killed, back empty after 20 s", RedisRouters, _redis_restarted(20), back=20),
    Case("redis-stopped", "Redis stopped for 5 s", RedisRouters, _redis_stopped),
    Case("redis-connections", "3 times all connections to Redis killed", RedisRouters, _connections_killed),
    Case("sentinel", "failover by Sentinel", _with_sentinel, _failover, back=20),
    Case("partition-5", "a node apart for 5 s", RedisRouters, _partition(5), faulty="c"),
    Case("partition-15", "a node apart for 15 s", RedisRouters, _partition_with_claims, faulty="c"),
    Case("partition-25", "a node apart for 25 s", RedisRouters, _partition(25), faulty="c"),
    Case("worker-killed", "kill -9 of one of two workers", WorkerRouters, _worker_killed, faulty="w/2"),
    Case("worker-stopped", "a worker stopped", WorkerRouters, _worker_stopped, faulty="w/2", loses=True),
    Case("supervisor-killed", "kill -9 of the supervisor", WorkerRouters, _supervisor_killed),
)
