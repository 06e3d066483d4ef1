#!/usr/bin/env python3
"""manual.py [DIRECTORY]: the manual page of the ``orosync`` command, orosync.1, made from its command line.

Writes it to DIRECTORY (man of the checkout), from where an installation has it in share/man/man1.
tests/test_stability.py compares it with the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = CHECKOUT / "man"

STATUS = (
    ("0", "Success."),
    ("1", "Refused, failed, or nothing was done; for check-config and reload: the configuration has a fault."),
    ("2", "Invalid arguments or, except for check-config, an invalid configuration."),
    ("3", "A part cannot be reached: the router, a database, a session store."),
)

TICKETS = (
    "Tickets, cookies and passwords are read from a file or standard input, since every user of the machine can read a "
    "command line."
)


def orosync() -> str:
    """The page as roff (man(7))."""
    from orosync import __version__
    from orosync.cli.completion import commands
    from orosync.cli.questions import parser

    whole, *found = commands(parser())
    lines = [
        '.\\" Made by tools/manual.py from the command line of orosync.',
        f'.TH OROSYNC 1 "" "orosync {__version__}" "User Commands"',
        ".SH NAME",
        r"orosync \- examine and control the WAMP router of Oro applications",
        ".SH SYNOPSIS",
        r".B orosync",
        r".I COMMAND",
        r".RI [ OPTION ...]",
        ".br",
        r".B orosync",
        r".RB [ \-\-help | \-\-version ]",
        ".SH DESCRIPTION",
        _text(f"{whole.description} {TICKETS}"),
        ".SH COMMANDS",
    ]
    for one in found:
        lines += [f".SS {_text('orosync ' + one.path)}", *_command(one)]
    lines.append(".SH EXIT STATUS")
    for status, words in STATUS:
        lines += [".TP", f".B {status}", _text(words)]
    lines += [
        ".SH SEE ALSO",
        _text("The documentation of orosync, docs/command.md and docs/control.md: examples, and the JSON of --json."),
    ]
    return "\n".join(lines) + "\n"


def _command(one: object) -> Iterator[str]:
    from orosync.cli.completion import Command

    assert isinstance(one, Command)
    text = one.description or one.help
    yield _text(f"{text[:1].upper()}{text[1:]}".rstrip(".") + ".")
    if one.commands:
        yield ".PP"
        yield _text(f"Its commands: {', '.join(one.commands)}.")
    for argument in one.arguments:
        if "--help" in argument.flags:
            continue
        yield ".TP"
        flags = ", ".join(rf"\fB{_text(flag)}\fR" for flag in argument.flags)
        value = rf"\fI{_text(argument.value)}\fR" if argument.value else ""
        yield " ".join(filter(None, (flags, value)))
        needed = " (required)" if argument.required and argument.flags else ""
        yield _text(f"{argument.help[:1].upper()}{argument.help[1:]}{needed}." if argument.help else "")


def _text(text: str) -> str:
    r"""``text`` for roff: no line of it is taken for a request, and - is the character that one types."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith((".", "\\(aq")) else escaped


def main(arguments: list[str]) -> None:
    """Write the page anew."""
    directory = Path(arguments[0]) if arguments else PAGES
    directory.mkdir(exist_ok=True)
    (directory / "orosync.1").write_text(orosync())


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT))
    main(sys.argv[1:])
