"""[listen:NAME], key by key: reader, default, meaning.

Durations are seconds, sizes bytes. Where the file does not say ``realm``, ``tls`` and ``origins``,
``orosync.config.defaults`` does.
"""

# ruff: noqa: RUF009 (setting() returns attrs fields)

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from orosync.config import credentials, endpoints, readers
from orosync.config.fields import setting


def sql_directory(text: str, source: readers.Source) -> str:
    """``directory:NAME``; the name."""
    kind, _, called = text.partition(":")
    if kind != "directory" or not called:
        raise ValueError(f"{text!r} is no directory, write directory:NAME")
    return readers.name(called, source)


@frozen(kw_only=True)
class ListenSection:
    """[listen:NAME]: a port, the clients that may connect to it, and their limits."""

    name: str
    endpoint: str = setting(
        endpoints.endpoint,
        "Where to listen, as a string of Twisted's: `tcp:PORT:interface=ADDRESS`, `unix:PATH:mode=660` or "
        "`systemd:domain=INET:name=NAME`. `tcp:8080` is all IPv4 addresses, "
        r"`tcp:8080:interface=\:\:` all of IPv6 and IPv4: each colon of an IPv6 address is written `\:`. "
        "Unless it says `backlog=`, 4096 connections may wait to be accepted (or as "
        "many as `net.core.somaxconn` allows); a socket of systemd's has its unit's `Backlog=`.",
        required=True,
        example="tcp:8080:interface=127.0.0.1",
    )
    transport: str = setting(
        readers.choice("websocket", "rawsocket", "universal"),
        "The transport: `websocket`; `rawsocket`, which no browser speaks, so that `path`, `origins` and "
        "`trusted_proxies` mean nothing to it; or `universal`, both on one port, told apart by a connection's first "
        "byte.",
        default="websocket",
    )
    certificate: Path | None = setting(
        credentials.certificates, "Serve TLS with this certificate chain (PEM); needs `key`."
    )
    key: Path | None = setting(credentials.private_key, "The certificate's private key (PEM).")
    client_ca: Path | None = setting(
        credentials.certificates,
        "Ask clients for certificates that these authorities issued (PEM), for authenticators with `use = "
        "certificate`. Clients without one can use other methods.",
    )
    tls: bool = setting(
        readers.boolean,
        "Serve TLS. In demo mode a certificate is made on the first start when none is given.",
        unset=False,
        otherwise="yes with a certificate, else no",
    )
    tls_resumption: bool | None = setting(
        readers.boolean,
        "Clients may resume their TLS sessions for 8 hours, so that a reconnect costs less "
        "([storms.md](storms.md#resumed-tls-sessions)). Not with `client_ca`, whose certificates are verified in each "
        "handshake.",
        otherwise="yes, but no with `client_ca`",
    )
    path: str | None = setting(
        readers.web_path, "The only path of a URL that is answered.", otherwise="any path", example="/ws"
    )
    origins: tuple[str, ...] = setting(
        readers.origins,
        "Web pages that may connect: `https://host[:port]` means exactly that, `host` any scheme and port. Oro's "
        "publisher sends `127.0.0.1`. Required where other machines can connect, unless `origin = optional`.",
        unset=(),
        otherwise="on loopback and UNIX sockets: `localhost 127.0.0.1 [::1]`",
    )
    origins_from: str = setting(
        sql_directory,
        "Also allow the origin of Oro's Application URL, read from the database of this directory and followed when it "
        "is changed ([directories.md](directories.md#the-origin-of-oros-pages)).",
        unset="",
        otherwise="only what `origins` lists",
        example="directory:people",
    )
    origin: str = setting(
        readers.choice("required", "optional"),
        "`required`: clients without an Origin header are refused. `optional`: clients other than browsers need none; "
        "an Origin that is sent must be listed all the same.",
        default="required",
    )
    pages: tuple[Path, ...] = setting(
        readers.directories,
        "Directories whose files are served in response to plain HTTP requests; of equal names that of the first "
        "directory. They are read at the start and at SIGHUP; names that begin with a dot and links are passed over.",
        unset=(),
        example="/opt/acme/pages",
    )
    health: str | None = setting(
        readers.web_path,
        "Answer a load balancer's GET or HEAD of this path with 200 while this node is ready for clients, else with "
        "503, as `/readyz` of `[listen:ops]` does, without a body "
        "([monitoring.md](monitoring.md#load-balancers)). It is not logged, and `origins` do not matter to it.",
        otherwise="no health check",
        example="/health",
    )
    longpoll: str | None = setting(
        readers.web_path,
        "Serve HTTP long-poll below this path, for WAMP v2 clients in networks that block WebSocket.",
        otherwise="no long-poll",
        example="/lp",
    )
    trusted_proxies: tuple[readers.Network, ...] = setting(
        readers.trusted("they can write an X-Forwarded-For and pass for any client"),
        "Reverse proxies that tell the client's address in `X-Forwarded-For`, `Forwarded` (RFC 7239) or `X-Real-IP`: "
        "networks, addresses or `loopback`.",
        unset=(),
        example="loopback",
    )
    proxy_protocol: bool = setting(
        readers.boolean,
        "For load balancers that forward TCP: each connection comes from `trusted_proxies` and begins with a "
        "header of the PROXY protocol (version 1 or 2), before TLS, which tells the client's address. Others are "
        "refused.",
        default="no",
    )
    realm: str = setting(
        readers.name, "The realm of clients that name none (WAMP v1).", unset="", otherwise="the only realm"
    )
    authenticators: tuple[str, ...] = setting(
        readers.names,
        "Which of the realms' authenticators may be used here.",
        unset=(),
        otherwise="all that a client's realm names",
    )
    publisher: bool = setting(
        readers.boolean, "A listener for the back end: a ticket without a user may publish here.", default="no"
    )
    publisher_from: tuple[readers.Network, ...] = setting(
        readers.trusted("where PHP is meant to come from, and they may publish with its ticket"),
        "On a port shared with browsers: a ticket without a user may publish when it comes from these networks, "
        "without a forwarding header and a cookie, and with PHP's `Origin: 127.0.0.1`. Together with `publisher = yes` "
        "the networks limit that.",
        unset=(),
        example="loopback",
    )
    header_limit: int = setting(readers.size, "The largest HTTP request.", default="16KiB")
    handshake_timeout: float = setting(
        readers.duration, "How long a handshake may take, the wait for identity not counted.", default="5s"
    )
    hello_timeout: float = setting(
        readers.duration, "How long a WAMP v2 client may take to authenticate after the handshake.", default="10s"
    )
    goodbye_at_stop: bool = setting(
        readers.boolean,
        "Tell WAMP v2 clients GOODBYE (`wamp.close.system_shutdown`) and close with 1001 at a stop, as the "
        "specification has it. JavaScript clients then do not reconnect until their page is reloaded; without it "
        "the connection ends, and they reconnect ([operations.md](operations.md#clients-after-a-restart)).",
        default="no",
    )
    message_limit: int = setting(readers.size, "The largest message of a client.", default="64KiB")
    publisher_message_limit: int = setting(
        readers.size,
        "The largest message of the back end; a larger one is skipped, the connection stays.",
        default="16MiB",
    )
    send_buffer_limit: int = setting(
        readers.size,
        "How much may wait for a slow client before it is disconnected. One larger message may wait if no more "
        "than this waited before it, so that a client that reads receives it.",
        default="1MiB",
    )
    send_timeout: float = setting(readers.duration, "How long a client may read nothing of it.", default="10s")
    compression: str = setting(
        readers.choice("off", "deflate"),
        "`deflate`: messages from 256 bytes are compressed for WebSocket clients that offer it (permessage-deflate), "
        "which costs processor time to save bandwidth. Limits count what comes out of a compressed message.",
        default="off",
    )
    frame_timeout: float = setting(
        readers.duration,
        "How long a message may take to arrive from its first byte; the back end's too, which is never pinged.",
        default="30s",
    )
    ping_interval: float = setting(readers.duration, "Keep-alive pings, never to the back end.", default="25s")
    ping_timeout: float = setting(readers.duration, "How long a client may take to answer a ping.", default="10s")
    max_connections: int = setting(readers.count, "Connections at one time.", default="10000")
    max_unauthenticated: int = setting(
        readers.count,
        "How many of these may be of clients that have not joined yet, plain HTTP included. While more than half of "
        "them are taken, the three limits below hold for each address: the client's own behind `trusted_proxies`, the "
        "/64 of an IPv6 one.",
        unset=0,
        otherwise="half of `max_connections`, at least 256",
    )
    unauthenticated_per_address: int = setting(
        readers.count, "Connections of one address that have not joined yet; another one gets 503.", default="256"
    )
    connection_rate: int = setting(
        readers.count, "New connections of one address in a second; one that comes too early waits.", default="200"
    )
    connection_burst: int = setting(readers.count, "How many of them may come at once before that.", default="2000")
    backend_places: int = setting(
        readers.natural,
        "Connections beyond all these that are reserved for the back end: what comes with a ticket "
        "without a user as `publisher_from` demands it, or to a listener with `publisher = yes`.",
        default="16",
    )
    connections_per_user: int = setting(
        readers.count,
        "Connections of one user at a time, on all nodes (each tab of a browser has one); the back end is not counted.",
        default="200",
    )
    subscriptions_per_connection: int = setting(readers.count, "Subscriptions of one connection.", default="128")
    registrations_per_connection: int = setting(
        readers.count,
        "Procedures that one connection may offer (WAMP v2). A service with more has a listener where this is higher.",
        default="128",
    )
    calls_per_connection: int = setting(
        readers.count, "Calls of one connection that may be in progress at one time.", default="1000"
    )
    message_rate: int = setting(
        readers.count,
        "Messages that a client may send unasked each second; above that it is read more slowly, and no message is "
        "lost "
        "([transports.md](transports.md#message-rates)). The back end is exempt, and roles that are `unlimited`.",
        default="1000",
    )
    message_burst: int = setting(
        readers.count, "How many of them may come at once: an eighth of `message_rate` in any case.", default="2000"
    )
    message_rate_cut: float | None = setting(
        readers.duration,
        "Disconnect a client that has exceeded its rate for so long.",
        otherwise="it is only slowed",
        example="1m",
    )

    @property
    def reach(self) -> endpoints.Reach:
        """Who can connect."""
        return endpoints.take_apart(self.endpoint).reach
