"""Authentication by TLS client certificate, for WAMP v1 and v2.

The listener has verified that one of its authorities issued the certificate and that it has not expired; this
authenticator finds the account that it belongs to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import Refused
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.accounts import Account, by_identifier
from orosync.identity.rate_limit import FailureBuckets
from orosync.interfaces import HelloDetails, IJournal
from orosync.model import ConnectionFacts, Principal

METHOD = "tls"
FINGERPRINT = "sha256:"
COMMON_NAME = "cn:"


class CertificateAuthenticator(AccountAuthenticator):
    """Identifies clients by their certificates: ``identifiers`` are ``sha256:`` and 64 hex digits, or ``cn:`` and the
    subject's common name. A fingerprint takes precedence over a name.

    Reason codes of Refused: no_certificate, unknown_certificate, authid_mismatch. Raises ConfigError.
    """

    def __init__(
        self,
        name: str,
        accounts: Iterable[Account],
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        failures: FailureBuckets | None = None,
    ) -> None:
        super().__init__(name, (METHOD,), "certificate", journal, clock, now, failures)
        self._accounts: Mapping[str, Account] = by_identifier(f"authenticator:{name}", accounts)

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator."""
        if facts.client_certificate is None:
            return defer.succeed(None)
        return self._attempts.limited(facts, lambda: self._owner(facts, None))

    def _begin(self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int) -> Principal:
        return self._owner(facts, hello.authid)

    def _owner(self, facts: ConnectionFacts, authid: str | None) -> Principal:
        certificate = facts.client_certificate
        if certificate is None:
            raise Refused("no_certificate", "the client presented no certificate")
        fingerprint = hashlib.sha256(certificate).hexdigest()
        account = self._accounts.get(FINGERPRINT + fingerprint)
        if account is None:
            name = _common_name(certificate)
            account = None if name is None else self._accounts.get(COMMON_NAME + name)
        if account is None:
            raise Refused("unknown_certificate", f"there is no user with the certificate {FINGERPRINT}{fingerprint}")
        if authid is not None and authid != account.authid:
            raise Refused("authid_mismatch", f"HELLO names {authid!r}, its certificate is that of {account.authid!r}")
        return self._principal(account.authid, account.role, METHOD)


def _common_name(certificate: bytes) -> str | None:
    """The subject's common name; None if there is none, several, or the certificate cannot be read."""
    try:
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    value = names[0].value if len(names) == 1 else None
    return value if isinstance(value, str) else None
