"""The command line of ``orosync``: its commands and arguments. It is read before the module of a command is imported,
and imports none of those that need parts of a router."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

import attrs

from orosync import __version__
from orosync.cli import control
from orosync.cli.completion import SHELLS
from orosync.cli.installation import PROXIES
from orosync.config import readers
from orosync.identity.scram_keys import ARGON2, ARGON2_AUTOBAHN, PBKDF2
from orosync.model import Action, Match

DIRECTORY = Path("/etc/orosync")
"""Where ``orosync init`` writes."""

KDFS = (ARGON2, ARGON2_AUTOBAHN, PBKDF2)
"""What ``orosync derive scram`` can derive with."""


@attrs.frozen(kw_only=True)
class ExplainQuery:
    """The question: may ``user``, the back end or any client with ``role`` do ``action`` with ``uri``?

    ``role`` stands in for the role that logging in would give. ``realm`` None: the only one.
    """

    uri: str
    action: Action = Action.SUBSCRIBE
    match: Match = Match.EXACT
    realm: str | None = None
    user: str | None = None
    back_end: bool = False
    role: str | None = None


def parser() -> ArgumentParser:
    """The command line."""
    whole = ArgumentParser(
        "orosync", description="Examine tickets, sessions, access rules and configurations of orosync."
    )
    whole.add_argument("--version", action="version", version=f"orosync {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    tickets = commands.add_parser("ticket", help="Oro's sync tickets").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    make = _with_config(tickets.add_parser("make", help="print a new ticket"))
    make.add_argument("--authenticator", metavar="NAME", help="the [authenticator:NAME] whose secret signs it")
    whose = make.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user", metavar="NAME", help="the user whose ticket it is")
    whose.add_argument("--back-end", action="store_const", dest="user", const=None, help="a ticket of the back end")
    verify = _with_config(tickets.add_parser("verify", help="print the user of a ticket, or why it is refused"))
    verify.add_argument("--authenticator", metavar="NAME", help="the [authenticator:NAME] that verifies it")
    verify.add_argument("file", nargs="?", default="-", metavar="FILE", help="where the ticket is (-: standard input)")

    sessions = commands.add_parser("session", help="sessions of Oro's back office").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    looked_up = _with_config(sessions.add_parser("verify", help="print the user of a session, or why it is refused"))
    looked_up.add_argument("--sessions", required=True, metavar="NAME", help="the [sessions:NAME] to look in")
    looked_up.add_argument("file", nargs="?", default="-", metavar="FILE", help="where the cookie's value is")

    listed = commands.add_parser(
        "topics",
        help="print the table of topics of a configuration: who may subscribe and publish",
        description="Print who may subscribe and publish to which topics. The topics that have subscribers now are "
        "listed by: orosync subscriptions",
    )
    of_what = listed.add_mutually_exclusive_group(required=True)
    of_what.add_argument("-c", "--config", metavar="FILE", help="the configuration")
    of_what.add_argument(
        "--from-oro",
        type=Path,
        metavar="DIRECTORY",
        help="an Oro application: print the section of a configuration for the channels that it declares",
    )

    why = _with_config(
        commands.add_parser("explain", help="print whether a request is permitted, and the rule that decides")
    )
    who = why.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="NAME", help="a user, looked up as when logging in")
    who.add_argument("--back-end", action="store_true", help="the back end")
    why.add_argument("--role", metavar="ROLE", help="a role instead of the login's; alone: any client with it")
    why.add_argument("--topic", required=True, metavar="URI", help="the topic, pattern or procedure")
    why.add_argument("--action", dest="verb", default="subscribe", choices=[one.value for one in Action])
    why.add_argument("--match", default="exact", choices=[one.value for one in Match], help="how a pattern matches")
    why.add_argument("--realm", metavar="NAME", help="the realm, where there are several")

    derived = commands.add_parser("derive", help="print what to configure instead of a password").add_subparsers(
        dest="method", required=True, metavar="METHOD"
    )
    signed = derived.add_parser("wampcra", help="for use = wampcra and use = password")
    signed.set_defaults(kdf=None, memory=None)
    proven = derived.add_parser("scram", help="for use = scram")
    proven.add_argument("--kdf", choices=KDFS, default=KDFS[0], help="the way to derive (default: %(default)s)")
    proven.add_argument("--memory", type=_size, metavar="SIZE", help="memory that Argon2 takes, like 64MiB")
    for command, form in ((signed, "text"), (proven, "base64")):
        command.add_argument("file", nargs="?", default="-", metavar="FILE", help="where the password is")
        command.add_argument("--salt", help=f"the salt, as {form} (default: a random one)")
        command.add_argument("--iterations", type=int, metavar="N", help="how often")

    written = commands.add_parser("init", help="write a configuration for an Oro application")
    written.add_argument("--from-oro", type=Path, required=True, metavar="DIRECTORY", help="the Oro application")
    written.add_argument(
        "--output", type=Path, default=DIRECTORY, metavar="DIRECTORY", help="where to write (default: %(default)s)"
    )
    written.add_argument("--application-url", metavar="URL", help="the back office's address in browsers")
    written.add_argument(
        "--query-database",
        action="store_true",
        help="read the Application URL from Oro's database, with Oro's account, by one SELECT",
    )
    written.add_argument("--proxy", choices=PROXIES, help="what browsers connect through")
    written.add_argument(
        "--port", type=int, metavar="N", help="the port of orosync (default: that of Oro's own server)"
    )
    written.add_argument("--no-cookie", action="store_true", help="authenticate by tickets alone")
    written.add_argument("--no-input", action="store_true", help="ask nothing, on a terminal neither")
    written.add_argument("--force", action="store_true", help="overwrite files that exist")

    checked = _with_config(commands.add_parser("check-config", help="check a configuration"))
    checked.add_argument(
        "--probe", action="store_true", help="connect to what the router needs, with the rights that it will have"
    )
    checked.add_argument("--json", action="store_true", help="with --probe: print JSON")
    control.add_commands(commands)

    shell = commands.add_parser(
        "completion",
        help="print a script that completes command lines of orosync in a shell",
        description="Print a script for the shell. For bash: orosync completion bash > "
        "/etc/bash_completion.d/orosync; for zsh: a file _orosync in a directory of fpath; for fish: "
        "~/.config/fish/completions/orosync.fish.",
    )
    shell.add_argument("shell", choices=list(SHELLS), help="the shell")
    return whole


def _size(text: str) -> int:
    """Bytes, as the configuration's keys have them."""
    try:
        return readers.size(text, readers.BUILTIN)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _with_config(command: ArgumentParser) -> ArgumentParser:
    command.add_argument("-c", "--config", required=True, metavar="FILE", help="the configuration")
    return command


def asked(options: Namespace) -> ExplainQuery:
    """The question of ``orosync explain``."""
    return ExplainQuery(
        uri=options.topic,
        action=Action(options.verb),
        match=Match(options.match),
        realm=options.realm,
        user=options.user,
        back_end=options.back_end,
        role=options.role,
    )
