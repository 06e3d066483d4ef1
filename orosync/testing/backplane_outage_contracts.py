"""The contract suite of backplanes whose engine can be away while their nodes live."""

from __future__ import annotations

from typing import Any

from orosync.errors import Unavailable
from orosync.testing.backplane_contracts import BackplaneSuite, RecordingBackplaneUser


class BackplaneOutageContract(BackplaneSuite):
    """What every IBackplane must do whose engine can be away while its nodes live; a mixin as BackplaneContract."""

    async def stop_engine(self) -> None:
        """Make the engine unreachable for all nodes."""
        raise NotImplementedError

    async def start_engine(self) -> None:
        """Make it reachable again. It may have forgotten everything."""
        raise NotImplementedError

    async def away(self, *nodes: tuple[Any, RecordingBackplaneUser]) -> None:
        """Stop the engine; these nodes have noticed."""
        await self.stop_engine()
        await self.until(lambda: all(user.told[-1] == ("lost",) for _, user in nodes), self.lease + self.patience)

    async def back(self, *nodes: tuple[Any, RecordingBackplaneUser]) -> None:
        """Start the engine; these nodes have noticed."""
        await self.start_engine()
        await self.until(lambda: all(("back",) in user.told for _, user in nodes), self.lease + self.patience)

    async def test_away(self) -> None:
        """While the engine is away every question fails with Unavailable, and nothing else fails."""
        nodes = (a, _), _ = await self.nodes("a", "b")
        await self.away(*nodes)
        self.assertFalse(a.available)
        for asked in (a.claim("k", ""), a.once("k", 60), a.load("area"), a.read("log")):
            with self.assertRaises(Unavailable):
                await asked
        a.send("b", b"x")
        a.release("k")
        a.put("area", "k", b"1")
        a.remove("area", "k")
        a.append("log", b"1", 5, 1000)

    async def test_back(self) -> None:
        """When it is back everything works again, and who has come back has not left."""
        nodes = (a, anna), (b, ben) = await self.nodes("a", "b")
        await self.away(*nodes)
        await self.back(*nodes)
        await self._both_work(nodes)
        await self.wait(self.lease + 1)
        self.assertEqual([one for one in anna.told + ben.told if one[0] == "left"], [])
        self.assertEqual((a.available, b.available), (True, True))

    async def test_back_after_a_lease(self) -> None:
        """The same when it was away for longer than a lease."""
        nodes = (_, anna), (_, ben) = await self.nodes("a", "b")
        await self.away(*nodes)
        await self.wait(self.lease + 1)
        await self.back(*nodes)
        await self._both_work(nodes)
        await self.wait(self.lease + 1)
        self.assertEqual([one for one in anna.told + ben.told if one[0] == "left"], [])

    async def test_away_twice(self) -> None:
        """The time after which a node has left begins anew with each outage."""
        nodes = (_, anna), (_, ben) = await self.nodes("a", "b")
        await self.away(*nodes)
        await self.wait(self.lease * 0.4)
        await self.back(*nodes)
        await self.wait(self.lease * 0.2)
        await self.away(*nodes)
        await self.wait(self.lease * 0.6)
        anna.told.clear()
        ben.told.clear()
        await self.back(*nodes)
        await self._both_work(nodes)
        await self.wait(self.lease + 1)
        self.assertEqual([one for one in anna.told + ben.told if one[0] == "left"], [])

    async def test_died_meanwhile(self) -> None:
        """Who does not come back has left, a lease later at the latest."""
        (a, anna), (b, ben) = await self.nodes("a", "b")
        await self.away((a, anna))
        await self.kill(b)
        await self.back((a, anna))
        await self.until(lambda: "b" not in anna.present, 2 * self.lease + self.patience)
        self.assertEqual(anna.told[-1], ("left", "b", ben.boot))

    async def test_claims_made_anew(self) -> None:
        """After an outage the older claim wins, in whatever order they are made anew."""
        nodes = (a, _), (b, _) = await self.nodes("a", "b")
        mine = await a.claim("k", "")
        await self.away(*nodes)
        await self.back(*nodes)
        meanwhile = await b.claim("k", "")
        again = await a.claim("k", "", since=mine.since)
        self.assertEqual((again.holder, again.since), ("", mine.since))
        if not meanwhile.holder:
            self.assertEqual((await b.claim("k", "", since=meanwhile.since)).holder, "a")

    async def test_started_meanwhile(self) -> None:
        """A node starts while the engine is away, and joins when it is back."""
        first = (a, _) = await self.begun("a")
        await self.stop_engine()
        await self.until(lambda: not a.available, self.lease + self.patience)
        second = (b, ben) = await self.begun("b")
        self.assertFalse(b.available)
        await self.back(first, second)
        await self.until(lambda: ben.present.get("a") == first[1].boot and first[1].present.get("b") == ben.boot)
        await self._both_work((first, second))

    async def test_stopped_meanwhile(self) -> None:
        """A node stops while the engine is away."""
        node = (a, _) = await self.begun("a")
        await self.stop_engine()
        await self.until(lambda: not a.available, self.lease + self.patience)
        stopped: list[object] = []
        a.stop().addCallback(stopped.append)
        await self.until(lambda: stopped)
        told = list(node[1].told)
        await self.start_engine()
        await self.wait(0.5)
        self.assertEqual(node[1].told, told)

    async def _both_work(self, nodes: Any) -> None:
        (a, anna), (b, ben) = nodes
        await self.until(lambda: "a" in ben.present and "b" in anna.present)
        anna.batches.clear()
        ben.batches.clear()
        a.send("b", b"to b")
        b.send("a", b"to a")
        await self.until(lambda: b"to b" in ben.batches and b"to a" in anna.batches)
        self.assertEqual((await a.claim("works", "first")).holder, "")
        self.assertEqual((await b.claim("works", "first")).holder, "")
