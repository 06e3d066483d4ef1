"""Which users have one password hash, and what becomes of their tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.errors import Refused, Unavailable
from orosync.identity.directories.static import StaticDirectory
from orosync.identity.shared_passwords import INTERVAL, Sharing, described
from orosync.interfaces import IDirectory, ISharedPasswords
from orosync.model import SharedPassword, User
from orosync.testing import MemoryDirectory, RecordingJournal
from tests.identity.authenticator_case import AuthenticatorCase, ScriptedDirectory
from tests.identity.fixtures import ANNA, OLD_SECRET, ticket_of

BEN = User(4, "ben", ANNA.password_hash)
CARL = User(5, "carl", "$2y$13$" + "c" * 53)
EVERYBODY = (ANNA, BEN, CARL)


class SharingCase(SynchronousTestCase):
    """A directory in memory, asked on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.directory = MemoryDirectory(*EVERYBODY)
        self.sharing = Sharing(self.journal, self.clock)
        self.shared = self.sharing.of("people", self.directory)

    def notes(self) -> list[tuple[str, str]]:
        """Kind and users of what has been noted since."""
        found = [(kind, fields.get("users", "")) for _, kind, fields in self.journal.notes]
        self.journal.notes.clear()
        return found

    def who(self) -> list[str]:
        return [user.username for user in EVERYBODY if self.shared.has(user)]


class Asking(SharingCase):
    """When the directory is asked, and what is kept."""

    def test_at_the_start(self) -> None:
        """Users who share a hash are named by their ids; before the first answer there are none."""
        self.assertEqual(self.who(), [])
        self.sharing.startService()
        self.assertEqual(self.who(), ["anna", "ben"])
        self.assertEqual(self.notes(), [("shared_passwords", "1 and 4")])
        self.assertNotIn(ANNA.password_hash, repr((self.shared, vars(self.shared))))

    def test_repaired(self) -> None:
        """Who has another password is free at once; the last one with the old hash within a minute, or at a reload."""
        for reload in (False, True):
            self.setUp()
            self.sharing.startService()
            self.notes()
            changed = attrs.evolve(BEN, password_hash="new")
            self.directory.put(changed)
            self.assertEqual((self.shared.has(changed), self.shared.has(ANNA)), (False, True))
            if reload:
                self.sharing.refresh()
            else:
                self.clock.advance(INTERVAL)
            self.assertFalse(self.shared.has(ANNA))
            self.assertEqual(self.notes(), [("no_shared_passwords", "")])
            self.directory.put(BEN)
            self.clock.advance(INTERVAL)
            self.assertEqual(self.who(), ["anna", "ben"])

    def test_told_once(self) -> None:
        """Only what is new is told."""
        self.sharing.startService()
        self.clock.pump([INTERVAL] * 5)
        self.assertEqual(len(self.notes()), 1)

    def test_directory_that_is_away(self) -> None:
        """The start goes on; it is asked again, and meanwhile what was found stands."""
        self.directory.failure = Unavailable("directory_down", "[directory:people] gone")
        self.sharing.startService()
        self.clock.pump([INTERVAL] * 3)
        self.assertEqual(self.notes(), [("shared_passwords_unknown", "")])
        self.assertIn("it is not known", self.shared.warning())
        self.directory.failure = None
        self.sharing.refresh()
        self.assertEqual((self.who(), self.notes()), (["anna", "ben"], [("shared_passwords", "1 and 4")]))
        self.directory.failure = ValueError("a secret of the directory's")
        self.sharing.refresh()
        self.assertEqual(self.who(), ["anna", "ben"])
        self.assertNotIn("a secret", self.shared.warning())

    def test_slow_directory(self) -> None:
        """One question at a time; what is answered after the stop changes nothing, and no timer is left."""

        @implementer(IDirectory, ISharedPasswords)
        class Slow:
            asked: list[Deferred[Sequence[SharedPassword]]] = []  # noqa: RUF012

            def find(self, login: str) -> Deferred[Any]:
                raise NotImplementedError

            def shared_passwords(self) -> Deferred[Sequence[SharedPassword]]:
                self.asked.append(Deferred())
                return self.asked[-1]

        slow = Slow()
        shared = self.sharing.of("slow", slow)
        self.sharing.startService()
        waiting = [shared.refresh(), shared.refresh()]
        self.clock.advance(INTERVAL)
        self.assertEqual(len(slow.asked), 1)
        for one in waiting:
            self.assertNoResult(one)
        self.sharing.stopService()
        slow.asked[0].callback([SharedPassword(ANNA.password_hash, 2, 2, (1, 4))])
        for one in waiting:
            self.successResultOf(one)
        self.assertEqual((shared.has(ANNA), self.clock.getDelayedCalls()), (False, []))

    def test_directory_that_cannot_tell(self) -> None:
        """A directory from elsewhere need not know."""

        @implementer(IDirectory)
        class Plain:
            def find(self, login: str) -> Deferred[Any]:
                raise NotImplementedError

        shared = self.sharing.of("plain", Plain())
        self.sharing.startService()
        self.successResultOf(shared.refresh())
        self.assertEqual((shared.has(ANNA), shared.warning()), (False, ""))

    def test_disabled_users(self) -> None:
        """A disabled user takes no tickets of others and has none of its own: it does not count, unless it may log
        in."""
        for too, found in ((False, []), (True, ["anna"])):
            self.setUp()
            self.directory.put(attrs.evolve(BEN, enabled=False))
            self.sharing.of("people", self.directory, disabled_too=too)
            self.sharing.startService()
            self.assertEqual([user.username for user in (ANNA, CARL) if self.shared.has(user)], found)

    def test_words(self) -> None:
        """A bounded number of ids, whatever there is."""
        table: list[tuple[list[tuple[int, tuple[int, ...]]], str]] = [
            ([], ""),
            ([(2, (3, 4))], "3 and 4"),
            ([(3, (7, 8, 9)), (2, (1, 2))], "7, 8 and 9; 1 and 2"),
            ([(40, tuple(range(1, 11)))], "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 30 more"),
            ([(2, (1, 2))] * 12, "; ".join(["1 and 2"] * 10) + "; and 2 more groups"),
        ]
        for groups, words in table:
            self.assertEqual(described([SharedPassword("p", count, count, users) for count, users in groups]), words)


class Tickets(AuthenticatorCase):
    """Tickets of users whose password is not theirs alone."""

    def build(self, users: Any = EVERYBODY, **settings: Any) -> None:
        self.sharing = Sharing(RecordingJournal(), Clock())
        shared = self.sharing.of("people", StaticDirectory(users))
        self.sharing.startService()
        super().build(users, shared=shared, **settings)

    def test_shared(self) -> None:
        """They are refused, with a good ticket only: a wrong one is a wrong one, and costs as much as ever."""
        self.refused(ticket_of(ANNA), "shared_password")
        self.refused(ticket_of(BEN), "shared_password")
        self.refused(ticket_of(ANNA, OLD_SECRET), "bad_digest")
        self.assertEqual([len(pairs) for pairs, _, _ in self.hasher.asked], [1, 1, 1])
        self.assertEqual(self.accepted(ticket_of(CARL)).authid, "carl")

    def test_repaired(self) -> None:
        """A new password opens the door at once."""
        assert isinstance(self.directory, ScriptedDirectory)
        changed = attrs.evolve(BEN, password_hash="$2y$13$" + "b" * 53)
        self.directory.__init__([ANNA, changed])  # type: ignore[misc]
        self.assertEqual(self.accepted(ticket_of(changed)).authid, "ben")

    def test_those_who_are_connected(self) -> None:
        """A session that came in before it was found ends when it is looked at again."""
        self.build(EVERYBODY[1:])
        principal = self.accepted(ticket_of(BEN))
        credential = self.authenticator.credential(self.facts(""), principal)
        assert credential is not None
        self.assertIsNone(self.successResultOf(self.authenticator.recheck(credential)))
        self.sharing.directories["people"]._directory = StaticDirectory(EVERYBODY)
        self.sharing.refresh()
        failure = self.failureResultOf(self.authenticator.recheck(credential), Refused)
        self.assertEqual(failure.value.code, "shared_password")

    def test_no_password(self) -> None:
        """Users without a hash (null, empty, blank) are refused, whatever the ticket was signed with."""
        for blank in ("", " ", "   ", "\t\n"):
            nobody = User(9, "dora", blank)
            self.build((nobody, CARL))
            self.refused(ticket_of(nobody), "no_password")
            self.refused(ticket_of(nobody, OLD_SECRET), "bad_digest")
            self.build((attrs.evolve(nobody, enabled=False), CARL))
            self.refused(ticket_of(nobody), "disabled")

    def test_no_password_and_accepted(self) -> None:
        """A key lets them in, several of them too."""
        dora, emil = User(9, "dora", ""), User(10, "emil", "")
        self.build((dora, emil), accept_without_password=True)
        for user in (dora, emil):
            self.assertEqual(self.accepted(ticket_of(user)).authid, user.username)
            self.refused(ticket_of(user, OLD_SECRET), "bad_digest")

    def test_asked_for_by_ourselves(self) -> None:
        """A ticket that the application gave us for a cookie names its user truly, whatever the password."""
        dora = User(9, "dora", "")
        self.build((*EVERYBODY, dora))
        for user in (ANNA, dora):
            principal = self.successResultOf(self.authenticator.verify(ticket_of(user)))
            self.assertEqual(principal.authid, user.username)
