"""The callees of a realm on all nodes: each node tells the others of its own, and files theirs (``filing``).

A node that has claimed a procedure after another one, which a partition makes possible, takes it away from its callees.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace
from twisted.internet.interfaces import IDelayedCall

from orosync.backplane.messages import CalleeAdded, CalleeLeft, CalleeRemoved, NodeMessage
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.clocks import Now
from orosync.model import Match, Principal
from orosync.router.dealer import REGISTRATION_REVOCATION
from orosync.router.deliveries import Member
from orosync.router.registrations import Invoke, RegisterOptions, Registration
from orosync.session.local import OROSYNC
from orosync.session.nodes.calls import RealmCalls, RemoteCallee
from orosync.session.nodes.claims import Claims, Procedure
from orosync.session.nodes.filing import Filing, Offer, Rank
from orosync.session.nodes.part import RealmPart
from orosync.session.realm_context import RealmContext
from orosync.session.v2_requests import MOST_TOLD
from orosync.wamp import uris
from orosync.wamp.messages import Goodbye

CONFLICT = 1.0
"""Seconds that a node with an older claim has to say that its callee has gone meanwhile."""

_LOST = {"message": "the procedure was registered on another node before, and that registration is kept"}


class RealmCallees(RealmPart):
    """The callees of one realm, its RegistrationObserver. ``now`` tells the time, in seconds since 1970."""

    def __init__(self, realm_context: RealmContext, nodes: Nodes, calls: RealmCalls, now: Now) -> None:
        self._realm_context = realm_context
        self._name = realm_context.name
        self._dealer = realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._clock = realm_context.clock
        self._nodes = nodes
        self._calls = calls
        self._now = now
        self.claims = Claims(realm_context, nodes, self)
        self._filing = Filing(realm_context)
        self._own: dict[Procedure, dict[int, CalleeAdded]] = {}
        self._sessions: dict[int, set[Procedure]] = {}
        self._callees: dict[str, dict[int, _Offered]] = {}
        self._conflicts: dict[Procedure, IDelayedCall] = {}
        self.handlers = {CalleeAdded: self._added, CalleeRemoved: self._removed, CalleeLeft: self._gone}

    def engine(self, back: bool) -> None:
        """See RealmPart."""
        self.claims.engine(back)

    # -- this node's callees (RegistrationObserver)

    def registering(self, callee: Member, procedure: str, match: Match) -> None:
        """See RegistrationObserver. What belongs to this process stands back for no callee of another node."""
        if callee.inside and not callee.elsewhere:
            for offer in self._filing.of(Procedure(procedure, match)):
                self._filing.put_aside(offer)

    def registered(self, callee: Member, registration: Registration, options: RegisterOptions, forced: bool) -> None:
        """See RegistrationObserver."""
        procedure = Procedure(registration.procedure, registration.match)
        if not callee.elsewhere and callee.principal is not OROSYNC:
            told = self._description(procedure, callee, registration.invoke, options, forced)
            self._own.setdefault(procedure, {})[callee.session] = told
            self._sessions.setdefault(callee.session, set()).add(procedure)
            self._nodes.send_all(told)
        if registration.invoke in (Invoke.FIRST, Invoke.LAST) and len(registration.callees) > 1:
            own, node = self._own.get(procedure, {}), self._nodes.node
            places = {session: (told.registered, node, session) for session, told in own.items()}
            self._filing.put_in_order(registration, places)

    def _description(
        self, procedure: Procedure, callee: Member, invoke: Invoke, options: RegisterOptions, forced: bool
    ) -> CalleeAdded:
        return CalleeAdded(
            self._name,
            procedure.uri,
            procedure.match.value,
            invoke.value,
            callee.session,
            callee.principal.authid,
            callee.principal.authrole,
            sorted(callee.features),
            options.disclose_caller,
            options.forward_timeout,
            options.concurrency or 0,
            since=0.0 if callee.inside else self.claims.since(procedure),
            inside=callee.inside,
            forced=forced,
            registered=self._now(),
            own=callee.expel is None,
        )

    def unregistered(self, callee: Member, registration: Registration) -> None:
        """See RegistrationObserver."""
        procedure = Procedure(registration.procedure, registration.match)
        if callee.elsewhere:
            for offer in self._filing.of(procedure):
                if offer.callee is callee and offer.filed:  # another callee has taken the procedure over
                    offer.filed = False
                    offer.superseded = offer.superseded or offer.claimed < self._claimed(procedure)
                    self._clock.callLater(0, self._filing.file, procedure)
        elif self._drop(procedure, callee.session):
            self._sessions[callee.session].discard(procedure)
            self._nodes.send_all(CalleeRemoved(self._name, procedure.uri, procedure.match.value, callee.session))
            self._ended(procedure)
        else:  # orosync's own
            self._ended(procedure)

    def left(self, member: Member) -> None:
        """See RegistrationObserver."""
        procedures = None if member.elsewhere else self._sessions.pop(member.session, None)
        if procedures is not None:
            self._nodes.send_all(CalleeLeft(self._name, member.session))
            for procedure in procedures:
                self._drop(procedure, member.session)
                self._ended(procedure)

    def _drop(self, procedure: Procedure, session: int) -> bool:
        own = self._own.get(procedure, {})
        found = own.pop(session, None) is not None
        if found and not own:
            del self._own[procedure]
        return found

    def _ended(self, procedure: Procedure) -> None:
        """A callee of this node has gone."""
        self.claims.settle(procedure)
        if self._filing.of(procedure):  # the dealer is still busy with the callee that has gone
            self._clock.callLater(0, self._filing.file, procedure)

    # -- what other nodes tell

    def _added(self, peer: Peer, told: CalleeAdded) -> None:
        offered = self._callees.setdefault(peer.node, {})
        known = offered.get(told.session)
        if known is None:
            who = Principal(told.authid, told.authrole, "node", peer.node)
            features = frozenset(told.features)
            callee = RemoteCallee(peer.node, told.session, who, features, not told.own, self._calls)
            known = offered[told.session] = _Offered(callee)
        offer = Offer(known.callee, replace(told, forced=False), told.forced)
        procedure = offer.procedure
        former = known.offers.get(procedure)
        if former is not None and former.told == offer.told:
            former.forced, former.superseded, offer = offer.forced, False, former
        else:
            if former is not None:
                self._filing.remove(former)
            known.offers[procedure] = offer
            self._filing.add(offer)
        if told.forced:
            self._taken_over(procedure, offer)
            self._filing.file(procedure)
        else:
            self._filing.file_new(offer)
        self._compare(procedure, offer)

    def _taken_over(self, procedure: Procedure, offer: Offer) -> None:
        """The callee of ``offer`` has taken the procedure over from all others."""
        others = [one for one in self._filing.of(procedure) if one is not offer]
        own, claimed = self._own.get(procedure, {}).values(), self._claimed(procedure)
        taken = [one.claimed for one in others if one.forced] + [claimed for told in own if told.forced]
        if any(one > offer.claimed for one in taken):
            offer.superseded = True  # the news of one that did it later have been faster
            return
        for one in others:
            one.superseded = one.superseded or (one.claimed < offer.claimed and not one.told.inside)
        here = self._filing.here(procedure)
        if any(callee.inside for callee in here) or claimed > offer.claimed:
            return
        self.claims.taken(procedure)
        self._filing.put_in(offer, force=True)
        if here:
            lost, user = [callee.principal.authid for callee in here], offer.told.authid
            journal, node = self._realm_context.journal, offer.callee.node
            journal.note(
                "registration.taken_over",
                "forced",
                procedure=procedure.uri,
                user=user,
                node=node,
                lost_by=lost[:MOST_TOLD],
            )

    def _removed(self, peer: Peer, message: CalleeRemoved) -> None:
        offered = self._callees.get(peer.node, {}).get(message.session)
        procedure = Procedure(message.procedure, Match(message.match))
        offer = None if offered is None else offered.offers.pop(procedure, None)
        if offer is not None:
            self._filing.remove(offer)
            self._filing.file(procedure)

    def _gone(self, peer: Peer, message: CalleeLeft) -> None:
        offered = self._callees.get(peer.node, {}).pop(message.session, None)
        if offered is not None:
            self._leave([offered])

    def forget(self, peer: Peer) -> None:
        """Its callees have gone."""
        self._leave(self._callees.pop(peer.node, {}).values())
        self._calls.begin_anew(peer)

    def _leave(self, gone: Iterable[_Offered]) -> None:
        procedures: set[Procedure] = set()
        for offered in gone:
            for offer in offered.offers.values():
                offer.filed = False  # the dealer ends it
                self._filing.remove(offer)
            procedures.update(offered.offers)
            self._calls.left(offered.callee)
            self._deliver(self._dealer.leave(offered.callee))
        for procedure in procedures:
            self._filing.file(procedure)

    def snapshot(self) -> Iterable[NodeMessage]:
        """This node's callees."""
        return [replace(told, forced=False) for own in self._own.values() for told in own.values()]

    # -- claims (ClaimedCallees)

    def needs_claim(self, procedure: Procedure) -> bool:
        """See ClaimedCallees."""
        return any(not told.inside for told in self._own.get(procedure, {}).values())

    def granted(self, procedure: Procedure, policy: str, since: float, force: bool) -> bool:
        """See ClaimedCallees."""
        for offer in self._filing.of(procedure):
            if offer.told.inside or offer.superseded:
                continue
            if offer.claimed > (since, self._nodes.node):
                if offer.forced:
                    return False
            elif force or not policy or offer.told.invoke != policy:
                offer.superseded = True
        self._filing.file(procedure)
        return True

    def lost(self, procedure: Procedure) -> None:
        """See ClaimedCallees."""
        registration = self._dealer.lookup(*procedure)
        losing = [callee for callee in self._filing.here(procedure) if not callee.inside]
        if registration is None or not losing:
            return
        users = [callee.principal.authid for callee in losing]
        journal = self._realm_context.journal
        journal.note("registration.lost", "older_claim", procedure=procedure.uri, lost_by=users[:MOST_TOLD])
        for callee in losing:
            self._deliver(self._dealer.revoke(callee, registration.id, uris.PROCEDURE_ALREADY_EXISTS))
            if REGISTRATION_REVOCATION not in callee.features and callee.expel is not None:
                self._deliver(self._realm_context.realm.leave(callee))
                callee.expel(Goodbye(dict(_LOST), uris.PROCEDURE_ALREADY_EXISTS))

    # -- two nodes that have a procedure which only one can have

    def _claimed(self, procedure: Procedure) -> tuple[float, str]:
        """When this node claimed it."""
        return self.claims.since(procedure), self._nodes.node

    def _rank(self, procedure: Procedure) -> Rank | None:
        """Of this node's callees; None where there are none, or their own process comes first."""
        here = self._filing.here(procedure)
        if not here or any(callee.inside for callee in here):
            return None
        return True, self.claims.since(procedure), self._nodes.node

    def _disagrees(self, procedure: Procedure, offer: Offer) -> bool:
        if offer.superseded or offer.filed:
            return False
        here = self._filing.here(procedure)
        both_inside = offer.told.inside and any(callee.inside for callee in here)
        return bool(here) and not both_inside

    def _compare(self, procedure: Procedure, offer: Offer) -> None:
        """See which of two nodes keeps the procedure, if ``offer`` and this node's callees do not go together."""
        if not self._disagrees(procedure, offer):
            return
        rank = self._rank(procedure)
        if rank is None or rank < offer.rank:
            # Should the other node, or the engine, not know of ours: now they do.
            for told in self._own.get(procedure, {}).values():
                self._nodes.send(offer.callee.node, replace(told, forced=False))
            if rank is not None:
                self.claims.renew(procedure)
        elif procedure not in self._conflicts:
            self._conflicts[procedure] = self._clock.callLater(CONFLICT, self._decide, procedure)

    def _decide(self, procedure: Procedure) -> None:
        del self._conflicts[procedure]
        rank = self._rank(procedure)
        if rank is not None and any(
            self._disagrees(procedure, offer) and offer.rank < rank for offer in self._filing.of(procedure)
        ):
            self.lost(procedure)
        else:  # the other node may have had the claim meanwhile
            self.claims.renew(procedure)


class _Offered:
    """What a callee of another node offers."""

    __slots__ = ("callee", "offers")

    def __init__(self, callee: RemoteCallee) -> None:
        self.callee = callee
        self.offers: dict[Procedure, Offer] = {}
