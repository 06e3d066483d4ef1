"""The accounts that the demonstration edits."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.data import FIELDS, Records


class Accounts(SynchronousTestCase):
    """Reading and saving."""

    def setUp(self) -> None:
        self.records = Records()

    def test_list(self) -> None:
        """There is a handful of accounts, in order, untouched at first, each with every field."""
        found = self.records.all()
        self.assertEqual([record.id for record in found], [12, 13, 14])
        for record in found:
            self.assertEqual((record.version, record.saved_by, record.saved_at), (1, None, None))
            self.assertEqual(set(record.fields), set(FIELDS))

    def test_save(self) -> None:
        """A save changes the fields it names, notes who and when, and leaves the other accounts alone."""
        before = self.records.all()
        after = self.records.save(12, {"phone": " 42 ", "description": "two\nlines"}, "anna", 7.0)
        self.assertEqual(after, self.records.find(12))
        self.assertEqual((after.version, after.saved_by, after.saved_at), (2, "anna", 7.0))
        self.assertEqual({**before[0].fields, "phone": "42", "description": "two\nlines"}, after.fields)
        self.assertEqual(self.records.all()[1:], before[1:])

    def test_saving_the_same(self) -> None:
        """Pressing Save without a change is a save as well: the other window shall show something."""
        self.assertEqual(self.records.save(12, {}, "ben", 1.0).version, 2)

    def test_refused(self) -> None:
        """Nonsense is refused with a sentence that says what is wrong, and changes nothing."""
        before = self.records.all()
        for changes, sentence in [
            ({"colour": "red"}, "only these fields"),
            ({"phone": 5}, "not a text"),
            ({"phone": None}, "not a text"),
            ({"phone": "5" * 41}, "longer than 40"),
            ({"phone": "5\x00"}, "cannot be shown"),
            ({"email": "a\nb"}, "cannot be shown"),
            ({"description": "\ud83d"}, "half a character"),
            ({"name": "  "}, "needs a name"),
            ({"status": "Gone"}, "one of"),
            ({"phone": "1", "name": ""}, "needs a name"),
        ]:
            error = self.assertRaises(ValueError, self.records.save, 12, changes, "anna", 1.0)
            self.assertIn(sentence, str(error))
        self.assertEqual(self.records.all(), before)

    def test_lengths(self) -> None:
        """Every field takes exactly as much as it says."""
        for name, most in FIELDS.items():
            if name != "status":
                self.assertEqual(self.records.save(13, {name: "x" * most}, "anna", 1.0).fields[name], "x" * most)
                self.assertRaises(ValueError, self.records.save, 13, {name: "x" * (most + 1)}, "anna", 1.0)

    def test_unknown(self) -> None:
        """An account that does not exist is not made by saving it."""
        self.assertEqual(self.records.find(99), None)
        self.assertRaises(KeyError, self.records.save, 99, {}, "anna", 1.0)
