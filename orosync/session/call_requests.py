"""What a joined WAMP v2 client asks for with remote procedure calls; a part of ``session.requests``.

One method for each message. It must not know transports or identity, nor how a call finds its callee.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from orosync.authz.grants import Grants
from orosync.errors import ProtocolViolation, RequestError
from orosync.model import NOTHING, Action, Decision, Match, Verdict
from orosync.router.delivery import Delivery, Member
from orosync.router.invocations import PendingCall
from orosync.router.options import choice, flag, whole
from orosync.router.realm import Realm
from orosync.router.registrations import NO_WISHES, Invoke, Wishes
from orosync.session.call_timer import CallTimer
from orosync.session.forwarded import told_of_call
from orosync.session.hosted import HostedRealm
from orosync.session.limits import one_too_many
from orosync.wamp import names, uris
from orosync.wamp.messages import Call, Cancel, Error, Register, Registered, Unregister, Unregistered, Yield
from orosync.wamp.payload import Payload
from orosync.wamp.v2 import INVOCATION

_ALLOW = Verdict.ALLOW

_NO_URI = Payload.of([f"the callee's error is no URI of at most {uris.LONGEST} characters"], None)
MOST_TOLD = 5
"""Callees of a shared registration that are named in the log when they lose it."""


class CallRequests:
    """The half of ``Requests`` that callers and callees need."""

    member: Member
    _hosted: HostedRealm
    _realm: Realm
    _strict: bool
    _forwards: bool
    _registration_limit: int
    _post: Callable[[list[Delivery]], None]
    _authorise: Callable[..., None]
    _decided_or_later: Callable[..., None]
    _procedures: Grants | None = None
    _granted_procedures: Mapping[str, Decision] = NOTHING
    next_request = 1
    """Where request ids have to count."""

    def continues(self, request: int) -> bool:
        """Whether a CALL under this id goes on with an earlier one, over or not."""
        return self._realm.dealer.is_stream(self.member, request)

    def _call(self, message: Call, payload: Payload | None) -> None:
        procedure = message.procedure
        decision: Any = self._granted_procedures.get(procedure)
        if decision is None:
            decision = self._judge_call(procedure, message.options)
            if decision.__class__ is not Decision or decision.verdict is not _ALLOW:
                self._decided_or_later(decision, Action.CALL, procedure, message, payload, self._call_allowed)
                return
        self._call_allowed(message, payload, decision)

    def _judge_call(self, procedure: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        uris.check(procedure, strict=self._strict)
        grants = self._procedures
        if grants is None:
            self._procedures = grants = self._hosted.chain.grants(self.member.principal, Action.CALL)
            self._granted_procedures = grants.known
        return grants.decide(procedure, options)

    def _call_allowed(self, message: Call, payload: Payload | None, decision: Decision) -> None:
        options, request = message.options, int(message.request)
        dealer = self._realm.dealer
        if not options:
            self._post(dealer.call(self.member, request, message.procedure, NOTHING, payload, decision.disclose))
            return
        disclose = decision.disclose or self._hosted.may_disclose(options)
        told = told_of_call(options, self._forwards)
        self._post(dealer.call(self.member, request, message.procedure, options, payload, disclose, told))
        if "timeout" in options and (timed := dealer.timed(self.member, request)) is not None:
            self._measure(timed)

    def _measure(self, call: PendingCall) -> None:
        particulars = call.particulars
        if particulars is not None and particulars.watch is None:
            expired = partial(self._expired, call)
            particulars.watch = CallTimer(self._hosted.clock, particulars.timeout, expired)
            particulars.watch.enforce(not particulars.forwarded)

    def _expired(self, call: PendingCall) -> None:
        self._post(self._realm.dealer.expired(call))

    def _cancel(self, message: Cancel, payload: Payload | None) -> None:
        self._post(self._realm.dealer.cancel(self.member, int(message.request), message.options))

    def _register(self, message: Register, payload: Payload | None) -> None:
        match = match_of(message.options)
        uris.check(message.procedure, match, strict=self._strict)
        self._authorise(Action.REGISTER, message.procedure, match, message, payload, self._register_allowed)

    def _register_allowed(self, message: Register, payload: Payload | None, decision: Decision) -> None:
        options = message.options
        invoke = choice(options, "invoke", Invoke.SINGLE) if options else Invoke.SINGLE
        wishes = self._wishes(options) if options else NO_WISHES
        dealer, procedure, match = self._realm.dealer, message.procedure, match_of(options)
        member, limit = self.member, self._registration_limit
        if len(member.registrations) >= limit and not dealer.has(member, procedure, match):
            raise one_too_many(self._hosted.journal, member.principal, Action.REGISTER, procedure, limit)
        force = bool(options) and flag(options, "force_reregister")
        former = dealer.lookup(procedure, match) if force else None
        lost = [] if former is None else [callee.principal.authid for callee in former.callees]
        registration, deliveries = dealer.register(self.member, procedure, match, invoke, wishes, force)
        if lost:
            user, journal = self.member.principal.authid, self._hosted.journal
            journal.note("registration.taken_over", "forced", procedure=procedure, user=user, lost_by=lost[:MOST_TOLD])
        self.member.tell(Registered(message.request, registration.id), None)
        self._post(deliveries)

    def _wishes(self, options: Mapping[str, Any]) -> Wishes:
        curious = flag(options, "disclose_caller")
        if curious and not self._hosted.disclosing:
            raise RequestError(names.OPTION_NOT_ALLOWED, "this realm tells nobody who calls: leave disclose_caller out")
        return Wishes(curious, flag(options, "forward_timeout"), whole(options, "concurrency", 1))

    def _unregister(self, message: Unregister, payload: Payload | None) -> None:
        deliveries = self._realm.dealer.unregister(self.member, int(message.registration))
        self.member.tell(Unregistered(message.request), None)
        self._post(deliveries)

    def _yield(self, message: Yield, payload: Payload | None) -> None:
        self._post(self._realm.dealer.yielded(self.member, int(message.request), message.options, payload))

    def _error(self, message: Error, payload: Payload | None) -> None:
        if message.request_type != INVOCATION:
            raise ProtocolViolation("ERROR answers no INVOCATION")
        request, error, dealer = int(message.request), message.error, self._realm.dealer
        if not uris.exact_rule(False)(error):
            # Its caller might end its own session over it: to autobahn such an ERROR breaks the protocol.
            error, payload = names.INVALID_URI, _NO_URI
        self._post(dealer.failed(self.member, request, message.details, error, payload))


def match_of(options: Mapping[str, Any]) -> Match:
    """The match policy of SUBSCRIBE or REGISTER; a bad one costs the request, not the session."""
    return choice(options, "match", Match.EXACT) if options else Match.EXACT
