"""The life of one WAMP v1 client: what every released Oro speaks, with Ratchet's semantics.

The messages stand in ``wamp.v1``. A v1 client has joined as soon as its connection is open, gets no answer to
SUBSCRIBE and PUBLISH, and is closed with 1007 where Ratchet closes. Topics are opaque strings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.authz.chain import Grants
from orosync.errors import NotCarriable, ProtocolViolation, Refused, RequestError, Unfit
from orosync.identity.credentials import Credentials
from orosync.interfaces import ILink, ISession
from orosync.model import EMPTY, Action, ConnectionFacts, ConnectionPolicy, Decision, Match, Principal, Verdict
from orosync.router.deliveries import Member
from orosync.router.filters import Filters, PublishOptions
from orosync.session.context import ListenerContext, ending
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Joined
from orosync.session.replies import error_of, no_room, one_too_many, refusal, wait_for, when_decided
from orosync.wamp import uris, v1
from orosync.wamp.messages import Error, Goodbye, Message, Result
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

# Looking a member up on its Enum is slow before Python 3.12.
_EXACT, _PUBLISH, _ALLOW = Match.EXACT, Action.PUBLISH, Verdict.ALLOW
_TOO_LONG = f"the procedure or the id of the call has more than {uris.LONGEST} characters"


@implementer(ISession)
class V1Session:
    """See ISession. ``principal`` was authenticated by the handshake, by ``credentials``."""

    _log = Logger()
    protocol, serializer = "v1", "json"

    def __init__(
        self,
        context: ListenerContext,
        realm_context: RealmContext,
        facts: ConnectionFacts,
        principal: Principal,
        policy: ConnectionPolicy,
        credentials: Credentials = (),
    ) -> None:
        self.policy = policy
        self._context = context
        self._realm_context, self._facts = realm_context, facts
        self._principal, self._credentials = principal, credentials
        self._decide = realm_context.chain.decide
        self._grants: Grants | None = None
        self._broker_publish = realm_context.realm.broker.publish
        self._deliver = realm_context.dispatcher.deliver
        self._prefixes = v1.Prefixes()
        self.bucket = context.bucket(facts, principal)
        self._link: ILink | None = None
        self._member: Member | None = None
        self._calls: dict[int, str] = {}
        self._call_count, self._told_unknown = 0, False

    def opened(self, link: ILink) -> None:
        self._link = link
        link.bucket = self.bucket
        self._wire = self._context.wires.v1(link.framer)
        session = self._realm_context.free_id()
        self._principal = self._realm_context.introduced(self._principal, session, self._facts)
        member = Member(session, self._principal, frozenset(), self._wire, link.send, self._tell, self.expel)
        member.call_limit, self._member = self._context.call_limit, member
        self._realm_context.join(member, self._facts, self.protocol)
        self.bucket.join(self._principal.authid, self._principal.authrole, self._realm_context.unlimited)
        self._context.entered(self)
        if self._credentials:
            self._context.revalidation.entered(self, self._credentials)
        link.push(self._wire.frame(v1.encode_welcome(member.session)))
        link.set_authenticated(True)

    def received(self, data: bytes, binary: bool) -> None:
        member = self._member
        if member is None:
            return
        bucket = self.bucket
        bucket.left -= 1
        if bucket.left < 0:
            bucket.spent(self._link)  # type: ignore[arg-type]
        try:
            message = v1.parse(data, self._prefixes)
            if isinstance(message, v1.V1Publish):
                grants = self._grants
                if grants is None:
                    self._grants = grants = self._realm_context.chain.grants(member.principal, _PUBLISH, opaque=True)
                decision = grants.known.get(message.topic)
                if decision is None:
                    self._authorize(_PUBLISH, message.topic, message, self._publish)
                else:
                    self._publish(message, decision)
            elif isinstance(message, v1.V1Subscribe):
                self._authorize(Action.SUBSCRIBE, message.topic, message, self._subscribe)
            elif isinstance(message, v1.V1Unsubscribe):
                self._unsubscribe(member, message.topic)
            elif isinstance(message, v1.V1Call):
                self._authorize(Action.CALL, message.procedure, message, self._call)
        except ProtocolViolation as violation:
            self._violated(violation)
        except Unfit as unfit:
            kind = type(unfit.message).__name__.removeprefix("V1").lower()
            self._context.journal.note("payload.refused", kind, reason=str(unfit))
            if isinstance(unfit.message, v1.V1Call):
                self._say(v1.encode_error(unfit.message.call_id, uris.INVALID_ARGUMENT, str(unfit)))
        except RequestError as error:
            self._not_carried_out(error)
        except Exception:
            self._failed(Failure())

    def closed(self, clean: bool, code: int | None, reason: str) -> None:
        self.bucket.gone()
        self._leave(ending(code, reason))
        self._link = None
        self._context.left(self)

    def joined(self) -> Joined | None:
        """See RealmMember."""
        return None if self._member is None else Joined(self._realm_context, self._member, self._facts)

    def queued(self) -> int:
        """See ListenerSession."""
        return 0 if self._link is None else self._link.backlog()

    def shutdown(self) -> None:
        """Drop TCP without a CLOSE: after a clean close Oro's browser code would not come back (facts: AutobahnJS)."""
        self._drop("the router is shutting down")

    def dismiss(self, refusal: Refused) -> None:
        """The login is no longer valid. Dropped as at a shutdown: Oro's page then asks for a new ticket by itself."""
        self._context.journal.note("session.ended", refusal.code, user=self._principal.authid, reason=refusal.reason)
        self._drop("the login is no longer valid")

    def expel(self, goodbye: Goodbye) -> None:
        """Killed by another session or an administrator. Dropped: v1 has no GOODBYE, and a clean close would silence
        the page."""
        self._context.journal.note("session.ended", "killed", user=self._principal.authid, reason=goodbye.reason)
        self._drop("killed")

    def _drop(self, reason: str) -> None:
        self._leave(reason)
        if self._link is not None:
            self._link.drop(reason, linger=True)

    # -- what it asks for, once authorized

    def _publish(self, message: v1.V1Publish, decision: Decision) -> None:
        topic, payload, member = message.topic, message.payload, self._member
        if message.exclude or message.eligible:
            exclude_me, filters = Filters.from_v1(message.exclude, message.eligible)
            options = PublishOptions(exclude_me=exclude_me, filters=filters)
            realm_context = self._realm_context
            broker, publish = realm_context.realm.broker, realm_context.dispatcher.publish
            publish(broker, topic, payload, member, options, decision.disclose)
        else:  # what nearly every PUBLISH is, written out
            self._deliver(self._broker_publish(topic, payload, member, message.exclude_me, None, decision.disclose)[1])

    def _subscribe(self, message: v1.V1Subscribe, decision: Decision) -> None:
        member = self._member
        if member is None:
            return
        broker, limit = self._realm_context.realm.broker, self._context.subscription_limit
        if len(member.subscriptions) >= limit and not broker.has(member, message.topic):
            one_too_many(self._context.journal, self._principal, Action.SUBSCRIBE, message.topic, limit)
            self._say(v1.not_allowed(message.topic))
            return
        # v1 cannot ask for retained events, so it gets those that a channel retains for all subscribers.
        get_retained = self._realm_context.chain.retained(message.topic)
        self._deliver(broker.subscribe(member, message.topic, _EXACT, get_retained)[1])
        self._realm_context.subscribed(message.topic, member.session, member.principal)

    def _unsubscribe(self, member: Member, topic: str) -> None:
        broker = self._realm_context.realm.broker
        subscription = broker.lookup(topic, _EXACT)
        if subscription is not None and subscription.id in member.subscriptions:
            self._deliver(broker.unsubscribe(member, subscription.id))

    def _call(self, message: v1.V1Call, decision: Decision, again: bool = False) -> Deferred[None] | None:
        member = self._member
        if member is None:
            return None
        request = self._call_count = self._call_count + 1
        self._calls[request] = message.call_id
        call = self._realm_context.realm.dealer.call
        try:
            self._deliver(call(member, request, message.procedure, {}, message.payload, decision.disclose))
        except RequestError as error:
            news = None if again else self._realm_context.news_about(message.procedure, error)
            if news is not None:
                del self._calls[request]
                news.addCallback(lambda _: self._call(message, decision, again=True))
                return news
            if error.uri == uris.UNAVAILABLE:
                no_room(self._context.journal, self._principal, message.procedure, error)
            self._tell(Error(CALL, request, {}, error.uri), Payload.of([error.message], None))
        return None

    # -- authorization

    def _authorize(
        self, action: Action, uri: str, message: Any, then: Callable[[Any, Decision], Deferred[None] | None]
    ) -> None:
        member = self._member
        assert member is not None
        if len(uri) > uris.LONGEST or (action is Action.CALL and len(message.call_id) > uris.LONGEST):
            return self._too_long(action, message)
        decision: Any
        if action is _PUBLISH:
            assert self._grants is not None
            decision = self._grants.decide(uri, EMPTY)
        else:
            decision = self._decide(member.principal, action, uri, _EXACT, EMPTY)
        if decision.__class__ is Decision and decision.verdict is _ALLOW:  # the usual case, written out
            more = then(message, decision)
            if more is not None:
                self.wait(more, lambda _: None)
            return None

        def decided(decision: Decision) -> Deferred[None] | None:
            if decision.verdict is _ALLOW:
                return then(message, decision)
            self._refuse(decision, action, uri, message)
            return None

        chain = self._realm_context.chain
        when_decided(self, chain, member, decision, action, uri, _EXACT, EMPTY, decided, self._not_carried_out)
        return None

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """See RequestingSession."""
        assert self._link is not None
        wait_for(outcome, then, self._link, lambda: self._member is None, self._failed)

    def _not_carried_out(self, error: RequestError) -> None:
        """v1 has no answer to a PUBLISH or SUBSCRIBE that the router refuses."""
        user = self._principal.authid
        self._context.journal.count("request.refused", error.uri, user=user, reason=error.message)

    def _refuse(self, decision: Decision, action: Action, uri: str, message: Any) -> None:
        journal = self._context.journal
        if not decision.declared:
            # Stock closes the connection here, which silences the page until it is reloaded.
            fields = {"user": self._principal.authid, "uri": uri, "rule": decision.rule}
            if self._told_unknown:
                journal.count("topic.unknown", action.value, **fields)
            else:
                self._told_unknown = True
                journal.note("topic.unknown", action.value, **fields)
            error = error_of(action, uri, decision)
        else:
            error = refusal(journal, self._principal, action, uri, decision)
        if action is Action.CALL:
            self._say(v1.encode_error(message.call_id, error.uri, error.message))
        elif action is Action.SUBSCRIBE and decision.declared:
            self._say(v1.not_allowed(uri))

    def _too_long(self, action: Action, message: Any) -> None:
        self._context.journal.count("request.refused", uris.INVALID_URI, user=self._principal.authid, reason=_TOO_LONG)
        if action is Action.CALL:
            self._say(v1.encode_error(message.call_id, uris.INVALID_URI, _TOO_LONG))
        elif action is Action.SUBSCRIBE:
            self._say(v1.not_allowed(message.topic))

    # -- what is told to it, and the end

    def _tell(self, message: Message, payload: Payload | None) -> None:
        """RESULT and ERROR of its calls; v1 has no form for anything else. It never raises: it is the callee that is
        being handled, and must not pay for it."""
        if not isinstance(message, Result | Error) or (message.__class__ is Result and message.details.get("progress")):
            return
        call_id = self._calls.pop(int(message.request), None)
        if call_id is None:
            return
        try:
            if isinstance(message, Error):
                said = v1.encode_error(call_id, message.error, *v1.description_of(payload))
            else:
                said = v1.encode_result(call_id, payload)
        except NotCarriable as error:
            self._context.journal.note("payload.undeliverable", type(message).__name__.lower(), reason=str(error))
            uri = message.error if isinstance(message, Error) else uris.INVALID_ARGUMENT
            said = v1.encode_error(call_id, uri, str(error))
        except Exception:
            return self._failed(Failure())
        self._say(said)

    def _say(self, text: bytes) -> None:
        if self._link is not None:
            self._link.push(self._wire.frame(text))

    def violated(self, reason: str) -> None:
        """See ISession."""
        self._violated(ProtocolViolation(reason))

    def _violated(self, violation: ProtocolViolation) -> None:
        user, address = self._principal.authid, self._facts.address
        self._context.journal.note("session.violation", "v1", user=user, address=address, reason=str(violation))
        self._end(1007, "protocol violation")

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, ProtocolViolation):
            self._violated(failure.value)
            return
        self._log.failure("a message could not be handled", failure=failure)
        self._context.journal.count("session.failed", "v1")
        self._end(1011, "internal error")

    def _end(self, code: int, reason: str) -> None:
        self._leave(reason)
        if self._link is not None:
            self._link.close(code, reason)

    def _leave(self, reason: str) -> None:
        member, self._member = self._member, None
        if member is not None:
            self._realm_context.leave(member, self._facts, self.protocol, reason)
            self._context.revalidation.left(self)
