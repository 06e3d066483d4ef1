"""What is tested of one dealer holds where callers and callees are on different nodes: the same tests, spread."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.router import dealer_case, test_calls, test_dealer, test_dealer_force_reregister, test_dealer_results
from tests.session.nodes.spread_dealer import SpreadDealer

MODULES = (test_calls, test_dealer, test_dealer_force_reregister, test_dealer_results)

ONE_ID = ("test_every_policy", "test_handed_on", "test_ones_own")
"""Tests that expect another id when a registration has been taken over."""


def spread(module: ModuleType, case: Any) -> type[SynchronousTestCase]:
    """``case`` of ``module`` with a SpreadDealer in place of the Dealer."""

    class Spread(case):  # type: ignore[misc]
        __doc__ = case.__doc__

        def setUp(self) -> None:
            for one in (dealer_case, module):
                if hasattr(one, "Dealer"):
                    self.patch(one, "Dealer", SpreadDealer)
            super().setUp()

    Spread.__name__ = Spread.__qualname__ = f"Spread{case.__name__}"
    Spread.__module__ = __name__
    if case is test_dealer_force_reregister.TakingOver:
        for name in ONE_ID:
            setattr(Spread, name, _keeps_its_id)
    return Spread


def _keeps_its_id(self: Any) -> None:
    """On several nodes a registration that has been taken over has its id still, and is the new callee's alone."""
    number = self.dealer.register(self.plain, "a")[0].id
    self.take()
    found = self.dealer.lookup("a")
    self.assertEqual((found.id, found.callees, self.plain.registrations), (number, [self.new], {}))
    self.call(self.new)


for each in MODULES:
    for found in list(vars(each).values()):
        if isinstance(found, type) and issubclass(found, dealer_case.DealerCase) and found.__module__ == each.__name__:
            made = spread(each, found)
            globals()[made.__name__] = made
del each, found, made
