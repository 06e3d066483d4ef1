"""Presence: how many sessions each user has on other nodes, for ``connections_per_user``.

A user who comes to several nodes at the same moment may get one session more on each of them. The back end's short
visits and anonymous clients are not told: no limit counts them.
"""

from __future__ import annotations

from collections.abc import Iterable

from orosync.backplane.messages import NodeMessage, Presence
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.router.deliveries import Member
from orosync.router.realm import Realm
from orosync.session.nodes.part import RealmPart, portions


class SharedPresence(RealmPart):
    """Counts the users of one realm on all nodes."""

    def __init__(self, realm: Realm, nodes: Nodes) -> None:
        self._realm = realm
        self._nodes = nodes
        self._elsewhere: dict[str, int] = {}
        self._by_peer: dict[str, dict[str, int]] = {}
        self.handlers = {Presence: self._told}
        realm.sessions_elsewhere = self._elsewhere
        realm.on_present = self._changed

    def _changed(self, member: Member) -> None:
        """A member has joined or left."""
        if _counts(member):
            authid = member.principal.authid
            self._nodes.send_all(Presence(self._realm.name, {authid: self._realm.sessions_here(authid)}))

    def snapshot(self) -> Iterable[NodeMessage]:
        """All users of this node."""
        users = {member.principal.authid for member in self._realm.members.values() if _counts(member)}
        for some in portions(users, len):
            yield Presence(self._realm.name, {authid: self._realm.sessions_here(authid) for authid in some})

    def _told(self, peer: Peer, message: Presence) -> None:
        theirs = self._by_peer.setdefault(peer.node, {})
        for authid, count in message.sessions.items():
            self._add(authid, count - theirs.get(authid, 0))
            if count:
                theirs[authid] = count
            else:
                theirs.pop(authid, None)

    def forget(self, peer: Peer) -> None:
        """It has no sessions any more."""
        for authid, count in self._by_peer.pop(peer.node, {}).items():
            self._add(authid, -count)

    def _add(self, authid: str, more: int) -> None:
        count = self._elsewhere.get(authid, 0) + more
        if count:
            self._elsewhere[authid] = count
        else:
            self._elsewhere.pop(authid, None)


def _counts(member: Member) -> bool:
    return not member.principal.is_backend and member.principal.authmethod != "anonymous"
