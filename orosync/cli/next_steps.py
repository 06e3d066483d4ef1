"""The text in which ``orosync init`` says what it did not find, what is left to do, and where it found the rest."""

from __future__ import annotations

import re
import stat
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from orosync.cli.installation import (
    ACCOUNT,
    ACCOUNT_SQL,
    CONFIGURATION,
    DROP_IN,
    PROXIES,
    SESSIONS,
    Installation,
)
from orosync.config.database_dsn import MYSQL
from orosync.config.oro_application import Setting
from orosync.identity.directories import sql
from orosync.registry import missing_module

WIDTH = 100


@attrs.frozen
class Task:
    """What to do, and the lines to enter for it."""

    what: str
    lines: tuple[str, ...] = ()


def text(made: Installation) -> str:
    """The whole file."""
    oro = made.application
    parts = [f"orosync for {oro.title}: what is left to do by hand", ""]
    if made.missing:
        parts += ["Not found, or not usable:", "", *(_filled(one, "- ") for one in made.missing), ""]
    for number, step in enumerate(_steps(made), 1):
        parts.append(_filled(step.what, f"{number}. "))
        parts += ["", *(f"       {line}" for line in step.lines)] if step.lines else []
        parts.append("")
    return "\n".join([*parts, "Found in the application:", "", *(f"- {one}" for one in _found(made))]) + "\n"


def _filled(words: str, mark: str) -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _found(made: Installation) -> Iterator[str]:
    oro = made.application
    for what, setting in (
        ("Secret", oro.secret),
        ("Database", oro.database),
        ("Session store", oro.sessions),
    ):
        if setting is not None:
            yield f"{what}: {setting.place}"
    for what, setting in (
        ("Session files", oro.session_path),
        ("Session cookie", oro.cookie),
        ("Its path", oro.cookie_path),
    ):
        if setting is not None:
            yield f"{what}: {setting.value}{f', {setting.place}' if setting.place else ' (Symfony)'}"


def _steps(made: Installation) -> Iterator[Task]:
    directory, commands = made.decisions.directory, Path(sysconfig.get_path("scripts"))
    if made.database is not None:
        mysql = made.database.engine == MYSQL
        engine = sql.ENGINES[made.database.engine]
        lacking = missing_module(engine.module, engine.extra)
        if lacking:
            yield Task(f"[directory:people] {lacking}")
        file, name = directory / ACCOUNT_SQL, made.database.database
        yield Task(
            "Create the database account, as an administrator of the database; again after each upgrade of Oro:",
            (f"mysql {name} < {file}" if mysql else f"psql --dbname={name} < {file}",),
        )
    yield from _session_steps(made)
    yield Task(
        "Install the service:",
        (
            f"install -m 644 {made.etc / 'orosync.service'} /etc/systemd/system/",
            f"install -D -m 644 {directory / DROP_IN} /etc/systemd/system/orosync.service.d/oro.conf",
            "systemctl daemon-reload",
        ),
    )
    yield Task(
        "Check the configuration and what it depends on; nothing should be a fault or unreachable, except for a port "
        "that Oro's own server still has:",
        (
            f"CREDENTIALS_DIRECTORY={directory} {commands / 'orosync'} check-config --probe "
            f"--config {directory / CONFIGURATION}",
        ),
    )
    yield from _proxy_steps(made)
    yield from _oro_steps(made)
    yield Task(
        "Stop Oro's own server, start orosync, and restart Oro's message queue consumers, as docs/install.md says. "
        "To try it beside Oro's own server first, use another port (--port)."
    )


def _session_steps(made: Installation) -> Iterator[Task]:
    kind = made.store[0] if made.store else ""
    if kind == "use = files":
        path = made.store[1].partition(" = ")[2]
        searchable = (
            f"{path} and the directories above it must be searchable (x) for the group that {DROP_IN} names "
            "(SupplementaryGroups; docs/sessions.md)."
        )
        if _readable_for_a_group(made.application.session_path):
            yield Task(f"Let orosync read PHP's session files: {searchable}")
            return
        yield Task(
            "Let orosync read PHP's session files: set the following in config/config.yml of the application "
            f"(framework: session:), clear its cache, restart PHP. {searchable} Cookies of earlier logins are ignored.",
            ("save_path: '0;0640;%kernel.project_dir%/var/sessions/%kernel.environment%'",),
        )
    elif kind == "use = redis":
        yield Task(
            f"{SESSIONS} has the account that Oro uses in Redis. Create one that can only read sessions, and write its "
            f"name and password into {made.decisions.directory / SESSIONS} (docs/sessions.md):",
            (f"ACL SETUSER {ACCOUNT} on >PASSWORD ~session* resetchannels -@all +get +select",),
        )


def _readable_for_a_group(save_path: Setting | None) -> bool:
    """Whether PHP makes session files so: ``DEPTH;MODE;DIRECTORY``, the mode in octal."""
    parts = save_path.value.split(";") if save_path else []
    if len(parts) != 3 or not re.fullmatch("[0-7]{1,4}", parts[1]):
        return False
    return bool(int(parts[1], 8) & stat.S_IRGRP)


def _proxy_steps(made: Installation) -> Iterator[Task]:
    directory, proxy = made.decisions.directory, made.decisions.proxy
    if PROXIES[proxy]:
        current = made.application.frontend
        replaced = f", in place of the location /{current.path} of Oro's own server," if current else ""
        yield Task(
            f"Add the lines of {directory / PROXIES[proxy]} to the back office's host in {proxy}{replaced} and reload "
            "it."
        )
    elif made.decisions.origin.startswith("https:"):
        yield Task(
            "Pages that are loaded by https cannot connect to a port without TLS: choose a proxy (--proxy), or add a "
            f"certificate and a key to [listen:shared] of {CONFIGURATION} (docs/deployments.md)."
        )


def _port_of(origin: str) -> int:
    """The port that browsers connect to behind a proxy: that of the pages."""
    parts = urlsplit(origin)
    return parts.port or (80 if parts.scheme == "http" else 443)


def _oro_steps(made: Installation) -> Iterator[Task]:
    oro, port, proxied = made.application, made.decisions.port, made.decisions.proxy != "none"
    outside = _port_of(made.decisions.origin) if proxied else port
    if (
        oro.frontend is None
        or oro.backend is None
        or (oro.frontend.port, f"/{oro.frontend.path}", oro.backend.port) != (outside, made.path, port)
    ):
        interface = "127.0.0.1" if proxied and not made.remote_php else "0.0.0.0"
        yield Task(
            "Set these variables where Oro's are set (.env-app.local of the application), and clear its cache:",
            (
                f"ORO_WEBSOCKET_SERVER_DSN=//{interface}:{port}",
                f"ORO_WEBSOCKET_FRONTEND_DSN=//*:{outside}{made.path}",
                f"ORO_WEBSOCKET_BACKEND_DSN=tcp://{made.remote_php or '127.0.0.1'}:{port}",
            ),
        )
    if made.remote_php:
        yield Task(
            f"Oro's PHP connects to {made.remote_php}. If it runs on another machine, set publisher_from in "
            f"[listen:shared] of {CONFIGURATION} to that machine's address."
        )
    if any(line.startswith("oro_routing") for line in made.decisions.topics):
        yield Task(
            f"The application has channels of its own: complete [topics:oro] in {CONFIGURATION}, and let orosync read "
            f"the files below {oro.directory} that it names (docs/topics.md)."
        )
