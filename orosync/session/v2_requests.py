"""What a message says of whom it is forwarded for, and of the way it came.

Crossbar.io's options, for want of any in WAMP: ``forward_for`` lists sessions, the first of which published or
called; ``transaction_hash`` is a string of the publisher's or caller's that is handed on as it is. The first is
believed of those alone who are trusted with it: anybody else is who the realm says. This file must not know who is
trusted.

What a joined WAMP v2 client asks for with remote procedure calls; a part of ``session.v2_requests``.

One method for each message. It must not know transports or identity, nor how a call finds its callee.

What a joined WAMP v2 client asks for: each request is authorised once, here, and handed to the router.

One method for each message. It must not know transports or identity; answers leave through ``session.answer``.

Request ids that count up from 1, for realms that insist on it (WAMP, section "Session Scope IDs").

It must not know what a request does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from orosync.authz.chain import Grants
from orosync.errors import NotCarriable, ProtocolViolation, RequestError, TooLong, Unfit
from orosync.interfaces import IJournal
from orosync.model import EMPTY, Action, ConnectionFacts, Decision, Match, Verdict
from orosync.router.deliveries import Delivery, Member, choice, flag, whole
from orosync.router.filters import PublishOptions
from orosync.router.pending import PendingCall
from orosync.router.realm import Realm
from orosync.router.registrations import DEFAULT_OPTIONS, Invoke, RegisterOptions
from orosync.session.limits import no_room, one_too_many
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Joined
from orosync.session.replies import refusal
from orosync.session.timers import CallTimer
from orosync.wamp import forwarding, ids, uris
from orosync.wamp.forwarding import OPTION
from orosync.wamp.ids import LARGEST
from orosync.wamp.messages import (
    Call,
    Cancel,
    Error,
    Invocation,
    Message,
    Publish,
    Published,
    Register,
    Registered,
    Result,
    Subscribe,
    Subscribed,
    Unregister,
    Unregistered,
    Unsubscribe,
    Unsubscribed,
    Yield,
)
from orosync.wamp.payload import Payload, described
from orosync.wamp.v2 import CALL, INVOCATION, PUBLISH

_LONGEST = 400


def told_of_event(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What PUBLISH.Options add to the details of EVENT; None for nothing."""
    return _told(options, trusted, "publisher")


def told_of_call(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What CALL.Options add to the details of INVOCATION; None for nothing."""
    return _told(options, trusted, "caller")


def _told(options: Mapping[str, Any], trusted: bool, who: str) -> dict[str, Any] | None:
    told: dict[str, Any] = {}
    if trusted and "forward_for" in options:
        told.update(_first(options["forward_for"], who))
    said = options.get(OPTION)
    if isinstance(said, str) and len(said) <= _LONGEST:
        told[OPTION] = said
    return told or None


def _first(sessions: object, who: str) -> dict[str, Any]:
    """The session that a list begins with, as details name it; nothing where it is no such list."""
    first = sessions[0] if isinstance(sessions, list | tuple) and sessions else None
    if not isinstance(first, dict):
        return {}
    authid, authrole = first.get("authid"), first.get("authrole")
    try:
        session = ids.normalise(first.get("session"))
    except ProtocolViolation:
        return {}
    if not isinstance(authid, str) or not isinstance(authrole, str):
        return {}
    return {who: session, f"{who}_authid": authid, f"{who}_authrole": authrole}


_ALLOW = Verdict.ALLOW

_NO_URI = Payload.of([f"the callee's error is no URI of at most {uris.LONGEST} characters"], None)
MOST_TOLD = 5
"""Callees of a shared registration that are named in the log when they lose it."""


class CallRequests:
    """The half of ``Requests`` that callers and callees need."""

    member: Member
    _realm_context: RealmContext
    _realm: Realm
    _strict: bool
    _forwards: bool
    _registration_limit: int
    _deliver: Callable[[list[Delivery]], None]
    _authorise: Callable[..., None]
    _decided_or_later: Callable[..., None]
    _procedures: Grants | None = None
    _granted_procedures: Mapping[str, Decision] = EMPTY
    next_request = 1
    """Where request ids have to count."""

    def continues(self, request: int) -> bool:
        """Whether a CALL under this id goes on with an earlier one, over or not."""
        return self._realm.dealer.is_stream(self.member, request)

    def _call(self, message: Call, payload: Payload | None) -> None:
        procedure = message.procedure
        decision: Any = self._granted_procedures.get(procedure)
        if decision is None:
            decision = self._judge_call(procedure, message.options)
            if decision.__class__ is not Decision or decision.verdict is not _ALLOW:
                self._decided_or_later(decision, Action.CALL, procedure, message, payload, self._call_allowed)
                return
        self._call_allowed(message, payload, decision)

    def _judge_call(self, procedure: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        uris.check(procedure, strict=self._strict)
        grants = self._procedures
        if grants is None:
            self._procedures = grants = self._realm_context.chain.grants(self.member.principal, Action.CALL)
            self._granted_procedures = grants.known
        return grants.decide(procedure, options)

    def _call_allowed(self, message: Call, payload: Payload | None, decision: Decision) -> None:
        options, request = message.options, int(message.request)
        dealer = self._realm.dealer
        if not options:
            self._deliver(dealer.call(self.member, request, message.procedure, EMPTY, payload, decision.disclose))
            return
        disclose = decision.disclose or self._realm_context.may_disclose(options)
        told = told_of_call(options, self._forwards)
        self._deliver(dealer.call(self.member, request, message.procedure, options, payload, disclose, told))
        if "timeout" in options and (timed := dealer.timed(self.member, request)) is not None:
            self._measure(timed)

    def _measure(self, call: PendingCall) -> None:
        state = call.state
        if state is not None and state.watch is None:
            expired = partial(self._expired, call)
            state.watch = CallTimer(self._realm_context.clock, state.timeout, expired)
            state.watch.enforce(not state.forwarded)

    def _expired(self, call: PendingCall) -> None:
        self._deliver(self._realm.dealer.expired(call))

    def _cancel(self, message: Cancel, payload: Payload | None) -> None:
        self._deliver(self._realm.dealer.cancel(self.member, int(message.request), message.options))

    def _register(self, message: Register, payload: Payload | None) -> None:
        match = match_of(message.options)
        uris.check(message.procedure, match, strict=self._strict)
        self._authorise(Action.REGISTER, message.procedure, match, message, payload, self._register_allowed)

    def _register_allowed(self, message: Register, payload: Payload | None, decision: Decision) -> None:
        options = message.options
        invoke = choice(options, "invoke", Invoke.SINGLE) if options else Invoke.SINGLE
        wishes = self._wishes(options) if options else DEFAULT_OPTIONS
        dealer, procedure, match = self._realm.dealer, message.procedure, match_of(options)
        member, limit = self.member, self._registration_limit
        if len(member.registrations) >= limit and not dealer.has(member, procedure, match):
            raise one_too_many(self._realm_context.journal, member.principal, Action.REGISTER, procedure, limit)
        force = bool(options) and flag(options, "force_reregister")
        former = dealer.lookup(procedure, match) if force else None
        lost = [] if former is None else [callee.principal.authid for callee in former.callees]
        registration, deliveries = dealer.register(self.member, procedure, match, invoke, wishes, force)
        if lost:
            user, journal = self.member.principal.authid, self._realm_context.journal
            journal.note("registration.taken_over", "forced", procedure=procedure, user=user, lost_by=lost[:MOST_TOLD])
        self.member.tell(Registered(message.request, registration.id), None)
        self._deliver(deliveries)

    def _wishes(self, options: Mapping[str, Any]) -> RegisterOptions:
        curious = flag(options, "disclose_caller")
        if curious and not self._realm_context.disclosing:
            raise RequestError(uris.OPTION_NOT_ALLOWED, "this realm tells nobody who calls: leave disclose_caller out")
        return RegisterOptions(curious, flag(options, "forward_timeout"), whole(options, "concurrency", 1))

    def _unregister(self, message: Unregister, payload: Payload | None) -> None:
        deliveries = self._realm.dealer.unregister(self.member, int(message.registration))
        self.member.tell(Unregistered(message.request), None)
        self._deliver(deliveries)

    def _yield(self, message: Yield, payload: Payload | None) -> None:
        self._deliver(self._realm.dealer.yielded(self.member, int(message.request), message.options, payload))

    def _error(self, message: Error, payload: Payload | None) -> None:
        if message.request_type != INVOCATION:
            raise ProtocolViolation("ERROR answers no INVOCATION")
        request, error, dealer = int(message.request), message.error, self._realm.dealer
        if not uris.exact_rule(False)(error):
            # Its caller might end its own session over it: to autobahn such an ERROR breaks the protocol.
            error, payload = uris.INVALID_URI, _NO_URI
        self._deliver(dealer.failed(self.member, request, message.details, error, payload))


def match_of(options: Mapping[str, Any]) -> Match:
    """The match policy of SUBSCRIBE or REGISTER; a bad one costs the request, not the session."""
    return choice(options, "match", Match.EXACT) if options else Match.EXACT


# Looking a member up on its Enum is slow before Python 3.12.
_EXACT, _PUBLISH, _ALLOW = Match.EXACT, Action.PUBLISH, Verdict.ALLOW
_SUBSCRIBE, _REGISTER = Action.SUBSCRIBE, Action.REGISTER

_REQUEST_CODE = {Publish: PUBLISH, Subscribe: 32, Unsubscribe: 34, Call: CALL, Register: 64, Unregister: 66}


class RequestingSession(Protocol):
    """The session, as its requests see it."""

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], None]) -> None: ...


class Requests(CallRequests):
    """The requests of one joined ``member``. ``forwards``: its word is taken for whom it publishes and calls."""

    def __init__(
        self,
        asker: RequestingSession,
        realm_context: RealmContext,
        member: Member,
        subscription_limit: int,
        registration_limit: int,
        forwards: bool = False,
    ) -> None:
        self.member = member
        self._asker = asker
        self._realm_context = realm_context
        self._strict = realm_context.strict_uris
        self._well_formed = uris.exact_rule(self._strict)
        self._realm = realm_context.realm
        self._broker_publish = realm_context.realm.broker.publish
        self._decide = realm_context.chain.decide
        self._topics: Grants | None = None
        self._granted_topics: Mapping[str, Decision] = EMPTY
        self._deliver = realm_context.dispatcher.deliver
        self._subscription_limit, self._registration_limit = subscription_limit, registration_limit
        self._forwards = forwards or member.principal.authrole in realm_context.forwarders

    def joined(self, facts: ConnectionFacts) -> Joined:
        """The member, for its review."""
        return Joined(self._realm_context, self.member, facts)

    def not_carriable(self, message: Message, why: NotCarriable) -> None:
        """What the router wanted to tell this member has no form in its serializer, or is too long for it: whoever
        waits is told so."""
        error = uris.PAYLOAD_SIZE_EXCEEDED if isinstance(why, TooLong) else uris.INVALID_ARGUMENT
        payload = Payload.of([str(why)], None)
        if isinstance(message, Invocation):
            self._deliver(self._realm.dealer.failed(self.member, int(message.request), {}, error, payload))
        elif isinstance(message, Result | Error):
            if isinstance(message, Result):
                # One on the way: nothing more may follow on the ERROR.
                self._deliver(self._realm.dealer.withdraw(self.member, int(message.request)))
            request = CALL if isinstance(message, Result) else message.request_type
            # This one fits: it is short, and plain text.
            self.member.tell(Error(request, message.request, {}, error), payload)

    def _unfit(self, unfit: Unfit, payload: None) -> None:
        """A request of this member holds what nobody can be given: whoever waits for an answer is told so."""
        message, why = unfit.message, str(unfit)
        if isinstance(message, Cancel):
            self._cancel(message, None)  # without the option
        elif isinstance(message, Yield | Error):
            if isinstance(message, Yield):
                message = Error(INVOCATION, message.request, {}, "")
            message.details, message.error = {}, uris.INVALID_ARGUMENT
            self._error(message, Payload.of([why], None))
        else:
            self.refuse(message, RequestError(uris.INVALID_ARGUMENT, why))

    # -- publish and subscribe

    def _publish(self, message: Publish, payload: Payload | None) -> None:
        topic = message.topic
        decision: Any = self._granted_topics.get(topic)
        if decision is None:
            decision = self._judge_publish(topic, message.options)
            if decision.__class__ is not Decision or decision.verdict is not _ALLOW:
                self._decided_or_later(decision, _PUBLISH, topic, message, payload, self._publish_allowed)
                return
        if message.options:
            self._publish_allowed(message, payload, decision)
        else:  # what nearly every PUBLISH is, written out
            self._deliver(self._broker_publish(topic, payload, self.member, True, None, decision.disclose)[1])

    def _judge_publish(self, topic: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        if not self._well_formed(topic):
            uris.check(topic, _EXACT, strict=self._strict)
        grants = self._topics
        if grants is None:
            self._topics = grants = self._realm_context.chain.grants(self.member.principal, _PUBLISH)
            self._granted_topics = grants.known
        return grants.decide(topic, options)

    def _publish_allowed(self, message: Publish, payload: Payload | None, decision: Decision) -> None:
        options = message.options
        wish = PublishOptions.of(options)
        disclose = decision.disclose or self._realm_context.may_disclose(options)
        told = told_of_event(options, self._forwards)
        sealed = described(options, self.member.features, "publisher")
        if sealed is not None:
            told = {**(told or {}), **sealed}
        if told is not None and self._realm_context.forwarded.again(told.get(forwarding.OPTION)):
            self._realm_context.journal.count("uplink.dropped", "again")
            if wish.acknowledge:
                self.member.tell(Published(message.request, ids.random_id()), None)
            return
        publish = self._realm.broker.publish_retained if wish.retain else self._broker_publish
        publication, deliveries = publish(
            message.topic,
            payload,
            self.member,
            wish.exclude_me,
            wish.filters,
            disclose,
            told,
        )
        self._deliver(deliveries)
        if wish.acknowledge:
            self.member.tell(Published(message.request, publication), None)

    def _subscribe(self, message: Subscribe, payload: Payload | None) -> None:
        match = match_of(message.options)
        uris.check(message.topic, match, strict=self._strict)
        self._authorise(Action.SUBSCRIBE, message.topic, match, message, payload, self._subscribe_allowed)

    def _subscribe_allowed(self, message: Subscribe, payload: Payload | None, decision: Decision) -> None:
        match = match_of(message.options)
        member, broker, limit = self.member, self._realm.broker, self._subscription_limit
        if len(member.subscriptions) >= limit and not broker.has(member, message.topic, match):
            raise one_too_many(self._realm_context.journal, member.principal, _SUBSCRIBE, message.topic, limit)
        get_retained = bool(message.options) and flag(message.options, "get_retained")
        subscription, deliveries = broker.subscribe(member, message.topic, match, get_retained)
        member.tell(Subscribed(message.request, subscription.id), None)
        self._deliver(deliveries)
        if match is _EXACT:
            self._realm_context.subscribed(message.topic, member.session, member.principal)

    def _unsubscribe(self, message: Unsubscribe, payload: Payload | None) -> None:
        deliveries = self._realm.broker.unsubscribe(self.member, int(message.subscription))
        self.member.tell(Unsubscribed(message.request), None)
        self._deliver(deliveries)

    # -- authorization, once, before the router is asked

    def _authorise(
        self,
        action: Action,
        uri: str,
        match: Match,
        message: Any,
        payload: Payload | None,
        then: Callable[[Any, Payload | None, Decision], None],
    ) -> None:
        decision = self._decide(self.member.principal, action, uri, match, message.options)
        self._decided_or_later(decision, action, uri, message, payload, then)

    def _decided_or_later(
        self,
        decision: Decision | Deferred[Decision],
        action: Action,
        uri: str,
        message: Any,
        payload: Payload | None,
        then: Callable[[Any, Payload | None, Decision], None],
    ) -> None:
        if isinstance(decision, Decision):
            self._decided(decision, action, uri, message, payload, then)
            return

        def later(decision: Decision) -> None:
            try:
                self._decided(decision, action, uri, message, payload, then)
            except RequestError as error:
                self.refuse(message, error)

        options = message.options
        match = match_of(options) if action is _SUBSCRIBE or action is _REGISTER else _EXACT
        still = self._realm_context.chain.still(self.member, decision, action, uri, match, options)
        self._asker.wait(Deferred.fromCoroutine(still), later)

    def _decided(
        self,
        decision: Decision,
        action: Action,
        uri: str,
        message: Any,
        payload: Payload | None,
        then: Callable[[Any, Payload | None, Decision], None],
    ) -> None:
        if decision.verdict is _ALLOW:
            then(message, payload, decision)
            return
        raise refusal(self._realm_context.journal, self.member.principal, action, uri, decision)

    def refuse(self, message: Message, error: RequestError) -> None:
        """Answer with an ERROR; an unacknowledged PUBLISH and messages that are no requests get silence."""
        code = _REQUEST_CODE.get(type(message))
        if code is None or (isinstance(message, Publish) and message.options.get("acknowledge") is not True):
            return
        request = message.request  # type: ignore[attr-defined]
        if isinstance(message, Call):
            if error.uri == uris.UNAVAILABLE:
                no_room(self._realm_context.journal, self.member.principal, message.procedure, error)
            # Should a call be in progress under this id, then this is its answer.
            self._deliver(self._realm.dealer.withdraw(self.member, int(request)))
        self.member.tell(Error(code, request, {}, error.uri), Payload.of([error.message], None))


Handler = Callable[[Requests, Any, Any], None]

ASKING: dict[type[Message | Unfit], Handler] = {
    Publish: Requests._publish,
    Subscribe: Requests._subscribe,
    Unsubscribe: Requests._unsubscribe,
    Call: Requests._call,
    Cancel: Requests._cancel,
    Register: Requests._register,
    Unregister: Requests._unregister,
    Unfit: Requests._unfit,
}
"""What handles each message that comes unasked, by its class. A handler raises RequestError (for ``refuse``) or
ProtocolViolation."""

ANSWERING: dict[type[Message | Unfit], Handler] = {Yield: Requests._yield, Error: Requests._error}
"""What handles each that answers an INVOCATION."""

HANDLERS: dict[type[Message | Unfit], Handler] = {**ASKING, **ANSWERING}


def spared(unfit: Unfit, journal: IJournal, joined: bool) -> Any:
    """What is left of a message with what nobody can be given: of a client that has joined a request is refused, by
    this; other messages go without it."""
    message = unfit.message
    journal.note("payload.refused", type(message).__name__.lower(), reason=str(unfit))
    return unfit if joined and message.__class__ in HANDLERS else message


def _checked(handler: Handler) -> Handler:
    def handle(requests: Requests, asked: Any, payload: Payload | None) -> None:
        message = asked.message if isinstance(asked, Unfit) else asked
        request = int(message.request)
        if not isinstance(message, _COUNTED):
            pass  # what cannot be read of it is an option of a CANCEL, or an answer
        elif request == requests.next_request:
            requests.next_request = 1 if request == LARGEST else request + 1
        elif not (isinstance(message, Call) and requests.continues(request)):
            raise ProtocolViolation(f"request {request} where {requests.next_request} comes next")
        return handler(requests, asked, payload)

    return handle


_COUNTED: tuple[type[Message], ...] = (Call, Publish, Register, Subscribe, Unregister, Unsubscribe)

COUNTED_HANDLERS: dict[type[Message | Unfit], Handler] = {
    kind: _checked(handler) if kind in (*_COUNTED, Unfit) else handler for kind, handler in ASKING.items()
}
"""As ``ASKING``; a request with another id than the next one is a violation. A further part of a stream has the id of
the first (WAMP, "Progressive Call Invocations")."""
