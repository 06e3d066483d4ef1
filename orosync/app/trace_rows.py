"""What a trace says of sessions, subscriptions and publications, and may say of payloads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import attrs

from orosync.authz.chain import Chain
from orosync.errors import NotCarriable
from orosync.model import EMPTY, Action, Decision, Match, Verdict
from orosync.router.deliveries import ExtraDetails, Member
from orosync.router.filters import Filters
from orosync.router.relays import RelayedPublication
from orosync.router.subscriptions import Subscription
from orosync.session.context import ListenerSession
from orosync.session.local import OROSYNC
from orosync.session.realm_context import RealmContext
from orosync.wamp.formats import Format
from orosync.wamp.payload import Payload, is_sealed

MOST_PAYLOAD = 4096
"""Bytes of a payload that is shown."""


class Publication(NamedTuple):
    """A publication, as its broker records it. One of another node has that node's name, and its publisher's session
    there (0: orosync itself)."""

    number: int
    topic: str
    payload: Payload | None
    publisher: Member | None
    exclude_me: bool
    filters: Filters | None
    extra_details: ExtraDetails | None
    node: str = ""
    session: int = 0

    @classmethod
    def relayed(cls, one: RelayedPublication) -> Publication:
        """A publication of another node."""
        number, details = one.publication, one.extra_details
        return cls(number, one.topic, one.payload, None, False, one.filters, details, one.node, one.publisher)

    def published_by(self) -> dict[str, Any]:
        """Who published it. Another node tells the user only where the publisher is disclosed."""
        publisher = self.publisher
        if publisher is not None:
            return {"publisher": publisher.session, "publisher_user": publisher.principal.authid}
        found: dict[str, Any] = {"publisher": None, "publisher_user": OROSYNC.authid}
        if self.session:
            user = (self.extra_details or EMPTY).get("publisher_authid", "")
            found = {"publisher": self.session, "publisher_user": user}
        return {**found, "node": self.node} if self.node else found


@attrs.define(eq=False)
class Followed:
    """A session that a trace follows. ``session`` None: one of orosync's own. ``over``: why it has ended."""

    context: RealmContext
    member: Member
    session: ListenerSession | None
    over: str | None = None

    def row(self) -> dict[str, Any]:
        """Which session it is, for a line about what happens to it."""
        return {"session": self.member.session, "user": self.member.principal.authid, "realm": self.context.name}

    def described(self) -> dict[str, Any]:
        """All about it."""
        who, joined = self.member.principal, None if self.session is None else self.session.joined()
        row = {**self.row(), "role": who.authrole, "method": who.authmethod}
        if self.session is not None:
            row["protocol"] = self.session.protocol
            row["queued"] = self.session.queued()
        if joined is not None:
            row["listener"], row["address"] = joined.facts.listener, joined.facts.address
        row["subscriptions"] = [named(one) for one in self.member.subscriptions.values()]
        return row


def named(subscription: Subscription) -> str:
    exact = subscription.match is Match.EXACT
    return subscription.topic if exact else f"{subscription.topic} ({subscription.match.value})"


def members_of(subscriptions: Iterable[Subscription]) -> list[Member]:
    found = {number: member for one in subscriptions for number, member in one.members.items()}
    return [member for member in found.values() if member.principal is not OROSYNC]


def is_subscribed(context: RealmContext, member: Member, topic: str) -> bool:
    return any(one.id in member.subscriptions for one in context.realm.broker.matching(topic))


def is_matched(context: RealmContext, subscription: Subscription, topic: str | None) -> bool:
    return topic is not None and subscription in context.realm.broker.matching(topic)


def decision_of(chain: Chain, member: Member, topic: str) -> Decision | None:
    """Whether ``member`` may subscribe; None where that would have to be asked outside."""
    found = chain.decide(member.principal, Action.SUBSCRIBE, topic, Match.EXACT, EMPTY) if chain.constant else None
    return found if isinstance(found, Decision) else None


def permission(context: RealmContext, member: Member, topic: str) -> str:
    decision = decision_of(context.chain, member, topic)
    if decision is None:
        return "it has not subscribed"
    if decision.verdict is Verdict.ALLOW:
        return f"it has not subscribed, though it may: {decision.rule}"
    return f"it may not subscribe: {decision.rule}"


def shown_payload(payload: Payload, details: ExtraDetails | None) -> dict[str, Any]:
    """``args`` and ``kwargs`` as JSON has them, or why not."""
    if details and is_sealed(details):
        return {"payload": "encrypted by its publisher"}
    if payload.size > MOST_PAYLOAD:
        return {"payload": f"longer than {MOST_PAYLOAD} bytes"}
    try:
        _, tail = payload.tail(Format.JSON)
    except NotCarriable as error:
        return {"payload": str(error)}
    return dict(zip(("args", "kwargs"), json.loads(b"[%b]" % tail), strict=False))
