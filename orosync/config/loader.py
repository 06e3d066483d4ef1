"""Loading: from a path to a Configuration, or to every fault of the file at once.

The kinds of sections and their titles are here; their keys are in ``sections``, what has to fit together in ``checks``.
"""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs

from orosync.config import checks, defaults, exposure, warnings
from orosync.config.attached import AttachSection
from orosync.config.backplane import BACKPLANES, AnyBackplane, PluginBackplaneSection
from orosync.config.credentials import PUBLISHED, is_reference, secret
from orosync.config.fields import build, keys_of
from orosync.config.listen import ListenSection
from orosync.config.operations import OperationsSection
from orosync.config.readers import Source, did_you_mean, factory, words
from orosync.config.realms import ComponentSection, RealmSection, RoleSection
from orosync.config.sections import (
    AUTHENTICATORS,
    AUTHORIZERS,
    DIRECTORIES,
    ForeignSection,
    NotificationsSection,
    RouterSection,
    TopicsSection,
)
from orosync.config.sessions import SESSIONS
from orosync.config.settings import Configuration
from orosync.config.source import RawFile, RawSection, read
from orosync.config.uplinks import UplinkSection
from orosync.errors import ConfigError

T = TypeVar("T")

ALONE = ("router", "attach", "backplane", "notifications")
NAMED = (
    "listen", "realm", "role", "authenticator", "authorizer", "directory", "sessions", "topics", "component", "uplink",
)  # fmt: skip
"""The kinds of section: those that stand once, and those that have a name ([kind:name])."""

LONGEST = 1 << 24
"""Bytes of a file; /dev/zero has no end."""

REFERENCES = (
    ("authenticator", "directory", "directory"),
    ("authenticator", "sessions", "sessions"),
    ("listen", "realm", "realm"),
    ("listen", "authenticators", "authenticator"),
    ("realm", "authenticators", "authenticator"),
    ("sessions", "authenticator", "authenticator"),
)
"""(kind, key, kind that the key names)."""


def load(
    path: str | os.PathLike[str], environ: Mapping[str, str] | None = None, open_files: int | None = None
) -> Configuration:
    """Read a configuration file; raises ConfigError with every fault.

    ``environ`` (default: the process's) answers ``env:`` references and ``${NAME}``; ``open_files`` is the limit that
    max_connections is compared with (default: the process's, RLIMIT_NOFILE).
    """
    path = Path(path)
    try:
        path = path.absolute()
        text = _content(path)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}), correct the path or its rights"]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}: is not text in UTF-8, save it as that (line {line})"]) from None
    raw = read(text)
    loading = _Loading(raw, path, Source(path.parent, os.environ if environ is None else environ, path.name))
    if raw.given_up:
        loading.end()
    configuration = loading.configuration()
    if open_files is None:
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return attrs.evolve(configuration, warnings=loading.warnings(configuration, open_files), lines=loading.lines())


def _content(path: Path) -> str:
    with path.open("rb") as opened:
        content = opened.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ConfigError([f"{path}: is longer than {LONGEST >> 20} MiB and no configuration, name another file"])
    return content.decode()


class _Loading:
    """One load: the raw file and the faults found so far."""

    def __init__(self, raw: RawFile, path: Path, source: Source) -> None:
        self._raw = {section.title: section for section in raw.sections}
        self._path = path
        self._source = source
        self._faults: list[tuple[int, str]] = []
        self._faulty: dict[str, set[str]] = {}
        """By section: the keys with a fault of their own, and those that a misspelt one is likely to mean."""
        self._warnings: list[tuple[int, str]] = []
        for line, text in raw.faults:
            self._faults.append((line, _with_line(text, line)))

    def configuration(self) -> Configuration:
        """All sections made, defaults filled in, and checked. Raises ConfigError."""
        titles: dict[str, dict[str, RawSection]] = {kind: {} for kind in NAMED}
        for raw in self._raw.values():
            if self._is_known(raw) and raw.kind in NAMED:
                titles[raw.kind][raw.name] = raw
        operations = titles["listen"].pop("ops", None)
        if "attach" in self._raw:
            titles["attach"] = {"": self._raw["attach"]}
        components = self._each(titles["component"], self._component)
        realms = self._each(titles["realm"], lambda raw: self._make(RealmSection, raw, name=raw.name))
        listeners = self._each(titles["listen"], lambda raw: self._make(ListenSection, raw, name=raw.name))
        router = defaults.router(self._make(RouterSection, self._alone("router")) or RouterSection(), self._source)
        configuration = Configuration(
            path=self._path,
            router=router,
            listeners={name: defaults.listener(one, titles["realm"]) for name, one in listeners.items()},
            realms=realms,
            roles=tuple(self._each(titles["role"], self._role).values()),
            authenticators=self._each(titles["authenticator"], lambda raw: self._by_use(raw, AUTHENTICATORS)),
            authorizers=self._each(titles["authorizer"], lambda raw: self._by_use(raw, AUTHORIZERS)),
            directories=self._each(titles["directory"], lambda raw: self._by_use(raw, DIRECTORIES)),
            session_stores=self._each(titles["sessions"], lambda raw: self._by_use(raw, SESSIONS)),
            topics=self._each(titles["topics"], lambda raw: self._make(TopicsSection, raw, name=raw.name)),
            attach=self._attach(titles["realm"]),
            backplane=defaults.backplane(self._backplane(), router),
            notifications=defaults.notifications(
                self._make(NotificationsSection, self._alone("notifications")) or NotificationsSection(),
                titles["realm"],
            ),
            components={name: defaults.component(one, titles["realm"]) for name, one in components.items()},
            uplinks=self._uplinks(realms, titles["uplink"]),
            operations=None if operations is None else self._make(OperationsSection, operations),
        )
        checks.check(configuration, titles, self._fault_between, self._faulty)
        self._dangling(configuration, titles)
        self.end()
        return configuration

    def end(self) -> None:
        """Raise ConfigError if there is any fault, in the order of lines."""
        if self._faults:
            raise ConfigError(list(_ordered(self._faults)))

    def warnings(self, configuration: Configuration, open_files: int) -> tuple[str, ...]:
        """What is likely to be a mistake, in the order of lines."""
        warnings.find(configuration, open_files, self._warn)
        for text in exposure.of_configuration(self._path):
            self._warnings.append((0, text))
        return _ordered(self._warnings)

    def lines(self) -> dict[tuple[str, str], int]:
        """See Configuration."""
        found = {(title, ""): raw.line for title, raw in self._raw.items()}
        found.update(
            ((title, key), value.line) for title, raw in self._raw.items() for key, value in raw.values.items()
        )
        return found

    def _fault(self, title: str, key: str, text: str) -> None:
        self._faults.append(self._told(title, f" {key}:" if key else ":", key, text))

    def _own_fault(self, title: str, key: str, text: str) -> None:
        """Of a key by itself."""
        meant = re.search(r"did you mean (\w+)(?:\.NAME)?\?$", text) if "is no key of" in text else None
        self._faulty.setdefault(title, set()).update((key, meant[1] if meant else key))
        self._fault(title, key, text)

    def _fault_between(self, title: str, key: str, text: str) -> None:
        """Of keys that do not fit together, unless one of them has a fault already that explains it."""
        faulty = self._faulty.get(title, set())
        if not faulty or (key and key not in faulty and not checks.DEPENDS.get(key, frozenset()) & faulty):
            self._fault(title, key, text)

    def _warn(self, title: str, key: str, text: str) -> None:
        self._warnings.append(self._told(title, f" {key}:" if key else "", key, text))

    def _told(self, title: str, what: str, key: str, text: str) -> tuple[int, str]:
        """The line that it concerns, and everything in words."""
        raw = self._raw.get(title)
        line = 0
        if raw is not None:
            # "key: x = y" is a key "key: x" to configparser
            written = key if key in raw.values else next((one for one in raw.values if one.startswith(f"{key}:")), "")
            line = raw.values[written].line if key and written else raw.line
        return line, _with_line(f"[{title}]{what} {text}", line)

    def _dangling(self, configuration: Configuration, titles: Mapping[str, Mapping[str, RawSection]]) -> None:
        """Names that lead nowhere in sections that could not be made for another fault: all are told at once."""
        made: Mapping[str, Collection[str]] = {
            "authenticator": configuration.authenticators,
            "listen": configuration.listeners,
            "realm": configuration.realms,
            "sessions": configuration.session_stores,
        }
        for kind, key, wanted in REFERENCES:
            for name, raw in titles[kind].items():
                if (
                    name not in made[kind]
                    and key in raw.values
                    and ":" not in raw.values.get("use", raw.values[key]).text
                ):
                    for word in words(raw.values[key].text):
                        checks.named(self._fault, raw.title, key, wanted, word, titles)

    def _is_known(self, raw: RawSection) -> bool:
        kind, name = raw.kind, raw.name
        shape = r"(?:[\w.-]+/)?[\w.-]+" if kind == "role" else r"[\w.-]+"
        if kind not in (*ALONE, *NAMED):
            hint = did_you_mean(kind, (*ALONE, *NAMED))
            known = ", ".join((*(f"[{one}]" for one in ALONE), *(f"[{one}:NAME]" for one in NAMED)))
            self._fault(raw.title, "", f"is not a section of orosync{hint or '; there are ' + known}")
        elif kind in ALONE and ":" in raw.title:
            self._fault(raw.title, "", f"takes no name, write [{kind}]")
        elif kind in NAMED and not re.fullmatch(shape, name, re.ASCII):
            self._fault(raw.title, "", f"needs a name of letters, digits and . _ -, write [{kind}:NAME]")
        else:
            return True
        return False

    def _alone(self, title: str) -> RawSection:
        return self._raw.get(title, RawSection(title, 0, {}))

    def _each(self, raws: Mapping[str, RawSection], make: Callable[[RawSection], T | None]) -> dict[str, T]:
        made = {name: make(raw) for name, raw in raws.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _make(self, section: type[T], raw: RawSection, **fixed: Any) -> T | None:
        return build(
            section, raw, self._source, fixed, partial(self._own_fault, raw.title), partial(self._warn, raw.title)
        )

    def _attach(self, realms: Collection[str]) -> AttachSection | None:
        made = self._make(AttachSection, self._raw["attach"]) if "attach" in self._raw else None
        return None if made is None else defaults.attach(made, realms)

    def _role(self, raw: RawSection) -> RoleSection | None:
        realm, slash, name = raw.name.rpartition("/")
        return self._make(RoleSection, raw, name=name, realm=realm if slash else None)

    def _uplinks(self, realms: Mapping[str, RealmSection], raws: Mapping[str, RawSection]) -> dict[str, UplinkSection]:
        """One for each realm that has ``uplink = URL``, by the realm's name; its section may be missing."""
        made = {}
        for name, raw in raws.items():
            url = realms[name].uplink if name in realms else ""
            made[name] = self._make(UplinkSection, raw, name=name, url=url)
        for name, one in realms.items():
            if one.uplink and name not in raws:
                made[name] = UplinkSection(name=name, url=one.uplink)
        return {name: defaults.uplink(one) for name, one in made.items() if one is not None}

    def _by_use(self, raw: RawSection, builtin: Mapping[str, type[Any]]) -> Any:
        """A section whose key ``use`` says what it is: a built-in part, or a factory."""
        given = raw.values.get("use")
        offered = [*builtin, "package.module:factory"]
        if given is None:
            self._fault(raw.title, "use", f"is missing, write use = {' or '.join(offered)}")
        elif given.text in builtin:
            return self._make(builtin[given.text], raw, **({} if raw.kind in ALONE else {"name": raw.name}))
        elif ":" not in given.text:
            hint = did_you_mean(given.text, builtin) or f", write {' or '.join(offered)}"
            self._fault(raw.title, "use", f"{given.text!r} is not known{hint}")
        else:
            return self._foreign(raw, given.text)
        return None

    def _backplane(self) -> AnyBackplane | None:
        raw = self._raw.get("backplane")
        if raw is None:
            return None
        made: AnyBackplane | None
        if "use" in raw.values and ":" in raw.values["use"].text:
            made = self._with_options(PluginBackplaneSection, raw)
        else:
            made = self._by_use(raw, BACKPLANES)
        return made

    def _component(self, raw: RawSection) -> ComponentSection | None:
        return self._with_options(ComponentSection, raw, name=raw.name)

    def _with_options(self, section: type[T], raw: RawSection, **fixed: Any) -> T | None:
        """A section with some keys of ours; the others are its plugin's."""
        ours = {key: value for key, value in raw.values.items() if key in keys_of(section)}
        extra = self._options(raw, ours)
        known = RawSection(raw.title, raw.line, ours)
        return self._make(section, known, extra=extra or {}, **fixed)

    def _foreign(self, raw: RawSection, use: str) -> ForeignSection | None:
        try:
            factory(use, self._at(raw, "use"))
        except ValueError as error:
            self._own_fault(raw.title, "use", str(error))
            return None
        options = self._options(raw, ("use",))
        return None if options is None else ForeignSection(name=raw.name, use=use, options=options)

    def _options(self, raw: RawSection, ours: Collection[str]) -> dict[str, str] | None:
        """Every key but ``ours``, references followed; None if one of them cannot be."""
        before = len(self._faults)
        options: dict[str, str] = {}
        for key, value in raw.values.items():
            if key in ours:
                continue
            try:
                if is_reference(value.text):
                    options[key] = secret(value.text, self._at(raw, key)).value
                elif PUBLISHED in value.text:
                    raise ValueError("holds the secret that Oro is published with: choose your own")
                else:
                    options[key] = value.text
            except ValueError as error:
                self._own_fault(raw.title, key, str(error))
        return options if len(self._faults) == before else None

    def _at(self, raw: RawSection, key: str) -> Source:
        """The source of a value that is read by itself."""
        return attrs.evolve(self._source, warn=partial(self._warn, raw.title, key))


def _ordered(told: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """By line, each once; what concerns no line comes last."""
    ordered = sorted(told, key=lambda one: one[0] or sys.maxsize)
    return tuple(dict.fromkeys(text for _, text in ordered))


def _with_line(text: str, line: int) -> str:
    return f"{text} (line {line})" if line else text


def without_line(text: str) -> str:
    """A fault or warning without the number of its line."""
    return re.sub(r" \(line [0-9]+\)$", "", text)
