"""A certificate for a server of the tests, from an authority that is trusted by these tests alone."""

from __future__ import annotations

from pathlib import Path

import attrs
import trustme

from tests.support import unprivileged


@attrs.frozen
class TlsFiles:
    """Paths; the certificate is for 127.0.0.1 alone."""

    authority: str
    certificate: str
    key: str
    stranger: str
    """Another authority, that has signed nothing here."""


def made(directory: Path, *users: str) -> TlsFiles:
    """New files in ``directory``, the key readable by the server's account only."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = TlsFiles(*(str(directory / f"{name}.pem") for name in ("authority", "certificate", "key", "stranger")))
    authority.cert_pem.write_to_path(files.authority)
    trustme.CA().cert_pem.write_to_path(files.stranger)
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    Path(files.key).chmod(0o600)
    for name in (files.key, files.certificate, files.authority):
        unprivileged.give(Path(name), *users)
    return files
