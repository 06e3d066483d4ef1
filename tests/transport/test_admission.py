"""Places: how many, of whom, how fast; on a clock of our own, without connections."""

from __future__ import annotations

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.admission import LARGE_HEAD, LARGE_HEADS, MOST_UNDECIDED, ConnectionLimit, Place, PlaceAnswer
from orosync.transport.delayed_connections import TICK
from tests.support.settings import listener_settings
from tests.support.wires import RecordingJournal
from tests.transport.places_machine import BROWSER, PHP, PlacesMachine, Sign

ADMITTED, DELAYED, REFUSED = PlaceAnswer


class PlacesCase(SynchronousTestCase):
    def made(self, **settings: Any) -> ConnectionLimit:
        settings = {"name": "public", "back_end": Sign(), **settings}
        self.clock, self.journal = Clock(), RecordingJournal()
        self.connection_limit = ConnectionLimit(listener_settings(**settings), self.clock, self.journal)
        return self.connection_limit

    def come(self, address: str = "192.0.2.1") -> tuple[Place | None, PlaceAnswer | None]:
        place = self.connection_limit.acquire(address)
        return place, None if place is None else place.admit_address(address)

    def crowd(self, count: int, address: str = "192.0.2.1") -> list[Place]:
        """As many as are let in."""
        places = []
        for _ in range(count):
            place, answer = self.come(address)
            assert place is not None
            self.assertIs(answer, ADMITTED)
            places.append(place)
        return places

    def refused(self) -> list[str]:
        return self.journal.kinds("connection.refused")


class CountTests(PlacesCase):
    def test_all_places(self) -> None:
        """Connections are counted, authenticated or not; a refusal is logged with the key to raise."""
        connection_limit = self.made(max_connections=3)
        first, *_ = self.crowd(3)
        first.set_authenticated(True)
        self.assertEqual(self.come(), (None, None))
        note = self.journal.notes[-1]
        self.assertEqual(note[:2], ("connection.refused", "too_many"))
        self.assertEqual(note[2], {"listener": "public", "address": "192.0.2.1", "limit": 3, "key": "max_connections"})
        first.release()
        first.release()
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (2, 2))
        self.assertIs(self.come()[1], ADMITTED)

    def test_unauthenticated_places(self) -> None:
        """They become free by joining as by leaving, and are taken again by a goodbye, whatever room there is."""
        connection_limit = self.made(max_connections=10, max_unauthenticated=2)
        first, second = self.crowd(2)
        self.assertEqual((self.come()[0], self.refused()), (None, ["too_many_unauthenticated"]))
        first.set_authenticated(True)
        first.set_authenticated(True)
        self.crowd(1)
        first.set_authenticated(False)
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (3, 3))
        second.release()
        self.assertIsNone(self.come()[0])

    def test_one_address(self) -> None:
        """Its count binds only while more than half of the unauthenticated places are taken, and only its own."""
        self.made(max_unauthenticated=10, unauthenticated_per_address=2)
        self.crowd(6)  # when the sixth came, five were there, which is not more than half
        self.assertIs(self.come()[1], REFUSED)
        place, _ = self.come()
        assert place is not None
        place.release()
        self.assertEqual(self.refused(), ["too_many_of_address"] * 2)
        self.assertEqual(self.journal.notes[-1][2]["key"], "unauthenticated_per_address")

    def test_refused_ones_leave_nothing(self) -> None:
        """A place that was refused counts until its connection is gone, and not for its address."""
        connection_limit = self.made(max_unauthenticated=4, unauthenticated_per_address=1)
        self.crowd(3)
        place, answer = self.come()
        assert place is not None
        self.assertEqual((answer, connection_limit.inside), (REFUSED, 4))
        place.release()
        self.assertEqual((connection_limit.inside, connection_limit.unauthenticated), (3, 3))
        self.crowd(1, "192.0.2.2")

    def test_what_is_one_address(self) -> None:
        """The /64 of an IPv6 address, a mapped IPv4 address as itself, and all of a UNIX socket."""
        for first, second, same in [
            ("2001:db8::1", "2001:db8::ffff:1", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("unix", "unix", True),
        ]:
            self.made(max_unauthenticated=5, unauthenticated_per_address=1)
            for _ in range(3):
                self.connection_limit.acquire("203.0.113.1")  # counted for no address yet
            self.crowd(1, first)
            self.assertIs(self.come(second)[1], REFUSED if same else ADMITTED, (first, second))

    def test_behind_a_proxy(self) -> None:
        """Until its headers are read a connection counts for no address, then for its client's."""
        self.made(max_unauthenticated=4, unauthenticated_per_address=1)
        places = [self.connection_limit.acquire("10.9.9.9") for _ in range(4)]
        self.assertEqual(self.connection_limit._addresses, {})
        answers = [place.admit_request(f"198.51.100.{n // 2}", None) for n, place in enumerate(places) if place]
        self.assertEqual(answers, [ADMITTED, REFUSED, ADMITTED, REFUSED])

    def test_heads(self) -> None:
        """All of a listener may hold only so much of long heads; the oldest has to go for another, and those who join
        or leave give theirs back."""
        self.made()
        gone: list[int] = []
        places = self.crowd(4)

        def hold(number: int, size: int) -> None:
            places[number].hold_head(size, lambda: gone.append(number))

        half = LARGE_HEAD + LARGE_HEADS // 2
        hold(0, LARGE_HEAD)
        hold(1, half - 5)
        hold(1, half)
        hold(2, half)
        self.assertEqual((gone, self.connection_limit._held), ([], LARGE_HEADS))
        hold(3, LARGE_HEAD + 1)
        self.assertEqual((gone, self.refused(), self.connection_limit.inside), ([1], ["too_many_large_heads"], 3))
        places[2].set_authenticated(True)
        self.assertEqual(self.connection_limit._held, 1)
        hold(3, 2 * LARGE_HEADS)  # whatever one alone may have, the listener's header_limit says
        self.assertEqual(gone, [1])
        hold(3, 0)
        hold(0, half)
        places[0].release()
        self.assertEqual((self.connection_limit._held, len(self.connection_limit._heads)), (0, 0))


class RateTests(PlacesCase):
    def setUp(self) -> None:
        self.made(max_unauthenticated=8, connection_rate=20.0, connection_burst=2)
        self.had: list[int] = []

    def later(self, count: int, address: str = "192.0.2.1") -> list[Place]:
        """Those who have to wait; ``had`` tells of their turns."""
        places = []
        for _ in range(count):
            place, answer = self.come(address)
            assert place is not None
            self.assertIs(answer, DELAYED)
            number = len(places)
            place.proceed = lambda number=number: self.had.append(number)
            places.append(place)
        return places

    def test_only_in_a_crowd(self) -> None:
        """While less than half of the places are taken there is no rate."""
        self.crowd(5)
        self.assertEqual(self.journal.notes, [])

    def test_over_the_rate_they_wait_in_order(self) -> None:
        """One in each twentieth of a second, the first first, and told once for each."""
        self.crowd(5)
        self.later(3)
        self.assertEqual(self.journal.kinds("connection.delayed"), ["rate"] * 3)
        self.assertEqual(self.journal.notes[-1][2]["key"], "connection_rate")
        for count in (1, 2, 3):
            self.clock.advance(TICK)
            self.assertEqual(self.had, list(range(count)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_connection_overtakes(self) -> None:
        """A connection waits behind the others of its address, even with a token there."""
        self.crowd(5)
        self.later(1)
        self.clock.advance(TICK * 0.99)
        self.assertIs(self.come()[1], DELAYED)
        self.crowd(1, "192.0.2.2")

    def test_when_the_crowd_is_gone_all_go_on(self) -> None:
        """Half of the places are free again: no connection waits any longer."""
        crowd = self.crowd(5)
        self.later(3)
        for place in crowd:
            place.set_authenticated(True)
        self.clock.advance(TICK)
        self.assertEqual(self.had, [0, 1, 2])

    def test_those_who_leave_while_they_wait(self) -> None:
        """They are forgotten at once; the others move up."""
        self.crowd(5)
        first, _, third = self.later(3)
        first.release()
        self.clock.advance(TICK)
        self.assertEqual(self.had, [1])
        third.release()
        self.assertEqual((self.clock.getDelayedCalls(), self.connection_limit.inside), ([], 6))

    def test_the_end(self) -> None:
        """The listener is closed: delayed connections proceed."""
        self.crowd(5)
        self.later(2)
        self.connection_limit.stop()
        self.assertEqual((self.had, self.clock.getDelayedCalls()), ([0, 1], []))


class BackEndTests(PlacesCase):
    """Places that only the back end can take."""

    def full(self, **settings: Any) -> None:
        self.made(**{"max_connections": 4, "max_unauthenticated": 4, "backend_places": 2, **settings})
        self.places = self.crowd(4)

    def aside(self) -> Place:
        place, answer = self.come("10.0.0.1")
        assert place is not None
        self.assertTrue(place.undecided and answer is ADMITTED)
        return place

    def test_every_ordinary_place_is_taken(self) -> None:
        """By those who have joined or not: the back end comes in, as long as its own places last."""
        for joined in (False, True):
            self.full()
            for place in self.places:
                place.set_authenticated(joined)
            answers = [self.aside().admit_request("10.0.0.1", PHP) for _ in range(3)]
            self.assertEqual(answers, [ADMITTED, ADMITTED, REFUSED])
            self.assertEqual((self.connection_limit.inside, self.refused()), (6, ["too_many"]))
            self.assertIsNone(self.come()[0])

    def test_unauthenticated_places_alone(self) -> None:
        """A crowd that has not joined fills those; the back end's places are beyond them too."""
        self.full(max_connections=100)
        self.assertIs(self.aside().admit_request("10.0.0.1", PHP), ADMITTED)
        self.assertIsNone(self.come()[0])
        self.assertEqual(self.refused(), ["too_many_unauthenticated"])

    def test_clients_that_are_not_the_back_end(self) -> None:
        """Of its address, but with a browser's request, or one for a page: refused for what was used up."""
        self.full()
        for facts in (BROWSER, None):
            place = self.aside()
            self.assertIs(place.admit_request("10.0.0.1", facts), REFUSED)
            place.release()
        self.assertEqual((self.connection_limit.inside, self.refused()), (4, ["too_many"] * 2))

    def test_a_place_has_become_free_meanwhile(self) -> None:
        """Then any client may take it."""
        self.full()
        place = self.aside()
        self.places[0].release()
        self.assertIs(place.admit_request("198.51.100.1", BROWSER), ADMITTED)
        self.assertEqual((self.connection_limit.inside, place.undecided), (4, False))
        place.release()
        self.assertEqual((self.connection_limit.inside, self.connection_limit._addresses), (3, {"192.0.2.1": 3}))

    def test_the_oldest_undecided_has_to_go(self) -> None:
        """Silent ones cannot keep the back end out."""
        self.full()
        gone: list[int] = []
        places = []
        for number in range(MOST_UNDECIDED + 2):
            place = self.aside()
            place.withdraw = lambda number=number: gone.append(number)
            places.append(place)
        self.assertEqual((gone, self.refused()), ([0, 1], ["too_many"] * 2))
        self.assertIs(places[-1].admit_request("10.0.0.1", PHP), ADMITTED)
        for place in places:
            place.release()
        self.assertEqual((self.connection_limit.inside, len(self.connection_limit._undecided)), (4, 0))

    def test_its_address_may_be_a_crowd(self) -> None:
        """The count and the rate of its own address do not bind it."""
        self.made(max_unauthenticated=4, unauthenticated_per_address=1, connection_burst=1)
        for _ in range(3):
            self.assertIs(self.come("10.0.0.1")[1], ADMITTED)
        self.assertIs(self.aside().admit_request("10.0.0.1", PHP), ADMITTED)
        self.assertIs(self.aside().admit_request("10.0.0.1", BROWSER), REFUSED)

    def test_none_are_kept(self) -> None:
        """``backend_places = 0``, or a listener to which no back end comes."""
        for settings in ({"backend_places": 0}, {"back_end": None}):
            self.full(**settings)
            self.assertIsNone(self.come("10.0.0.1")[0])


WHOLE = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None, database=None)


class PlacesProperties(SynchronousTestCase):
    def test_comings_and_goings(self) -> None:
        """Whatever clients do and in which order, every count is what it counts, and in the end nothing is left."""
        run_state_machine_as_test(PlacesMachine, settings=WHOLE)
