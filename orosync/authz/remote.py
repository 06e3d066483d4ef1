"""Remote authorizer: a procedure of a realm decides, as Crossbar.io's dynamic authorizers do.

Whatever is not clearly a yes is a no: an error, silence, nonsense and nobody there all refuse (the chain waits, and
says so). This file must not know sessions, or how a call travels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from twisted.internet.defer import Deferred
from zope.interface import implementer

from orosync.authz.questions import fingerprint, identity, session_details, told_options
from orosync.authz.rulings import RulingCache, ruling
from orosync.interfaces import IAuthorizer, ICaller, IJournal
from orosync.model import Action, Decision, Match, Principal, SessionFacts, Verdict


class _Told(NamedTuple):
    """What is told of a principal, and its fingerprint (b"" where nothing is remembered). It must not keep the
    principal, which knows its session: that is what this is kept by."""

    principal: ref[Principal]
    session: dict[str, Any]
    identity: bytes


@implementer(IAuthorizer)
class RemoteAuthorizer:
    """Asks ``procedure`` through ``caller()``, of callees with a role in ``registered_by``, within ``timeout`` seconds.

    Never abstains, but for sessions of those roles themselves: one that waits for its own answer would never get it.
    With ``cache`` an answer that says ``cache: true`` is given again to the very same question.
    """

    sessions = True

    def __init__(
        self,
        name: str,
        caller: Callable[[], ICaller],
        procedure: str,
        journal: IJournal,
        *,
        registered_by: Collection[str],
        timeout: float = 5.0,
        cache: RulingCache | None = None,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self._caller = caller
        self._procedure = procedure
        self._journal = journal
        self._registered_by = frozenset(registered_by)
        self._cache = cache
        self._title = f"[authorizer:{name}] {procedure}"
        self._own = Decision(Verdict.ABSTAIN, f"{self._title}: does not judge those who answer it", declared=False)
        self._told: WeakKeyDictionary[SessionFacts, _Told] = WeakKeyDictionary()

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision | Deferred[Decision]:
        """See IAuthorizer."""
        if principal.authrole in self._registered_by:
            return self._own
        who, told = self._who(principal), told_options(action, match, options)
        question = b""
        if self._cache is not None:
            question = fingerprint(who.identity, uri, action, match, told)
            known = self._cache.get(question)
            if known is not None:
                self._journal.count("authorizer.cache", "hit")
                return known
        return Deferred.fromCoroutine(self._ask(who.session, uri, action, told, question))

    def purge(self) -> None:
        """Forget every answer."""
        if self._cache is not None:
            self._cache.purge()

    def _who(self, principal: Principal) -> _Told:
        """What is told of who asks; made once for each session, and anew when its principal is another one."""
        facts = principal.session
        known = None if facts is None else self._told.get(facts)
        if known is None or known.principal() is not principal:
            session = session_details(principal)
            known = _Told(ref(principal), session, b"" if self._cache is None else identity(principal, session))
            if facts is not None:
                self._told[facts] = known
        return known

    async def _ask(
        self, session: dict[str, Any], uri: str, action: Action, told: dict[str, Any], question: bytes
    ) -> Decision:
        cache = self._cache
        epoch = 0 if cache is None else cache.epoch
        asked = (session, uri, action.value, told)
        answer = ruling(*await self._caller().call(self._procedure, asked, callee_roles=self._registered_by))
        verdict = Verdict.ALLOW if answer.allow else Verdict.DENY
        decision = Decision(verdict, f"{self._title}: {verdict.value}", disclose=answer.disclose)
        if cache is not None and answer.cache:
            cache.put(question, decision, epoch)
        return decision
