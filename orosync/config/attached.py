"""[attach]: orosync as the authenticator and authorizer of another router, Crossbar.io or an orosync."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from orosync.config import credentials, readers, uplinks
from orosync.config.fields import setting
from orosync.config.readers import Source, words

# ruff: noqa: RUF009 (setting() returns attrs fields)


LISTENER = "[attach]"
"""The name of the router where facts of a connection name their listener."""


def url(text: str, source: Source) -> str:
    """Where a router listens: WebSocket, RawSocket, or RawSocket on a UNIX socket (``rs://unix:/path``)."""
    return text if re.fullmatch(r"rs://unix:/[!-~]+", text) else uplinks.url(text, source)


def procedure(text: str, source: Source) -> str:
    """The URI of a procedure."""
    if not re.fullmatch(r"[0-9a-z_]+(\.[0-9a-z_]+)+", text) or text.startswith("wamp."):
        raise ValueError(f"{text!r} is no procedure of an application, write it like com.orosync.authenticate")
    return text


def key(text: str, source: Source) -> credentials.Secret:
    """A private key of Ed25519 by reference: the 64 hex digits of its seed."""
    found = credentials.secret(text, source)
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", found.value):
        raise ValueError(f"{text} holds no private key, put the 64 hex digits of its seed there")
    return found


def providers(text: str, source: Source) -> tuple[tuple[str, str], ...]:
    """``AUTHPROVIDER/AUTHMETHOD``, several divided by blanks."""
    pairs = [tuple(word.split("/")) for word in words(text)]
    for pair in pairs:
        if len(pair) != 2 or not all(re.fullmatch(r"[\w.-]+", part, re.ASCII) for part in pair):
            raise ValueError(f"{'/'.join(pair)!r} is not AUTHPROVIDER/AUTHMETHOD, write it like dynamic/ticket")
        if pair[0] in ("static", "cookie"):
            raise ValueError(f"{'/'.join(pair)}: what such a login says of a user, the client may have written itself")
    return tuple((provider, method) for provider, method in pairs)


@frozen(kw_only=True)
class AttachSection:
    """[attach]: a router that uses orosync to authenticate and authorize its clients."""

    url: str | None = setting(
        url,
        "Where the router listens: `ws://HOST:PORT/PATH`, `wss://...`, `rs://HOST:PORT` (RawSocket), `rss://...` or "
        "`rs://unix:/PATH`. Components that Crossbar.io itself loads need none.",
        otherwise="none",
        example="ws://127.0.0.1:8080/ws",
    )
    realm: str = setting(
        readers.name,
        "The realm to join. The authorizer uses the [realm:...] of that name, the authenticator that of the realm in "
        "the client's HELLO.",
        unset="",
        otherwise="the only realm",
        example="realm1",
    )
    authid: str = setting(readers.plain, "The `authid` to log in with.", default="orosync")
    key: credentials.Secret | None = setting(
        key,
        "Log in by cryptosign with this private key, by reference: the 64 hex digits of its seed.",
        example="file:/etc/orosync/attach.key",
    )
    secret: credentials.Secret | None = setting(
        credentials.secret,
        "Log in by WAMP-CRA with this secret, by reference.",
        example="file:/etc/orosync/attach.secret",
    )
    ticket: credentials.Secret | None = setting(
        credentials.secret, "Log in with this ticket, by reference.", example="file:/etc/orosync/attach.ticket"
    )
    ca: Path | None = setting(
        credentials.certificates,
        "The certificate authorities that are trusted (PEM); host names are always verified.",
        otherwise="the system's",
        example="/etc/orosync/ca.pem",
    )
    authenticator: str = setting(
        procedure, "The procedure that authenticates clients.", default="com.orosync.authenticate"
    )
    authorizer: str = setting(procedure, "The procedure that authorizes clients.", default="com.orosync.authorize")
    origins: tuple[str, ...] = setting(
        readers.origins,
        "Web pages that may connect, as in [listen:...]. A cookie is accepted only from one of them; clients without "
        "an Origin need a ticket.",
        unset=(),
        example="https://oro.example.com",
    )
    trusted_proxies: tuple[readers.Network, ...] = setting(
        readers.trusted("they can write an X-Forwarded-For and pass for any client"),
        "Reverse proxies in front of the router that tell the client's address in `X-Forwarded-For`, `Forwarded` or "
        "`X-Real-IP`: networks, addresses or `loopback`.",
        unset=(),
        example="loopback",
    )
    publisher_from: tuple[readers.Network, ...] = setting(
        readers.trusted("where the back end is meant to come from, and they may publish with its ticket"),
        "A ticket without a user may publish when it comes from these networks, without a forwarding header and a "
        "cookie, and without an Origin or with PHP's (`127.0.0.1`).",
        unset=(),
        example="loopback",
    )
    trusted_providers: tuple[tuple[str, str], ...] = setting(
        providers,
        "The logins whose `authextra` (user id, organizations and roles in Oro) is trusted, as "
        "`AUTHPROVIDER/AUTHMETHOD`: those that orosync authenticated. If the router is an orosync: the name of its "
        "authenticator, `tickets/ticket`. No other authenticator of the router may handle such logins.",
        default="dynamic/ticket dynamic/anonymous function/ticket",
    )
    timeout: float = setting(readers.duration, "How long connecting and joining may take.", default="10s")
    retry: float = setting(readers.duration, "The longest pause between attempts to connect.", default="15s")

    @property
    def credentials(self) -> dict[str, credentials.Secret]:
        """Those that are given, by their authmethod."""
        given = {"cryptosign": self.key, "wampcra": self.secret, "ticket": self.ticket}
        return {method: secret for method, secret in given.items() if secret is not None}
