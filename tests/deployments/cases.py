"""What `make deployments` runs: the applications, deployments and methods, and what is expected of each.

Configurations are not here: they are taken from docs/deployments.md, so that what the page shows is what runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import attrs


@attrs.frozen
class Version:
    """A version of Oro: what of its sessions and files differs (``state_length``: see orosync.identity.php.session)."""

    name: str
    state_length: int
    samesite: str
    lock: str


VERSIONS = {
    version.name: version
    for version in (
        Version("5.1", 5, "", "var/cache/maintenance_lock"),
        Version("6.0", 5, "", "var/maintenance/maintenance_lock"),
        Version("6.1", 5, "", "var/maintenance/maintenance_lock"),
        Version("7.0", 4, "Lax", "var/maintenance/maintenance_lock"),
    )
}
ALL, NEWEST = tuple(VERSIONS), ("7.0",)


@attrs.frozen
class Application:
    """An Oro application as it ships: its cookie, the prefix of its back office, the URL path of its WebSocket."""

    name: str
    cookie: str
    cookie_path: str
    prefix: str
    socket_path: str
    versions: tuple[str, ...]

    @property
    def gets_cookie(self) -> bool:
        """Whether browsers send the cookie to ``socket_path`` (RFC 6265, section 5.1.4)."""
        return self.cookie_path == "/" or self.socket_path.startswith(self.cookie_path + "/")


@attrs.frozen
class Deployment:
    """How browsers and PHP reach the router. ``title`` is that of its section in docs/deployments.md."""

    name: str
    title: str
    web: str
    """What serves the application: "nginx", "apache", "haproxy" or "php" (without TLS)."""
    proxied: bool = True
    """Whether it also forwards browsers to the router."""
    containers: bool = False
    versions: tuple[str, ...] = ALL


APPLICATIONS = {
    application.name: application
    for application in (
        Application("platform", "BAPID", "/", "", "/ws", ALL),
        Application("crm", "CRMID", "/", "", "/ws", ALL),
        Application("commerce", "BAPID", "/admin", "/admin", "/admin/ws", ALL),
        Application("commerce at /ws", "BAPID", "/admin", "/admin", "/ws", NEWEST),
    )
}
DEPLOYMENTS = {
    deployment.name: deployment
    for deployment in (
        Deployment("direct", "Direct, without a proxy", "php", proxied=False),
        Deployment("direct-tls", "Direct, with TLS", "nginx", proxied=False, versions=NEWEST),
        Deployment("nginx", "nginx", "nginx"),
        Deployment("nginx-bare", "nginx without forwarding headers", "nginx"),
        Deployment("apache", "Apache", "apache"),
        Deployment("apache-wstunnel", "Apache before 2.4.47", "apache", versions=NEWEST),
        Deployment("haproxy", "HAProxy in TCP mode", "haproxy"),
        Deployment("containers", "Containers on a bridge", "nginx", containers=True),
    )
}
METHODS = ("ticket", "cookie", "ticket and cookie")
"""What the page presents. PHP always presents a ticket."""

CHECKS = {
    "page": ("in", "own topics", "publish", "restart", "logout"),
    "PHP": ("in", "own topics", "publish", "restart", "logout", "through the proxy"),
}
"""By client: what is checked of it, in this order."""

WORKS = "works"
REASONS = {
    "stays": "A ticket is not bound to a login: after a logout the page stays connected until its user is disabled or "
    "gets another password. It gets no new ticket.",
    "no cookie": "The browser does not send the cookie (`Path=/admin`) to this path, so a logout is not noticed.",
    "not in": "The page is not connected.",
    "never subscribes": "PHP's publisher does not subscribe.",
    "no session": "PHP's publisher has no session of a user.",
    "refused": "PHP connects directly; what comes through the proxy may not publish (403). Through an HTTP proxy it "
    "could not work reliably: Oro's client needs the response and the WELCOME message in one read, and such proxies "
    "split them.",
    "no proxy": "There is no proxy.",
}
"""The outcomes besides ``works`` that may be expected, and the reason of each, as docs/deployments.md tells it."""


@attrs.frozen
class Case:
    """One deployment of one version of an application, with a page that presents ``method``."""

    deployment: str
    application: str
    version: str
    method: str

    def expected(self) -> dict[str, dict[str, str]]:
        """By client and check: ``works`` or a key of REASONS."""
        application = APPLICATIONS[self.application]
        page = dict.fromkeys(CHECKS["page"], WORKS)
        if self.method == "cookie" and not application.gets_cookie:
            page = {**dict.fromkeys(CHECKS["page"], "not in"), "in": "no cookie"}
        elif self.method == "ticket":
            page["logout"] = "stays"
        elif not application.gets_cookie:
            page["logout"] = "no cookie"
        php = {**dict.fromkeys(CHECKS["PHP"], WORKS), "own topics": "never subscribes", "logout": "no session"}
        php["through the proxy"] = "refused" if DEPLOYMENTS[self.deployment].proxied else "no proxy"
        return {"page": page, "PHP": php}


def cases(deployments: str = "", applications: str = "", versions: str = "", methods: str = "") -> Iterator[Case]:
    """All cases, or those whose names stand in the given lists (comma-separated). ValueError: there is no such name."""
    for given, known in (
        (deployments, DEPLOYMENTS),
        (applications, APPLICATIONS),
        (versions, VERSIONS),
        (methods, METHODS),
    ):
        for name in _names(given):
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
    for deployment, application, method in itertools.product(DEPLOYMENTS, APPLICATIONS.values(), METHODS):
        for version in (name for name in application.versions if name in DEPLOYMENTS[deployment].versions):
            case = Case(deployment, application.name, version, method)
            chosen = (
                (deployments, deployment),
                (applications, application.name),
                (versions, version),
                (methods, method),
            )
            if all(name in _names(given) or not given for given, name in chosen):
                yield case


def batches(chosen: Iterable[Case]) -> list[list[Case]]:
    """The cases that one router serves together: those that differ only in a method for which it has the cookie."""
    together: dict[tuple[str, str, str, bool], list[Case]] = {}
    for case in chosen:
        key = (case.deployment, case.application, case.version, "cookie" in case.method)
        together.setdefault(key, []).append(case)
    return list(together.values())


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def page_tables() -> str:
    """The tables of docs/deployments.md, as Markdown: what is expected of pages, and of PHP."""
    notes: dict[str, int] = {}

    def note(outcome: str) -> str:
        return f"({notes.setdefault(outcome, len(notes) + 1)})"

    lines = [_row("deployment", "application", *METHODS), _row(*["---"] * (2 + len(METHODS)))]
    for deployment, application in itertools.product(DEPLOYMENTS.values(), APPLICATIONS.values()):
        cells = []
        for method in METHODS:
            page = Case(deployment.name, application.name, application.versions[0], method).expected()["page"]
            wrong = {check: outcome for check, outcome in page.items() if outcome not in (WORKS, "not in")}
            cells.append(
                f"not possible {note(wrong['in'])}"
                if "in" in wrong
                else ", ".join(["works", *(f"but not {check} {note(outcome)}" for check, outcome in wrong.items())])
            )
        lines.append(_row(deployment.title, application.name, *cells))
    lines += ["", _row("deployment", *CHECKS["PHP"]), _row(*["---"] * (1 + len(CHECKS["PHP"])))]
    for deployment in DEPLOYMENTS.values():
        php = Case(deployment.name, "platform", "7.0", "ticket").expected()["PHP"]
        cells = [outcome if outcome == WORKS else f"no {note(outcome)}" for outcome in php.values()]
        lines.append(_row(deployment.title, *cells))
    lines += ["", *(f"{number}. {REASONS[outcome]}" for outcome, number in notes.items())]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
