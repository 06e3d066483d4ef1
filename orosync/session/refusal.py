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
    journal.note(f"{action.value}.refused", decision.refusal, user=principal.authid, uri=uri, rule=decision.rule)
    return error_of(action, uri, decision)


def error_of(action: Action, uri: str, decision: Decision) -> RequestError:
    """The error alone."""
    return RequestError(reason_of(decision), f"not allowed to {action.value} {uri}")


def reason_of(decision: Decision) -> str:
    """The URI that the client is told."""
    return names.AUTHORIZATION_FAILED if decision.failed else names.NOT_AUTHORIZED
