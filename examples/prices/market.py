"""Live prices: a component that makes them up, and the authorizer that says who may see which.

Both live in the router's process and share ``PLANS``, which in an application would be a table of its database.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails, RegisterOptions
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict

PLANS: dict[str, str] = {}
"""By authid: "free" or "pro"; who is not there has "free"."""

SYMBOLS = {
    "AMBR": ("Amber Foods", 48.2),
    "BRCH": ("Birch Logistics", 112.6),
    "CDAR": ("Cedar Works", 23.9),
    "DHLA": ("Dahlia Pharma", 208.4),
    "ELMS": ("Elm Street Bank", 67.1),
    "FERN": ("Fern Robotics", 391.0),
}
HISTORY = 180


@implementer(IAuthorizer)
class Entitlements:
    """Everybody may see the symbols of ``free``; the others take the plan "pro", looked up at each request."""

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self.name = name
        self.free = frozenset(options["free"].split())

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """Prices to listen to (prices.live.SYMBOL) and to look back at (prices.history.SYMBOL)."""
        area, _, symbol = uri.rpartition(".")
        if (action, area) not in ((Action.SUBSCRIBE, "prices.live"), (Action.CALL, "prices.history")):
            return Decision(Verdict.ABSTAIN, declared=False)
        if match is not Match.EXACT:
            return Decision(Verdict.DENY, "prices are seen symbol by symbol")
        if symbol in self.free:
            return Decision(Verdict.ALLOW, f"{symbol} is free")
        if symbol in SYMBOLS and PLANS.get(principal.authid) == "pro":
            return Decision(Verdict.ALLOW, f"{principal.authid} has the plan pro")
        return Decision(Verdict.DENY, f"{symbol} takes the plan pro")


class Feed(ApplicationSession):
    """Publishes prices.live.SYMBOL [price, time] twice a second, and remembers the last ones."""

    async def onJoin(self, details: Any) -> None:
        self.prices = {symbol: deque([(first, time.time())], HISTORY) for symbol, (_, first) in SYMBOLS.items()}
        for _ in range(HISTORY - 1):
            for symbol in SYMBOLS:
                self.move(symbol)
        await self.register(self.symbols, "prices.symbols")
        await self.register(self.plan, "prices.plan", RegisterOptions(details=True))
        await self.register(self.upgrade, "prices.upgrade", RegisterOptions(details=True))
        await self.register(self.history, "prices.history.", RegisterOptions(match="prefix", details=True))
        self.clock = LoopingCall(self.tick)
        self.clock.start(0.5, now=False)

    def onLeave(self, details: Any) -> Any:
        if hasattr(self, "clock") and self.clock.running:
            self.clock.stop()
        return super().onLeave(details)

    def move(self, symbol: str) -> float:
        """A random walk that does not leave the neighbourhood of its beginning."""
        first, last = SYMBOLS[symbol][1], self.prices[symbol][-1][0]
        price = round(last * (1 + random.gauss(0, 0.004)) + (first - last) * 0.01, 2)
        self.prices[symbol].append((price, time.time()))
        return price

    def tick(self) -> None:
        for symbol in SYMBOLS:
            self.publish(f"prices.live.{symbol}", self.move(symbol), time.time())

    def symbols(self) -> list[dict[str, str]]:
        """All there are, and what they are called: that is no secret."""
        return [{"symbol": symbol, "name": name} for symbol, (name, _) in SYMBOLS.items()]

    def history(self, details: CallDetails) -> list[float]:
        """The last prices; the router has asked the authorizer whether the caller may see them."""
        symbol = str(details.procedure).rpartition(".")[2]
        if symbol not in SYMBOLS:
            raise ApplicationError("prices.error.no_such_symbol", f"there is no {symbol}")
        return [price for price, _ in self.prices[symbol]]

    def plan(self, details: CallDetails) -> str:
        """The caller's own: who that is, the router says."""
        return PLANS.get(str(details.caller_authid), "free")

    def upgrade(self, details: CallDetails) -> str:
        """As if the caller had paid for it."""
        PLANS[str(details.caller_authid)] = "pro"
        return "pro"
