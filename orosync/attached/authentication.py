"""The procedure by which a router authenticates its clients: Crossbar.io's dynamic authenticator.

Called with (realm, authid, details), it returns ``{"role", "authid", "extra"}`` or raises ApplicationError
``wamp.error.authentication_denied`` with one text for all causes; the cause is in our log. ``extra`` is what our own
authorizer needs later: ``user_id``, ``organizations``, ``roles``. The client gets it in WELCOME; none of it is secret.

Everything that a client can invent arrives here as such: its authid, authextra and every header. An authid only
narrows (a ticket or cookie of another user is then refused), authextra is not read, and of the headers only those that
the configuration trusts count. A caller of the procedure can try tickets as from any address: the router must permit
only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from orosync.errors import Refused, Unavailable
from orosync.headers import Network, OriginRule
from orosync.identity.credentials import ANONYMOUS, identify_for_router
from orosync.interfaces import HelloDetails, IAuthenticator, IJournal
from orosync.model import EMPTY, ConnectionFacts, Principal
from orosync.transport_details import connection_facts

DENIED = "wamp.error.authentication_denied"
ANSWER = "authentication denied"
"""The text of every refusal."""

MOST_AT_ONCE = 10_000
"""Clients that may wait for an answer; further ones are refused."""

RESERVED_ROLE = "trusted"
"""The role of the router's own sessions, for which no authorizer is asked."""


class Authentication:
    """For ``realms``, each with its authenticators; clients that name no realm get ``default``.

    ``origins`` are the pages that may connect, ``proxies`` those who may tell a client's address;
    ``listener`` is our name for the router, by which the right to publish is granted.
    """

    _log = Logger()

    def __init__(
        self,
        realms: Mapping[str, Sequence[IAuthenticator]],
        default: str,
        origins: OriginRule,
        proxies: Sequence[Network],
        journal: IJournal,
        listener: str,
    ) -> None:
        self._realms = realms
        self._default = default
        self._origins = origins
        self._proxies = proxies
        self._journal = journal
        self._listener = listener
        self._outstanding = 0

    async def answer(self, realm: object = None, authid: object = None, details: object = None) -> dict[str, Any]:
        """The procedure. Raises ApplicationError; never anything else."""
        known: Mapping[str, Any] = details if isinstance(details, Mapping) else EMPTY
        facts = connection_facts(self._listener, known.get("transport"), self._proxies)
        self._outstanding += 1
        try:
            if self._outstanding > MOST_AT_ONCE:
                raise Unavailable("too_many_at_once", f"{MOST_AT_ONCE} clients wait already")
            principal = await self._authenticate(facts, realm, authid, known)
        except Refused as refusal:
            self._journal.note("hello.refused", refusal.code, address=facts.address, reason=refusal.reason)
        except CancelledError:
            raise
        except Exception:
            self._log.failure("a client could not be authenticated")
            self._journal.count("session.failed", "authentication")
        else:
            return _accepted(principal, {} if realm else {"realm": self._default})
        finally:
            self._outstanding -= 1
        raise ApplicationError(DENIED, ANSWER)

    async def _authenticate(
        self, facts: ConnectionFacts, realm: object, authid: object, known: Mapping[str, Any]
    ) -> Principal:
        method, ticket, session = known.get("authmethod"), known.get("ticket", ""), known.get("session")
        if not isinstance(realm, str | None) or not isinstance(authid, str | None):
            raise Refused("malformed", "the router asks with a realm or an authid that is no text")
        if not isinstance(method, str) or not isinstance(ticket, str):
            raise Refused("malformed", "the router asks without an authmethod, or with a ticket that is no text")
        authenticators = self._realms.get(realm or self._default)
        if authenticators is None:
            raise Refused("no_such_realm", f"there is no [realm:{realm}] in the configuration")
        if not self._origins.allows(facts.origin):
            raise Refused("origin", f"pages of {facts.origin!r} may not connect")
        # Crossbar.io invents an authid for an anonymous client.
        named = None if method == ANONYMOUS else authid or None
        hello = HelloDetails(realm or self._default, named, (method,), EMPTY)
        number = session if isinstance(session, int) else 0
        principal = await identify_for_router(facts, hello, method, ticket, authenticators, number)
        if principal.authrole == RESERVED_ROLE:
            raise Refused(
                "reserved_role", f"the role {RESERVED_ROLE!r} is the router's own, give {principal.authid!r} another"
            )
        return principal


def _accepted(principal: Principal, more: Mapping[str, Any]) -> dict[str, Any]:
    # Always all three keys: our authorizer trusts them, and none of them may come from ``extra`` alone.
    extra = {**principal.extra, **principal.oro_rights}
    return {"role": principal.authrole, "authid": principal.authid, "extra": extra, **more}
