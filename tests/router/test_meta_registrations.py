"""The registration meta API (R11) and revocation (R10), as values."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.deliveries import Member
from orosync.router.realm import Realm
from orosync.wamp import uris
from orosync.wamp.messages import Event, Unregistered
from orosync.wamp.payload import Payload
from tests.router.members import member

CREATED = "1970-01-01T00:00:07.500Z"


class MetaCase(SynchronousTestCase):
    """A realm at half past seven seconds, with a caller and two callees that everybody may see."""

    def setUp(self) -> None:
        self.realm = Realm("meta", now=lambda: 7.5)
        self.anna, self.ben, self.cleo = self.present = [member(n) for n in (1, 2, 3)]
        for one in self.present:
            one.expel = lambda goodbye: None
            self.realm.join(one)

    def ask(self, procedure: str, *args: Any) -> Any:
        """What the realm answers; the other deliveries are kept in ``also``."""
        answer, *self.also = self.realm.dealer.call(self.anna, 1, procedure, {}, Payload.of(args))
        return answer.payload.values()[0] if answer.payload is not None else []

    def refused(self, procedure: str, *args: Any) -> str:
        return self.assertRaises(RequestError, self.ask, procedure, *args).uri


class Procedures(MetaCase):
    """R11: wamp.registration.*"""

    def setUp(self) -> None:
        super().setUp()
        for who in (self.ben, self.cleo):
            self.realm.dealer.register(who, "a.b", Match.EXACT, "roundrobin")
        self.realm.dealer.register(self.ben, "a.", Match.PREFIX)
        self.realm.dealer.register(self.ben, "a..c", Match.WILDCARD)

    def test_list(self) -> None:
        """wamp.registration.list: ids by kind of match."""
        self.assertEqual(self.ask("wamp.registration.list"), [{"exact": [1], "prefix": [2], "wildcard": [3]}])

    def test_lookup(self) -> None:
        """wamp.registration.lookup: of this very procedure or pattern, or null."""
        for args, found in (
            (("a.b",), 1),
            (("a.", {"match": "prefix"}), 2),
            (("a.",), None),
            (("a..c", {"match": "wildcard"}), 3),
        ):
            self.assertEqual(self.ask("wamp.registration.lookup", *args), [found], args)

    def test_match(self) -> None:
        """wamp.registration.match: the one that a call would go to, or null."""
        for procedure, found in (("a.b", 1), ("a.x", 2), ("b", None), ("wamp.session.list", None)):
            self.assertEqual(self.ask("wamp.registration.match", procedure), [found], procedure)

    def test_get(self) -> None:
        """wamp.registration.get: everything about one."""
        details = {"id": 1, "created": CREATED, "uri": "a.b", "match": "exact", "invoke": "roundrobin"}
        self.assertEqual(self.ask("wamp.registration.get", 1), [details])
        self.assertEqual(self.ask("wamp.registration.get", 1.0), [details])

    def test_callees(self) -> None:
        """wamp.registration.list_callees and count_callees, without orosync's own."""
        own = Member(99, self.anna.principal)
        self.realm.dealer.register(own, "a.b", Match.EXACT, "roundrobin")
        self.assertEqual(self.ask("wamp.registration.list_callees", 1), [[self.ben.session, self.cleo.session]])
        self.assertEqual(self.ask("wamp.registration.count_callees", 1), [2])

    def test_remove_callee(self) -> None:
        """wamp.registration.remove_callee: R10 tells a callee that announced it, and nobody else."""
        self.ben.features = frozenset(["callee.registration_revocation"])
        self.assertEqual(self.ask("wamp.registration.remove_callee", 1, self.ben.session, "com.app.why"), [])
        ((receivers, message, _, _),) = self.also
        self.assertEqual(list(receivers), [self.ben])
        self.assertEqual(message, Unregistered(0, {"registration": 1, "reason": "com.app.why"}))
        self.assertEqual(self.ask("wamp.registration.remove_callee", 1, self.cleo.session), [])
        self.assertEqual(self.also, [])
        self.assertIsNone(self.realm.dealer.lookup("a.b"))

    def test_errors(self) -> None:
        """Unknown ids and wrong arguments, each with its URI."""
        for name in ("get", "list_callees", "count_callees", "remove_callee"):
            self.assertEqual(self.refused(f"wamp.registration.{name}", 99, 1), uris.NO_SUCH_REGISTRATION)
            self.assertEqual(self.refused(f"wamp.registration.{name}", "x", 1), uris.INVALID_ARGUMENT)
        self.assertEqual(self.refused("wamp.registration.remove_callee", 1, 5), uris.NO_SUCH_SESSION)
        for reason in (5, "no longer"):
            refused = self.refused("wamp.registration.remove_callee", 1, self.ben.session, reason)
            self.assertEqual(refused, uris.INVALID_URI)
        for name in ("lookup", "match"):
            self.assertEqual(self.refused(f"wamp.registration.{name}", 7), uris.INVALID_ARGUMENT)
        self.assertEqual(self.refused("wamp.registration.lookup", "a", {"match": "regex"}), uris.INVALID_ARGUMENT)


class Events(MetaCase):
    """R11: on_create, on_register, on_unregister, on_delete."""

    def heard(self, deliveries: Any) -> list[tuple[str, Any]]:
        """(last part of the topic, arguments) of the events that anna gets."""
        found = []
        for receivers, message, payload, topic in deliveries:
            self.assertIsInstance(message, Event)
            self.assertEqual(list(receivers), [self.anna])
            found.append((topic.rpartition(".")[2], payload.values()[0]))
        return found

    def test_order(self) -> None:
        """Created before registered, unregistered before deleted, also when a session leaves."""
        dealer = self.realm.dealer
        _, deliveries = dealer.register(self.ben, "unheard")
        self.assertEqual(deliveries, [])
        self.realm.broker.subscribe(self.anna, "wamp.registration.", Match.PREFIX)
        ben, cleo = self.ben.session, self.cleo.session
        _, deliveries = dealer.register(self.ben, "a", Match.EXACT, "first")
        details = {"id": 2, "created": CREATED, "uri": "a", "match": "exact", "invoke": "first"}
        self.assertEqual(self.heard(deliveries), [("on_create", [ben, details]), ("on_register", [ben, 2])])
        _, deliveries = dealer.register(self.cleo, "a", Match.EXACT, "first")
        self.assertEqual(self.heard(deliveries), [("on_register", [cleo, 2])])
        self.assertEqual(self.heard(dealer.unregister(self.ben, 2)), [("on_unregister", [ben, 2])])
        expected = [("on_unregister", [cleo, 2]), ("on_delete", [cleo, 2])]
        self.assertEqual(self.heard(self.realm.leave(self.cleo)), expected)
