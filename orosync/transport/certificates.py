"""Whether browsers will accept the certificate of a listener: its dates, its chain, the hosts that it is for.

This machine's authorities stand for those of browsers. An authority of one's own, which only the users' machines know,
is therefore a warning and no fault.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from orosync.clocks import Now
from orosync.model import Finding, FindingState

SOON = 21
"""Days before its end in which a certificate should have been renewed (Let's Encrypt: 30 days before)."""


def examine(check: str, path: Path, hosts: Collection[str], now: Now) -> Iterator[Finding]:
    """What is to be said of the PEM file ``path``, whose first certificate is the listener's own; at least one Finding.
    ``hosts`` are those of pages that connect; it has to be for one of them, if there are any."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no PEM file with certificates"
        yield Finding(check, FindingState.FAULT, f"{path} cannot be read ({why})", "correct the file or name another")
        return
    found = [*_dates(check, path, chain[0], now()), *_chain(check, path, chain), *_hosts(check, path, chain[0], hosts)]
    if found:
        yield from found
    else:
        days = (chain[0].not_valid_after_utc.timestamp() - now()) / 86400
        yield Finding(check, FindingState.OK, f"{path} is valid for {days:.0f} more days")


def _dates(check: str, path: Path, own: x509.Certificate, now: float) -> Iterator[Finding]:
    left = (own.not_valid_after_utc.timestamp() - now) / 86400
    if own.not_valid_before_utc.timestamp() > now:
        what = f"{path} is valid from {own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only"
        yield Finding(check, FindingState.FAULT, what, "set this machine's clock by NTP, or name another certificate")
    elif left <= 0:
        yield Finding(
            check, FindingState.FAULT, f"{path} expired {-left:.0f} days ago", "renew it, then reload orosync"
        )
    elif left < SOON:
        what = f"{path} expires in {left:.0f} days"
        yield Finding(check, FindingState.WARNING, what, "see why it was not renewed; reload orosync after the renewal")


def _chain(check: str, path: Path, chain: Sequence[x509.Certificate]) -> Iterator[Finding]:
    for number, (one, behind) in enumerate(pairwise(chain), 1):
        try:
            one.verify_directly_issued_by(behind)
        except (ValueError, TypeError, InvalidSignature):
            what = f"{path}: its certificate {number} is not issued by the one behind it"
            yield Finding(
                check, FindingState.WARNING, what, "put the listener's own first, each one's issuer behind it"
            )
            return
    last = chain[-1]
    if last.issuer != last.subject:
        if last.issuer not in _authorities():
            issuer = last.issuer.rfc4514_string()
            what = f"{path}: the chain ends with one issued by {issuer}, which is no authority of this machine"
            yield Finding(
                check,
                FindingState.WARNING,
                what,
                "add the intermediate certificates (fullchain.pem), or see users trust it",
            )
    elif len(chain) == 1 and last.subject not in _authorities():
        yield Finding(
            check, FindingState.WARNING, f"{path} is signed by itself, browsers refuse it", "name one of an authority"
        )


def _hosts(check: str, path: Path, own: x509.Certificate, hosts: Collection[str]) -> Iterator[Finding]:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        known = []
    if hosts and not any(_covers(name.lower(), host) for name in known for host in hosts):
        what = f"{path} is for {', '.join(known[:5]) or 'no host'}, and not for {', '.join(sorted(hosts)[:5])}"
        yield Finding(check, FindingState.WARNING, what, "name the certificate of the host that pages connect to")


def _covers(name: str, host: str) -> bool:
    """RFC 6125 section 6.4.3: a wildcard stands for the whole first label."""
    if name == host:
        return True
    return name.startswith("*.") and fnmatchcase(host, name) and host.count(".") == name.count(".")


@cache
def _authorities() -> set[x509.Name]:
    """Of this machine. Reading them all takes 60 ms, in which nobody is served: once, however many listeners there
    are."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    names = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about serial numbers of old authorities
        for one in found:
            with suppress(ValueError):  # an encoding that is not read any more
                names.add(x509.load_der_x509_certificate(one).subject)
    return names
