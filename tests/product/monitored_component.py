"""A component of an application inside the router, for the tests of monitoring."""

from __future__ import annotations

from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from twisted.internet.defer import Deferred


class Monitored(ApplicationSession):
    """``com.acme.add`` adds, ``com.acme.never`` never answers, ``com.acme.fail`` ends the component."""

    async def onJoin(self, details: Any) -> None:
        await self.register(lambda one, other: one + other, "com.acme.add")
        await self.register(lambda: Deferred(), "com.acme.never")
        await self.register(self.disconnect, "com.acme.fail")
