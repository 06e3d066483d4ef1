"""``orosync completion``: scripts with which bash, zsh and fish complete the command line, made from its parser.

The scripts know commands, options and the words that some options take; what else follows an option is a file where
its name says so. They start no other program.
"""

from __future__ import annotations

import shlex
from argparse import SUPPRESS, Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

FILES = frozenset({"FILE", "PATH", "DIRECTORY"})
"""What an argument is called that is a file."""


@attrs.frozen
class Argument:
    """An option (with ``flags``) or positional argument. ``value``: what stands for its value, "" for none."""

    flags: tuple[str, ...]
    help: str
    value: str
    choices: tuple[str, ...]
    required: bool

    @property
    def file(self) -> bool:
        return self.value in FILES


@attrs.frozen
class Command:
    """``words`` lead to it, without "orosync"; ``commands`` are the words that may come next, with their help."""

    words: tuple[str, ...]
    help: str
    description: str
    arguments: tuple[Argument, ...]
    commands: Mapping[str, str]

    @property
    def path(self) -> str:
        return " ".join(self.words)

    @property
    def flags(self) -> list[str]:
        return [flag for one in self.arguments for flag in one.flags]


def commands(parser: ArgumentParser, words: tuple[str, ...] = (), help: str = "") -> Iterator[Command]:
    """The command line of ``parser``: each command before those below it."""
    below: dict[str, tuple[str, ArgumentParser]] = {}
    arguments = []
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            below |= {name: (helps.get(name, ""), each) for name, each in action.choices.items()}
        elif action.help != SUPPRESS:
            arguments.append(_argument(parser, action))
    named = {name: text for name, (text, _) in below.items()}
    yield Command(words, help, parser.description or "", tuple(arguments), named)
    for name, (text, each) in below.items():
        yield from commands(each, (*words, name), text)


def _argument(parser: ArgumentParser, action: Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(choices) or action.dest.upper())
    words = parser._get_formatter()._expand_help(action) if action.help else ""
    words = "print this help" if isinstance(action, _HelpAction) else words
    return Argument(tuple(action.option_strings), words, value, choices, action.required)


def bash(parser: ArgumentParser) -> str:
    """For ``eval`` or a file in bash-completion's directory."""
    found = list(commands(parser))
    paths = "|".join(shlex.quote(f" {one.path}") for one in found if one.words)
    cases = []
    for one in found:
        for argument in one.arguments:
            flags = "|".join(shlex.quote(f"{one.path}:{flag}") for flag in argument.flags)
            if flags and argument.value:
                reply = 'COMPREPLY=($(compgen -f -- "$current"))' if argument.file else "COMPREPLY=()"
                if argument.choices:
                    reply = f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(argument.choices))} -- "$current"))'
                cases.append(f"        {flags}) {reply}; return ;;")
    words = []
    for one in found:
        positional = [argument for argument in one.arguments if not argument.flags]
        offered = [*one.commands, *one.flags, *(word for argument in positional for word in argument.choices)]
        files = " -f" if any(argument.file for argument in positional) else ""
        given = shlex.quote(" ".join(offered))
        words.append(f'        {shlex.quote(one.path)}) COMPREPLY=($(compgen{files} -W {given} -- "$current")) ;;')
    return "\n".join(
        [
            "# orosync completion bash",
            "_orosync() {",
            '    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} at="" i',
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            '        case "$at ${COMP_WORDS[i]}" in',
            f'            {paths}) at="$at ${{COMP_WORDS[i]}}" ;;',
            "        esac",
            "    done",
            "    at=${at# }",
            '    case "$at:$before" in',
            *cases,
            "    esac",
            '    case "$at" in',
            *words,
            "    esac",
            "}",
            "complete -o filenames -F _orosync orosync",
        ]
    )


def zsh(parser: ArgumentParser) -> str:
    """For a file ``_orosync`` in a directory of ``fpath``, or ``source`` after ``compinit``."""
    found = list(commands(parser))
    paths = "|".join(_quoted_zsh(f" {one.path}") for one in found if one.words)
    lines = []
    for one in found:
        lines.append(f"        ({_quoted_zsh(one.path)})")
        if one.commands:
            offered = " ".join(_quoted_zsh(f"{name}:{text}") for name, text in one.commands.items())
            lines.append(f"            offered=({offered})")
            lines.append("            if (( CURRENT == 2 )); then _describe command offered; fi")
        specs = " ".join(_spec(argument) for argument in one.arguments)
        lines.append(f"            _arguments {specs}" if specs else "            :")
        lines.append("            ;;")
    return "\n".join(
        [
            "#compdef orosync",
            "_orosync() {",
            '    local at="" i',
            "    local -a offered",
            "    for ((i = 2; i < CURRENT; i++)); do",
            '        case "$at ${words[i]}" in',
            f'            ({paths}) at="$at ${{words[i]}}" ;;',
            "            (*) break ;;",
            "        esac",
            "    done",
            "    shift $((i - 2)) words",
            "    ((CURRENT -= i - 2))",
            '    case "${at# }" in',
            *lines,
            "    esac",
            "}",
            'if [[ "${funcstack[1]}" = _orosync ]]; then _orosync "$@"; else compdef _orosync orosync; fi',
        ]
    )


def _quoted_zsh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _spec(argument: Argument) -> str:
    """What ``_arguments`` is told of one argument."""
    values = ""
    if argument.value:
        offered = f"({' '.join(argument.choices)})" if argument.choices else "_files" if argument.file else " "
        values = f":{argument.value.replace(':', ' ')}:{offered}"
    if not argument.flags:
        return _quoted_zsh(f":{values}")
    text = "".join(f"\\{one}" if one in "[]:\\" else one for one in argument.help)
    alone = f"({' '.join(argument.flags)})"
    return " ".join(_quoted_zsh(f"{alone}{flag}[{text}]{values}") for flag in argument.flags)


def fish(parser: ArgumentParser) -> str:
    """For a file ``orosync.fish`` in fish's directory ``completions``, or ``source``."""
    found = list(commands(parser))
    paths = " ".join(_quoted_fish(f" {one.path}") for one in found if one.words)
    lines = [
        "# orosync completion fish",
        "function __orosync_at",
        "    set -l at ''",
        "    for word in (commandline -opc)[2..-1]",
        f'        if contains -- "$at $word" {paths}',
        '            set at "$at $word"',
        "        end",
        "    end",
        """    test "$at" = "$argv[1]" """.rstrip(),
        "end",
        "complete -c orosync -f",
    ]
    for one in found:
        where = _quoted_fish(f"__orosync_at {_quoted_fish(' ' + one.path if one.words else '')}")
        for name, text in one.commands.items():
            lines.append(f"complete -c orosync -n {where} -a {name} -d {_quoted_fish(text)}")
        for argument in one.arguments:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in argument.flags)
            values = f" -a {_quoted_fish(' '.join(argument.choices))}" if argument.choices else ""
            if flags:
                takes = " -r -F" if argument.file else f" -x{values}" if argument.value else ""
                lines.append(f"complete -c orosync -n {where} {flags} -d {_quoted_fish(argument.help)}{takes}")
            elif argument.file or values:
                lines.append(f"complete -c orosync -n {where}{' -F' if argument.file else values}")
    return "\n".join(lines)


def _quoted_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: Mapping[str, Callable[[Any], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
