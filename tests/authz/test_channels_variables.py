"""Variables of channels by their names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import admits_all, default_requirement


class VariableTests(SynchronousTestCase):
    """What holds where nothing is said."""

    def test_default_requirement(self) -> None:
        """Users and organizations are told by ids, everything else by a word."""
        table = {"user_id": "[0-9]+", "organization_id": "[0-9]+", "role": "[A-Za-z0-9_-]+", "x": "[A-Za-z0-9_-]+"}
        self.assertEqual({name: default_requirement(name) for name in table}, table)

    def test_admits_all(self) -> None:
        """Whether ``*`` is among the values, and named: what stands for any character opens nothing to all."""
        table = {r"\d+|\*": True, r"[*a-z]+": True, r"\*": True, r"\d+": False, r"\*\*": False, r"a\*": False}
        table |= {".+": False, r"\S": False, r"\W": False, "[^/]": False, r".|\*": True}
        self.assertEqual({text: admits_all(text) for text in table}, table)
        self.assertRaises(ValueError, admits_all, ".*")
