"""What the tree tells people to install: orosync from a checkout, never by its bare name, which may be others'."""

from __future__ import annotations

import re
import sys

from twisted.trial.unittest import SynchronousTestCase

from orosync.registry import how_to_install
from tests.test_packaging import TREE, tracked

BY_NAME = re.compile(r"(?i)\bpip[0-9.]*\b[^\n]{0,20}?\binstall\b[^\n]{0,80}?[\s'\"`]orosync(?:[\[\s'\"`=<>~,.;]|$)")
"""``pip install orosync``, with options before it, in quotes or with a version or extras behind it."""

EXTRAS = re.compile(r"(?i)(?<![\w-])orosync\[\w")


OTHER_TOOLS = re.compile(r"(?i)\b(?:pipx|uvx?) (?:tool )?(?:run|install|add|pip)\b.*orosync")


def found_in(text: str) -> list[str]:
    """Lines that have somebody install orosync by its bare name."""
    forms = (EXTRAS, BY_NAME, OTHER_TOOLS)
    return [line.strip() for line in text.splitlines() if any(form.search(line) for form in forms)]


class Instructions(SynchronousTestCase):
    """Pages, comments, messages and requirements."""

    def test_what_is_looked_for(self) -> None:
        """The forms that such a line has, and lines that are none."""
        for line in (
            "pip install orosync",
            "pip install orosync[postgres]",
            "`pip install 'orosync[postgres]'`, or the other",
            'python -m pip install --upgrade "orosync==0.1"',
            "/opt/orosync/bin/pip3 install orosync",
            "install it: pip install orosync[{extra}]",
            "pipx run orosync",
            "    orosync[crypto,test]",
            "Orosync[oro]>=1",
        ):
            self.assertEqual(found_in(line), [line.strip()], line)
        for line in (
            "/opt/orosync/bin/pip install '.[postgres]'",
            "python3 -m venv /opt/orosync && /opt/orosync/bin/pip install .",
            "    [orosync#info] handshake.refused (expired)",
            "install -m 644 /opt/orosync/etc/orosync/orosync.service /etc/systemd/system/",
            "install it, in the checkout of orosync: python -m pip install '.[oro]'",
        ):
            self.assertEqual(found_in(line), [], line)

    def test_the_tree(self) -> None:
        """Neither a page nor a message nor a requirement names the package alone."""
        seen = 0
        for name in tracked():
            if name == "tests/test_instructions.py":
                continue
            try:
                text = (TREE / name).read_text()
            except UnicodeDecodeError:
                continue
            seen += 1
            self.assertEqual(found_in(text), [], name)
        self.assertGreater(seen, 500)

    def test_messages(self) -> None:
        """A message names the Python that lacks the modules, and where to call it."""
        self.assertEqual(
            how_to_install("oro"), f"install it, in the checkout of orosync: {sys.executable} -m pip install '.[oro]'"
        )
        self.patch(sys, "executable", "/opt/o o/python")
        self.assertIn("'/opt/o o/python' -m pip", how_to_install("oro"))
        self.patch(sys, "executable", None)
        self.assertIn(": python3 -m pip", how_to_install("oro"))

    def test_security_page(self) -> None:
        """It says where to report and which versions get fixes, and names no address that could be made up."""
        text = (TREE / "SECURITY.md").read_text()
        for wanted in ("private vulnerability reporting", "Supported versions", "newest release"):
            self.assertIn(wanted, text)
        self.assertNotRegex(text, r"[\w.]+@[\w.]+|https?://")
        self.assertIn("SECURITY.md", (TREE / "README.md").read_text())
