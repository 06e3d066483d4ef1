"""Answering a call of one of WAMP's own procedures when an authorizer's answer comes later.

It must not know what was called or asked.

What an authorizer's no becomes: a line in the log and an ERROR.

It must not know how a decision came about, nor how an ERROR travels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.errors import RequestError
from orosync.interfaces import IJournal
from orosync.model import Action, Decision, Principal
from orosync.router.deliveries import Delivery
from orosync.router.meta_call import MetaCall, result
from orosync.session.dispatch import Dispatcher
from orosync.wamp import uris
from orosync.wamp.messages import Error
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

_log = Logger()

MOST = 100
"""Such calls of one session that may wait: they are in no book of the dealer."""


def answered_later(
    call: MetaCall, decision: Deferred[Decision], then: Callable[[Decision], list[Any]], dispatcher: Dispatcher
) -> None:
    """Answer ``call`` with what ``then`` makes of the decision, or with the RequestError that it raises.

    RequestError UNAVAILABLE, and the decision is waited for no more, when the caller waits for MOST already.
    """
    session, awaited = call.caller.session, dispatcher.awaited
    if awaited.get(session, 0) >= MOST:
        decision.addErrback(lambda _: None)
        decision.cancel()
        raise RequestError(uris.UNAVAILABLE, f"more than {MOST} answers of the router itself are awaited")
    awaited[session] = awaited.get(session, 0) + 1

    def settled(result: Any) -> Any:
        awaited[session] -= 1
        if not awaited[session]:
            del awaited[session]
        return result

    def decided(decision: Decision) -> None:
        try:
            answer = then(decision)
        except RequestError as error:
            message = Error(CALL, call.request, {}, error.uri)
            dispatcher.deliver([Delivery((call.caller,), message, Payload.of([error.message]))])
        else:
            dispatcher.deliver([result(call, answer)])

    decision.addBoth(settled)
    decision.addCallback(decided)
    decision.addErrback(lambda failure: _log.failure("a call could not be answered", failure=failure))


def refusal(journal: IJournal, principal: Principal, action: Action, uri: str, decision: Decision) -> RequestError:
    """Note a refusal; the error to answer the request with."""
    journal.note(f"{action.value}.refused", decision.refusal, user=principal.authid, uri=uri, rule=decision.rule)
    return error_of(action, uri, decision)


def error_of(action: Action, uri: str, decision: Decision) -> RequestError:
    """The error alone."""
    return RequestError(reason_of(decision), f"not allowed to {action.value} {uri}")


def reason_of(decision: Decision) -> str:
    """The URI that the client is told."""
    return uris.AUTHORIZATION_FAILED if decision.failed else uris.NOT_AUTHORIZED
