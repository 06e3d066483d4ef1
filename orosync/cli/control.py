"""The commands that ask a running router, or have it act: each asks a verb of its control socket and prints the answer.

``--json`` prints the answer as the verb gives it (``ops.answers``).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from orosync.cli import top, trace
from orosync.cli.router import Router, candidates
from orosync.cli.streams import Misused, Streams, line, table
from orosync.config import readers
from orosync.errors import Refused
from orosync.model import Match

SESSION_COLUMNS = (
    "session", "user", "role", "realm", "protocol", "serializer", "listener", "address", "since", "queued",
    "subscriptions",
)  # fmt: skip
"""Of the table of sessions; ``--json`` has more."""

BLOCKED = "this blocks the pages of {sessions} sessions until maintenance is over: repeat it with --yes"

CALL_TIMEOUT = "10s"

Command = Callable[[Router, Namespace, Streams], int]


def run(options: Namespace, streams: Streams) -> int:
    """Do what the command line says; the exit code. Raises as Router does."""
    return COMMANDS[options.command](Router(candidates(options)), options, streams)


# -- the command line


def add_commands(commands: Any) -> None:
    """The commands, for the parser of the command line."""
    _asking(commands.add_parser("status", help="print what a running router is and does"))
    sessions = _asking(commands.add_parser("sessions", help="list the sessions of a running router"))
    _choosing(sessions)
    sessions.add_argument("--realm", metavar="NAME", help="only sessions in this realm")
    sessions.add_argument("--role", metavar="ROLE", help="only sessions with this role")
    sessions.add_argument(
        "--sort", choices=["user", "since", "queued", "address"], default="user", help="the order (default: user)"
    )
    sessions.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N")

    live = _asking(
        commands.add_parser("subscriptions", help="list topics and patterns of a running router with their subscribers")
    )
    live.add_argument("--realm", metavar="NAME", help="only subscriptions in this realm")
    live.add_argument("--topic", metavar="URI", help="only those that an event on this topic reaches")
    live.add_argument("--limit", type=int, default=0, metavar="N", help="only the N with the most subscribers")

    kick = _asking(commands.add_parser("kick", help="end sessions; pages of Oro connect again by themselves"))
    _choosing(kick)
    kick.add_argument("--reason", metavar="TEXT", help="for the log, and told to WAMP v2 clients")

    publish = _asking(commands.add_parser("publish", help="publish an event"))
    publish.add_argument("topic", metavar="TOPIC", help="the topic")
    _with_arguments(publish, "event")
    publish.add_argument("--user", metavar="NAME", help="only for the sessions of this user")

    subscribe = _asking(commands.add_parser("subscribe", help="print events as they come, a JSON object in each line"))
    subscribe.add_argument("topic", metavar="TOPIC", help="the topic or pattern")
    subscribe.add_argument(
        "--match", choices=[one.value for one in Match], default="exact", help="how a pattern matches"
    )
    subscribe.add_argument("--count", type=int, default=0, metavar="N", help="end after N events")
    _with_realm(subscribe)

    call = _asking(commands.add_parser("call", help="call a procedure and print its result"))
    call.add_argument("procedure", metavar="PROCEDURE", help="the procedure")
    _with_arguments(call, "call")
    call.add_argument("--timeout", default=CALL_TIMEOUT, metavar="TIME", help="how long to wait (default: %(default)s)")

    reload = _asking(
        commands.add_parser("reload", help="read rules, pages and certificates anew, and print what has changed")
    )
    reload.add_argument(
        "--replace",
        action="store_true",
        help="replace the workers of a router with several by new processes, which read everything anew",
    )

    drain = _asking(
        commands.add_parser("drain", help="accept no clients any more, let those go that are there, and end the router")
    )
    drain.add_argument("--within", metavar="TIME", help="spread over this time (default: drain in [router])")
    drain.add_argument("--keep-running", action="store_true", help="the process stays until it is stopped")

    screen = _asking(commands.add_parser("top", help="show what a running router does, anew every few seconds"))
    top.add_options(screen)

    maintenance = commands.add_parser(
        "maintenance", help="tell the pages of Oro that maintenance is on or off"
    ).add_subparsers(dest="action", required=True, metavar="ACTION")
    on = _asking(maintenance.add_parser("on", help="block all pages, as oro:maintenance:lock does"))
    on.add_argument("--yes", action="store_true", help="do it; otherwise the command says how many sessions it blocks")
    on.add_argument("--user-id", type=int, metavar="N", help="the id of the user whose pages are not blocked")
    _asking(maintenance.add_parser("off", help="free all pages, also those that missed the end of maintenance"))
    _asking(maintenance.add_parser("status", help="print what pages were told last"))
    trace.add_options(_asking(commands.add_parser("trace", help="print what happens to a user, a topic or an address")))


def _asking(command: ArgumentParser) -> ArgumentParser:
    where = command.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", metavar="FILE", help="the configuration of the router")
    where.add_argument("--socket", metavar="PATH", help="the control socket of the router")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _choosing(command: ArgumentParser) -> None:
    command.add_argument("--session", type=int, metavar="ID", help="the session with this id")
    command.add_argument("--user", metavar="NAME", help="the sessions of this user")
    command.add_argument(
        "--address", metavar="ADDRESS", help="the sessions from this address, or a network like 192.0.2.0/24"
    )


def _with_realm(command: ArgumentParser) -> None:
    command.add_argument("--realm", metavar="NAME", help="the realm, where there are several")


def _with_arguments(command: ArgumentParser, what: str) -> None:
    command.add_argument("--args", metavar="JSON", help=f"the arguments of the {what}: a JSON list")
    command.add_argument("--kwargs", metavar="JSON", help=f"the keyword arguments of the {what}: a JSON object")
    _with_realm(command)


# -- the commands


def _status(router: Router, options: Namespace, streams: Streams) -> int:
    status = router.ask("status")
    health = status["health"]
    lines = [f"orosync {status['version']} on {status['node']}: {health['status']}"]
    lines += [f"  {name}: {what}" for name, what in health["wrong"].items()]
    tables = [["", *table(rows)] for rows in (status["workers"], status["nodes"]) if rows]
    return _printed(status, "\n".join([*map(line, lines), *(row for rows in tables for row in rows)]), options, streams)


def _sessions(router: Router, options: Namespace, streams: Streams) -> int:
    wanted = _given(options, "session", "user", "address", "realm", "role", "sort", "limit")
    rows = router.ask("sessions", wanted)
    text = "\n".join(table(rows, SESSION_COLUMNS)) if rows else "no sessions"
    return _printed(rows, text, options, streams)


def _subscriptions(router: Router, options: Namespace, streams: Streams) -> int:
    rows = router.ask("subscriptions", _given(options, "realm", "topic", "limit"))
    return _printed(rows, "\n".join(table(rows)) if rows else "no subscriptions", options, streams)


def _kick(router: Router, options: Namespace, streams: Streams) -> int:
    if options.session is None and options.user is None and options.address is None:
        raise Misused("say which sessions: --session ID, --user NAME or --address ADDRESS")
    done = {"kicked": 0, "of": 0}
    for done in router.watch("kick", _given(options, "session", "user", "address", "reason")):
        streams.progress(f"{done['kicked']} of {done['of']} sessions ended")
    streams.progress("")
    count = done["kicked"]
    text = f"{count} {'session' if count == 1 else 'sessions'} ended" if count else "there is no such session"
    _printed(done, text, options, streams)
    return 0 if count else 1


def _publish(router: Router, options: Namespace, streams: Streams) -> int:
    wanted = {"topic": options.topic, **_values(options), **_given(options, "realm", "user")}
    answer = router.ask("publish", wanted)
    return _printed(answer, f"published to {answer['sessions']} sessions", options, streams)


def _subscribe(router: Router, options: Namespace, streams: Streams) -> int:
    wanted = {"topic": options.topic, "match": options.match, **_given(options, "realm")}
    for number, event in enumerate(router.watch("subscribe", wanted), 1):
        if not streams.emit(json.dumps(event, ensure_ascii=False)) or number == options.count:
            break
    return 0


def _call(router: Router, options: Namespace, streams: Streams) -> int:
    wanted = {"procedure": options.procedure, "timeout": _seconds(options, "timeout")}
    wanted |= {**_values(options), **_given(options, "realm")}
    answer = router.ask("call", wanted, timeout=None)
    args, kwargs, failed = answer["args"], answer["kwargs"], answer["error"]
    if failed and not options.json:
        raise Refused(failed, args[0] if args and isinstance(args[0], str) else json.dumps([args, kwargs]))
    value = args[0] if len(args) == 1 and not kwargs else {"args": args, "kwargs": kwargs}
    _printed(answer, json.dumps(value, ensure_ascii=False), options, streams)
    return 1 if failed else 0


def _maintenance(router: Router, options: Namespace, streams: Streams) -> int:
    if options.action == "on" and not options.yes:
        now = router.ask("maintenance-status")
        _printed(now, BLOCKED.format(**now), options, streams)
        return 1
    if options.action == "status":
        answer = router.ask("maintenance-status")
    else:
        answer = router.ask("maintenance", {"on": options.action == "on", "user_id": getattr(options, "user_id", None)})
    text = "nothing was told since the router was started"
    if answer["on"] is not None:
        but = f", except those of user {answer['user_id']}" if answer["on"] and answer["user_id"] is not None else ""
        told = f"pages are blocked{but}" if answer["on"] else "pages are not blocked"
        text = f"maintenance is {'on' if answer['on'] else 'off'} since {answer['time']}: {told}"
    return _printed(answer, f"{text} ({answer['sessions']} sessions subscribe to it)", options, streams)


def _reload(router: Router, options: Namespace, streams: Streams) -> int:
    if options.replace:
        return _replace(router, options, streams)
    answer = router.ask("reload", timeout=None)
    lines = [f"changed: {one}" for one in answer["changed"]] or ["nothing has changed"]
    lines += [f"takes effect at a restart: {one}" for one in answer["restart"]]
    lines += [f"warning: {one}" for one in answer["warnings"]]
    if answer["refused"]:
        lines = [*([] if not answer["changed"] else lines), *(f"refused: {one}" for one in answer["refused"])]
    elif answer["changed"]:
        lines.append(f"subscriptions of {answer['sessions']} sessions are authorized again")
    _printed(answer, "\n".join(map(line, lines)), options, streams)
    return 1 if answer["refused"] else 0


def _replace(router: Router, options: Namespace, streams: Streams) -> int:
    done: dict[str, Any] = {"replaced": 0, "of": 0, "refused": []}
    for done in router.watch("replace"):
        streams.progress(f"{done['replaced']} of {done['of']} workers replaced")
    streams.progress("")
    lines = [f"{done['replaced']} of {done['of']} workers replaced", *(f"refused: {one}" for one in done["refused"])]
    _printed(done, "\n".join(map(line, lines)), options, streams)
    return 0 if done["replaced"] == done["of"] and not done["refused"] else 1


def _drain(router: Router, options: Namespace, streams: Streams) -> int:
    wanted: dict[str, Any] = {"keep_running": options.keep_running}
    if options.within is not None:
        wanted["within"] = _seconds(options, "within")
    done = {"left": 0, "of": 0, "ends": not options.keep_running}
    for done in router.watch("drain", wanted):
        streams.progress(f"{done['left']} of {done['of']} clients are left")
    streams.progress("")
    what = "the router ends" if done["ends"] else "the router runs until it is stopped"
    text = f"{done['of'] - done['left']} of {done['of']} clients were let go, {what}"
    return _printed(done, text, options, streams)


def _seconds(options: Namespace, name: str) -> float:
    """An option that is a time, like those of the configuration. Raises Misused."""
    try:
        return readers.duration(getattr(options, name), readers.BUILTIN)
    except ValueError as error:
        raise Misused(f"--{name}: {error}") from None


def _given(options: Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _values(options: Namespace) -> dict[str, Any]:
    """``--args`` and ``--kwargs``. Raises Misused for what is none."""
    found: dict[str, Any] = {}
    for name, kind, words in (("args", list, 'a JSON list, like ["text", 1]'), ("kwargs", dict, "a JSON object")):
        text = getattr(options, name)
        if text is not None:
            try:
                found[name] = json.loads(text)
            except ValueError:
                found[name] = None
            if not isinstance(found[name], kind):
                raise Misused(f"--{name}: write {words}")
    return found


def _printed(answer: Any, text: str, options: Namespace, streams: Streams) -> int:
    streams.answer(json.dumps(answer, ensure_ascii=False, indent=2) if options.json else text)
    return 0


COMMANDS: Mapping[str, Command] = {
    "call": _call,
    "drain": _drain,
    "kick": _kick,
    "maintenance": _maintenance,
    "publish": _publish,
    "reload": _reload,
    "sessions": _sessions,
    "status": _status,
    "subscribe": _subscribe,
    "subscriptions": _subscriptions,
    "top": top.run,
    "trace": trace.trace,
}
"""By the command's name: what asks the router and prints the answer. Each gives the exit code."""
