"""The files that ``orosync init`` writes for a router: their texts, from what was found in an Oro application and what
was decided.

The texts are those that orosync is installed with (``etc``): the template of the configuration, the statements for a
database account, the locations for nginx and Apache.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import attrs

from orosync.cli.streams import Misused
from orosync.config import database_dsn, redis_dsn
from orosync.config.credentials import PUBLISHED
from orosync.config.database_dsn import MYSQL, Dsn
from orosync.config.oro_application import OroApplication

ACCOUNT = "orosync"
"""The database account of ``etc/sql``."""

PLACEHOLDER = "https://oro.example.com"
"""The origin where the Application URL is not known."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

CONFIGURATION, DROP_IN, ACCOUNT_SQL = "router.ini", "systemd-drop-in.conf", "account.sql"
SECRET, DATABASE, SESSIONS = "oro_secret", "db_dsn", "session_dsn"
PRIVATE = frozenset({SECRET, DATABASE, SESSIONS, ACCOUNT_SQL})
"""Files with secrets: only their owner may read them."""

PROXIES: Mapping[str, str] = {"nginx": "nginx.conf", "apache": "apache.conf", "none": ""}
"""What may stand between browsers and orosync, and the file of ``etc/proxies`` for it."""

BINARIES, TEMPLATE = "/opt/orosync/bin/", "/etc/orosync/router.production.ini"
"""Where orosync.service has its programs and its configuration."""

PHP_LIFETIME = "1440"
"""Seconds: PHP's own session.gc_maxlifetime."""


@attrs.frozen(kw_only=True)
class Decisions:
    """What the administrator decides. ``origin`` is that of the Application URL, "" where it is not known;
    ``password`` that of the database account; ``topics`` the lines of [topics:oro]."""

    origin: str
    proxy: str
    port: int
    cookie: bool
    directory: Path
    password: str = attrs.field(repr=False)
    topics: tuple[str, ...] = ()


def shipped() -> Path:
    """The directory with the files that orosync is installed with: that of the environment, or of a checkout."""
    checkout = Path(__file__).resolve().parents[2] / "etc"
    places = [checkout, Path(sysconfig.get_path("data"), "etc", "orosync")]
    for place in places:
        if (place / "router.production.ini").is_file():
            return place
    raise Misused(f"the files that orosync is installed with are not in {places[-1]}: install it again")


def database(application: OroApplication) -> Dsn | None:
    """Oro's database. ValueError: its DSN cannot be read."""
    return None if application.database is None else database_dsn.parse(application.database.value)


class Installation:
    """The files for one application, but for the list of what is left to do.

    ``missing``: what was not found or cannot be used, a sentence each; ``store``: the lines of [sessions:office].
    """

    def __init__(self, application: OroApplication, decisions: Decisions) -> None:
        self.application, self.decisions = application, decisions
        self.etc = shipped()
        self.missing = list(application.missing)
        self.database = self._checked_database()
        self.store, self._private_store = self._session_store()
        if application.secret is None:
            self.missing.append(f"Oro's secret is not known: write it to {decisions.directory / SECRET} (mode 600)")
        elif PUBLISHED in application.secret.value:
            self.missing.append(
                f"{application.secret.place} is the secret that Oro is published with, which is public: set your own "
                "there (passwords of mailboxes, which Oro encrypts with it, are then to be entered again), and run "
                "this command again"
            )
        if not decisions.origin:
            self.missing.append(
                f"the Application URL is not known: replace {PLACEHOLDER} in {CONFIGURATION}, or run this command "
                "again with --application-url"
            )

    # -- what is derived from both

    @property
    def path(self) -> str:
        """The URL path of the WebSocket: one to which browsers send the session cookie."""
        above = "" if self.cookie_path == "/" else self.cookie_path
        current = self.application.frontend.path if self.application.frontend else ""
        if current and (not self.decisions.cookie or f"/{current}".startswith(f"{above}/")):
            return f"/{current}"
        return f"{above}/ws"

    @property
    def cookie_path(self) -> str:
        found = self.application.cookie_path
        return (found.value.rstrip("/") if found else "") or "/"

    @property
    def _cookie(self) -> str:
        return self.application.cookie.value if self.application.cookie else "BAPID"

    @property
    def remote_php(self) -> str:
        """The host that Oro's PHP connects to, where that is not this machine alone."""
        backend = self.application.backend
        return backend.host if backend is not None and backend.host not in LOOPBACK else ""

    def _checked_database(self) -> Dsn | None:
        where = f"write that of an account that may read users to {self.decisions.directory / DATABASE} (mode 600)"
        try:
            found = database(self.application)
        except ValueError as error:
            assert self.application.database is not None
            self.missing.append(f"{self.application.database.place} {error}; {where}")
            return None
        if found is None:
            self.missing.append(f"the DSN of Oro's database is not known: {where}")
        return found

    # -- the files

    def files(self) -> dict[str, str]:
        """By name: the text of each file."""
        found = {CONFIGURATION: self._configuration(), DROP_IN: self._drop_in()}
        if self.application.secret is not None:
            found[SECRET] = self.application.secret.value + "\n"
        if self.database is not None:
            found[DATABASE] = self._account_dsn() + "\n"
            found[ACCOUNT_SQL] = self._account()
        if self._private_store:
            found[SESSIONS] = self._private_store + "\n"
        proxy = PROXIES[self.decisions.proxy]
        if proxy:
            found[proxy] = self._location(proxy)
        return found

    def _configuration(self) -> str:
        template = (self.etc / "router.production.ini").read_text()
        methods = "ticket cookie" if self.decisions.cookie else "ticket"
        realm = _section(template, "realm:oro")
        people = _section(template, "directory:people").partition("\n# Or,")[0] + "\n"
        engine = self.database.engine if self.database else "postgresql"
        topics = (
            "\n".join(self.decisions.topics)
            or "[topics:oro]\n# Oro's ten channels. Your own: docs/topics.md\nuse = oro"
        )
        parts = [
            f"# For {self.application.title}, written by orosync init.\n"
            "# Every key and its default is described in docs/configuration.md. Secrets stand in files of their own,\n"
            "# which systemd passes to the service (LoadCredential= in its drop-in).\n",
            _section(template, "router"),
            self._listener(),
            _replaced(realm, "authenticators = ticket", f"authenticators = {methods}"),
            _section(template, "authenticator:ticket"),
            *([self._cookie_sections()] if self.decisions.cookie else []),
            _replaced(people, "use = postgresql", f"use = {engine}"),
            topics + "\n",
        ]
        return "\n".join(parts)

    def _listener(self) -> str:
        port, origin = self.decisions.port, self.decisions.origin or PLACEHOLDER
        proxied = self.decisions.proxy != "none"
        interface = ":interface=127.0.0.1" if proxied and not self.remote_php else ""
        lines = [
            "[listen:shared]",
            f"# Browsers connect {f'through {self.decisions.proxy}' if proxied else 'directly'}, to {self.path}; "
            "Oro's PHP connects to this port.",
            f"endpoint = tcp:{port}{interface}",
            "# The back office's Application URL; 127.0.0.1 is the origin that Oro's PHP sends.",
            f"origins = {origin} 127.0.0.1",
            *(["trusted_proxies = loopback"] if proxied else []),
            "# Who may publish: PHP, directly from this machine, not through a proxy, and with Oro's secret.",
            "publisher_from = loopback",
        ]
        return "\n".join(lines) + "\n"

    def _cookie_sections(self) -> str:
        return (
            "# With the back office's session cookie a logout ends the user's connections (docs/cookies.md).\n"
            "[authenticator:cookie]\nuse = cookie\n"
            f"cookie = {self._cookie}\nsessions = office\ndirectory = people\nrecheck = 30s\n\n"
            "[sessions:office]\n" + "\n".join(self.store) + "\n"
        )

    def _session_store(self) -> tuple[list[str], str]:
        """The lines of [sessions:office], and the DSN that goes into a file of its own."""
        dsn = self.application.sessions.value if self.application.sessions else "native:"
        if not self.decisions.cookie:
            return [], ""
        scheme = dsn.partition(":")[0]
        credentials = "file:${CREDENTIALS_DIRECTORY}/"
        if scheme == "native":
            return self._session_files(), ""
        if scheme in redis_dsn.SCHEMES:
            try:
                redis_dsn.parse(dsn)
                return ["use = redis", f"dsn = {credentials}{SESSIONS}"], dsn
            except ValueError as error:
                self.missing.append(
                    f"{self._place} {error}; sessions are looked up over HTTP instead, so that a logout does not end "
                    "connections (docs/sessions.md)"
                )
                return self._exchange(), ""
        if scheme == "pdo" or scheme in database_dsn.SCHEMES:
            own = (
                ""
                if scheme == "pdo" or not self.application.database or dsn == self.application.database.value
                else dsn
            )
            if own:
                self.missing.append(
                    f"{self._place} is another database than that of the users: {SESSIONS} has Oro's own account; "
                    "replace it by one that may only read oro_session (docs/sessions.md)"
                )
            return ["use = pdo", f"dsn = {credentials}{SESSIONS if own else DATABASE}"], own
        self.missing.append(
            f"{self._place} is a store that orosync does not read: sessions are looked up over HTTP, so that a logout "
            "does not end connections (docs/sessions.md)"
        )
        return self._exchange(), ""

    @property
    def _place(self) -> str:
        return self.application.sessions.place if self.application.sessions else "ORO_SESSION_DSN"

    def _exchange(self) -> list[str]:
        url = f"{self.decisions.origin or PLACEHOLDER}{self.application.prefix}/sync/ticket"
        return ["use = http", f"url = {url}", f"cookie = {self._cookie}", "authenticator = ticket"]

    def _session_files(self) -> list[str]:
        found, lifetime = self.application.session_path, self.application.session_lifetime
        path = found.value.rpartition(";")[2] if found else ""
        if not path:
            self.missing.append(
                f"framework.session.save_path is not set: replace the path in [sessions:office] of {CONFIGURATION} by "
                "the directory of PHP's sessions"
            )
            path = "/var/lib/php/sessions"
        elif not Path(path).is_dir():
            self.missing.append(
                f"{path}, where PHP's sessions are to be, is no directory that can be seen from here: a cookie is "
                "accepted only where orosync can read them"
            )
        seconds = lifetime.value if lifetime and re.fullmatch("[1-9][0-9]*", lifetime.value) else PHP_LIFETIME
        return ["use = files", f"path = {path}", f"lifetime = {seconds}s"]

    def _account_dsn(self) -> str:
        """Oro's DSN with orosync's account in place of Oro's."""
        assert self.application.database is not None
        scheme, _, rest = self.application.database.value.partition("://")
        authority, separator, tail = re.fullmatch(r"([^/?]*)([/?]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        place = authority.rpartition("@")[2]
        path, _, query = (separator + tail).partition("?")
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in ("user", "password")]
        return f"{scheme}://{ACCOUNT}:{self.decisions.password}@{place}{path}{'?' + urlencode(kept) if kept else ''}"

    def _account(self) -> str:
        assert self.database is not None
        mysql = self.database.engine == MYSQL
        whom = f"'{ACCOUNT}'@'%'" if mysql else ACCOUNT
        text = (self.etc / "sql" / ("mysql.sql" if mysql else "postgresql.sql")).read_text()
        lines = ["", f"-- Written by orosync init: the password that is in {DATABASE}."]
        if mysql:
            lines.append(f"ALTER USER {whom} IDENTIFIED BY '{self.decisions.password}' ACCOUNT UNLOCK;")
        else:
            lines.append(f"ALTER ROLE {whom} PASSWORD '{self.decisions.password}';")
        if any(line.endswith(f"/{DATABASE}") for line in self.store):
            lines += [
                "-- The sessions, which are in the same database.",
                f"GRANT SELECT (id, sess_data, sess_lifetime, sess_time) ON oro_session TO {whom};",
            ]
        return text + "\n".join(lines) + "\n"

    def _location(self, name: str) -> str:
        text = (self.etc / "proxies" / name).read_text()
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.decisions.port}")
        return re.sub(r"(?<=[\s\"^])/ws\b", self.path, text)

    def _drop_in(self) -> str:
        directory, secrets = self.decisions.directory, [SECRET, DATABASE, *([SESSIONS] if self._private_store else [])]
        lines = [
            "# Settings of this installation for orosync.service, written by orosync init.",
            "[Service]",
            *self._commands(),
            "LoadCredential=",
            *(f"LoadCredential={name}:{directory / name}" for name in secrets),
        ]
        group = self._sessions_group()
        if group:
            lines += ["# The group of Oro's session files.", f"SupplementaryGroups={group}"]
        if self.decisions.port < 1024:
            lines += [
                "# A port below 1024.",
                "AmbientCapabilities=CAP_NET_BIND_SERVICE",
                "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
                "PrivateUsers=no",
            ]
        if self.application.directory.parts[1:2] in (("home",), ("root",)) and (
            group or "oro_routing" in str(self.decisions.topics)
        ):
            lines += ["# Oro is below /home or /root.", "ProtectHome=read-only"]
        return "\n".join(lines) + "\n"

    def _commands(self) -> Iterator[str]:
        """The unit's own commands, with this environment's programs and this configuration."""
        for line in (self.etc / "orosync.service").read_text().splitlines():
            name, _, command = line.partition("=")
            own = command.replace(BINARIES, f"{sysconfig.get_path('scripts')}/")
            own = own.replace(TEMPLATE, str(self.decisions.directory / CONFIGURATION))
            if name.startswith("Exec") and own != command:
                yield from (f"{name}=", f"{name}={own}")

    def _sessions_group(self) -> str:
        """The group of the directory with session files; "" for root's, and where there is no such directory."""
        path = next((line.partition(" = ")[2] for line in self.store if line.startswith("path = ")), "")
        try:
            group = Path(path).group() if path else ""
        except (OSError, KeyError):
            return ""
        return "" if group == "root" else group


def _section(template: str, title: str) -> str:
    """A section of the template: from its title to the first empty line."""
    found = re.search(rf"(?ms)^\[{re.escape(title)}\]\n.*?(?=^\s*$|\Z)", template)
    assert found is not None, f"the template has no [{title}]"
    return found[0]


def _replaced(text: str, old: str, new: str) -> str:
    """``text`` with the line ``old`` replaced by ``new``."""
    lines = text.splitlines(keepends=True)
    assert f"{old}\n" in lines, f"the template has no line {old!r}"
    return "".join(f"{new}\n" if line == f"{old}\n" else line for line in lines)
