"""Tests of orosync.config.accounts."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.accounts import user
from orosync.config.readers import Source
from orosync.model import User

HASH = "$2y$13$abcdefghijklmnopqrstuv"
PLACE = Source(Path("/"), {"HASH": HASH})


class Users(SynchronousTestCase):
    """One line of a static directory."""

    def test_least(self) -> None:
        """An id and where the hash is."""
        self.assertEqual(user("admin", "1 env:HASH", PLACE), User(1, "admin", HASH))

    def test_everything(self) -> None:
        """Organizations, roles, an e-mail address, and disabled."""
        self.assertEqual(
            user(
                "jane@example.com", "7 env:HASH organizations=1,2 roles=ROLE_A,ROLE_B email=j@x.org enabled=no", PLACE
            ),
            User(7, "jane@example.com", HASH, False, "j@x.org", frozenset({1, 2}), frozenset({"ROLE_A", "ROLE_B"})),
        )

    def test_hash_is_not_shown(self) -> None:
        """A user's repr does not hold the hash."""
        self.assertNotIn(HASH, repr(user("admin", "1 env:HASH", PLACE)))

    def test_bad(self) -> None:
        """What is wrong is told without the line: a hash may stand in it."""
        start = "it begins with the user's id and where the hash is, like: 1 file:/etc/orosync/admin.hash"
        words = "a part is none of organizations=, roles=, email=, enabled="
        table = {
            HASH: start,
            "1": start,
            f"1 {HASH}": start,
            "0 env:HASH": start,
            "one env:HASH": start,
            "1 env:HASH admin": words,
            "1 env:HASH role=A": words + ", did you mean roles?",
            "1 env:HASH roles=A roles=B": "roles= is said twice, join the two",
            "1 env:HASH organizations=acme": "organizations=acme holds something else than ids, write it like "
            "organizations=1,2",
            "1 env:HASH enabled=perhaps": "'perhaps' is neither yes nor no, write one of them",
            "1 env:NONE": "the environment has no NONE, set it",
        }
        for text, expected in table.items():
            self.assertEqual(str(self.assertRaises(ValueError, user, "admin", text, PLACE)), expected)

    def test_bad_names(self) -> None:
        """A name that could never log in is refused."""
        for name in ("", "a;b"):
            error = self.assertRaises(ValueError, user, name, "1 env:HASH", PLACE)
            self.assertEqual(
                str(error), "the name is missing or holds a ; with which a user cannot log in, name it user.NAME"
            )
