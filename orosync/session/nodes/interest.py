"""Interest: the topics and patterns that have subscribers on other nodes.

Each node tells the others when a topic or pattern gets its first subscriber and when it loses the last one; those that
are kept for a history, and those that orosync itself listens to, count as well. Until that has arrived, a moment after
SUBSCRIBED, events of other nodes do not come. What a node has told holds while it is apart, too, until it has told
everything anew: so nothing is missing in what is kept for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from orosync.backplane.messages import Interest, NodeMessage
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.model import Match
from orosync.router.patterns import UriIndex
from orosync.router.realm import Realm
from orosync.router.subscriptions import Subscription
from orosync.session.nodes.part import RealmPart, portions
from orosync.wamp.meta_topics import TOPICS, matched_by


class SharedInterest(RealmPart):
    """``index``: the names of the peers with subscribers, by topic and pattern. ``unwanted``: topics without any, as
    far as they were asked for (OtherNodes)."""

    def __init__(self, realm: Realm, nodes: Nodes) -> None:
        self._realm = realm
        self._nodes = nodes
        self.index: UriIndex[frozenset[str]] = UriIndex()
        self.unwanted: set[str] = set()
        self._by_peer: dict[str, set[tuple[str, Match]]] = {}
        self._unconfirmed: dict[str, set[tuple[str, Match]]] = {}  # told before the peer was apart, or began anew
        self._sets: dict[frozenset[str], frozenset[str]] = {}  # each once: most topics have the same peers
        self.handlers = {Interest: self._told}

    # -- what this node tells (SubscriptionObserver)

    def filed(self, subscription: Subscription) -> None:
        """See OtherNodes."""
        self._nodes.send_all(Interest(self._realm.name, [(subscription.match.value, subscription.topic)]))

    def dropped(self, subscription: Subscription) -> None:
        """See OtherNodes."""
        self._nodes.send_all(Interest(self._realm.name, [], [(subscription.match.value, subscription.topic)]))

    def snapshot(self) -> Iterable[NodeMessage]:
        """Every topic and pattern, in messages of a limited size."""
        for some in portions(self._realm.broker, lambda one: len(one.topic)):
            yield Interest(self._realm.name, [(one.match.value, one.topic) for one in some])

    # -- what other nodes tell

    def _told(self, peer: Peer, message: Interest) -> None:
        theirs = self._by_peer.setdefault(peer.node, set())
        unconfirmed = self._unconfirmed.get(peer.node, set())
        meta = False
        for word, uri in message.added:
            match = Match(word)
            unconfirmed.discard((uri, match))
            if (uri, match) not in theirs:
                if match is Match.EXACT:
                    self.unwanted.discard(uri)
                else:
                    self.unwanted.clear()
                theirs.add((uri, match))
                self._put(uri, match, self._of(uri, match) | {peer.node})
                meta = meta or bool(matched_by(uri, match))
        for word, uri in message.removed:
            match = Match(word)
            if (uri, match) in theirs:
                theirs.discard((uri, match))
                self._put(uri, match, self._of(uri, match) - {peer.node})
                meta = meta or bool(matched_by(uri, match))
        if meta:
            self._settle_meta()

    def forget(self, peer: Peer) -> None:
        """It may have no subscribers any more."""
        self._unconfirmed[peer.node] = set(self._by_peer.get(peer.node, ()))

    def settle(self, peer: Peer) -> None:
        """What it has not told again has no subscribers any more."""
        gone = self._unconfirmed.pop(peer.node, set())
        theirs = self._by_peer.get(peer.node, set())
        for uri, match in gone & theirs:
            theirs.discard((uri, match))
            self._put(uri, match, self._of(uri, match) - {peer.node})
        if not theirs:
            self._by_peer.pop(peer.node, None)
        if gone:
            self._settle_meta()

    def _of(self, uri: str, match: Match) -> frozenset[str]:
        return self.index.get(uri, match) or frozenset()

    def _put(self, uri: str, match: Match, peers: frozenset[str]) -> None:
        if self.index.get(uri, match) is not None:
            self.index.remove(uri, match)
        if peers:
            self.index.add(uri, match, self._sets.setdefault(peers, peers))

    def _settle_meta(self) -> None:
        self._realm.broker.listen_elsewhere(frozenset(topic for topic in TOPICS if self.index.matching(topic)))

    # -- what the publications of this node ask

    def peers_of(self, topic: str) -> frozenset[str]:
        """The peers that have subscribers for ``topic``."""
        found = self.index.exact.get(topic, frozenset())
        for peers in self.index.patterns(topic) if self.index.has_patterns else ():
            found |= peers
        return found

    def subscribed(self, subscription: Subscription) -> bool:
        """See OtherNodes. What all nodes subscribe to by themselves says nothing about clients."""
        if subscription.kept or subscription.own:
            return False
        return self.index.get(subscription.topic, subscription.match) is not None
