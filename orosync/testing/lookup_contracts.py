"""The contract suites of directories and session stores."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.interfaces import IDirectory, ISessionStore, ISharedPasswords
from orosync.model import AdminSession, User
from orosync.testing.contracts import Contract


class DirectoryContract(Contract):
    """What every IDirectory must do; a mixin for a trial TestCase that makes one with given users."""

    ANNA = User(
        1, "anna", "$2y$13$hash", True, "Anna@Example.com", frozenset({7, 8}), frozenset({"ROLE_ADMINISTRATOR"})
    )
    MAIL = User(2, "bob@example.com", "p2", email="bob@home.example.com")
    TAKEN = User(3, "carl", "p3", email="bob@example.com")
    GONE = User(4, "gone", "p4", enabled=False, email="gone@example.com")
    QUOTED = User(5, 'O\'Brien "Bob" | pi%pe_', "p5", email="o'brien@example.com")
    FOREIGN = User(6, "jürgen", "p6", email="jürgen@example.com")

    _full: Any = None

    def make_directory(self, users: tuple[User, ...]) -> Deferred[IDirectory]:
        """A directory that holds exactly ``users``."""
        raise NotImplementedError

    async def found(self, login: str) -> User | None:
        """The user that a directory of all users above finds; each test has a directory of its own."""
        if self._full is None:
            users = (self.ANNA, self.MAIL, self.TAKEN, self.GONE, self.QUOTED, self.FOREIGN)
            self._full = await self.make_directory(users)
            verifyObject(IDirectory, self._full)
        user: User | None = await self._full.find(login)
        return user

    async def test_by_username(self) -> None:
        """A user is found by the username, with all fields."""
        self.assertEqual(await self.found("anna"), self.ANNA)

    async def test_username_is_exact(self) -> None:
        """Another case, a blank or a pattern is another name."""
        for login in ("Anna", "ANNA", "anna ", " anna", "ann", "a%", "_nna", "anna\n", "ännä", "jurgen", ""):
            self.assertIsNone(await self.found(login), repr(login))

    async def test_by_e_mail(self) -> None:
        """Without a user of that username the e-mail is compared, in any case."""
        for login in ("Anna@Example.com", "anna@example.com", "ANNA@EXAMPLE.COM"):
            self.assertEqual(await self.found(login), self.ANNA)

    async def test_username_goes_before_e_mail(self) -> None:
        """An e-mail that is another user's username finds that other user."""
        self.assertEqual(await self.found("bob@example.com"), self.MAIL)

    async def test_disabled(self) -> None:
        """A disabled user is found, and marked as disabled: the directory does not decide about it."""
        self.assertEqual(await self.found("gone"), self.GONE)

    async def test_odd_names(self) -> None:
        """Quotes, wildcards and letters beyond ASCII are part of a name."""
        self.assertEqual(await self.found(self.QUOTED.username), self.QUOTED)
        self.assertEqual(await self.found("jürgen"), self.FOREIGN)
        self.assertEqual(await self.found("JÜRGEN@example.com"), self.FOREIGN)
        for login in ("' OR ''='", "jurgen@example.com", "\\", "%", "%s", "%(login)s", "{login}"):
            self.assertIsNone(await self.found(login), repr(login))

    async def test_impossible_names(self) -> None:
        """A login that no database would store has no user, and is no error: any client can send it."""
        for login in (
            "anna\0",
            "\0",
            "\ud800",
            "anna\udc00",
            "a" * 100_000,
            "a@" + "b" * 1000,
            "\U0001f600",
            "\uffff@",
        ):
            self.assertIsNone(await self.found(login), repr(login[:20]))


class SharedPasswordsContract(Contract):
    """What every directory that is an ISharedPasswords too must do; a mixin as DirectoryContract."""

    def make_directory(self, users: tuple[User, ...]) -> Deferred[IDirectory]:
        """A directory that holds exactly ``users``."""
        raise NotImplementedError

    async def shared(self, *hashes: str, disabled: int = 0) -> dict[str, tuple[int, int, tuple[int, ...]]]:
        """The result for users with these hashes and the ids 1, 2, ...; the last ``disabled`` of them are disabled."""
        first_disabled = len(hashes) - disabled + 1
        users = tuple(
            User(number, f"user{number}", password_hash, number < first_disabled, f"u{number}@example.com")
            for number, password_hash in enumerate(hashes, 1)
        )
        directory: Any = await self.make_directory(users)
        verifyObject(ISharedPasswords, directory)
        found = list(await directory.shared_passwords())
        shared = {one.password_hash: (one.count, one.enabled, tuple(one.users)) for one in found}
        self.assertEqual(len(shared), len(found), "a hash occurs twice")
        return shared

    async def test_nothing_is_shared(self) -> None:
        """If every user has a password of its own the result is empty."""
        self.assertEqual(await self.shared(), {})
        self.assertEqual(await self.shared("p1", "p2", "p3"), {})

    async def test_shared(self) -> None:
        """Each hash of several users, with their number and ids."""
        shared = await self.shared("p", "own", "q", "p", "q", "p")
        self.assertEqual(shared, {"p": (3, 3, (1, 4, 6)), "q": (2, 2, (3, 5))})

    async def test_letter_by_letter(self) -> None:
        """Hashes differ as in PHP: by case, accents and blanks at the end."""
        shared = await self.shared("abc", "ABC", "abc ", " abc", "\u00e4bc", "abc", "$2y$13$x", "$2y$13$X")
        self.assertEqual(shared, {"abc": (2, 2, (1, 6))})

    async def test_no_password(self) -> None:
        """Users without a hash share none."""
        self.assertEqual(await self.shared("", "", " ", " ", "   ", "   ", "\t", "\t"), {})

    async def test_disabled(self) -> None:
        """The number of enabled users is in the result too."""
        self.assertEqual(await self.shared("p", "p", "p", disabled=2), {"p": (3, 1, (1, 2, 3))})

    async def test_many(self) -> None:
        """However many users share a hash, only the first ids are in the result."""
        shared = await self.shared(*["p"] * 40)
        self.assertEqual(shared, {"p": (40, 40, tuple(range(1, 11)))})


class SessionStoreContract(Contract):
    """What every ISessionStore must do; a mixin for a trial TestCase that makes one with given sessions."""

    ANNA_IN, ODD_IN, NO_USER_IN, UNKNOWN = (
        "abcdefghijklmnopqrstuvwxyz",
        "Odd,one-with-its-commas," + "0" * 80,
        "n0bodyn0bodyn0bodyn0body",
        "unknown-unknown-unknown",
    )
    ANNA = AdminSession("anna", 7, "$2y$13$hash-of-anna", 3, frozenset({"ROLE_MANAGER"}))
    ODD = AdminSession('Їжак "O\'Brien" |x|', 8, "p|$", 4, frozenset({"ROLE_ADMINISTRATOR", "ROLE_USER"}))

    reads = True
    """Whether it reads sessions itself; if not, it knows neither password hash nor organization."""

    _store: Any = None

    def make_store(self, sessions: Mapping[str, AdminSession | None]) -> Deferred[ISessionStore]:
        """A store that holds exactly ``sessions`` by their ids; None for one without a user."""
        raise NotImplementedError

    def log_out(self, session_id: str) -> None:
        """Log the user out, as the application does."""
        raise NotImplementedError

    async def found(self, session_id: str) -> AdminSession | None:
        """The user that a store with the sessions above finds; each test has a store of its own."""
        if self._store is None:
            sessions = {self.ANNA_IN: self.ANNA, self.ODD_IN: self.ODD, self.NO_USER_IN: None}
            self._store = await self.make_store(sessions)
            verifyObject(ISessionStore, self._store)
        found: AdminSession | None = await self._store.find(session_id)
        return found

    def known_of(self, session: AdminSession) -> AdminSession:
        """``session`` as far as such a store knows it."""
        return session if self.reads else attrs.evolve(session, password_hash=None, organization_id=None)

    async def test_logged_in(self) -> None:
        """The cookie's value leads to its user, with everything that the session says."""
        self.assertEqual(await self.found(self.ANNA_IN), self.known_of(self.ANNA))
        self.assertEqual(await self.found(self.ODD_IN), self.known_of(self.ODD))

    async def test_no_user(self) -> None:
        """A session without a user and a session that does not exist have no user; the store may tell of the first that
        nobody is logged in."""
        self.assertIsNone(await self.found(self.UNKNOWN))
        self.assertIsNone(await self._user_or_none(self.found(self.NO_USER_IN)))

    async def _user_or_none(self, found: Awaitable[AdminSession | None]) -> AdminSession | None:
        try:
            return await found
        except Refused as refusal:
            self.assertEqual(refusal.code, "not_logged_in")
            return None

    async def test_id_is_exact(self) -> None:
        """A part of an id, more than it, or another case of it is another id."""
        near = (
            self.ANNA_IN.upper(),
            self.ANNA_IN.title(),
            self.ANNA_IN[:-1],
            self.ANNA_IN + "0",
            self.ODD_IN.swapcase(),
        )
        for session_id in near:
            self.assertIsNone(await self.found(session_id), session_id)

    async def test_what_is_no_id(self) -> None:
        """An id that PHP would never make is refused before any look-up, and not repeated."""
        good = self.ANNA_IN
        for session_id in ("", "a" * 21, "a" * 257, f"{good}\n", f" {good}", f"{good}\0", f"../{good}", f"{good};x=1",
                           f"{good}*", f"{good}%", f"{good}'", f"{good}_", "ä" * 26, "\ud800" * 26):  # fmt: skip
            with self.assertRaises(Refused) as caught:
                await self.found(session_id)
            self.assertNotIsInstance(caught.exception, Unavailable)
            self.assertEqual(caught.exception.code, "malformed_session")
            self.assertNotIn(session_id or "''", caught.exception.reason)

    async def test_logout(self) -> None:
        """A user who has logged out is not found again, however often the session is looked up."""
        self.assertIsNotNone(await self.found(self.ANNA_IN))
        self.log_out(self.ANNA_IN)
        for _ in range(3):
            self.assertIsNone(await self.found(self.ANNA_IN))
        self.assertIsNotNone(await self.found(self.ODD_IN))

    async def test_many_at_once(self) -> None:
        """Concurrent look-ups get their own answers."""
        self.assertIsNone(await self.found(self.UNKNOWN))
        asked = [self.ANNA_IN, self.ODD_IN, self.NO_USER_IN, self.UNKNOWN] * 10
        finding = [self._user_or_none(self._store.find(session_id)) for session_id in asked]
        answers = await gatherResults([Deferred.fromCoroutine(one) for one in finding])
        self.assertEqual(answers, [self.known_of(self.ANNA), self.known_of(self.ODD), None, None] * 10)
