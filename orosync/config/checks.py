"""Faults that only show when sections are read together: names that lead nowhere, listeners that are too open.

Each check looks at values and reports (section, key, what is wrong and what to do), and none of them stops another. A
section that could not be made is missing from the Configuration, yet its name counts as given (``Titles``), so that one
mistake is reported once. Files are not read, and nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from orosync.config.authentication import RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.backplane import LocalBackplaneSection
from orosync.config.defaults import can_be_made
from orosync.config.endpoints import Reach
from orosync.config.fields import keys_of
from orosync.config.listen import ListenSection
from orosync.config.operations import BACKPLANE
from orosync.config.readers import did_you_mean
from orosync.config.realms import RoleSection
from orosync.config.sections import (
    CookieSection,
    DemoDirectorySection,
    ForeignSection,
    NotificationsSection,
    SqlDirectorySection,
    StaticDirectorySection,
    TicketSection,
)
from orosync.config.sessions import TicketExchangeSection
from orosync.config.settings import Configuration
from orosync.model import EMPTY

Fault = Callable[[str, str, str], None]

Titles = Mapping[str, Collection[str]]
"""The names that sections of each kind have in the file, whether they could be made or not."""

_UPLINK_CREDENTIALS = ("ticket", "secret", "key")
_ATTACH_CREDENTIALS = {"cryptosign": "key", "wampcra": "secret", "ticket": "ticket"}
"""Keys of credentials; those of [attach] by their authmethod."""

DEPENDS: Mapping[str, frozenset[str]] = {
    "authid": frozenset(("key", "secret", "ticket")),
    "ca": frozenset(("uplink", "url")),
    "client_ca": frozenset(("certificate", "key", "tls")),
    "compression": frozenset(("transport",)),
    "cookie": frozenset(("sessions",)),
    "default_role": frozenset(("roles",)),
    "endpoint": frozenset(("exposed",)),
    "longpoll": frozenset(("transport",)),
    "max_unauthenticated": frozenset(("max_connections",)),
    "origins": frozenset(("endpoint", "origin", "transport")),
    "pages": frozenset(("transport",)),
    "path": frozenset(("transport",)),
    "permissions": frozenset(("trustlevel", "unlimited")),
    "previous_secret": frozenset(("secret",)),
    "publisher": frozenset(("authenticators", "endpoint", "proxy_protocol", "publisher_from")),
    "publisher_from": frozenset(("authenticators",)),
    "purge": frozenset(("cache", "procedure")),
    "purge_role": frozenset(("purge",)),
    "tls": frozenset(("certificate", "key")),
    "tls_resumption": frozenset(("certificate", "client_ca", "key", "tls")),
    "trusted_proxies": frozenset(("proxy_protocol", "transport")),
}
"""Of a fault at the key: the other keys of the section that explain it if they have a fault themselves."""


def check(
    configuration: Configuration, titles: Titles, fault: Fault, faulty: Mapping[str, Collection[str]] = EMPTY
) -> None:
    """Every check that can make a configuration unusable. ``faulty``: keys by section that have a fault already."""
    _realms(configuration, titles, fault)
    _references(configuration, titles, fault)
    _components(configuration, titles, fault)
    _topics(configuration, fault)
    _doubles(configuration, fault)
    _uplinks(configuration, titles, fault)
    _remote(configuration, titles, fault)
    _attached(configuration, titles, fault)
    for listener in configuration.listeners.values():
        _listener(configuration, listener, titles, fault)
        _access(listener, fault, faulty.get(f"listen:{listener.name}", ()))
        _origins_from(configuration, listener, titles, fault)
        _publishing(configuration, listener, fault)
        if configuration.router.demo:
            _demo(listener, fault)
    _operations(configuration, fault)
    _backplane(configuration, fault)
    if not configuration.router.demo and "demo" not in faulty.get("router", ()):
        _demo_only(configuration, fault)
    made_certificate = any(one.tls and one.certificate is None for one in configuration.listeners.values())
    if made_certificate and not can_be_made(configuration.router.state):
        fault("router", "state", f"{configuration.router.state} cannot be written, name one that can")


def named(fault: Fault, section: str, key: str, kind: str, wanted: str, titles: Titles) -> None:
    """``wanted`` has to be the name of a [kind:NAME]."""
    known = titles.get(kind, ())
    if wanted not in known:
        hint = did_you_mean(wanted, known)
        fault(section, key, f"there is no [{kind}:{wanted}]{hint or ', add that section or name another'}")


def _realms(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    topics = [f"topics:{name}" for name in titles.get("topics", ())]
    for realm in configuration.realms.values():
        section = f"realm:{realm.name}"
        for wanted in realm.authenticators:
            named(fault, section, "authenticators", "authenticator", wanted, titles)
        for wanted in realm.authorizers:
            if wanted.startswith("topics:"):
                if wanted not in topics:
                    hint = did_you_mean(wanted, topics) or ", add that section or name another"
                    fault(section, "authorizers", f"there is no [{wanted}]{hint}")
            elif wanted != "roles" and wanted not in titles.get("authorizer", ()):
                known = ["roles", *topics, *titles.get("authorizer", ())]
                hint = did_you_mean(wanted, known) or ", write topics:NAME, roles or the name of an [authorizer:NAME]"
                fault(section, "authorizers", f"{wanted} is no authorizer{hint}")


def _references(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    for role in configuration.roles:
        if role.realm is not None and role.realm not in titles.get("realm", ()):
            hint = did_you_mean(role.realm, titles.get("realm", ()))
            fault(role.title, "", f"there is no [realm:{role.realm}]{hint or ', add it'}")
        if not role.permissions and role.trustlevel is None and not role.unlimited:
            line = f"permissions = {keys_of(RoleSection)['permissions'].example}"
            fault(role.title, "permissions", f"is missing, add a line like: {line}")
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, CookieSection):
            section = f"authenticator:{authenticator.name}"
            named(fault, section, "directory", "directory", authenticator.directory, titles)
            named(fault, section, "sessions", "sessions", authenticator.sessions, titles)
            store = configuration.session_stores.get(authenticator.sessions)
            if isinstance(store, TicketExchangeSection) and store.cookie != authenticator.cookie:
                fault(section, "cookie", f"[sessions:{store.name}] sends its value on as {store.cookie}, make them one")
        if isinstance(authenticator, TicketSection):
            section = f"authenticator:{authenticator.name}"
            named(fault, section, "directory", "directory", authenticator.directory, titles)
            _published(authenticator, section, fault)
            previous = authenticator.previous_secret
            if previous is not None and previous.value == authenticator.secret.value:
                fault(section, "previous_secret", "is the same as secret, remove the line")
    for store in configuration.session_stores.values():
        if isinstance(store, TicketExchangeSection):
            section = f"sessions:{store.name}"
            named(fault, section, "authenticator", "authenticator", store.authenticator, titles)
            verifier = configuration.authenticators.get(store.authenticator)
            if verifier is not None and not isinstance(verifier, TicketSection):
                fault(section, "authenticator", f"{verifier.name} verifies no tickets, name one with use = ticket")
    if titles.get("realm") and titles.get("listen"):
        _notifications(configuration, titles, fault)


def _notifications(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    """The realm of Oro's pages is asked for only where something of Oro's is configured."""
    section = configuration.notifications
    of_oro = bool(titles.get("topics")) or section != NotificationsSection()
    if section.realm:
        named(fault, "notifications", "realm", "realm", section.realm, titles)
    elif of_oro or any(isinstance(one, TicketSection | CookieSection) for one in configuration.authenticators.values()):
        fault("notifications", "realm", "there are several realms, say which one Oro's pages are in")


def _published(authenticator: TicketSection, section: str, fault: Fault) -> None:
    """A public secret is accepted only where the section says so."""
    if authenticator.accept_published_secret:
        return
    for key, one in (("secret", authenticator.secret), ("previous_secret", authenticator.previous_secret)):
        if one is not None and one.published:
            fault(
                section,
                key,
                f"{one} holds the secret that Oro is published with, which is public: choose your own, in Oro "
                "and here (while Oro still runs on it: accept_published_secret = yes)",
            )


def _components(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    for component in configuration.components.values():
        section = f"component:{component.name}"
        if component.realm:
            named(fault, section, "realm", "realm", component.realm, titles)
        elif titles.get("realm"):
            fault(section, "realm", "there are several realms, say which one this component joins")


def _topics(configuration: Configuration, fault: Fault) -> None:
    for topics in configuration.topics.values():
        if topics.oro_routing is not None and topics.use != "oro":
            fault(f"topics:{topics.name}", "oro_routing", "declares Oro's channels, write use = oro or remove the line")


def _doubles(configuration: Configuration, fault: Fault) -> None:
    """A port of two listeners, a user id of two users."""
    places: dict[str, str] = {}
    for name, endpoint in configuration.endpoints.items():
        first = places.setdefault(endpoint, name)
        if first != name and not endpoint.startswith("tcp:0"):
            fault(f"listen:{name}", "endpoint", f"is that of [listen:{first}] already, choose another")
    for directory in configuration.directories.values():
        ids: dict[int, str] = {}
        for user in directory.user if isinstance(directory, StaticDirectorySection) else ():
            known = ids.setdefault(user.id, user.username)
            if known != user.username:
                key = f"user.{user.username}"
                fault(
                    f"directory:{directory.name}", key, f"has the id of {known}, whose topics it would see, correct it"
                )


def _listener(configuration: Configuration, listener: ListenSection, titles: Titles, fault: Fault) -> None:
    section = f"listen:{listener.name}"
    if not titles.get("realm"):
        return
    if not listener.realm and listener.transport == "rawsocket":
        return  # WAMP v2 alone: its clients name their realm
    if not listener.realm:
        fault(section, "realm", "there are several realms, say which one this listener leads to")
        return
    named(fault, section, "realm", "realm", listener.realm, titles)
    if set(configuration.realms) != set(titles["realm"]):
        return
    allowed = _authenticators(configuration)
    for wanted in listener.authenticators:
        if wanted not in allowed:
            hint = did_you_mean(wanted, allowed) or ", add it to a realm first"
            fault(section, "authenticators", f"no realm has {wanted}{hint}")


def _origins_from(configuration: Configuration, listener: ListenSection, titles: Titles, fault: Fault) -> None:
    """A database of Oro's."""
    wanted, section = listener.origins_from, f"listen:{listener.name}"
    if not wanted:
        return
    named(fault, section, "origins_from", "directory", wanted, titles)
    directory = configuration.directories.get(wanted)
    if directory is not None and not isinstance(directory, SqlDirectorySection):
        fault(
            section,
            "origins_from",
            f"[directory:{wanted}] is no database of Oro's, name one with use = postgresql or use = mysql, or list the "
            "origins",
        )


def _authenticators(configuration: Configuration) -> list[str]:
    """All that realms name: clients of WAMP v2 name their realm themselves, so on a listener any may be meant."""
    return list(dict.fromkeys(name for realm in configuration.realms.values() for name in realm.authenticators))


def _operations(configuration: Configuration, fault: Fault) -> None:
    """[listen:ops] that other machines can connect to, or on a port that another listener has."""
    section = configuration.operations
    if section is None:
        return
    if section.reach is Reach.OTHER_MACHINES and not section.exposed:
        fault(
            "listen:ops",
            "endpoint",
            "lets other machines connect, and nothing there asks who they are: write "
            "tcp:PORT:interface=127.0.0.1 or unix:PATH, or exposed = yes where a firewall decides",
        )
    checks = {*(f"directory:{name}" for name in configuration.directories)}
    checks |= {f"sessions:{name}" for name in configuration.session_stores}
    checks |= {f"uplink:{name}" for name in configuration.uplinks}
    checks |= set() if configuration.backplane is None else {BACKPLANE}
    for name in section.ready_requires:
        if name not in checks:
            hint = did_you_mean(name, checks) or f", there are: {', '.join(sorted(checks)) or 'none'}"
            fault("listen:ops", "ready_requires", f"{name!r} is no shared dependency{hint}")


def _backplane(configuration: Configuration, fault: Fault) -> None:
    """One process that has no others beside it, a key that is no key of its own."""
    section = configuration.backplane
    if section is None:
        return
    if isinstance(section, LocalBackplaneSection):
        if configuration.router.workers == 1:
            fault(
                "backplane",
                "use",
                "local joins the workers of one machine, and there is one process: write workers = 2 in [router], or "
                "use = redis for several machines",
            )
        return
    previous = section.previous_secret
    if previous is not None and previous.value == section.secret.value:
        fault("backplane", "previous_secret", "is the same as secret, remove the line")
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, TicketSection):
            for key, one in (("secret", section.secret), ("previous_secret", previous)):
                if one is not None and authenticator.secret.value == one.value:
                    what = f"is that of [authenticator:{authenticator.name}], which PHP knows: make a key for the nodes"
                    fault("backplane", key, f"{what} alone (openssl rand -hex 32)")


def _access(listener: ListenSection, fault: Fault, faulty: Collection[str]) -> None:
    """TLS with a certificate or key missing, keys that the transport does not use, a public port open to any page."""
    section = f"listen:{listener.name}"
    halves = [one for one in ("certificate", "key") if getattr(listener, one) is not None or one in faulty]
    if len(halves) == 1:
        given, missing = ("certificate", "key") if "certificate" in halves else ("key", "certificate")
        fault(section, missing, f"is missing, {given} alone is not enough")
    if listener.max_unauthenticated > listener.max_connections:
        most = listener.max_connections
        fault(section, "max_unauthenticated", f"is more than max_connections ({most}), lower it or raise that")
    if listener.client_ca is not None and not listener.tls:
        fault(section, "client_ca", "goes with TLS alone, add certificate and key")
    if listener.tls_resumption is not None and not listener.tls:
        fault(section, "tls_resumption", "goes with TLS alone, add certificate and key")
    if listener.tls_resumption and listener.client_ca is not None:
        why = "whose certificates are verified in each handshake"
        fault(section, "tls_resumption", f"does not go with client_ca, {why}: remove one of the two")
    if listener.proxy_protocol and not listener.trusted_proxies:
        fault(
            section,
            "trusted_proxies",
            "is missing, with proxy_protocol name the load balancers that connections come from",
        )
    if listener.health is not None:
        for key in ("path", "longpoll"):
            if listener.health == getattr(listener, key):
                fault(section, "health", f"is the same as {key}, write another path")
    if listener.transport == "rawsocket":
        for key in ("path", "longpoll", "pages", "health", "trusted_proxies", "origins_from"):
            if getattr(listener, key) and not (key == "trusted_proxies" and listener.proxy_protocol):
                fault(section, key, "is for WebSocket alone, remove the line or write transport = universal")
        if listener.compression != "off":
            fault(section, "compression", "is for WebSocket alone, remove the line or write transport = universal")
    elif (
        listener.reach is Reach.OTHER_MACHINES
        and listener.origin == "required"
        and not (listener.origins or listener.origins_from)
    ):
        fault(
            section,
            "origins",
            "other machines can connect here, list the pages that may (as https://host), or write origin = optional "
            "if no "
            "browser ever comes",
        )


def _publishing(configuration: Configuration, listener: ListenSection, fault: Fault) -> None:
    section = f"listen:{listener.name}"
    for network in listener.publisher_from:
        if network.prefixlen == 0:
            fault(section, "publisher_from", f"{network} is every address, name the back end's own addresses")
    reachable = listener.reach is Reach.OTHER_MACHINES or listener.proxy_protocol
    if listener.publisher and reachable and not listener.publisher_from:
        fault(
            section,
            "publisher",
            "other machines can connect here, listen on loopback or name the back end's addresses in publisher_from",
        )
    used = [
        configuration.authenticators.get(name) for name in listener.authenticators or _authenticators(configuration)
    ]
    able = any(one is None or isinstance(one, TicketSection | ForeignSection) for one in used)
    if (listener.publisher or listener.publisher_from) and used and not able:
        key = "publisher" if listener.publisher else "publisher_from"
        fault(section, key, "no authenticator here knows a back end, add one with use = ticket")


def _demo(listener: ListenSection, fault: Fault) -> None:
    section = f"listen:{listener.name}"
    if listener.reach is not Reach.LOOPBACK:
        fault(section, "endpoint", "demo mode stays on this machine, write tcp:PORT:interface=127.0.0.1 or demo = no")
    if listener.trusted_proxies:
        fault(section, "trusted_proxies", "demo mode answers no proxy, remove the line or write demo = no")


def _demo_only(configuration: Configuration, fault: Fault) -> None:
    advice = "that is for the demo alone (demo = yes in [router])"
    for listener in configuration.listeners.values():
        if listener.tls and listener.certificate is None and listener.key is None:
            fault(f"listen:{listener.name}", "tls", f"needs certificate and key; to go without, {advice}")
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, TicketSection) and authenticator.secret.reference == "generate":
            fault(f"authenticator:{authenticator.name}", "secret", f"generate: {advice}, write file:/path or env:NAME")
    for directory in configuration.directories.values():
        if isinstance(directory, DemoDirectorySection):
            fault(f"directory:{directory.name}", "use", f"demo: {advice}, write postgresql, mysql or static")


def _remote(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    """Authorizers and authenticators whose decisions a procedure makes."""
    for authorizer in configuration.authorizers.values():
        if isinstance(authorizer, RemoteAuthorizerSection):
            section = f"authorizer:{authorizer.name}"
            if authorizer.realm:
                named(fault, section, "realm", "realm", authorizer.realm, titles)
            if authorizer.purge and authorizer.cache is None:
                fault(section, "purge", "nothing is remembered that could be forgotten, add cache = 30s")
            if authorizer.purge_role and not authorizer.purge:
                fault(section, "purge_role", "there is nothing to call, add purge = com.example.purge")
            if authorizer.purge == authorizer.procedure:
                fault(section, "purge", "is the procedure that decides, choose another")
    for authenticator in configuration.authenticators.values():
        if isinstance(authenticator, RemoteAuthenticatorSection):
            section = f"authenticator:{authenticator.name}"
            if authenticator.realm:
                named(fault, section, "realm", "realm", authenticator.realm, titles)
            role = authenticator.default_role
            if role and role not in authenticator.roles:
                hint = did_you_mean(role, authenticator.roles) or ", name one that is or add it there"
                fault(section, "default_role", f"{role} is none of roles{hint}")


def _uplinks(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    realms = titles.get("realm", ())
    for one in configuration.uplinks.values():
        section = f"uplink:{one.name}"
        if one.name not in realms:
            hint = did_you_mean(one.name, realms) or ", name the section as the realm that it belongs to"
            fault(section, "", f"there is no [realm:{one.name}]{hint}")
        elif one.name in configuration.realms and not one.url:
            fault(section, "", f"leads nowhere, add uplink = wss://HOST/PATH to [realm:{one.name}]")
        given = [name for name in _UPLINK_CREDENTIALS if getattr(one, name) is not None]
        if len(given) > 1:
            fault(section, given[1], f"stands beside {given[0]}, keep the one that we log in with there")
        for name in given:
            if name != "key" and not one.authid:
                fault(section, "authid", f"is missing, with {name} say who we are there")
        if one.key is not None and not re.fullmatch("[0-9a-fA-F]{64}", one.key.value):
            fault(section, "key", f"{one.key} is no seed of an Ed25519 key, write its 64 hex digits")
        if one.ca is not None and one.url.startswith(("ws:", "rs:")):
            fault(section, "ca", "goes with TLS alone, let uplink begin with wss:// or rss://")


def _attached(configuration: Configuration, titles: Titles, fault: Fault) -> None:
    """[attach], and what a process needs that has listeners; one that is only asked needs no more of a realm than what
    it is asked about."""
    section, realms = configuration.attach, titles["realm"]
    if not titles["listen"] and "attach" not in titles:
        fault("listen:public", "", "no [listen:NAME] section is there, add one")
    if not realms:
        fault("realm:oro", "", "no [realm:NAME] section is there, add one")
    if titles["listen"] or "attach" not in titles:
        for realm in configuration.realms.values():
            for key, given, example in (
                ("authenticators", realm.authenticators, "ticket"),
                ("authorizers", realm.authorizers, "topics:oro"),
            ):
                if not given:
                    fault(f"realm:{realm.name}", key, f"is missing, add a line like: {key} = {example}")
    if section is None:
        return
    if not section.realm:
        fault("attach", "realm", "there are several realms, say which one to join")
    else:
        named(fault, "attach", "realm", "realm", section.realm, titles)
    keys = [_ATTACH_CREDENTIALS[method] for method in section.credentials]
    if len(keys) > 1:
        fault("attach", keys[1], f"is given beside {keys[0]}, keep one of the two")
    if section.authenticator == section.authorizer:
        fault("attach", "authorizer", "has the name of the authenticator, give it one of its own")
    for network in section.publisher_from:
        if network.prefixlen == 0:
            fault("attach", "publisher_from", f"{network} is every address, name the back end's own addresses")
    if section.ca is not None and section.url is not None and not section.url.startswith(("wss:", "rss:")):
        fault("attach", "ca", f"goes with TLS alone, and {section.url} has none: write wss:// or rss://")
