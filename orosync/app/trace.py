"""A trace: what happens to a user, to a topic or to an address, and why an event did not arrive.

It begins with the state now: sessions, what they are subscribed to, how the last one ended, the log's last lines about
them. Then a line follows for each join, end, subscription and log event, and for each publication what became of it. It
is bounded in time (``LONGEST``), in lines and in sessions. Where it hears of all this stands in ``app.trace_verb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from orosync.app.trace_rows import (
    Followed,
    Publication,
    decision_of,
    is_matched,
    is_subscribed,
    members_of,
    named,
    permission,
    shown_payload,
)
from orosync.clocks import Now, timestamp
from orosync.model import EMPTY, Match, Verdict
from orosync.ops.control import Arguments, Emit, Rejected, check_names, number_of, text_of
from orosync.ops.journal import Journal, shown
from orosync.router.deliveries import Member
from orosync.router.subscriptions import Subscription
from orosync.session.context import ListenerSession, session_of
from orosync.session.realm_context import RealmContext
from orosync.wamp.messages import Event
from orosync.wamp.meta_topics import ON_JOIN, ON_LEAVE, SUBSCRIBED, UNSUBSCRIBED

DEFAULT, LONGEST = 300.0, 3600.0
"""Seconds of a trace that does not say how long, and of the longest."""

MOST_SESSIONS = 100
"""Sessions that one trace follows."""

MOST_RECEIVERS = 20
"""Receivers of a publication that the trace of a topic has a line for."""

MOST_LINES = 50
"""Lines about publications in a second, and as many about everything else."""

MOST_TOPICS = 1000
"""Topics that a trace remembers."""

NOT_SHOWN = frozenset({"control", "session.joined", "session.left"})
"""Events of the log that a trace has lines of its own for, or that are commands like itself."""

MOST_PAST = 10
"""Lines of the log from before the trace."""


@attrs.frozen
class TraceQuery:
    """What is traced: the sessions of ``user`` and from ``address``, the events of ``topic``; what is not given is not
    looked at. ``seconds``: how long."""

    user: str | None = None
    topic: str | None = None
    address: str | None = None
    seconds: float = DEFAULT
    payload: bool = False

    @property
    def personal(self) -> bool:
        """It follows certain sessions."""
        return self.user is not None or self.address is not None

    @classmethod
    def of(cls, arguments: Arguments) -> TraceQuery:
        """Raises Rejected."""
        check_names(arguments, *(one.name for one in attrs.fields(cls)))
        user, topic, address = (text_of(arguments, name) or None for name in ("user", "topic", "address"))
        seconds, payload = number_of(arguments, "seconds", DEFAULT), arguments.get("payload", False)
        if not 0 < seconds <= LONGEST:
            raise Rejected(f"seconds must be a number up to {LONGEST:g}")
        if not isinstance(payload, bool):
            raise Rejected("payload must be true or false")
        query = cls(user, topic, address, seconds, payload)
        if not query.personal and query.topic is None:
            raise Rejected("name a user, a topic or an address")
        return query


class _Allowance:
    """Lines that may still be written (a token bucket)."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._left, self._since = float(MOST_LINES), clock.seconds()

    def take(self) -> bool:
        """Whether one more may be written now."""
        now = self._clock.seconds()
        self._left = min(float(MOST_LINES), self._left + (now - self._since) * MOST_LINES)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Trace:
    """One of them: ``begin`` tells the state now, then it is told what happens, until ``stop``."""

    def __init__(
        self,
        query: TraceQuery,
        journal: Journal,
        clock: IReactorTime,
        now: Now,
        emit: Emit,
        end: Callable[[], None],
    ) -> None:
        self._query = query
        self._journal = journal
        self._clock, self._now = clock, now
        self._emit, self._end = emit, end
        self._events, self._others = _Allowance(clock), _Allowance(clock)
        self._left_out = 0
        self._followed: dict[str, dict[int, Followed]] = {}
        self._known: dict[int, Subscription] = {}
        self._topics: set[str] = set()
        self._told: set[tuple[int, str]] = set()
        self._ending: dict[str, str] = {}
        self._pending: list[tuple[Followed, dict[str, Any]]] = []
        self._timers: list[IDelayedCall] = []

    # -- the state at the beginning

    def begin(self, realms: Iterable[RealmContext], sessions: Iterable[ListenerSession]) -> None:
        """Tell the state now. ``sessions`` are all."""
        query = self._query
        self._say("tracing", user=query.user, topic=query.topic, address=query.address, seconds=query.seconds)
        self._timers.append(self._clock.callLater(query.seconds, self.finish, f"{query.seconds:g} s are over"))
        realms = list(realms)
        if query.personal:
            for session in sessions:
                self._follow(session, "session")
            if not any(self._followed.values()):
                self._no_session(realms)
        else:
            for context in realms:
                self._subscribers(context)
        for line in self._past():
            self._write({"event": line.event, "code": line.code, "ago": self._ago(line.time), **line.fields})

    def _follow(self, session: ListenerSession, event: str) -> None:
        joined = session.joined()
        if joined is None:
            return
        context, member, facts = joined
        query = self._query
        if query.user not in (None, member.principal.authid) or query.address not in (None, facts.address):
            return
        if sum(map(len, self._followed.values())) >= MOST_SESSIONS:
            self._left_out += 1
            return
        found = Followed(context, member, session)
        self._followed.setdefault(context.name, {})[member.session] = found
        for subscription in member.subscriptions.values():
            self._learn(subscription)
        self._say(event, **found.described())
        if event == "session" and query.topic is not None and not is_subscribed(context, member, query.topic):
            self._say("not_subscribed", topic=query.topic, why=permission(context, member, query.topic), **found.row())

    def _no_session(self, realms: Sequence[RealmContext]) -> None:
        past = [one for context in realms for one in context.departures if self._meant(one.user, one.address)]
        last = max(past, key=lambda one: one.time, default=None)
        if last is None:
            self._say("no_session", why="there is none, and none has ended lately")
        else:
            why = f"the last one ended {self._ago(last.time):g} s ago: {last.reason}"
            self._say("no_session", session=last.session, user=last.user, address=last.address, why=why)
        if self._query.topic is None:
            self._say("hint", why="without a session it is not known which topics are meant: name one with --topic")

    def _meant(self, user: str, address: str) -> bool:
        return self._query.user in (None, user) and self._query.address in (None, address)

    def _subscribers(self, context: RealmContext) -> None:
        assert self._query.topic is not None
        matching = context.realm.broker.matching(self._query.topic)
        for subscription in matching:
            self._learn(subscription)
        members = members_of(matching)
        self._say("topic", topic=self._query.topic, realm=context.name, subscribers=len(members))
        for member in members[:MOST_RECEIVERS]:
            self._say("session", **Followed(context, member, session_of(member)).described())
        if len(members) > MOST_RECEIVERS:
            self._say("left_out", sessions=len(members) - MOST_RECEIVERS)

    def _past(self) -> list[Any]:
        found = [one for one in self._journal.recent if self._concerns(one.event, one.fields, shown)]
        return found[-MOST_PAST:]

    def _ago(self, time: float) -> float:
        return round(self._clock.seconds() - time, 1)

    # -- sessions and subscriptions come and go

    def changed(self, context: RealmContext, topic: str, arguments: Sequence[Any]) -> None:
        """A meta event of a realm (WAMP, "Session Meta API", "Subscriptions Meta API")."""
        if topic == ON_JOIN:
            self._joined(context, int(arguments[0]["session"]))
        elif topic == ON_LEAVE:
            self._left(context, int(arguments[0]))
        elif topic in (SUBSCRIBED, UNSUBSCRIBED):
            self._subscribed(context, int(arguments[0]), int(arguments[1]), topic == SUBSCRIBED)

    def _joined(self, context: RealmContext, number: int) -> None:
        member = context.realm.members.get(number)
        session = None if member is None else session_of(member)
        if member is None or session is None or not self._query.personal:
            return
        if self._query.user in (None, member.principal.authid):
            # Where it comes from is known once it has joined completely, in a moment.
            self._soon(lambda: self._follow(session, "joined"))

    def _left(self, context: RealmContext, number: int) -> None:
        found = self._followed.get(context.name, {}).pop(number, None)
        if found is None:
            return
        last = context.departures[-1] if context.departures else None
        why = last.reason if last is not None and last.session == number else "ended by another session"
        found.over = self._ending[context.name] = why
        self._settle([one for one in self._pending if one[0] is found])
        self._pending = [one for one in self._pending if one[0] is not found]
        self._say("left", why=why, **found.row())

    def _subscribed(self, context: RealmContext, number: int, subscription_id: int, begins: bool) -> None:
        subscription = context.realm.broker.find(subscription_id) or self._known.get(subscription_id)
        member = context.realm.members.get(number)
        if subscription is None or member is None:  # gone with its session
            return
        query = self._query
        if query.personal:
            if number not in self._followed.get(context.name, {}):
                return
        elif not is_matched(context, subscription, query.topic) and subscription_id not in self._known:
            return
        self._learn(subscription)
        who = Followed(context, member, session_of(member)).row()
        self._say("subscribed" if begins else "unsubscribed", topic=named(subscription), **who)

    def _learn(self, subscription: Subscription) -> None:
        self._known[subscription.id] = subscription
        if len(self._topics) < MOST_TOPICS and subscription.match is Match.EXACT:
            self._topics.add(subscription.topic)

    # -- publications

    def published(self, context: RealmContext, publication: Publication) -> None:
        """A publication in a realm, before it is delivered."""
        topic, query = publication.topic, self._query
        if query.topic not in (None, topic):
            return
        matching = context.realm.broker.matching(topic)
        if not query.personal:
            self._published_to_all(context, publication, members_of(matching))
            return
        followed = self._followed.get(context.name)
        if not followed:
            if query.topic is not None or topic in self._topics:
                ended = self._ending.get(context.name)
                why = "no session in this realm" if ended is None else f"its session has ended: {ended}"
                who = {} if query.user is None else {"user": query.user}
                self._not_sent(publication, "no_session", why, {**who, "realm": context.name})
            return
        for one in followed.values():
            if any(subscription.id in one.member.subscriptions for subscription in matching):
                self._reached(one, publication)
            else:
                self._unsubscribed(one, publication)

    def _published_to_all(self, context: RealmContext, publication: Publication, members: Sequence[Member]) -> None:
        where = {"realm": context.name, "subscribers": len(members)}
        if not members:
            self._not_sent(publication, "no_subscribers", "nobody is subscribed to it", where)
            return
        if not self._may_write(self._events):
            return
        self._write({"event": "published", **self._about(publication), **where})
        for member in members[:MOST_RECEIVERS]:
            self._reached(Followed(context, member, session_of(member)), publication)
        self._left_out += max(0, len(members) - MOST_RECEIVERS)

    def _reached(self, one: Followed, publication: Publication) -> None:
        """What becomes of an event for a session that is subscribed to it."""
        member, filters = one.member, publication.filters
        if publication.exclude_me and publication.publisher is member:
            self._not_sent(publication, "excluded", "a publisher does not get its own event", one.row())
            return
        objection = "" if filters is None else filters.objection(member)
        if objection:
            code = "excluded" if objection.startswith("exclude") else "not_eligible"
            self._not_sent(publication, code, f"the publisher's {objection} leaves this session out", one.row())
            return
        if not self._may_write(self._events):
            return
        event = Event(1, publication.number, dict(publication.extra_details or EMPTY))
        if member.wire.event(event, publication.payload, publication.topic) is None:
            why = f"{member.wire.format.value} as this client speaks it cannot carry the payload"
            row = {**self._about(publication), **one.row(), "why": why}
            self._write({"event": "not_sent", "code": "not_carriable", **row})
            return
        if not self._pending:
            # Not in the next turn, but in the one after it: by then what was queued has been given to the system.
            self._soon(lambda: self._soon(self._settle_all))
        self._pending.append((one, {"time": self._time(), **self._about(publication), **one.row()}))

    def _unsubscribed(self, one: Followed, publication: Publication) -> None:
        """Each topic is told once, unless it is the one that is traced; others' topics are not told."""
        topic, context = publication.topic, one.context
        if self._query.topic is None:
            if (one.member.session, topic) in self._told or len(self._told) >= MOST_TOPICS:
                return
            self._told.add((one.member.session, topic))
            decision = decision_of(context.chain, one.member, topic)
            if decision is None or decision.verdict is not Verdict.ALLOW:
                return
        self._not_sent(publication, "not_subscribed", permission(context, one.member, topic), one.row())

    def _not_sent(self, publication: Publication, reason: str, why: str, who: Mapping[str, Any]) -> None:
        if self._may_write(self._events):
            self._write({"event": "not_sent", "code": reason, **self._about(publication), **who, "why": why})

    def _about(self, publication: Publication) -> dict[str, Any]:
        payload = publication.payload
        row: dict[str, Any] = {
            "topic": publication.topic,
            "publication": publication.number,
            **publication.published_by(),
            "bytes": 0 if payload is None else payload.size,
        }
        if self._query.payload and payload is not None:
            row.update(shown_payload(payload, publication.extra_details))
        return row

    def _settle_all(self) -> None:
        pending, self._pending = self._pending, []
        self._settle(pending)

    def _settle(self, pending: Iterable[tuple[Followed, dict[str, Any]]]) -> None:
        """Tell what became of events that had a receiver."""
        for one, row in pending:
            waiting = 0 if one.session is None else one.session.queued()
            if one.over is not None:
                self._write({"event": "dropped", **row, "why": one.over})
            elif waiting:
                self._write({"event": "queued", **row, "why": f"{waiting} bytes wait for this client to read"})
            else:
                self._write({"event": "sent", **row})

    # -- what the journal is told

    def logged(self, event: str, code: str, fields: Mapping[str, object]) -> None:
        """An event of the log, or one that is only counted."""
        if self._concerns(event, fields, str):
            self._say(event, code=code, **{one: shown(value) for one, value in fields.items() if value is not None})

    def _concerns(self, event: str, fields: Mapping[str, object], form: Callable[[str], str]) -> bool:
        """Whether a line of the log is about what is traced; ``form`` is how texts stand in its fields."""
        if event in NOT_SHOWN or not fields:
            return False
        query = self._query
        uri = fields.get("uri", fields.get("topic"))
        on_topic = query.topic is not None and uri == form(query.topic)
        if not query.personal:
            return on_topic
        mine = query.address is not None and fields.get("address") == form(query.address)
        mine = mine or any(fields.get("session") in sessions for sessions in self._followed.values())
        if query.user is not None:
            reason = str(fields.get("reason", ""))  # a refusal names its user there
            mine = mine or fields.get("user") == form(query.user) or repr(query.user) in reason
        if mine:
            return query.topic is None or uri is None or on_topic
        return on_topic if query.topic is not None else isinstance(uri, str) and uri in self._topics

    # -- writing

    def _say(self, event: str, **fields: Any) -> None:
        """A line about anything but a publication."""
        if self._may_write(self._others):
            self._write({"event": event, **{name: value for name, value in fields.items() if value is not None}})

    def _may_write(self, allowance: _Allowance) -> bool:
        """Whether one more line may be written now; one that may not is counted."""
        taken = allowance.take()
        self._left_out += not taken
        return taken

    def _write(self, row: dict[str, Any]) -> None:
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._emit({"time": self._time(), "event": "left_out", "lines": left_out})
        self._emit({"time": self._time(), **row})

    def _time(self) -> str:
        return timestamp(self._now())

    def _soon(self, what: Callable[[], None]) -> None:
        self._timers = [one for one in self._timers if one.active()]
        self._timers.append(self._clock.callLater(0, what))

    def finish(self, why: str) -> None:
        """End it: ``why`` is its last line."""
        self._settle_all()
        self._write({"event": "end", "why": why})
        self._end()

    def stop(self) -> None:
        """Nobody reads any more."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()
