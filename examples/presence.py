"""Presence: the subscribers of a record's topic are told which users have the record open.

A page subscribes to, for example, acme/presence/account/12 while it shows account 12, and receives [list of authids]
immediately and after every change. WAMP's meta events report who joins and leaves; closing a page is sufficient.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError


class Presence(ApplicationSession):
    """[component:NAME] with ``prefix``, the prefix of all topics: acme/presence/"""

    async def onJoin(self, details: Any) -> None:
        self.names: dict[int, str] = {}  # authid by session
        self.open: dict[int, tuple[str, set[int]]] = {}  # topic and sessions by subscription
        await self.subscribe(self.joined, "wamp.session.on_join")
        await self.subscribe(self.left, "wamp.session.on_leave")
        await self.subscribe(self.created, "wamp.subscription.on_create")
        await self.subscribe(self.came, "wamp.subscription.on_subscribe")
        await self.subscribe(self.went, "wamp.subscription.on_unsubscribe")
        for session in await self.call("wamp.session.list"):  # sessions that joined earlier
            with suppress(ApplicationError):
                self.joined(await self.call("wamp.session.get", session))
        for subscription in (await self.call("wamp.subscription.list"))["exact"]:
            with suppress(ApplicationError):
                self.created(0, await self.call("wamp.subscription.get", subscription))
                for session in await self.call("wamp.subscription.list_subscribers", subscription):
                    self.came(session, subscription)

    def joined(self, session: dict[str, Any]) -> None:
        self.names[session["session"]] = session["authid"]

    def left(self, session: int, *_: Any) -> None:
        self.names.pop(session, None)

    def created(self, _: int, subscription: dict[str, Any]) -> None:
        if subscription["match"] == "exact" and subscription["uri"].startswith(self.config.extra["prefix"]):
            self.open.setdefault(subscription["id"], (subscription["uri"], set()))

    def came(self, session: int, subscription: int) -> None:
        if subscription in self.open:
            self.open[subscription][1].add(session)
            self.tell(subscription)

    def went(self, session: int, subscription: int) -> None:
        if subscription in self.open:
            self.open[subscription][1].discard(session)
            self.tell(subscription)

    def tell(self, subscription: int) -> None:
        topic, sessions = self.open[subscription]
        if sessions:
            self.publish(topic, sorted({self.names[session] for session in sessions if session in self.names}))
        else:
            del self.open[subscription]
