"""TLS around any endpoint: 1.2 and 1.3 with forward secrecy and authenticated ciphers, a certificate that can be
reloaded while connections continue, and sessions that clients can resume (``tls_sessions``).

Besides, what TLS says of a connection (the client's certificate, channel ids to bind credentials to), and a self-signed
certificate for trying things out.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
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

from orosync.clocks import Now, epoch, time_of_day
from orosync.errors import ConfigError
from orosync.model import EMPTY
from orosync.transport.tls_records import MeasuredTLS
from orosync.transport.tls_sessions import TicketKeys


def self_signed(
    certificate_path: str | Path,
    key_path: str | Path,
    names: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
    days: int = 365,
    now: Now = time_of_day,
) -> None:
    """Make an ECDSA P-256 key and a certificate for ``names`` (host names and addresses), as PEM files.

    The certificate is valid for ``days`` from ``now()`` on. Only the owner can read the key file, from the moment it
    exists. Existing files are replaced. Raises OSError.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    today = datetime.fromtimestamp(now(), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(hours=1))
        .not_valid_after(today + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(Path(key_path), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write(Path(certificate_path), certificate.public_bytes(Encoding.PEM), 0o644)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a new file, then rename it: no reader sees an incomplete one."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    beside.replace(path)


TlsConnection = Any
"""An OpenSSL.SSL.Connection (its types depend on which stubs are installed)."""

EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
SIZE = 32


def connection_of(transport: Any) -> TlsConnection | None:
    """The TLS connection under a transport, None for one without."""
    return transport.getHandle() if isinstance(transport, TLSMemoryBIOProtocol) else None


def client_certificate(connection: TlsConnection | None) -> bytes | None:
    """The verified certificate of the client in DER; None if it presented none, or was not asked for one."""
    certificate = None if connection is None else connection.get_peer_certificate(as_cryptography=True)
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def channel_ids(connection: TlsConnection | None) -> Mapping[str, bytes]:
    """The channel ids of a connection by kind, each computed when it is read: few methods use them."""
    return EMPTY if connection is None else ChannelIds(connection)


def is_resumed(connection: TlsConnection) -> bool:
    """Whether the handshake of ``connection`` resumed an earlier session. pyOpenSSL has no public way to ask; where the
    private one is missing the answer is yes, which only withdraws tls-unique."""
    ask = getattr(getattr(SSL, "_lib", None), "SSL_session_reused", None)
    handle = getattr(connection, "_ssl", None)
    return ask is None or handle is None or ask(handle) != 0


def _tls_unique(connection: TlsConnection) -> bytes | None:
    """RFC 5929 section 3: the first Finished message, the client's unless a session was resumed; then there is none: in
    TLS 1.2 another connection could have the same. Like autobahn's: hashed to 32 bytes, and available in TLS 1.3 too
    (for which the RFC does not define it)."""
    finished = None if is_resumed(connection) else connection.get_peer_finished()
    return None if finished is None else hashlib.sha256(finished).digest()


def _tls_exporter(connection: TlsConnection) -> bytes | None:
    """RFC 9266 section 2; only in TLS 1.3, where it is unique without conditions."""
    if connection.get_protocol_version() != SSL.TLS1_3_VERSION:
        return None
    return bytes(connection.export_keying_material(EXPORTER_LABEL, SIZE, b""))


_KINDS: Mapping[str, Callable[[TlsConnection], bytes | None]] = {
    "tls-unique": _tls_unique,
    "tls-exporter": _tls_exporter,
}


class ChannelIds(Mapping[str, bytes]):
    """Channel ids (32 bytes) by kind, without those that the connection cannot offer."""

    def __init__(self, connection: TlsConnection) -> None:
        self._connection = connection

    def __getitem__(self, kind: str) -> bytes:
        channel_id = _KINDS[kind](self._connection)
        if channel_id is None:
            raise KeyError(kind)
        return channel_id

    def __iter__(self) -> Iterator[str]:
        return (kind for kind, compute in _KINDS.items() if compute(self._connection) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2. All ciphers of TLS 1.3 are of this kind."""

SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
"""For TLS 1.3, in the order of our preference: a handshake derives dozens of keys with the hash of its suite, and
SHA-256 is the faster one where the processor has instructions for it."""

HTTP = b"http/1.1"


@implementer(IOpenSSLServerConnectionCreator)
class ReloadingCredentials:
    """A certificate chain and its key from PEM files, for ``secured``.

    ``client_ca_path`` holds the authorities whose certificates clients may present. Clients without a certificate are
    served too, those with one of another authority are not. With ``resumption``, and without ``client_ca_path``,
    clients can resume their sessions: a resumed one would keep a client certificate that is not verified again. The
    keys of sessions are replaced by ``clock``; without one, by reloads alone. Raises ConfigError, one line for the file
    at fault (which begins with the key of a listener that names it), when the files cannot be read or do not belong
    together.
    """

    def __init__(
        self,
        certificate_path: str | Path,
        key_path: str | Path,
        client_ca_path: str | Path | None = None,
        resumption: bool = True,
        clock: IReactorTime | None = None,
    ) -> None:
        self._certificate_path = Path(certificate_path)
        self._key_path = Path(key_path)
        self._client_ca_path = None if client_ca_path is None else Path(client_ca_path)
        self._resumption = resumption and client_ca_path is None
        self._session_id_context = secrets.token_bytes(SIZE)
        self._seconds = epoch if clock is None else clock.seconds
        self._digest = b""
        self._keys: TicketKeys | None = None
        self.reload()

    def reload(self) -> bool:
        """Read the files again: new connections get the new certificate, existing ones keep theirs. Whether the files
        have changed; if not, nothing else has. Raises ConfigError, and then nothing has changed."""
        certificate = self._load()
        if certificate.digest == self._digest:
            return False
        make = partial(self._make_context, certificate)
        try:
            if self._resumption and self._keys is None:
                self._keys = TicketKeys(make, self._seconds)
            elif self._keys is not None:
                self._keys.replace(make)
            else:
                self._context = make()
        except SSL.Error:
            fault_text = f"key: {self._key_path}: does not belong to the certificate in {self._certificate_path}"
            raise ConfigError((fault_text,)) from None
        self._expires, self._digest = certificate.expires, certificate.digest
        return True

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """See IOpenSSLServerConnectionCreator; for MeasuredTLS."""
        if self._keys is None:
            return SSL.Connection(self._context)
        context = self._keys.context
        if self._keys.has_former:
            tlsProtocol.former_connection = self._keys.former_connection
        return SSL.Connection(context)

    @property
    def resumes(self) -> bool:
        """Whether clients can resume their sessions."""
        return self._keys is not None

    @property
    def expires(self) -> float:
        """When the certificate in service expires, in seconds since 1970."""
        return self._expires

    def _load(self) -> _Certificate:
        key_name, path = "certificate", self._certificate_path
        authorities: list[x509.Certificate] = []
        try:
            content = [path.read_bytes()]
            certificates = x509.load_pem_x509_certificates(content[0])
            chain = [X509.from_cryptography(one) for one in certificates]
            key_name, path = "key", self._key_path
            content.append(path.read_bytes())
            key = PKey.from_cryptography_key(load_pem_private_key(content[1], None))  # type: ignore[arg-type]
            if self._client_ca_path is not None:
                key_name, path = "client_ca", self._client_ca_path
                content.append(path.read_bytes())
                authorities = x509.load_pem_x509_certificates(content[2])
        except (OSError, ValueError, TypeError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "not a PEM file that can be used (no password)"
            raise ConfigError((f"{key_name}: {path}: {why}",)) from None
        expires = certificates[0].not_valid_after_utc.timestamp()
        return _Certificate(chain, key, authorities, expires, hashlib.sha256(b"\0".join(content)).digest())

    def _make_context(self, certificate: _Certificate) -> SSL.Context:
        """Raises SSL.Error when the key is not the certificate's."""
        options = CertificateOptions(
            privateKey=certificate.key,
            certificate=certificate.chain[0],
            extraCertChain=certificate.chain[1:],
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
            enableSessionTickets=self._resumption,  # OpenSSL's cache of sessions stays off: it would take memory
        )
        context = options.getContext()
        context.set_tls13_ciphersuites(SUITES)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_session_id(self._session_id_context)  # of all contexts of the listener, for tickets of the former
        context.set_alpn_select_callback(_choose_protocol)
        if certificate.authorities:
            _ask_for_certificates(context, certificate.authorities)
        return context


@frozen
class _Certificate:
    """What the files of a listener contain; ``expires`` in seconds since 1970, ``digest`` of all that is in them."""

    chain: list[X509]
    key: PKey
    authorities: list[x509.Certificate]
    expires: float
    digest: bytes


def _ask_for_certificates(context: SSL.Context, authorities: Sequence[x509.Certificate]) -> None:
    """Twisted's own option (``trustRoot``) requires a certificate; here clients may use other credentials instead."""
    store = context.get_cert_store()
    assert store is not None, "an SSL_CTX always has one"
    for one in authorities:
        store.add_cert(X509.from_cryptography(one))
    context.set_client_ca_list([X509.from_cryptography(one).get_subject() for one in authorities])
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE)


def _choose_protocol(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
    """ALPN (RFC 7301), used by browsers and Node: HTTP/1.1, in which WebSocket begins. Twisted's own callback would end
    the handshake of a client that offers other protocols only."""
    return HTTP if HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def secured(
    endpoint: IStreamServerEndpoint, credentials: IOpenSSLServerConnectionCreator, clock: IReactorTime | None = None
) -> IStreamServerEndpoint:
    """``endpoint`` (TCP, UNIX or systemd) speaking TLS; for a ListenerFactory."""
    return SecuredEndpoint(endpoint, credentials, clock)


@implementer(IStreamServerEndpoint)
class SecuredEndpoint:
    """See ``secured``. Connections are delayed and refused before TLS begins (``listener.BeforeTLS``)."""

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
        listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory.before_tls(tls.buildProtocol))
        return listening
