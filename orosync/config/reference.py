"""The reference page's tables, made from the sections themselves.

``python -m orosync.config.reference docs/configuration.md`` writes them anew between the page's marks
(``<!-- keys: TITLE -->`` to ``<!-- end -->``); the text around the marks is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orosync.config import attached, authentication, backplane, realms, sections, sessions, uplinks
from orosync.config.fields import keys_of
from orosync.config.listen import ListenSection
from orosync.config.operations import OperationsSection

TABLES: dict[str, type[Any]] = {
    "router": sections.RouterSection,
    "listen:NAME": ListenSection,
    "listen:ops": OperationsSection,
    "realm:NAME": realms.RealmSection,
    "role:NAME": realms.RoleSection,
    "authenticator:NAME, use = ticket": sections.TicketSection,
    "authenticator:NAME, use = cookie": sections.CookieSection,
    "authenticator:NAME, use = password": authentication.PasswordSection,
    "authenticator:NAME, use = wampcra": authentication.WampCraSection,
    "authenticator:NAME, use = scram": authentication.ScramSection,
    "authenticator:NAME, use = cryptosign": authentication.CryptosignSection,
    "authenticator:NAME, use = certificate": authentication.CertificateSection,
    "authenticator:NAME, use = anonymous": sections.AnonymousSection,
    "authenticator:NAME, use = remote": authentication.RemoteAuthenticatorSection,
    "authorizer:NAME, use = remote": authentication.RemoteAuthorizerSection,
    "directory:NAME, use = static": sections.StaticDirectorySection,
    "directory:NAME, use = postgresql or mysql": sections.SqlDirectorySection,
    "directory:NAME, use = demo": sections.DemoDirectorySection,
    "sessions:NAME, use = files": sessions.SessionFilesSection,
    "sessions:NAME, use = redis": sessions.RedisSessionsSection,
    "sessions:NAME, use = pdo": sessions.PdoSessionsSection,
    "sessions:NAME, use = http": sessions.TicketExchangeSection,
    "topics:NAME": sections.TopicsSection,
    "component:NAME": realms.ComponentSection,
    "uplink:NAME": uplinks.UplinkSection,
    "attach": attached.AttachSection,
    "backplane, use = local": backplane.LocalBackplaneSection,
    "backplane, use = redis": backplane.RedisBackplaneSection,
    "backplane, use = package.module:factory": backplane.PluginBackplaneSection,
    "notifications": sections.NotificationsSection,
}

_MARKED = re.compile(r"(<!-- keys: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(section: type[Any]) -> str:
    """The keys of a section in a table of Markdown."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, spec in keys_of(section).items():
        shown = f"{name}.NAME" if spec.dotted else name
        meaning = spec.meaning.replace("|", "\\|")
        if spec.example and f"`{spec.example}`" != spec.meaning:
            example = spec.example if spec.dotted else f"{name} = {spec.example}"
            meaning += f" Example: `{example}`"
        rows.append(f"| `{shown}` | {spec.shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def written_anew(page: str) -> str:
    """The page with every table made anew. Raises KeyError for a mark that names no section."""
    return _MARKED.sub(lambda found: found[1] + table(TABLES[found[2]]) + found[3], page)


def marks(page: str) -> list[str]:
    """The sections that the page has tables of, in order."""
    return [found[2] for found in _MARKED.finditer(page)]


def main(arguments: Sequence[str]) -> None:
    """Write the tables of the page at the one path given."""
    (path,) = arguments
    Path(path).write_text(written_anew(Path(path).read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
