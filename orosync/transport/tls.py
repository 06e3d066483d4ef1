"""TLS around any endpoint: 1.2 and 1.3 with forward secrecy and authenticated ciphers, and a certificate that can be
renewed while connections live on. It knows files and endpoints; nothing of what is spoken inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from orosync.errors import ConfigError
from orosync.transport.tls_records import MeasuredTLS

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: only these; TLS 1.3 has no others than their like."""

HTTP = b"http/1.1"


@implementer(IOpenSSLServerConnectionCreator)
class ReloadingCredentials:
    """A certificate chain and its key from PEM files, for ``secured``.

    ``client_ca_path`` holds the authorities whose certificates clients may present; those who present none are served
    all the same, those with another's are not. Raises ConfigError, one line for the file at fault, when they cannot be
    read or do not belong together.
    """

    def __init__(
        self, certificate_path: str | Path, key_path: str | Path, client_ca_path: str | Path | None = None
    ) -> None:
        self._certificate_path = Path(certificate_path)
        self._key_path = Path(key_path)
        self._client_ca_path = None if client_ca_path is None else Path(client_ca_path)
        self._options = self._load()

    def reload(self) -> None:
        """Read the files again: new connections get the new certificate, those there keep theirs. Raises
        ConfigError, and then everything stays as it was."""
        self._options = self._load()

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See IOpenSSLServerConnectionCreator."""
        return self._options.serverConnectionForTLS(tlsProtocol)

    def _load(self) -> CertificateOptions:
        path = self._certificate_path
        authorities: list[x509.Certificate] = []
        try:
            chain = [X509.from_cryptography(one) for one in x509.load_pem_x509_certificates(path.read_bytes())]
            path = self._key_path
            key = PKey.from_cryptography_key(load_pem_private_key(path.read_bytes(), None))  # type: ignore[arg-type]
            if self._client_ca_path is not None:
                path = self._client_ca_path
                authorities = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError, TypeError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "not a PEM file that can be used (no password)"
            raise ConfigError((f"{path}: {why}",)) from None
        options = CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=chain[1:],
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
        )
        try:
            context = options.getContext()
        except SSL.Error:
            raise ConfigError((f"{path}: does not belong to the certificate in {self._certificate_path}",)) from None
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_alpn_select_callback(_choose_protocol)
        if authorities:
            _ask_for_certificates(context, authorities)
        return options


def _ask_for_certificates(context: SSL.Context, authorities: Sequence[x509.Certificate]) -> None:
    """Twisted's own way to ask (``trustRoot``) insists on an answer; here other credentials may stand in."""
    store = context.get_cert_store()
    assert store is not None, "an SSL_CTX always has one"
    for one in authorities:
        store.add_cert(X509.from_cryptography(one))
    context.set_client_ca_list([X509.from_cryptography(one).get_subject() for one in authorities])
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE)


def _choose_protocol(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
    """ALPN (RFC 7301), which browsers and Node use: HTTP/1.1, in which WebSocket begins. Twisted's own choice, made for
    factories that know protocols, ends the handshake of a client that offers none of them."""
    return HTTP if HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def secured(
    endpoint: IStreamServerEndpoint, credentials: IOpenSSLServerConnectionCreator, clock: IReactorTime | None = None
) -> IStreamServerEndpoint:
    """``endpoint`` (TCP, UNIX or systemd) speaking TLS; for a ListenerFactory."""
    return SecuredEndpoint(endpoint, credentials, clock)


@implementer(IStreamServerEndpoint)
class SecuredEndpoint:
    """See ``secured``. What has no place, or has to wait for one, is kept in front of TLS (``listener.Doorway``)."""

    def __init__(
        self, endpoint: IStreamServerEndpoint, credentials: IOpenSSLServerConnectionCreator, clock: IReactorTime | None
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """See IStreamServerEndpoint."""
        tls = TLSMemoryBIOFactory(self._credentials, False, protocolFactory, self._clock)
        tls.protocol = MeasuredTLS
        listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory.behind(tls.buildProtocol))
        return listening
