"""Testaments: taken down when a session may publish what it wills, and published when it is gone (WAMP, "Session
Testament").

Leave is asked twice, of the realm's authorizers, for the principal as it was: when a testament is added, so that the
client learns of a no, and when it is published, since rules may have changed. It must not know how a session ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from orosync.authz.chain import Chain
from orosync.errors import NotCarriable, ProtocolViolation, RequestError
from orosync.interfaces import IJournal
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.router.deliveries import Member, choice
from orosync.router.filters import PublishOptions
from orosync.router.meta_call import MetaCall
from orosync.router.realm import Realm
from orosync.router.testaments import Scope, Testament
from orosync.session.dispatch import Dispatcher
from orosync.session.replies import answered_later, refusal
from orosync.wamp import uris
from orosync.wamp.payload import Payload, described


class Executor:
    """Carries out the testaments of one realm's sessions, and answers the procedures that they are made by."""

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
        realm.answers({"wamp.session.add_testament": self.add, "wamp.session.flush_testaments": self.flush})

    # -- what clients call

    def add(self, call: MetaCall) -> list[Any] | None:
        """(topic, args, kwargs; publish_options, scope)."""
        testament = self._read(call)
        member, topic = call.caller, testament.topic
        if member.session not in self._realm.members:
            raise RequestError(uris.NO_SUCH_SESSION, "only a session can leave a testament")
        decision = self._decide(member.principal, testament)
        self._book.add(member.session, testament)

        def decided(decision: Decision) -> list[Any]:
            if decision.verdict is not Verdict.ALLOW:
                self._book.withdraw(member.session, testament)
                raise refusal(self._journal, member.principal, Action.PUBLISH, topic, decision)
            return []

        if isinstance(decision, Decision):
            return decided(decision)
        # It stands in the book meanwhile, in its turn; whoever leaves before the answer is judged again then.
        try:
            answered_later(call, decision, decided, self._dispatcher)
        except RequestError:
            self._book.withdraw(member.session, testament)
            raise
        return None

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
        self._wish(options or {}, call.caller)
        try:
            as_it_came = call.payload.inner(1, 2) if call.payload is not None and not _by_name(call) else None
            payload = as_it_came or Payload.of(args, kwargs)
        except (NotCarriable, TypeError, ValueError):
            raise RequestError(uris.INVALID_ARGUMENT, "args and kwargs hold what no serializer carries") from None
        return Testament(topic, payload, options or {}, choice(call.kwargs, "scope", Scope.DESTROYED))

    def _wish(self, options: Mapping[str, Any], member: Member) -> tuple[PublishOptions, dict[str, Any] | None]:
        """What is to be published how, and what else its events tell. RequestError as for PUBLISH."""
        wish = PublishOptions.of(options)
        if wish.disclose and not self._disclosing:
            raise RequestError(uris.OPTION_DISALLOWED_DISCLOSE_ME, "nobody is named in this realm")
        try:
            return wish, described(options, member.features, "publisher")
        except ProtocolViolation as violation:
            # It is not the call's own option, so it costs the call alone.
            raise RequestError(uris.INVALID_ARGUMENT, str(violation)) from None

    # -- when a session is gone

    def execute(self, member: Member, testaments: Iterable[Testament]) -> None:
        """Publish the testaments of a session that has left its realm, one after the other."""
        done = Deferred.fromCoroutine(self._execute(member, testaments))
        done.addErrback(lambda failure: self._log.failure("a testament could not be published", failure=failure))

    async def _execute(self, member: Member, testaments: Iterable[Testament]) -> None:
        for testament in testaments:
            decision = self._decide(member.principal, testament)
            if not isinstance(decision, Decision):
                decision = await decision
            try:
                if decision.verdict is not Verdict.ALLOW:
                    raise refusal(self._journal, member.principal, Action.PUBLISH, testament.topic, decision)
                self._publish(member, testament, decision)
            except RequestError:
                continue  # noted already, and there is nobody left to be told

    def _publish(self, member: Member, testament: Testament, decision: Decision) -> None:
        wish, told = self._wish(testament.options, member)
        broker = self._realm.broker
        made = (broker.publish_retained if wish.retain else broker.publish)(
            testament.topic,
            testament.payload,
            member,
            wish.exclude_me,
            wish.filters,
            decision.disclose or wish.disclose,
            told,
        )
        self._dispatcher.deliver(made[1])

    def _decide(self, principal: Principal, testament: Testament) -> Decision | Deferred[Decision]:
        return self._chain.decide(principal, Action.PUBLISH, testament.topic, Match.EXACT, testament.options)


def _by_name(call: MetaCall) -> bool:
    """Whether the arguments of a testament are among the keywords."""
    return ("args" in call.kwargs and len(call.args) < 2) or ("kwargs" in call.kwargs and len(call.args) < 3)
