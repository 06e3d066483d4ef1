"""Which messages cost a token, and whose do not."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.interfaces import RATE, WAITING
from orosync.model import Action, ConnectionPolicy, Decision, Verdict
from orosync.session.batched import BatchedSession
from orosync.testing import connection_facts, principal
from orosync.transport.message_rates import NO_LIMIT, Allowance, MessageRates
from orosync.wamp.codec import CODECS
from tests.session.fixture import HELLO, JsonClient, RealmFixture

STREAM = {"features": {"progressive_call_invocations": True, "progressive_call_results": True}}
ROLES = {"callee": STREAM, "caller": STREAM, "publisher": {}, "subscriber": {}}


class RatedFixture(RealmFixture):
    """With rates, as a listener has them."""

    def __init__(self, rate: int = 1000, burst: int = 2000, cut: float | None = None) -> None:
        super().__init__()
        self.rates = self.context.rates = MessageRates(self.clock, self.journal, "public", Allowance(rate, burst, cut))

    def batched(self) -> Batcher:
        session = BatchedSession(self.context, connection_facts(), CODECS["wamp.2.json"], None, ConnectionPolicy())
        return Batcher(session)

    def run(self, seconds: float) -> None:
        self.clock.pump([1 / 32] * round(seconds * 32))


class Batcher(JsonClient):
    """Says everything in one batch."""

    def say(self, *messages: Any) -> JsonClient:
        self.session.received(b"".join(json.dumps(one).encode() + b"\x1e" for one in messages), False)
        return self

    def heard(self) -> list[Any]:
        return [json.loads(one) for frame in self.link.take() for one in frame.split(b"\x1e") if one]


def tokens(player: JsonClient) -> float:
    """What its bucket holds."""
    bucket = player.session.bucket
    return float(bucket._balance + bucket.left)


class RateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.fixture = RatedFixture()

    def costs(self, player: JsonClient, *messages: Any) -> float:
        """The tokens that messages cost, said each by itself; the session has to survive them."""
        before = tokens(player)
        for message in messages:
            player.say(message)
        self.assertIsNone(player.link.ended, messages)
        return before - tokens(player)


class TokenTests(RateCase):
    def test_what_a_client_asks(self) -> None:
        """One each, granted or refused; also further parts of a call, whose id is that of the first."""
        self.fixture.v2().ask([64, 1, {}, "a.procedure"])
        asked = {
            "SUBSCRIBE": [32, 1, {}, "a.topic"],
            "SUBSCRIBE, malformed": [32, 1, {}, "a topic"],
            "UNSUBSCRIBE": [34, 1, 99],
            "PUBLISH": [16, 1, {}, "a.topic"],
            "PUBLISH, acknowledged": [16, 1, {"acknowledge": True}, "a.topic"],
            "CALL": [48, 1, {}, "a.procedure"],
            "CALL of nothing": [48, 2, {}, "no.procedure"],
            "CALL of WAMP's own": [48, 3, {}, "wamp.session.count"],
            "REGISTER": [64, 1, {}, "my.procedure"],
            "REGISTER, taken": [64, 2, {}, "a.procedure"],
            "UNREGISTER": [66, 1, 99],
            "CANCEL": [49, 1, {}],
        }
        for name, message in asked.items():
            self.assertEqual(self.costs(self.fixture.v2(), message), 1, name)
        self.assertEqual(self.costs(self.fixture.v2(), *[[16, n, {}, "a.topic"] for n in range(50)]), 50)

    def test_where_ids_are_counted(self) -> None:
        """The same in a realm that checks request ids."""
        self.fixture.realm_context.sequential = True
        self.assertEqual(self.costs(self.fixture.v2(), [32, 1, {}, "a.topic"], [16, 2, {}, "b"], [48, 3, {}, "c"]), 3)

    def test_parts_of_a_call(self) -> None:
        """Progressive call invocations: each part is a CALL; what the callee sends back costs it nothing."""
        callee, caller = (self.fixture.v2(join=False).say([1, "oro", {"roles": ROLES}]) for _ in range(2))
        callee.ask([64, 1, {}, "a.procedure"])
        caller.heard()
        parts = [[48, 7, {"progress": True, "receive_progress": True}, "a.procedure"]] * 5
        self.assertEqual(self.costs(caller, *parts), 5)
        invocations = [one for one in callee.heard() if one[0] == 68]
        self.assertEqual(len(invocations), 5)
        request = invocations[0][1]
        self.assertEqual(self.costs(callee, *[[70, request, {"progress": True}, [n]] for n in range(100)]), 0)
        self.assertEqual(self.costs(callee, [70, request, {}, ["done"]]), 0)
        self.assertEqual(sum(one[0] == 50 for one in caller.heard()), 101)

    def test_what_a_client_answers(self) -> None:
        """An ERROR to our INVOCATION costs nothing, nor does one that comes too late."""
        callee, caller = self.fixture.v2(), self.fixture.v2()
        callee.ask([64, 1, {}, "a.procedure"])
        for n in range(20):
            caller.say([48, n, {}, "a.procedure"])
            ((_, request, *_),) = callee.heard()
            self.assertEqual(self.costs(callee, [8, 68, request, {}, "a.failure"], [8, 68, request, {}, "a"]), 0)
            self.assertEqual(caller.heard()[-1][:3], [8, 48, n])

    def test_a_callee_is_never_slowed(self) -> None:
        """However much is asked of it."""
        self.fixture = RatedFixture(10, 20)
        self.fixture.realm_context.exempt({"busy"})
        callee = self.fixture.v2()
        caller = self.fixture.v2(principal(authrole="busy", authprovider="guests"))
        callee.ask([64, 1, {}, "a.procedure"])
        for n in range(500):
            caller.say([48, n, {}, "a.procedure"])
            ((_, request, *_),) = callee.heard()
            callee.say([70, request, {}])
        self.assertEqual((len(caller.heard()), callee.link.paused, caller.link.paused), (500, False, False))

    def test_v1(self) -> None:
        """Every message of a v1 client comes unasked; it has joined from the start."""
        player = self.fixture.v1()
        self.assertTrue(player.session.bucket.joined)
        messages = [[1, "p", "http://x/"], [5, "a.topic"], [7, "a.topic", 1], [6, "a.topic"], [2, "1", "a.procedure"]]
        for message in messages:
            self.assertEqual(self.costs(player, message), 1, message)

    def test_before_hello(self) -> None:
        """HELLO is one, of the twenty; what is said after WELCOME is counted by itself; GOODBYE costs nothing."""
        player = self.fixture.v2(join=False)
        self.assertEqual((tokens(player), player.session.bucket.joined), (20, False))
        player.say(HELLO)
        self.assertEqual((tokens(player), player.session.bucket.joined), (2000, True))
        player.say([16, 1, {}, "a.topic"])
        self.assertEqual((tokens(player), player.say([6, {}, "wamp.close.normal"]) and tokens(player)), (1999, 19))
        self.assertFalse(player.session.bucket.joined)
        player.say(HELLO)
        self.assertEqual(tokens(player), 1999)

    def test_the_back_end(self) -> None:
        """Precious from the handshake on, in v1 and v2, or as it says in HELLO: never limited."""
        precious = principal("", is_backend=True, authprovider="guests")
        for player in (self.fixture.v1(precious), self.fixture.v2(precious, join=False)):
            self.assertIs(player.session.bucket, NO_LIMIT)
        player = self.fixture.v2(join=False)
        player.session._known = precious
        player.say(HELLO, *[[16, n, {}, "a.topic"] for n in range(5000)])
        self.assertFalse(player.link.paused)

    def test_uplinks(self) -> None:
        """Another router's connection: its role is among the realm's forwarders."""
        self.fixture.realm_context.forwarders = ("uplink",)
        self.fixture.realm_context.exempt(())
        player = self.fixture.v2(principal(authrole="uplink", authprovider="guests"))
        player.say(*[[16, n, {}, "a.topic"] for n in range(5000)])
        self.assertFalse(player.link.paused)


class PauseTests(RateCase):
    def setUp(self) -> None:
        self.fixture = RatedFixture(100, 200)

    def test_the_link_is_paused_for_the_rate(self) -> None:
        """One message beyond the burst; as long as it takes to pay for it. Told with the user's name."""
        for player, publish in ((self.fixture.v2(), [16, 1, {}, "a.topic"]), (self.fixture.v1(), [7, "a.topic", 1])):
            player.say(*[publish] * 200)
            self.assertEqual(player.link._reasons, 0)
            player.say(publish)
            self.assertEqual(player.link._reasons, RATE)
            self.fixture.run(0.125)
            self.assertEqual(player.link._reasons, 0)
        users = [fields["user"] for event, _, fields in self.fixture.journal.notes if event == "connection.slowed"]
        self.assertEqual(len(users), 2)
        self.assertEqual(users[1], "anna")

    def test_together_with_an_authorizer(self) -> None:
        """Both reasons hold, whichever ends first."""
        for first in ("rate", "authorizer"):
            player = self.fixture.v2()
            pending: Deferred[Decision] = Deferred()
            self.fixture.authorizer.answers[Action.CALL, f"slow.{first}"] = pending
            player.say(*[[16, 1, {}, "a.topic"]] * 200, [48, 1, {}, f"slow.{first}"])
            self.assertEqual(player.link._reasons, RATE | WAITING)
            if first == "rate":
                self.fixture.run(0.5)
                self.assertEqual(player.link._reasons, WAITING)
                pending.callback(Decision(Verdict.ALLOW))
            else:
                pending.callback(Decision(Verdict.ALLOW))
                self.assertEqual(player.link._reasons, RATE)
                self.fixture.run(0.5)
            self.assertEqual(player.link._reasons, 0)
            self.assertEqual([one[0] for one in player.heard()], [8])

    def test_a_batch(self) -> None:
        """Held between any two of its messages; they keep their order and none is lost."""
        player = self.fixture.batched()
        player.say(HELLO)
        player.heard()
        player.say(*[[16, n, {"acknowledge": True}, "a.topic"] for n in range(500)])
        self.assertEqual(len(player.heard()), 201)
        self.assertTrue(player.link.paused)
        self.fixture.run(1)
        self.assertEqual([one[1] for one in player.heard()], list(range(201, 301)))
        self.fixture.run(3)
        self.assertEqual([one[1] for one in player.heard()], list(range(301, 500)))
        self.assertFalse(player.link.paused)

    def test_a_batch_that_waits_for_both(self) -> None:
        """An authorizer in the middle of a batch that is over the rate."""
        player = self.fixture.batched()
        player.say(HELLO)
        player.heard()
        pending: Deferred[Decision] = Deferred()
        self.fixture.authorizer.answers[Action.CALL, "slow"] = pending
        publishes = [[16, n, {"acknowledge": True}, "a.topic"] for n in range(250)]
        player.say(*publishes[:200], [48, 999, {}, "slow"], *publishes[200:])
        self.assertEqual(len(player.heard()), 200)
        self.fixture.run(2)
        self.assertEqual(player.heard(), [])
        pending.callback(Decision(Verdict.ALLOW))
        self.assertEqual([one[1] for one in player.heard()[1:]], list(range(200, 250)))
        self.assertFalse(player.link.paused)

    def test_the_end_of_who_is_over(self) -> None:
        """Nothing of it stays: no timer, no further message."""
        player = self.fixture.batched()
        player.say(HELLO)
        player.say(*[[16, n, {}, "a.topic"] for n in range(500)])
        player.session.closed(False, None, "gone")
        player.session.bucket.gone()
        self.fixture.rates.stop()
        self.assertEqual([call.func for call in self.fixture.clock.getDelayedCalls() if "Wheel" in repr(call)], [])

    def test_cut_where_it_is_wanted(self) -> None:
        """A batch of a client that has joined; its link is dropped, and the rest of the batch is not handled."""
        self.fixture = RatedFixture(100, 200, cut=3.0)
        player = self.fixture.batched()
        player.say(HELLO)
        player.heard()
        player.say(*[[16, n, {"acknowledge": True}, "a.topic"] for n in range(1000)])
        self.fixture.run(10)
        self.assertEqual(player.link.ended, ("drop", "cut: message_rate"))
        self.assertEqual(len(player.heard()), 500)
