"""Verbs of the control socket about clients: their sessions and subscriptions are listed, sessions are ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from orosync.clocks import timestamp
from orosync.headers import within
from orosync.ops.answers import KickAnswer, SessionRow, SubscriptionRow, plain
from orosync.ops.control import (
    Arguments,
    Emit,
    Rejected,
    StreamingVerb,
    Verb,
    check_names,
    number_of,
    realm_of,
    sort_of,
    text_of,
)
from orosync.router.meta_events import shown
from orosync.session.context import DRAIN_RATE, DRAIN_STEP, ListenerSession
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Joined
from orosync.wamp import uris
from orosync.wamp.messages import Goodbye

CHOICE = ("session", "user", "realm", "address", "role")
"""Arguments that choose sessions; what is not given does not matter."""

Chosen = tuple[ListenerSession, Joined]

SORTS: Mapping[str, Callable[[Chosen], Any]] = {
    "user": lambda one: (one[1].realm_context.name, one[1].member.principal.authid, one[1].member.session),
    "since": lambda one: (one[1].member.joined, one[1].member.session),
    "queued": lambda one: (-one[0].queued(), one[1].member.session),
    "address": lambda one: (one[1].facts.address, one[1].member.principal.authid, one[1].member.session),
}
"""Orders of the list of sessions; by default the first."""

AT_A_TURN = 500
"""Rows that are made in one turn of the reactor: some milliseconds."""

LONGEST_REASON = 1000
"""Characters of the reason that clients are told."""


class SessionVerbs:
    """``sessions`` gives all sessions."""

    def __init__(
        self,
        realms: Mapping[str, RealmContext],
        sessions: Callable[[], Iterable[ListenerSession]],
        clock: IReactorTime,
    ) -> None:
        self._realms = realms
        self._sessions = sessions
        self._clock = clock

    @property
    def verbs(self) -> list[Verb | StreamingVerb]:
        return [
            Verb("sessions", self._list_sessions),
            Verb("subscriptions", self._list_subscriptions),
            StreamingVerb("kick", self._kick, acts=True),
        ]

    def _chosen(self, arguments: Arguments) -> list[Chosen]:
        """The sessions that the arguments choose: all without any of them."""
        session = int(number_of(arguments, "session"))
        realm = realm_of(arguments, self._realms)
        user, role, address = (text_of(arguments, name) for name in ("user", "role", "address"))
        try:
            networks = [ip_network(address, strict=False)] if address not in ("", "unix") else []
        except ValueError:
            raise Rejected(f"{address!r} is neither an address nor a network like 192.0.2.0/24") from None
        found = []
        for one in self._sessions():
            joined = one.joined()
            if joined is None:
                continue
            who = joined.member.principal
            if (
                (not session or joined.member.session == session)
                and (not user or who.authid == user)
                and (not realm or joined.realm_context.name == realm)
                and (not role or who.authrole == role)
                and (not address or (within(joined.facts.address, networks) if networks else
                                     joined.facts.address == address))
            ):  # fmt: skip
                found.append((one, joined))
        return found

    def _list_sessions(self, arguments: Arguments) -> Deferred[list[dict[str, Any]]]:
        check_names(arguments, *CHOICE, "sort", "limit")
        sort, limit = SORTS[sort_of(arguments, SORTS)], int(number_of(arguments, "limit")) or None
        chosen = sorted(self._chosen(arguments), key=sort)[:limit]
        return Deferred.fromCoroutine(self._rows(chosen))

    async def _rows(self, chosen: list[Chosen]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for start in range(0, len(chosen), AT_A_TURN):
            if start:
                await deferLater(self._clock, 0, lambda: None)
            rows += [plain(session_row(*one)) for one in chosen[start : start + AT_A_TURN]]
        return rows

    def _list_subscriptions(self, arguments: Arguments) -> list[dict[str, Any]]:
        check_names(arguments, "realm", "topic", "limit")
        realm, topic = realm_of(arguments, self._realms), text_of(arguments, "topic")
        rows = []
        for name, context in self._realms.items():
            if realm in ("", name):
                broker = context.realm.broker
                for one in broker.matching(topic) if topic else broker:
                    subscribers = len(shown(one.members.values()))
                    if subscribers:
                        since = timestamp(one.created)
                        rows.append(
                            SubscriptionRow(
                                realm=name, topic=one.topic, match=one.match.value, subscribers=subscribers, since=since
                            )
                        )
        rows.sort(key=lambda row: (-row.subscribers, row.topic, row.realm))
        return [plain(row) for row in rows[: int(number_of(arguments, "limit")) or None]]

    def _kick(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
        check_names(arguments, *CHOICE, "reason")
        if not any(arguments.get(name) for name in ("session", "user", "address")):
            raise Rejected("say which sessions: a session, a user or an address")
        reason = text_of(arguments, "reason")
        if len(reason) > LONGEST_REASON:
            raise Rejected(f"the reason has more than {LONGEST_REASON} characters")
        goodbye = Goodbye({"message": reason} if reason else {}, uris.KILLED)
        chosen = self._chosen(arguments)
        work = Deferred.fromCoroutine(self._end_sessions(chosen, goodbye, emit))
        work.addErrback(lambda failure: failure.trap(CancelledError)).addCallback(lambda _: end())
        return work.cancel

    async def _end_sessions(self, chosen: list[Chosen], goodbye: Goodbye, emit: Emit) -> None:
        """As many at a time as at a stop: each page that is ended comes back with a request to PHP."""
        kicked, group = 0, int(DRAIN_RATE * DRAIN_STEP)
        # In another turn: the answer has to have begun.
        for start in range(0, max(1, len(chosen)), group):
            await deferLater(self._clock, DRAIN_STEP if start else 0, lambda: None)
            for session, joined in chosen[start : start + group]:
                now = session.joined()
                if now is not None and now.member is joined.member:
                    session.expel(goodbye)
                    kicked += 1
            emit(plain(KickAnswer(kicked=kicked, of=len(chosen))))


def session_row(session: ListenerSession, joined: Joined) -> SessionRow:
    """A session as it is listed."""
    member, facts = joined.member, joined.facts
    who = member.principal
    return SessionRow(
        session=member.session,
        realm=joined.realm_context.name,
        user=who.authid,
        role=who.authrole,
        method=who.authmethod,
        protocol=session.protocol,
        serializer=session.serializer,
        listener=facts.listener,
        address=facts.address,
        since=timestamp(member.joined),
        queued=session.queued(),
        subscriptions=len(member.subscriptions),
        registrations=len(member.registrations),
    )
