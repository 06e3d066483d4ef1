"""Remote authenticator: a procedure of a realm says who a client is, as Crossbar.io's dynamic authenticators do.

The answer has a role and, where the client has to prove something (WAMP-CRA, SCRAM, Cryptosign), what it is verified
with: that is done here, by the authenticators that do the same with accounts of the configuration.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.clocks import Now
from orosync.errors import CallFailed, ConfigError, Refused, Unavailable
from orosync.headers import address_group
from orosync.identity.accounts import Account
from orosync.identity.cryptosign import CryptosignAuthenticator
from orosync.identity.rate_limit import FailureBuckets, wrong_method
from orosync.identity.scram import ScramAuthenticator
from orosync.identity.wampcra import DERIVED, WampCraAuthenticator
from orosync.interfaces import AuthenticationStep, HelloDetails, IAuthenticator, ICaller, IJournal
from orosync.model import EMPTY, ConnectionFacts, Principal
from orosync.transport_details import certificate_details, transport_details
from orosync.wamp import uris

ROLE_IS_ENOUGH = ("ticket", "anonymous", "tls")
"""Methods for which an answer may be just the role."""

EVENT = "remote"
METHODS: Mapping[str, tuple[str, ...]] = {
    "ticket": ("ticket",),
    "wampcra": ("wampcra",),
    "scram": ("wamp-scram", "scram"),
    "cryptosign": ("cryptosign",),
    "tls": ("tls",),
    "anonymous": ("anonymous",),
}
"""The authmethods in HELLO for a section's ``method``."""

_PROVEN: Mapping[str, Callable[..., IAuthenticator]] = {
    "wampcra": WampCraAuthenticator,
    "scram": ScramAuthenticator,
    "cryptosign": CryptosignAuthenticator,
}

_DOWN = (uris.NO_SUCH_PROCEDURE, uris.CANCELED, uris.UNAVAILABLE, uris.RUNTIME_ERROR)
"""Errors that do not deny the client: no callee, a lost callee, an overloaded or failing one."""


@attrs.frozen
class RemoteAnswer:
    """Who the client is; ``realm`` "" is the one that it asked for. ``proof`` is the whole answer, with secrets."""

    authid: str
    role: str
    realm: str = ""
    extra: Mapping[str, Any] = EMPTY
    proof: Mapping[str, Any] = attrs.field(default=EMPTY, repr=False)


@attrs.frozen
class RemoteLimits:
    """What answers may have: ``roles`` and ``realms``; ``default_role`` ("": none) for answers without a role."""

    roles: Collection[str]
    default_role: str
    realms: Collection[str]


@implementer(IAuthenticator)
class RemoteAuthenticator:
    """Asks ``procedure`` in ``realm`` ("": in the realm that HELLO names) through ``caller(realm)``, of callees with a
    role in ``registered_by``, within ``timeout`` seconds.

    Reason codes of Refused: denied, unknown_method, no_certificate, and those of ``read`` and of the method; of
    Unavailable: failed, late, nonsense, too_many_failures.
    """

    def __init__(
        self,
        name: str,
        method: str,
        caller: Callable[[str], ICaller],
        procedure: str,
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        limits: RemoteLimits,
        registered_by: Collection[str],
        realm: str = "",
        timeout: float,
        failures: FailureBuckets | None = None,
    ) -> None:
        self.name = name
        self.methods = METHODS[method]
        self._method = method
        self._caller = caller
        self._procedure = procedure
        self._journal = journal
        self._clock = clock
        self._now = now
        self._limits = limits
        self._registered_by = frozenset(registered_by)
        self._realm = realm
        self._timeout = timeout
        self._failures = FailureBuckets() if failures is None else failures

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator. Nothing is decided before HELLO."""
        return defer.succeed(None)

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """See IAuthenticator."""
        return Deferred.fromCoroutine(self._step(facts, hello, method, session_id))

    async def _step(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Principal | AuthenticationStep:
        if method not in self.methods:
            raise wrong_method(self.name, method)
        details = {
            "transport": {**transport_details(facts), "client_cert": certificate_details(facts.client_certificate)},
            "session": session_id,
            "authmethod": method,
            "authextra": dict(hello.authextra),
        }
        if self._method == "ticket":

            def answer(signature: str, extra: Mapping[str, Any]) -> Deferred[Principal]:
                asked = self._asked(facts, hello.realm, hello.authid, {**details, "ticket": signature}, signature)
                return Deferred.fromCoroutine(self._at_once(asked, method))

            return AuthenticationStep(method, {}, answer)
        if self._method == "tls" and facts.client_certificate is None:
            raise Refused("no_certificate", "the client presented no certificate")
        authid = hello.authid
        if self._method == "anonymous":
            authid = secrets.token_hex(12)
        if self._method not in _PROVEN:
            return await self._at_once(self._asked(facts, hello.realm, authid, details), method)
        details |= {"authid": authid, "authrole": None}
        found = await self._asked(facts, hello.realm, authid, details)
        return await self._challenge(facts, hello, method, session_id, found)

    async def _at_once(self, asked: Any, method: str) -> Principal:
        """For methods without a proof."""
        found: RemoteAnswer = await asked
        return self._principal(found, method)

    async def _challenge(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int, found: RemoteAnswer
    ) -> AuthenticationStep:
        """The challenge of the method itself, for the account of the answer."""
        # SCRAM's proof includes the name that the client gave; for other methods the answer's name counts.
        authid = (hello.authid or found.authid) if self._method == "scram" else found.authid
        verifier = self._verifier(account(self._method, found, authid))
        challenge = await verifier.at_hello(facts, attrs.evolve(hello, authid=authid), method, session_id)
        assert isinstance(challenge, AuthenticationStep)

        async def verified(signature: str, extra: Mapping[str, Any]) -> Principal:
            proven = await challenge.answer(signature, extra)
            return self._principal(found, method, proven.extra)

        return AuthenticationStep(
            challenge.method,
            challenge.extra,
            lambda signature, extra: Deferred.fromCoroutine(verified(signature, extra)),
        )

    def _verifier(self, known: Account) -> IAuthenticator:
        try:
            return _PROVEN[self._method](
                self.name, [known], self._journal, self._clock, self._now, failures=self._failures
            )
        except ConfigError:
            raise nonsense(f"has nothing that {self._method} could prove") from None

    def _principal(self, found: RemoteAnswer, method: str, proven: Mapping[str, Any] = EMPTY) -> Principal:
        self._journal.count(EVENT, "accepted")
        return Principal(
            authid=found.authid,
            authrole=found.role,
            authmethod=method,
            authprovider=self.name,
            authenticated_at=self._now(),
            extra={**found.extra, **proven} if found.extra or proven else EMPTY,
            realm=found.realm,
        )

    # -- asking

    async def _asked(
        self, facts: ConnectionFacts, realm: str, authid: str | None, details: Mapping[str, Any], ticket: str = ""
    ) -> RemoteAnswer:
        """The answer; refusals are counted against the client's address. ``ticket`` never gets into a reason."""
        group, moment = address_group(facts.address), self._clock.seconds()
        try:
            self._failures.check(group, moment, "answers")
            args, kwargs = await self._call(realm, authid, details, ticket)
            return read(self._method, authid, args, kwargs, self._limits)
        except Refused as refusal:
            self._journal.count(EVENT, refusal.code)
            if not isinstance(refusal, Unavailable):
                self._failures.record(group, moment)
            raise

    async def _call(
        self, realm: str, authid: str | None, details: Mapping[str, Any], ticket: str
    ) -> tuple[list[Any], dict[str, Any]]:
        where = self._realm or realm
        asked = (realm, authid, dict(details))
        try:
            call = self._caller(where).call(self._procedure, asked, callee_roles=self._registered_by)
            return await call.addTimeout(self._timeout, self._clock)
        except CallFailed as error:
            reason = f"{self._procedure}: {error}"
            if ticket:
                reason = reason.replace(ticket, "...")
            if error.uri in _DOWN:
                raise Unavailable("failed", reason) from None
            raise Refused("denied", reason) from None
        except defer.TimeoutError:
            raise Unavailable("late", f"{self._procedure}: no answer within {self._timeout:g} s") from None


def read(
    method: str, authid: str | None, args: Sequence[Any], kwargs: Mapping[str, Any], limits: RemoteLimits
) -> RemoteAnswer:
    """Read a RESULT for a client that named ``authid``. Unknown keys are ignored.

    Reason codes of Unavailable: nonsense; of Refused: role_not_listed, realm_not_listed, no_authid.
    """
    if kwargs or len(args) != 1:
        raise nonsense("is not one value")
    answer = args[0]
    if isinstance(answer, str) and method in ROLE_IS_ENOUGH:
        answer = {"role": answer}
    if not isinstance(answer, dict):
        raise nonsense(f"is a {type(answer).__name__}")
    role, named, realm, extra = (answer.get(key) for key in ("role", "authid", "realm", "extra"))
    for key, value in (("role", role), ("authid", named), ("realm", realm)):
        if not isinstance(value, str | None):
            raise nonsense(f"has a {key} that is no string")
    if not isinstance(extra, dict | None):
        raise nonsense("has an extra that is no dict")
    role, known = role or limits.default_role, named or authid
    if role not in limits.roles:
        raise Refused("role_not_listed", f"the answer gives the role {role!r}, which is not among roles")
    if realm and realm not in limits.realms:
        raise Refused("realm_not_listed", f"the answer leads to the realm {realm!r}, which does not name this section")
    if not known:
        raise Refused("no_authid", "neither HELLO nor the answer names an authid")
    return RemoteAnswer(known, role, realm or "", extra or EMPTY, answer)


def account(method: str, answer: RemoteAnswer, authid: str) -> Account:
    """The account of an answer, as in the configuration. Unavailable ("nonsense") for a malformed proof."""
    proof = answer.proof
    if method == "cryptosign":
        return Account(authid, answer.role, identifiers=(_text(proof, "pubkey").lower(),))
    if method == "scram":
        return Account(authid, answer.role, _scram(proof))
    secret, salting = _text(proof, "secret"), [proof.get(key) for key in ("salt", "iterations", "keylen")]
    if salting == [None, None, None]:
        if secret.startswith(DERIVED):
            raise nonsense("has a secret that begins like a derived one")
        return Account(authid, answer.role, secret)
    salt, iterations, keylen = _text(proof, "salt"), _number(proof, "iterations"), _number(proof, "keylen")
    try:
        size = len(base64.b64decode(secret, validate=True))
    except ValueError:
        size = -1
    if size != keylen:
        raise nonsense("has a salted secret that is not keylen bytes in base64")
    return Account(authid, answer.role, f"{DERIVED}{iterations}:{salt}${secret}")


def nonsense(what: str) -> Unavailable:
    """The refusal for a malformed answer of the procedure."""
    return Unavailable("nonsense", f"the answer {what}")


def _scram(proof: Mapping[str, Any]) -> str:
    kdf, iterations = _text(proof, "kdf"), _number(proof, "iterations")
    memory = "" if kdf == "pbkdf2" else f",{_number(proof, 'memory')}"
    salt, stored, server = (_bytes(proof, key) for key in ("salt", "stored-key", "server-key"))
    return f"{kdf}${iterations}{memory}:{salt}${stored}:{server}"


def _text(proof: Mapping[str, Any], key: str) -> str:
    value = proof.get(key)
    if not isinstance(value, str) or not value:
        raise nonsense(f"has no {key}")
    return value


def _number(proof: Mapping[str, Any], key: str) -> int:
    value = proof.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise nonsense(f"has no {key}, a number from 1")
    return value


def _bytes(proof: Mapping[str, Any], key: str) -> str:
    """Hex digits to base64."""
    try:
        return base64.b64encode(bytes.fromhex(_text(proof, key))).decode()
    except ValueError:
        raise nonsense(f"has a {key} that is not in hex digits") from None
