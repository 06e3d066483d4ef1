"""The life of one WAMP v2 client: HELLO, authentication, WELCOME, requests, GOODBYE.

A session joins transport, identity and realm for one client. Which message is legal when stands in ``wamp.v2``, what a
request does in ``session.v2_requests``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.errors import NotCarriable, ProtocolViolation, Refused, RequestError, Unavailable, Unfit
from orosync.identity.credentials import (
    ANONYMOUS,
    Credentials,
    credentials_of,
    identify_at_hello,
    suffices,
    watched_credentials,
)
from orosync.interfaces import IDENTIFYING, AuthenticationStep, HelloDetails, IAuthenticator, ILink, ISession
from orosync.model import ConnectionFacts, ConnectionPolicy, Principal
from orosync.router.deliveries import Member
from orosync.session import features
from orosync.session.context import ListenerContext, ending
from orosync.session.realm_context import RealmContext
from orosync.session.reauthorization import Joined
from orosync.session.replies import at_once, wait_for
from orosync.session.v2_requests import ANSWERING, ASKING, COUNTED_HANDLERS, Requests, readable_part
from orosync.wamp import uris
from orosync.wamp.codec import Codec
from orosync.wamp.messages import Abort, Authenticate, Challenge, Goodbye, Hello, Message, Welcome
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import Lifecycle


@implementer(ISession)
class V2Session:
    """See ISession. ``principal`` was authenticated by the handshake, by ``credentials``; None: HELLO decides."""

    _log = Logger()
    protocol = "v2"

    def __init__(
        self,
        context: ListenerContext,
        facts: ConnectionFacts,
        codec: Codec,
        principal: Principal | None,
        policy: ConnectionPolicy,
        credentials: Credentials = (),
    ) -> None:
        self.policy, self.bucket = policy, context.bucket(facts, principal)
        self._context, self._facts, self._codec = context, facts, codec
        self._decode, self._binary = codec.decode, codec.binary
        self._known, self._credentials = principal, credentials
        self._lifecycle = Lifecycle()
        self._link: ILink | None = None
        self._authenticator: IAuthenticator | None = None
        self._answer: Callable[[str, Mapping[str, Any]], Deferred[Principal]] | None = None
        self._asked: Deferred[Any] | None = None
        self._hello: Hello | None = None
        self._realm_context: RealmContext | None = None
        self._requests: Requests | None = None
        self._session_id, self._over, self._parted = 0, False, False

    # -- what the transport calls

    def opened(self, link: ILink) -> None:
        self._link = link
        link.bucket = self.bucket
        self._wire = self._context.wires.v2(self._codec, link.framer)
        self._deadline = self._context.deadlines.set(self._overdue)
        self._context.entered(self)

    def received(self, data: bytes, binary: bool) -> None:
        if self._over:
            return
        try:
            if binary is not self._binary:
                raise ProtocolViolation(f"{self._codec.subprotocol} goes in {'text' if binary else 'binary'} frames")
            try:
                message, payload = self._decode(data)
            except Unfit as unfit:
                message, payload = readable_part(unfit, self._context.journal, self._requests is not None), None
            requests: Any = self._requests
            handler = None
            if requests is None or (handler := self._handlers.get(message.__class__)) is not None:
                bucket = self.bucket
                bucket.left -= 1
                if bucket.left < 0:
                    bucket.spent(self._link)  # type: ignore[arg-type]
            else:
                handler = ANSWERING.get(message.__class__)
            if handler is not None:  # joined: every request is legal (``wamp.v2``: OPEN) and changes no phase
                try:
                    handler(requests, message, payload)
                except RequestError as error:
                    requests.refuse(message, error)
            elif not (self._parted and message.__class__ is Goodbye):  # some clients answer our answer
                self._lifecycle.received(message)
                self._handle(message)
        except ProtocolViolation as violation:
            self.violated(str(violation))
        except Exception:
            self._failed(Failure())

    def closed(self, clean: bool, code: int | None, reason: str) -> None:
        self.bucket.gone()
        self._over, self._link = True, None
        if self._asked is not None:
            self._asked.cancel()
        self._deadline.cancel()
        self._leave(ending(code, reason))
        self._context.left(self)

    def joined(self) -> Joined | None:
        """See RealmMember."""
        return None if self._requests is None else self._requests.joined(self._facts)

    @property
    def serializer(self) -> str:
        """See ListenerSession."""
        return self._codec.format.value

    def queued(self) -> int:
        """See ListenerSession."""
        return 0 if self._link is None else self._link.backlog()

    def shutdown(self) -> None:
        """The router is going down. GOODBYE and CLOSE 1001 (WAMP, section "Session Close") where the listener wants it.
        Elsewhere the connection just ends: autobahn-js and wampy.js never come back after a GOODBYE or ABORT."""
        if self._context.goodbye:
            self.end(uris.SYSTEM_SHUTDOWN, "the router is shutting down", 1001)
        elif not self._over:
            self._finish(None, "the router is shutting down")

    def dismiss(self, refusal: Refused) -> None:
        """The login is no longer valid: GOODBYE as to a killed session (WAMP, "Session Meta API")."""
        if self._requests is not None:
            user = self._requests.member.principal.authid
            self._context.journal.note("session.ended", refusal.code, user=user, reason=refusal.reason)
        self.end(uris.KILLED, "this login is no longer good")

    def expel(self, goodbye: Goodbye) -> None:
        """Killed by another session, and out already, or by an administrator."""
        self._context.journal.note("session.ended", "killed", session=self._session_id, reason=goodbye.reason)
        self.end(goodbye.reason, goodbye.details.get("message", ""))

    def end(self, reason: str, message: str, code: int = 1000) -> None:
        """End the session from our side: GOODBYE once joined, ABORT before."""
        if self._over or self._link is None:
            return
        if not self._parted:
            closing = Goodbye if self._requests is not None else Abort
            self._send(closing({"message": message} if message else {}, reason))
        self._finish(code, message)

    # -- HELLO to WELCOME

    def _handle(self, message: Message) -> None:
        if type(message) is Hello:
            self._greet(message)
        elif type(message) is Authenticate:
            assert self._answer is not None, "the lifecycle lets no AUTHENTICATE through without a CHALLENGE"
            answer, self._answer = self._answer, None
            self._identify(self._answered(answer(message.signature, message.extra)))
        elif type(message) is Goodbye:
            self._answer_goodbye()
        elif type(message) is Abort:
            self._finish(1000, "aborted by the client")

    def _greet(self, hello: Hello) -> None:
        try:
            uris.check(hello.realm)
        except RequestError as error:
            return self._refuse_hello("malformed_realm", error.uri, error.message)
        realm_context = self._context.realm(hello.realm)
        if realm_context is None:
            return self._refuse_hello("no_such_realm", uris.NO_SUCH_REALM, "no such realm here", realm=hello.realm)
        if not features.has_role(hello.details.get("roles")):
            raise ProtocolViolation("HELLO announces no role (details.roles)")
        self._hello, self._realm_context, self._parted = hello, realm_context, False
        self._session_id = realm_context.free_id()
        facts, known = hello_details(hello.realm, hello.details), self._known
        if (
            known is not None
            and (self._context.inside or realm_context.knows(known.authprovider))
            and suffices(known, facts)
        ):
            return self._join(known, self._credentials)
        able, method = self._context.able(realm_context, facts.authmethods)
        if not able:
            reason, uri = "none of the offered authmethods is served here", uris.NO_MATCHING_AUTH_METHOD
            return self._refuse_hello("no_method", uri, reason, offered=list(facts.authmethods), realm=hello.realm)
        return self._identify(self._greeted(facts, method, able))

    async def _greeted(self, hello: HelloDetails, method: str, able: Sequence[IAuthenticator]) -> None:
        found = await identify_at_hello(self._facts, hello, method, able, self._session_id)
        self._authenticator, outcome = found
        if not isinstance(outcome, AuthenticationStep):
            await self._accept(outcome)
        elif not self._over:
            self._answer = outcome.answer
            self._send(Challenge(outcome.method, dict(outcome.extra)))

    async def _answered(self, answer: Deferred[Principal]) -> None:
        await self._accept(await answer)

    async def _accept(self, outcome: Principal) -> None:
        assert self._authenticator is not None and self._realm_context is not None
        if self._over:
            return
        credentials = credentials_of(self._authenticator, self._facts, outcome)
        if self._facts.cookies or self._facts.origin is not None:
            admitted = self._context.admitted(self._realm_context)
            credentials += await watched_credentials(self._facts, outcome, admitted)
        if not self._over:
            self._join(outcome, credentials)

    def _join(self, principal: Principal, credentials: Credentials) -> None:
        assert self._realm_context is not None and self._hello is not None and self._link is not None
        self._realm_context = realm_context = self._context.realm_of(principal, self._realm_context, self._session_id)
        if not self._context.has_room(realm_context, principal):
            reason, limit, user = "too many connections for this user", self._context.user_limit, principal.authid
            return self._refuse_hello("too_many_sessions", uris.NOT_AUTHORIZED, reason, user=user, limit=limit)
        self._deadline.cancel()
        self._context.admitted_from(self._facts, principal)
        announced = features.announced(self._hello.details.get("roles"))
        known = realm_context.introduced(principal, self._session_id, self._facts)
        ways, inside = (self._wire, self._link.send, self._tell, self.expel), self._context.inside
        member = Member(self._session_id, known, announced, *ways, inside, self._context.call_limit)
        realm_context.join(member, self._facts, self.protocol)
        if credentials:
            self._context.revalidation.entered(self, credentials)
        self.bucket.join(principal.authid, principal.authrole, realm_context.unlimited, principal.is_backend)
        self._handlers = COUNTED_HANDLERS if realm_context.sequential else ASKING
        limits = self._context.subscription_limit, self._context.registration_limit
        self._requests = Requests(self, realm_context, member, *limits)
        details = features.welcome_details(
            realm_context.name, principal, self._hello.details, realm_context.mark, realm_context.roles
        )
        self._hello = self._asked = None  # up to a whole message, and not needed again
        try:
            self._send(Welcome(self._session_id, details))
        except NotCarriable:  # too long for a RawSocket client that takes short messages only
            self._send(Welcome(self._session_id, {**details, "authextra": dict(principal.extra)}))
        self._link.set_authenticated(True)
        return None

    # -- the end

    def _answer_goodbye(self) -> None:
        self._leave("GOODBYE of the client")
        self.bucket.leave()
        self._send(Goodbye({}, uris.GOODBYE_AND_OUT))
        # Until the client says HELLO again there is no session that could end wrongly.
        self._known, self._parted = None, True
        if self._link is not None:
            self._link.set_authenticated(False)
        self._deadline = self._context.deadlines.set(self._overdue)

    def _leave(self, reason: str) -> None:
        requests, self._requests = self._requests, None
        if requests is not None and self._realm_context is not None:
            self._realm_context.leave(requests.member, self._facts, self.protocol, reason)
            self._context.revalidation.left(self)

    def _refuse_hello(self, kind: str, uri: str, reason: str, **fields: object) -> None:
        """ABORT of a HELLO, with a line in the log: the administrator has the same reason as the client, and more."""
        self._context.journal.note("hello.refused", kind, address=self._facts.address, reason=reason, **fields)
        self._abort(uri, reason)

    def _abort(self, uri: str, message: str) -> None:
        self._send(Abort({"message": message}, uri))
        self._finish(1000, message)

    def violated(self, reason: str) -> None:
        """See ISession; what this session finds itself ends here too."""
        user = None if self._requests is None else self._requests.member.principal.authid
        self._context.journal.note("session.violation", "v2", user=user, address=self._facts.address, reason=reason)
        self._send(Abort({"message": reason}, uris.PROTOCOL_VIOLATION))
        self._finish(1002, "protocol violation")

    def _failed(self, failure: Failure) -> None:
        """A fault of ours ends this client's session only, and is logged."""
        self._log.failure("a message could not be handled", failure=failure)
        self._context.journal.count("session.failed", "v2")
        self._send(Abort({"message": "internal error"}, uris.RUNTIME_ERROR))
        self._finish(1011, "internal error")

    def _finish(self, code: int | None, reason: str) -> None:
        """The end, with a CLOSE unless ``code`` is None."""
        self._over = True
        self._deadline.cancel()
        self._leave(reason)
        if self._link is not None:
            self._link.drop(reason, linger=True) if code is None else self._link.close(code, reason)

    def _overdue(self) -> None:
        if self._parted:
            return self._finish(1000, "")
        self._context.journal.note("session.overdue", "v2", address=self._facts.address)
        self._abort(uris.AUTHENTICATION_FAILED, "HELLO and authentication took too long")

    # -- sending, and waiting for an authenticator or authorizer

    def _send(self, message: Message) -> None:
        if self._link is not None:
            frame = self._wire.frame(message)
            self._lifecycle.sent(message)
            self._link.send(frame)

    def _tell(self, message: Message, payload: Payload | None) -> None:
        """A message with a payload for this client alone. If its serializer cannot carry it, see ``not_carriable``."""
        if self._link is None:
            return
        try:
            self._link.push(self._wire.frame(message, payload))
        except NotCarriable as error:
            self._context.journal.note("payload.undeliverable", type(message).__name__.lower(), reason=str(error))
            if self._requests is not None:
                self._requests.not_carriable(message, error)
        except Exception:  # a fault of ours: it must not end the session that caused this message
            self._failed(Failure())

    def _identify(self, identification: Coroutine[Deferred[Any], Any, None]) -> None:
        """Carry out what asks an authenticator; as ``wait`` where it answers later. A client that goes meanwhile is not
        joined."""
        assert self._link is not None
        try:
            asked = at_once(identification)
        except Exception:
            self._refused(Failure())
            return
        if asked is not None:
            self._asked = asked
            wait_for(asked, lambda _: None, self._link, lambda: self._over, self._refused, IDENTIFYING)

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """See RequestingSession."""
        assert self._link is not None
        wait_for(outcome, then, self._link, lambda: self._over, self._refused)

    def _refused(self, failure: Failure) -> None:
        if self._over:
            return
        refusal = failure.value
        if isinstance(refusal, ProtocolViolation):
            self.violated(str(refusal))
        elif isinstance(refusal, Refused):
            self._context.journal.note(
                "hello.refused", refusal.code, address=self._facts.address, reason=refusal.reason
            )
            if isinstance(refusal, Unavailable):
                self._abort(uris.AUTHENTICATION_FAILED, "authentication is not possible at the moment")
            else:
                self._abort(uris.AUTHENTICATION_DENIED, "authentication denied")
        else:
            self._failed(failure)


def hello_details(realm: str, details: Mapping[str, Any]) -> HelloDetails:
    """The authentication part of HELLO.Details (WAMP "Session Establishment"); ProtocolViolation for another shape."""
    methods, authid = details.get("authmethods", [ANONYMOUS]), details.get("authid")
    extra = details.get("authextra", {})
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise ProtocolViolation("HELLO.Details.authmethods must be a list of strings")
    if not isinstance(authid, str | None) or not isinstance(extra, dict):
        raise ProtocolViolation("HELLO.Details.authid must be a string, authextra an object")
    return HelloDetails(realm, authid, tuple(methods), extra)
