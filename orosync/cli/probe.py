"""``orosync check-config --probe``: tries out everything that a router with this configuration needs, beside a running
one or without.

``app.probe`` asks what the router asks at its start as well; here is what belongs to the machine and to who calls: the
user, ports, descriptors. Exit codes: 1 if there is a fault, else 3 if something cannot be reached, else 0; warnings do
not count.
"""

from __future__ import annotations

import json
import os
import resource
import socket
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.threads import deferToThread

from orosync.app import probe
from orosync.app.container import Container
from orosync.app.listeners import check
from orosync.cli.router import Router, candidates
from orosync.cli.streams import Streams, line
from orosync.clocks import time_of_day
from orosync.config import Configuration, load
from orosync.config.authentication import RemoteAuthenticatorSection, RemoteAuthorizerSection
from orosync.config.endpoints import take_apart
from orosync.config.warnings import SPARE_FILES, connections
from orosync.errors import ConfigError, Refused
from orosync.model import Finding, FindingState
from orosync.ops import ports
from orosync.ops.ports import Holder

GOOD, FAULTS, UNREACHABLE = 0, 1, 3

UNITS = (Path("/etc/systemd/system"), Path("/run/systemd/system"), Path("/usr/lib/systemd/system"))
"""Where units are, the more important first (systemd.unit(5))."""

ORDER = (FindingState.FAULT, FindingState.UNREACHABLE, FindingState.WARNING, FindingState.OK)


async def run(reactor: Any, options: Namespace, streams: Streams) -> int:
    """Probe, print, and give the exit code. No exception leaves it for what is wrong with the configuration."""
    findings = await _findings(reactor, options)
    if options.json:
        rows = [{**attrs.asdict(one), "state": one.state.value} for one in findings]
        streams.answer(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        streams.answer("\n".join(table(findings)))
    return status(findings)


def status(findings: Iterable[Finding]) -> int:
    """The exit code."""
    states = {one.state for one in findings}
    return FAULTS if FindingState.FAULT in states else UNREACHABLE if FindingState.UNREACHABLE in states else GOOD


def table(findings: Sequence[Finding]) -> list[str]:
    """A line for each finding, what is wrong first; below it what users see, and what to do. The last line counts."""
    rows = sorted(findings, key=lambda one: ORDER.index(one.state))
    checks, states = max(len(one.check) for one in rows), max(len(one.state.value) for one in rows)
    lines = [f"{'CHECK':{checks}}  {'STATE':{states}}  RESULT, AND WHAT TO DO"]
    blank = " " * (checks + states + 4)
    for one in rows:
        lines.append(f"{one.check:{checks}}  {one.state.value:{states}}  {line(one.result)}")
        lines += [f"{blank}users: {line(one.effect)}"] if one.effect else []
        lines += [f"{blank}do: {line(one.remedy)}"] if one.remedy else []
    counted = [(sum(one.state is state for one in rows), state.value) for state in ORDER]
    return [*lines, ", ".join(f"{number} {word}" for number, word in counted if number)]


async def _findings(reactor: Any, options: Namespace) -> list[Finding]:
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        configuration = load(options.config, open_files=open_files)
    except ConfigError as error:
        return [_faulty(fault) for fault in error.faults]
    try:
        check(configuration.listeners.values(), configuration.router.state, time_of_day)
        container = Container(configuration, reactor)
        container.realms  # noqa: B018 (made when asked for)
    except ConfigError as error:
        return [_faulty(fault) for fault in configuration.located(error.faults)]
    found = await probe.whole(container)
    warnings = [*configuration.warnings, *container.authorizer_factory.warnings]
    machine = await deferToThread(of_machine, configuration, options, open_files)
    return [*(Finding("configuration", FindingState.WARNING, warning) for warning in warnings), *found, *machine]


def _faulty(fault: str) -> Finding:
    return Finding("configuration", FindingState.FAULT, fault)


# -- the machine, in a thread


def of_machine(configuration: Configuration, options: Namespace, open_files: int) -> list[Finding]:
    """The user, the ports, the descriptors, and procedures that a running router can call."""
    sockets = candidates(Namespace(config=options.config, socket=None))
    router = running(sockets)
    return [
        user(configuration.path, router),
        *_ports(configuration, router),
        _descriptors(configuration, open_files),
        *_procedures(configuration, Router(sockets)),
    ]


def running(sockets: Iterable[Path]) -> Holder | None:
    """The router that runs with this configuration, told by its control socket."""
    for path in sockets:
        try:
            holder = ports.of_socket(path)
        except PermissionError:
            try:
                return Holder(path.stat().st_uid)
            except OSError:
                continue
        except OSError:
            continue
        if holder is not None:
            return holder
    return None


def user(configuration: Path, router: Holder | None, units: Iterable[Path] = UNITS) -> Finding:
    """Who probes, and whether that is the router's user: rights of files and sockets are only told of the former."""
    mine = ports.user_name(os.geteuid())
    if router is not None and router.uid == os.geteuid():
        return Finding("user", FindingState.OK, f"probed as {mine}, as which the router runs ({router})")
    if router is not None:
        other = f"the router runs as {ports.user_name(router.uid)}"
    else:
        named = unit_user(configuration, units)
        if named is None:
            what = (
                f"probed as {mine}: what this user may read and open, the router's user may be denied, or the reverse"
            )
            return Finding("user", FindingState.OK, what)
        if named[1] == mine:
            return Finding("user", FindingState.OK, f"probed as {mine}, the user of {named[0]}")
        other = f"{named[0]} runs the router as {named[1]}"
    what = f"probed as {mine}, while {other}: rights of files, directories and sockets may differ"
    return Finding("user", FindingState.WARNING, what, "probe as that user, or look at the log of the start")


def unit_user(configuration: Path, units: Iterable[Path] = UNITS) -> tuple[str, str] | None:
    """The systemd unit that starts a router with this configuration, and its user; drop-ins count (systemd.unit(5))."""
    for directory in units:
        for unit in sorted(directory.glob("*.service")):
            files = [unit]
            for place in units:
                files += sorted((place / f"{unit.name}.d").glob("*.conf"))
            try:
                text = "\n".join(one.read_text() for one in files)
            except (OSError, UnicodeDecodeError):
                continue
            settings = [part for part in map(str.strip, text.splitlines()) if not part.startswith(("#", ";"))]
            if any(one.startswith("ExecStart=") and str(configuration) in one.split() for one in settings):
                return unit.name, _user_of(settings)
    return None


def _user_of(settings: Sequence[str]) -> str:
    given = {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in settings)}
    if given.get("DynamicUser", "no").lower() in ("yes", "true", "on", "1"):
        return f"a dynamic user ({given.get('User', 'DynamicUser=yes')})"
    return given.get("User") or "root"


def _ports(configuration: Configuration, router: Holder | None) -> Iterator[Finding]:
    for name, endpoint in configuration.endpoints.items():
        found = take_apart(endpoint)
        title = f"listen:{name}"
        if found.kind == "systemd":
            yield Finding(title, FindingState.OK, "its socket is handed over by systemd")
        elif found.kind == "unix":
            yield _socket(title, Path(found.options["address"]), router)
        else:
            yield _port(title, found.options.get("interface", ""), int(found.options["port"]), router)


def _port(title: str, interface: str, port: int, router: Holder | None) -> Finding:
    where = f"port {port} at {interface or 'all addresses'}"
    with socket.socket(socket.AF_INET6 if ":" in interface else socket.AF_INET, socket.SOCK_STREAM) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((interface, port))
        except OSError as error:
            holder = ports.of_port(interface, port)
            if holder is not None:
                return _taken(title, where, holder, router)
            remedy = "ports below 1024 need CAP_NET_BIND_SERVICE; an address has to be this machine's"
            return Finding(title, FindingState.FAULT, f"{where} cannot be had ({error.strerror})", remedy)
    return Finding(title, FindingState.OK, f"{where} is free")


def _socket(title: str, path: Path, router: Holder | None) -> Finding:
    try:
        holder = ports.of_socket(path)
    except PermissionError:
        return Finding(
            title, FindingState.WARNING, f"{path} exists, and this user may not connect", "probe as its owner"
        )
    except OSError:
        holder = None
    if holder is not None:
        return _taken(title, str(path), holder, router)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "make it, and let the router's user write there (RuntimeDirectory= of its unit)"
        what = "cannot be written by this user" if path.parent.is_dir() else "is no directory"
        return Finding(title, FindingState.FAULT, f"{path.parent} {what}", remedy)
    return Finding(title, FindingState.OK, f"{path} can be made")


def _taken(title: str, where: str, holder: Holder, router: Holder | None) -> Finding:
    """Fine, if the router that runs has it. Of another user's process the pid may not be known."""
    if router is not None and (
        router.pid == holder.pid or (0 in (router.pid, holder.pid) and router.uid == holder.uid)
    ):
        return Finding(title, FindingState.OK, f"{where} is open in the router that runs ({holder})")
    return Finding(
        title, FindingState.FAULT, f"{where} is taken by {holder}", "stop that program, or choose another endpoint"
    )


def _descriptors(configuration: Configuration, open_files: int) -> Finding:
    wanted = connections(configuration) + SPARE_FILES
    shown = "unlimited" if open_files == resource.RLIM_INFINITY else str(open_files)
    what = f"{wanted} open files are needed for all connections, a process of this user may have {shown}"
    if 0 <= open_files < wanted:
        return Finding(
            "descriptors", FindingState.WARNING, what, "raise LimitNOFILE in the unit, or lower max_connections"
        )
    return Finding("descriptors", FindingState.OK, what)


def _procedures(configuration: Configuration, router: Router) -> Iterator[Finding]:
    """Whether the procedures of remote authenticators and authorizers are registered: a running router is asked."""
    for kind, sections, refused in (
        ("authenticator", configuration.authenticators, "clients that it authenticates are refused"),
        ("authorizer", configuration.authorizers, "requests that it decides are denied"),
    ):
        for name, one in sections.items():
            if isinstance(one, RemoteAuthenticatorSection | RemoteAuthorizerSection):
                naming = [realm.name for realm in configuration.realms.values() if name in getattr(realm, f"{kind}s")]
                for realm in [one.realm] if one.realm else naming:
                    yield _registered(f"{kind}:{name}", one.procedure, realm, router, refused)


def _registered(check: str, procedure: str, realm: str, router: Router, refused: str) -> Finding:
    seconds = probe.PATIENCE
    question = {"procedure": "wamp.registration.match", "args": [procedure], "realm": realm, "timeout": seconds}
    try:
        answer = router.ask("call", question, timeout=seconds)
    except Refused as error:  # Unavailable, too
        what = f"{procedure} in {realm}: a running router tells its own user whether it is registered ({error.code})"
        return Finding(check, FindingState.OK, what)
    if answer["error"]:
        what = f"the router does not tell whether {procedure} is registered in {realm} ({answer['error']})"
        return Finding(check, FindingState.WARNING, what, "see the router's log")
    if answer["args"] and answer["args"][0] is not None:
        return Finding(check, FindingState.OK, f"{procedure} is registered in {realm}")
    what = f"no client has registered {procedure} in {realm}"
    remedy = "start the program that registers it, or correct procedure and realm"
    return Finding(check, FindingState.UNREACHABLE, what, remedy, f"{refused} until it is registered")
