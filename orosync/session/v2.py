"""The life of one WAMP v2 client: HELLO, identity, join, requests, goodbye.

What is legal when stands in ``wamp.v2``; what a request does stands in ``session.requests``. This file joins
transport, identity and realm for one client and must not know bytes on the wire or how users are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync.errors import NotCarriable, ProtocolViolation, Refused, RequestError, Unavailable, Unfit
from orosync.interfaces import Challenge as Question
from orosync.interfaces import IAuthenticator, ILink, ISession
from orosync.model import ConnectionFacts, Principal, Traits
from orosync.router.delivery import Member
from orosync.session import features
from orosync.session.counted import COUNTED_HANDLERS
from orosync.session.hosted import HostedRealm
from orosync.session.identify import Standings, standings_of, suffices, told, watches
from orosync.session.lobby import Lobby
from orosync.session.requests import ANSWERING, ASKING, Requests, spared
from orosync.session.review import Joined
from orosync.session.waiting import Waiting
from orosync.wamp import names, uris
from orosync.wamp.codec import Codec
from orosync.wamp.messages import Abort, Authenticate, Challenge, Goodbye, Hello, Message, Welcome
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import Lifecycle


@implementer(ISession)
class V2Session(Waiting):
    """See ISession. ``principal`` is who the handshake made it out to be, resting on ``standings``; None where HELLO
    shall tell."""

    _log = Logger()

    def __init__(
        self,
        lobby: Lobby,
        facts: ConnectionFacts,
        codec: Codec,
        principal: Principal | None,
        traits: Traits,
        standings: Standings = (),
    ) -> None:
        self.traits, self.bucket = traits, lobby.bucket(facts, principal)
        self._lobby, self._facts, self._codec = lobby, facts, codec
        self._decode, self._binary = codec.decode, codec.binary
        self._known, self._standings = principal, standings
        self._lifecycle = Lifecycle()
        self._link: ILink | None = None
        self._authenticator: IAuthenticator | None = None
        self._answer: Callable[[str, Mapping[str, Any]], Deferred[Principal]] | None = None
        self._hello: Hello | None = None
        self._hosted: HostedRealm | None = None
        self._requests: Requests | None = None
        self._session_id, self._over, self._parted = 0, False, False

    # -- what the transport calls

    def opened(self, link: ILink) -> None:
        self._link = link
        link.bucket = self.bucket
        self._wire = self._lobby.wires.v2(self._codec, link.framer)
        self._deadline = self._lobby.deadlines.set(self._overdue)
        self._lobby.entered(self)

    def received(self, data: bytes, binary: bool) -> None:
        if self._over:
            return
        try:
            if binary is not self._binary:
                raise ProtocolViolation(f"{self._codec.subprotocol} goes in {'text' if binary else 'binary'} frames")
            try:
                message, payload = self._decode(data)
            except Unfit as unfit:
                message, payload = spared(unfit, self._lobby.journal, self._requests is not None), None
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
        self._deadline.cancel()
        self._leave()
        self._lobby.left(self)

    def joined(self) -> Joined | None:
        """See review.Tenant."""
        return None if self._requests is None else self._requests.joined(self._facts)

    def shutdown(self) -> None:
        """The router is going down. GOODBYE and CLOSE 1001 (WAMP, section "Session Close") where the listener wants it.
        Elsewhere the connection just ends: autobahn-js and wampy.js never come back after a GOODBYE or ABORT."""
        if self._lobby.goodbye:
            self.end(names.SYSTEM_SHUTDOWN, "the router is shutting down", 1001)
        elif not self._over:
            self._finish(None, "the router is shutting down")

    def dismiss(self, refusal: Refused) -> None:
        """The login is gone: GOODBYE as to whoever is killed (WAMP, section "Session Meta API")."""
        if self._requests is not None:
            user = self._requests.member.principal.authid
            self._lobby.journal.note("session.ended", refusal.kind, user=user, reason=refusal.reason)
        self.end(names.KILLED, "this login is no longer good")

    def expel(self, goodbye: Goodbye) -> None:
        """Killed by another session; it is out already."""
        self._lobby.journal.note("session.ended", "killed", session=self._session_id, reason=goodbye.reason)
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
            self.wait(answer(message.signature, message.extra), self._accept)
        elif type(message) is Goodbye:
            self._take_leave()
        elif type(message) is Abort:
            self._finish(1000, "aborted by the client")

    def _greet(self, hello: Hello) -> None:
        try:
            uris.check(hello.realm)
        except RequestError as error:
            return self._turn_away("malformed_realm", error.uri, error.message)
        hosted = self._lobby.realm(hello.realm)
        if hosted is None:
            return self._turn_away("no_such_realm", names.NO_SUCH_REALM, "no such realm here", realm=hello.realm)
        if not features.has_role(hello.details.get("roles")):
            raise ProtocolViolation("HELLO announces no role (details.roles)")
        self._hello, self._hosted, self._parted = hello, hosted, False
        self._session_id = hosted.free_id()
        facts, known = told(hello.realm, hello.details), self._known
        if known is not None and (self._lobby.inside or hosted.knows(known.authprovider)) and suffices(known, facts):
            return self._join(known, self._standings)
        chosen = self._lobby.authenticator(hosted, facts.authmethods)
        if chosen is None:
            reason, uri = "none of the offered authmethods is served here", names.NO_MATCHING_AUTH_METHOD
            return self._turn_away("no_method", uri, reason, offered=list(facts.authmethods), realm=hello.realm)
        self._authenticator, method = chosen
        self.wait(self._authenticator.at_hello(self._facts, facts, method, self._session_id), self._accept)
        return None

    def _accept(self, outcome: Principal | Question) -> Deferred[None] | None:
        if isinstance(outcome, Question):
            self._answer = outcome.answer
            self._send(Challenge(outcome.method, dict(outcome.extra)))
            return None
        assert self._authenticator is not None and self._hosted is not None
        own = standings_of(self._authenticator, self._facts, outcome)
        if not self._facts.cookies:
            self._join(outcome, own)
            return None
        also = Deferred.fromCoroutine(watches(self._facts, outcome, self._lobby.admitted(self._hosted)))
        return also.addCallback(self._if_still_here, lambda more: self._join(outcome, own + more))

    def _join(self, principal: Principal, standings: Standings) -> None:
        assert self._hosted is not None and self._hello is not None and self._link is not None
        self._hosted = hosted = self._lobby.led(principal, self._hosted, self._session_id)
        if not self._lobby.has_room(hosted, principal):
            reason, limit, user = "too many connections for this user", self._lobby.user_limit, principal.authid
            return self._turn_away("too_many_sessions", names.NOT_AUTHORIZED, reason, user=user, limit=limit)
        self._deadline.cancel()
        self._lobby.admitted_from(self._facts, principal)
        announced = features.announced(self._hello.details.get("roles"))
        known = hosted.introduced(principal, self._session_id, self._facts)
        ways, inside = (self._wire, self._link.send, self._tell, self.expel), self._lobby.inside
        member = Member(self._session_id, known, announced, *ways, inside, self._lobby.call_limit)
        hosted.join(member)
        if standings:
            self._lobby.rechecks.entered(self, standings)
        self.bucket.join(principal.authid, principal.authrole, hosted.unlimited, principal.precious)
        self._handlers = COUNTED_HANDLERS if hosted.sequential else ASKING
        limits = self._lobby.subscription_limit, self._lobby.registration_limit
        self._requests = Requests(self, hosted, member, *limits)
        details = features.welcomed(hosted.name, principal, self._hello.details, hosted.mark, hosted.roles)
        self._hello = None  # up to a whole message, which nobody needs again
        self._send(Welcome(self._session_id, details))
        self._link.set_authenticated(True)
        return None

    # -- the end

    def _take_leave(self) -> None:
        self._leave()
        self.bucket.leave()
        self._send(Goodbye({}, names.GOODBYE_AND_OUT))
        # Until the client says HELLO again there is no session that could end wrongly.
        self._known, self._parted = None, True
        if self._link is not None:
            self._link.set_authenticated(False)
        self._deadline = self._lobby.deadlines.set(self._overdue)

    def _leave(self) -> None:
        requests, self._requests = self._requests, None
        if requests is not None and self._hosted is not None:
            self._hosted.leave(requests.member)
            self._lobby.rechecks.left(self)

    def _turn_away(self, kind: str, uri: str, reason: str, **fields: object) -> None:
        """ABORT of a HELLO, with a line in the log: the administrator has the same reason as the client, and more."""
        self._lobby.journal.note("hello.refused", kind, address=self._facts.address, reason=reason, **fields)
        self._abort(uri, reason)

    def _abort(self, uri: str, message: str) -> None:
        self._send(Abort({"message": message}, uri))
        self._finish(1000, message)

    def violated(self, reason: str) -> None:
        """See ISession; what this session finds itself ends here too."""
        user = None if self._requests is None else self._requests.member.principal.authid
        self._lobby.journal.note("session.violation", "v2", user=user, address=self._facts.address, reason=reason)
        self._send(Abort({"message": reason}, names.PROTOCOL_VIOLATION))
        self._finish(1002, "protocol violation")

    def _failed(self, failure: Failure) -> None:
        """A fault of ours must cost this client only, and nobody must have to guess what it was."""
        self._log.failure("a message could not be handled", failure=failure)
        self._lobby.journal.count("session.failed", "v2")
        self._send(Abort({"message": "internal error"}, names.RUNTIME_ERROR))
        self._finish(1011, "internal error")

    def _finish(self, code: int | None, reason: str) -> None:
        """The end, with a CLOSE unless ``code`` is None."""
        self._over = True
        self._deadline.cancel()
        self._leave()
        if self._link is not None:
            self._link.drop(reason, linger=True) if code is None else self._link.close(code, reason)

    def _overdue(self) -> None:
        if self._parted:
            return self._finish(1000, "")
        self._lobby.journal.note("session.overdue", "v2", address=self._facts.address)
        self._abort(names.AUTHENTICATION_FAILED, "HELLO and authentication took too long")

    # -- sending, and waiting for somebody else's answer

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._lifecycle.sent(message)
            self._link.push(self._wire.frame(message))

    def _tell(self, message: Message, payload: Payload | None) -> None:
        """A message with a payload for this client alone; what it cannot carry is told it in an ERROR's stead."""
        if self._link is None:
            return
        try:
            self._link.push(self._wire.frame(message, payload))
        except NotCarriable as error:
            self._lobby.journal.note("payload.undeliverable", type(message).__name__.lower(), reason=str(error))
            if self._requests is not None:
                self._requests.not_carriable(message, error)
        except Exception:  # ours, and not to be the end of whoever is being handled
            self._failed(Failure())

    def _refused(self, failure: Failure) -> None:
        if self._over:
            return
        refusal = failure.value
        if isinstance(refusal, ProtocolViolation):
            self.violated(str(refusal))
        elif isinstance(refusal, Refused):
            self._lobby.journal.note("hello.refused", refusal.kind, address=self._facts.address, reason=refusal.reason)
            if isinstance(refusal, Unavailable):
                self._abort(names.AUTHENTICATION_FAILED, "identity cannot be checked at the moment")
            else:
                self._abort(names.AUTHENTICATION_DENIED, "not let in")
        else:
            self._failed(failure)
