"""Calls between nodes while nodes, the engine and the ways between them fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.session.nodes.calls_machine import CallsMachine


class Faults(SynchronousTestCase):
    def test_one_end(self) -> None:
        """Whatever happens, each call of a client that stays is answered, once; afterwards all nodes agree."""
        run_state_machine_as_test(
            CallsMachine,
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
