"""Revalidation of users: does the user of a login still exist, with the same password, enabled, with which rights?

Shared by the authenticators whose principals are users of a directory, however they logged in.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from twisted.internet.defer import CancelledError

from orosync.errors import Refused, Unavailable
from orosync.interfaces import IDirectory, Renewal
from orosync.model import Principal, Rights, User

_KEY = secrets.token_bytes(32)  # a fingerprint is useless outside of this process


def password_fingerprint(user: User) -> bytes:
    """16 bytes that change with the password of ``user`` and tell nothing else about it."""
    return password_hash_fingerprint(user.password_hash)


def password_hash_fingerprint(password_hash: str) -> bytes:
    """As ``password_fingerprint``, of the hash alone."""
    return blake2b(password_hash.encode("utf-8", "surrogatepass"), key=_KEY, digest_size=16).digest()


class UserCredential(NamedTuple):
    """What the login of a user depends on."""

    username: str
    user_id: int
    password_fingerprint: bytes
    organizations: frozenset[int]
    roles: frozenset[str]


def disabled(user: User) -> Refused:
    """The refusal of a user who is not enabled; its reason goes on behind a name ("is disabled")."""
    if user.disabled_because == "password_reset":
        return Refused("password_reset", "has to choose a new password (its authentication status in Oro)")
    if user.disabled_because == "locked":
        return Refused("locked", "is locked (its authentication status in Oro)")
    return Refused("disabled", "is disabled")


def none_shared(user: User) -> bool:
    """Passwords are taken to be unique."""
    return False


class UserCredentials:
    """Credentials of the users of ``directory``. Users who have been disabled may stay if ``accept_disabled``; those
    for whom ``shares`` tells that another user has the same password hash may not."""

    def __init__(
        self, directory: IDirectory, accept_disabled: bool = False, shares: Callable[[User], bool] = none_shared
    ) -> None:
        self._directory = directory
        self._shares = shares
        self._accept_disabled = accept_disabled

    def of(self, principal: Principal) -> UserCredential | None:
        """The credential of a principal made of a user with its ``password_fingerprint``; None for a back end."""
        if principal.user_id is None:
            return None
        return UserCredential(
            principal.authid,
            principal.user_id,
            principal.password_fingerprint,
            principal.organizations,
            principal.roles,
        )

    async def check(self, credential: UserCredential) -> Renewal | None:
        """None while nothing has changed, a Renewal when organizations or roles have. Reason codes of Refused:
        unknown_user, password_changed, disabled, password_reset, locked, shared_password; of Unavailable:
        what the directory says."""
        user = await found(self._directory, credential.username)
        who = f"user {credential.username!r}"
        if user is None or (user.id, user.username) != (credential.user_id, credential.username):
            raise Refused("unknown_user", f"{who}: there is no such user any more")
        if not hmac.compare_digest(password_fingerprint(user), credential.password_fingerprint):
            raise Refused("password_changed", f"{who}: the password has changed since the login")
        if not user.enabled and not self._accept_disabled:
            reason = disabled(user)
            raise Refused(reason.code, f"{who} {reason.reason}")
        if self._shares(user):
            raise Refused("shared_password", f"{who}: another user has the same password hash")
        if (user.organizations, user.roles) == (credential.organizations, credential.roles):
            return None
        renewed = credential._replace(organizations=user.organizations, roles=user.roles)
        return Renewal(renewed, Rights(user.organizations, user.roles))


async def found(directory: IDirectory, login: str) -> User | None:
    """``directory.find``, where every failure is Unavailable."""
    try:
        return await directory.find(login)
    except (Unavailable, CancelledError):
        raise
    except Exception as error:
        # Its text may hold what was looked up: only its type is logged.
        raise Unavailable("directory_down", f"the directory failed with {type(error).__name__}") from error
