"""Who may present a back-end ticket, and with it publish.

A user may subscribe, the back end may publish. A back-end ticket proves that its bearer holds the
application's secret, or that the application gave it away: it hands the very same ticket to any visitor
without a user who reaches its ticket route. So the ticket alone is not enough: a listener grants the right
outright (PHP's own, on loopback), or, on a port that browsers share, the connection must come from
where PHP runs and look as PHP's does: no proxy in between, no cookie, and the Origin that PHP sends.

It must not know what publishing is, or what a ticket looks like.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from ipaddress import ip_network

from orosync.errors import ConfigError
from orosync.headers.forwarding import UNIX, Network, within
from orosync.model import ConnectionFacts

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ORIGIN = "127.0.0.1"
"""The Origin that Oro's PHP sends, whatever host it connects to, in every version since 4.1 (SyncBundle,
``Client/Wamp/Factory/WampClientFactory.php``)."""


class PublisherRight:
    """By listener: ``granted`` names those that grant it outright, ``publisher_from`` has the networks of the others.

    A listener in neither gives it to nobody. Networks given for a listener that grants it limit that to them. On
    ``programs``, where WAMP v1 is not spoken and so no PHP of Oro's comes, a back end may have no Origin.
    ConfigError for what is no network; "127.0.0.1", "10.0.0.0/8" and "::1" are.
    """

    def __init__(
        self,
        granted: Collection[str] = (),
        publisher_from: Mapping[str, Iterable[str | Network]] | None = None,
        programs: Collection[str] = (),
    ) -> None:
        self._granted = frozenset(granted)
        self._programs = frozenset(programs)
        self._remote = True
        self._networks: dict[str, tuple[Network, ...]] = {}
        faults: list[str] = []
        for listener, networks in (publisher_from or {}).items():
            parsed: list[Network] = []
            for network in networks:
                try:
                    parsed.append(ip_network(network))
                except ValueError as error:
                    faults.append(f"[listen:{listener}] publisher_from: {error}")
            self._networks[listener] = tuple(parsed)
        if faults:
            raise ConfigError(faults)

    def may_come_from(self, listener: str, peer: str) -> bool:
        """Whether a connection of ``peer`` to ``listener`` may turn out to have the right, before anything is read."""
        networks = self._networks.get(listener, ())
        return within(peer, networks) if networks else listener in self._granted

    def on_this_machine(self) -> PublisherRight:
        """The same, and besides from this machine alone, on every listener: for a secret that everybody knows.

        That is loopback and UNIX sockets without a forwarding header. Only programs of this machine reach a UNIX
        socket, and its mode says which; a proxy that leads to one tells by its headers, as on loopback.
        """
        narrowed = copy(self)
        narrowed._remote = False
        return narrowed

    def objection(self, facts: ConnectionFacts) -> str | None:
        """Why this connection may not publish, for the administrator; None if it may."""
        if not self._remote and (facts.forwarded or not (facts.source == UNIX or within(facts.source, LOOPBACK))):
            return "the secret is the one that Oro is published with, so the back end may come from this machine alone"
        networks = self._networks.get(facts.listener, ())
        granted = facts.listener in self._granted
        if not granted and not networks:
            return f"listener {facts.listener} gives nobody the right to publish"
        if networks and not within(facts.source, networks):
            return f"peer {facts.source} is not in publisher_from of listener {facts.listener}"
        if granted:
            return None
        if facts.forwarded:
            return "it came through a proxy (it has a forwarding header)"
        if facts.cookies or "cookie" in facts.headers:
            return "it has a cookie, as browsers do"
        # Without HTTP (RawSocket) there is no Origin, and no browser.
        without = facts.origin is None and (facts.listener in self._programs or not (facts.host or facts.headers))
        if facts.origin != ORIGIN and not without:
            return f"its Origin is not the {ORIGIN} that Oro's PHP sends"
        return None
