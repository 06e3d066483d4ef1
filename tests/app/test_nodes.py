"""Tests of orosync.app.nodes: this process as one node of several."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.app import nodes, process
from orosync.app.container import Container
from orosync.app.metrics import METRICS
from orosync.backplane.envelope import Envelopes
from orosync.backplane.messages import Failures
from orosync.config import load
from orosync.errors import ConfigError, Refused
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import IBackplane
from orosync.model import Match
from orosync.session.local import LocalMember
from orosync.testing import MemoryEngine, RecordingJournal
from orosync.testing.memory_backplane import MemoryBackplane
from tests.config.files import ENVIRON, SOUND

KEY = b"k" * 32
NOW = 1_700_000_000
CONFIGURATION = SOUND.replace("directory = people", "directory = people\nsingle_use = yes\nfailure_burst = 10", 1)
REDIS = "[backplane]\nuse = redis\ndsn = env:DSN\nsecret = env:KEY\n"
PLUGIN = "[backplane]\nuse = tests.app.test_nodes:{}\nsecret = env:KEY\nprevious_secret = env:OLD\ncolour = red\n"


class ClockOfAProcess(Clock):
    """With what a reactor has besides."""

    def callWhenRunning(self, call: Any, *arguments: Any) -> None:
        self.callLater(0, call, *arguments)


class Port:
    """A listening port: whether it takes clients."""

    def __init__(self) -> None:
        self.open = True

    def stopReading(self) -> None:
        self.open = False

    def startReading(self) -> None:
        self.open = True


@implementer(IBackplane)
class Plugin(MemoryBackplane):
    """An adapter of somebody else's."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(MemoryEngine(Clock()))
        self.called = (name, dict(options))


def no_backplane(name: str, options: Any) -> object:
    return object()


class NodesCase(SynchronousTestCase):
    """Containers of several nodes on one engine in memory."""

    def setUp(self) -> None:
        self.clock = ClockOfAProcess()
        self.clock.advance(1)
        self.engine = MemoryEngine(self.clock)
        self.served: list[str] = []
        self.ports: dict[str, Port] = {}

    def configured(self, text: str, **environ: str) -> Any:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "router.ini")
            path.write_text(text)
            path.chmod(0o600)
            return load(path, {**ENVIRON, **environ}, 65536)

    def container(self, name: str, more: str = "") -> Container:
        text = f"{CONFIGURATION}[router]\nnode = {name}\nworkers = 2\n{more}"
        container = Container(self.configured(text), self.clock, lambda: NOW, self.engine.adapter(), KEY)
        self.addCleanup(container.journal.close)
        return container

    def join(self, name: str, more: str = "") -> Container:
        """A container, whose node joins."""
        container = self.container(name, more)
        container.realms  # noqa: B018 (makes everything)
        assert container.node is not None
        self.ports[name] = Port()
        container.node.join([self.ports[name]], lambda: self.served.append(name))  # type: ignore[list-item]
        return container

    def pass_time(self, seconds: float = 1.0) -> None:
        self.clock.pump([0.05] * round(seconds / 0.05))


class Life(NodesCase):
    """Joining before clients are admitted, leaving after they have gone."""

    def test_joined_before_clients(self) -> None:
        """Clients wait until the node knows what the others have."""
        one = self.join("one")
        self.assertEqual((self.ports["one"].open, self.served), (False, []))
        self.pass_time()
        self.assertEqual((self.ports["one"].open, self.served), (True, ["one"]))
        two = self.join("two")
        self.pass_time()
        self.assertEqual(self.served, ["one", "two"])
        for node, other in ((one.node, "two"), (two.node, "one")):
            assert node is not None
            self.assertEqual((list(node.nodes.peers), node.fault), ([other], ""))

    def test_engine_away(self) -> None:
        """The node serves its own clients; health says what is missing."""
        self.join("other")
        self.pass_time()
        self.engine.go_away()
        container = self.join("one", "[backplane]\nuse = local\nwhen_away = refuse\n")
        self.pass_time(nodes.SETTLE + 1)
        self.assertEqual((self.ports["one"].open, self.served), (True, ["other", "one"]))
        assert container.node is not None
        self.assertIn("the engine cannot be reached", container.node.fault)
        self.assertTrue(container.realms["oro"].withholding)
        self.engine.come_back()
        self.pass_time()
        self.assertEqual(container.node.fault, "")
        self.assertFalse(container.realms["oro"].withholding)
        self.engine.go_away()
        self.pass_time()
        self.assertTrue(container.realms["oro"].withholding)

    def test_delivered_while_away(self) -> None:
        """Unless the configuration refuses publications, they are taken."""
        container = self.join("one")
        self.pass_time()
        self.engine.go_away()
        self.pass_time()
        self.assertFalse(container.realms["oro"].withholding)

    def test_a_name_that_is_taken(self) -> None:
        """One line says which key, clients are not admitted, and the process ends with status 1."""
        failed: list[object] = []
        self.patch(process, "fail_process", failed.append)
        log: list[Any] = []
        globalLogPublisher.addObserver(log.append)
        self.addCleanup(globalLogPublisher.removeObserver, log.append)
        self.join("one")
        self.pass_time()
        self.join("one")
        self.pass_time()
        self.assertEqual((failed, self.ports["one"].open), ([self.clock], False))
        (line,) = [one["log_format"].format(**one) for one in log if one.get("log_level", "").name == "critical"]
        self.assertEqual(line, "[router] node: another node 'one' is running: give each node a name of its own")

    def test_leaving(self) -> None:
        """The others learn it at once."""
        one, two = self.join("one"), self.join("two")
        self.pass_time()
        assert one.node is not None and two.node is not None
        stopped = two.node.stop()
        self.pass_time(0.2)
        self.successResultOf(stopped)
        self.assertEqual(list(one.node.nodes.peers), [])


class Monitored(NodesCase):
    """What an administrator sees."""

    def test_status(self) -> None:
        """Every other node with its lag, also one that is silent."""
        one = self.join("one")
        self.join("two")
        self.pass_time(3)
        node = one.node
        assert node is not None
        (row,) = node.rows()
        self.assertEqual((row["node"], row["state"], row["lag"]), ("two", "joined", 0))
        self.engine.part("one", "two")
        node.nodes.send_all(Failures("ticket", {"192.0.2.1": 1}))
        self.pass_time(5)
        self.assertEqual(node.rows()[0]["state"], "joined")
        self.assertEqual(node.rows()[0]["lag"], 1)
        self.assertGreater(node.rows()[0]["heard"], 4)
        self.pass_time(7)
        self.assertEqual(node.rows()[0]["state"], "silent")

    def test_metrics(self) -> None:
        """Plain counters of the nodes, and whether the engine is there."""
        one = self.join("one")
        self.join("two")
        self.pass_time(3)
        assert one.node is not None
        self.assertLessEqual({metric.name for metric, _, _ in one.node.samples()}, set(METRICS))
        found = {(metric.name, *labels): value for metric, labels, value in one.node.samples()}
        self.assertEqual((found["backplane_up",], found["backplane_peers",]), (1, 1))
        self.assertEqual(found["backplane_unacknowledged_messages", "two"], 0)
        self.assertGreater(found["backplane_messages", "received"], 0)
        self.assertGreater(found["backplane_bytes", "sent"], found["backplane_batches", "sent"])
        self.assertEqual([found[f"backplane_{name}",] for name in ("lost_messages", "refused")], [0, 0])
        self.engine.go_away()
        self.pass_time()
        self.assertEqual(next(value for metric, _, value in one.node.samples() if metric.name == "backplane_up"), 0)


class Shared(NodesCase):
    """What nodes share."""

    def test_realms(self) -> None:
        """What is published at one node reaches subscribers of the other, in every realm."""
        one, two = self.join("one"), self.join("two")
        self.pass_time()
        events: list[str] = []
        LocalMember(two.realms["oro"]).subscribe("t", Match.EXACT, lambda event, payload, topic: events.append(topic))
        self.pass_time(0.1)
        self.assertEqual(LocalMember(one.realms["oro"]).publish("t"), 0)
        self.pass_time(0.1)
        self.assertEqual(events, ["t"])
        assert one.node is not None and two.node is not None
        self.assertEqual(list(one.node.shared), list(one.realms))

    def test_single_use(self) -> None:
        """The memory of used tickets is that of all nodes."""
        one, two = self.join("one"), self.join("two")
        self.pass_time()
        asked: list[tuple[str, float, str]] = []
        for container in (one, two):
            assert container.node is not None
            taken = container._used_tickets._once
            assert taken is not None
            asked.append(("ticket", 330.0, ""))
            first = taken(*asked[-1])
            self.pass_time(0.1)
            self.assertIs(self.successResultOf(first), container is one)

    def test_failures(self) -> None:
        """A second later the others count them too, each authenticator its own."""
        one, two = self.join("one"), self.join("two")
        self.pass_time()
        for _ in range(10):
            one.failures["ticket"].record("192.0.2.1", self.clock.seconds())
        self.assertFalse(two.failures["ticket"].exhausted("192.0.2.1", self.clock.seconds()))
        moment = self.clock.seconds()
        self.pass_time(1.1)
        self.assertTrue(two.failures["ticket"].exhausted("192.0.2.1", moment))
        self.assertFalse(two.failures["ticket"].exhausted("192.0.2.2", moment))

    def test_many_failing_addresses(self) -> None:
        """A message stays small."""
        one, two = self.join("one"), self.join("two")
        self.pass_time()
        for number in range(10_000):
            one.failures["ticket"].record(f"2001:db8:{number >> 8:x}:{number & 255:x}::/64", self.clock.seconds())
        self.pass_time(1.1)
        self.assertEqual(len(two.failures["ticket"]), 10_000)
        assert one.node is not None
        self.assertEqual(one.node.nodes.counters.refused, 0)

    def test_an_authenticator_that_this_node_has_not(self) -> None:
        """A node with a newer configuration may have more of them."""
        one, two = self.join("one"), self.join("two")
        one.failures["new"] = FailureBuckets()
        self.pass_time()
        one.failures["new"].record("192.0.2.1", self.clock.seconds())
        self.pass_time(1.1)
        self.assertEqual(set(two.failures), {"ticket"})


class Made(NodesCase):
    """The adapter that the configuration names."""

    def test_one_process(self) -> None:
        """It is no node: not with a configuration of one process, and not for a command beside the workers."""
        for text in (CONFIGURATION, f"{CONFIGURATION}[router]\nworkers = 2\n"):
            container = Container(self.configured(text), self.clock)
            self.assertIsNone(container.node)
            container.realms  # noqa: B018
            container.journal.close()

    def test_plugin(self) -> None:
        """It gets its options; nodes sign with the first key and read both."""
        configuration = self.configured(CONFIGURATION + PLUGIN.format("Plugin"), KEY="k" * 32, OLD="o" * 32)
        container = Container(configuration, self.clock)
        self.addCleanup(container.journal.close)
        node = container.node
        assert node is not None
        assert isinstance(node.backplane, Plugin)
        self.assertEqual(node.backplane.called, ("backplane", {"colour": "red"}))
        own = bytes.fromhex(node.nodes.boot)
        for secret, accepted in ((b"k", True), (b"o", True), (b"x", False)):
            batch = Envelopes(secret * 32, "b", "b" * 16).seal(own, 0, 1, 0, 0, b"")
            if accepted:
                self.assertEqual(node.nodes._envelopes.open(batch).name, b"b")
            else:
                self.assertRaises(Refused, node.nodes._envelopes.open, batch)
        sealed = node.nodes._envelopes.seal(b"b" * 8, 0, 1, 0, 0, b"")
        reader = Envelopes(b"k" * 32, "b", (b"b" * 8).hex())
        self.assertEqual(reader.open(sealed).sender, own)

    def test_faults(self) -> None:
        """What cannot be made is told with everything else that is wrong."""
        for use, words in (
            ("no_backplane", "is no IBackplane"),
            ("Nothing", "has no Nothing"),
        ):
            configuration = self.configured(CONFIGURATION + PLUGIN.format(use), KEY="k" * 32, OLD="o" * 32)
            container = Container(configuration, self.clock)
            self.addCleanup(container.journal.close)
            error = self.assertRaises(ConfigError, getattr, container, "realms")
            self.assertRegex("\n".join(error.faults), rf"^\[backplane\] use: .*{words}")

    def test_without_redis_client(self) -> None:
        """The extra that is missing is named."""
        self.patch(nodes.registry, "missing_module", lambda module, extra: f"needs the module {module} ({extra})")
        configuration = self.configured(CONFIGURATION + REDIS, DSN="redis://127.0.0.1:1", KEY="k" * 32)
        error = self.assertRaises(ConfigError, nodes.backplane_of, configuration, self.clock, RecordingJournal())
        self.assertEqual(error.faults, ("[backplane] use: redis needs the module txredisapi (redis)",))


NOTHING_IMPORTED = """
import sys
from twisted.internet import reactor
from orosync.app.service import build
from orosync.config import load
service = build(load(sys.argv[1]), reactor)
names = [name for name in sys.modules if name.startswith(("orosync.backplane", "orosync.session.nodes"))]
print(*names, "orosync.app.nodes" in sys.modules)
"""


class Cost(SynchronousTestCase):
    """What several nodes cost a router of one process."""

    def test_nothing_is_imported(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            file.write(SOUND)
            file.flush()
            done = subprocess.run(
                [sys.executable, "-c", NOTHING_IMPORTED, file.name],
                env={**os.environ, **ENVIRON},
                capture_output=True,
                text=True,
                check=True,
            )
        self.assertEqual(done.stdout.split(), ["False"])
