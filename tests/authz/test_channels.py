"""The rule of one channel."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner
from orosync.model import Match
from orosync.testing import principal

OWN = Binding(Owner.USER, but=frozenset("*"))
MAIL = Channel(
    "mail/{user_id}/{org}",
    {"user_id": r"\d+|\*|[a-z]+", "org": r"\d+"},
    {"user_id": OWN},
    frozenset({"user"}),
    frozenset({"backend"}),
    "[topics:test]",
)


class BindingTests(SynchronousTestCase):
    """Binding.refusal"""

    def test_user(self) -> None:
        """A user's topics are the user's alone; an id counts as a number, and 0 is nobody even for a user 0."""
        anna, zero, backend = principal(user_id=7), principal(user_id=0), principal("backend", user_id=None)
        for who, value, words in (
            (anna, "7", None),
            (anna, "007", None),
            (anna, "*", None),
            (backend, "*", None),
            (anna, "8", "another user than 7"),
            (anna, "70", "another user than 7"),
            (anna, "0", "is nobody"),
            (zero, "0", "is nobody"),
            (zero, "000", "is nobody"),
            (anna, "joe", "is nobody"),
            (anna, "\u0667", "is nobody"),
            (anna, "-7", "is nobody"),
            (backend, "7", "belongs to a user, and backend is none"),
        ):
            refusal = OWN.refusal(who, "user_id", value)
            if words is None:
                self.assertIsNone(refusal, value)
            else:
                self.assertIn(words, str(refusal), value)

    def test_star_needs_leave(self) -> None:
        """``*`` is nobody's id where the channel does not open it to everybody."""
        self.assertIn("is nobody", str(Binding(Owner.USER).refusal(principal(), "user_id", "*")))

    def test_organization(self) -> None:
        """A variable can belong to an organization instead; its members alone may use it."""
        binding = Binding(Owner.ORGANIZATION)
        member = principal(organizations=frozenset({1, 3}))
        self.assertIsNone(binding.refusal(member, "org", "3"))
        self.assertEqual(binding.refusal(member, "org", "2"), "anna is not in org 2")
        self.assertEqual(binding.refusal(member, "org", "0"), "org 0 is nobody")


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
        self.assertIsNone(MAIL.refusal(anna, {"user_id": "7", "org": "1"}))
        self.assertIn("another user", str(MAIL.refusal(anna, {"user_id": "8", "org": "1"})))
        guest = principal(user_id=7, authrole="guest")
        self.assertEqual(
            MAIL.refusal(guest, {"user_id": "7", "org": "1"}),
            'the role "guest" is not one of its subscribers (user)',
        )

    def test_publish(self) -> None:
        """Publishing is a matter of the role alone, and a channel without publishers is nobody's to publish to."""
        self.assertTrue(MAIL.may_publish("backend"))
        self.assertFalse(MAIL.may_publish("user"))
        self.assertEqual(MAIL.publish_refusal("user"), 'the role "user" is not one of its publishers (backend)')
        self.assertEqual(Channel("a").publish_refusal("x"), 'the role "x" is not one of its publishers (nobody)')

    def test_title(self) -> None:
        """Explanations name the place where the channel was declared."""
        self.assertEqual(MAIL.title, "[topics:test] mail/{user_id}/{org}")
        self.assertEqual(Channel("a").title, "a")

    def test_faults(self) -> None:
        """A channel that cannot be read, or that binds a variable it has not, does not come into being."""
        self.assertIn("character 1", str(self.assertRaises(ValueError, Channel, "a/{x}", {"x": "."})))
        error = self.assertRaises(ValueError, Channel, "a", {}, {"user_id": OWN})
        self.assertIn("bound, but no variable of it: user_id", str(error))
