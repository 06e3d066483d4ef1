"""The life of one WAMP v1 client: what every Oro in the field speaks, with Ratchet's semantics.

Its form on the wire is ``wamp.v1``'s matter. A v1 client is joined at once, gets no answer to what it subscribes or
publishes, and is closed with 1007 for what stock closes it for. Topics are opaque strings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.authz.grants import Grants
from orosync.errors import NotCarriable, ProtocolViolation, Refused, RequestError, Unfit
from orosync.interfaces import ILink, ISession
from orosync.model import NOTHING, Action, ConnectionFacts, Decision, Match, Principal, Traits, Verdict
from orosync.router.delivery import Member
from orosync.router.filters import Filters
from orosync.session.hosted import HostedRealm
from orosync.session.identify import Standings
from orosync.session.limits import no_room, one_too_many
from orosync.session.lobby import Lobby
from orosync.session.refusal import error_of, refusal
from orosync.session.review import Joined
from orosync.wamp import names, uris, v1
from orosync.wamp.messages import Error, Goodbye, Message, Result
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

# Looking a member up on its Enum is slow before Python 3.12.
_EXACT, _PUBLISH, _ALLOW = Match.EXACT, Action.PUBLISH, Verdict.ALLOW
_TOO_LONG = f"the procedure or the id of the call has more than {uris.LONGEST} characters"


@implementer(ISession)
class V1Session:
    """See ISession. ``principal`` was established by the handshake, and rests on ``standings`` from then on."""

    _log = Logger()

    def __init__(
        self,
        lobby: Lobby,
        hosted: HostedRealm,
        facts: ConnectionFacts,
        principal: Principal,
        traits: Traits,
        standings: Standings = (),
    ) -> None:
        self.traits = traits
        self._lobby = lobby
        self._hosted, self._facts = hosted, facts
        self._principal, self._standings = principal, standings
        self._decide = hosted.chain.decide
        self._grants: Grants | None = None
        self._granted: Mapping[str, Decision] = NOTHING
        self._broker_publish = hosted.realm.broker.publish
        self._post = hosted.office.post
        self._prefixes = v1.Prefixes()
        self.bucket = lobby.bucket(facts, principal)
        self._link: ILink | None = None
        self._member: Member | None = None
        self._calls: dict[int, str] = {}
        self._call_count, self._told_unknown = 0, False

    def opened(self, link: ILink) -> None:
        self._link = link
        link.bucket = self.bucket
        self._wire = self._lobby.wires.v1(link.framer)
        session = self._hosted.free_id()
        self._principal = self._hosted.introduced(self._principal, session, self._facts)
        member = Member(session, self._principal, frozenset(), self._wire, link.send, self._tell, self.expel)
        member.call_limit, self._member = self._lobby.call_limit, member
        self._hosted.join(member)
        self.bucket.join(self._principal.authid, self._principal.authrole, self._hosted.unlimited)
        self._lobby.entered(self)
        if self._standings:
            self._lobby.rechecks.entered(self, self._standings)
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
            if isinstance(message, v1.Publish):
                decision = self._granted.get(message.topic)
                if decision is None:
                    self._authorise(_PUBLISH, message.topic, message, self._publish)
                else:
                    self._publish(message, decision)
            elif isinstance(message, v1.Subscribe):
                self._authorise(Action.SUBSCRIBE, message.topic, message, self._subscribe)
            elif isinstance(message, v1.Unsubscribe):
                self._unsubscribe(member, message.topic)
            elif isinstance(message, v1.Call):
                self._authorise(Action.CALL, message.procedure, message, self._call)
        except ProtocolViolation as violation:
            self._violated(violation)
        except Unfit as unfit:
            self._lobby.journal.note("payload.refused", type(unfit.message).__name__.lower(), reason=str(unfit))
            if isinstance(unfit.message, v1.Call):
                self._say(v1.encode_error(unfit.message.call_id, names.INVALID_ARGUMENT, str(unfit)))
        except RequestError as error:
            # v1 has no answer to a PUBLISH or SUBSCRIBE that the router refuses.
            self._lobby.journal.count("request.refused", error.uri)
        except Exception:
            self._failed(Failure())

    def closed(self, clean: bool, code: int | None, reason: str) -> None:
        self.bucket.gone()
        self._leave()
        self._link = None
        self._lobby.left(self)

    def joined(self) -> Joined | None:
        """See review.Tenant."""
        return None if self._member is None else Joined(self._hosted, self._member, self._facts)

    def shutdown(self) -> None:
        """Drop TCP without a CLOSE: after a clean close Oro's browser code would not come back (facts: AutobahnJS)."""
        self._drop("the router is shutting down")

    def dismiss(self, refusal: Refused) -> None:
        """The login is gone. Dropped as at a shutdown: Oro's page comes back with a new ticket, if it can have one."""
        self._lobby.journal.note("session.ended", refusal.kind, user=self._principal.authid, reason=refusal.reason)
        self._drop("what the login rests on is gone")

    def expel(self, goodbye: Goodbye) -> None:
        """Killed by another session. Dropped: v1 has no GOODBYE, and a clean close would silence the page."""
        self._lobby.journal.note("session.ended", "killed", user=self._principal.authid, reason=goodbye.reason)
        self._drop("killed by another session")

    def _drop(self, reason: str) -> None:
        self._leave()
        if self._link is not None:
            self._link.drop(reason, linger=True)

    # -- what it asks for, once authorised

    def _publish(self, message: v1.Publish, decision: Decision) -> None:
        exclude_me, filters = message.exclude_me, None
        if message.exclude or message.eligible:
            exclude_me, filters = Filters.from_v1(message.exclude, message.eligible)
        made = self._broker_publish(
            message.topic, message.payload, self._member, exclude_me, filters, decision.disclose
        )
        self._post(made[1])

    def _subscribe(self, message: v1.Subscribe, decision: Decision) -> None:
        member = self._member
        if member is None:
            return
        broker, limit = self._hosted.realm.broker, self._lobby.subscription_limit
        if len(member.subscriptions) >= limit and not broker.has(member, message.topic):
            one_too_many(self._lobby.journal, self._principal, Action.SUBSCRIBE, message.topic, limit)
            self._say(v1.not_allowed(message.topic))
            return
        # v1 cannot ask for what is retained, so it gets what a channel retains for everybody.
        get_retained = self._hosted.chain.retained(message.topic)
        self._post(broker.subscribe(member, message.topic, _EXACT, get_retained)[1])
        self._hosted.subscribed(message.topic, member.session, member.principal)

    def _unsubscribe(self, member: Member, topic: str) -> None:
        broker = self._hosted.realm.broker
        subscription = broker.lookup(topic, _EXACT)
        if subscription is not None and subscription.id in member.subscriptions:
            self._post(broker.unsubscribe(member, subscription.id))

    def _call(self, message: v1.Call, decision: Decision) -> None:
        member = self._member
        if member is None:
            return
        request = self._call_count = self._call_count + 1
        self._calls[request] = message.call_id
        call = self._hosted.realm.dealer.call
        try:
            self._post(call(member, request, message.procedure, {}, message.payload, decision.disclose))
        except RequestError as error:
            if error.uri == names.UNAVAILABLE:
                no_room(self._lobby.journal, self._principal, message.procedure, error)
            self._tell(Error(CALL, request, {}, error.uri), Payload.of([error.message], None))

    # -- authorization

    def _authorise(self, action: Action, uri: str, message: Any, then: Callable[[Any, Decision], None]) -> None:
        member = self._member
        assert member is not None
        if len(uri) > uris.LONGEST or (action is Action.CALL and len(message.call_id) > uris.LONGEST):
            return self._too_long(action, message)
        if action is _PUBLISH:
            decision = self._judge_publish(uri, member)
        else:
            decision = self._decide(member.principal, action, uri, _EXACT, NOTHING)
        if isinstance(decision, Decision):
            if decision.verdict is _ALLOW:
                then(message, decision)
            else:
                self._refuse(decision, action, uri, message)
            return
        assert isinstance(decision, Deferred) and self._link is not None
        link = self._link
        link.pause()
        settled = Deferred.fromCoroutine(self._hosted.chain.still(member, decision, action, uri, _EXACT, NOTHING))
        settled.addCallback(self._decided, action, uri, message, then)
        settled.addErrback(self._failed)
        settled.addBoth(lambda _: link.resume())

    def _judge_publish(self, topic: str, member: Member) -> Decision | Deferred[Decision]:
        grants = self._grants
        if grants is None:
            self._grants = grants = self._hosted.chain.grants(member.principal, _PUBLISH)
            self._granted = grants.known
        return grants.decide(topic, NOTHING)

    def _decided(
        self, decision: Decision, action: Action, uri: str, message: Any, then: Callable[[Any, Decision], None]
    ) -> None:
        if self._member is None:
            return
        if decision.verdict is _ALLOW:
            then(message, decision)
        else:
            self._refuse(decision, action, uri, message)

    def _refuse(self, decision: Decision, action: Action, uri: str, message: Any) -> None:
        journal = self._lobby.journal
        if not decision.declared:
            # Stock closes the connection here, which silences the page until it is reloaded.
            if self._told_unknown:
                journal.count("topic.unknown", action.value)
            else:
                self._told_unknown = True
                journal.note("topic.unknown", action.value, user=self._principal.authid, uri=uri, rule=decision.rule)
            error = error_of(action, uri, decision)
        else:
            error = refusal(journal, self._principal, action, uri, decision)
        if action is Action.CALL:
            self._say(v1.encode_error(message.call_id, error.uri, error.message))
        elif action is Action.SUBSCRIBE and decision.declared:
            self._say(v1.not_allowed(uri))

    def _too_long(self, action: Action, message: Any) -> None:
        self._lobby.journal.count("request.refused", names.INVALID_URI)
        if action is Action.CALL:
            self._say(v1.encode_error(message.call_id, names.INVALID_URI, _TOO_LONG))
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
            self._lobby.journal.note("payload.undeliverable", type(message).__name__.lower(), reason=str(error))
            uri = message.error if isinstance(message, Error) else names.INVALID_ARGUMENT
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
        self._lobby.journal.note("session.violation", "v1", user=user, address=address, reason=str(violation))
        self._end(1007, "protocol violation")

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, ProtocolViolation):
            self._violated(failure.value)
            return
        self._log.failure("a message could not be handled", failure=failure)
        self._lobby.journal.count("session.failed", "v1")
        self._end(1011, "internal error")

    def _end(self, code: int, reason: str) -> None:
        self._leave()
        if self._link is not None:
            self._link.close(code, reason)

    def _leave(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            self._hosted.leave(member)
            self._lobby.rechecks.left(self)
