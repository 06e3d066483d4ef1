"""A dealer with a caller and callees of several kinds, for the tests of what is done with calls."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.router.dealer import CALL_CANCELING, Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.wamp.messages import Invocation, Message
from orosync.wamp.payload import Payload
from tests.router.members import PAYLOAD, member

PROGRESSIVE_RESULTS = "callee.progressive_call_results"
ANSWER = Payload.of(["an answer"])


class DealerCase(SynchronousTestCase):
    """A dealer, a caller and three callees: plain, interruptible, able to report progress."""

    def setUp(self) -> None:
        self.dealer = Dealer(draw=lambda callees: callees[-1])
        self.anna = member(1, "anna", "staff")
        self.plain = member(2)
        self.interruptible = member(3, features=CALL_CANCELING)
        self.progressive = member(4, features=PROGRESSIVE_RESULTS)

    def only(self, deliveries: list[Delivery], receiver: Member, payload: Payload | None = None) -> Message:
        """The message of the one delivery there is, which has to be for ``receiver`` with ``payload``."""
        ((receivers, message, carried, topic),) = deliveries
        self.assertEqual(list(receivers), [receiver])
        self.assertIs(carried, payload)
        self.assertEqual(topic, "")
        return message

    def call(self, callee: Member, request: int = 1, procedure: str = "a", **options: object) -> int:
        """Have anna call; the id under which ``callee`` got it."""
        message = self.only(self.dealer.call(self.anna, request, procedure, options, PAYLOAD), callee, PAYLOAD)
        assert isinstance(message, Invocation)
        return int(message.request)
