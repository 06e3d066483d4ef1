"""What a joined WAMP v2 client asks for: each request is authorised once, here, and handed to the router.

One method for each message. It must not know transports or identity; answers leave through ``session.answer``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from orosync.authz.grants import Grants
from orosync.errors import NotCarriable, RequestError, TooLong, Unfit
from orosync.interfaces import IJournal
from orosync.model import NOTHING, Action, ConnectionFacts, Decision, Match, Verdict
from orosync.router.delivery import Member
from orosync.router.options import flag
from orosync.session.call_requests import CallRequests, match_of
from orosync.session.forwarded import told_of_event
from orosync.session.hosted import HostedRealm
from orosync.session.limits import no_room, one_too_many
from orosync.session.publication import Publication
from orosync.session.refusal import refusal
from orosync.session.review import Joined
from orosync.wamp import ids, names, trail, uris
from orosync.wamp.messages import (
    Call,
    Cancel,
    Error,
    Invocation,
    Message,
    Publish,
    Published,
    Register,
    Result,
    Subscribe,
    Subscribed,
    Unregister,
    Unsubscribe,
    Unsubscribed,
    Yield,
)
from orosync.wamp.passthru import described
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL, INVOCATION, PUBLISH

# Looking a member up on its Enum is slow before Python 3.12.
_EXACT, _PUBLISH, _ALLOW = Match.EXACT, Action.PUBLISH, Verdict.ALLOW
_SUBSCRIBE, _REGISTER = Action.SUBSCRIBE, Action.REGISTER

_REQUEST_CODE = {Publish: PUBLISH, Subscribe: 32, Unsubscribe: 34, Call: CALL, Register: 64, Unregister: 66}


class Asker(Protocol):
    """The session, as its requests see it."""

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], None]) -> None: ...


class Requests(CallRequests):
    """The requests of one joined ``member``. ``forwards``: its word is taken for whom it publishes and calls."""

    def __init__(
        self,
        asker: Asker,
        hosted: HostedRealm,
        member: Member,
        subscription_limit: int,
        registration_limit: int,
        forwards: bool = False,
    ) -> None:
        self.member = member
        self._asker = asker
        self._hosted = hosted
        self._strict = hosted.strict_uris
        self._well_formed = uris.exact_rule(self._strict)
        self._realm = hosted.realm
        self._broker_publish = hosted.realm.broker.publish
        self._decide = hosted.chain.decide
        self._topics: Grants | None = None
        self._granted_topics: Mapping[str, Decision] = NOTHING
        self._post = hosted.office.post
        self._subscription_limit, self._registration_limit = subscription_limit, registration_limit
        self._forwards = forwards or member.principal.authrole in hosted.forwarders

    def joined(self, facts: ConnectionFacts) -> Joined:
        """The member, for its review."""
        return Joined(self._hosted, self.member, facts)

    def not_carriable(self, message: Message, why: NotCarriable) -> None:
        """What the router wanted to tell this member has no form in its serializer, or is too long for it: whoever
        waits is told so."""
        error = names.PAYLOAD_SIZE_EXCEEDED if isinstance(why, TooLong) else names.INVALID_ARGUMENT
        payload = Payload.of([str(why)], None)
        if isinstance(message, Invocation):
            self._post(self._realm.dealer.failed(self.member, int(message.request), {}, error, payload))
        elif isinstance(message, Result | Error):
            if isinstance(message, Result):
                # One on the way: nothing more may follow on the ERROR.
                self._post(self._realm.dealer.withdraw(self.member, int(message.request)))
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
            message.details, message.error = {}, names.INVALID_ARGUMENT
            self._error(message, Payload.of([why], None))
        else:
            self.refuse(message, RequestError(names.INVALID_ARGUMENT, why))

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
            self._post(self._broker_publish(topic, payload, self.member, True, None, decision.disclose)[1])

    def _judge_publish(self, topic: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        if not self._well_formed(topic):
            uris.check(topic, _EXACT, strict=self._strict)
        grants = self._topics
        if grants is None:
            self._topics = grants = self._hosted.chain.grants(self.member.principal, _PUBLISH)
            self._granted_topics = grants.known
        return grants.decide(topic, options)

    def _publish_allowed(self, message: Publish, payload: Payload | None, decision: Decision) -> None:
        options = message.options
        wish = Publication.of(options)
        disclose = decision.disclose or self._hosted.may_disclose(options)
        told = told_of_event(options, self._forwards)
        sealed = described(options, self.member.features, "publisher")
        if sealed is not None:
            told = {**(told or {}), **sealed}
        if told is not None and self._hosted.forwarded.again(told.get(trail.OPTION)):
            self._hosted.journal.count("uplink.dropped", "again")
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
        self._post(deliveries)
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
            raise one_too_many(self._hosted.journal, member.principal, _SUBSCRIBE, message.topic, limit)
        get_retained = bool(message.options) and flag(message.options, "get_retained")
        subscription, deliveries = broker.subscribe(member, message.topic, match, get_retained)
        member.tell(Subscribed(message.request, subscription.id), None)
        self._post(deliveries)
        if match is _EXACT:
            self._hosted.subscribed(message.topic, member.session, member.principal)

    def _unsubscribe(self, message: Unsubscribe, payload: Payload | None) -> None:
        deliveries = self._realm.broker.unsubscribe(self.member, int(message.subscription))
        self.member.tell(Unsubscribed(message.request), None)
        self._post(deliveries)

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
        still = self._hosted.chain.still(self.member, decision, action, uri, match, options)
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
        raise refusal(self._hosted.journal, self.member.principal, action, uri, decision)

    def refuse(self, message: Message, error: RequestError) -> None:
        """Answer with an ERROR; an unacknowledged PUBLISH and messages that are no requests get silence."""
        code = _REQUEST_CODE.get(type(message))
        if code is None or (isinstance(message, Publish) and message.options.get("acknowledge") is not True):
            return
        request = message.request  # type: ignore[attr-defined]
        if isinstance(message, Call):
            if error.uri == names.UNAVAILABLE:
                no_room(self._hosted.journal, self.member.principal, message.procedure, error)
            # Should a call be in progress under this id, then this is its answer.
            self._post(self._realm.dealer.withdraw(self.member, int(request)))
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
