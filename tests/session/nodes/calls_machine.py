"""A random life of three nodes, of what is between them, and of clients that call each other: each CALL has one end."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.task import Clock

from orosync.testing import MemoryEngine
from tests.session.fixture import JsonClient
from tests.session.nodes.calls_case import FEATURES, PLAIN, Node

NAMES = ("a", "b", "c")
PROCEDURES = ("p.one", "p.two", "q.three")
PAIRS = st.sampled_from([("a", "b"), ("a", "c"), ("b", "c")])
WHO = st.integers(min_value=0, max_value=30)
REGISTER, CALL, CANCEL, YIELD, ERROR, GOODBYE = 64, 48, 49, 70, 8, 6


class Player:
    """A client: the calls that it has made by request id with their ends, the invocations that it works on."""

    def __init__(self, node: Node, client: JsonClient) -> None:
        self.node = node
        self.client = client
        self.requests = 0
        self.ends: dict[int, list[Any]] = {}
        self.working: list[tuple[int, bool]] = []
        self.registrations: set[int] = set()
        self.over = False

    def request(self) -> int:
        self.requests += 1
        return self.requests

    def listen(self) -> None:
        """Take in what has been said to it, and see that it may be."""
        for message in self.client.heard():
            kind = message[0]
            if kind == 50 and message[2].get("progress"):
                assert self.ends[message[1]] == [], "a progressive result after the end"
            elif kind == 50:
                self.ends[message[1]].append(message)
            elif kind == ERROR and message[1] == CALL:
                self.ends[message[2]].append(message)
            elif kind == 65:
                self.registrations.add(message[2])
            elif kind == 68:
                assert message[2] in self.registrations, "an INVOCATION of what it has not registered"
                self.working.append((message[1], bool(message[3].get("receive_progress"))))
            elif kind == 67 and message[1] == 0:
                self.registrations.discard(message[2]["registration"])
            elif kind in (GOODBYE, 3):
                self.over = True
        for request, ends in self.ends.items():
            assert len(ends) <= 1, f"call {request} has {len(ends)} ends: {ends}"


class CallsMachine(RuleBasedStateMachine):
    """Clients come, register, call, answer, cancel and go; nodes, the engine and the ways between them fail."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)
        self.nodes = {name: Node(self.engine, name, self.clock) for name in NAMES}
        self.players: list[Player] = []
        self.parted: set[tuple[str, str]] = set()
        self.dead: set[str] = set()
        self.away: set[str] = set()
        self.step()
        for name in NAMES:
            self.join(name, FEATURES)

    def step(self, turns: int = 8) -> None:
        for _ in range(turns):
            self.clock.advance(0.001)  # no two claims have the same age

    def pick(self, who: int) -> Player:
        return self.players[who % len(self.players)]

    @rule(name=st.sampled_from(NAMES), roles=st.sampled_from([FEATURES, PLAIN]))
    def join(self, name: str, roles: Any) -> None:
        """A client comes to a node that lives."""
        if name not in self.dead:
            node = self.nodes[name]
            self.players.append(Player(node, node.client(roles)))

    @precondition(lambda self: len(self.players) > 1)
    @rule(who=WHO)
    def leave(self, who: int) -> None:
        """A client goes."""
        player = self.players.pop(who % len(self.players))
        player.client.session.closed(True, 1000, "")

    @precondition(lambda self: self.players)
    @rule(
        who=WHO,
        procedure=st.sampled_from(PROCEDURES),
        invoke=st.sampled_from(["single", "roundrobin", "roundrobin", "first", "last", "random"]),
        concurrency=st.sampled_from([None, None, 1, 2]),
        force=st.sampled_from([False, False, False, True]),
        prefix=st.booleans(),
    )
    def register(
        self, who: int, procedure: str, invoke: str, concurrency: int | None, force: bool, prefix: bool
    ) -> None:
        """A client registers, or is refused."""
        player = self.pick(who)
        options = {"invoke": invoke, "concurrency": concurrency, "force_reregister": force}
        if prefix:
            options["match"], procedure = "prefix", procedure[:2]
        player.client.say([REGISTER, player.request(), options, procedure])

    @precondition(lambda self: self.players)
    @rule(who=WHO)
    def unregister(self, who: int) -> None:
        """A client gives a registration back; the calls that it works on go on."""
        player = self.pick(who)
        if player.registrations:
            player.client.say([66, player.request(), min(player.registrations)])

    @precondition(lambda self: self.players)
    @rule(
        who=WHO,
        procedure=st.sampled_from(PROCEDURES),
        progress=st.booleans(),
        timeout=st.sampled_from([None, None, 1500]),
        times=st.integers(min_value=1, max_value=4),
    )
    def call(self, who: int, procedure: str, progress: bool, timeout: int | None, times: int) -> None:
        """A client calls, several times at once."""
        player = self.pick(who)
        for _ in range(times):
            request = player.request()
            player.ends[request] = []
            options = {"receive_progress": progress, "timeout": timeout}
            player.client.say([CALL, request, options, procedure, [request]])

    @precondition(lambda self: self.players)
    @rule(who=WHO, which=WHO, how=st.sampled_from(["yield", "yield", "progress", "error", "unavailable"]))
    def answer(self, who: int, which: int, how: str) -> None:
        """A callee answers one of its calls."""
        player = self.pick(who)
        if not player.working:
            return
        place = which % len(player.working)
        invocation, progress = player.working[place]
        if how == "progress":
            if progress:
                player.client.say([YIELD, invocation, {"progress": True}, [1]])
            return
        del player.working[place]
        if how == "yield":
            player.client.say([YIELD, invocation, {}, ["an answer"]])
        else:
            error = "wamp.error.unavailable" if how == "unavailable" else "com.app.error"
            player.client.say([ERROR, 68, invocation, {}, error])

    @precondition(lambda self: self.players)
    @rule(who=WHO, which=WHO, mode=st.sampled_from(["skip", "kill", "killnowait"]))
    def cancel(self, who: int, which: int, mode: str) -> None:
        """A caller gives one of its calls up."""
        player = self.pick(who)
        open_calls = [request for request, ends in player.ends.items() if not ends]
        if open_calls:
            player.client.say([CANCEL, open_calls[which % len(open_calls)], {"mode": mode}])

    # -- faults

    @rule(pair=PAIRS)
    def part(self, pair: tuple[str, str]) -> None:
        """Two nodes do not hear each other."""
        self.parted.add(pair)
        self.engine.part(*pair)

    @precondition(lambda self: self.parted)
    @rule()
    def mend(self) -> None:
        """They do again."""
        self.engine.mend(*self.parted.pop())

    @rule(name=st.sampled_from(NAMES))
    def lose_engine(self, name: str) -> None:
        """A node cannot reach the engine."""
        if name not in self.dead:
            self.away.add(name)
            self.engine.go_away(name)

    @precondition(lambda self: self.away)
    @rule()
    def find_engine(self) -> None:
        """It can again."""
        self.engine.come_back(self.away.pop())

    @rule(name=st.sampled_from(NAMES))
    def die(self, name: str) -> None:
        """The process of a node ends, and its clients with it."""
        if name not in self.dead:
            self.dead.add(name)
            self.away.discard(name)
            self.engine.kill(name)
            self.players = [player for player in self.players if player.node is not self.nodes[name]]

    @precondition(lambda self: self.dead)
    @rule()
    def live_again(self) -> None:
        """It is started again, under the same name."""
        name = self.dead.pop()
        self.clock.pump([1.0] * 12)
        self.nodes[name] = Node(self.engine, name, self.clock)
        self.step()
        self.join(name, FEATURES)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 12.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.pump([0.5] * round(seconds * 2))
        self.step()

    @rule(lost=st.integers(min_value=1, max_value=40))
    def lose(self, lost: int) -> None:
        """Some batches are lost, others come twice."""
        left = [lost]

        def spoil(sender: str, receiver: str, batch: bytes) -> list[bytes]:
            left[0] -= 1
            if left[0] < 0:
                return [batch]
            return [] if left[0] % 3 == 0 else [batch] * (1 + left[0] % 2)

        self.engine.spoil = spoil

    # -- what holds

    @invariant()
    def one_end_at_most(self) -> None:
        self.step(3)
        for player in self.players:
            player.listen()
        self.players = [player for player in self.players if not player.over]

    def teardown(self) -> None:
        """When all is well again, every call comes to its end, and all nodes know the same callees."""
        self.engine.spoil = None
        for pair in self.parted:
            self.engine.mend(*pair)
        for name in self.away:
            self.engine.come_back(name)
        for _ in range(40):
            self.clock.pump([0.5] * 4)
            self.one_end_at_most()
            for player in self.players:
                for invocation, _ in player.working:
                    player.client.say([YIELD, invocation, {}])
                player.working.clear()
        for player in self.players:
            unanswered = [request for request, ends in player.ends.items() if not ends]
            assert not unanswered, f"calls {unanswered} were never answered"
        living = [node for name, node in self.nodes.items() if name not in self.dead]
        known = [self.callees(node) for node in living]
        assert all(one == known[0] for one in known), known
        assert all(len(node.dealer.pending) == 0 for node in living)
        assert not any(any(node.calls._made.values()) for node in living)

    def callees(self, node: Node) -> Any:
        return {
            (one.procedure, one.match): (one.id, one.invoke, sorted(callee.session for callee in one.callees))
            for one in node.dealer
        }
