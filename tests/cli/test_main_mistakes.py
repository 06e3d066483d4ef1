"""Every key of every section with every mistake of one key: ``check-config`` tells section, key, line and remedy.

The keys are those of the sections themselves; a new key is tested without a line here, unless it needs another key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs
from twisted.internet.task import Clock

from orosync.app.container import Container
from orosync.app.listeners import check
from orosync.clocks import time_of_day
from orosync.config import Configuration, accounts, attached, credentials, load, readers, sessions, uplinks
from orosync.config.authentication import procedure_uri
from orosync.config.fields import Key, keys_of
from orosync.config.reference import TABLES
from orosync.errors import ConfigError
from tests.config.files import ENVIRON, SECRET, FilesCase, pem

WHOLE = """\
[listen:public]
endpoint = tcp:8080:interface=127.0.0.1
realm = oro
[realm:oro]
authenticators = ticket
authorizers = topics:oro
[authenticator:ticket]
use = ticket
secret = env:ORO_SECRET
directory = people
[directory:people]
use = static
user.admin = 1 env:ADMIN_HASH
[sessions:office]
use = files
path = empty
[topics:oro]
use = oro
"""
"""What the section under test stands in."""

DSN = "postgres://oro:secret@db.example.com:5432/oro"
VARIABLES = {
    **ENVIRON,
    "KEY": "a1" * 32,
    "OLD_KEY": "b2" * 32,
    "DATABASE": DSN,
    "REDIS": "redis://password@cache.example.com:6379/0",
    "EMPTY": "",
    "QUOTED": f'"{SECRET}"',
    "TWO_LINES": f"{SECRET}\n{SECRET}",
    "BLANK": " " * 30,
    "SHORT": "hush",
    "PUBLISHED": credentials.PUBLISHED,
}
TITLES = {
    "listen:ops": "listen:ops",
    "router": "router",
    "attach": "attach",
    "backplane": "backplane",
    "notifications": "notifications",
    "uplink:NAME": "uplink:oro",
}
BEFORE = {
    "router": "drain = 5s", "notifications": "ping_interval = 50s", "topics:NAME": "subscribe = user",
    "uplink:NAME": "queue = 1000", "role:NAME": "unlimited = no", "attach": "timeout = 10s",
}  # fmt: skip
"""A first line for sections that need none."""

OTHERS = {
    "router": "recheck = 5m", "notifications": "realm = oro", "topics:NAME": "publish = backend",
    "uplink:NAME": "calls = 1000", "role:NAME": "trustlevel = 3", "attach": "retry = 15s",
    "listen:NAME": "max_connections = 10000", "listen:ops": "exposed = no", "component:NAME": "colour = red",
}  # fmt: skip
"""Another, where that is the line of the key itself."""

VALUES: dict[tuple[str, str], str] = {
    ("listen", "endpoint"): "tcp:8090:interface=127.0.0.1",
    ("listen", "authenticators"): "ticket",
    ("listen", "ready_requires"): "directory:people",
    ("listen", "origins_from"): "directory:database",
    ("listen", "realm"): "oro",
    ("listen", "tls"): "yes",
    ("listen", "tls_resumption"): "yes",
    ("listen", "client_ca"): "pem",
    ("listen", "origins"): "https://oro.example.com 127.0.0.1",
    ("router", "state"): "empty",
    ("router", "plugins"): "empty",
    ("router", "node"): "web1",
    ("router", "control"): "empty/control.sock",
    ("router", "control_readers"): "root",
    ("listen", "pages"): "empty",
    ("backplane", "previous_secret"): "env:OLD_KEY",
    ("authenticator", "directory"): "people",
    ("authenticator", "sessions"): "office",
    ("authenticator", "previous_secret"): "env:OLD_KEY",
    ("authenticator", "realm"): "oro",
    ("authenticator", "default_role"): "user",
    ("authenticator", "iterations"): "4096",
    ("authorizer", "realm"): "oro",
    ("authorizer", "purge_role"): "user",
    ("sessions", "path"): "empty",
    ("component", "use"): "tests.cli.test_main_mistakes:component",
    ("component", "realm"): "oro",
    ("topics", "oro_routing"): "routing",
    ("attach", "realm"): "oro",
    ("attach", "url"): "wss://wamp.example.com/ws",
    ("notifications", "realm"): "oro",
    ("uplink", "realm"): "realm1",
    ("realm", "authorizers"): "topics:oro",
    ("realm", "authenticators"): "ticket",
}
WITH = {
    ("listen", "certificate"): ("key = pem",),
    ("listen", "key"): ("certificate = pem",),
    ("listen", "tls"): ("certificate = pem", "key = pem"),
    ("listen", "client_ca"): ("certificate = pem", "key = pem"),
    ("listen", "tls_resumption"): ("certificate = pem", "key = pem"),
    ("listen", "proxy_protocol"): ("trusted_proxies = 10.0.0.1",),
    ("listen", "max_unauthenticated"): ("max_connections = 10000",),
    ("authorizer", "purge"): ("cache = 30s",),
    ("authorizer", "purge_role"): ("cache = 30s", "purge = com.example.purge"),
    ("uplink", "ticket"): ("authid = me",),
    ("uplink", "secret"): ("authid = me",),
    ("uplink", "ca"): (),
}
"""Other keys that a key needs."""

FREE = {
    readers.plain: "any text",
    readers.name: "any name, unless it is that of a section",
    readers.names: "any names, unless they are those of sections",
    readers.table: "whether the table is there, the database tells",
    readers.expanded: "a file that need not be there yet",
    readers.factory: "a module, which is imported later",
    sessions.cookie: "any name",
    sessions.prefix: "any text without blanks",
    sessions.classes: "any name of a class",
    uplinks.realm: "any name, there",
    procedure_uri: "any URI",
    readers.origins: "any host",
    readers.web_path: "any path",
    sessions.url: "any host and path",
    uplinks.url: "any host and path",
    uplinks.patterns: "any URI",
    attached.url: "any host and path",
    attached.procedure: "any URI",
    attached.providers: "any names",
    accounts.with_certificates: "any common name",
}
"""Readers to which a single odd word is as good as any other."""

NAMES = {
    "directory", "sessions", "authenticator", "authenticators", "authorizers", "realm", "default_role",
}  # fmt: skip
"""Keys with names of sections, or of other keys' words."""

DOUBTS = "lies below /tmp|no authenticator gives auth|nothing passes"
"""Warnings about values that are valid."""

FREE_KEYS = {("router", "control")}
"""Of a reader that is no module's own function: a path that need not be there yet."""

ELSEWHERE = {("uplink", "realm"), ("attach", "authenticator")}


def component(configuration: Any) -> Any:
    """A component of the application."""


@attrs.frozen
class Case:
    """A key with its section: ``head`` are the lines before it, ``value`` one that is valid."""

    table: str
    title: str
    head: tuple[str, ...]
    name: str
    key: Key
    value: str

    @property
    def at(self) -> tuple[str, str]:
        return (self.title.partition(":")[0], self.name)

    @property
    def takes_any_key(self) -> bool:
        """Other keys are options of a component or plugin."""
        return self.title.startswith("component") or self.table.endswith("package.module:factory")

    @property
    def written(self) -> str:
        return f"{self.name}.{self.key.example.partition(' ')[0].partition('.')[2]}" if self.key.dotted else self.name

    def text(self, *lines: str) -> str:
        whole = WHOLE
        if self.title.startswith("uplink"):
            whole = whole.replace("authorizers = ", "uplink = wss://wamp.example.com/ws\nauthorizers = ")
        needs_notice = self.title.startswith("realm") or self.at == ("notifications", "realm")
        if needs_notice and self.title != "notifications":
            whole += "[notifications]\nrealm = oro\n"
        if self.at == ("listen", "origins_from"):
            whole += "[directory:database]\nuse = postgresql\ndsn = env:DATABASE\n"
        if self.at[0] == "backplane":
            whole += "[router]\nworkers = 2\n"
        return whole + "\n".join([f"[{self.title}]", *self.head, *lines]) + "\n"

    def line(self, value: str) -> str:
        return f"{self.written} = {value}"


def cases() -> Iterator[Case]:
    for table, section in TABLES.items():
        kind, _, use = table.partition(", use = ")
        for one in use.split(" or ") if use else [""]:
            title = TITLES.get(kind, f"{kind.partition(':')[0]}:tested")
            name = title.partition(":")[0]
            keys = keys_of(section)
            required = {key: spec for key, spec in keys.items() if spec.required and key != "use"}
            if name == "realm":
                required = {key: keys[key] for key in ("authenticators", "authorizers")}
            for key, spec in keys.items():
                if key == "use" and use:
                    continue
                head = [f"use = {one}"] if use else [BEFORE[kind]] if kind in BEFORE else []
                head += [f"{other} = {_valid(name, other, it, one)}" for other, it in required.items() if other != key]
                head += WITH.get((name, key), ())
                if head and key == head[0].partition(" ")[0]:
                    head = head[1:]
                if not head:
                    head = [OTHERS[kind]]
                yield Case(table, title, tuple(head), key, spec, _valid(name, key, spec, one))


def _valid(section: str, key: str, spec: Key, use: str) -> str:
    if (section, key) in VALUES:
        return VALUES[section, key]
    if key == "dsn":
        return "env:REDIS" if use == "redis" else "env:MYSQL" if use == "mysql" else "env:DATABASE"
    if spec.read in (credentials.certificates, credentials.private_key):
        return "pem"
    if spec.dotted:
        example = spec.example.partition("=")[2].strip()
    else:
        example = spec.shown.strip("`") if spec.shown.startswith("`") else spec.example
    example = re.sub("file:[^ ]+", "env:KEY", example)
    if not example and spec.read in (readers.count, readers.natural):
        return "3"
    if not example and spec.read is readers.size:
        return "19MiB"
    return example


class MistakesTests(FilesCase):
    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        (self.directory / "empty").mkdir()
        (self.directory / "routing" / "config" / "oro").mkdir(parents=True)
        self.write("oro_channels", "text")
        self.write(pem(), "pem")
        self.environ = {**VARIABLES, "MYSQL": DSN.replace("postgres", "mysql"), "STATE_DIRECTORY": str(self.directory)}

    def told(self, text: str) -> list[str]:
        """What check-config says."""
        try:
            configuration = load(self.write(text), self.environ, 65536)
        except ConfigError as error:
            return list(error.faults)
        return [*configuration.warnings, *self.made(configuration)]

    def made(self, configuration: Configuration) -> list[str]:
        container = Container(configuration, Clock())
        try:
            check(configuration.listeners.values(), configuration.router.state, time_of_day)
            container.realms  # noqa: B018
        except ConfigError as error:
            return configuration.located(error.faults)
        finally:
            container.journal.close()
        return []

    def collect(self, mistakes: Any) -> None:
        """Judge what is told about each (what, text with the mistake, key, line) that ``mistakes`` makes of a case."""
        missed = []
        count = 0
        for case in cases():
            for what, text, key, line in mistakes(case):
                count += 1
                told = self.told(text)
                if what.startswith("colon"):
                    found = [one for one in told if one.startswith(key) and one.endswith(f" (line {line})")]
                    missed += [] if found else [f"{case.table} | {what} | {told}"]
                    continue
                wanted = rf"\[{re.escape(case.title)}\] {re.escape(key)}: .+[,:;] .+ \(line {line}\)$"
                if not any(re.match(wanted, one) for one in told):
                    missed.append(f"{case.table} | {what} | {told or 'nothing'}")
        self.assertGreater(count, 20)
        self.assertEqual(missed, [], f"{len(missed)} of {count}\n" + "\n".join(missed))

    def with_line(self, case: Case, what: str, line: str, key: str | None = None) -> tuple[str, str, str, int]:
        text = case.text(line)
        number = text.splitlines().index(line) + 1
        return f"{what}: {line}", text, key or case.written, number

    def test_valid(self):
        """What the mistakes are made of: no fault."""
        missed = [
            f"{case.table} | {case.line(case.value)} | {told}"
            for case in cases()
            if (told := [one for one in self.told(case.text(case.line(case.value))) if f" {case.written}: " in one])
            and not re.search(DOUBTS, told[0])
        ]
        self.assertEqual(missed, [], "\n".join(missed))

    def test_every_value(self):
        """Empty; in quotes; with a comment behind it; odd characters."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            yield self.with_line(case, "empty", f"{case.written} =")
            for quote in "'\"":
                yield self.with_line(case, "quotes", case.line(f"{quote}{case.value}{quote}"))
            for mark in ("#", ";"):
                if not (case.key.dotted and mark == ";"):
                    yield self.with_line(case, "comment", case.line(f"{case.value} {mark} as it was"))
            if case.key.read is not readers.plain:
                yield self.with_line(case, "odd", case.line("?? (%$ !"))

        self.collect(mistakes)

    def test_keys(self):
        """Misspelt; in capitals; given twice."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            name = case.written
            if not case.takes_any_key:
                first, dot, rest = name.partition(".")
                for wrong in (first[:-1] if len(first) > 4 else first + "x", first.upper(), first[1::-1] + first[2:]):
                    wrong += dot + rest
                    if wrong != name:
                        yield self.with_line(case, "misspelt", f"{wrong} = {case.value}", wrong)
            text = case.text(case.line(case.value), case.line(case.value))
            yield f"twice: {name}", text, name, len(text.splitlines())
            line = f"{name}: {case.value}"
            yield self.with_line(
                case,
                "colon",
                line,
                f"[{case.title}] {name}: stands with a colon"
                if "=" in line
                else f"[{case.title}]: this line has a colon",
            )

        self.collect(mistakes)

    def test_words(self):
        """A word that is none of the key's, a name of a section that is not there."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            if case.at in FREE_KEYS:
                return
            if case.key.read not in FREE or (case.name in NAMES and case.at not in ELSEWHERE):
                for wrong in ("qqqzzz", case.value[:-1] + "qz"):
                    if case.key.read is readers.networks:
                        continue
                    yield self.with_line(case, "word", case.line(wrong))

        self.collect(mistakes)

    def test_numbers(self):
        """Without a unit, with one that there is not, out of range."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            read = case.key.read
            if read in (readers.duration, readers.span, readers.size):
                for wrong in ("5", "5 s", "-5s", "5x", "5 MiB", "1e3s", "99999999999s", "1,5s", "ten"):
                    yield self.with_line(case, "unit", case.line(wrong))
            if read in (readers.duration, readers.size):
                yield self.with_line(case, "none", case.line("0s" if read is readers.duration else "0B"))
            if read in (readers.count, readers.natural):
                for wrong in ("-1", "99999999999", "1.5", "ten", "5s", "1 000", *("0" * (read is readers.count))):
                    yield self.with_line(case, "number", case.line(wrong))

        self.collect(mistakes)

    def test_files(self):
        """Missing, of the wrong kind, unreadable, without what should be in it."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            read = case.key.read
            if read in (credentials.certificates, credentials.private_key):
                for wrong in ("nowhere", "empty", "text", "text/below", "${NOTHING}/x", "$HOME/x"):
                    yield self.with_line(case, "file", case.line(wrong))
            if read in (readers.directory, readers.directories, readers.plugins) or case.at == ("sessions", "path"):
                for wrong in ("nowhere", "text", "${NOTHING}"):
                    yield self.with_line(case, "directory", case.line(wrong))
            if case.at == ("notifications", "maintenance_lock"):
                for wrong in ("nowhere/lock", "text/lock"):
                    yield self.with_line(case, "lock", case.line(wrong))

        self.collect(mistakes)

    def test_secrets(self):
        """Written down, missing, empty, in quotes, of two lines, of blanks."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            if "env:" not in case.value:
                return
            reference = re.search("env:[A-Z_]+", case.value)
            assert reference is not None
            for wrong in (
                "hush", "env:NOTHING", "env:", "file:", "file:nowhere", "file:empty", "env:EMPTY", "env:QUOTED",
                "env:TWO_LINES", "env:BLANK", "env:SHORT", "env:PUBLISHED",
            ):  # fmt: skip
                password = case.table in ("directory:NAME, use = static",) and wrong in ("env:SHORT",)
                if not password:
                    yield self.with_line(case, "secret", case.line(case.value.replace(reference[0], wrong)))

        self.collect(mistakes)

    def test_blanks(self):
        """Blanks and tabs around a value, and Windows' ends of lines, mean nothing."""
        for case in cases():
            plain = self.told(case.text(case.line(case.value)))
            for line in (
                f"{case.written}={case.value}",
                f"{case.written}\t =  {case.value} \t",
                case.line(case.value) + "\r",
            ):
                self.assertEqual(self.told(case.text(line)), plain, line)

    def test_two_mistakes(self):
        """Of two keys of a section both are told."""

        def mistakes(case: Case) -> Iterator[tuple[str, str, str, int]]:
            what, text, key, line = self.with_line(case, "empty", f"{case.written} =")
            yield what, text + "nonsense = 1\n", key, line
            if not case.takes_any_key:
                yield what, text + "nonsense = 1\n", "nonsense", line + 1

        self.collect(mistakes)
