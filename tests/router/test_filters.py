"""Tests for orosync.router.filters."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.router.filters import Filters
from orosync.wamp import uris
from tests.router.members import FAR, member

MEMBERS = {
    found.session: found
    for found in (member(1, "anna", "staff"), member(2, "anna", "chief"), member(3, "bert", "staff"), member(4, "carl"))
}

# Each of the six lists in all its shapes: absent, empty, with one member, with more, with no member.
SHAPES: dict[str, list[list[object] | None]] = {
    "exclude": [None, [], [FAR + 1], [FAR + 1, FAR + 3], [7]],
    "exclude_authid": [None, [], ["anna"], ["bert", "carl"], ["zoe"]],
    "exclude_authrole": [None, [], ["staff"], ["chief", "user"], ["zoe"]],
    "eligible": [None, [], [FAR + 1], [FAR + 1, FAR + 2, FAR + 3, 7, 8], [7]],
    "eligible_authid": [None, [], ["anna"], ["anna", "carl"], ["zoe"]],
    "eligible_authrole": [None, [], ["staff"], ["chief", "user"], ["zoe"]],
}

WRONG_LISTS: list[object] = ["", "anna", 0, 1, 1.5, True, False, {}, {"1": 1}]
WRONG_IDS: list[object] = ["1", True, 1.5, -1, 2**53 + 1, float("nan"), float("inf"), None, [], [1], {}]
WRONG_STRINGS: list[object] = [1, 1.0, True, None, [], ["anna"], {}]

# (fourth element, fifth element, is the publisher excluded, excluded sessions, eligible sessions)
V1 = [
    (None, None, False, None, None),
    (False, [], False, None, None),
    (0, [], False, None, None),
    (0.0, [], False, None, None),
    ("", [], False, None, None),
    ("0", [], False, None, None),
    ([], [], False, None, None),
    ({}, {}, False, None, None),
    (True, None, True, None, None),
    (1, [], True, None, None),
    ("true", [], True, None, None),
    (["17"], [], False, {17}, None),
    (["17", "18"], ["18"], False, {17, 18}, {18}),
    ({"a": "17"}, {"0": "18"}, False, {17}, {18}),
    ([], ["17"], False, None, {17}),
    (True, ["17"], True, None, {17}),
    (["nobody"], ["nobody"], False, None, set()),
    ([17, None, True, "017", "+17", " 17", "17 ", "1_7", "\u0661\u0667", "-17", "", "9" * 5000], [], False, None, None),
    ([], [17, "017", "\u0663", "9" * 5000, ["17"]], False, None, set()),
]
V1_WRONG_ELIGIBLE: list[object] = [False, True, 0, 17, 1.5, "", "17"]


def allowed(options: dict[str, list[object] | None], session: int) -> bool:
    """WAMP's six statements, one by one."""
    principal = MEMBERS[session].principal
    has = {"": session, "_authid": principal.authid, "_authrole": principal.authrole}
    for kind, value in has.items():
        eligible, excluded = options["eligible" + kind], options["exclude" + kind]
        if eligible is not None and value not in eligible:
            return False
        if excluded is not None and value in excluded:
            return False
    return True


class Selecting(SynchronousTestCase):
    """Who is left when a publisher gives lists."""

    def test_every_combination(self) -> None:
        """Whatever lists are given together, a receiver gets the event only if each one lets it pass."""
        combinations = 0
        for shapes in product(*SHAPES.values()):
            options = dict(zip(SHAPES, shapes, strict=True))
            filters = Filters.from_options(options)
            audience = list(MEMBERS.values())
            chosen = audience if filters is None else filters.select(MEMBERS)
            expected = {session for session in MEMBERS if allowed(options, session)}
            self.assertEqual({found.session for found in chosen}, expected, options)
            self.assertEqual(len(chosen), len(expected), options)
            for one in MEMBERS.values() if filters is not None else ():
                list_ = filters.objection(one)
                self.assertEqual(list_ == "", one.session in expected, options)
                self.assertIn(list_, ("", *options))
            combinations += 1
        self.assertEqual(combinations, 5**6)

    def test_forwarders(self) -> None:
        """Who carries events elsewhere gets none that keeps an authid or authrole out: it may be there too."""
        away = member(9, "uplink", "uplink", "forwarder")
        candidates = {**MEMBERS, away.session: away}
        for lists, passes in [
            ({"exclude": [FAR + 1]}, True),
            ({"exclude_authid": []}, True),
            ({"exclude_authid": ["nobody"]}, False),
            ({"exclude_authrole": ["nobody"]}, False),
            ({"eligible_authid": ["anna"]}, False),
            ({"eligible_authrole": ["staff"]}, False),
            ({"eligible": [FAR + 1]}, False),
            ({"eligible_authrole": ["staff", "uplink"]}, True),
        ]:
            filters = Filters.from_options(lists)
            assert filters is not None
            self.assertEqual(away in filters.select(candidates), passes, lists)
            self.assertEqual(filters.objection(away) == "", passes, lists)

    def test_members_stay(self) -> None:
        """Choosing receivers takes nobody off the subscription."""
        before = dict(MEMBERS)
        for options in ({"exclude": [FAR + 1]}, {"eligible": []}, {"exclude": [FAR + 2], "eligible": [FAR + 2]}):
            filters = Filters.from_options(options)
            assert filters is not None
            filters.select(MEMBERS)
        self.assertEqual(MEMBERS, before)

    def test_order(self) -> None:
        """Excluding a member leaves the others in the order in which they subscribed."""
        chosen = Filters(exclude=frozenset([FAR + 2]), exclude_authid=frozenset(["carl"])).select(MEMBERS)
        self.assertEqual([found.session for found in chosen], [FAR + 1, FAR + 3])


class FromOptions(SynchronousTestCase):
    """What WAMP v2 options are taken for."""

    def test_nothing_given(self) -> None:
        """Without a list, with null lists, or with other options alone there are no filters."""
        for options in ({}, {"acknowledge": True}, dict.fromkeys(SHAPES), {"exclude": None, "retain": True}):
            self.assertIsNone(Filters.from_options(options), options)

    def test_empty_eligible_is_nobody(self) -> None:
        """An empty list of eligible receivers means that nobody is one."""
        for name in ("eligible", "eligible_authid", "eligible_authrole"):
            filters = Filters.from_options({name: []})
            assert filters is not None
            self.assertEqual(filters.select(MEMBERS), [], name)

    def test_floats(self) -> None:
        """Session ids from JavaScript's binary serializers come as floats and mean the same."""
        filters = Filters.from_options({"eligible": [float(FAR + 1), FAR + 2], "exclude": (float(FAR + 2),)})
        self.assertEqual(filters, Filters(eligible=frozenset([FAR + 1, FAR + 2]), exclude=frozenset([FAR + 2])))

    def test_wrong_types(self) -> None:
        """A list that is none, or holds what is no id or string, costs the request an ERROR that names it."""
        cases = [(name, value) for name in SHAPES for value in WRONG_LISTS]
        cases += [(name, [FAR, value]) for name in ("exclude", "eligible") for value in WRONG_IDS]
        cases += [(name, ["anna", value]) for name in SHAPES if "_" in name for value in WRONG_STRINGS]
        for name, value in cases:
            error = self.assertRaises(RequestError, Filters.from_options, {name: value})
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, (name, value))
            self.assertIn(name, error.message)


class FromV1(SynchronousTestCase):
    """What the last two elements of a WAMP v1 PUBLISH are taken for (Ratchet's reading)."""

    def test_table(self) -> None:
        """Each combination excludes and chooses whom stock's server would."""
        for exclude, eligible, exclude_me, excluded, chosen in V1:
            expected = None
            if excluded is not None or chosen is not None:
                expected = Filters(
                    exclude=None if excluded is None else frozenset(excluded),
                    eligible=None if chosen is None else frozenset(chosen),
                )
            self.assertEqual(Filters.from_v1(exclude, eligible), (exclude_me, expected), (exclude, eligible))

    def test_missing(self) -> None:
        """A PUBLISH of three elements goes to everybody, its publisher too."""
        self.assertEqual(Filters.from_v1(), (False, None))

    def test_exclude_wins(self) -> None:
        """Who is both excluded and eligible gets nothing."""
        both = [str(FAR + 1)]
        filters = Filters.from_v1(both, both)[1]
        assert filters is not None
        self.assertEqual(filters.select(MEMBERS), [])

    def test_wrong_eligible(self) -> None:
        """An eligible that is no list, which takes stock's server down, costs its sender that publication."""
        for eligible in V1_WRONG_ELIGIBLE:
            error = self.assertRaises(RequestError, Filters.from_v1, None, eligible)
            self.assertEqual(error.uri, uris.INVALID_ARGUMENT, eligible)


class Keeping(SynchronousTestCase):
    """Lists that are kept for later."""

    def test_among(self) -> None:
        """Of sessions that have gone nothing is left; an eligible list that becomes empty still means nobody."""
        ids = frozenset([1, 2])
        table = [
            (Filters(exclude=ids), {2}, Filters(exclude=frozenset([2]))),
            (Filters(exclude=ids), {3}, None),
            (Filters(eligible=ids), {3}, Filters(eligible=frozenset())),
            (Filters(exclude=ids, exclude_authid=frozenset("a")), {3}, Filters(exclude_authid=frozenset("a"))),
            (Filters(), {1}, None),
        ]
        for filters, here, expected in table:
            self.assertEqual(filters.among(here), expected, filters)

    def test_size(self) -> None:
        """Longer lists take more room, whatever they hold; none take none."""
        sizes = [
            Filters(),
            Filters(eligible=frozenset([1])),
            Filters(eligible=frozenset([1]), exclude=frozenset([2])),
            Filters(eligible=frozenset([1]), exclude=frozenset([2]), exclude_authid=frozenset(["x" * 99])),
        ]
        self.assertEqual(sizes[0].size, 0)
        self.assertEqual([one.size for one in sizes], sorted({one.size for one in sizes}))
