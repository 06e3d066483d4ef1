"""Oro's tickets and WAMP's own authentication methods made from the sections that describe them, with users of a
directory, with accounts, or with a procedure that knows them.

It must not know how a section is written, or what an authenticator does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.config.methods import CertificateSection, CryptosignSection, Method, WampCraSection
from orosync.config.realms import RealmSection
from orosync.config.remote import RemoteAuthenticatorSection
from orosync.config.secrets import Secret
from orosync.config.sections import TicketSection
from orosync.identity.accounts import Account
from orosync.identity.certificate import CertificateAuthenticator
from orosync.identity.cryptosign import CryptosignAuthenticator
from orosync.identity.failures import FailureBuckets
from orosync.identity.hashing import DigestSource
from orosync.identity.publisher_right import PublisherRight
from orosync.identity.remote import RemoteAuthenticator
from orosync.identity.remote_answers import Limits
from orosync.identity.scram import ScramAuthenticator
from orosync.identity.shared_passwords import SharedPasswords
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.identity.used import UsedTickets
from orosync.identity.wampcra import WampCraAuthenticator
from orosync.interfaces import IAuthenticator, ICaller, IDirectory, IJournal


def ticket_authenticator(
    section: TicketSection,
    directory: IDirectory,
    hasher: DigestSource,
    journal: IJournal,
    clock: IReactorTime,
    now: Now,
    *,
    publisher_right: PublisherRight,
    used: UsedTickets,
    shared: SharedPasswords,
) -> TicketAuthenticator:
    """The authenticator of ``section``, for users of ``directory``. Raises ConfigError."""
    known = [section.secret] + ([section.previous_secret] if section.previous_secret is not None else [])
    return TicketAuthenticator(
        section.name,
        [secret.value for secret in known],
        directory,
        hasher,
        journal,
        clock,
        now,
        publisher_right=publisher_right,
        role=section.role,
        publisher_role=section.publisher_role,
        ttl=section.ttl,
        future=section.future,
        accept_disabled=section.accept_disabled,
        accept_published=section.accept_published_secret,
        accept_without_password=section.accept_without_password,
        shared=shared,
        once=section.once,
        used=used,
        failures=FailureBuckets(section.failure_rate, section.failure_burst),
    )


def method_authenticator(section: Method, journal: IJournal, clock: IReactorTime, now: Now) -> IAuthenticator:
    """The authenticator of ``section``, with the users that are written in it. Raises ConfigError."""
    name = section.name
    users = [Account(one.authid, one.role, _value(one.secret), one.marks) for one in section.user]
    if isinstance(section, CertificateSection):
        return CertificateAuthenticator(name, users, journal, clock, now)
    if isinstance(section, CryptosignSection):
        required = section.channel_binding == "required"
        return CryptosignAuthenticator(
            name, users, journal, clock, now, private_key=_value(section.key), binding_required=required
        )
    decoy_secret = _value(section.decoy_secret)
    if isinstance(section, WampCraSection):
        return WampCraAuthenticator(name, users, journal, clock, now, decoy_secret=decoy_secret)
    return ScramAuthenticator(
        name,
        users,
        journal,
        clock,
        now,
        kdf=section.kdf,
        iterations=section.iterations,
        memory=None if section.memory is None else section.memory // 1024,
        decoy_secret=decoy_secret,
    )


def remote_authenticator(
    section: RemoteAuthenticatorSection,
    caller: Callable[[str], ICaller],
    realms: Mapping[str, RealmSection],
    journal: IJournal,
    clock: IReactorTime,
    now: Now,
) -> RemoteAuthenticator:
    """The authenticator of ``section``; it may send clients to those of ``realms`` that name it."""
    led = frozenset(one.name for one in realms.values() if section.name in one.authenticators)
    return RemoteAuthenticator(
        section.name,
        section.method,
        caller,
        section.procedure,
        journal,
        clock,
        now,
        limits=Limits(section.roles, section.default_role, led),
        registered_by=section.registered_by,
        realm=section.realm,
        timeout=section.timeout,
    )


def _value(secret: Secret | None) -> str:
    return "" if secret is None else secret.value
