"""``orosync ticket make`` and ``orosync ticket verify``: tickets as Oro makes them, and why one is refused."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from orosync.app.container import Container
from orosync.cli.running import ask, no_such, only
from orosync.cli.streams import Misused
from orosync.clocks import Now, time_of_day
from orosync.config import Configuration
from orosync.config.attached import LISTENER
from orosync.config.sections import TicketSection
from orosync.errors import Refused
from orosync.identity.ticket import date_c, make_ticket, parse
from orosync.identity.ticket_verifier import ORIGIN
from orosync.identity.user_credentials import disabled
from orosync.model import EMPTY, ConnectionFacts


async def make(
    configuration: Configuration, reactor: Any, authenticator: str | None, user: str | None, now: Now = time_of_day
) -> tuple[str, str]:
    """A ticket of ``user`` (None: the back end), and a warning or "". Refused when there is no such user."""
    section = _section(configuration, authenticator)
    nonce, created = secrets.token_hex(8), date_c(int(now()))
    if user is None:
        return make_ticket("", None, section.secret.value, nonce, created), ""

    async def look_up(container: Container) -> tuple[str, str]:
        found = await container.directories[section.directory].find(user)
        if found is None:
            raise Refused("unknown_user", f"[directory:{section.directory}] has no user {user!r}")
        try:
            ticket = make_ticket(found.username, found.password_hash, section.secret.value, nonce, created)
        except ValueError as error:
            raise Misused(str(error)) from None
        shared = container.sharing.directories[section.directory]
        await shared.refresh()
        fault = ""
        if not (found.enabled or section.accept_disabled):
            fault = disabled(found).reason
        elif not (found.password_hash.strip() or section.accept_without_password):
            fault = "has no password"
        elif shared.has(found):
            fault = "has the password hash of another user"
        return ticket, f"user {found.username!r} {fault}, the ticket will be refused" if fault else ""

    return await ask(only(configuration, section.name), reactor, look_up)


async def verify(configuration: Configuration, reactor: Any, authenticator: str | None, text: str) -> str:
    """Whose the ticket ``text`` is, in a line. Fails as ``TicketVerifier.verify``."""
    section = _section(configuration, authenticator)

    async def verified(container: Container) -> str:
        await container.sharing.directories[section.directory].refresh()
        principal = await container.authenticators[section.name].at_handshake(_presented(configuration, section, text))
        if principal is None:
            raise Refused("malformed", "there is no ticket in it")
        age = int(container.now()) - parse(text).created_at
        who = "the back end" if principal.is_backend else f"user {principal.authid!r} (id {principal.user_id})"
        return f"{who}, role {principal.authrole}, made {age} s ago"

    return await ask(only(configuration, section.name), reactor, verified)


def _section(configuration: Configuration, name: str | None) -> TicketSection:
    """The authenticator of that name, or the only one that there is."""
    known = {one.name: one for one in configuration.authenticators.values() if isinstance(one, TicketSection)}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        raise Misused(f"name one with --authenticator: {', '.join(known) or 'there is none with use = ticket'}")
    if name not in known:
        raise no_such(f"[authenticator:{name}] with use = ticket", name, known)
    return known[name]


def _presented(configuration: Configuration, section: TicketSection, text: str) -> ConnectionFacts:
    """The ticket as if it came to a listener, and from an address, that accepts the back end's; without listeners, to
    the router that [attach] serves."""
    listeners = list(configuration.listeners.values())
    granting = next(
        (one for one in listeners if one.publisher or one.publisher_from), listeners[0] if listeners else None
    )
    attach = configuration.attach
    networks = attach.publisher_from if granting is None and attach is not None else ()
    networks = networks if granting is None else granting.publisher_from
    here = section.accept_published_secret or not networks
    peer = "127.0.0.1" if here else str(networks[0].network_address)
    return ConnectionFacts(
        listener=LISTENER if granting is None else granting.name,
        peer=peer,
        address=peer,
        host="",
        path="/",
        query=f"ticket={quote(text, safe='')}",
        origin=ORIGIN,
        subprotocols=(),
        cookies=EMPTY,
        headers=EMPTY,
        tls=False,
        forwarded=False,
    )
