"""How a denial is reported to the client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action, Decision, Verdict
from orosync.session.replies import refusal
from orosync.testing import RecordingJournal, principal
from orosync.wamp import uris


class Refusing(SynchronousTestCase):
    def test_kinds(self) -> None:
        """The log has the rule and the kind; the client has one of two answers, and no rule."""
        for how, kind, uri in (
            ({}, "denied", uris.NOT_AUTHORIZED),
            ({"declared": False}, "undeclared", uris.NOT_AUTHORIZED),
            ({"failed": True}, "failed", uris.AUTHORIZATION_FAILED),
        ):
            journal = RecordingJournal()
            error = refusal(journal, principal("anna"), Action.CALL, "a.b", Decision(Verdict.DENY, "rule 7", **how))
            self.assertEqual((error.uri, error.message), (uri, "not allowed to call a.b"))
            ((event, noted, fields),) = journal.notes
            self.assertEqual(
                (event, noted, fields), ("call.refused", kind, {"user": "anna", "uri": "a.b", "rule": "rule 7"})
            )
