"""Origins that follow Oro's Application URL: what becomes of each answer of the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.origins import INTERVAL, SLOW, FollowingListener, Origins, origins
from orosync.config.listen import ListenSection
from orosync.errors import Unavailable
from orosync.headers import OriginRule
from orosync.identity.directories.application_url import Reading
from orosync.identity.directories.sql import POSTGRESQL_DIALECT
from orosync.testing import RecordingJournal

ONE, TWO = "https://one.example", "https://two.example"


class Database:
    """Takes questions, which the test answers."""

    def __init__(self) -> None:
        self.engine = self
        self.dialect = POSTGRESQL_DIALECT
        self.asked: list[tuple[Any, Deferred[Any]]] = []

    def ask(self, work: Callable[[Any], Any]) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.asked.append((work.keywords["before"], answer))  # type: ignore[attr-defined]
        return answer


class OriginsTests(SynchronousTestCase):
    """Origins"""

    def setUp(self) -> None:
        self.clock, self.journal, self.database = Clock(), RecordingJournal(), Database()
        self.rule = OriginRule(["127.0.0.1"])
        followed = [
            FollowingListener("public", self.rule, ("127.0.0.1",)),
            FollowingListener("secure", OriginRule([]), ()),
        ]
        self.origins = Origins("people", self.database, followed, self.journal, self.clock)  # type: ignore[arg-type]
        self.origins.startService()

    def answer(self, answer: Any, after: float = 0.0) -> Any:
        """Answer the question that is under way after so many seconds; what it was compared with."""
        self.clock.advance(after)
        ((before, waiting),) = self.database.asked
        self.database.asked.clear()
        if isinstance(answer, Exception):
            waiting.errback(answer)
        else:
            waiting.callback(answer)
        return before

    def told(self) -> list[tuple[str, str]]:
        notes = [(event, code) for event, code, _ in self.journal.notes]
        self.journal.notes.clear()
        return notes

    def test_followed(self) -> None:
        """The Application URL's origin beside those of the section, replaced when it changes, which is told."""
        self.assertFalse(self.rule.allows(ONE))
        self.answer(Reading(1, True, ONE))
        self.assertTrue(self.rule.allows(ONE))
        self.assertEqual(self.journal.notes[0][2], {"listeners": "public,secure", "origin": ONE, "before": ""})
        self.assertEqual(self.told(), [("origins.changed", "application_url")])
        for _ in range(3):
            self.assertEqual(self.answer(Reading(1, True, None), INTERVAL).changed, 1)
        self.assertEqual(self.told(), [])
        self.answer(Reading(2, True, TWO), INTERVAL)
        self.assertEqual([self.rule.allows(one) for one in (ONE, TWO, "http://127.0.0.1")], [False, True, True])
        self.assertEqual(self.told(), [("origins.changed", "application_url")])

    def test_two_changes_in_a_second(self) -> None:
        """After a change the URL is read once more: the time of a second one may be the same."""
        self.answer(Reading(1, True, ONE))
        self.answer(Reading(2, True, ONE), INTERVAL)
        self.assertIsNone(self.answer(Reading(2, True, TWO), INTERVAL))
        self.assertTrue(self.rule.allows(TWO))
        self.assertEqual(self.answer(Reading(2, True, None), INTERVAL).changed, 2)

    def test_database_down(self) -> None:
        """It is told once, the origins stay, and the URL is read again when the database is there."""
        self.answer(Reading(1, True, ONE))
        self.told()
        for _ in range(3):
            self.answer(Unavailable("directory_down", "gone"), INTERVAL)
        self.assertEqual(self.journal.notes[0][2], {"directory": "people", "origin": ONE, "reason": "gone"})
        self.assertEqual(self.told(), [("origins", "down")])
        self.assertTrue(self.rule.allows(ONE))
        self.assertIsNone(self.answer(Reading(1, True, ONE), INTERVAL))
        self.assertEqual(self.told(), [("origins", "recovered")])

    def test_error_of_ours(self) -> None:
        """Of another error the log has the type alone."""
        self.answer(ValueError("SELECT secrets"))
        self.assertEqual(self.journal.notes[0][2]["reason"], "it failed with ValueError")

    def test_invalid_url(self) -> None:
        """What is no URL is told, and what was valid before stays."""
        self.answer(Reading(1, True, ONE))
        self.told()
        self.answer(Reading(2, True, "oro.example.com"), INTERVAL)
        self.answer(Reading(2, True, "oro.example.com"), INTERVAL)
        self.assertEqual(self.told(), [("origins", "invalid")])
        self.assertTrue(self.rule.allows(ONE))
        self.answer(Reading(3, True, ONE), INTERVAL)
        self.assertEqual(self.told(), [("origins", "recovered")])

    def test_before_oro_7(self) -> None:
        """Where no time of changes is to be had, the URL is read once a minute."""
        self.answer(Reading(None, False, ONE))
        self.assertEqual(self.told(), [("origins.changed", "application_url"), ("origins", "no_state")])
        self.clock.advance(SLOW - 1)
        self.assertEqual(self.database.asked, [])
        self.answer(Reading(None, False, TWO), 1)
        self.assertEqual(self.told(), [("origins.changed", "application_url")])
        self.assertTrue(self.rule.allows(TWO))

    def test_refresh(self) -> None:
        """At a reload it is read at once, and not twice at a time."""
        self.origins.refresh()
        self.answer(Reading(1, True, ONE))
        self.origins.refresh()
        self.assertIsNone(self.answer(Reading(1, True, TWO)))
        self.assertTrue(self.rule.allows(TWO))

    def test_stop(self) -> None:
        """Nothing is asked after the stop, and a late answer changes nothing."""
        self.origins.stopService()
        self.answer(Reading(1, True, ONE))
        self.clock.advance(SLOW)
        self.assertEqual((self.database.asked, self.told(), self.rule.allows(ONE)), ([], [], False))
        self.origins.refresh()
        self.origins.startService()
        self.answer(Reading(1, True, ONE))
        self.origins.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Sections(SynchronousTestCase):
    """origins"""

    def test_by_directory(self) -> None:
        """Listeners that name one directory share its questions; others follow nothing."""
        sections = [
            ListenSection(name=name, endpoint="tcp:1", origins_from=directory)
            for name, directory in {"a": "people", "b": "", "c": "people", "d": "staff"}.items()
        ]
        rules = {one.name: OriginRule([]) for one in sections}
        made = origins(sections, rules, lambda name: Database(), RecordingJournal(), Clock())  # type: ignore[arg-type, return-value]
        self.assertEqual([one.name for one in made], ["origins from directory:people", "origins from directory:staff"])
