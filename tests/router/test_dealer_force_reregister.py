"""REGISTER with force_reregister."""

from __future__ import annotations

from typing import Any

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.calls import CALL_REROUTE
from orosync.router.dealer import REGISTRATION_REVOCATION, Dealer
from orosync.router.deliveries import Delivery, Member
from orosync.router.meta_events import News
from orosync.router.registrations import DEFAULT_OPTIONS, Invoke, RegisterOptions, Registration
from orosync.wamp import uris
from orosync.wamp.messages import Error, Invocation, Result, Unregistered
from tests.router.dealer_case import ANSWER, DealerCase
from tests.router.members import PAYLOAD, everything_in, member


class TakingOver(DealerCase):
    """REGISTER with force_reregister: the new callee takes the procedure over."""

    def setUp(self) -> None:
        super().setUp()
        self.news: list[tuple[str, list[Any]]] = []
        self.dealer = Dealer(tell=self.record, queue_limit=9)
        self.knows = member(5, features=REGISTRATION_REVOCATION)
        self.new = member(6)

    def record(self, news: News) -> list[Delivery]:
        self.news += news
        return []

    def take(
        self, invoke: str = "single", options: RegisterOptions = DEFAULT_OPTIONS, by: Member | None = None
    ) -> list[Delivery]:
        return self.dealer.register(by or self.new, "a", Match.EXACT, invoke, options, force=True)[1]

    def test_every_policy(self) -> None:
        """All former callees lose it, under every policy; those that announced the feature get UNREGISTERED."""
        for before in Invoke:
            for after in Invoke:
                self.setUp()
                callees = [self.knows] if before is Invoke.SINGLE else [self.plain, self.knows, self.interruptible]
                for callee in callees:
                    self.dealer.register(callee, "a", Match.EXACT, before)
                former = self.dealer.lookup("a")
                seen = [(list(one.receivers), one.message) for one in self.take(after)]
                gone = Unregistered(0, {"registration": 1, "reason": "wamp.error.unregistered"})
                self.assertEqual(seen, [([self.knows], gone)])
                found = self.dealer.lookup("a")
                assert found is not None
                self.assertIsNot(found, former)
                self.assertEqual((found.id, found.callees, found.invoke), (2, [self.new], after))
                self.assertEqual([callee.registrations for callee in callees], [{}] * len(callees))
                self.call(self.new)
                with self.assertRaises(RequestError) as caught:
                    self.dealer.unregister(callees[0], 1)
                self.assertEqual(caught.exception.uri, uris.NO_SUCH_REGISTRATION)

    def test_nobody_has_it(self) -> None:
        """Then it is a REGISTER as any other; another match of the same text is another procedure."""
        self.dealer.register(self.plain, "a", Match.PREFIX)
        self.assertEqual(self.take(), [])
        self.assertEqual(list(self.plain.registrations), [1])

    def test_ones_own(self) -> None:
        """A callee may replace its own registration, with other options."""
        self.dealer.register(self.new, "a", Match.EXACT, "roundrobin")
        self.take(options=RegisterOptions(disclose_caller=True))
        self.assertEqual(list(self.new.registrations), [2])
        message = self.only(self.dealer.call(self.anna, 1, "a", {}, None), self.new)
        assert isinstance(message, Invocation)
        self.assertEqual(message.details["caller"], self.anna.session)

    def test_news(self) -> None:
        """The meta API tells the end of the former registration, then the beginning of the new one."""
        for callee in (self.plain, self.interruptible):
            self.dealer.register(callee, "a", Match.EXACT, "first")
        del self.news[:]
        self.take()
        seen = [(topic.rpartition(".")[2], values[0]) for topic, values in self.news]
        self.assertEqual(
            seen,
            [
                ("on_unregister", self.plain.session), ("on_unregister", self.interruptible.session),
                ("on_delete", self.interruptible.session),
                ("on_create", self.new.session), ("on_register", self.new.session),
            ],
        )  # fmt: skip

    def test_calls_in_progress(self) -> None:
        """They stay with the former callee: answered by it, or cancelled when its connection ends."""
        self.dealer.register(self.plain, "a")
        first, _ = self.call(self.plain), self.call(self.plain, 2)
        self.take()
        answer = self.only(self.dealer.yielded(self.plain, first, {}, ANSWER), self.anna, ANSWER)
        self.assertEqual(answer, Result(1, {}))
        ((receivers, message, _, _),) = self.dealer.leave(self.plain)
        self.assertEqual((list(receivers), message), ([self.anna], Error(48, 2, {}, uris.CANCELED)))
        self.call(self.new, 3)

    def test_handed_on(self) -> None:
        """A former callee may hand its calls on to the new one, however often the procedure was taken over since; the
        registrations in between are not kept."""
        for invoke in ("single", "roundrobin"):
            self.setUp()
            old = member(8, features=CALL_REROUTE)
            self.dealer.register(old, "a", Match.EXACT, invoke, RegisterOptions(concurrency=1))
            number = self.call(old)
            for _ in range(3):
                self.take(by=self.plain)
            self.take(invoke)
            kept = {one.id for one in everything_in(self.dealer) if isinstance(one, Registration)}
            self.assertEqual(kept, {1, 5})
            message = self.only(self.dealer.failed(old, number, {}, uris.UNAVAILABLE, None), self.new, PAYLOAD)
            self.assertEqual(message, Invocation(1, 5, {}))
            answer = self.only(self.dealer.yielded(self.new, 1, {}, ANSWER), self.anna, ANSWER)
            self.assertEqual(answer, Result(1, {}))

    def test_calls_that_wait(self) -> None:
        """They go to the new callee, as many at once as it takes."""
        for options, at_once in ((DEFAULT_OPTIONS, 3), (RegisterOptions(concurrency=2), 2)):
            self.setUp()
            self.dealer.register(self.plain, "a", options=RegisterOptions(concurrency=1))
            self.call(self.plain)
            for request in (2, 3, 4):
                self.assertEqual(self.dealer.call(self.anna, request, "a", {}, PAYLOAD), [])
            seen = self.take(options=options)
            self.assertEqual([(*one.receivers, type(one.message)) for one in seen], [(self.new, Invocation)] * at_once)
            self.assertEqual([one.message for one in self.dealer.yielded(self.plain, 1, {}, None)], [Result(1, {})])
            rest = self.dealer.yielded(self.new, 1, {}, None)
            self.assertEqual([type(one.message) for one in rest], [Result, Invocation][: 4 - at_once])

    def test_what_the_router_has(self) -> None:
        """A procedure of orosync's own, of an uplink or of a component stays where it is, also if it is shared."""
        own = Member(7, self.plain.principal)
        component = Member(8, self.plain.principal, expel=lambda goodbye: None, inside=True)
        for holder in (own, component):
            for invoke in ("single", "roundrobin"):
                self.setUp()
                self.dealer.register(holder, "a", Match.EXACT, invoke)
                with self.assertRaises(RequestError) as caught:
                    self.take(invoke)
                self.assertEqual(caught.exception.uri, uris.PROCEDURE_ALREADY_EXISTS)
                self.call(holder)
                self.dealer.leave(holder)

    def test_refused(self) -> None:
        """A REGISTER that is wrong otherwise takes nothing away."""
        self.dealer.register(self.plain, "a")
        self.assertRaises(RequestError, self.take, "some")
        self.call(self.plain)
