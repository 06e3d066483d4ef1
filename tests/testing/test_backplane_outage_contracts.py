"""The contract suite of backplanes without their engine, on the backplane in memory."""

from __future__ import annotations

from orosync.testing import BackplaneOutageContract
from tests.testing.test_backplane_contracts import MemoryCase


class OutageContract(MemoryCase, BackplaneOutageContract):
    """What a backplane must do without its engine."""
