"""Reading what was published: ``wamp.subscription.get_events`` (WAMP, "Event History").

To read a history a client must be allowed to subscribe to its topic, besides calling the procedure: a call must not
tell what no event would. How events are kept stands in ``router.history``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orosync.authz.chain import Chain
from orosync.errors import NotCarriable, RequestError
from orosync.interfaces import IJournal
from orosync.model import EMPTY, Action, Decision, Verdict
from orosync.router.meta_call import MetaCall
from orosync.router.queries import Query
from orosync.router.realm import Realm
from orosync.session.dispatch import Dispatcher
from orosync.session.replies import answer_when_decided, refusal
from orosync.wamp import transcode, uris
from orosync.wamp.formats import Format


class HistoryProcedure:
    """Serves the histories of one realm."""

    def __init__(self, realm: Realm, chain: Chain, dispatcher: Dispatcher, journal: IJournal) -> None:
        self._realm = realm
        self._chain = chain
        self._dispatcher = dispatcher
        self._journal = journal
        realm.add_procedures({"wamp.subscription.get_events": self.get_events})

    def get_events(self, call: MetaCall) -> list[Any] | None:
        """(subscription; limit, reverse, topic, from/after/before/until _time and _publication)."""
        query = Query.of(call.kwargs)
        subscription = self._realm.broker.find(call.id(0, "subscription"))
        if subscription is None:
            raise RequestError(uris.NO_SUCH_SUBSCRIPTION, "no subscription with this id is in the realm")
        principal, topic = call.caller.principal, subscription.topic

        def decided(decision: Decision) -> list[Any]:
            if decision.verdict is not Verdict.ALLOW:
                raise refusal(self._journal, principal, Action.SUBSCRIBE, topic, decision)
            events, more = self._realm.history.read(subscription, call.caller, query)
            call.answer_kwargs = {"is_limit_reached": True} if more else {}
            return list(_carriable(events, getattr(call.caller.wire, "format", Format.JSON)))

        decision = self._chain.decide(principal, Action.SUBSCRIBE, topic, subscription.match, EMPTY)
        return answer_when_decided(call, decision, decided, self._dispatcher)


def _carriable(events: Iterable[dict[str, Any]], format: Format) -> Iterable[dict[str, Any]]:
    """One event that the reader's serializer cannot express does not cost the others."""
    for event in events:
        try:
            transcode.write(event, format)
        except (NotCarriable, TypeError, ValueError):
            continue
        yield event
