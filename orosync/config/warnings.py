"""What works and is likely to be a mistake, as far as it shows when sections are read together.

Each check looks at values and reports (section, key, what is wrong and what to do). A single value is warned about by
its reader (``readers.Source.warn``). Whether directories exist is looked up; files are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from orosync.config.attached import AttachSection
from orosync.config.authentication import CertificateSection, RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.backplane import LocalBackplaneSection
from orosync.config.defaults import LOCAL_ORIGINS
from orosync.config.endpoints import take_apart
from orosync.config.listen import ListenSection
from orosync.config.readers import did_you_mean
from orosync.config.realms import RealmSection
from orosync.config.sections import (
    AnonymousSection,
    Authenticator,
    CookieSection,
    ForeignSection,
    StaticDirectorySection,
    TicketSection,
)
from orosync.config.sessions import SessionFilesSection, TicketExchangeSection
from orosync.config.settings import Configuration
from orosync.config.uplinks import UplinkSection

Warn = Callable[[str, str, str], None]

HELLO_METHODS = {
    **{use: use for use in ("ticket", "wampcra", "scram", "cryptosign", "anonymous")},
    "certificate": "tls",
}
"""The WAMP authmethod of a section's ``use``; a remote authenticator says its own."""

ABSTAINING = frozenset({"password", "wampcra", "scram", "cryptosign"})
"""Those that leave clients that they do not know to the realm's next authenticator of the method."""

HERE = ("localhost", "127.0.0.1", "::1")
SECURE = {"ws": "wss", "rs": "rss"}
SPARE_FILES = 192
"""Open files that a router needs besides its connections, those that it refuses included."""


def find(configuration: Configuration, open_files: int, warn: Warn) -> None:
    """Every warning; ``open_files`` is the limit that holds for this process."""
    wanted = connections(configuration)
    if 0 <= open_files < wanted + SPARE_FILES:
        warn(
            "router",
            "",
            f"the process may open {open_files} files, its listeners allow {wanted} connections: raise LimitNOFILE "
            "(ulimit -n) or lower max_connections",
        )
    for listener in configuration.listeners.values():
        _listener(listener, warn)
        if not configuration.router.demo:
            _unencrypted(listener, warn)
    for store in configuration.session_stores.values():
        if isinstance(store, SessionFilesSection) and not store.path.is_dir():
            warn(f"sessions:{store.name}", "path", f"{store.path} is no directory, so that no cookie is accepted")
        if isinstance(store, TicketExchangeSection) and in_the_clear(store.url):
            warn(f"sessions:{store.name}", "url", "visitors' cookies go there unencrypted, write https://")
    for directory in configuration.directories.values():
        if isinstance(directory, StaticDirectorySection) and not directory.user:
            warn(f"directory:{directory.name}", "", "has no user, add a line like: user.admin = 1 file:admin.hash")
    _node(configuration, warn)
    _uplinks(configuration.uplinks.values(), warn)
    _attached(configuration.attach, warn)
    if configuration.authenticators:
        _unassigned_roles(configuration, warn)
    _authenticators(configuration, warn)
    _single_use(configuration, warn)
    for realm in configuration.realms.values():
        _never_asked(configuration, realm, warn)


def connections(configuration: Configuration) -> int:
    """How many connections all listeners allow together."""
    return sum(one.max_connections + one.backend_places for one in configuration.listeners.values())


def _never_asked(configuration: Configuration, realm: RealmSection, warn: Warn) -> None:
    """Behind an authenticator that leaves no client to the next one of its method, unless a listener admits the other
    one alone."""
    first: dict[str, str] = {}
    for name in realm.authenticators:
        section = configuration.authenticators.get(name)
        method = None if section is None else _method_of(section)
        if section is None or method is None:
            continue
        before = first.get(method)
        if before is None:
            if section.use not in ABSTAINING:
                first[method] = name
            continue
        apart = [one.authenticators for one in configuration.listeners.values() if one.realm in ("", realm.name)]
        if not any(name in admitted and before not in admitted for admitted in apart):
            remedy = f"name {name} before {before}" if section.use in ABSTAINING else "remove one of the two"
            warn(
                f"realm:{realm.name}",
                "authenticators",
                f"{name} is never asked, since {before} takes all clients with the authmethod {method}: {remedy}, or "
                "give each a listener that names it in authenticators",
            )


def _method_of(section: Authenticator) -> str | None:
    """The WAMP authmethod of an authenticator; None for a cookie's and a plugin's."""
    return section.method if isinstance(section, RemoteAuthenticatorSection) else HELLO_METHODS.get(section.use)


def _listener(listener: ListenSection, warn: Warn) -> None:
    """Oro's PHP, whose Origin is always the same, would be refused, or pages would be."""
    shared = bool(listener.publisher_from) and not listener.publisher
    publishes = shared or (listener.publisher and listener.origin == "required")
    if publishes and listener.transport != "rawsocket" and "127.0.0.1" not in listener.origins:
        warn(f"listen:{listener.name}", "origins", "Oro's publisher sends 127.0.0.1 and is refused, add it")
    pages = listener.transport != "rawsocket" and not listener.publisher
    local = set(listener.origins) == set(LOCAL_ORIGINS) and not listener.origins_from
    if pages and listener.trusted_proxies and local:
        warn(
            f"listen:{listener.name}",
            "origins",
            "pages that come through proxies have another Origin than this machine's and are refused: add a line like "
            "origins = https://oro.example.com 127.0.0.1",
        )


def _unencrypted(listener: ListenSection, warn: Warn) -> None:
    """TCP without TLS that leaves the machine; a listener with ``trusted_proxies`` may be on a network of its own."""
    endpoint = take_apart(listener.endpoint)
    if endpoint.kind != "tcp" or listener.tls:
        return
    interface = endpoint.options.get("interface", "")
    everywhere = not interface or ip_address(interface).is_unspecified
    if everywhere or not (ip_address(interface).is_loopback or listener.trusted_proxies):
        warn(
            f"listen:{listener.name}",
            "endpoint",
            f"{listener.endpoint} takes connections from other machines unencrypted, so that tickets and cookies can "
            "be read on the way: add certificate and key, or listen behind a proxy on interface=127.0.0.1",
        )


def _authenticators(configuration: Configuration, warn: Warn) -> None:
    named = {name for realm in configuration.realms.values() for name in realm.authenticators}
    asks = any(listener.client_ca is not None for listener in configuration.listeners.values())
    for name, authenticator in configuration.authenticators.items():
        section = f"authenticator:{name}"
        if name not in named:
            warn(section, "", "no realm names it, it is not used")
        elif isinstance(authenticator, CertificateSection) and not asks:
            warn(section, "", "no listener asks for certificates, give one a client_ca")
        if isinstance(authenticator, TicketSection):
            _published(authenticator, section, warn)


def _single_use(configuration: Configuration, warn: Warn) -> None:
    """A single-use ticket can be used again with an authenticator that does not remember it."""
    tickets = [one for one in configuration.authenticators.values() if isinstance(one, TicketSection)]
    for one in tickets:
        strict = next((other for other in tickets if other.single_use and _secrets(other) & _secrets(one)), None)
        if strict is not None and not one.single_use:
            warn(
                f"authenticator:{one.name}",
                "single_use",
                f"it has a secret of [authenticator:{strict.name}], whose tickets are good once there and as often as "
                "they come here: say single_use = yes here too",
            )


def _secrets(authenticator: TicketSection) -> set[str]:
    known = (authenticator.secret, authenticator.previous_secret)
    return {secret.value for secret in known if secret is not None}


def _published(authenticator: TicketSection, section: str, warn: Warn) -> None:
    key = "accept_published_secret"
    if not authenticator.accept_published_secret:
        return
    if authenticator.published:
        warn(
            section,
            key,
            "the secret is public, and any client can make a ticket of the back end with it: such tickets count from "
            "this "
            "machine alone, whatever publisher and publisher_from say; give Oro a secret of its own "
            "(docs/operations.md says what to mind) and remove the line",
        )
    else:
        warn(section, key, "the secret is none that Oro is published with, remove the line")


def _unassigned_roles(configuration: Configuration, warn: Warn) -> None:
    """Roles that no user, uplink or component has (unknown where an authenticator is foreign)."""
    given = {one.role for one in configuration.uplinks.values()}
    given |= {one.role for one in configuration.components.values()}
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, ForeignSection):
            return
        if isinstance(authenticator, TicketSection):
            given |= {authenticator.role, authenticator.publisher_role}
        elif isinstance(authenticator, AnonymousSection | CookieSection):
            given.add(authenticator.role)
        elif isinstance(authenticator, RemoteAuthenticatorSection):
            given.update(authenticator.roles)
        else:
            given.update(user.role for user in authenticator.user)
    for section, key, roles in _named_roles(configuration):
        for role in sorted(set(roles) - given):
            hint = did_you_mean(role, given) or ", correct the name or give it to somebody"
            warn(section, key, f"no authenticator gives {'it' if section.startswith('role:') else role}{hint}")


def _named_roles(configuration: Configuration) -> Iterator[tuple[str, str, Iterable[str]]]:
    """(section, key, roles that are meant to do something)."""
    for topics in configuration.topics.values():
        title = f"topics:{topics.name}"
        yield title, "subscribe", topics.subscribe
        yield title, "publish", topics.publish
        for line in topics.channel:
            yield title, f"channel.{line.pattern}", {*(line.subscribe or ()), *(line.publish or ())}
    for role in configuration.roles:
        yield role.title, "", (role.name,)
    for name, one in configuration.authorizers.items():
        if isinstance(one, RemoteAuthorizerSection):
            yield f"authorizer:{name}", "registered_by", one.registered_by
            yield f"authorizer:{name}", "purge_role", filter(None, (one.purge_role,))
    for name, asked in configuration.authenticators.items():
        if isinstance(asked, RemoteAuthenticatorSection):
            yield f"authenticator:{name}", "registered_by", asked.registered_by


def _node(configuration: Configuration, warn: Warn) -> None:
    """A name that the nodes of other machines are likely to have too."""
    several = not isinstance(configuration.backplane, LocalBackplaneSection | None)
    if several and configuration.router.node.partition(".")[0] in ("localhost", "orosync"):
        name = configuration.router.node
        warn("router", "node", f"{name} may be the name of other nodes too, and each needs its own: add node = ws1")


def _uplinks(uplinks: Iterable[UplinkSection], warn: Warn) -> None:
    """What works and is yet likely to be a mistake."""
    for one in uplinks:
        if not (one.publish or one.subscribe or one.call or one.register):
            warn(f"realm:{one.name}", "uplink", f"nothing passes, name topics in [uplink:{one.name}]")
        if in_the_clear(one.url):
            secure = SECURE[urlsplit(one.url).scheme]
            warn(f"realm:{one.name}", "uplink", f"everything goes there unencrypted, write {secure}://")


def in_the_clear(url: str) -> bool:
    """Whether what is sent there leaves the machine unencrypted."""
    found = urlsplit(url)
    return found.scheme in ("http", "ws", "rs") and found.netloc != "unix:" and found.hostname not in HERE


def _attached(section: AttachSection | None, warn: Warn) -> None:
    """What works and is yet likely to be a mistake."""
    if section is None or section.url is None:
        return
    if in_the_clear(section.url):
        warn("attach", "url", "the tickets of clients come here unencrypted, write wss:// or rss://")
    if not section.credentials:
        warn("attach", "", "no key, secret or ticket: the router must take us for what we are without any")
