"""How clients speak, by the book and not quite: what costs nothing, what costs one ERROR, and what costs the session.

A realm in memory and frames of JSON, written by hand; nothing here has a socket.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.session.fixture import HELLO, JsonClient, RealmFixture

ROLES = {
    "publisher": {},
    "subscriber": {},
    "caller": {"features": {"call_canceling": True}},
    "callee": {"features": {"call_canceling": True}},
}
VIOLATION = "wamp.error.protocol_violation"
TOPIC, PROCEDURE = "com.example.news", "com.example.sum"
LARGE = 2**53


class HabitCase(SynchronousTestCase):
    """``anna`` and ``ben`` have joined."""

    def setUp(self) -> None:
        self.fixture = RealmFixture()
        self.anna, self.ben = self.joined(), self.joined()

    def joined(self) -> JsonClient:
        player = self.fixture.v2(join=False)
        player.session_id = player.ask([1, "oro", {"roles": ROLES}])[0][1]
        return player

    def alive(self, player: JsonClient, label: object) -> None:
        """Still served."""
        ((kind, request, _),) = player.ask([32, 999, {}, "com.example.alive"])
        self.assertEqual((kind, request), (33, 999), label)

    def violates(self, player: JsonClient, message: Any, label: object = "") -> None:
        """``message`` is answered with ABORT and the end."""
        abort = player.ask(message)[-1]
        self.assertEqual((abort[0], abort[2]), (3, VIOLATION), label or message)
        self.assertIsNotNone(player.link.ended, label or message)


class LenientTests(HabitCase):
    """What other people's clients do, and nobody is to suffer for."""

    def test_integral_floats_are_ids(self) -> None:
        """B8: in every field that holds an id, in lists of sessions and in arguments of WAMP's own procedures."""
        anna, ben = self.anna, self.ben
        ((_, request, subscription),) = ben.ask([32, 1.0, {}, TOPIC])
        self.assertEqual(request, 1)
        anna.say([16, 2.0, {"eligible": [float(ben.session_id)], "exclude": [float(LARGE)]}, TOPIC, ["chosen"]])
        anna.say([16, 3.0, {"exclude": [float(ben.session_id)]}, TOPIC, ["left out"]])
        self.assertEqual([event[4] for event in ben.heard()], [["chosen"]])
        self.assertEqual(ben.ask([34, 2.0, float(subscription)]), [[35, 2]])

        ((_, _, registration),) = ben.ask([64, 3.0, {}, PROCEDURE])
        anna.say([48, 4.0, {}, PROCEDURE], [48, 5.0, {}, PROCEDURE], [48, 6.0, {}, PROCEDURE])
        ids = [float(invocation[1]) for invocation in ben.heard()]
        ben.say([70, ids[0], {}, ["done"]], [8, 68, ids[1], {}, "com.example.failed"])
        self.assertEqual([(one[0], one[1:3]) for one in anna.heard()], [(50, [4, {}]), (8, [48, 5])])
        self.assertEqual(anna.ask([49, 6.0, {"mode": "killnowait"}])[0][:3], [8, 48, 6])
        self.assertEqual(ben.heard()[0][:2], [69, int(ids[2])])
        self.assertEqual(ben.ask([66, 7.0, float(registration)]), [[67, 7]])

        ((_, _, _, (told,)),) = anna.ask([48, 7.0, {}, "wamp.session.get", [float(ben.session_id)]])
        self.assertEqual(told["session"], ben.session_id)

    def test_null_options_are_absent(self) -> None:
        """B9: wampy.js writes null for every option that it was not given."""
        anna, ben = self.anna, self.ben
        self.assertEqual(ben.ask([32, 1, {"match": None, "get_retained": None}, TOPIC])[0][0], 33)
        options = dict.fromkeys(["acknowledge", "exclude_me", "disclose_me", "retain", "eligible", "exclude"])
        self.assertEqual(anna.ask([16, 1, options, TOPIC, ["all"]]), [])
        self.assertEqual(ben.heard()[0][4], ["all"])
        self.assertEqual(
            ben.ask([64, 2, {"match": None, "invoke": None, "disclose_caller": None}, PROCEDURE])[0][0], 65
        )
        anna.say([48, 2, dict.fromkeys(["timeout", "receive_progress", "disclose_me"]), PROCEDURE])
        ((_, invocation, _, details),) = ben.heard()
        self.assertEqual(details, {})
        ben.say([70, invocation, {"progress": None}, ["final"]])
        self.assertEqual(anna.heard(), [[50, 2, {}, ["final"]]])
        anna.say([48, 3, {}, PROCEDURE], [49, 3, {"mode": None}])
        self.assertEqual(anna.heard()[0][4], "wamp.error.canceled")

    def test_unknown_options_are_ignored(self) -> None:
        """B12: whatever a client's own options are called, and the keys that WAMP leaves to vendors."""
        own = {"_acme_trace": "x", "colour": {"deep": [1]}, "x_future": True}
        anna = self.fixture.v2(join=False)
        self.assertEqual(anna.ask([1, "oro", {"roles": ROLES, **own}])[0][0], 2)
        for message, kind in (
            ([32, 1, own, TOPIC], 33),
            ([16, 2, {"acknowledge": True, **own}, TOPIC], 17),
            ([64, 3, own, PROCEDURE], 65),
            ([48, 4, own, PROCEDURE, ["me"]], 68),
        ):
            (answer,) = anna.ask(message)
            self.assertEqual(answer[0], kind, message)
        self.assertEqual(answer[3], {}, "a callee is told nothing of them")
        self.assertEqual(anna.ask([70, answer[1], own, ["done"]]), [[50, 4, {}, ["done"]]])

    def test_request_ids_are_drawn_at_random(self) -> None:
        """B6: large ones, in no order, the same again when its request is over, and shared by kinds of requests."""
        for request in (LARGE, 7, 7, LARGE - 1, 1):
            ((kind, told, subscription),) = self.anna.ask([32, request, {}, TOPIC])
            self.assertEqual((kind, told), (33, request))
            self.assertEqual(self.anna.ask([34, request, subscription]), [[35, request]])
            self.assertEqual(self.anna.ask([48, request, {}, "com.example.nobody"])[0][:3], [8, 48, request])

    def test_ids_that_clients_keep_are_small(self) -> None:
        """B7: subscriptions and registrations count up from 1, so that a float or 32 bits hold them."""
        ids = [self.anna.ask([32, n, {}, f"{TOPIC}.{n}"])[0][2] for n in range(1, 50)]
        ids += [self.anna.ask([64, n, {}, f"{PROCEDURE}.{n}"])[0][2] for n in range(1, 50)]
        self.assertLess(max(ids), 1000)
        self.assertGreater(min(ids), 0)

    def test_without_a_payload(self) -> None:
        """B15, B17: nothing, an empty list and an empty object are handed on as they came."""
        self.ben.ask([32, 1, {}, TOPIC])
        for payload in ([], [[]], [[], {}], [[], {"k": 1}], [[1]]):
            self.anna.say([16, 1, {}, TOPIC, *payload])
            self.assertEqual(self.ben.heard()[0][4:], payload)


class OneErrorTests(HabitCase):
    """What costs one ERROR, and never the session."""

    def test_bad_uris(self) -> None:
        """B10: in every request that holds one; silence for a PUBLISH that asked for no answer."""
        for bad in ("", "com..example", "com.exam ple", "com.#", ".com", "com.", "\t"):
            for kind, options in ((32, {}), (16, {"acknowledge": True}), (48, {}), (64, {})):
                (error,) = self.anna.ask([kind, 5, options, bad])
                self.assertEqual((error[:3], error[4]), ([8, kind, 5], "wamp.error.invalid_uri"), bad)
            self.assertEqual(self.anna.ask([16, 6, {}, bad]), [], bad)
        self.alive(self.anna, "after all of them")

    def test_bad_options(self) -> None:
        """Known options with values of wrong types."""
        self.ben.ask([64, 1, {}, TOPIC])
        for kind, options in (
            (32, {"match": "regex"}),
            (32, {"match": 7}),
            (16, {"acknowledge": True, "exclude_me": "no"}),
            (16, {"acknowledge": True, "eligible": "anna"}),
            (64, {"invoke": "all"}),
            (48, {"receive_progress": 1}),
        ):
            error = self.anna.ask([kind, 5, options, TOPIC])[0]
            self.assertEqual((error[:3], error[4]), ([8, kind, 5], "wamp.error.invalid_argument"), options)
        self.alive(self.anna, "after all of them")

    def test_what_is_somebody_elses(self) -> None:
        """B13, B16: subscriptions and registrations of another session, and such as nobody has."""
        subscription = self.ben.ask([32, 1, {}, TOPIC])[0][2]
        registration = self.ben.ask([64, 2, {}, PROCEDURE])[0][2]
        for foreign in (subscription, LARGE):
            self.assertEqual(self.anna.ask([34, 1, foreign])[0][4], "wamp.error.no_such_subscription")
        for foreign in (registration, LARGE):
            self.assertEqual(self.anna.ask([66, 2, foreign])[0][4], "wamp.error.no_such_registration")
        self.anna.say([16, 3, {}, TOPIC], [48, 4, {}, PROCEDURE])
        self.assertEqual([one[0] for one in self.ben.heard()], [36, 68])

    def test_wamps_own(self) -> None:
        """B11: nobody publishes or registers below ``wamp.``, whatever the rules allow."""
        for kind, options in ((16, {"acknowledge": True}), (64, {}), (64, {"match": "prefix"})):
            error = self.anna.ask([kind, 5, options, "wamp.session.on_join"])[0]
            self.assertEqual((error[:3], error[4]), ([8, kind, 5], "wamp.error.invalid_uri"), options)


class ViolationTests(HabitCase):
    """What costs the session: ABORT with its reason, then the end, and nothing is left behind."""

    def test_out_of_turn(self) -> None:
        """B5: what may not be said after WELCOME, or not by a client."""
        for message in (
            HELLO,
            [2, 1, {}],
            [4, "ticket", {}],
            [5, "x", {}],
            [17, 1, 1],
            [33, 1, 1],
            [36, 1, 1, {}],
            [50, 1, {}],
            [68, 1, 1, {}],
            [70, 77, {}],
            [8, 68, 77, {}, "com.example.failed"],
            [8, 48, 1, {}, "com.example.failed"],
            [],
            [99],
            ["HELLO"],
            b"no json",
        ):
            self.violates(self.joined(), message)

    def test_before_hello(self) -> None:
        """B5: whatever comes first must be HELLO (or ABORT)."""
        for message in ([32, 1, {}, TOPIC], [6, {}, "wamp.close.normal"], [5, "x", {}], [1, "oro", {}]):
            self.violates(self.fixture.v2(join=False), message)

    def test_nothing_is_left_behind(self) -> None:
        """B5: topics and procedures of whoever broke the rules are free again."""
        anna = self.joined()
        anna.say([32, 1, {}, TOPIC], [64, 2, {}, PROCEDURE])
        self.violates(anna, HELLO)
        self.assertEqual(self.ben.ask([64, 1, {}, PROCEDURE])[0][0], 65)
        self.assertEqual(self.ben.ask([48, 2, {}, "wamp.subscription.lookup", [TOPIC]]), [[50, 2, {}, [None]]])

    def test_a_life_after_goodbye(self) -> None:
        """B3: GOODBYE is answered, and the next HELLO on the same connection is a session of its own."""
        before = self.anna.session_id
        self.assertEqual(self.anna.ask([6, {}, "wamp.close.normal"]), [[6, {}, "wamp.close.goodbye_and_out"]])
        ((kind, after, details),) = self.anna.ask([1, "oro", {"roles": ROLES, "authmethods": ["anonymous"]}])
        self.assertEqual((kind, details["realm"]), (2, "oro"))
        self.assertNotEqual(before, after)
        self.alive(self.anna, "the second session")

    def test_leaving_with_calls_under_way(self) -> None:
        """B18, B19: the callee of a caller that has gone is interrupted, the caller of a callee is answered."""
        caller, callee = self.joined(), self.joined()
        callee.ask([64, 1, {}, PROCEDURE])
        caller.say([48, 1, {}, PROCEDURE])
        ((_, invocation, *_),) = callee.heard()
        caller.session.closed(False, None, "gone")
        self.assertEqual(callee.heard(), [[69, invocation, {"mode": "killnowait"}]])
        self.assertEqual(callee.ask([70, invocation, {}, ["too late"]]), [])
        self.anna.say([48, 1, {}, PROCEDURE])
        callee.session.closed(False, None, "gone")
        self.assertEqual(self.anna.heard()[0][:5], [8, 48, 1, {}, "wamp.error.canceled"])
