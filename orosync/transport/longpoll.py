"""HTTP long-poll (WAMP, section "HTTP Longpoll Transport"), for clients whose networks let no WebSocket through.

``POST {path}/open`` admits a client as a WebSocket upgrade does, with the same facts, rules and refusals. The client
then sends and receives messages under a random name that serves as its secret: ``POST {path}/{name}/send``,
``/receive`` and ``/close``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.resource import Resource

from orosync.headers import UNIX, plain_address
from orosync.interfaces import Admission
from orosync.model import ConnectionFacts
from orosync.transport.admission import Place, PlaceAnswer
from orosync.transport.connection import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.handshake import note_refusal, refusal_of
from orosync.transport.http_request import SINGLE, BadRequest, HttpRequest, connection_facts
from orosync.transport.http_responses import PHRASES, RETRY_AFTER
from orosync.transport.listener import ListenerFactory
from orosync.transport.longpoll_connection import LongPollConnection, LongPollContext
from orosync.transport.longpoll_relay import Poll, PollRelay, RelayedPoll
from orosync.transport.tls import connection_of

_HEADERS = {
    "Cache-Control": "no-store",
    "Server": "orosync",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
}


class PollRequest:
    """A request of twisted.web, answered at most once."""

    def __init__(self, request: server.Request) -> None:
        self.gone: Callable[[], object] = lambda: None
        self._request: server.Request | None = request
        request.notifyFinish().addErrback(lambda _: self._lost())

    def allow(self, origin: str) -> None:
        """Let the web page that sent the request read the response (CORS: Fetch, section "HTTP extensions")."""
        self._header("Access-Control-Allow-Origin", origin)
        self._header("Access-Control-Allow-Credentials", "true")

    def preflight(self) -> None:
        """Answer a CORS preflight request."""
        self._header("Access-Control-Allow-Methods", "POST")
        self._header("Access-Control-Allow-Headers", "Content-Type")
        self._header("Access-Control-Max-Age", "600")
        self.answer(204)

    def answer(self, status: int, body: bytes = b"", content_type: str = "application/json; charset=utf-8") -> None:
        """Send the response, unless the client has gone."""
        request = self._request
        if request is None:
            return
        self._request = None
        request.setResponseCode(status)
        for name, value in _HEADERS.items():
            request.setHeader(name.encode(), value.encode())
        if status in PHRASES:
            body, content_type = f"{PHRASES[status]}\n".encode(), "text/plain; charset=utf-8"
        if status == 405:
            request.setHeader(b"Allow", b"POST, OPTIONS")
        if status == 503:
            request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
        if status != 204:
            request.setHeader(b"Content-Type", content_type.encode())
            request.setHeader(b"Content-Length", b"%d" % len(body))
            request.write(body)
        request.finish()

    def _header(self, name: str, value: str) -> None:
        if self._request is not None:
            self._request.setHeader(name.encode(), value.encode())

    def _lost(self) -> None:
        self._request = None
        self.gone()


def head_of(request: server.Request) -> HttpRequest:
    """The head in the form that the WebSocket handshake uses. Raises BadRequest for a header that is repeated and must
    not be."""
    headers: dict[str, str] = {}
    for raw, values in request.requestHeaders.getAllRawHeaders():
        name = raw.decode("latin-1").lower()
        if len(values) > 1 and name in SINGLE:
            raise BadRequest(400, f"{name} header repeated")
        headers[name] = ", ".join(value.decode("latin-1") for value in values)
    path, _, query = request.uri.decode("latin-1").partition("?")
    method, version = request.method.decode("latin-1"), request.clientproto.decode("latin-1")
    return HttpRequest(method, path, query, version, headers)


def body_of(request: server.Request) -> bytes:
    """All of the body: a request is rendered when it is complete."""
    content: Any = request.content
    body: bytes = content.read()
    return body


def transport_of(request: server.Request) -> Any:
    """The transport of the connection that a request arrived on."""
    return request.channel.transport


def place_of(request: server.Request) -> Place | None:
    """The place of the connection that a request arrived on; None outside a listener."""
    channel: Any = request.channel
    place: Place | None = channel.place
    return place


_log = Logger()

WAIT = 10.0
"""Seconds that a client is kept waiting for a message: autobahn's JavaScript gives up after twelve."""

PROTOCOLS = tuple(f"wamp.2.{format}{batched}" for format in ("json", "msgpack", "cbor") for batched in ("", ".batched"))
"""The subprotocols of this transport. It is not defined for WAMP v1."""

Verb = Callable[["LongPoll", LongPollConnection, Poll, bytes], None]


class LongPoll(Resource):
    """The resource below ``path`` on a listener."""

    isLeaf = True

    def __init__(self, listener: ListenerFactory, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._listener = listener
        self._base = path.rstrip("/") + "/"
        self._rule = listener.origin_rule
        self._context = LongPollContext(listener, min(WAIT, listener.settings.ping_interval))
        self._links: dict[str, LongPollConnection] = {}
        self.connections = self._links.values()
        workers = listener.settings.workers
        self._relay = None if workers is None else PollRelay(workers, listener.settings.name)

    def serves(self, path: str) -> bool:
        """Whether a path belongs to this resource."""
        return path.startswith(self._base)

    def vouch(self, path: str, place: Place | None) -> None:
        """See http_site.Branch: ``path`` holds the name of the client's transport."""
        name = self._name_in(path)
        link = self._links.get(name)
        if link is not None:
            link.vouch(place)
        elif self._relay is not None:
            self._relay.vouch(name, place)

    def _name_in(self, path: str) -> str:
        return path[len(self._base) :].partition("/")[0]

    def body_limit(self, path: str) -> int:
        """Bytes that the body of a request for ``path`` may have: the message limit of the client that the path
        names."""
        name, most = self._name_in(path), self._listener.settings.body_limit
        link = self._links.get(name)
        if link is None and self._relay is not None and self._relay.serves(name):
            return most  # the transport's worker knows its limit
        return min(UNAUTHENTICATED_MESSAGE_LIMIT if link is None else link.message_limit, most)

    def render(self, request: server.Request) -> int:
        """Called for every request, which is answered here or later."""
        poll, settings = PollRequest(request), self._listener.settings
        place = place_of(request)
        peer = plain_address(getattr(request.getClientAddress(), "host", UNIX)) if place is None else place.peer
        try:
            head = head_of(request)
            host = head.host
        except BadRequest as fault:
            self._note("malformed", fault.reason, peer, None)
            poll.answer(400)
            return server.NOT_DONE_YET
        origin = head.headers.get("origin")
        if origin is not None and not self._rule.allows(origin):
            self._note("origin", f"not one of the origins of [listen:{settings.name}]", peer, origin)
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
            self._act(poll, name, verb, body_of(request), self._relay)
        return server.NOT_DONE_YET

    def relayed(self, name: str, verb: str, body: bytes) -> RelayedPoll:
        """A request that another worker has received. It is not relayed once more."""
        link = self._links.get(name)
        poll = RelayedPoll(lambda: link is not None and link.authenticated)
        self._act(poll, name, verb, body, None)
        return poll

    def _act(self, poll: Poll, name: str, verb: str, body: bytes, relay: PollRelay | None) -> None:
        """Do what a client asks for on the transport of that name, or have its worker do it by ``relay``."""
        link, act = self._links.get(name), _VERBS.get(verb)
        if link is not None and act is not None:
            act(self, link, poll, body)
        elif act is not None and relay is not None and relay.serves(name):
            relay.relay(poll, name, verb, body)
        else:
            poll.answer(404)

    # -- opening

    def _open(self, poll: PollRequest, facts: ConnectionFacts) -> None:
        listener = self._listener
        if facts.origin is None and not self._rule.allows(None):
            self._refuse(poll, 403, "origin", "no Origin header", facts)
        elif not facts.subprotocols:
            self._refuse(poll, 400, "subprotocol", f"asks for none of {', '.join(PROTOCOLS)}", facts)
        elif (place := listener.connection_limit.acquire(facts.source)) is None:
            poll.answer(503)
        else:
            poll.gone = place.release
            answer = place.admit_request(facts.address, facts)
            if answer is PlaceAnswer.ADMITTED:
                self._ask_host(poll, facts, place)
            elif answer is PlaceAnswer.DELAYED:
                place.proceed = lambda: self._ask_host(poll, facts, place)
            else:
                place.release()
                poll.answer(503)

    def _ask_host(self, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        admit: Callable[[ConnectionFacts], Any] = self._listener.host.admit
        waiting: Deferred[Admission] = maybeDeferred(admit, facts)
        poll.gone = waiting.cancel
        waiting.addCallbacks(self._admitted, self._refused, (poll, facts, place), {}, (poll, facts, place))
        waiting.addErrback(lambda failure: _log.failure("a long-poll could not be opened", failure=failure))

    def _admitted(self, admission: Admission, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        subprotocol = admission.subprotocol or ""
        batched, binary = subprotocol.endswith(".batched"), ".json" not in subprotocol
        link = LongPollConnection(self._context, facts, admission.session, batched, binary)
        link.place = place
        name = secrets.token_urlsafe(24)
        if self._relay is not None:
            name = self._relay.named(name)
        self._links[name] = link

        def left() -> None:
            del self._links[name]
            place.release()

        link.left = left
        poll.gone = link.leave
        link.begin()
        poll.answer(200, json.dumps({"protocol": subprotocol, "transport": name}).encode())
        poll.gone = lambda: None

    def _refused(self, failure: Failure, poll: PollRequest, facts: ConnectionFacts, place: Place) -> None:
        place.release()
        if not failure.check(CancelledError):
            status, reason, kind = refusal_of(failure)
            self._refuse(poll, status, kind, reason, facts)

    def _refuse(self, poll: PollRequest, status: int, kind: str, reason: str, facts: ConnectionFacts) -> None:
        self._note(kind, reason, facts.address, facts.origin)
        poll.answer(status)

    def _note(self, kind: str, reason: str, address: str, origin: str | None) -> None:
        listener = self._listener
        note_refusal(listener.journal, listener.settings.name, kind, reason, address, origin)

    # -- an open transport

    def _receive(self, link: LongPollConnection, poll: Poll, body: bytes) -> None:
        link.receive(poll)

    def _send(self, link: LongPollConnection, poll: Poll, body: bytes) -> None:
        link.sent(body, poll)

    def _close(self, link: LongPollConnection, poll: Poll, body: bytes) -> None:
        link.leave()
        poll.answer(204)


_VERBS: dict[str, Verb] = {"receive": LongPoll._receive, "send": LongPoll._send, "close": LongPoll._close}


def _protocols(body: bytes) -> tuple[str, ...]:
    """The supported ones of ``{"protocols": [...]}``, in the client's order; none for any other body."""
    try:
        said: Any = json.loads(body)
        offered = said["protocols"] if isinstance(said, dict) else ()
    except (ValueError, KeyError, RecursionError):
        return ()
    if not isinstance(offered, list):
        return ()
    return tuple(one for one in offered[:32] if isinstance(one, str) and one in PROTOCOLS)
