"""Retained events of all nodes: the later one wins everywhere, and what the engine keeps."""

from __future__ import annotations

from typing import Any

from orosync.router.retention import OF_A_TOPIC
from orosync.session.nodes.events import restored
from tests.session.fixture import JsonClient
from tests.session.nodes.shared_case import SharedCase, SharedNode

AREA = "retained:oro"


class RetentionCase(SharedCase):
    def retain(self, client: JsonClient, topic: str, value: Any, **options: Any) -> int:
        return self.publish(client, topic, value, retain=True, **options)

    def got(self, node: SharedNode, topic: str, authid: str = "", **options: Any) -> list[Any]:
        """What a new client of ``node`` gets when it subscribes."""
        client = node.v2(authid)
        heard = self.ask(client, [32, 1, {"get_retained": True, **options}, topic])
        client.session.closed(False, None, "")
        self.settle()
        return [one[4][0] for one in heard if one[0] == 36 and one[3].get("retained")]

    def everywhere(self, topic: str, authid: str = "", **options: Any) -> list[list[Any]]:
        return [self.got(node, topic, authid, **options) for node in (self.a, self.b, self.c)]

    def kept(self) -> dict[str, Any]:
        """What the engine keeps: by key, the value of the event."""
        found = {}
        for key, value in self.engine.state.load(AREA).items():
            event = restored(value)
            assert event is not None and event.payload is not None
            found[key] = event.payload.args.decode()
        return found


class OnAllNodes(RetentionCase):
    """Every node retains every event."""

    def test_last_one(self) -> None:
        """Without a subscriber anywhere it is there for those who come later, on every node; the engine keeps it."""
        publisher = self.a.v2()
        self.retain(publisher, "t", 1)
        self.retain(self.b.v2(), "t", 2)
        self.assertEqual(self.everywhere("t"), [[2], [2], [2]])
        self.assertEqual(self.everywhere("", match="prefix"), [[2], [2], [2]])
        self.assertEqual(self.kept(), {"t\0": "[2]"})

    def test_at_the_same_time(self) -> None:
        """Of two that cross each other the same one stays everywhere."""
        for number in range(20):
            topic = f"t.{number}"
            for node in (self.a, self.b, self.c) if number % 2 else (self.c, self.b, self.a):
                node.v2().say([16, 1, {"retain": True}, topic, [node.name]])
            self.settle()
            found = self.everywhere(topic)
            self.assertEqual(found, [found[0]] * 3)
            self.assertEqual(len(found[0]), 1)
            self.assertEqual(self.kept()[f"{topic}\0"], f'["{found[0][0]}"]')

    def test_clocks_apart(self) -> None:
        """What a node publishes after it has another node's event is later, although its clock is behind."""
        self.b.shared.retention._now = lambda: self.clock.seconds() - 3600
        self.retain(self.a.v2(), "t", "first")
        self.retain(self.b.v2(), "t", "second")
        self.assertEqual(self.everywhere("t"), [["second"]] * 3)

    def test_by_configuration(self) -> None:
        """A channel that retains its events does so on all nodes, though each decides only about its own."""
        authorizer = self.a.fixture.authorizer
        authorizer.retains, authorizer.retained = True, lambda topic: topic == "board"  # type: ignore[attr-defined, method-assign]
        self.a.realm_context.chain.replace([authorizer])
        for topic in ("board", "else"):
            self.publish(self.a.v2(), topic, "x")
        self.assertEqual((self.everywhere("board"), self.everywhere("else")), ([["x"]] * 3, [[]] * 3))

    def test_for_some(self) -> None:
        """Users are chosen everywhere; an event for sessions is retained where they are, and not in the engine."""
        publisher, anna = self.a.v2(), self.b.v2("anna")
        self.retain(publisher, "t", "all")
        self.retain(publisher, "t", "for anna", eligible_authid=["anna"])
        self.retain(publisher, "s", "for her session", eligible=[anna.session_id])
        self.retain(publisher, "t", "not for this session", exclude=[anna.session_id])
        self.assertEqual(self.everywhere("t", "anna"), [["not for this session"]] * 3)
        heard = self.ask(anna, [32, 1, {"get_retained": True}, "t"], [32, 2, {"get_retained": True}, "s"])
        self.assertEqual([one[4][0] for one in heard if one[0] == 36], ["for anna", "for her session"])
        self.assertEqual(self.everywhere("s", "anna"), [[]] * 3)
        self.assertEqual(list(self.kept().values()), ['["not for this session"]'])

    def test_own_event(self) -> None:
        """A publisher that excluded itself does not get it later either, others do."""
        publisher = self.a.v2()
        self.retain(publisher, "t", 1)
        heard = self.ask(publisher, [32, 1, {"get_retained": True}, "t"])
        self.assertEqual([one[0] for one in heard], [33])
        self.assertEqual(self.everywhere("t"), [[1]] * 3)


class InTheEngine(RetentionCase):
    """What is kept survives every node."""

    def restart(self, name: str = "d", ended: str = "abc", **more: Any) -> SharedNode:
        """All nodes end; a new one starts."""
        for one in ended:
            self.engine.kill(one)
        self.settle(11)
        node = self.start(name, **more)
        self.settle()
        return node

    def test_restart(self) -> None:
        """A node that starts has what was retained before, with its filters and under the same publication ids."""
        publisher = self.a.v2()
        number = self.retain(publisher, "t", "all", disclose_me=True)
        self.retain(publisher, "t", "for anna", eligible_authid=["anna"])
        node = self.restart()
        self.assertEqual((self.got(node, "t", "anna"), self.got(node, "t", "bert")), (["for anna"], ["all"]))
        (event,) = [one for one in self.ask(node.v2(), [32, 1, {"get_retained": True}, "t"]) if one[0] == 36]
        self.assertEqual((event[2], event[3]["publisher"]), (number, publisher.session_id))
        self.retain(node.v2(), "t", "new")
        self.assertEqual(self.got(node, "t", "anna"), ["new"])
        self.assertEqual(self.kept(), {"t\0": '["new"]'})

    def test_bounds(self) -> None:
        """No more is kept than a node retains, in all and of a topic; the oldest goes first."""
        node = self.restart(retained_events=30)
        publisher = node.v2()
        for number in range(OF_A_TOPIC + 5):
            self.retain(publisher, "t", number, eligible_authid=[f"user-{number}"])
        self.assertEqual(len(self.kept()), OF_A_TOPIC)
        for number in range(25):
            self.retain(publisher, f"other.{number}", number)
        values = list(self.kept().values())
        self.assertEqual((len(values), values[-1]), (30, "[24]"))
        again = self.restart("e", "d")
        self.assertEqual(len(again.realm.retention), 30)

    def test_engine_away(self) -> None:
        """What is retained while the engine is away is there for all when it is back, and in the engine; an older one
        does not come back."""
        publisher = self.a.v2()
        self.retain(publisher, "t", "before")
        self.retain(publisher, "u", "for anna", eligible_authid=["anna"])
        self.engine.go_away()
        self.retain(publisher, "t", "meanwhile")
        self.retain(publisher, "u", "for all")
        self.engine.come_back()
        self.settle(3)
        self.assertEqual(self.everywhere("t"), [["meanwhile"]] * 3)
        self.assertEqual(self.everywhere("u", "anna"), [["for all"]] * 3)
        self.assertEqual(self.kept(), {"t\0": '["meanwhile"]', "u\0": '["for all"]'})

    def test_forgetful_engine(self) -> None:
        """An engine that has forgotten everything is told again."""
        self.retain(self.a.v2(), "t", 1)
        self.engine.go_away()
        self.settle(1)
        self.engine.come_back(empty=True)
        self.settle(3)
        self.assertEqual(self.kept(), {"t\0": "[1]"})

    def test_missed(self) -> None:
        """A node that could not be reached for longer than others repeat fetches what it has missed."""
        self.engine.part("a", "b")
        self.retain(self.a.v2(), "t", 1)
        self.assertEqual(self.got(self.b, "t"), [])
        self.settle(40)
        self.engine.mend("a", "b")
        self.settle(5)
        self.assertEqual(self.got(self.b, "t"), [1])

    def test_strange_values(self) -> None:
        """Others may write to the engine: what is no event, or stands under another key, is not retained."""
        self.retain(self.a.v2(), "t", 1)
        value = self.engine.state.load(AREA)["t\0"]
        for key, strange in [("x", value), ("y\0", b"nonsense"), ("z\0", b"\x90"), ("w\0", b"\x91\x92\x02\xa3oro")]:
            self.engine.state.put(AREA, key, strange)
        node = self.restart()
        self.assertEqual((len(node.realm.retention), self.got(node, "t")), (1, [1]))
        self.assertEqual(list(self.kept()), ["t\0"])
