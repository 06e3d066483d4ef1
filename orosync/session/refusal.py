"""What an authorizer's no becomes: a line in the log and an ERROR.

It must not know how a decision came about, nor how an ERROR travels.
"""

from __future__ import annotations

from orosync.errors import RequestError
from orosync.interfaces import IJournal
from orosync.model import Action, Decision, Principal
from orosync.wamp import names


def refusal(journal: IJournal, principal: Principal, action: Action, uri: str, decision: Decision) -> RequestError:
    """Note a refusal; the error to answer the request with."""
    kind = "failed" if decision.failed else "denied" if decision.declared else "undeclared"
    journal.note(f"{action.value}.refused", kind, user=principal.authid, uri=uri, rule=decision.rule)
    uri_of_error = names.AUTHORIZATION_FAILED if decision.failed else names.NOT_AUTHORIZED
    return RequestError(uri_of_error, f"not allowed to {action.value} {uri}")
