"""Clients of five other libraries in one realm, each in every serializer and over every transport that it has.

One router and one client of each for a whole run, since starting them takes longer than the tests. A test leaves no
subscription and no registration behind.
"""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product import spread
from tests.product.clients import Client, Refused
from tests.product.running_router import RunningRouter

Way = tuple[str, str, str]
"""(library, serializer, transport) of a client."""

ALL = ("json", "msgpack", "cbor")
WAYS: list[Way] = [
    *itertools.product(["autobahn-python", "xconn"], ALL, ["ws", "rs"]),
    *itertools.product(["autobahn", "wampy"], ALL, ["ws"]),
    *itertools.product(["kraftfahrstrasse"], ["json", "msgpack"], ["ws"]),
    ("autobahn", "json", "lp"),
]
LIBRARIES = sorted({library for library, _, _ in WAYS})

HEAR_PROGRESS, TELL_PROGRESS = "hear results on the way", "tell results on the way"
CANCEL, CHOOSE_MODE, BE_INTERRUPTED = "cancel", "choose how to cancel", "be interrupted"
HEAR_ITSELF, DROP_OPTIONS, DROP_PATTERNS = "hear itself", "unsubscribe what had options", "unregister a wildcard"
SEND_BAD_URIS, CARRY_BYTES, NAME_NOBODY = "send bad URIs", "carry bytes in JSON", "publish to nobody"

CANNOT: Mapping[tuple[str, str], str] = {
    ("xconn", HEAR_PROGRESS): "takes the first RESULT for the last one",
    ("xconn", TELL_PROGRESS): "its procedures return once; announces no feature at all",
    ("xconn", CANCEL): "has no such call",
    ("xconn", BE_INTERRUPTED): "does not know INTERRUPT",
    ("wampy", BE_INTERRUPTED): "does not know INTERRUPT",
    ("wampy", HEAR_ITSELF): "leaves `exclude_me: false` out of PUBLISH",
    ("wampy", DROP_OPTIONS): "its bookkeeping fails at the UNSUBSCRIBED of a subscription that had options",
    ("wampy", DROP_PATTERNS): "takes the pattern for a bad URI",
    ("wampy", SEND_BAD_URIS): "refuses them itself",
    ("wampy", NAME_NOBODY): "takes an empty list for a mistake",
    ("kraftfahrstrasse", BE_INTERRUPTED): "announces its callee's features beside `features`, not in it",
    ("autobahn", BE_INTERRUPTED): "does not know INTERRUPT",
    ("autobahn", CHOOSE_MODE): "kill only: after any other it takes the ERROR that ends the call for a violation",
    ("autobahn-python", CHOOSE_MODE): "its CANCEL names no mode",
    ("autobahn", CARRY_BYTES): "does not know WAMP's form of them",
    ("wampy", CARRY_BYTES): "does not know WAMP's form of them",
    ("xconn", CARRY_BYTES): "does not know WAMP's form of them, and refuses to write them",
    ("kraftfahrstrasse", CARRY_BYTES): "does not know WAMP's form of them",
}
"""What a library cannot do itself, and why. Where it matters, a test shows what happens then."""

REALM = """
[realm:libraries]
authenticators = guests
authorizers = roles

[role:libraries/guest]
permissions =
    any all
"""

VALUES: list[Any] = [1, -7, 1.5, "text", "ümläut 😀", True, None, [1, [2]], {"a": {"b": []}}, 2**40]


def can(way: Way, what: str) -> bool:
    """Whether the library of ``way`` can do it."""
    return (way[0], what) not in CANNOT


def name(way: Way) -> str:
    """``way`` as a component of an URI."""
    return "_".join(way).replace("-", "_")


@cache
def router() -> RunningRouter:
    """The router of this run: WebSocket, RawSocket and long-poll on one port."""
    made = RunningRouter(listen="transport = universal\nlongpoll = /lp", more=REALM)
    atexit.register(made.close)
    return made


@cache
def libraries() -> dict[Way, Client]:
    """All clients, joined."""
    port = router().public
    polled = router().child.port_of_one(port) if spread.SPREAD == "redis" else port
    urls = {"ws": router().url(), "rs": f"rs://127.0.0.1:{port}", "lp": f"http://127.0.0.1:{polled}/lp"}

    def start(way: Way) -> Client:
        client = Client(way[0], urls[way[2]], serializer=way[1], realm="libraries")
        atexit.register(client.end)
        return client

    with ThreadPoolExecutor(4) as starting:
        return dict(zip(WAYS, starting.map(start, WAYS), strict=True))


class LibrariesCase(SynchronousTestCase):
    """``libraries`` are the clients by their ways."""

    def setUp(self) -> None:
        self.libraries = libraries()
        self.addCleanup(self.no_errors)

    def one_of_each(self) -> dict[Way, Client]:
        """One client of each library, of different serializers and transports."""
        ways = [
            ("autobahn-python", "cbor", "rs"),
            ("xconn", "msgpack", "rs"),
            ("autobahn", "msgpack", "ws"),
            ("wampy", "cbor", "ws"),
            ("kraftfahrstrasse", "json", "ws"),
        ]
        return {way: self.libraries[way] for way in ways}

    def subscribe(self, topic: str, clients: Mapping[Way, Client] | None = None, **options: Any) -> None:
        """All clients (or ``clients``) until the end of the test."""
        for way, client in (clients or self.libraries).items():
            client.ask("subscribe", topic, **options)
            if not options or can(way, DROP_OPTIONS):
                self.addCleanup(client.ask, "unsubscribe", topic)

    def register(self, way: Way, procedure: str, **options: Any) -> str:
        """Until the end of the test; the procedure's URI."""
        self.libraries[way].ask("register", procedure, **options)
        if options.get("match") != "wildcard" or can(way, DROP_PATTERNS):
            self.addCleanup(self.libraries[way].ask, "unregister", procedure)
        return procedure

    def refused(self, uri: str, client: Client, *command: Any, label: object = "", **options: Any) -> None:
        """``client`` is told ``uri``."""
        with self.assertRaises(Refused, msg=label) as caught:
            client.ask(*command, **options)
        self.assertEqual(caught.exception.uri, uri, label)

    def no_errors(self) -> None:
        """No event that nobody waited for, no fault of ours in the log."""
        for way, client in self.libraries.items():
            self.assertTrue(client.events.empty(), way)
        self.assertNotIn("Traceback", router().log)
        self.assertNotIn("session.violation", router().log)
