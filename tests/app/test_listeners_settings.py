"""T1 to T4: what a listener's section means to its transport."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.app import listeners, opening
from orosync.config.listen import ListenSection
from orosync.identity.ticket_verifier import ListenerBackEnd, PublisherRight
from orosync.model import ConnectionPolicy
from orosync.transport.message_rates import Allowance


def section(**keys: Any) -> ListenSection:
    return ListenSection(name="public", endpoint="tcp:1", **keys)


class ListeningTests(SynchronousTestCase):
    """T1 to T4."""

    def test_settings(self) -> None:
        """Every key that a transport knows reaches it; a section that says nothing has the transport's own defaults."""
        plain = listeners.settings_of(section(), None)
        self.assertEqual((plain.longpoll, plain.deflate, plain.tls, plain.web), (None, False, False, None))
        sign = ListenerBackEnd(PublisherRight(), "public", alone=False)
        made = listeners.settings_of(
            section(
                path="/ws",
                origins=("https://a.example",),
                origin="optional",
                tls=True,
                trusted_proxies=(ip_network("10.0.0.0/8"),),
                proxy_protocol=True,
                longpoll="/lp",
                compression="deflate",
                message_limit=1000,
                max_connections=7,
                max_unauthenticated=5,
                unauthenticated_per_address=4,
                connection_rate=3,
                connection_burst=2,
                backend_places=1,
                ping_interval=3.0,
            ),
            None,
            sign,
        )
        self.assertEqual((made.max_unauthenticated, made.unauthenticated_per_address), (5, 4))
        self.assertEqual((made.connection_rate, made.connection_burst, made.backend_places), (3, 2, 1))
        self.assertIs(made.back_end, sign)
        self.assertEqual((made.path, made.origins, made.origin_required), ("/ws", ("https://a.example",), False))
        self.assertEqual((made.trusted_proxies, made.proxy_protocol), ((ip_network("10.0.0.0/8"),), True))
        self.assertFalse(plain.proxy_protocol)
        self.assertEqual((made.tls, made.longpoll, made.deflate), (True, "/lp", True))
        self.assertEqual((made.body_limit, made.max_connections, made.ping_interval), (1000, 7, 3.0))

    def test_traits(self) -> None:
        """Only on a RawSocket of their own may clients send as much as a back end before they are known to be one."""
        for keys, limit in [
            ({}, 65536),
            ({"publisher": True}, 65536),
            ({"transport": "rawsocket"}, 65536),
            ({"transport": "universal", "publisher": True}, 65536),
            ({"transport": "rawsocket", "publisher": True}, 1 << 24),
        ]:
            self.assertEqual(listeners.client_policy(section(**keys)), ConnectionPolicy(message_limit=limit), keys)
        self.assertEqual(
            listeners.publisher_policy(section()), ConnectionPolicy(1 << 24, skip_oversized=True, pinged=False)
        )

    def test_allowance(self) -> None:
        """What a client may send that has joined."""
        self.assertEqual(listeners.allowance(section()), Allowance(1000, 2000, None))
        made = section(message_rate=5, message_burst=9, message_rate_cut=30.0)
        self.assertEqual(listeners.allowance(made), Allowance(5, 9, 30.0))

    def test_words(self) -> None:
        """What the log says of each kind."""
        for transport, tls, words, pages in [
            ("websocket", False, "ws", True),
            ("websocket", True, "wss", True),
            ("rawsocket", False, "rs", False),
            ("universal", True, "wss and rss", True),
        ]:
            one = section(transport=transport, tls=tls)
            self.assertEqual((opening.spoken(one), listeners.serves_http(one)), (words, pages))
