"""Live prices: a component that generates them, and an authorizer that decides who may see which.

Both run in the router's process and share ``PLANS``, which in an application would be a table of its database.
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
"""The plan of each authid, "free" or "pro"; "free" if missing."""

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
    """All users may see the symbols of ``free``; the others require the plan "pro", looked up at each request."""

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self.name = name
        self.free = frozenset(options["free"].split())

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """Decide about live prices (prices.live.SYMBOL) and earlier ones (prices.history.SYMBOL)."""
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
    """Publishes prices.live.SYMBOL [price, time] twice a second, and keeps the last prices."""

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
        """A random walk that stays near its first value."""
        first, last = SYMBOLS[symbol][1], self.prices[symbol][-1][0]
        price = round(last * (1 + random.gauss(0, 0.004)) + (first - last) * 0.01, 2)
        self.prices[symbol].append((price, time.time()))
        return price

    def tick(self) -> None:
        for symbol in SYMBOLS:
            self.publish(f"prices.live.{symbol}", self.move(symbol), time.time())

    def symbols(self) -> list[dict[str, str]]:
        """All symbols with their names, which are public."""
        return [{"symbol": symbol, "name": name} for symbol, (name, _) in SYMBOLS.items()]

    def history(self, details: CallDetails) -> list[float]:
        """The last prices; the call was permitted by the authorizer."""
        symbol = str(details.procedure).rpartition(".")[2]
        if symbol not in SYMBOLS:
            raise ApplicationError("prices.error.no_such_symbol", f"there is no {symbol}")
        return [price for price, _ in self.prices[symbol]]

    def plan(self, details: CallDetails) -> str:
        """The caller's plan; the router provides the caller's authid."""
        return PLANS.get(str(details.caller_authid), "free")

    def upgrade(self, details: CallDetails) -> str:
        """Upgrade the caller's plan, as if it were paid for."""
        PLANS[str(details.caller_authid)] = "pro"
        return "pro"
