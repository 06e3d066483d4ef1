"""The command of ``twistd orosync-authorizer``."""

from __future__ import annotations

from orosync.taps import authorizer
from tests.taps.attached_case import AttachedCommandCase


class Face(AttachedCommandCase):
    """taps.authorizer."""

    command = authorizer

    def test_valid(self) -> None:
        """A file with an [attach] becomes a service."""
        self.check_valid()

    def test_no_attach(self) -> None:
        """A router's own file does not do: one line, and status 1."""
        self.check_no_attach()

    def test_no_file(self) -> None:
        """The command is told by its own name what is missing."""
        self.check_no_file()
