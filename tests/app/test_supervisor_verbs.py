"""orosync.app.supervisor_verbs: who is asked, and what comes of the answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.supervisor_verbs import ENDING, SupervisorVerbs
from orosync.app.worker_process import WorkerState
from orosync.app.workers import Workers
from orosync.errors import NotDone
from orosync.ops.control import Rejected, StreamingVerb, Verb
from tests.app.worker_case import GONE, FakeWorker, settings


class FakeWorkers:
    """Two that serve, and the real way to ask all."""

    ask_all = Workers.ask_all

    def __init__(self, clock: Clock) -> None:
        self.serving = [FakeWorker(clock, settings(place, f"web/{place + 1}"), None) for place in (0, 1)]
        self._reactor = clock
        self.replaced: Any = None
        self.leaving = False

    def let_go(self) -> None:
        self.leaving = True

    async def replace(self, told: Any) -> None:
        told(0, 2)
        if self.replaced is not None:
            raise self.replaced
        told(2, 2)


class VerbsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(FakeWorker, "all", [])
        self.clock = Clock()
        self.workers: Any = FakeWorkers(self.clock)
        self.one, self.two = self.workers.serving
        self.ends: list[float] = []
        verbs = SupervisorVerbs(
            self.workers, lambda: succeed({"version": "x"}), self.clock, lambda: self.ends.append(self.clock.seconds())
        )
        self.verbs = {verb.name: verb for verb in verbs.verbs}
        self.lines: list[Any] = []
        self.over: list[bool] = []

    def answers(self, question: str, one: Any, two: Any) -> None:
        self.one.channel.answers[question], self.two.channel.answers[question] = one, two

    def ask(self, name: str, **arguments: Any) -> Any:
        verb = self.verbs[name]
        assert isinstance(verb, Verb)
        return self.successResultOf(verb.run(arguments))

    def rejected(self, name: str, **arguments: Any) -> str:
        verb = self.verbs[name]
        assert isinstance(verb, Verb)
        return str(self.failureResultOf(verb.run(arguments), Rejected).value)

    def watch(self, name: str, **arguments: Any) -> Any:
        verb = self.verbs[name]
        assert isinstance(verb, StreamingVerb)
        return verb.start(arguments, self.lines.append, lambda: self.over.append(True))


class Listing(VerbsCase):
    def row(self, session: int, user: str, since: str, queued: int, address: str = "::1") -> dict[str, Any]:
        return {
            "session": session, "user": user, "realm": "oro", "since": since, "queued": queued, "address": address
        }  # fmt: skip

    def test_sessions(self) -> None:
        """Of all workers, in the order that was asked for, the limit for all together."""
        one = [self.row(1, "anna", "2026-02", 0), self.row(4, "dora", "2026-01", 9)]
        two = [self.row(3, "ben", "2026-03", 7, "::0"), self.row(2, "carl", "2026-00", 0)]
        self.answers("worker.verb sessions", one, two)
        for sort, sessions in (("user", [1, 3, 2, 4]), ("since", [2, 4, 1, 3]), ("queued", [4, 3, 1, 2]),
                               ("address", [3, 1, 2, 4])):  # fmt: skip
            self.assertEqual([row["session"] for row in self.ask("sessions", sort=sort)], sessions, sort)
        self.assertEqual([row["session"] for row in self.ask("sessions", limit=2)], [1, 3])
        self.assertEqual(self.two.channel.asked[-1], ("worker.verb", "sessions", {"limit": 2}))

    def test_sorted_by_nothing(self) -> None:
        """An order that there is not is rejected, also while no worker serves that could say so."""
        self.workers.serving = []
        self.assertEqual(
            self.rejected("sessions", sort="age"),
            "sessions cannot be sorted by age, but by user, since, queued, address",
        )

    def test_subscriptions(self) -> None:
        """Those of one topic are one row; the limit is for rows that are complete."""

        def row(topic: str, subscribers: int, since: str) -> dict[str, Any]:
            return {"topic": topic, "match": "exact", "realm": "oro", "subscribers": subscribers, "since": since}

        self.answers(
            "worker.verb subscriptions",
            [row("a", 2, "2026-02"), row("b", 3, "2026-01")],
            [row("a", 2, "2026-01"), row("c", 1, "2026-01")],
        )
        self.assertEqual(
            self.ask("subscriptions", limit=2, realm="oro"), [row("a", 4, "2026-01"), row("b", 3, "2026-01")]
        )
        self.assertEqual(self.one.channel.asked[-1], ("worker.verb", "subscriptions", {"realm": "oro"}))

    def test_what_a_worker_rejects(self) -> None:
        """It is rejected with the same words; one that ends meanwhile is left out."""
        self.answers("worker.verb sessions", NotDone("there is no realm x"), [])
        self.assertEqual(self.rejected("sessions", realm="x"), "there is no realm x")
        self.answers("worker.verb sessions", GONE, [self.row(1, "anna", "2026", 0)])
        self.assertEqual(len(self.ask("sessions")), 1)

    def test_status(self) -> None:
        self.assertEqual(self.ask("status"), {"version": "x"})


class Realms(VerbsCase):
    def test_publish(self) -> None:
        """Once, by one worker; the count is that of all."""
        self.answers("worker.verb publish", {"realm": "oro", "topic": "x", "sessions": 2}, None)
        self.answers("worker.receivers", 2, 5)
        self.assertEqual(self.ask("publish", topic="x", user="anna")["sessions"], 7)
        self.assertEqual(self.two.channel.asked, [("worker.receivers", "oro", "x", "anna")])

    def test_call(self) -> None:
        self.answers("worker.verb call", {"error": ""}, None)
        self.assertEqual(self.ask("call", procedure="x"), {"error": ""})
        self.assertEqual(self.two.channel.asked, [])
        self.answers("worker.verb call", GONE, None)
        self.assertIn("has closed it", self.rejected("call", procedure="x"))

    def test_maintenance(self) -> None:
        """What was told last counts: a worker that was started since knows nothing."""
        self.answers(
            "worker.verb maintenance-status", {"on": None, "time": "", "sessions": 2},
            {"on": True, "time": "2026", "sessions": 3},
        )  # fmt: skip
        self.assertEqual(self.ask("maintenance-status"), {"on": True, "time": "2026", "sessions": 5})
        self.answers("worker.verb maintenance", {"on": False, "time": "2027", "sessions": 2}, None)
        self.assertEqual(self.ask("maintenance", on=False), {"on": False, "time": "2027", "sessions": 5})
        self.assertNotIn("maintenance", [asked[1] for asked in self.two.channel.asked])

    def test_subscribe(self) -> None:
        """One worker subscribes: it gets the events of all."""
        stop = self.successResultOf(self.watch("subscribe", topic="x"))
        self.assertEqual(self.two.watches, [])
        ((_, _, line, over),) = self.one.watches
        line({"topic": "x"})
        self.assertEqual(self.lines, [{"topic": "x"}])
        stop()
        self.assertEqual(self.one.channel.sent, [("worker.unwatch",)])
        over()
        self.assertEqual(self.over, [True])

    def test_nobody_serves(self) -> None:
        self.workers.serving = []
        self.assertEqual(self.rejected("publish", topic="x"), "no worker serves at the moment")
        self.assertRaises(Rejected, self.watch, "trace")


class All(VerbsCase):
    def test_reload(self) -> None:
        """The answers in one. Only one worker tells what all find; what only another one finds is told here."""
        one = {"changed": ["a", "b"], "refused": ["x"], "restart": [], "warnings": ["w"], "sessions": 2}
        two = {"changed": ["a"], "refused": ["x", "y"], "restart": ["r"], "warnings": ["w"], "sessions": 3}
        self.answers("worker.reload", one, two)
        with capturedLogs() as logs:
            answer = self.ask("reload")
        self.assertEqual(
            answer,
            {"changed": ["a", "b"], "refused": ["x", "y"], "restart": ["r"], "warnings": ["w"], "sessions": 5},
        )
        self.assertEqual([one["log_format"].format(**one) for one in logs], ["web/2: y"])
        self.assertEqual(self.two.channel.asked, [("worker.reload", "web/1")])

    def test_kick(self) -> None:
        """Each line counts what all workers have done; it is over when the last one is done."""
        self.successResultOf(self.watch("kick", user="anna"))
        (_, arguments, first, first_over), (_, _, second, second_over) = (*self.one.watches, *self.two.watches)
        self.assertEqual(arguments, {"user": "anna"})
        first({"kicked": 1, "of": 2})
        second({"kicked": 3, "of": 3})
        first({"kicked": 2, "of": 2})
        first_over()
        self.assertEqual(self.over, [])
        second_over()
        self.assertEqual(self.over, [True])
        self.assertEqual([(line["kicked"], line["of"]) for line in self.lines], [(1, 2), (4, 5), (5, 5)])

    def test_one_that_is_rejected(self) -> None:
        """The others stop."""
        self.answers("worker.watch", None, NotDone("say which"))
        self.assertEqual(str(self.failureResultOf(self.watch("kick"), Rejected).value), "say which")
        self.assertEqual(self.one.channel.sent, [("worker.unwatch",)])

    def test_trace(self) -> None:
        """Lines of all workers, as they come."""
        stop = self.successResultOf(self.watch("trace", user="x"))
        self.one.watches[0][2]({"a": 1})
        self.two.watches[0][2]({"b": 1})
        self.assertEqual(self.lines, [{"a": 1}, {"b": 1}])
        stop()
        self.assertEqual(self.one.channel.sent + self.two.channel.sent, [("worker.unwatch",)] * 2)

    def test_replace(self) -> None:
        """Line by line how far it is, and at the end why it goes no further."""
        self.watch("replace")
        self.assertEqual(
            [(line["replaced"], line["of"], line["refused"]) for line in self.lines], [(0, 2, []), (2, 2, [])]
        )
        self.assertEqual(self.over, [True])
        self.lines.clear()
        self.workers.replaced = NotDone("[realm:x] is wrong\nso is y")
        self.watch("replace")
        self.assertEqual(self.lines[-1]["refused"], ["[realm:x] is wrong", "so is y"])
        self.assertEqual(self.over, [True, True])

    def test_drain(self) -> None:
        """The workers stay until this process ends, whoever watches; none is started again."""
        stop = self.successResultOf(self.watch("drain", within=3))
        self.assertTrue(self.workers.leaving)
        self.assertEqual(self.one.watches[0][1], {"within": 3, "keep_running": True})
        self.one.watches[0][2]({"left": 1, "of": 2, "ends": False})
        self.two.watches[0][2]({"left": 0, "of": 5, "ends": False})
        self.assertEqual(self.lines[-1], {"left": 1, "of": 7, "ends": True})
        stop()
        self.assertEqual(self.one.channel.sent, [])
        for worker in (self.one, self.two):
            worker.state = WorkerState.DRAINING
            worker.watches[0][3]()
        self.assertEqual((self.over, self.ends), ([True], []))
        self.clock.advance(ENDING)
        self.assertEqual(self.ends, [ENDING])
        self.assertRaises(Rejected, self.watch, "drain")

    def test_drain_refused(self) -> None:
        """A command that cannot be done begins nothing: the next one is done."""
        wrong: list[dict[str, Any]] = [{"within": 1e9}, {"within": "soon"}, {"keep_running": 1}, {"more": 1}]
        for one in wrong:
            self.assertRaises(Rejected, self.watch, "drain", **one)
        serving, self.workers.serving = self.workers.serving, []
        self.assertRaises(Rejected, self.watch, "drain")
        self.assertFalse(self.workers.leaving)
        self.workers.serving = serving
        self.successResultOf(self.watch("drain"))
        self.assertTrue(self.workers.leaving)

    def test_drain_and_stay(self) -> None:
        self.successResultOf(self.watch("drain", keep_running=True))
        for worker in (self.one, self.two):
            worker.watches[0][2]({"left": 0, "of": 0, "ends": False})
            worker.watches[0][3]()
        self.clock.advance(ENDING * 10)
        self.assertEqual((self.ends, self.lines[-1]["ends"]), ([], False))

    def test_signal(self) -> None:
        """SIGHUP reloads; a fault of it is logged."""
        self.answers("worker.reload", Deferred(), None)
        verb = SupervisorVerbs(self.workers, Deferred, self.clock, lambda: None)
        verb.reload_in_background()
        self.assertEqual(len(self.one.channel.asked), 1)
