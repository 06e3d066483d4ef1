"""What is noted and answered when a session asks for more than its limits allow."""

from __future__ import annotations

from orosync.errors import RequestError
from orosync.interfaces import IJournal
from orosync.model import Action, Principal
from orosync.wamp import uris

_HOLDINGS = {Action.SUBSCRIBE: "subscriptions", Action.REGISTER: "registrations"}


def one_too_many(journal: IJournal, principal: Principal, action: Action, uri: str, limit: int) -> RequestError:
    """Note a SUBSCRIBE or REGISTER of a session that has as many as it may; the error to answer it with."""
    journal.note(f"{action.value}.refused", "limit", user=principal.authid, uri=uri, limit=limit)
    return RequestError(uris.UNAVAILABLE, f"a session may have {limit} {_HOLDINGS[action]}, and this one has them")


def no_room(journal: IJournal, principal: Principal, procedure: str, error: RequestError) -> None:
    """Note a CALL that is refused because too many are in progress, of its caller or for its callees."""
    journal.note("call.refused", "unavailable", user=principal.authid, uri=procedure, reason=error.message)
