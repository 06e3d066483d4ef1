"""Faults of uplinks that only show when sections are read together; a part of ``checks``, and by its rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from urllib.parse import urlsplit

from orosync.config.realms import RealmSection
from orosync.config.uplinks import UplinkSection
from orosync.config.values import did_you_mean

_HERE = ("localhost", "127.0.0.1", "::1")
_CREDENTIALS = ("ticket", "secret", "key")
_SECURE = {"ws": "wss", "rs": "rss"}


def check(
    uplinks: Iterable[UplinkSection],
    realms: Mapping[str, RealmSection],
    titles: Collection[str],
    fault: Callable[[str, str, str], None],
) -> None:
    """``titles`` are the names of all realms in the file, of those too that could not be made."""
    for one in uplinks:
        section = f"uplink:{one.name}"
        if one.name not in titles:
            hint = did_you_mean(one.name, titles) or ", name the section as the realm that it belongs to"
            fault(section, "", f"there is no [realm:{one.name}]{hint}")
        elif one.name in realms and not one.url:
            fault(section, "", f"leads nowhere, add uplink = wss://HOST/PATH to [realm:{one.name}]")
        given = [name for name in _CREDENTIALS if getattr(one, name) is not None]
        if len(given) > 1:
            fault(section, given[1], f"stands beside {given[0]}, keep the one that we log in with there")
        for name in given:
            if name != "key" and not one.authid:
                fault(section, "authid", f"is missing, with {name} say who we are there")
        if one.key is not None and not re.fullmatch("[0-9a-fA-F]{64}", one.key.value):
            fault(section, "key", f"{one.key} is no seed of an Ed25519 key, write its 64 hex digits")
        if one.ca is not None and one.url.startswith(("ws:", "rs:")):
            fault(section, "ca", "goes with TLS alone, let uplink begin with wss:// or rss://")


def warnings(uplinks: Iterable[UplinkSection], warn: Callable[[str, str, str], None]) -> None:
    """What works and is yet likely to be a mistake."""
    for one in uplinks:
        if not (one.publish or one.subscribe or one.call or one.register):
            warn(f"realm:{one.name}", "uplink", f"nothing passes, name topics in [uplink:{one.name}]")
        if in_the_clear(one.url):
            secure = _SECURE[urlsplit(one.url).scheme]
            warn(f"realm:{one.name}", "uplink", f"everything goes there unencrypted, write {secure}://")


def in_the_clear(url: str) -> bool:
    """Whether what is sent there leaves the machine unencrypted."""
    found = urlsplit(url)
    return found.scheme in ("http", "ws", "rs") and found.netloc != "unix:" and found.hostname not in _HERE
