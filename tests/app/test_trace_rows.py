"""What a trace says of sessions and payloads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.app.trace_rows import (
    MOST_PAYLOAD,
    Followed,
    Publication,
    members_of,
    named,
    permission,
    shown_payload,
)
from orosync.model import Match
from orosync.router.relays import RelayedPublication
from orosync.session.context import session_of
from orosync.session.local import LocalMember
from orosync.wamp.formats import Format
from orosync.wamp.payload import Payload
from tests.router.members import member
from tests.session.fixture import RealmFixture


class Payloads(SynchronousTestCase):
    """shown_payload."""

    def test_values(self):
        """As JSON has them, whatever they came in; binary in WAMP's way."""
        self.assertEqual(shown_payload(Payload.of([1, "a"]), None), {"args": [1, "a"]})
        self.assertEqual(shown_payload(Payload.of([], {"a": None}), None), {"args": [], "kwargs": {"a": None}})
        self.assertEqual(shown_payload(Payload(Format.MSGPACK, b"\x91\xc4\x01x"), None), {"args": ["\0eA=="]})
        self.assertEqual(shown_payload(Payload(Format.JSON), None), {})

    def test_what_is_not_shown(self):
        """Encrypted, too long, or without a form in JSON."""
        self.assertIn("encrypted", shown_payload(Payload.of(["x"]), {"ppt_scheme": "x_own"})["payload"])
        self.assertIn("longer than", shown_payload(Payload.of(["x" * MOST_PAYLOAD]), None)["payload"])
        self.assertIn("payload", shown_payload(Payload(Format.MSGPACK, b"\x91\xcb\x7f\xf8" + bytes(6)), None))


class Publications(SynchronousTestCase):
    """Who published."""

    def test_here(self):
        """A session of this node, or orosync itself."""
        anna = member(1, "anna")
        for publisher, expected in [(anna, (anna.session, "anna")), (None, (None, "orosync"))]:
            row = Publication(7, "t", None, publisher, True, None, None).published_by()
            self.assertEqual(row, {"publisher": expected[0], "publisher_user": expected[1]})

    def test_elsewhere(self):
        """The node is named; its session's user only if the publisher is disclosed."""
        table = [
            (0, None, (None, "orosync")),
            (5, None, (5, "")),
            (5, {"publisher_authid": "anna"}, (5, "anna")),
        ]
        for session, details, expected in table:
            relayed = RelayedPublication("t", 7, None, None, details, "web2", session)
            row = Publication.relayed(relayed)
            self.assertEqual((row.number, row.topic, row.publisher), (7, "t", None))
            self.assertEqual(
                row.published_by(), {"publisher": expected[0], "publisher_user": expected[1], "node": "web2"}
            )


class Sessions(SynchronousTestCase):
    """Followed, and what is found of subscriptions."""

    def setUp(self):
        self.fixture = RealmFixture()
        self.context = self.fixture.realm_context

    def test_described(self):
        """Who, how, from where, and what it is subscribed to."""
        client = self.fixture.v2()
        client.ask([32, 1, {}, "news"], [32, 2, {"match": "prefix"}, "com."])
        member = self.context.realm.members[client.session_id]
        row = Followed(self.context, member, session_of(member)).described()
        self.assertEqual(row["subscriptions"], ["news", "com. (prefix)"])
        self.assertEqual(
            (row["session"], row["realm"], row["protocol"], row["queued"]), (member.session, "oro", "v2", 0)
        )
        self.assertTrue(row["address"])

    def test_own_sessions(self):
        """A member of orosync's own is no subscriber that anybody asks about, and has no session."""
        local = LocalMember(self.context)._member
        self.assertIsNone(session_of(local))
        subscription = self.context.realm.broker.subscribe(local, "news")[0]
        self.assertEqual(members_of([subscription]), [])
        self.assertEqual(named(subscription), "news")
        self.assertEqual(named(self.context.realm.broker.keep("n.", Match.PREFIX)), "n. (prefix)")

    def test_permission(self):
        """Authorizers outside are not asked for a trace."""
        client = self.fixture.v2()
        member = self.context.realm.members[client.session_id]
        asked = len(self.fixture.authorizer.asked)
        self.assertEqual(permission(self.context, member, "news"), "it has not subscribed")
        self.assertEqual(len(self.fixture.authorizer.asked), asked)
        self.fixture.authorizer.constant = True
        self.context.chain.replace([self.fixture.authorizer])
        self.assertEqual(
            permission(self.context, member, "news"), "it has not subscribed, though it may: the scripted default"
        )
