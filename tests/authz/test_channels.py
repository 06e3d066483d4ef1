"""The rule of one channel."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner, either, granted
from orosync.authz.channels import words as in_words
from orosync.model import Match
from orosync.testing import principal

OWN = Binding(Owner.USER, but=frozenset("*"))
MAIL = Channel(
    "mail/{user_id}/{org}",
    {"user_id": r"\d+|\*|[a-z]+", "org": r"\d+"},
    {"user_id": OWN},
    frozenset({"user"}),
    frozenset({"backend"}),
    source="[topics:test]",
)


class BindingTests(SynchronousTestCase):
    """Binding.refusal"""

    def test_user(self) -> None:
        """A user's topics are the user's alone; an id counts as a number, and 0 does not exist even for a user 0."""
        anna, zero, backend = principal(user_id=7), principal(user_id=0), principal("backend", user_id=None)
        for who, value, words in (
            (anna, "7", None),
            (anna, "007", None),
            (anna, "*", None),
            (backend, "*", None),
            (anna, "8", "another user than 7"),
            (anna, "70", "another user than 7"),
            (anna, "0", "does not exist"),
            (zero, "0", "does not exist"),
            (zero, "000", "does not exist"),
            (anna, "joe", "does not exist"),
            (anna, "\u0667", "does not exist"),
            (anna, "-7", "does not exist"),
            (backend, "7", "belongs to a user, and backend is none"),
        ):
            refusal = OWN.refusal(who, "user_id", value)
            if words is None:
                self.assertIsNone(refusal, value)
            else:
                self.assertIn(words, str(refusal), value)

    def test_star_needs_leave(self) -> None:
        """``*`` is no user's id unless the channel opens it to all."""
        self.assertIn("does not exist", str(Binding(Owner.USER).refusal(principal(), "user_id", "*")))

    def test_organization(self) -> None:
        """A variable can belong to an organization instead; its members alone may use it."""
        binding = Binding(Owner.ORGANIZATION)
        member = principal(organizations=frozenset({1, 3}))
        self.assertIsNone(binding.refusal(member, "org", "3"))
        self.assertEqual(binding.refusal(member, "org", "2"), "anna is not in org 2")
        self.assertEqual(binding.refusal(member, "org", "0"), "org 0 does not exist")

    def test_role(self) -> None:
        """A variable can be one of a user's Oro roles, compared exactly."""
        binding = Binding(Owner.ROLE)
        manager = principal(roles=frozenset({"ROLE_MANAGER", "ROLE_7"}))
        self.assertIsNone(binding.refusal(manager, "role", "ROLE_MANAGER"))
        for value in ("ROLE_ADMINISTRATOR", "role_manager", "ROLE_MANAGER ", "7", ""):
            self.assertEqual(binding.refusal(manager, "role", value), f"anna has not the Oro role of role {value}")


class GrantTests(SynchronousTestCase):
    """Who may, by role of the realm and roles in Oro."""

    def test_made_of_roles(self) -> None:
        """Bare roles are enough by themselves; grants stay as they are."""
        self.assertEqual(granted({"a", "b"}), {"a": frozenset(), "b": frozenset()})
        self.assertEqual(granted({"a": frozenset({"R"})}), {"a": frozenset({"R"})})

    def test_either(self) -> None:
        """Of two grants to a role the more generous one counts, of two lists of Oro roles both."""
        one = {"a": frozenset({"R"}), "b": frozenset({"R"}), "c": frozenset[str]()}
        other = {"a": frozenset({"S"}), "b": frozenset[str](), "d": frozenset({"S"})}
        self.assertEqual(
            either(one, other),
            {"a": frozenset({"R", "S"}), "b": frozenset(), "c": frozenset(), "d": frozenset({"S"})},
        )
        self.assertEqual(either(one, other), either(other, one))

    def test_words(self) -> None:
        """Granted are shown as they are written."""
        self.assertEqual(in_words({"user": frozenset({"S", "R"}), "backend": frozenset()}), "backend or user with R S")
        self.assertEqual(in_words({}), "nobody")


class ChannelTests(SynchronousTestCase):
    """Channel"""

    def test_belongs(self) -> None:
        """A channel tells which topics are its own and what their variables hold."""
        self.assertEqual(MAIL.values("mail/7/1"), {"user_id": "7", "org": "1"})
        self.assertIsNone(MAIL.values("mail/7/1/"))
        self.assertTrue(MAIL.could_match("mail/", Match.PREFIX))
        self.assertFalse(MAIL.could_match("post/", Match.PREFIX))

    def test_subscribe(self) -> None:
        """The role is looked at first, then whose topic it is; a refusal says which of the two it was."""
        anna = principal(user_id=7)
        self.assertIsNone(MAIL.subscribe_refusal(anna, {"user_id": "7", "org": "1"}))
        self.assertIn("another user", str(MAIL.subscribe_refusal(anna, {"user_id": "8", "org": "1"})))
        guest = principal(user_id=7, authrole="guest")
        self.assertEqual(
            MAIL.subscribe_refusal(guest, {"user_id": "7", "org": "1"}),
            'the role "guest" is not one of its subscribers (user)',
        )

    def test_publish(self) -> None:
        """Users publish to what is their own, a back end to everybody's; somebody unknown is no back end, and a
        channel without publishers is nobody's to publish to."""
        both = attrs.evolve(MAIL, publishers={"user", "backend"})
        seven, eight = {"user_id": "7", "org": "1"}, {"user_id": "8", "org": "1"}
        anna, php = principal(user_id=7), principal("php", authrole="backend", user_id=None)
        staff = principal(user_id=7, authrole="backend")
        stranger = attrs.evolve(php, authmethod="anonymous")
        for who, values, refusal in (
            (anna, seven, None),
            (anna, eight, "user_id 8 is another user than 7"),
            (php, eight, None),
            (staff, seven, None),
            (staff, eight, "user_id 8 is another user than 7"),
            (stranger, seven, "user_id 7 belongs to a user, and php is none"),
        ):
            self.assertEqual(both.publish_refusal(who, values), refusal)
        nobody = 'the role "user" is not one of its publishers ({})'
        self.assertEqual(MAIL.publish_refusal(anna, seven), nobody.format("backend"))
        self.assertEqual(Channel("a").publish_refusal(anna, {}), nobody.format("nobody"))

    def test_roles_in_oro(self) -> None:
        """Where a role of Oro is needed besides, one of those named is enough, for each of the two rights."""
        managers = {"user": frozenset({"ROLE_MANAGER", "ROLE_ADMINISTRATOR"}), "backend": frozenset[str]()}
        channel = Channel("a", subscribers=managers, publishers=managers)
        manager, clerk = principal(roles=frozenset({"ROLE_MANAGER"})), principal(roles=frozenset({"ROLE_CLERK"}))
        backend = principal("php", authrole="backend", user_id=None)
        for who, called in ((manager, None), (backend, None), (clerk, "anna has none of the Oro roles that its {} need "
                "(backend or user with ROLE_ADMINISTRATOR ROLE_MANAGER)")):  # fmt: skip
            expected = None if called is None else called.format("subscribers")
            self.assertEqual(channel.subscribe_refusal(who, {}), expected)
            expected = None if called is None else called.format("publishers")
            self.assertEqual(channel.publish_refusal(who, {}), expected)

    def test_title(self) -> None:
        """Explanations name the place where the channel was declared, file and line if there are any."""
        self.assertEqual(MAIL.title, "[topics:test] mail/{user_id}/{org}")
        self.assertEqual(Channel("a").title, "a")
        written = Channel("a", source="[topics:test]", key="channel.a", place="router.ini:34")
        self.assertEqual(written.title, "[topics:test] channel.a (router.ini:34)")

    def test_faults(self) -> None:
        """A channel that cannot be read, or that binds a variable it has not, does not come into being."""
        self.assertIn("character 1", str(self.assertRaises(ValueError, Channel, "a/{x}", {"x": "$"})))
        error = self.assertRaises(ValueError, Channel, "a", {}, {"user_id": OWN})
        self.assertIn("bound, but no variable of it: user_id", str(error))
