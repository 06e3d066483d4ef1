"""The backplane in memory: its faults. What it does without them is the contract's (``backplane_contracts``)."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.errors import Unavailable
from orosync.interfaces import Claim, IBackplane, IBackplaneUser
from orosync.testing import MemoryEngine, RecordingBackplaneUser


class Faults(SynchronousTestCase):
    """Nodes "a" and "b"."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(self.clock)
        self.a, self.b = self.engine.adapter(), self.engine.adapter()
        self.anna, self.ben = RecordingBackplaneUser("a", "a" * 16), RecordingBackplaneUser("b", "b" * 16)
        for adapter, user in ((self.a, self.anna), (self.b, self.ben)):
            adapter.start(user)
        self.clock.advance(0)
        self.assertEqual(self.told(), (["b joined"], ["a joined"]))

    def told(self) -> tuple[list[str], list[str]]:
        """What both were told since this was asked last."""
        found = []
        for user in (self.anna, self.ben):
            found.append([" ".join(one[1::-1]) for one in user.told] + [batch.decode() for batch in user.batches])
            user.told.clear()
            user.batches.clear()
        return found[0], found[1]

    def test_interface(self) -> None:
        """It is a backplane."""
        verifyObject(IBackplane, self.a)
        verifyObject(IBackplaneUser, self.anna)

    def test_later_turn(self) -> None:
        """Nothing happens in the turn in which it was asked for."""
        self.a.send("b", b"x")
        self.assertEqual(self.told(), ([], []))
        claimed = self.a.claim("k", "")
        self.assertNoResult(claimed)
        self.clock.advance(0)
        self.assertEqual(self.told(), ([], ["x"]))
        self.assertEqual(self.successResultOf(claimed), Claim("", 1.0 + self.clock.seconds()))

    def test_parted(self) -> None:
        """Between parted nodes batches are lost, and nobody is told."""
        self.engine.part("a", "b")
        self.a.send("b", b"x")
        self.clock.advance(60)
        self.engine.mend("a", "b")
        self.a.send("b", b"y")
        self.clock.advance(0)
        self.assertEqual(self.told(), ([], ["y"]))

    def test_spoilt(self) -> None:
        """A test decides what arrives instead of a batch."""
        self.engine.spoil = lambda sender, receiver, batch: [batch, b"other"]
        self.a.send("b", b"x")
        self.clock.advance(0)
        self.assertEqual(self.told(), ([], ["x", "other"]))

    def test_away(self) -> None:
        """While the engine is away nothing can be asked; who comes back with it has not left."""
        self.engine.go_away()
        claimed = self.a.claim("k", "")
        self.a.send("b", b"x")
        self.clock.advance(60)
        self.failureResultOf(claimed, Unavailable)
        self.assertEqual(self.told(), (["lost"], ["lost"]))
        self.engine.come_back()
        self.clock.advance(60)
        self.assertEqual(self.told(), (["back"], ["back"]))

    def test_one_cut_off(self) -> None:
        """A node that cannot reach the engine has left after the lease, and joins again."""
        self.engine.go_away("a")
        self.clock.advance(self.engine.lease - 1)
        self.assertEqual(self.told(), (["lost"], []))
        self.clock.advance(1)
        self.assertEqual(self.told(), ([], ["a left"]))
        self.engine.come_back("a")
        self.clock.advance(60)
        self.assertEqual(self.told(), (["back"], ["a joined"]))

    def test_killed_while_away(self) -> None:
        """Who does not come back with the engine has left a lease later."""
        self.engine.go_away()
        self.engine.kill("b")
        self.clock.advance(60)
        self.engine.come_back()
        self.clock.advance(0)
        self.assertEqual(self.told(), (["lost", "back"], []))
        self.clock.advance(self.engine.lease)
        self.assertEqual(self.told(), (["b left"], []))

    def test_lease_ended(self) -> None:
        """The claims of a node are gone with its lease."""
        self.a.claim("k", "")
        self.clock.advance(0)
        self.engine.end_lease("a")
        self.clock.advance(0)
        self.assertEqual(self.told(), (["lost", "back"], ["a left", "a joined"]))
        claimed = self.b.claim("k", "")
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(claimed).holder, "")

    def test_forgotten(self) -> None:
        """An engine that lost everything begins with nothing."""
        self.a.put("area", "k", b"v")
        self.engine.go_away()
        self.engine.come_back(empty=True)
        loaded = self.a.load("area")
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(loaded), {})
