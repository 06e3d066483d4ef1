"""What stands in front of a directory: one look-up for many who ask, and a pause for one that is down."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.errors import Unavailable
from orosync.identity.directories.static import StaticDirectory
from orosync.identity.single_flight import Lookups
from orosync.interfaces import IDirectory
from orosync.model import User
from orosync.testing import DirectoryContract, RecordingJournal

ANNA = User(1, "anna", "hash")
DOWN = Unavailable("directory_down", "[directory:people] gone")


@implementer(IDirectory)
class Slow:
    """A directory that answers when the test says so; ``asked`` holds what was asked, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open: list[Deferred[User | None]] = []

    def find(self, login: str) -> Deferred[User | None]:
        self.asked.append(login)
        self.open.append(Deferred())
        return self.open[-1]

    def answer(self, what: User | Exception | None) -> None:
        """Answer the oldest question."""
        waiting = self.open.pop(0)
        if isinstance(what, Exception):
            waiting.errback(what)
        else:
            waiting.callback(what)


class LookupsCase(SynchronousTestCase):
    """Lookups of at most two at once, in front of a slow directory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.slow = Slow()
        self.lookups = self.make()

    def make(self, kept: float = 1.0, room: int = 10) -> Lookups:
        return Lookups("people", self.slow, self.journal, self.clock, at_once=2, kept=kept, room=room)

    def answered(self, login: str, what: User | Exception | None) -> Deferred[User | None]:
        """Ask, and have it answered."""
        found = self.lookups.find(login)
        self.slow.answer(what)
        return found

    def busy(self) -> None:
        """Both threads have something to do."""
        for login in ("busy 1", "busy 2"):
            self.lookups.find(login).addErrback(lambda _: None)

    def go_down(self, times: int = 1) -> None:
        """Fail so many times, each at the end of a pause."""
        for _ in range(times):
            self.clock.advance(5)
            self.failureResultOf(self.answered("probe", DOWN), Unavailable)


class Contract(DirectoryContract, TestCase):
    """It finds whom the directory behind it finds."""

    def make_directory(self, users: tuple[User, ...]) -> Deferred[IDirectory]:
        made: Deferred[IDirectory] = Deferred()
        made.callback(Lookups("people", StaticDirectory(users), RecordingJournal(), Clock(), at_once=2))
        return made


class Shared(LookupsCase):
    """Many who ask for one."""

    def test_interface(self) -> None:
        """It is a directory itself."""
        verifyObject(IDirectory, self.lookups)

    def test_one_look_up_for_all(self) -> None:
        """Who asks while the same look-up is under way shares its answer; others have their own."""
        first, second, other = (self.lookups.find(login) for login in ("anna", "anna", "ben"))
        self.assertEqual(self.slow.asked, ["anna", "ben"])
        self.slow.answer(ANNA)
        self.slow.answer(None)
        self.assertEqual([self.successResultOf(one) for one in (first, second, other)], [ANNA, ANNA, None])

    def test_kept_for_a_moment(self) -> None:
        """An answer holds for a second, and "nobody" for exactly as long: time must not tell who exists."""
        for login, answer in (("anna", ANNA), ("ben", None)):
            self.answered(login, answer)
        self.busy()
        self.clock.advance(0.99)
        self.assertEqual(self.successResultOf(self.lookups.find("anna")), ANNA)
        self.assertIsNone(self.successResultOf(self.lookups.find("ben")))
        self.clock.advance(0.02)
        for login in ("anna", "ben"):
            self.assertNoResult(self.lookups.find(login))

    def test_asked_while_there_is_time(self) -> None:
        """A directory that is not busy is asked each time: it alone knows whether it is still there."""
        for answer in (ANNA, None, ANNA):
            self.assertEqual(self.successResultOf(self.answered("anna", answer)), answer)
        self.assertEqual(self.slow.asked, ["anna"] * 3)

    def test_fresh(self) -> None:
        """A re-check asks the directory itself, however busy it is."""
        self.answered("anna", ANNA)
        self.busy()
        fresh = self.lookups.find("anna", fresh=True)
        self.assertNoResult(fresh)
        for answer in (None, None, None):
            self.slow.answer(answer)
        self.assertIsNone(self.successResultOf(fresh))
        self.assertEqual(self.slow.asked, ["anna", "busy 1", "busy 2", "anna"])

    def test_nothing_kept(self) -> None:
        """With 0 s every question is asked."""
        self.lookups = self.make(kept=0)
        self.answered("anna", ANNA)
        self.busy()
        self.assertNoResult(self.lookups.find("anna"))

    def test_memory_is_bounded(self) -> None:
        """However many names are asked for, only so many answers are kept; the oldest go."""
        self.lookups = Lookups("people", self.slow, self.journal, self.clock, at_once=2, most_kept=3)
        for number in range(5):
            self.answered(f"user{number}", ANNA)
        self.busy()
        self.assertNoResult(self.lookups.find("user1"))
        self.assertEqual(self.successResultOf(self.lookups.find("user2")), ANNA)

    def test_unstorable(self) -> None:
        """An impossible name has no user at once, also while the directory is down."""
        for _ in range(2):
            for login in ("", "a\0", "\ud800", "x" * 256):
                self.assertIsNone(self.successResultOf(self.lookups.find(login)))
            self.go_down()
        self.assertEqual(set(self.slow.asked), {"probe"})


class Waiting(LookupsCase):
    """More questions than the directory has threads."""

    def test_in_order(self) -> None:
        """Two are asked at once, the others in the order in which they came."""
        for login in "abcde":
            self.lookups.find(login)
        for _ in range(5):
            self.assertLessEqual(len(self.slow.open), 2)
            self.slow.answer(None)
        self.assertEqual(self.slow.asked, list("abcde"))

    def test_no_room(self) -> None:
        """A look-up for a full queue is refused at once; a shared one needs no room."""
        self.lookups = self.make(room=2)
        waiting = [self.lookups.find(login) for login in "abcd"]
        refusal = self.failureResultOf(self.lookups.find("e"), Unavailable).value
        self.assertEqual(refusal.code, "directory_busy")
        waiting.append(self.lookups.find("d"))
        for _ in range(4):
            self.slow.answer(ANNA)
        self.assertEqual([self.successResultOf(one) for one in waiting], [ANNA] * 5)

    def test_given_up(self) -> None:
        """A cancelled look-up leaves the queue; a shared one goes on."""
        a, b, c, d, e = (self.lookups.find(login) for login in "abccd")
        for one in (c, e):
            one.cancel()
            self.failureResultOf(one, CancelledError)
        a.cancel()
        self.failureResultOf(a, CancelledError)
        for _ in range(3):
            self.slow.answer(ANNA)
        self.assertEqual(self.slow.asked, list("abc"))
        self.assertEqual([self.successResultOf(one) for one in (b, d)], [ANNA, ANNA])

    def test_somebody_leaves_during_the_answer(self) -> None:
        """One who hears the answer may send another away who waits for the same."""
        first, second = self.lookups.find("a"), self.lookups.find("a")
        first.addCallback(lambda _: second.cancel())
        self.slow.answer(ANNA)
        self.assertIsNone(self.successResultOf(first))
        self.failureResultOf(second, CancelledError)


class Down(LookupsCase):
    """A directory that is down."""

    def refused_at_once(self, login: str = "anna") -> None:
        before = len(self.slow.asked)
        refusal = self.failureResultOf(self.lookups.find(login), Unavailable).value
        self.assertEqual(refusal.code, "directory_down")
        self.assertEqual(len(self.slow.asked), before)

    def test_everybody_who_waits_is_refused(self) -> None:
        """The first failure tells all who wait, at once and each with an error of their own."""
        waiting = [self.lookups.find(login) for login in "abcdd"]
        self.slow.answer(DOWN)
        refusals = [self.failureResultOf(one, Unavailable).value for one in (waiting[0], *waiting[2:])]
        self.assertEqual({refusal.code for refusal in refusals}, {"directory_down"})
        self.assertEqual(len({id(refusal) for refusal in refusals}), 4)
        self.assertNoResult(waiting[1])
        self.assertEqual(self.slow.asked, ["a", "b"])

    def test_pauses_grow(self) -> None:
        """0.25 s, then twice as long each time, and never more than 5 s; within a pause no look-up is made."""
        self.go_down()
        for pause in (0.25, 0.5, 1, 2, 4, 5, 5, 5):
            self.clock.advance(pause - 0.01)
            self.refused_at_once()
            self.clock.advance(0.02)
            self.failureResultOf(self.answered("anna", DOWN), Unavailable)
        self.assertEqual([fields["pause"] for _, _, fields in self.journal.notes], [0.25, 0.5, 1, 2, 4, 5, 5, 5, 5])

    def test_one_finds_out(self) -> None:
        """After the pause one look-up goes through, the others are refused until it is back; then all are well."""
        self.go_down()
        self.clock.advance(0.3)
        probe = self.lookups.find("anna")
        self.refused_at_once("ben")
        again = self.lookups.find("anna")
        self.slow.answer(ANNA)
        self.assertEqual([self.successResultOf(one) for one in (probe, again)], [ANNA, ANNA])
        self.assertEqual(self.successResultOf(self.answered("ben", None)), None)
        self.assertEqual(
            [(event, kind) for event, kind, _ in self.journal.notes],
            [("directory", "down"), ("directory", "recovered")],
        )

    def test_pause_starts_over(self) -> None:
        """Once recovered, the next failure is the first again."""
        self.go_down(4)
        self.clock.advance(5)
        self.answered("anna", ANNA)
        self.failureResultOf(self.answered("ben", DOWN), Unavailable)
        self.assertEqual(self.journal.notes[-1][2]["pause"], 0.25)

    def test_failures_of_one_time_count_once(self) -> None:
        """Look-ups that were under way together fail together: that is one failure, not two."""
        self.lookups.find("a").addErrback(lambda _: None)
        self.lookups.find("b").addErrback(lambda _: None)
        self.slow.answer(DOWN)
        self.slow.answer(DOWN)
        self.assertEqual([fields["pause"] for _, _, fields in self.journal.notes], [0.25])

    def test_late_failure_of_an_older_look_up(self) -> None:
        """One that began before the failure does not end the pause of later ones, nor hold up who finds out."""
        self.lookups.find("old").addErrback(lambda _: None)
        self.go_down_beside_old()
        self.clock.advance(1)
        probe = self.lookups.find("anna")
        self.slow.answer(DOWN)  # the old one
        self.refused_at_once("ben")
        self.slow.answer(ANNA)
        self.assertEqual(self.successResultOf(probe), ANNA)

    def go_down_beside_old(self) -> None:
        failing = self.lookups.find("x")
        self.slow.open.pop().errback(DOWN)
        self.failureResultOf(failing, Unavailable)

    def test_nobody_gets_in_by_memory(self) -> None:
        """Who was found a moment ago is not let in by that while the directory is down."""
        self.answered("anna", ANNA)
        self.busy()
        self.slow.answer(DOWN)
        self.refused_at_once("anna")
        self.clock.advance(0.3)
        self.lookups.find("probe").addErrback(lambda _: None)
        self.assertEqual(len(self.slow.open), 2)
        self.refused_at_once("anna")

    def test_unexpected_errors(self) -> None:
        """Whatever a directory fails with, it is down; the error's text stays where it is."""
        refusal = self.failureResultOf(self.answered("anna", ValueError("secret")), Unavailable).value
        self.assertEqual(refusal.code, "directory_down")
        self.assertNotIn("secret", str(refusal))
        self.assertNotIn("secret", str(self.journal.notes))

    def test_prober_leaves(self) -> None:
        """Who finds out may leave: what they asked is answered all the same, and the next is not locked out."""
        self.go_down()
        self.clock.advance(1)
        probe = self.lookups.find("anna")
        probe.cancel()
        self.failureResultOf(probe, CancelledError)
        self.slow.answer(ANNA)
        self.assertEqual(self.successResultOf(self.answered("ben", ANNA)), ANNA)
