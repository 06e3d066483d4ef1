"""Many tickets at once, good and wrong: a small storm for every run; figures of a large one are in docs/storms.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter, shared, ticket
from tests.support.processes import run

BENCH = Path(__file__).resolve().parents[2] / "bench"


class StormTests(SynchronousTestCase):
    """bench/storm.py, on a small scale and with patience: it ends with a fault when its bounds do not hold."""

    def storm(self, *options: str) -> Any:
        return json.loads(run(sys.executable, str(BENCH / "storm.py"), *options))

    def test_good_tickets(self) -> None:
        """Three hundred within half a second are all let in, PHP connects meanwhile, and who is inside is served."""
        bounds = ("--within", "15", "--round-trip", "2")
        told = self.storm("--tickets", "300", "--seconds", "0.5", "--publishers", "5", "--shared", *bounds)
        self.assertEqual((told["outcomes"], told["publisher"]), ({"welcome": 300}, "5 of 5"))
        self.assertGreater(told["round_trips"], 20)
        self.assertEqual(told["faults"], [])

    def test_wrong_tickets(self) -> None:
        """Sixty-four wrong ones at a time are refused, from many addresses as from one; nobody else notices."""
        for addresses in ("1", "1000"):
            command = "--wrong 64 --seconds 1.5 --publishers 2 --round-trip 2 --burst 20"
            told = self.storm(*command.split(), "--addresses", addresses)
            self.assertEqual(told["faults"], [])
            self.assertNotIn("welcome", told["outcomes"])
            # One address has twenty failures at once and twenty a second, then it is told to come back later.
            self.assertEqual("503" in told["outcomes"], addresses == "1", told)

    def test_a_restart(self) -> None:
        """Two hundred pages of one address, whom no proxy speaks for, come back to what is shipped; none is refused."""
        told = self.storm("--restart", "--tickets", "200", "--seconds", "0.5", "--within", "15")
        self.assertEqual((told["after the restart"]["outcomes"], told["faults"]), ({"welcome": 200}, []))

    def test_the_tool_finds_fault(self) -> None:
        """What is not done within the bounds is said and ends it with a failure."""
        with self.assertRaises(AssertionError) as caught:
            self.storm("--tickets", "20", "--seconds", "0.1", "--publishers", "0", "--within", "0.001")
        self.assertIn("not everybody was in within 0.001 s", str(caught.exception))


class ProxyTests(SynchronousTestCase):
    """Behind a proxy, each client pays for itself."""

    def setUp(self) -> None:
        self.router = shared(tickets="failure_burst = 3\nfailure_rate = 1\nsingle_use = yes")

    def status(self, url: str, *headers: str, origin: str = "http://127.0.0.1") -> int:
        client = RawClient(url, "wamp", origin, headers)
        self.addCleanup(client.close)
        if client.status == 101:
            client.read()
        return client.status

    def wrong(self) -> str:
        return self.router.url(ticket=ticket("anna", "another", self.router.secret))

    def test_failures_are_counted_by_the_client_address(self) -> None:
        """An address that X-Forwarded-For tells of has used up its failures; another, and PHP, come in all the same."""
        bad, good = "X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.2"
        self.assertEqual([self.status(self.wrong(), bad) for _ in range(3)], [403] * 3)
        self.assertEqual(self.status(self.router.url("anna"), bad), 503)
        self.assertEqual(self.status(self.router.url("anna"), good), 101)
        self.assertEqual(self.router.publish(times=2)["connected"], 2)

    def test_who_is_no_proxy_is_not_believed(self) -> None:
        """Behind the trusted proxy a client may write what it likes into the header: the last entry is what counts."""
        for number in range(3):
            lies = f"X-Forwarded-For: 192.0.2.{number}, 198.51.100.7"
            self.assertEqual(self.status(self.wrong(), lies), 403)
        self.assertEqual(self.status(self.router.url("anna"), "X-Forwarded-For: 192.0.2.99, 198.51.100.7"), 503)

    def test_a_ticket_is_good_once(self) -> None:
        """Where it is wanted, the same ticket opens no second connection; PHP's own opens as many as it needs."""
        url = self.router.url("anna")
        self.assertEqual([self.status(url), self.status(url)], [101, 403])
        back_end = self.router.url("")
        self.assertEqual([self.status(back_end, origin="127.0.0.1") for _ in range(2)], [101, 101])


class HalfFrameTests(SynchronousTestCase):
    def test_the_rest_of_a_message_never_comes(self) -> None:
        """PHP could not send all of a message: the connection is cut, as the log tells, and swallows no more."""
        with RunningRouter(listen="frame_timeout = 500ms") as router:
            client = RawClient(router.url(""), "wamp", origin="127.0.0.1")
            client.read()
            client.socket.sendall(b"\x81\xfe\x10\x00" + b"mask" + b"x" * 100)
            self.assertRaises(Closed, client.read_frame)
            client.close()
            router.child.wait_for_line("frame.cut")
