"""Readers: from the text of one key to its value; those of secrets, certificates and keys are in credentials.py.

A reader takes the text and its Source and returns the value, or raises ValueError with words that complete
"[section] key: ...": what is wrong, and what to do.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import attrs

from orosync.config import exposure

Network = IPv4Network | IPv6Network
T = TypeVar("T")


def _ignore(text: str) -> None:
    """A warning that concerns no file."""


@attrs.frozen
class Source:
    """Where a text stands: relative paths start at ``directory``, ``${NAME}`` is looked up in ``environ``.

    ``file`` is the configuration's name, ``section`` the title of the section, ``lines`` the number of each line of the
    text (from 1). All three are empty for what stands in no file, such as defaults. ``warn`` takes what a reader finds
    likely to be a mistake, in the words of a fault.
    """

    directory: Path
    environ: Mapping[str, str] = attrs.field(repr=False)
    file: str = ""
    section: str = ""
    lines: tuple[int, ...] = ()
    warn: Callable[[str], None] = attrs.field(default=_ignore, repr=False, eq=False)

    def at(self, row: int = 0) -> str:
        """``router.ini:34`` for a line of the text (from 0), for explanations; "" in no file."""
        return f"{self.file}:{self.lines[row]}" if self.file and row < len(self.lines) else self.file


Reader = Callable[[str, Source], Any]

BUILTIN = Source(Path("/"), {})
"""The source of defaults, which are written as in a file."""

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}

_PRIVATE: Mapping[int, tuple[Network, ...]] = {
    4: tuple(
        ip_network(text)
        for text in (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
        )
    ),
    6: tuple(ip_network(text) for text in ("::1/128", "fc00::/7", "fe80::/10")),
}
"""What is not routed on the public internet."""

_BROAD = {4: 12, 6: 24}
"""A public network with a shorter prefix is more than a content network's own."""

MOST_PUBLIC = 1 << 24
"""Public IPv4 addresses that a list of networks may hold without a warning."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ ", did you mean X?" when a known word is near, else an empty text."""
    candidates = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), candidates, 1, 0.6)
    return f", did you mean {candidates[near[0]]}?" if near else ""


def words(text: str) -> list[str]:
    """A list as written: parts divided by commas or blanks."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def plain(text: str, source: Source) -> str:
    """Any text."""
    return text


def name(text: str, source: Source) -> str:
    """One word that names a section, a role or a node."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*", text):
        raise ValueError(f"{text!r} is not a name, use letters, digits and . _ - only")
    return text


def names(text: str, source: Source) -> tuple[str, ...]:
    """Names in order, none of them twice."""
    listed = [name(part, source) for part in words(text)]
    for part in listed:
        if listed.count(part) > 1:
            raise ValueError(f"{part} is listed twice, remove one of the two")
    return tuple(listed)


def boolean(text: str, source: Source) -> bool:
    """yes or no (also true, false, on, off)."""
    try:
        return _TRUTH[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither yes nor no, write one of them") from None


def choice(*offered: str) -> Callable[[str, Source], str]:
    """A reader of one of some words."""

    def read(text: str, source: Source) -> str:
        if text not in offered:
            raise ValueError(f"{text!r} is not known, write {' or '.join(offered)}{did_you_mean(text, offered)}")
        return text

    return read


def span(text: str, source: Source) -> float:
    """A duration in seconds, which may be none at all ("0s")."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)", text)
    if found is None:
        hint = f"write {text}s for seconds" if re.fullmatch(r"[0-9.]+", text) else "write it like 250ms, 5s, 2m or 1h"
        raise ValueError(f"{text!r} is not a duration, {hint}")
    return float(found[1]) * _SECONDS[found[2]]


def duration(text: str, source: Source) -> float:
    """A duration in seconds, more than nothing."""
    seconds = span(text, source)
    if seconds <= 0:
        raise ValueError(f"{text} is no time at all, write more than that")
    return seconds


def size(text: str, source: Source) -> int:
    """A size in bytes, at least one."""
    found = re.fullmatch(r"([0-9]{1,9})(B|KiB|MiB|GiB)", text)
    if found is None:
        hint = f"write {text}B for bytes" if re.fullmatch(r"[0-9]+", text) else "write it like 512B, 64KiB or 1MiB"
        raise ValueError(f"{text!r} is not a size, {hint}")
    if int(found[1]) == 0:
        raise ValueError(f"{text} lets nothing through, write at least 1B")
    return int(found[1]) * _BYTES[found[2]]


def count(text: str, source: Source) -> int:
    """A whole number from 1."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError(f"{text!r} is not a number from 1 to 999999999, write one")
    return int(text)


def natural(text: str, source: Source) -> int:
    """A whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{text!r} is not a number from 0 to 999999999, write one")
    return int(text)


def networks(text: str, source: Source) -> tuple[Network, ...]:
    """Networks and single addresses; the word ``loopback`` stands for 127.0.0.0/8 and ::1."""
    found: list[Network] = []
    for part in words(text):
        if part == "loopback":
            found.extend(LOOPBACK)
            continue
        try:
            found.append(ip_network(part))
        except ValueError:
            raise ValueError(_network_fault(part)) from None
    return tuple(found)


def _network_fault(part: str) -> str:
    try:
        meant = ip_network(part, strict=False)
    except ValueError:
        return f"{part!r} is not a network, write it like 10.0.0.0/8, 192.0.2.7 or loopback"
    return f"{part} names a host within a network, write {meant} or the address alone"


def trusted(consequence: str) -> Callable[[str, Source], tuple[Network, ...]]:
    """A reader of networks; a warning where they hold more of the public internet than an operator's own machines.
    ``consequence`` says what strangers there can do."""

    def read(text: str, source: Source) -> tuple[Network, ...]:
        found = networks(text, source)
        broad = [network for network in found if _is_broad(network)]
        public = sum(network.num_addresses for network in found if network.version == 4 and not _is_private(network))
        if broad or public > MOST_PUBLIC:
            named = ", ".join(map(str, broad or found))
            source.warn(
                f"{named}: machines of third parties are among them, {consequence}: name your own machines alone"
            )
        return found

    return read


def _is_private(network: Network) -> bool:
    return any(network.subnet_of(one) for one in _PRIVATE[network.version])  # type: ignore[arg-type]


def _is_broad(network: Network) -> bool:
    return network.prefixlen < _BROAD[network.version] and not _is_private(network)


def origins(text: str, source: Source) -> tuple[str, ...]:
    """Origins in lower case: ``https://host[:port]`` (exactly that) or ``host`` (any scheme and port)."""
    return tuple(_origin(part) for part in words(text))


_HOST = r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])"


def _origin(part: str) -> str:
    origin = part.lower()
    if "*" in origin or origin == "null":
        raise ValueError(f"{part!r} could be any page, list each host by its name")
    if re.fullmatch(rf"https?://{_HOST}(:[0-9]{{1,5}})?|{_HOST}", origin):
        return origin.removesuffix(":443" if origin.startswith("https:") else ":80")
    if re.fullmatch(rf"https?://{_HOST}(:[0-9]+)?/.*", origin):
        raise ValueError(f"{part!r} has a path, end it after the host")
    raise ValueError(f"{part!r} is not an origin, write https://host, https://host:port or host")


def expanded(text: str, source: Source) -> Path:
    """A path: ``${NAME}`` becomes the environment's variable, a relative one starts beside the configuration."""

    def look_up(found: re.Match[str]) -> str:
        value = source.environ.get(found[1], "")
        if not value:
            raise ValueError(f"the environment has no {found[1]}, set it or write the path out")
        return value

    written = re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", look_up, text)
    if "$" in written or "\0" in written:
        raise ValueError("the path holds a $ that is no ${NAME}, write variables in braces")
    return source.directory / written


def existing_file(text: str, source: Source) -> Path:
    """The path of a file that can be read now."""
    path = expanded(text, source)
    try:
        with path.open("rb") as opened:
            opened.read(1)
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}), correct the path or its rights") from None


def plugins(text: str, source: Source) -> tuple[Path, ...]:
    """Directories that modules are imported from; a warning where others of this machine can put some there."""
    found = directories(text, source)
    for path in found:
        for doubt in exposure.of_plugins(path):
            source.warn(doubt)
    return found


def directories(text: str, source: Source) -> tuple[Path, ...]:
    """Directories that exist and that other users cannot write to."""
    return tuple(directory(part, source) for part in words(text))


def directory(text: str, source: Source) -> Path:
    """A directory that exists and that other users cannot write to."""
    path = expanded(text, source)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}), correct the path or its rights") from None
    if not stat.S_ISDIR(mode):
        raise ValueError(f"{path} is no directory, name one")
    if mode & stat.S_IWOTH:
        raise ValueError(f"{path} can be written by all users of this machine, remove that permission (chmod o-w)")
    return path


def web_path(text: str, source: Source) -> str:
    """The path of a URL, from its slash on."""
    if not re.fullmatch(r"/[!-~]*", text) or re.search(r"[?#]", text):
        raise ValueError(f"{text!r} is not a path of a URL, write it like /ws")
    return text


def table(text: str, source: Source) -> str:
    """The name of a table or view, after its schema's if need be. It becomes part of queries as it stands."""
    if not re.fullmatch(r"(?:[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError(f"{text!r} is no name of a table, write it like oro_user or public.oro_user")
    return text


def factory(text: str, source: Source) -> str:
    """``package.module:factory``, as a name only: nothing is imported here."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", text, re.ASCII):
        raise ValueError(f"{text!r} names no factory, write it like package.module:factory")
    for doubt in exposure.of_module(text):
        source.warn(doubt)
    return text
