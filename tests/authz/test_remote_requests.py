"""What a remote authorizer is asked."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.remote import fingerprint, identity, request_options, session_details
from orosync.model import Action, Match, SessionFacts
from orosync.testing import connection_facts, principal
from orosync.transport_details import transport_details

FACTS = connection_facts(headers={"user-agent": "Firefox"})
ANNA = principal(
    session=SessionFacts(17, FACTS), extra={"tenant": "acme"}, organizations=frozenset({1, 2}), roles=frozenset({"A"})
)


class SessionTests(SynchronousTestCase):
    def test_who_asks(self):
        """Exactly Crossbar.io's keys; authextra has what Oro knows of a user, as our own authorizer reads it."""
        self.assertEqual(
            session_details(ANNA),
            {
                "session": 17,
                "authid": "anna",
                "authrole": "user",
                "authmethod": "ticket",
                "authprovider": "oro",
                "authextra": {"tenant": "acme", "user_id": 1, "organizations": [1, 2], "roles": ["A"]},
                "transport": transport_details(FACTS),
            },
        )

    def test_without_a_session(self):
        """orosync's uplinks ask for principals without a session."""
        told = session_details(principal(user_id=None))
        self.assertEqual((told["session"], told["authextra"], told["transport"]), (None, {}, {"type": "stdio"}))


class OptionsTests(SynchronousTestCase):
    def test_as_crossbar_marshals_them(self):
        """Keys that are unset, WAMP's defaults of match and invoke, and what is no option are absent."""
        for action, match, options, told in [
            (Action.SUBSCRIBE, Match.EXACT, {}, {}),
            (Action.SUBSCRIBE, Match.EXACT, {"match": "exact"}, {}),
            (Action.SUBSCRIBE, Match.PREFIX, {"match": "prefix"}, {"match": "prefix"}),
            (Action.SUBSCRIBE, Match.WILDCARD, {"get_retained": True}, {"match": "wildcard", "get_retained": True}),
            (Action.SUBSCRIBE, Match.EXACT, {"get_retained": None, "x": 1, "_own": 2}, {}),
            (
                Action.PUBLISH,
                Match.EXACT,
                {"acknowledge": False, "exclude_me": True},
                {"acknowledge": False, "exclude_me": True},
            ),
            (Action.PUBLISH, Match.EXACT, {"eligible": [], "exclude": [1, 2.0]}, {"eligible": [], "exclude": [1, 2.0]}),
            (
                Action.PUBLISH,
                Match.EXACT,
                {"eligible_authid": ["a"], "exclude_authrole": ["b"]},
                {"eligible_authid": ["a"], "exclude_authrole": ["b"]},
            ),
            (Action.PUBLISH, Match.EXACT, {"retain": True, "match": "prefix", "timeout": 5}, {"retain": True}),
            (
                Action.CALL,
                Match.EXACT,
                {"timeout": 100, "receive_progress": True},
                {"timeout": 100, "receive_progress": True},
            ),
            (Action.CALL, Match.EXACT, {"disclose_me": True}, {}),
            (Action.REGISTER, Match.EXACT, {"invoke": "single", "match": "exact"}, {}),
            (
                Action.REGISTER,
                Match.PREFIX,
                {"invoke": "roundrobin", "concurrency": 3},
                {"match": "prefix", "invoke": "roundrobin", "concurrency": 3},
            ),
            (Action.REGISTER, Match.EXACT, {"force_reregister": True}, {"force_reregister": True}),
        ]:
            self.assertEqual(request_options(action, match, options), told, (action, options))

    def test_wrong_types(self):
        """Options that the router refuses or ignores are not passed on."""
        for action, options in [
            (
                Action.PUBLISH,
                {"retain": 1, "acknowledge": "yes", "exclude": "all", "eligible": [True], "eligible_authid": [1]},
            ),
            (Action.CALL, {"timeout": True, "receive_progress": 0}),
            (Action.REGISTER, {"invoke": 7, "concurrency": "many"}),
        ]:
            self.assertEqual(request_options(action, Match.EXACT, options), {}, options)


class FingerprintTests(SynchronousTestCase):
    def of(self, who=ANNA, uri="a.b", action=Action.SUBSCRIBE, match=Match.EXACT, **options):
        return fingerprint(identity(who, session_details(who)), uri, action, match, options)

    def test_same(self):
        """The same user over the same kind of connection, whatever the session, asks the same question."""
        again = attrs.evolve(ANNA, session=SessionFacts(18, FACTS), authenticated_at=5.0)
        self.assertEqual(self.of(), self.of(again))
        self.assertEqual(len(self.of()), 32)

    def test_everything_else_is_another_question(self):
        """Each thing that an answer may depend on makes another question: no answer is used for another one."""
        changes = {
            "authid": "mallory",
            "authrole": "admin",
            "authmethod": "wampcra",
            "authprovider": "elsewhere",
            "user_id": 2,
            "organizations": frozenset({1}),
            "roles": frozenset(),
            "extra": {"tenant": "other"},
            "session": SessionFacts(17, connection_facts(headers={"user-agent": "curl"})),
        }
        asked = [self.of(), *(self.of(attrs.evolve(ANNA, **{key: value})) for key, value in changes.items())]
        asked += [
            self.of(attrs.evolve(ANNA, session=SessionFacts(17, connection_facts(address="203.0.113.9")))),
            self.of(uri="a.c"),
            self.of(action=Action.PUBLISH),
            self.of(match=Match.PREFIX),
            self.of(retain=True),
            self.of(uri="\ud800"),
        ]
        self.assertEqual(len(set(asked)), len(asked))
