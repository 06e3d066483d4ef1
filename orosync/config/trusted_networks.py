"""Networks whose word is taken: of proxies, of the back end. A reader; it must not know which keys it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network

from orosync.config.readers import Network, Source, networks

_PRIVATE: Mapping[int, tuple[Network, ...]] = {
    4: tuple(
        ip_network(text)
        for text in (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
        )
    ),
    6: tuple(ip_network(text) for text in ("::1/128", "fc00::/7", "fe80::/10")),
}
"""What is not routed on the public internet."""

_BROAD = {4: 12, 6: 24}
"""A public network with a shorter prefix is more than a content network's own."""

MOST_PUBLIC = 1 << 24
"""Public IPv4 addresses that a list of networks may hold without a warning."""


def trusted(consequence: str) -> Callable[[str, Source], tuple[Network, ...]]:
    """A reader of networks; a warning where they hold more of the public internet than anybody's own machines.
    ``consequence`` says what strangers there can do."""

    def read(text: str, place: Source) -> tuple[Network, ...]:
        found = networks(text, place)
        broad = [network for network in found if _is_broad(network)]
        public = sum(network.num_addresses for network in found if network.version == 4 and not _is_private(network))
        if broad or public > MOST_PUBLIC:
            named = ", ".join(map(str, broad or found))
            place.warn(f"{named}: strangers' machines are among them, {consequence}: name your own machines alone")
        return found

    return read


def _is_private(network: Network) -> bool:
    return any(network.subnet_of(one) for one in _PRIVATE[network.version])  # type: ignore[arg-type]


def _is_broad(network: Network) -> bool:
    return network.prefixlen < _BROAD[network.version] and not _is_private(network)
