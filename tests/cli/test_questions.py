"""The command line as it is put."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from orosync.cli.questions import ExplainQuery, asked, parser
from orosync.model import Action, Match


class QuestionTests(SynchronousTestCase):
    """parser, asked"""

    def test_explain(self) -> None:
        """Options become the question; what is not said is a subscription by exact name."""
        table = {
            "--user anna --topic a": ExplainQuery(uri="a", user="anna"),
            "--back-end --topic a --action publish": ExplainQuery(uri="a", back_end=True, action=Action.PUBLISH),
            "--role guest --topic a. --match prefix --realm r": ExplainQuery(
                uri="a.", role="guest", match=Match.PREFIX, realm="r"
            ),
            "--user anna --role staff --topic a --action register --match wildcard": ExplainQuery(
                uri="a", user="anna", role="staff", action=Action.REGISTER, match=Match.WILDCARD
            ),
        }
        for line, expected in table.items():
            options = parser().parse_args(["explain", "--config", "x", *line.split()])
            self.assertEqual(asked(options), expected)

    def test_refused(self) -> None:
        """Two people at once, actions and matches that do not exist, and a question about nothing."""
        for line in (
            "--user anna --back-end --topic a",
            "--user anna --topic a --action unsubscribe",
            "--user anna --topic a --match regex",
            "--user anna",
        ):
            said = io.StringIO()
            with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as caught:
                parser().parse_args(["explain", "--config", "x", *line.split()])
            self.assertEqual(caught.exception.code, 2)
            self.assertIn("usage: orosync explain", said.getvalue())
