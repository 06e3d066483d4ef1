"""The hub of the supervisor, with workers whose frames are written by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.hub import Hub
from orosync.errors import NotDone
from orosync.testing import RecordingJournal


class ScriptedChannel:
    """A channel that records what is sent, and says what the test says."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.sent: list[tuple[Any, ...]] = []
        self.on = self.on_question = self.handlers.__setitem__

    def send(self, name: str, *fields: Any) -> None:
        self.sent.append((name, *fields))

    def send_descriptor(self, name: str, descriptor: int, *fields: Any) -> None:
        self.sent.append((name, *fields))

    def say(self, name: str, *fields: Any) -> Any:
        return self.handlers[name](*fields)


class Workers(SynchronousTestCase):
    """Workers that come and go."""

    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.hub = Hub(Clock(), self.journal, lambda: 1000.0)
        self.one, self.other = ScriptedChannel(), ScriptedChannel()
        self.hub.add("first", self.one)  # type: ignore[arg-type]
        self.hub.add("second", self.other)  # type: ignore[arg-type]

    def join(self) -> None:
        self.one.say("hub.join", "a", "1")
        self.other.say("hub.join", "b", "2")

    def test_sockets(self) -> None:
        """The answer to a worker's join comes before the sockets; those who have not joined get none."""
        self.hub.add("third", third := ScriptedChannel())  # type: ignore[arg-type]
        self.join()
        self.assertEqual(self.one.sent, [("hub.joined", ""), ("hub.peer", "b", "2")])
        self.assertEqual(self.other.sent, [("hub.joined", ""), ("hub.peer", "a", "1")])
        self.assertEqual(third.sent, [])

    def test_no_node(self) -> None:
        """A worker that is no node claims nothing, and its end is no news."""
        with self.assertRaises(NotDone):
            self.one.say("hub.claim", "k", "", 0.0, False)
        self.one.say("hub.release", "k")
        self.other.say("hub.join", "b", "2")
        self.hub.remove("first", "ended")
        self.hub.remove("first", "ended")
        self.hub.remove("unknown", "ended")
        self.assertEqual(self.other.sent, [("hub.joined", "")])

    def test_removed(self) -> None:
        """The others are told of the end of a worker once, whether it has said so itself, was removed, or both."""
        self.join()
        self.other.say("hub.claim", "k", "", 0.0, False)
        self.assertEqual(self.one.say("hub.claim", "k", "", 0.0, False), ("b", 1000.0))
        self.other.say("hub.leave")
        self.hub.remove("second", "killed")
        self.assertEqual(self.one.sent[2:], [("hub.left", "b", "2", "it has left")])
        self.assertEqual(self.one.say("hub.claim", "k", "", 0.0, False), ("", 1000.0))
        self.hub.remove("first", "killed")
        self.assertEqual(self.hub.state.claimed, 0)
        self.assertEqual(len(self.other.sent), 2)

    def test_name_taken(self) -> None:
        """The name belongs to who has it: the end of another that wanted it changes nothing."""
        self.one.say("hub.join", "a", "1")
        self.other.say("hub.join", "a", "2")
        self.assertIn("give each node a name of its own", self.other.sent[0][1])
        self.hub.remove("second", "ended")
        self.assertEqual((self.hub.state.nodes, len(self.one.sent)), ({"a": "1"}, 1))

    def test_full(self) -> None:
        """What there is no room for is logged and counted."""
        self.hub.state._most_in_one = 1000
        self.one.say("hub.put", "retained:oro", "k", bytes(1000))
        for _ in range(3):
            self.one.say("hub.append", "history:oro", bytes(300), 100, 10_000)
        self.assertEqual(
            self.journal.notes,
            [
                ("backplane.dropped", "value", {"area": "retained:oro", "bytes": 1000}),
                ("backplane.dropped", "entry", {"list": "history:oro", "entries": 1}),
            ],
        )
        self.assertEqual([value for _, _, value in self.hub.samples()], [800, 2])
