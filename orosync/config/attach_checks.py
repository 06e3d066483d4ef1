"""What only shows when [attach] is read together with the rest, or its keys together. A part of ``checks``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from orosync.config.attach import AttachSection
from orosync.config.shape import Configuration
from orosync.config.uplink_checks import in_the_clear
from orosync.config.values import did_you_mean

Fault = Callable[[str, str, str], None]

_KEYS = {"cryptosign": "key", "wampcra": "secret", "ticket": "ticket"}


def check(configuration: Configuration, titles: Mapping[str, Collection[str]], fault: Fault) -> None:
    """Everything that makes it unusable; ``titles`` as ``checks`` has them. A process that is only asked needs no more
    of a realm than what it is asked about."""
    section, realms = configuration.attach, titles["realm"]
    if not titles["listen"] and "attach" not in titles:
        fault("listen:public", "", "no [listen:NAME] section is there, add one")
    if not realms:
        fault("realm:oro", "", "no [realm:NAME] section is there, add one")
    if titles["listen"] or "attach" not in titles:
        for realm in configuration.realms.values():
            for key, given, example in (
                ("authenticators", realm.authenticators, "ticket"),
                ("authorizers", realm.authorizers, "topics:oro"),
            ):
                if not given:
                    fault(f"realm:{realm.name}", key, f"is missing, add a line like: {key} = {example}")
    if section is None:
        return
    if not section.realm:
        fault("attach", "realm", "there are several realms, say which one to join")
    elif section.realm not in realms:
        hint = did_you_mean(section.realm, realms) or ", add that section or name another"
        fault("attach", "realm", f"there is no [realm:{section.realm}]{hint}")
    keys = [_KEYS[method] for method in section.credentials]
    if len(keys) > 1:
        fault("attach", keys[1], f"is given beside {keys[0]}, keep one of the two")
    if section.authenticator == section.authorizer:
        fault("attach", "authorizer", "has the name of the authenticator, give it one of its own")
    for network in section.publisher_from:
        if network.prefixlen == 0:
            fault("attach", "publisher_from", f"{network} is everybody, name the back end's own addresses")
    if section.ca is not None and section.url is not None and not section.url.startswith(("wss:", "rss:")):
        fault("attach", "ca", f"goes with TLS alone, and {section.url} has none: write wss:// or rss://")


def warnings(section: AttachSection | None, warn: Fault) -> None:
    """What works and is yet likely to be a mistake."""
    if section is None or section.url is None:
        return
    if in_the_clear(section.url):
        warn("attach", "url", "the tickets of clients come here unencrypted, write wss:// or rss://")
    if not section.credentials:
        warn("attach", "", "no key, secret or ticket: the router must take us for what we are without any")
