"""PUBLISH.Options."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Action, Decision, Verdict
from orosync.router.broker import Broker
from orosync.router.filters import Filters, PublishOptions
from orosync.router.retention import Retention
from orosync.wamp import uris
from tests.router.members import member
from tests.session.fixture import JsonClient, RealmFixture
from tests.session.meta_case import MetaCase


class Reading(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Nothing said, or null: WAMP's defaults; what is unknown is nobody's business."""
        for options in ({}, {"acknowledge": None, "exclude_me": None, "eligible": None}, {"x_other": 7}):
            self.assertEqual(PublishOptions.of(options), PublishOptions(False, True, None, False, False), options)

    def test_said(self) -> None:
        """Each option is read."""
        options = {"acknowledge": True, "exclude_me": False, "eligible": [5.0], "disclose_me": True, "retain": True}
        expected = PublishOptions(True, False, Filters(eligible=frozenset([5])), True, True)
        self.assertEqual(PublishOptions.of(options), expected)

    def test_wrong(self) -> None:
        """An option of a wrong type is refused."""
        for options in (
            {"acknowledge": 1},
            {"exclude_me": "no"},
            {"eligible": "x"},
            {"disclose_me": []},
            {"retain": 1},
        ):
            self.assertEqual(self.assertRaises(RequestError, PublishOptions.of, options).uri, uris.INVALID_ARGUMENT)


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
        """P1: with a malformed list the publication fails, and reaches no subscriber."""
        self.subscribed(self.ben, "com.x")
        for options in ({"eligible": 7}, {"exclude": ["x"]}, {"eligible_authid": [7]}, {"exclude_authrole": "staff"}):
            (answer,) = self.anna.ask([16, 1, {"acknowledge": True, **options}, "com.x", [1]])
            self.assertEqual(answer[:5], [8, 16, 1, {}, uris.INVALID_ARGUMENT], options)
        self.assertEqual(self.ben.heard(), [])


class Telling(MetaCase):
    """What EVENT.Details tell."""

    def details(self, publisher: JsonClient, topic: str = "com.x", **options: Any) -> list[dict[str, Any]]:
        """Of the events that ``ben`` hears."""
        publisher.say([16, 1, options, topic, [1]])
        return [one[3] for one in self.ben.heard()]

    def test_publisher(self) -> None:
        """P3, publisher identification: session, authid and role, when the publisher wants it or the rules do."""
        self.subscribed(self.ben, "com.x")
        expected = {"publisher": self.anna.session_id, "publisher_authid": "anna", "publisher_authrole": "user"}
        self.assertEqual(self.details(self.anna), [{}])
        self.assertEqual(self.details(self.anna, disclose_me=False), [{}])
        self.assertEqual(self.details(self.anna, disclose_me=True), [expected])
        self.fixture.authorizer.answers[Action.PUBLISH, "com.y"] = Decision(Verdict.ALLOW, "rule 7", disclose=True)
        self.subscribed(self.ben, "com.y")
        self.assertEqual(self.details(self.anna, "com.y"), [expected])

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
        by_publication = {one[1]: one[3] for one in heard}
        self.assertEqual([by_publication[number] for number in numbers], [{}] + [{"topic": "com.x"}] * 4)

    def test_nobody_is_named(self) -> None:
        """P3: where the realm does not disclose, disclose_me is refused with its own error, and nothing is sent."""
        self.fixture.realm_context.disclosing = False
        self.subscribed(self.ben, "com.x")
        (answer,) = self.anna.ask([16, 1, {"acknowledge": True, "disclose_me": True}, "com.x", [1]])
        self.assertEqual(answer[:5], [8, 16, 1, {}, uris.OPTION_DISALLOWED_DISCLOSE_ME])
        self.assertEqual(self.ben.heard(), [])
        self.assertEqual(self.details(self.anna, disclose_me=False), [{}])

    def test_trust(self) -> None:
        """P4, publication trust levels: a number for the publisher's role, in every event; a retained one too."""
        self.patch(self.fixture.realm.broker, "_trustlevels", {"user": 3, "guest": 0})
        self.subscribed(self.ben, "com.x")
        self.subscribed(self.anna, "com.x")
        self.assertEqual(self.details(self.anna, retain=True), [{"trustlevel": 3}])
        self.assertEqual(self.details(self.admin), [{}])
        self.anna.heard()
        self.ben.say([16, 1, {}, "com.x", [1]])
        self.assertEqual([one[3] for one in self.anna.heard()], [{"trustlevel": 0}])
        self.subscribed(self.admin, "com.", match="prefix", get_retained=True)
        expected = {"trustlevel": 3, "retained": True, "topic": "com.x"}
        self.assertEqual([one[3] for one in self.also], [expected])


class Sealing(MetaCase):
    """P13, payload passthru mode, in PUBLISH and EVENT."""

    SEAL: ClassVar[dict[str, str]] = {
        "ppt_scheme": "wamp", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "a key",
    }  # fmt: skip
    SEALED = "\0c2VhbGVk"

    def setUp(self) -> None:
        super().setUp()
        self.carl = self.enter("carl", publisher={"payload_passthru_mode": True})

    def test_handed_on(self) -> None:
        """P13: its options travel with it, the payload as it is, to patterns and retained too."""
        self.subscribed(self.ben, "com.", match="prefix")
        self.carl.say([16, 1, {**self.SEAL, "retain": True}, "com.x", [self.SEALED]])
        ((_, _, _, details, args),) = self.ben.heard()
        self.assertEqual((details, args), ({**self.SEAL, "topic": "com.x"}, [self.SEALED]))
        self.subscribed(self.anna, "com.x", get_retained=True)
        self.assertEqual([one[3:] for one in self.also], [[{**self.SEAL, "retained": True}, [self.SEALED]]])

    def test_some_options(self) -> None:
        """P13: only the scheme makes it one; of the options those that were given are handed on."""
        self.subscribed(self.ben, "com.x")
        for options, expected in (
            ({"ppt_scheme": "x_my"}, {"ppt_scheme": "x_my"}),
            ({"ppt_scheme": "mqtt", "ppt_serializer": "native"}, {"ppt_scheme": "mqtt", "ppt_serializer": "native"}),
            ({"ppt_serializer": "cbor"}, {}),
            ({"ppt_scheme": None}, {}),
        ):
            self.carl.say([16, 1, options, "com.x", [self.SEALED]])
            self.assertEqual([one[3] for one in self.ben.heard()], [expected], options)

    def test_not_announced(self) -> None:
        """P13: a publisher that has not announced it violates the protocol; the session ends, and nobody hears it."""
        self.subscribed(self.ben, "com.x")
        (answer,) = self.anna.ask([16, 1, self.SEAL, "com.x", [self.SEALED]])
        self.assertEqual((answer[0], answer[2]), (3, uris.PROTOCOL_VIOLATION))
        self.assertIsNotNone(self.anna.link.ended)
        self.assertEqual(self.ben.heard(), [])

    def test_v1(self) -> None:
        """P13: a v1 client, which could not be told what it is, gets none; the others do."""
        old = self.fixture.v1()
        old.ask([5, "com.x"])
        self.subscribed(self.ben, "com.x")
        self.carl.say([16, 1, self.SEAL, "com.x", [self.SEALED]], [16, 2, {}, "com.x", ["plain"]])
        self.assertEqual(old.heard(), [[8, "com.x", "plain"]])
        self.assertEqual(len(self.ben.heard()), 2)

    def test_announced(self) -> None:
        """What works is announced."""
        (welcome,) = self.fixture.v2(join=False).ask([1, "oro", {"roles": {"caller": {}}}])
        features = welcome[2]["roles"]["broker"]["features"]
        for feature in (
            "event_retention",
            "pattern_based_subscription",
            "payload_passthru_mode",
            "publication_trustlevels",
            "publisher_exclusion",
            "publisher_identification",
            "session_meta_api",
            "subscriber_blackwhite_listing",
            "subscription_meta_api",
            "subscription_revocation",
        ):
            self.assertIs(features.get(feature), True, feature)


class ToldTests(SynchronousTestCase):
    """What an EVENT tells of its publisher: P3, P4, P13."""

    SEAL = {"ppt_scheme": "wamp", "ppt_serializer": "cbor"}  # noqa: RUF012

    def setUp(self) -> None:
        self.fixture = RealmFixture()
        self.listener = self.fixture.v2()
        self.listener.ask([32, 1, {}, "a.topic"])

    def publisher(self, *features: str) -> Any:
        roles = {"publisher": {"features": dict.fromkeys(features, True)}}
        player = self.fixture.v2(join=False).say([1, "oro", {"roles": roles}])
        player.session_id = player.heard()[0][1]
        return player

    def test_disclosure(self) -> None:
        """P3: whoever wants to be named is, unless the realm names nobody; then the request has its error."""
        publisher = self.publisher()
        publisher.say([16, 1, {"disclose_me": True}, "a.topic"])
        self.assertEqual(self.listener.heard()[0][3]["publisher"], publisher.session_id)
        self.fixture.realm_context.disclosing = False
        answer = publisher.ask([16, 2, {"disclose_me": True, "acknowledge": True}, "a.topic"])[0]
        self.assertEqual(answer[:5], [8, 16, 2, {}, "wamp.error.option_disallowed.disclose_me"])
        self.assertEqual(self.listener.heard(), [])

    def test_trustlevel(self) -> None:
        """P4: by the publisher's role, where one is configured; retained with the event."""
        broker = Broker(retention=Retention({}), trustlevels={"staff": 7})
        staff, guest = member(1, authrole="staff"), member(2, authrole="guest")
        broker.subscribe(guest, "a.topic")
        for publisher, details in ((staff, {"trustlevel": 7}), (guest, {})):
            ((_, event, _, _),) = broker.publish("a.topic", None, publisher, exclude_me=False)[1]
            self.assertEqual(event.details, details)
        broker.publish_retained("b.topic", None, staff)
        ((_, event, _, _),) = broker.subscribe(guest, "b.topic", get_retained=True)[1]
        self.assertEqual(event.details, {"trustlevel": 7, "retained": True})

    def test_sealed(self) -> None:
        """P13: the options of a sealed payload go with it, byte for byte; nobody else may send such a thing."""
        self.publisher("payload_passthru_mode").say([16, 1, self.SEAL, "a.topic", ["\0AAEC"]])
        ((_, _, _, details, args),) = self.listener.heard()
        self.assertEqual((details, args), (self.SEAL, ["\0AAEC"]))
        answer = self.publisher().ask([16, 1, self.SEAL, "a.topic", ["\0AAEC"]])[0]
        self.assertEqual((answer[0], answer[2]), (3, "wamp.error.protocol_violation"))
        self.assertEqual(self.listener.heard(), [])
