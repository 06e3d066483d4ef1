"""Testaments: events that a session leaves behind, published when it is gone (WAMP, "Session Testament").

Authorizers decide twice about the principal as it was: when a testament is added, so that the client learns of a
refusal, and when it is published, since rules may have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.authz.chain import Chain, resolved
from orosync.errors import NotCarriable, ProtocolViolation, RequestError
from orosync.interfaces import IJournal
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.router.deliveries import Member, choice
from orosync.router.filters import PublishOptions
from orosync.router.meta_call import MetaCall
from orosync.router.realm import Realm
from orosync.router.testaments import Scope, Testament
from orosync.session.dispatch import Dispatcher
from orosync.session.replies import answer_when_decided, may_disclose, refusal
from orosync.wamp import uris
from orosync.wamp.payload import Payload, described


class TestamentProcedures:
    """Adds and removes testaments for the sessions of one realm, and publishes them when a session ends."""

    _log = Logger()

    def __init__(
        self,
        realm: Realm,
        chain: Chain,
        dispatcher: Dispatcher,
        journal: IJournal,
        strict_uris: bool,
        disclosing: bool = True,
    ) -> None:
        self._realm = realm
        self._book = realm.testaments
        self._chain = chain
        self._dispatcher = dispatcher
        self._journal = journal
        self._strict = strict_uris
        self._disclosing = disclosing
        realm.add_procedures({"wamp.session.add_testament": self.add, "wamp.session.flush_testaments": self.flush})

    # -- what clients call

    def add(self, call: MetaCall) -> list[Any] | None:
        """(topic, args, kwargs; publish_options, scope)."""
        testament = self._read(call)
        member, topic = call.caller, testament.topic
        if member.session not in self._realm.members:
            raise RequestError(uris.NO_SUCH_SESSION, "only a session can leave a testament")
        decision = self._decide(member.principal, testament)
        # It stands in the book meanwhile; a client that leaves before the decision is authorized again then.
        self._book.add(member.session, testament)

        def decided(decision: Decision) -> list[Any]:
            if decision.verdict is not Verdict.ALLOW:
                self._book.withdraw(member.session, testament)
                raise refusal(self._journal, member.principal, Action.PUBLISH, topic, decision)
            return []

        try:
            return answer_when_decided(call, decision, decided, self._dispatcher)
        except RequestError:
            self._book.withdraw(member.session, testament)
            raise

    def flush(self, call: MetaCall) -> list[Any]:
        """(; scope)."""
        self._book.flush(call.caller.session, choice(call.kwargs, "scope", Scope.DESTROYED))
        return []

    def _read(self, call: MetaCall) -> Testament:
        topic = call.text(0, "topic")
        uris.check(topic, strict=self._strict)
        if uris.is_reserved(topic):
            raise RequestError(uris.INVALID_URI, "topics beginning with wamp. are reserved")
        args, kwargs = call.value(1, "args"), call.value(2, "kwargs")
        if not isinstance(args, list | None) or not isinstance(kwargs, dict | None):
            raise RequestError(uris.INVALID_ARGUMENT, "args must be a list and kwargs a dictionary")
        options = call.kwargs.get("publish_options")
        if not isinstance(options, dict | None):
            raise RequestError(uris.INVALID_ARGUMENT, "publish_options must be a dictionary")
        self._options(options or {}, call.caller)
        try:
            as_it_came = call.payload.inner(1, 2) if call.payload is not None and not _by_name(call) else None
            payload = as_it_came or Payload.of(args, kwargs)
        except (NotCarriable, TypeError, ValueError):
            raise RequestError(uris.INVALID_ARGUMENT, "args and kwargs hold what no serializer carries") from None
        return Testament(topic, payload, options or {}, choice(call.kwargs, "scope", Scope.DESTROYED))

    def _options(self, options: Mapping[str, Any], member: Member) -> tuple[PublishOptions, dict[str, Any] | None]:
        """How it is to be published, and what else its events tell. RequestError as for PUBLISH."""
        publish_options = PublishOptions.of(options)
        may_disclose(publish_options.disclose, self._disclosing)
        try:
            return publish_options, described(options, member.features, "publisher")
        except ProtocolViolation as violation:
            # It is not the call's own option, so it costs the call alone.
            raise RequestError(uris.INVALID_ARGUMENT, str(violation)) from None

    # -- when a session is gone

    def publish(self, member: Member, testaments: Iterable[Testament]) -> None:
        """Publish the testaments of a session that has left its realm, one after the other."""
        done = Deferred.fromCoroutine(self._publish(member, testaments))
        done.addErrback(lambda failure: self._log.failure("a testament could not be published", failure=failure))

    async def _publish(self, member: Member, testaments: Iterable[Testament]) -> None:
        for testament in testaments:
            decision = await resolved(self._decide(member.principal, testament))
            try:
                if decision.verdict is not Verdict.ALLOW:
                    raise refusal(self._journal, member.principal, Action.PUBLISH, testament.topic, decision)
                options, details = self._options(testament.options, member)
                disclose = decision.disclose or options.disclose
                self._dispatcher.publish(
                    self._realm.broker, testament.topic, testament.payload, member, options, disclose, details
                )
            except RequestError:
                continue  # noted already; its client has gone

    def _decide(self, principal: Principal, testament: Testament) -> Decision | Deferred[Decision]:
        return self._chain.decide(principal, Action.PUBLISH, testament.topic, Match.EXACT, testament.options)


def _by_name(call: MetaCall) -> bool:
    """Whether the arguments of a testament are among the keywords."""
    return ("args" in call.kwargs and len(call.args) < 2) or ("kwargs" in call.kwargs and len(call.args) < 3)
