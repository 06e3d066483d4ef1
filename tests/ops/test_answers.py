"""Answers of the control socket."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from orosync.ops.answers import CallAnswer, plain


class Plain(SynchronousTestCase):
    """plain."""

    def test_as_json(self):
        """Every field, in the order in which they are declared, and values as they are."""
        answer = plain(CallAnswer(realm="oro", procedure="com.add", error="", args=[{"a": 1}], kwargs={}))
        self.assertEqual(list(answer), ["realm", "procedure", "error", "args", "kwargs"])
        self.assertEqual(json.loads(json.dumps(answer)), answer)
