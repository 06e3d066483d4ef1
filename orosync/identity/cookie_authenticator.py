"""Authentication by the back office's session cookie, on WAMP v1 and v2 (authmethod "cookie").

The store must know the session, and its user must still be the one who logged in: Symfony logs out a user whose name or
password has changed or who has been disabled (ContextListener), and so does this. Browsers send the cookie for any
page, so the page's Origin must be known: the transport has checked it by then, and a request without one is refused
here.

Beside a ticket the cookie decides nothing (``identity.credentials``). If it belongs to the same user, the connection
ends with its session (``watch``); a cookie without a user is ignored.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable

import attrs
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.clocks import Now
from orosync.errors import Refused, Unavailable
from orosync.headers import address_group
from orosync.identity.credentials import TICKET
from orosync.identity.php.session import NOT_LOGGED_IN
from orosync.identity.rate_limit import FailureBuckets, wrong_method
from orosync.identity.user_credentials import UserCredential, UserCredentials, disabled, found, password_fingerprint
from orosync.interfaces import (
    AuthenticationStep,
    HelloDetails,
    IAmbientAuthenticator,
    IDirectory,
    IJournal,
    ISessionStore,
    Renewal,
)
from orosync.model import AdminSession, ConnectionFacts, Principal, User

METHOD = "cookie"
BACK_OFFICE = "BAPID"
"""The default name of the back office's cookie."""

IGNORED_TOLD_EVERY = 3600.0
"""Seconds between two log lines about cookies that do nothing beside a ticket, of each reason code."""

NOT_SENT = (
    "the page sent no such cookie; set the name of the application's cookie (OroCRM: CRMID), and let pages connect "
    "below the cookie's path (OroCommerce: /admin/ws), see docs/cookies.md"
)
NO_SESSION = (
    "the session is unknown, expired or logged out; if this is so for every cookie, sessions is another store than the "
    "application's"
)


@attrs.frozen
class CookieCredential:
    """What a connection with a cookie depends on: the session in the store (``session_id`` None: not looked up again)
    and, unless another authenticator admitted the user, the user in the directory."""

    session_id: str | None = attrs.field(repr=False)
    username: str
    user_id: int | None
    user: UserCredential | None = None


@implementer(IAmbientAuthenticator)
class CookieAuthenticator:
    """Finds the sessions of ``cookie`` in ``store`` and their users in ``directory``; users become ``role``.

    ``prolongs``: a look-up in the store prolongs the session, so it is not repeated for connected users.
    ``recheck_interval`` in seconds, None: as often as for others. Outcomes are counted; the caller logs refusals.
    ``without_cookie`` counts the pages (an Origin and a user's ticket) that came without the cookie.
    """

    def __init__(
        self,
        name: str,
        store: ISessionStore,
        directory: IDirectory,
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        cookie: str = BACK_OFFICE,
        role: str,
        prolongs: bool = False,
        recheck_interval: float | None = None,
        failures: FailureBuckets | None = None,
    ) -> None:
        self.name = name
        self.methods: tuple[str, ...] = (METHOD,)
        self.recheck_interval = recheck_interval
        self.without_cookie = 0
        self._told_ignored: dict[str, float] = {}
        self._store = store
        self._directory = directory
        self._users = UserCredentials(directory)
        self._journal = journal
        self._clock = clock
        self._now = now
        self._cookie = cookie
        self._role = role
        self._prolongs = prolongs
        self._failures = FailureBuckets() if failures is None else failures

    # -- authentication

    def at_handshake(self, facts: ConnectionFacts) -> Deferred[Principal | None]:
        """See IAuthenticator. Reason codes of Refused: no_origin, no_session (unknown, expired or logged out), those of
        the session (``ISessionStore``), unknown_user, password_changed, disabled, password_reset, locked; of
        Unavailable: too_many_failures and what store and directory say."""
        session_id = facts.cookies.get(self._cookie)
        if session_id is None:
            return defer.succeed(None)
        return Deferred.fromCoroutine(self._admitted(facts, session_id))

    def at_hello(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """See IAuthenticator. For a second HELLO of a connection; at the first the handshake has identified the
        user."""
        cookie = facts.cookies.get(self._cookie)
        if method != METHOD:
            return defer.fail(wrong_method(self.name, method))
        if cookie is None:
            return defer.fail(Refused("no_cookie", f"HELLO asks for {METHOD}, no {self._cookie} came with the request"))
        return Deferred.fromCoroutine(self._admitted(facts, cookie))

    async def _admitted(self, facts: ConnectionFacts, session_id: str) -> Principal:
        group, moment = address_group(facts.address), self._clock.seconds()
        try:
            if facts.origin is None:
                raise Refused("no_origin", f"a {self._cookie} without an Origin: no page of the back office sent it")
            self._failures.check(group, moment, "cookies")
            user = await self._user(await self._session(session_id))
        except Refused as refusal:
            self._journal.count(METHOD, refusal.code)
            if not isinstance(refusal, Unavailable):
                self._failures.record(group, moment)
            raise
        self._journal.count(METHOD, "accepted")
        return Principal(
            authid=user.username,
            authrole=self._role,
            authmethod=METHOD,
            authprovider=self.name,
            user_id=user.id,
            organizations=user.organizations,
            roles=user.roles,
            authenticated_at=self._now(),
            password_fingerprint=password_fingerprint(user),
        )

    async def _session(self, session_id: str) -> AdminSession:
        session = await self._look_up(session_id)
        if session is None:
            raise Refused("no_session", f"{self._cookie}: unknown, expired or logged out")
        return session

    async def _look_up(self, session_id: str) -> AdminSession | None:
        try:
            return await self._store.find(session_id)
        except (Refused, CancelledError):
            raise
        except Exception as error:
            raise Unavailable("sessions_down", f"the session store failed with {type(error).__name__}") from error

    async def _user(self, session: AdminSession) -> User:
        """The user of a session, if it would still be logged in for Symfony."""
        user = await found(self._directory, session.username)
        who = f"{self._cookie} of {session.username!r}"
        if user is None or user.username != session.username or session.user_id not in (None, user.id):
            raise Refused("unknown_user", f"{who}: there is no such user")
        password = session.password_hash
        if password is not None and not hmac.compare_digest(_bytes(password), _bytes(user.password_hash)):
            raise Refused("password_changed", f"{who}: the password has changed since the login")
        if not user.enabled:
            reason = disabled(user)
            raise Refused(reason.code, f"{who}: the user {reason.reason}")
        return user

    # -- revalidation

    def credential(self, facts: ConnectionFacts, principal: Principal) -> Hashable | None:
        """See IRecheck."""
        session_id = None if self._prolongs else facts.cookies.get(self._cookie)
        return CookieCredential(session_id, principal.authid, principal.user_id, self._users.of(principal))

    def watch(self, facts: ConnectionFacts, principal: Principal) -> Deferred[Hashable | None]:
        """See IAmbientAuthenticator. While the store is down the connection depends on the unverified cookie: it ends
        if the store, once it answers, does not know the session."""
        if principal.user_id is None:
            return defer.succeed(None)
        session_id = facts.cookies.get(self._cookie)
        if session_id is None:
            if facts.origin is not None and principal.authmethod == TICKET:
                self.without_cookie += 1
                self._note_ignored(facts, principal, "not_sent", NOT_SENT)
            return defer.succeed(None)
        return Deferred.fromCoroutine(self._watched(facts, session_id, principal))

    def _note_ignored(self, facts: ConnectionFacts, principal: Principal, code: str, why: str) -> None:
        """A logout will not end this connection: of each ``code`` a line now and then, with ``why``."""
        moment = self._clock.seconds()
        told = self._told_ignored.get(code)
        if told is not None and moment - told < IGNORED_TOLD_EVERY:
            self._journal.count("cookie.ignored", code)
            return
        self._told_ignored[code] = moment
        self._journal.note(
            "cookie.ignored",
            code,
            listener=facts.listener,
            address=facts.address,
            cookie=self._cookie,
            path=facts.path,
            user=principal.authid,
            remedy=f"a logout does not end this user's connection: {why}",
        )

    async def _watched(self, facts: ConnectionFacts, session_id: str, principal: Principal) -> Hashable | None:
        credential = CookieCredential(None if self._prolongs else session_id, principal.authid, principal.user_id)
        try:
            session = await self._look_up(session_id)
        except Unavailable:
            return credential
        except Refused as refusal:
            self._note_ignored(facts, principal, refusal.code, refusal.reason)
            return None
        if session is None:
            self._note_ignored(facts, principal, "no_session", NO_SESSION)
            return None
        if not _belongs_to(session, credential):
            await self._refuse_other_user(session, principal)
            return None
        return credential

    async def _refuse_other_user(self, session: AdminSession, principal: Principal) -> None:
        """Refuse two users at once, if the cookie's user would be admitted at all."""
        try:
            other = await self._user(session)
        except Unavailable:
            raise
        except Refused:
            return
        self._journal.count(METHOD, "other_user")
        reason = f"{self._cookie} of {other.username!r} came with a {principal.authmethod} of {principal.authid!r}"
        raise Refused("other_user", reason)

    def recheck(self, credential: Hashable) -> Deferred[Renewal | None]:
        """See IRecheck. Reason codes of Refused: logged_out, other_user, those of the session (``ISessionStore``) and
        those of ``UserCredentials.check``."""
        assert isinstance(credential, CookieCredential)
        return Deferred.fromCoroutine(self._rechecked(credential))

    async def _rechecked(self, credential: CookieCredential) -> Renewal | None:
        if credential.session_id is not None:
            session = await self._still_logged_in(credential.session_id)
            if session is None:
                raise Refused("logged_out", f"{self._cookie} of {credential.username!r}: logged out or expired")
            if not _belongs_to(session, credential):
                raise Refused("other_user", f"{self._cookie} of {credential.username!r}: its session is another's now")
        if credential.user is None or (renewal := await self._users.check(credential.user)) is None:
            return None
        assert isinstance(renewal.credential, UserCredential)
        return Renewal(attrs.evolve(credential, user=renewal.credential), renewal.rights)

    async def _still_logged_in(self, session_id: str) -> AdminSession | None:
        try:
            return await self._look_up(session_id)
        except Refused as refusal:
            if refusal.code == NOT_LOGGED_IN:
                return None
            raise


def _belongs_to(session: AdminSession, credential: CookieCredential) -> bool:
    return session.username == credential.username and session.user_id in (None, credential.user_id)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
