"""Public doubles and contract suites for whoever extends orosync, and for its own tests.

    doubles.py           what stands in for links, journals, users, sessions, procedures; facts and principals
    memory_realm.py      a realm without sockets and time
    contracts.py         what every authenticator and authorizer keeps
    lookup_contracts.py  what every directory and session store keeps

Import from here; how it is divided may change. Nothing in it opens a socket.
"""

from orosync.testing.contracts import AuthenticatorContract, AuthorizerContract
from orosync.testing.doubles import (
    MemoryDirectory,
    MemoryLink,
    MemorySessionStore,
    RecordingJournal,
    ScriptedAuthorizer,
    ScriptedCaller,
    connection_facts,
    plain_frame,
    principal,
)
from orosync.testing.lookup_contracts import DirectoryContract, SessionStoreContract, SharedPasswordsContract
from orosync.testing.memory_realm import MemoryRealm

__all__ = [
    "AuthenticatorContract",
    "AuthorizerContract",
    "DirectoryContract",
    "MemoryDirectory",
    "MemoryLink",
    "MemoryRealm",
    "MemorySessionStore",
    "RecordingJournal",
    "ScriptedAuthorizer",
    "ScriptedCaller",
    "SessionStoreContract",
    "SharedPasswordsContract",
    "connection_facts",
    "plain_frame",
    "principal",
]
