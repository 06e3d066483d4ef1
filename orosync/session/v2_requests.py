"""What a joined WAMP v2 client asks for: each request is authorized once, here, and handed to the router.

One method for each message of WAMP ("Publish and Subscribe", "Remote Procedure Calls"). Answers and refusals leave
through ``Member.tell``. Where ``request_ids = sequential``, request ids are checked as well ("Session Scope IDs").

Of Crossbar.io's options of forwarded messages, ``forward_for`` lists sessions, the first of which published or called:
it is accepted from trusted members only. ``transaction_hash`` is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from orosync.authz.chain import Grants
from orosync.errors import NotCarriable, ProtocolViolation, RequestError, TooLong, Unfit
from orosync.interfaces import IJournal
from orosync.model import EMPTY, Action, ConnectionFacts, Decision, Match, Verdict
from orosync.router.deliveries import Member, choice, flag, whole
from orosync.router.filters import PublishOptions
from orosync.router.pending import PendingCall
from orosync.router.registrations import DEFAULT_OPTIONS, Invoke, RegisterOptions
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Joined
from orosync.session.replies import (
    RequestingSession,
    may_disclose,
    no_room,
    one_too_many,
    refusal,
    when_decided,
)
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

MOST_TOLD = 5
"""Callees of a shared registration that are named in the log when they lose it."""

_LONGEST_HASH = 400
_NO_URI = Payload.of([f"the callee's error is no URI of at most {uris.LONGEST} characters"], None)
_REQUEST_CODE = {Publish: PUBLISH, Subscribe: 32, Unsubscribe: 34, Call: CALL, Register: 64, Unregister: 66}

# Looking a member up on its Enum is slow before Python 3.12.
_EXACT, _ALLOW = Match.EXACT, Verdict.ALLOW
_PUBLISH, _CALL, _SUBSCRIBE, _REGISTER = Action.PUBLISH, Action.CALL, Action.SUBSCRIBE, Action.REGISTER


class Requests:
    """The requests of one joined ``member`` of ``session``. ``forwards``: it is trusted to publish and call for other
    sessions. ``next_request`` is the next id where request ids have to count."""

    def __init__(
        self,
        session: RequestingSession,
        realm_context: RealmContext,
        member: Member,
        subscription_limit: int,
        registration_limit: int,
        forwards: bool = False,
    ) -> None:
        self.member = member
        self._session = session
        self._realm_context = realm_context
        self._strict = realm_context.strict_uris
        self._well_formed = uris.exact_rule(self._strict)
        self._realm = realm_context.realm
        self._broker_publish = realm_context.realm.broker.publish
        self._decide = realm_context.chain.decide
        self._topics: Grants | None = None
        self._procedures: Grants | None = None
        self.next_request = 1
        self._deliver = realm_context.dispatcher.deliver
        self._subscription_limit, self._registration_limit = subscription_limit, registration_limit
        self._forwards = forwards or member.principal.authrole in realm_context.forwarders

    def joined(self, facts: ConnectionFacts) -> Joined:
        """The member, for its review."""
        return Joined(self._realm_context, self.member, facts)

    # -- publish and subscribe

    def _publish(self, message: Publish, payload: Payload | None) -> None:
        topic = message.topic
        grants = self._topics
        if grants is None:
            self._topics = grants = self._realm_context.chain.grants(self.member.principal, _PUBLISH)
        decision: Any = grants.known.get(topic)
        if decision is None:
            if not self._well_formed(topic):
                uris.check(topic, _EXACT, strict=self._strict)
            decision = grants.decide(topic, message.options)
            if decision.__class__ is not Decision or decision.verdict is not _ALLOW:
                self._authorize(_PUBLISH, topic, _EXACT, message, payload, self._publish_allowed, decision)
                return
        if message.options:
            self._publish_allowed(message, payload, decision)
        else:  # what nearly every PUBLISH is, written out
            self._deliver(self._broker_publish(topic, payload, self.member, True, None, decision.disclose)[1])

    def _publish_allowed(self, message: Publish, payload: Payload | None, decision: Decision) -> None:
        raw, member, realm_context = message.options, self.member, self._realm_context
        options = PublishOptions.of(raw)
        if options.acknowledge and realm_context.withholding:
            raise RequestError(uris.UNAVAILABLE, "the router's other nodes cannot be reached: publish again later")
        disclose = decision.disclose or may_disclose(options.disclose, realm_context.disclosing)
        details = event_details(raw, self._forwards)
        sealed = described(raw, member.features, "publisher")
        if sealed is not None:
            details = {**(details or {}), **sealed}
        if details is not None and realm_context.forwarded.again(details.get(forwarding.OPTION)):
            realm_context.journal.count("uplink.dropped", "again")
            publication = ids.random_id()
        else:
            publication = realm_context.dispatcher.publish(
                self._realm.broker, message.topic, payload, member, options, disclose, details
            )[0]
        if options.acknowledge:
            member.tell(Published(message.request, publication), None)

    def _subscribe(self, message: Subscribe, payload: Payload | None) -> None:
        match = match_of(message.options)
        uris.check(message.topic, match, strict=self._strict)
        self._authorize(_SUBSCRIBE, message.topic, match, message, payload, self._subscribe_allowed)

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

    # -- remote procedure calls

    def continues(self, request: int) -> bool:
        """Whether a CALL under this id goes on with an earlier one, over or not."""
        return self._realm.dealer.is_stream(self.member, request)

    def _call(self, message: Call, payload: Payload | None) -> None:
        procedure = message.procedure
        grants = self._procedures
        if grants is None:
            self._procedures = grants = self._realm_context.chain.grants(self.member.principal, _CALL)
        decision: Any = grants.known.get(procedure)
        if decision is None:
            uris.check(procedure, strict=self._strict)
            decision = grants.decide(procedure, message.options)
            if decision.__class__ is not Decision or decision.verdict is not _ALLOW:
                self._authorize(_CALL, procedure, _EXACT, message, payload, self._call_allowed, decision)
                return
        more = self._call_allowed(message, payload, decision)
        if more is not None:
            self._session.wait(more, lambda _: None)

    def _call_allowed(self, message: Call, payload: Payload | None, decision: Decision) -> Deferred[None] | None:
        try:
            self._call_now(message, payload, decision)
        except RequestError as error:
            news = self._realm_context.news_about(message.procedure, error)
            if news is None:
                raise
            return news.addCallback(self._call_again, message, payload, decision)
        return None

    def _call_again(self, _: None, message: Call, payload: Payload | None, decision: Decision) -> None:
        if self._realm.members.get(self.member.session) is self.member:
            try:
                self._call_now(message, payload, decision)
            except RequestError as error:
                self.refuse(message, error)

    def _call_now(self, message: Call, payload: Payload | None, decision: Decision) -> None:
        options, request = message.options, int(message.request)
        dealer = self._realm.dealer
        if not options:
            self._deliver(dealer.call(self.member, request, message.procedure, EMPTY, payload, decision.disclose))
            return
        disclose = decision.disclose or may_disclose(flag(options, "disclose_me"), self._realm_context.disclosing)
        details = invocation_details(options, self._forwards)
        self._deliver(dealer.call(self.member, request, message.procedure, options, payload, disclose, details))
        if "timeout" in options and (timed := dealer.timed(self.member, request)) is not None:
            self._start_timer(timed)

    def _start_timer(self, call: PendingCall) -> None:
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
        self._authorize(_REGISTER, message.procedure, match, message, payload, self._register_allowed)

    def _register_allowed(
        self, message: Register, payload: Payload | None, decision: Decision
    ) -> Deferred[None] | None:
        options = message.options
        invoke = choice(options, "invoke", Invoke.SINGLE) if options else Invoke.SINGLE
        register_options = self._register_options(options) if options else DEFAULT_OPTIONS
        dealer, procedure, match = self._realm.dealer, message.procedure, match_of(options)
        member, limit = self.member, self._registration_limit
        if len(member.registrations) >= limit and not dealer.has(member, procedure, match):
            raise one_too_many(self._realm_context.journal, member.principal, _REGISTER, procedure, limit)
        force = bool(options) and flag(options, "force_reregister")
        register = partial(self._register_now, message, match, invoke, register_options, force)
        gate, chain, principal = self._realm_context.registration_gate, self._realm_context.chain, member.principal
        if gate is None:
            register()
            return None
        rules = chain.replaced

        def granted() -> None:
            if chain.replaced != rules or member.principal is not principal:
                raise RequestError(uris.UNAVAILABLE, "the rules have changed meanwhile: register again")
            register()

        return gate.register(member, procedure, match, invoke, force, granted, partial(self.refuse, message))

    def _register_now(
        self, message: Register, match: Match, invoke: Invoke, options: RegisterOptions, force: bool
    ) -> None:
        dealer, procedure = self._realm.dealer, message.procedure
        former = dealer.lookup(procedure, match) if force else None
        lost = [] if former is None else [callee.principal.authid for callee in former.callees]
        registration, deliveries = dealer.register(self.member, procedure, match, invoke, options, force)
        if lost:
            user, journal = self.member.principal.authid, self._realm_context.journal
            journal.note("registration.taken_over", "forced", procedure=procedure, user=user, lost_by=lost[:MOST_TOLD])
        self.member.tell(Registered(message.request, registration.id), None)
        self._deliver(deliveries)

    def _register_options(self, options: Mapping[str, Any]) -> RegisterOptions:
        wants_caller = flag(options, "disclose_caller")
        if wants_caller and not self._realm_context.disclosing:
            raise RequestError(uris.OPTION_NOT_ALLOWED, "this realm does not tell who calls: leave disclose_caller out")
        return RegisterOptions(wants_caller, flag(options, "forward_timeout"), whole(options, "concurrency", 1))

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

    # -- authorization, once, before the router is asked

    def _authorize(
        self,
        action: Action,
        uri: str,
        match: Match,
        message: Any,
        payload: Payload | None,
        then: Callable[[Any, Payload | None, Decision], Deferred[None] | None],
        decision: Decision | Deferred[Decision] | None = None,
    ) -> None:
        """Have ``then`` carry out the request if it is allowed, now or later. RequestError if it is refused now."""
        member, chain, options = self.member, self._realm_context.chain, message.options
        if decision is None:
            decision = self._decide(member.principal, action, uri, match, options)

        def decided(decision: Decision) -> Deferred[None] | None:
            if decision.verdict is not _ALLOW:
                raise refusal(self._realm_context.journal, member.principal, action, uri, decision)
            return then(message, payload, decision)

        refuse = partial(self.refuse, message)
        when_decided(self._session, chain, member, decision, action, uri, match, options, decided, refuse)

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

    # -- values that cannot be carried

    def not_carriable(self, message: Message, why: NotCarriable) -> None:
        """What the router wanted to tell this member has no form in its serializer, or is too long for it: the one
        that waits for an answer is told so."""
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
        """A message of this member holds a value that no serializer carries: the one that waits for an answer is told
        so."""
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


def match_of(options: Mapping[str, Any]) -> Match:
    """The match policy of SUBSCRIBE or REGISTER; a bad one costs the request, not the session."""
    return choice(options, "match", Match.EXACT) if options else Match.EXACT


def event_details(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What PUBLISH.Options add to the details of EVENT; None for nothing."""
    return _details(options, trusted, "publisher")


def invocation_details(options: Mapping[str, Any], trusted: bool) -> dict[str, Any] | None:
    """What CALL.Options add to the details of INVOCATION; None for nothing."""
    return _details(options, trusted, "caller")


def _details(options: Mapping[str, Any], trusted: bool, who: str) -> dict[str, Any] | None:
    details: dict[str, Any] = {}
    if trusted and "forward_for" in options:
        details.update(_first(options["forward_for"], who))
    said = options.get(OPTION)
    if isinstance(said, str) and len(said) <= _LONGEST_HASH:
        details[OPTION] = said
    return details or None


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


def readable_part(unfit: Unfit, journal: IJournal, joined: bool) -> Any:
    """What is handled of a message with a value that no serializer carries: a request of a client that has joined is
    refused (``Requests._unfit``), any other message goes without the value."""
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
