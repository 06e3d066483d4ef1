"""PUBLISH.Options."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Action, Decision, Verdict
from orosync.router.filters import Filters
from orosync.session.publication import Publication
from orosync.wamp import names
from tests.session.meta_case import MetaCase
from tests.session.stage import Player


class Reading(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Nothing said, or null: WAMP's defaults; what is unknown is nobody's business."""
        for options in ({}, {"acknowledge": None, "exclude_me": None, "eligible": None}, {"x_other": 7}):
            self.assertEqual(Publication.of(options), Publication(False, True, None, False, False), options)

    def test_said(self) -> None:
        """Each option is read."""
        options = {"acknowledge": True, "exclude_me": False, "eligible": [5.0], "disclose_me": True, "retain": True}
        expected = Publication(True, False, Filters(eligible=frozenset([5])), True, True)
        self.assertEqual(Publication.of(options), expected)

    def test_wrong(self) -> None:
        """An option of a wrong type is refused."""
        for options in (
            {"acknowledge": 1},
            {"exclude_me": "no"},
            {"eligible": "x"},
            {"disclose_me": []},
            {"retain": 1},
        ):
            self.assertEqual(self.assertRaises(RequestError, Publication.of, options).uri, names.INVALID_ARGUMENT)


class Filtering(MetaCase):
    """P1, subscriber black- and whitelisting, and P2, publisher exclusion."""

    def test_lists(self) -> None:
        """P1: exclude and eligible, by session, authid and role, all of which must let a subscriber pass."""
        players = {"admin": self.admin, "anna": self.anna, "ben": self.ben}
        for player in players.values():
            self.subscribed(player, "com.x")
        ids = {name: player.session_id for name, player in players.items()}
        table: list[tuple[dict[str, Any], str]] = [
            ({}, "admin anna ben"),
            ({"eligible": []}, ""),
            ({"eligible_authid": []}, ""),
            ({"eligible_authrole": []}, ""),
            ({"exclude": [], "exclude_authid": [], "exclude_authrole": []}, "admin anna ben"),
            ({"eligible": [ids["anna"], float(ids["ben"])]}, "anna ben"),
            ({"exclude": [ids["anna"]]}, "admin ben"),
            ({"eligible": [ids["anna"], ids["ben"]], "exclude": [ids["ben"]]}, "anna"),
            ({"eligible_authid": ["anna", "nobody"]}, "anna"),
            ({"exclude_authid": ["anna"]}, "admin ben"),
            ({"eligible_authrole": ["user", "guest"]}, "anna ben"),
            ({"exclude_authrole": ["admin"]}, "anna ben"),
            ({"eligible_authrole": ["user", "guest"], "exclude_authid": ["ben"], "eligible": [ids["anna"]]}, "anna"),
            ({"eligible_authid": ["anna"], "eligible_authrole": ["guest"]}, ""),
            ({"eligible": None, "exclude_authid": None}, "admin anna ben"),
        ]
        publisher = self.enter("peter")
        for options, expected in table:
            publisher.say([16, 1, options, "com.x", [1]])
            heard = [name for name, player in players.items() if player.heard()]
            self.assertEqual(" ".join(heard), expected, options)

    def test_exclude_me(self) -> None:
        """P2: the publisher does not hear itself, unless it wants to."""
        for player in (self.anna, self.ben):
            self.subscribed(player, "com.x")
        for options, own in (({}, 0), ({"exclude_me": True}, 0), ({"exclude_me": False}, 1), ({"exclude_me": None}, 0)):
            self.assertEqual(len(self.anna.ask([16, 1, options, "com.x", [1]])), own, options)
            self.assertEqual(len(self.ben.heard()), 1)

    def test_bad_lists(self) -> None:
        """P1: a list that cannot be read costs the publication, and reaches nobody."""
        self.subscribed(self.ben, "com.x")
        for options in ({"eligible": 7}, {"exclude": ["x"]}, {"eligible_authid": [7]}, {"exclude_authrole": "staff"}):
            (answer,) = self.anna.ask([16, 1, {"acknowledge": True, **options}, "com.x", [1]])
            self.assertEqual(answer[:5], [8, 16, 1, {}, names.INVALID_ARGUMENT], options)
        self.assertEqual(self.ben.heard(), [])


class Telling(MetaCase):
    """What EVENT.Details tell."""

    def details(self, publisher: Player, topic: str = "com.x", **options: Any) -> list[dict[str, Any]]:
        """Of the events that ``ben`` hears."""
        publisher.say([16, 1, options, topic, [1]])
        return [one[3] for one in self.ben.heard()]

    def test_publisher(self) -> None:
        """P3, publisher identification: session, authid and role, when the publisher wants it or the rules do."""
        self.subscribed(self.ben, "com.x")
        told = {"publisher": self.anna.session_id, "publisher_authid": "anna", "publisher_authrole": "user"}
        self.assertEqual(self.details(self.anna), [{}])
        self.assertEqual(self.details(self.anna, disclose_me=False), [{}])
        self.assertEqual(self.details(self.anna, disclose_me=True), [told])
        self.stage.authorizer.answers[Action.PUBLISH, "com.y"] = Decision(Verdict.ALLOW, "rule 7", disclose=True)
        self.subscribed(self.ben, "com.y")
        self.assertEqual(self.details(self.anna, "com.y"), [told])

    def test_patterns(self) -> None:
        """P6, pattern-based subscriptions: prefixes by string, wildcards by component. A pattern is told the topic; it
        is one publication for all."""
        table = [("com.x", "exact"), ("com.", "prefix"), ("co", "prefix"), (".x", "wildcard"), ("com.", "wildcard")]
        numbers = [self.subscribed(self.ben, topic, match=match) for topic, match in table]
        for topic, match in (("com.x.", "prefix"), ("com.x.", "wildcard"), ("x", "exact")):
            self.subscribed(self.ben, topic, match=match)
        self.anna.say([16, 1, {}, "com.x", [1]])
        heard = self.ben.heard()
        self.assertEqual(sorted(one[1] for one in heard), sorted(numbers))
        self.assertEqual(len({one[2] for one in heard}), 1)
        told = {one[1]: one[3] for one in heard}
        self.assertEqual([told[number] for number in numbers], [{}] + [{"topic": "com.x"}] * 4)
