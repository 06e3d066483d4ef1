"""Presence: the subscribers of a record's topic are told which users have the record open.

A page subscribes to, for example, acme/presence/account/12 while it shows account 12, and receives
{"here": [authids]} once, then {"came": authid} and {"went": authid} for every change. WAMP's meta events report who
joins and leaves; closing a page is sufficient. A change is a short event for each subscriber, and only the client that
has come receives the whole list: a change costs as much as the record has subscribers, not the square of it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions


class Record:
    """The topic of a record, the authids of the sessions that have it open, and how many sessions each user has."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.sessions: dict[int, str] = {}
        self.users: Counter[str] = Counter()

    def here(self) -> dict[str, list[str]]:
        return {"here": list(self.users)}


class Presence(ApplicationSession):
    """[component:NAME] with ``prefix``, the prefix of all topics: acme/presence/"""

    async def onJoin(self, details: Any) -> None:
        self.names: dict[int, str] = {}  # authid by session
        self.records: dict[int, Record] = {}  # by subscription
        await self.subscribe(self.joined, "wamp.session.on_join")
        await self.subscribe(self.left, "wamp.session.on_leave")
        await self.subscribe(self.created, "wamp.subscription.on_create")
        await self.subscribe(self.came, "wamp.subscription.on_subscribe")
        await self.subscribe(self.went, "wamp.subscription.on_unsubscribe")
        await self.subscribe(self.deleted, "wamp.subscription.on_delete")
        for session in await self.call("wamp.session.list"):  # sessions that joined earlier
            with suppress(ApplicationError):
                self.joined(await self.call("wamp.session.get", session))
        for subscription in (await self.call("wamp.subscription.list"))["exact"]:
            with suppress(ApplicationError):
                self.created(0, await self.call("wamp.subscription.get", subscription))
                if record := self.records.get(subscription):
                    for session in await self.call("wamp.subscription.list_subscribers", subscription):
                        self.add(record, session)
                    self.publish(record.topic, record.here())  # once for all of them

    def joined(self, session: dict[str, Any]) -> None:
        self.names[session["session"]] = session["authid"]

    def left(self, session: int, *_: Any) -> None:
        self.names.pop(session, None)

    def created(self, _: int, subscription: dict[str, Any]) -> None:
        if subscription["match"] == "exact" and subscription["uri"].startswith(self.config.extra["prefix"]):
            self.records.setdefault(subscription["id"], Record(subscription["uri"]))

    def deleted(self, _: int, subscription: int) -> None:
        self.records.pop(subscription, None)

    def add(self, record: Record, session: int) -> str | None:
        """The authid of a session that has the record open from now on; None if that is known already."""
        if session in record.sessions or session not in self.names:
            return None
        record.sessions[session] = name = self.names[session]
        record.users[name] += 1
        return name

    def came(self, session: int, subscription: int) -> None:
        record = self.records.get(subscription)
        if record and (name := self.add(record, session)):
            self.publish(record.topic, record.here(), options=PublishOptions(eligible=[session]))
            if record.users[name] == 1:
                self.publish(record.topic, {"came": name}, options=PublishOptions(exclude=[session]))

    def went(self, session: int, subscription: int) -> None:
        record = self.records.get(subscription)
        if record and (name := record.sessions.pop(session, None)):
            record.users[name] -= 1
            if not record.users[name]:
                del record.users[name]
                self.publish(record.topic, {"went": name})
