"""The sections of a configuration, key by key: reader, default, meaning.

Durations are seconds, sizes bytes. Where the file leaves a key open that depends on the machine or on other sections
(``NotificationsSection.realm``), ``orosync.config.defaults`` fills it in. Listeners, realms, authentication methods,
session stores, uplinks and [attach] have modules of their own.
"""

# ruff: noqa: RUF009 (setting() and dotted() return attrs fields)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from orosync.config import accounts, credentials, operations, readers, rules
from orosync.config.authentication import METHODS, Method, RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.fields import dotted, setting, use
from orosync.config.sessions import CONNECT_TIMEOUT, CONNECTIONS, QUERY_TIMEOUT, cookie
from orosync.model import User


@frozen(kw_only=True)
class RouterSection:
    """[router]: the process."""

    node: str = setting(
        readers.name, "The name of this router in logs and metrics.", unset="", otherwise="the host's name"
    )
    drain: float = setting(readers.span, "Over how long clients are disconnected at a stop.", default="5s")
    state: Path = setting(
        readers.expanded,
        "The directory for what orosync makes itself: the demo's certificate.",
        unset=Path(),
        otherwise="`$STATE_DIRECTORY`, else the first of `~/.local/state/orosync`, `/var/lib/orosync`, `./var` "
        "that can be written",
    )
    demo: bool = setting(
        readers.boolean,
        "Demo mode: loopback only, requests that a proxy forwarded are refused; allows `tls = yes` without a "
        "certificate, `secret = generate` and `use = demo`.",
        default="no",
    )
    recheck: float = setting(
        readers.duration,
        "How often connected users are revalidated: within that time a user who is disabled, deleted or gets another "
        "password is disconnected, and changed rights take effect.",
        default="5m",
    )
    plugins: tuple[Path, ...] = setting(
        readers.plugins,
        "Directories with modules of your own, which `use = package.module:factory` names; searched after Python's own "
        "path. Other users must not be able to write there.",
        unset=(),
        otherwise="Python's own path alone",
        example="/opt/acme/plugins",
    )
    workers: int = setting(
        operations.processes,
        "Processes that serve clients, each with its share of them; `auto`: as many as the process may use processors "
        "([scaling.md](scaling.md)).",
        default="1",
    )
    ticket_processes: int = setting(readers.count, "Processes that check tickets.", default="2")
    log: str = setting(
        readers.choice("text", "json"),
        "How the log is written: lines of text, or a JSON object on each line, for programs that collect logs "
        "([operations.md](operations.md#log-lines-as-json)).",
        default="text",
    )
    log_level: str = setting(
        readers.choice("debug", "info", "warn", "error"),
        "From which level on events are logged. `debug` logs each client that joins or leaves.",
        default="info",
    )
    control: Path | None = setting(
        operations.socket_path,
        "The UNIX socket for `orosync status`, `sessions`, `kick` and the other commands that ask a running router.",
        otherwise="`control-NUMBER.sock` in `$RUNTIME_DIRECTORY`, else in `state`, or in `/tmp/orosync-UID` if that "
        "path is too long for a socket; the number belongs to the path of this file",
        example="/run/orosync/control.sock",
    )
    control_readers: tuple[int, ...] = setting(
        operations.system_users,
        "Users of the machine who may ask over that socket and change nothing, by name or number. Root and the user "
        "that the router runs as may do everything.",
        unset=(),
        example="zabbix",
    )


@frozen(kw_only=True)
class TicketSection:
    """[authenticator:NAME] with `use = ticket`: Oro's sync tickets."""

    name: str
    use: str = use("ticket")
    secret: credentials.Secret = setting(
        credentials.salt_or_generate,
        "Oro's secret (`ORO_SECRET`) by reference. In demo mode also `generate`: a new one at each start.",
        required=True,
        example="file:/etc/orosync/oro_secret",
    )
    previous_secret: credentials.Secret | None = setting(
        credentials.salt,
        "A second secret that is still good, while the first is being changed.",
        example="file:/etc/orosync/old",
    )
    directory: str = setting(
        readers.name, "The [directory:NAME] where users are looked up.", required=True, example="people"
    )
    role: str = setting(readers.name, "The role of users.", default="user")
    publisher_role: str = setting(readers.name, "The role of the back end.", default="backend")
    ttl: float = setting(readers.duration, "How old a ticket may be.", default="300s")
    future: float = setting(readers.span, "How far a ticket may be dated ahead of the local clock.", default="30s")
    accept_disabled: bool = setting(
        readers.boolean,
        "Accept users who are disabled or have to choose a new password, as Oro's own server does.",
        default="no",
    )
    accept_without_password: bool = setting(
        readers.boolean,
        "Accept tickets of users who have no password hash (Oro creates such for OAuth and LDAP). Their tickets are "
        "signed with nothing of their own, so that each of them can use those of all others "
        "([directories.md](directories.md#users-without-a-password-of-their-own)).",
        default="no",
    )
    single_use: bool = setting(
        readers.boolean,
        "A ticket is valid for one connection; a back end's, with which PHP reconnects, for its address. The process, "
        "and with `[backplane]` all nodes of a router, remember the newest 50,000 tickets, for all authenticators with "
        "`single_use` together.",
        default="no",
    )
    accept_published_secret: bool = setting(
        readers.boolean,
        "Oro runs on the secret that it is published with: accept it until Oro has one of its own. Any client can make "
        "a ticket of the back end with it, so such tickets are accepted from this machine alone (loopback and UNIX "
        "sockets), "
        "whatever `publisher` and `publisher_from` say. A warning says so at each start.",
        default="no",
    )
    failure_burst: int = setting(
        readers.count,
        "Invalid tickets that one address (behind `trusted_proxies` the client's, of IPv6 the /64) may show at once; "
        "after that its requests are answered 503 for a while, with a valid ticket too. The back end is exempt.",
        default="100",
    )
    failure_rate: int = setting(readers.count, "How many more it may show each second.", default="20")

    @property
    def published(self) -> bool:
        """Whether one of the secrets is public."""
        return self.secret.published or (self.previous_secret is not None and self.previous_secret.published)


@frozen(kw_only=True)
class CookieSection:
    """[authenticator:NAME] with `use = cookie`: the session cookie of Oro's back office."""

    name: str
    use: str = use("cookie")
    sessions: str = setting(
        readers.name, "The [sessions:NAME] where the cookie's session is found.", required=True, example="office"
    )
    directory: str = setting(
        readers.name, "The [directory:NAME] where the session's user is looked up.", required=True, example="people"
    )
    cookie: str = setting(cookie, "The name of the cookie.", default="BAPID")
    role: str = setting(readers.name, "The role of users.", default="user")
    recheck: float | None = setting(
        readers.duration,
        "How often the sessions of connected users are looked up: within that time a logout ends the user's "
        "connections, those with a ticket too.",
        otherwise="as in [router]",
        example="30s",
    )


@frozen(kw_only=True)
class AnonymousSection:
    """[authenticator:NAME] with `use = anonymous`: clients without credentials, for realms that name it."""

    name: str
    use: str = use("anonymous")
    role: str = setting(readers.name, "The role of anonymous clients.", default="anonymous")


@frozen(kw_only=True)
class StaticDirectorySection:
    """[directory:NAME] with `use = static`: users written down here."""

    name: str
    use: str = use("static")
    user: tuple[User, ...] = dotted(
        accounts.user,
        "A user: `ID REFERENCE [organizations=1,2] [roles=A,B] [email=x@y] [enabled=no]`. The reference leads to the "
        "user's `oro_user.password`, verbatim.",
        example="user.admin = 1 file:/etc/orosync/admin.hash",
    )


@frozen(kw_only=True)
class DemoDirectorySection:
    """[directory:NAME] with `use = demo`: the two users of the demo, their secrets made anew at each start."""

    name: str
    use: str = use("demo")


@frozen(kw_only=True)
class SqlDirectorySection:
    """[directory:NAME] with `use = postgresql` or `use = mysql`: Oro's own users, read from its database."""

    name: str
    use: str = use("postgresql", "`postgresql` or `mysql` (MariaDB too)")
    dsn: credentials.Secret = setting(
        credentials.database,
        "Where the database is, by reference: `postgres://USER:PASSWORD@HOST:5432/DATABASE` or `mysql://...`, as Oro's "
        "`ORO_DB_DSN` stands. Better of a user who may read no more than is needed ([directories.md](directories.md)).",
        required=True,
        example="file:/etc/orosync/db_dsn",
    )
    users: str = setting(readers.table, "The table of users, or a view of its columns.", default="oro_user")
    connections: int = CONNECTIONS
    connect_timeout: float = CONNECT_TIMEOUT
    query_timeout: float = QUERY_TIMEOUT
    cache: float = setting(
        readers.span,
        "How old an answer may be that spares a look-up while all connections are busy: for so long a new password or "
        "a disabled user may go unnoticed.",
        default="1s",
    )


@frozen(kw_only=True)
class TopicsSection:
    """[topics:NAME]: which topics exist, who may subscribe and who may publish."""

    name: str
    use: str = setting(
        readers.choice("oro", "own"),
        "`oro`: Oro's ten channels and those written here; `own`: only those.",
        default="oro",
    )
    oro_routing: Path | None = setting(
        readers.directory,
        "The directory of an Oro application whose `websocket_routing.yml` files declare Oro's channels, in place of "
        "the ten built in ([topics.md](topics.md)). Needs the extra `oro` "
        "(`/opt/orosync/bin/pip install '.[oro]'` in the checkout).",
        example="/var/www/oro",
    )
    subscribe: rules.Roles = setting(rules.who, "Who may subscribe where a channel does not say.", default="user")
    publish: rules.Roles = setting(rules.who, "Who may publish where a channel does not say.", default="backend")
    channel: tuple[rules.ChannelLine, ...] = dotted(
        rules.channel,
        "A topic of your own, or what is to be otherwise in one of Oro's: `subscribe WHO; publish WHO; retained`, "
        "each only if wanted. WHO are roles, `user with ROLE_MANAGER or backend`, or `nobody`. The name may hold "
        "variables: `{user_id}` is the client's own id, `{organization_id}` one of its organizations, `{role}` one of "
        "its roles in Oro, any other one letters, digits, `_` and `-` unless a part `VARIABLE REQUIREMENT` says "
        "otherwise ([topics.md](topics.md)).",
        example="channel.acme/news = subscribe user; publish backend",
    )


@frozen(kw_only=True)
class NotificationsSection:
    """[notifications]: what orosync itself publishes to Oro's pages."""

    realm: str = setting(
        readers.name,
        "The realm that Oro's pages are in. It is needed where there are several realms, and Oro's tickets, cookies or "
        "topics.",
        unset="",
        otherwise="the only realm",
    )
    ping_interval: float = setting(
        readers.duration, "How often `oro/ping` is published while it has subscribers.", default="50s"
    )


@frozen(kw_only=True)
class ForeignSection:
    """A plugin: `use = package.module:factory`, every other key is an option of its own.

    A value that begins with `file:` or `env:` is a reference and has been followed.
    """

    name: str
    use: str
    options: Mapping[str, str] = field(repr=False)


AUTHENTICATORS: Mapping[str, type[Any]] = {
    "ticket": TicketSection,
    "cookie": CookieSection,
    **METHODS,
    "anonymous": AnonymousSection,
    "remote": RemoteAuthenticatorSection,
}
AUTHORIZERS = {"remote": RemoteAuthorizerSection}
DIRECTORIES: Mapping[str, type[Any]] = {
    "static": StaticDirectorySection,
    "postgresql": SqlDirectorySection,
    "mysql": SqlDirectorySection,
    "demo": DemoDirectorySection,
}
Authenticator = TicketSection | CookieSection | Method | AnonymousSection | RemoteAuthenticatorSection | ForeignSection
Authorizer = RemoteAuthorizerSection | ForeignSection
Directory = StaticDirectorySection | DemoDirectorySection | SqlDirectorySection | ForeignSection
