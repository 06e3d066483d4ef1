"""What a listener's section means to the transport that serves it.

Values in, values out; it must not open anything or know what is spoken on a connection.
"""

from __future__ import annotations

from twisted.web.resource import IResource

from orosync.config.listen import ListenSection
from orosync.model import Traits
from orosync.transport.message_rates import Allowance
from orosync.transport.settings import BackEndSign, ListenerSettings
from orosync.transport.universal import SCHEMES


def settings_of(section: ListenSection, web: IResource | None, back_end: BackEndSign | None = None) -> ListenerSettings:
    """The settings of a listener; ``web`` answers its plain HTTP requests, ``back_end`` knows the back end's."""
    return ListenerSettings(
        name=section.name,
        path=section.path,
        origins=section.origins,
        origin_required=section.origin == "required",
        trusted_proxies=section.proxies,
        proxy_protocol=section.proxy_protocol,
        header_limit=section.header_limit,
        handshake_timeout=section.handshake_timeout,
        max_connections=section.max_connections,
        max_unauthenticated=section.max_unauthenticated,
        unauthenticated_per_address=section.unauthenticated_per_address,
        connection_rate=section.connection_rate,
        connection_burst=section.connection_burst,
        backend_places=section.backend_places,
        back_end=back_end,
        output_limit=section.output_limit,
        output_stall=section.output_stall,
        frame_timeout=section.frame_timeout,
        ping_interval=section.ping_interval,
        ping_timeout=section.ping_timeout,
        tls=section.tls,
        longpoll=section.longpoll,
        body_limit=section.message_limit,
        deflate=section.compression == "deflate",
        web=web,
    )


def client_traits(section: ListenSection) -> Traits:
    """How everybody is treated who is no back end, or not known to be one.

    A back end on RawSocket says only in HELLO what it is, when its longest message has long been agreed upon.
    """
    alone = section.publisher and section.transport == "rawsocket"
    return Traits(message_limit=section.publisher_message_limit if alone else section.message_limit)


def publisher_traits(section: ListenSection) -> Traits:
    """How a back end is treated that the handshake has made known."""
    return Traits(message_limit=section.publisher_message_limit, skip_oversized=True, pinged=False)


def allowance(section: ListenSection) -> Allowance:
    """How many messages a client that has joined may send unasked."""
    return Allowance.of(section.message_rate, section.message_burst, section.message_rate_cut)


def spoken(section: ListenSection) -> str:
    """What URLs of the listener begin with, in words: "ws", "wss and rss"."""
    return " and ".join(one + "s" * section.tls for one in SCHEMES[section.transport])


def serves_http(section: ListenSection) -> bool:
    """Whether a browser can ask for a page here."""
    return "ws" in SCHEMES[section.transport]
