"""Certificate authorities of a section's ``ca``, for TLS connections that orosync opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.crypto import X509
from twisted.internet.ssl import Certificate, trustRootFromCertificates

from orosync.errors import ConfigError


def trust_root_of(title: str, path: Path | None) -> Any:
    """The authorities in the PEM file ``path``, as optionsForClientTLS takes them; None (the system's) for None.

    Raises ConfigError, about the section ``title``."""
    if path is None:
        return None
    try:
        found = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        fault = f"[{title}] ca: {path} holds no certificate that can be read (PEM), name another"
        raise ConfigError([fault]) from None
    return trustRootFromCertificates([Certificate(X509.from_cryptography(one)) for one in found])
