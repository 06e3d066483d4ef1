"""HTTP long-poll (WAMP, section "HTTP Longpoll Transport"), for clients whose networks let no WebSocket through.

``POST {path}/open`` admits a client as a WebSocket's upgrade does, with the same facts, rules and refusals; then it
sends and fetches messages under a name that nobody can guess. It must not know what travels in a message or who the
client is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.resource import Resource

from orosync.headers.forwarding import UNIX, plain_address
from orosync.headers.origin import OriginRule
from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.admission import Answer, Place
from orosync.transport.channel import connection_of
from orosync.transport.entrance import verdict
from orosync.transport.facts import connection_facts
from orosync.transport.listener import ListenerFactory
from orosync.transport.poll_link import PollLink, Terms
from orosync.transport.poll_request import PollRequest, body_of, head_of, place_of, transport_of
from orosync.transport.request import BadRequest
from orosync.transport.stream import UNAUTHENTICATED_MESSAGE_LIMIT

_log = Logger()

WAIT = 10.0
"""Seconds that a client is kept waiting for a message: autobahn's JavaScript gives up after twelve."""

PROTOCOLS = tuple(f"wamp.2.{format}{batched}" for format in ("json", "msgpack", "cbor") for batched in ("", ".batched"))
"""What can be polled for. WAMP v1 has no form for it."""

Verb = Callable[["LongPoll", PollLink, PollRequest, bytes], None]


class LongPoll(Resource):
    """Everything below ``path`` on a listener."""

    isLeaf = True

    def __init__(self, listener: ListenerFactory, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._listener = listener
        self._base = path.rstrip("/") + "/"
        settings = listener.settings
        self._rule = OriginRule(settings.origins, settings.origin_required)
        self._terms = Terms(listener, min(WAIT, settings.ping_interval))
        self._links: dict[str, PollLink] = {}

    def serves(self, path: str) -> bool:
        """Whether a request's path is one of ours."""
        return path.startswith(self._base)

    def vouch(self, path: str, place: Place | None) -> None:
        """The connection of a request for ``path`` is that of a client that has joined, if the path tells so."""
        link = self._links.get(path[len(self._base) :].partition("/")[0])
        if link is not None:
            link.vouch(place)

    def body_limit(self, path: str) -> int:
        """Bytes that the body of a request for ``path`` may have, as far as the path tells whose it is."""
        link = self._links.get(path[len(self._base) :].partition("/")[0])
        limit = UNAUTHENTICATED_MESSAGE_LIMIT if link is None else link.message_limit
        return min(limit, self._listener.settings.body_limit)

    def render(self, request: server.Request) -> int:
        """Every request; answered here or later."""
        poll, settings = PollRequest(request), self._listener.settings
        place = place_of(request)
        peer = plain_address(getattr(request.getClientAddress(), "host", UNIX)) if place is None else place.peer
        try:
            head = head_of(request)
            host = head.host
        except BadRequest as fault:
            self._tell("malformed", fault.reason, peer, None)
            poll.answer(400)
            return server.NOT_DONE_YET
        origin = head.headers.get("origin")
        if origin is not None and not self._rule.allows(origin):
            self._tell("origin", f"not one of the origins of [listen:{settings.name}]", peer, origin)
            poll.answer(403)
            return server.NOT_DONE_YET
        if origin is not None:
            poll.allow(origin)
        name, _, verb = head.path[len(self._base) :].partition("/")
        if head.method == "OPTIONS":
            poll.preflight()
        elif head.method != "POST":
            poll.answer(405)
        elif (name, verb) == ("open", ""):
            transport = transport_of(request)
            protocols = _protocols(body_of(request))
            facts = connection_facts(settings, peer, head, host, protocols, connection_of(transport), place)
            self._open(poll, facts)
        else:
            link, act = self._links.get(name), _VERBS.get(verb)
            if link is None or act is None:
                poll.answer(404)
            else:
                act(self, link, poll, body_of(request))
        return server.NOT_DONE_YET

    # -- opening

    def _open(self, poll: PollRequest, facts: ConnectionFacts) -> None:
        listener = self._listener
        if facts.origin is None and not self._rule.allows(None):
            self._deny(poll, 403, "origin", "no Origin header", facts)
        elif not facts.subprotocols:
            self._deny(poll, 400, "subprotocol", f"asks for none of {', '.join(PROTOCOLS)}", facts)
        elif (place := listener.turnstile.enter(facts.source)) is None:
            poll.answer(503)
        else:
            poll.gone = place.leave
            answer = place.requested(facts.address, facts)
            if answer is Answer.ADMITTED:
                self._have_judged(poll, facts, place)
            elif answer is Answer.DELAYED:
                place.proceed = lambda: self._have_judged(poll, facts, place)
            else:
                place.leave()
                poll.answer(503)

    def _have_judged(self, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        waiting: Deferred[Admission] = self._listener.host.admit(facts)
        poll.gone = waiting.cancel
        waiting.addCallbacks(self._admitted, self._refused, (poll, facts, place), {}, (poll, facts, place))
        waiting.addErrback(lambda failure: _log.failure("a long-poll could not be opened", failure=failure))

    def _admitted(self, admission: Admission, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        subprotocol = admission.subprotocol or ""
        batched, binary = subprotocol.endswith(".batched"), ".json" not in subprotocol
        link = PollLink(self._terms, facts, admission.session, batched, binary)
        link.place = place
        name = secrets.token_urlsafe(24)
        self._links[name] = link

        def left() -> None:
            del self._links[name]
            place.leave()

        link.left = left
        poll.gone = link.leave
        link.begin()
        poll.answer(200, json.dumps({"protocol": subprotocol, "transport": name}).encode())
        poll.gone = lambda: None

    def _refused(self, failure: Failure, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        place.leave()
        if not failure.check(CancelledError):
            status, reason, kind = verdict(failure)
            self._deny(poll, status, kind, reason, facts)

    def _deny(self, poll: PollRequest, status: int, kind: str, reason: str, facts: ConnectionFacts) -> None:
        self._tell(kind, reason, facts.address, facts.origin)
        poll.answer(status)

    def _tell(self, kind: str, reason: str, address: str, origin: str | None) -> None:
        name = self._listener.settings.name
        self._listener.journal.note(
            "handshake.refused", kind, listener=name, address=address, origin=origin, reason=reason
        )

    # -- an open transport

    def _receive(self, link: PollLink, poll: PollRequest, body: bytes) -> None:
        link.receive(poll)

    def _send(self, link: PollLink, poll: PollRequest, body: bytes) -> None:
        link.sent(body, poll)

    def _close(self, link: PollLink, poll: PollRequest, body: bytes) -> None:
        link.leave()
        poll.answer(204)


_VERBS: dict[str, Verb] = {"receive": LongPoll._receive, "send": LongPoll._send, "close": LongPoll._close}


def _protocols(body: bytes) -> tuple[str, ...]:
    """Those of ``{"protocols": [...]}`` that can be polled for, in the client's order; none for any other body."""
    try:
        said: Any = json.loads(body)
        offered = said["protocols"] if isinstance(said, dict) else ()
    except (ValueError, KeyError, RecursionError):
        return ()
    if not isinstance(offered, list):
        return ()
    return tuple(one for one in offered[:32] if isinstance(one, str) and one in PROTOCOLS)
