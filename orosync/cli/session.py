"""``orosync session verify``: the user of a cookie's session, or why it is refused."""

from __future__ import annotations

from typing import Any

from orosync.app.container import Container
from orosync.cli.running import ask, no_such, only
from orosync.config import Configuration
from orosync.config.sections import CookieSection
from orosync.errors import Refused
from orosync.identity.cookie_authenticator import BACK_OFFICE
from orosync.model import EMPTY, ConnectionFacts


async def verify(configuration: Configuration, reactor: Any, store: str, cookie: str) -> str:
    """Who the session ``cookie`` is, in a line: by the first authenticator that asks ``store``, else by the store.
    ``cookie`` is its value, or a whole ``Cookie`` header with it, as a browser shows one.

    Fails as ``CookieAuthenticator.at_handshake`` and ``ISessionStore.find``."""
    if store not in configuration.session_stores:
        raise no_such(f"[sessions:{store}]", store, configuration.session_stores)
    cookies = [one for one in configuration.authenticators.values() if isinstance(one, CookieSection)]
    section = next((one for one in cookies if one.sessions == store), None)
    if section is None:
        return await ask(
            only(configuration, store=store), reactor, lambda container: _by_store(container, store, cookie)
        )
    found = section
    return await ask(
        only(configuration, found.name), reactor, lambda container: _by_authenticator(container, found, cookie)
    )


async def _by_store(container: Container, store: str, cookie: str) -> str:
    session = await container.session_stores[store].find(_value(BACK_OFFICE, cookie))
    if session is None:
        raise Refused("no_session", "unknown, expired or logged out")
    number = "unknown" if session.user_id is None else session.user_id
    return f"user {session.username!r} (id {number}); no authenticator asks [sessions:{store}], the user is not checked"


async def _by_authenticator(container: Container, section: CookieSection, cookie: str) -> str:
    principal = await container.authenticators[section.name].at_handshake(
        _presented(section.cookie, _value(section.cookie, cookie))
    )
    assert principal is not None, "the cookie was presented"
    return f"user {principal.authid!r} (id {principal.user_id}), role {principal.authrole}"


def _value(name: str, cookie: str) -> str:
    """What the cookie ``name`` is in ``NAME=VALUE; ...``; text without it is the value itself."""
    for one in cookie.removeprefix("Cookie:").split(";"):
        key, _, value = one.strip().partition("=")
        if key == name and value:
            return value
    return cookie


def _presented(name: str, cookie: str) -> ConnectionFacts:
    return ConnectionFacts(
        listener="",
        peer="127.0.0.1",
        address="127.0.0.1",
        host="",
        path="/",
        query="",
        origin="http://localhost",
        subprotocols=(),
        cookies={name: cookie},
        headers=EMPTY,
        tls=False,
        forwarded=False,
    )
