"""Calls between the nodes of a realm: what their dealers tell each other.

The caller's node does everything as for a callee of its own: it chooses the callee, which ``RemoteCallee`` stands for
there, keeps time limits, cancels, reroutes. The callee's node invokes that callee for a member that stands for the
caller's node. Each of the calls that this node makes has a number, greater than all before; when a peer may have missed
some of them, it says which will not be answered, and their callers get an ERROR.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from orosync.backplane.messages import (
    CallsForgotten,
    CallsFrom,
    NodeAnswer,
    NodeCall,
    NodeInterrupt,
    NodeMessage,
    packed,
    unpacked,
)
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.errors import ProtocolViolation, RequestError
from orosync.model import Match, Principal
from orosync.router.deliveries import Member
from orosync.session.nodes.part import RealmPart
from orosync.session.realm_context import RealmContext
from orosync.wamp import uris
from orosync.wamp.ids import LARGEST
from orosync.wamp.messages import Error, Goodbye, Interrupt, Invocation, Message, Result
from orosync.wamp.payload import FEATURE, Payload
from orosync.wamp.v2 import CALL

_CALLER_FEATURES = frozenset({f"caller.{FEATURE}", "caller.progressive_call_invocations"})
"""Of what stands for a node: its own dealer knows what the caller has announced."""

_KILL = "kill"
_GONE = Payload.of(["the node of the callee has gone"], None)
_LOST = Payload.of(["the call, or its answer, was lost on the way to another node"], None)
_TOO_LARGE = Payload.of(["the message is too large to be sent to another node"], None)


class RemoteCallee(Member):
    """Stands for a callee of the node ``node``; ``shown``: it is not orosync's own. ``numbers`` of its calls in
    progress, by invocation id."""

    __slots__ = ("node", "numbers")

    elsewhere = True

    def __init__(
        self, node: str, session: int, principal: Principal, features: frozenset[str], shown: bool, calls: RealmCalls
    ) -> None:
        tell = partial(calls.tell, self)
        super().__init__(session, principal, features, tell=tell, expel=_not_here if shown else None)
        self.inside = False  # until one of its registrations says so
        self.node = node
        self.numbers: dict[int, int] = {}


def _not_here(goodbye: Goodbye) -> None:
    """Its own node ends it."""


class RealmCalls(RealmPart):
    """The calls of one realm from and to other nodes."""

    def __init__(self, realm_context: RealmContext, nodes: Nodes) -> None:
        self._realm_context = realm_context
        self._name = realm_context.name
        self._dealer = realm_context.realm.dealer
        self._deliver = realm_context.dispatcher.deliver
        self._nodes = nodes
        self._number = 0
        self._made: dict[str, dict[int, tuple[RemoteCallee, int]]] = {}
        self._taken: dict[str, _Caller] = {}
        self.handlers = {
            NodeCall: self._called,
            NodeAnswer: self._answered,
            NodeInterrupt: self._interrupted,
            CallsFrom: self._begins,
            CallsForgotten: self._forgotten,
        }

    # -- calls of this node

    def tell(self, callee: RemoteCallee, message: Message, payload: Payload | None) -> None:
        """What the dealer tells a callee of another node."""
        if isinstance(message, Invocation):
            self._invoke(callee, message, payload)
        elif isinstance(message, Interrupt):
            mode = message.options["mode"]
            number = callee.numbers.get(int(message.request))
            if number is not None:
                self._nodes.send(callee.node, NodeInterrupt(self._name, number, mode))
                if mode != _KILL:  # the dealer has forgotten it
                    self._over(callee.node, number)

    def _invoke(self, callee: RemoteCallee, message: Invocation, payload: Payload | None) -> None:
        invocation = int(message.request)
        number = callee.numbers.get(invocation)
        registration = callee.registrations.get(int(message.registration))
        if number is None:
            self._number = callee.numbers[invocation] = number = self._number + 1
            self._made.setdefault(callee.node, {})[number] = callee, invocation
        procedure, match = ("", "") if registration is None else (registration.procedure, registration.match.value)
        sent = NodeCall(self._name, number, callee.session, procedure, match, message.details, packed(payload))
        if not self._nodes.send(callee.node, sent):
            self._over(callee.node, number)
            if callee.node in self._nodes.peers:
                self._fail(callee, invocation, uris.PAYLOAD_SIZE_EXCEEDED, _TOO_LARGE)
            else:
                self._fail(callee, invocation, uris.UNAVAILABLE, _GONE)

    def _answered(self, peer: Peer, message: NodeAnswer) -> None:
        made = self._made.get(peer.node, {}).get(message.call)
        if made is None:
            return
        callee, invocation = made
        error, details = message.error, message.details
        if error or not details.get("progress"):
            self._over(peer.node, message.call)
        try:
            payload = unpacked(message.payload)
            if error:
                deliveries = self._dealer.failed(callee, invocation, details, error, payload)
            else:
                deliveries = self._dealer.yielded(callee, invocation, details, payload)
        except ProtocolViolation as violation:
            self._realm_context.journal.note("backplane.refused", "malformed", node=peer.node, reason=str(violation))
            self._over(peer.node, message.call)
            self._fail(callee, invocation, uris.RUNTIME_ERROR, None)
        else:
            self._deliver(deliveries)

    def _forgotten(self, peer: Peer, message: CallsForgotten) -> None:
        made = self._made.get(peer.node, {})
        for number in [one for one in made if one < message.number]:
            callee, invocation = made[number]
            self._over(peer.node, number)
            self._fail(callee, invocation, uris.CANCELED, _LOST)

    def left(self, callee: RemoteCallee) -> None:
        """The dealer has ended the calls that ``callee`` works on."""
        for number in callee.numbers.values():
            del self._made[callee.node][number]
        callee.numbers.clear()

    def _over(self, node: str, number: int) -> None:
        made = self._made.get(node, {}).pop(number, None)
        if made is not None:
            made[0].numbers.pop(made[1], None)

    def _fail(self, callee: RemoteCallee, invocation: int, error: str, payload: Payload | None) -> None:
        self._deliver(self._dealer.failed(callee, invocation, {}, error, payload))

    # -- calls of other nodes

    def _called(self, peer: Peer, message: NodeCall) -> None:
        caller, number = self._caller(peer), message.call
        if number <= caller.last and self._dealer.pending.called(caller, number) is None:
            return  # a further part of a call that is over
        caller.last = max(caller.last, number)
        try:
            callee = self._realm_context.realm.members.get(message.session)
            if callee is None:
                raise RequestError(uris.UNAVAILABLE, f"the callee of {message.procedure} has gone")
            match = Match(message.match or Match.EXACT)
            payload = unpacked(message.payload)
            deliveries = self._dealer.relay(caller, number, callee, message.procedure, match, message.details, payload)
        except RequestError as error:
            caller.tell(Error(CALL, number, {}, error.uri), Payload.of([error.message]))
        except (ProtocolViolation, ValueError) as error:
            caller.tell(Error(CALL, number, {}, uris.INVALID_ARGUMENT), Payload.of([str(error)]))
        else:
            self._deliver(deliveries)

    def _interrupted(self, peer: Peer, message: NodeInterrupt) -> None:
        caller = self._taken.get(peer.node)
        if caller is not None:
            self._deliver(self._dealer.cancel(caller, message.call, {"mode": message.mode}))

    def _caller(self, peer: Peer) -> _Caller:
        caller = self._taken.get(peer.node)
        if caller is None:
            caller = self._taken[peer.node] = _Caller(self._realm_context, peer.node, self._nodes)
        return caller

    def _begins(self, peer: Peer, message: CallsFrom) -> None:
        self._end_calls_of(peer)
        if message.number > 1:
            self._caller(peer).last = message.number - 1
            self._nodes.send(peer.node, CallsForgotten(self._name, message.number))

    # -- peers

    def snapshot(self) -> Iterable[NodeMessage]:
        """Where the numbers of calls begin."""
        return [CallsFrom(self._name, self._number + 1)]

    def forget(self, peer: Peer) -> None:
        """Its callers are gone. The calls that it works on are to be ended by the dealer."""
        for callee, _ in self._made.pop(peer.node, {}).values():
            callee.numbers.clear()
        self._end_calls_of(peer)

    def begin_anew(self, peer: Peer) -> None:
        """Its callees have been forgotten, and their calls with them: it need not have noticed anything."""
        for message in self.snapshot():
            self._nodes.send(peer.node, message)

    def _end_calls_of(self, peer: Peer) -> None:
        caller = self._taken.pop(peer.node, None)
        if caller is not None:
            self._deliver(self._dealer.leave(caller))


class _Caller(Member):
    """Stands for the callers of another node. ``last``: the greatest number of a call so far."""

    __slots__ = ("_realm_context", "_send", "last")

    elsewhere = True

    def __init__(self, realm_context: RealmContext, node: str, nodes: Nodes) -> None:
        principal = Principal(f"node:{node}", "trusted", "node", "node")
        # Each caller's own limit is kept at its node.
        super().__init__(realm_context.own_id(), principal, _CALLER_FEATURES, tell=self._told, call_limit=LARGEST)
        self._realm_context = realm_context
        self._send = partial(nodes.send, node)
        self.last = 0

    def _told(self, message: Message, payload: Payload | None) -> None:
        realm = self._realm_context.name
        if isinstance(message, Result):
            number = int(message.request)
            if not self._send(NodeAnswer(realm, number, message.details, "", packed(payload))):
                if message.details.get("progress"):
                    withdrawn = self._realm_context.realm.dealer.withdraw(self, number)
                    self._realm_context.dispatcher.deliver(withdrawn)
                self._send(_too_large(realm, number))
        elif isinstance(message, Error):
            number = int(message.request)
            if not self._send(NodeAnswer(realm, number, message.details, message.error, packed(payload))):
                self._send(_too_large(realm, number))


def _too_large(realm: str, number: int) -> NodeAnswer:
    return NodeAnswer(realm, number, {}, uris.PAYLOAD_SIZE_EXCEEDED, packed(_TOO_LARGE))
