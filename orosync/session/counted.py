"""Request ids that count up from 1, for realms that insist on it (WAMP, section "Session Scope IDs").

It must not know what a request does.
"""

from __future__ import annotations

from typing import Any

from orosync.errors import ProtocolViolation, Unfit
from orosync.session.requests import ASKING, Handler, Requests
from orosync.wamp.ids import LARGEST
from orosync.wamp.messages import Call, Message, Publish, Register, Subscribe, Unregister, Unsubscribe
from orosync.wamp.payload import Payload


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
