"""Fixed passwords by WAMP's authmethod "ticket" (WAMP "Ticket-based Authentication"): the client sends its password as
the answer to CHALLENGE, so that it belongs on an encrypted connection.

Of a password either itself is kept, or the key that is derived from it with PBKDF2, in the same form as for WAMP-CRA
(``wampcra``). Deriving takes tens of milliseconds and is done in threads, a few at a time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.errors import Refused, Unavailable
from orosync.identity.account_authenticator import AccountAuthenticator
from orosync.identity.accounts import Account, Entries, Entry, Seeds
from orosync.identity.rate_limit import FailureBuckets
from orosync.identity.wampcra import CraKey, account_entries
from orosync.interfaces import AuthenticationStep, HelloDetails, IJournal
from orosync.model import ConnectionFacts, Principal

METHOD = "ticket"
AT_ONCE = 2
"""Keys that are derived at once."""

ROOM = 256
"""Clients that may wait for it: what two threads do in a few seconds."""

InThread = Callable[[Callable[..., bool], CraKey, bytes], Deferred[bool]]
"""Calls a function with these arguments in a thread; fires with what it returns."""


class PasswordAuthenticator(AccountAuthenticator):
    """Challenges every client that names an authid, known or not.

    Reason codes of Refused: unknown_user, bad_password; of Unavailable: too_many_failures, hash_queue_full.
    Raises ConfigError for accounts that cannot be used.
    """

    def __init__(
        self,
        name: str,
        accounts: Iterable[Account],
        journal: IJournal,
        clock: IReactorTime,
        now: Now,
        *,
        in_thread: InThread,
        failures: FailureBuckets | None = None,
    ) -> None:
        super().__init__(name, (METHOD,), "password", journal, clock, now, failures)
        self._entries = Entries(f"authenticator:{name}", account_entries(name, accounts), Seeds())
        self._in_thread = in_thread
        self._threads = DeferredSemaphore(AT_ONCE)

    def _begin(
        self, facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> AuthenticationStep | None:
        if not hello.authid:
            return None  # Oro's ticket, for example, says itself whose it is
        entry = self._entries.find(hello.authid)

        def answer(signature: str, extra: Mapping[str, Any]) -> Deferred[Principal]:
            return Deferred.fromCoroutine(self._verify(facts, entry, signature))

        return AuthenticationStep(METHOD, {}, answer, decoy=not entry.known)

    async def _verify(self, facts: ConnectionFacts, entry: Entry[CraKey], password: str) -> Principal:
        self._attempts.check(facts)
        given = password.encode("utf-8", "surrogatepass")
        if not entry.proof.salting:
            fits = is_password(entry.proof, given)
        elif len(self._threads.waiting) >= ROOM:
            raise Unavailable("hash_queue_full", f"{ROOM} passwords wait to be verified")
        else:
            fits = await self._threads.run(self._in_thread, is_password, entry.proof, given)

        def judged() -> Principal:
            if not entry.known:
                raise Refused("unknown_user", f"there is no user {entry.authid!r}")
            if not fits:
                raise Refused("bad_password", f"this is not the password of {entry.authid!r}")
            return self._principal(entry.authid, entry.role, METHOD)

        return await self._attempts.limited(facts, judged)


def is_password(kept: CraKey, given: bytes) -> bool:
    """Whether ``given`` is the password that ``kept`` is, or was derived from. Takes as long for every wrong one, up to
    its own length."""
    salting = kept.salting
    if salting:
        size = salting["keylen"]
        key = hashlib.pbkdf2_hmac("sha256", given, salting["salt"].encode(), salting["iterations"], size)
        return hmac.compare_digest(base64.b64encode(key), kept.key)
    # Of equal length, so that the time does not tell that of the password.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(kept.key).digest())
