"""Makes ConnectionFacts of a request and its TCP peer: who is connecting, from where, with what in hand.

Pure functions; whether the client may come in is decided elsewhere. Nothing here raises.
"""

from __future__ import annotations

from orosync.headers.cookies import parse_cookies
from orosync.headers.forwarding import client_address, forwarded
from orosync.model import NOTHING, ConnectionFacts
from orosync.transport.admission import Place
from orosync.transport.channel import Connection, channel_ids, client_certificate
from orosync.transport.request import Request
from orosync.transport.settings import ListenerSettings


def socket_facts(
    settings: ListenerSettings, peer: str, subprotocol: str, tls: Connection | None = None, place: Place | None = None
) -> ConnectionFacts:
    """What is known of a connection without HTTP: nothing that HTTP would have told. ``peer`` and ``place`` as for
    ``connection_facts``."""
    proxy = "" if place is None else place.proxy
    return ConnectionFacts(
        listener=settings.name,
        peer=proxy or peer,
        proxied_for=peer if proxy else "",
        address=peer,
        host="",
        path="",
        query="",
        origin=None,
        subprotocols=(subprotocol,),
        cookies=NOTHING,
        headers=NOTHING,
        tls=settings.tls,
        forwarded=place is not None and place.unnamed,
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )


def connection_facts(
    settings: ListenerSettings,
    peer: str,
    request: Request,
    host: str,
    subprotocols: tuple[str, ...],
    tls: Connection | None = None,
    place: Place | None = None,
) -> ConnectionFacts:
    """Everything that is known of a connection whose HTTP upgrade has been read. ``tls`` is what it came over; ``peer``
    who is connected, past a proxy that passes on TCP as it is, of which ``place`` knows. Whom such a proxy does not
    name counts as forwarded."""
    headers = request.headers
    proxy = "" if place is None else place.proxy
    return ConnectionFacts(
        listener=settings.name,
        peer=proxy or peer,
        proxied_for=peer if proxy else "",
        address=client_address(peer, headers.get("x-forwarded-for"), settings.trusted_proxies),
        host=host,
        path=request.path,
        query=request.query,
        origin=headers.get("origin"),
        subprotocols=subprotocols,
        cookies=parse_cookies(headers.get("cookie")),
        headers=headers,
        tls=settings.tls,
        forwarded=forwarded(headers) or (place is not None and place.unnamed),
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )
