"""Notices proxies that hide where clients come from, and tells an administrator once what to do about them.

A proxy that adds no forwarding header makes all its clients look alike. Limits for each address then bind all of them
together, and a rule about addresses (``publisher_from``) protects nothing. It must not decide anything: nobody is
refused for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from orosync.headers.forwarding import Network, within
from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts, Principal

EVENT = "proxy.hidden"
MOST_USERS = 20
"""So many different users of one address are more than one desk has."""

MOST_ADDRESSES = 1024
"""Whose users are remembered, those seen last."""

PAGE_METHODS = frozenset({"ticket", "cookie"})
"""How Oro's pages log in."""

BROWSER = "Mozilla/"
"""What every browser's User-Agent begins with."""

REMEDY = (
    "if this is a proxy: in nginx write proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; and name it in "
    "proxies (a TCP load balancer: proxy_protocol = yes)"
)


class HiddenProxies:
    """One listener's. ``publisher_from`` are the networks whose clients may publish because of their address, none
    where the listener grants that outright. Each thing is told once."""

    def __init__(self, journal: IJournal, listener: str, publisher_from: Sequence[Network] = ()) -> None:
        self._journal = journal
        self._listener = listener
        self._publisher_from = publisher_from
        self._users: OrderedDict[str, set[int]] | None = OrderedDict()

    def admitted(self, facts: ConnectionFacts, principal: Principal) -> None:
        """A client has been let in."""
        if principal.precious or facts.forwarded or facts.address != facts.source:
            return
        if self._publisher_from:
            self._beside_the_publisher(facts, principal)
        if self._users is not None and principal.authmethod != "anonymous":
            self._count(self._users, facts, principal)

    def _beside_the_publisher(self, facts: ConnectionFacts, principal: Principal) -> None:
        page = principal.authmethod in PAGE_METHODS or facts.headers.get("user-agent", "").startswith(BROWSER)
        if page and within(facts.source, self._publisher_from):
            self._publisher_from = ()
            self._journal.note(
                EVENT,
                "publisher_from",
                listener=self._listener,
                address=facts.source,
                reason="pages come from an address of publisher_from without a forwarding header: a proxy hides where "
                "they come from, and publishing is not protected by the address",
                remedy=f"{REMEDY}; or give PHP a listener of its own with publisher = yes",
            )

    def _count(self, known: OrderedDict[str, set[int]], facts: ConnectionFacts, principal: Principal) -> None:
        users = known.get(facts.source)
        if users is None:
            users = known[facts.source] = set()
            if len(known) > MOST_ADDRESSES:
                known.popitem(last=False)
        else:
            known.move_to_end(facts.source)
        users.add(hash(principal.authid))
        if len(users) >= MOST_USERS:
            self._users = None
            self._journal.note(
                EVENT,
                "many_users",
                listener=self._listener,
                address=facts.source,
                reason=f"{MOST_USERS} users come from one address without a forwarding header: limits for each address "
                "bind them together",
                remedy=f"{REMEDY}; if it is an office behind one address, all is well",
            )
