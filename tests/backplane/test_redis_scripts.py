"""The scripts of the backplane, each by itself on a real server, with times that no test could wait for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.redis_scripts import ACL, APPEND, CLAIM, LEASE, LEAVE, ONCE, READ, SCRIPTS, SWEEP, Keys
from tests.backplane.test_redis import server

BOOT = "0123456789abcdef"
OTHER = "f" * 16
PAST = 1000
FUTURE = 9 * 10**12
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "scaling.md"


class Scripts(SynchronousTestCase):
    """What each of them does."""

    def setUp(self) -> None:
        self.server = server()
        self.server.ask("FLUSHALL")
        self.keys = Keys("orosync")

    def run_script(self, script: str, keys: tuple[str, ...], *arguments: str | int | bytes) -> Any:
        """What it answers."""
        return self.server.ask("EVAL", script, len(keys), *keys, *arguments)

    def lease(self, node: str = "a", boot: str = BOOT) -> Any:
        """A node asks for its lease of 10 s."""
        keys = (self.keys.nodes, self.keys.inbox(node, boot), self.keys.claims)
        return self.run_script(LEASE, keys, node, boot, 10_000, 30_000)

    def claim(self, key: str, policy: str = "", since: int = 0, node: str = "a", boot: str = BOOT) -> Any:
        """A node claims a key."""
        keys = (self.keys.nodes, self.keys.claims)
        return self.run_script(CLAIM, keys, node, boot, key, policy, since, "0", 30_000)

    def known(self, node: str, boot: str, ends: int) -> None:
        """A node with a lease until ``ends``."""
        self.server.ask("HSET", self.keys.nodes, node, f"{boot} {ends}")

    def test_lease(self) -> None:
        """The first time it is new and the inbox is made; the second time neither; others are told, dead ones not."""
        self.known("b", OTHER, FUTURE)
        self.known("c", OTHER, PAST)
        self.known("d", "no lease", PAST)
        has, before, made, first, ended, ((name, boot, left, end),), now = self.lease()
        self.assertEqual((has, before, made, ended, name, boot), (b"has", 0, 1, 2, b"b", OTHER.encode()))
        self.assertEqual(end, b"%d" % FUTURE)
        self.assertEqual(left, FUTURE - int(now))
        self.assertEqual(self.lease()[:5], [b"has", 1, 0, first, 0])
        self.assertEqual(self.server.ask("HKEYS", self.keys.nodes), [b"b", b"a"])
        for key in (self.keys.nodes, self.keys.inbox("a", BOOT)):
            self.assertTrue(25_000 < self.server.ask("PTTL", key) <= 30_000)

    def test_name_is_taken(self) -> None:
        """By another boot until its lease ends."""
        self.known("a", OTHER, FUTURE)
        taken, boot, ends, left = self.lease()
        self.assertEqual((taken, boot, ends), (b"taken", OTHER.encode(), b"%d" % FUTURE))
        self.assertGreater(left, 10**12)
        self.known("a", OTHER, PAST)
        self.assertEqual(self.lease()[:2], [b"has", 0])

    def test_leave(self) -> None:
        """Its lease and inbox are gone; those of another life of the node are not."""
        self.lease()
        for boot, left in ((OTHER, 2), (BOOT, 0)):
            self.run_script(LEAVE, (self.keys.nodes, self.keys.inbox("a", boot)), "a", boot)
            self.assertEqual(self.server.ask("EXISTS", self.keys.nodes, self.keys.inbox("a", BOOT)), left)

    def test_claim_without_lease(self) -> None:
        """Nothing is claimed without a lease, or with that of another life; what such a node had is free."""
        self.assertEqual(self.claim("key"), [b"lapsed"])
        self.lease()
        self.assertEqual(self.claim("key", boot=OTHER), [b"lapsed"])
        self.assertEqual(self.claim("key")[0], b"claimed")
        self.known("b", OTHER, FUTURE)
        self.assertEqual(self.claim("key", node="b", boot=OTHER)[:2], [b"held", b"a"])
        self.known("a", BOOT, PAST)
        self.assertEqual(self.claim("key", node="b", boot=OTHER)[0], b"claimed")

    def test_claim_keeps_its_time(self) -> None:
        """To the microsecond; an older claim takes the key."""
        self.lease()
        self.known("b", OTHER, FUTURE)
        since = 1_712_345_678_123_457
        self.assertEqual(self.claim("key", since=since), [b"claimed", b"", b"%d" % since])
        self.assertEqual(self.claim("key"), [b"claimed", b"", b"%d" % since])
        self.assertEqual(self.claim("key", since=since + 5), [b"claimed", b"", b"%d" % since])
        earlier = since - 1
        answer = self.claim("key", since=earlier, node="b", boot=OTHER)
        self.assertEqual(answer, [b"claimed", b"", b"%d" % earlier])
        self.assertEqual(self.claim("key", since=since), [b"held", b"b", b"%d" % earlier])
        self.assertEqual(self.server.ask("HKEYS", self.keys.claims), [f"key\0b\0{OTHER}".encode()])

    def test_sweep(self) -> None:
        """Only claims without a lease are removed, whatever the caller believes."""
        self.lease()
        self.claim("mine")
        fields = [f"mine\0a\0{BOOT}", f"theirs\0a\0{OTHER}", f"gone\0b\0{OTHER}"]
        for field in fields[1:]:
            self.server.ask("HSET", self.keys.claims, field, "1 ")
        words = [word for field in fields for word in (field, *field.split("\0")[1:])]
        self.run_script(SWEEP, (self.keys.nodes, self.keys.claims), *words)
        self.assertEqual(self.server.ask("HKEYS", self.keys.claims), [fields[0].encode()])

    def test_append(self) -> None:
        """The size is that of the values that are there."""
        for size in (10, 20, 30, 40):
            self.run_script(APPEND, self.keys.log("log"), b"x" * size, 3, 75)
        self.assertEqual(self.server.ask("LRANGE", self.keys.log("log")[0], 0, -1), [b"x" * 30, b"x" * 40])
        self.assertEqual(self.server.ask("GET", self.keys.log("log")[1]), b"70 2")
        for start, most_bytes, most, following, sizes in (
            (0, 1000, 9, 4, [30, 40]),
            (0, 50, 9, 3, [30]),
            (0, 1000, 1, 3, [30]),
            (3, 1, 9, 4, [40]),
            (4, 1, 9, 4, []),
        ):
            answer = self.run_script(READ, self.keys.log("log"), start, most_bytes, most)
            self.assertEqual((answer[0], answer[1], [len(one) for one in answer[2]]), (following, 4, sizes))

    def test_once(self) -> None:
        """The first, and the same again; the time runs from the first."""
        key = (self.keys.once("ticket"),)
        self.assertEqual([self.run_script(ONCE, key, by, 5000) for by in ("anna", "bert", "anna")], [1, 0, 1])
        self.server.ask("PEXPIRE", key[0], 1000)
        self.run_script(ONCE, key, "anna", 5000)
        self.assertLessEqual(self.server.ask("PTTL", key[0]), 1000)

    def test_keys_are_named(self) -> None:
        """No script makes up the name of a key: what a user of Redis' ACL may touch is known before it runs."""
        for script in SCRIPTS:
            for line in script.splitlines():
                _, call, rest = line.partition("redis.call(")
                if call and "'TIME'" not in rest:
                    self.assertIn("KEYS[", rest, line)

    def test_the_page_has_the_acl(self) -> None:
        """docs/scaling.md tells administrators to allow what is needed."""
        self.assertIn(f"user orosync on >PASSWORD ~orosync:* {ACL}", " ".join(PAGE.read_text().split()))
