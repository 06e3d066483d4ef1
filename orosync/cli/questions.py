"""The command line of ``orosync``: its commands and arguments."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from orosync import __version__
from orosync.cli import control
from orosync.cli.explain import ExplainQuery
from orosync.model import Action, Match


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

    listed = commands.add_parser("topics", help="print the table of topics: who may subscribe and publish")
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

    _with_config(commands.add_parser("check-config", help="check a configuration"))
    control.add_commands(commands)
    return whole


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
