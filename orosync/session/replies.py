"""What becomes of a request when its authorization is decided, at once or later: it is carried out, or refused.

Most answers are there at once, also those of authenticators: ``at_once`` then costs no Deferred.

A refusal, also for a limit of the session, is a line in the log and an ERROR. While a client's request waits for its
decision, nothing more is read from that client, so that its messages stay in order. Calls of WAMP's own procedures do
not hold up what follows: each is answered when its own decision is there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.authz.chain import Chain
from orosync.errors import RequestError
from orosync.interfaces import WAITING, IJournal
from orosync.model import Action, Decision, Match, Principal
from orosync.router.deliveries import Delivery, Member
from orosync.router.meta_call import MetaCall, result
from orosync.session.dispatch import Dispatcher
from orosync.wamp import uris
from orosync.wamp.messages import Error
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import CALL

MOST = 100
"""Calls of WAMP's own procedures that may wait in one session: the dealer does not count them."""

Decided = TypeVar("Decided")
T = TypeVar("T")

_HOLDINGS = {Action.SUBSCRIBE: "subscriptions", Action.REGISTER: "registrations"}
_log = Logger()


class RequestingSession(Protocol):
    """A session whose requests are authorized."""

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """Handle no other message before ``outcome`` is there and ``then`` has been called with it."""


class MessageSource(Protocol):
    """Where a session's messages come from: a link, or what queues them."""

    def pause(self, reason: int) -> None: ...

    def resume(self, reason: int) -> None: ...


def at_once(coroutine: Coroutine[Deferred[Any], Any, T]) -> T | Deferred[T]:
    """The result of ``coroutine``, or a Deferred of it where it has to wait for one. Raises what it raises before."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    # Sent None again, it awaits again what it waits for: a Deferred gives itself until it has its result.
    return Deferred.fromCoroutine(coroutine)


def wait_for(
    outcome: Deferred[Any],
    then: Callable[[Any], Any],
    source: MessageSource,
    is_over: Callable[[], bool],
    failed: Callable[[Failure], None],
    reason: int = WAITING,
) -> None:
    """What ``RequestingSession.wait`` does: ``then`` is called with ``outcome`` unless the session is over; the failure
    of either goes to ``failed``. ``source`` is paused for ``reason`` until then, also for a Deferred of ``then``; what
    is there already costs no pause."""
    outcome.addCallback(lambda value: None if is_over() else then(value))
    outcome.addErrback(failed)
    if not outcome.called or outcome.paused:
        source.pause(reason)
        outcome.addBoth(lambda _: source.resume(reason))


def when_decided(
    session: RequestingSession,
    chain: Chain,
    member: Member,
    decision: Decision | Deferred[Decision],
    action: Action,
    uri: str,
    match: Match,
    options: Mapping[str, Any],
    then: Callable[[Decision], Deferred[None] | None],
    refuse: Callable[[RequestError], None],
) -> None:
    """Call ``then`` with the decision about a request of ``member``, now or later. A RequestError of ``then`` is raised
    now, and later given to ``refuse``. What follows waits for a Deferred of ``then`` too."""
    if isinstance(decision, Decision):
        more = then(decision)
        if more is not None:
            session.wait(more, lambda _: None)
        return

    def later(decision: Decision) -> Deferred[None] | None:
        try:
            return then(decision)
        except RequestError as error:
            refuse(error)
            return None

    session.wait(Deferred.fromCoroutine(chain.still(member, decision, action, uri, match, options)), later)


def answer_when_decided(
    call: MetaCall,
    decision: Decided | Deferred[Decided],
    then: Callable[[Decided], list[Any]],
    dispatcher: Dispatcher,
) -> list[Any] | None:
    """The answer to ``call`` that ``then`` makes of the decision, or of what else is awaited; None if it follows later.
    ``then`` may raise RequestError.

    RequestError UNAVAILABLE, and the decision is cancelled, when the caller waits for MOST decisions already.
    """
    if not isinstance(decision, Deferred):
        return then(decision)
    session, awaited = call.caller.session, dispatcher.awaited
    try:
        no_more_awaited(dispatcher, call.caller)
    except RequestError:
        decision.addErrback(lambda _: None)
        decision.cancel()
        raise
    awaited[session] = awaited.get(session, 0) + 1

    def settled(outcome: Any) -> Any:
        awaited[session] -= 1
        if not awaited[session]:
            del awaited[session]
        return outcome

    def decided(decision: Decided) -> None:
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
    return None


def no_more_awaited(dispatcher: Dispatcher, caller: Member) -> None:
    """RequestError UNAVAILABLE when ``caller`` waits for MOST decisions already."""
    if dispatcher.awaited.get(caller.session, 0) >= MOST:
        raise RequestError(uris.UNAVAILABLE, f"more than {MOST} answers of the router itself are awaited")


def may_disclose(wanted: bool, disclosing: bool) -> bool:
    """Whether the client is named to others because its ``disclose_me`` wants it. RequestError where the realm does not
    name clients."""
    if wanted and not disclosing:
        raise RequestError(
            uris.OPTION_DISALLOWED_DISCLOSE_ME, "this realm does not name clients to others: leave disclose_me out"
        )
    return wanted


def one_too_many(journal: IJournal, principal: Principal, action: Action, uri: str, limit: int) -> RequestError:
    """Note a SUBSCRIBE or REGISTER of a session that has as many as it may; the error to answer it with."""
    journal.note(f"{action.value}.refused", "limit", user=principal.authid, uri=uri, limit=limit)
    return RequestError(uris.UNAVAILABLE, f"a session may have {limit} {_HOLDINGS[action]}, and this one has them")


def no_room(journal: IJournal, principal: Principal, procedure: str, error: RequestError) -> None:
    """Note a CALL that is refused because too many are in progress, of its caller or for its callees."""
    journal.note("call.refused", "unavailable", user=principal.authid, uri=procedure, reason=error.message)


def refusal(journal: IJournal, principal: Principal, action: Action, uri: str, decision: Decision) -> RequestError:
    """Note a refusal; the error to answer the request with."""
    journal.note(f"{action.value}.refused", decision.refusal, user=principal.authid, uri=uri, rule=decision.rule)
    return error_of(action, uri, decision)


def error_of(action: Action, uri: str, decision: Decision) -> RequestError:
    """The error to answer a refused request with; nothing is noted."""
    return RequestError(reason_of(decision), f"not allowed to {action.value} {uri}")


def reason_of(decision: Decision) -> str:
    """The URI that the client is told."""
    return uris.AUTHORIZATION_FAILED if decision.failed else uris.NOT_AUTHORIZED
