"""What a listener with TLS shows: the files of its section, or in the demonstration a certificate of our own making.

It must not know TLS itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orosync.clocks import Now
from orosync.config.listen import ListenSection
from orosync.errors import ConfigError
from orosync.transport.certificates import self_signed
from orosync.transport.tls import ReloadingCredentials


def credentials(section: ListenSection, state: Path, now: Now) -> ReloadingCredentials:
    """What a listener with TLS shows; ``state`` is the directory for a certificate of our own making.

    Raises ConfigError when files cannot be used."""
    certificate, key = section.certificate, section.key
    if certificate is None or key is None:
        certificate, key = own_certificate(state, now)
    try:
        return ReloadingCredentials(certificate, key, section.client_ca)
    except ConfigError as error:
        raise ConfigError(
            [f"[listen:{section.name}] {fault}, correct the file or name another" for fault in error.faults]
        ) from None


def check(sections: Iterable[ListenSection], state: Path, now: Now) -> None:
    """Read the files of all that have some, as at a start. Raises ConfigError with a line for each listener at fault.
    Nothing is made: the demonstration's certificate comes with its start."""
    faults: list[str] = []
    for one in sections:
        if one.certificate is not None and one.key is not None:
            try:
                credentials(one, state, now)
            except ConfigError as error:
                faults.extend(error.faults)
    if faults:
        raise ConfigError(faults)


def own_certificate(state: Path, now: Now) -> tuple[Path, Path]:
    """The demonstration's certificate and key, made when there are none or they are about to run out."""
    certificate, key = state / "certificate.pem", state / "key.pem"
    if not (certificate.exists() and key.exists()) or now() - certificate.stat().st_mtime > 300 * 86400:
        try:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self_signed(certificate, key, now=now)
        except OSError as error:
            raise ConfigError(
                [f"[router] state: {error.filename}: {error.strerror}, name a directory to write in"]
            ) from None
    return certificate, key
