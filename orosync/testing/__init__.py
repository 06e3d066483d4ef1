"""Public test doubles and contract suites, for extensions of orosync and for its own tests.

    doubles.py           doubles of links, journals, users, sessions, procedures; connection facts and principals
    memory_realm.py      a realm without sockets and real time
    memory_backplane.py  several nodes in one process
    contracts.py         what every authenticator and authorizer must do
    lookup_contracts.py  what every directory and session store must do
    backplane_contracts.py  what every backplane must do, backplane_outage_contracts.py without its engine

Import from this package; its modules may change. Nothing in it opens a socket.
"""

from orosync.testing.backplane_contracts import BackplaneContract, RecordingBackplaneUser
from orosync.testing.backplane_outage_contracts import BackplaneOutageContract
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
from orosync.testing.memory_backplane import MemoryBackplane, MemoryEngine
from orosync.testing.memory_realm import MemoryRealm

__all__ = [
    "AuthenticatorContract",
    "AuthorizerContract",
    "BackplaneContract",
    "BackplaneOutageContract",
    "DirectoryContract",
    "MemoryBackplane",
    "MemoryDirectory",
    "MemoryEngine",
    "MemoryLink",
    "MemoryRealm",
    "MemorySessionStore",
    "RecordingBackplaneUser",
    "RecordingJournal",
    "ScriptedAuthorizer",
    "ScriptedCaller",
    "SessionStoreContract",
    "SharedPasswordsContract",
    "connection_facts",
    "plain_frame",
    "principal",
]
