"""Interfaces: what the packages of orosync expect of each other, and what plugins implement.

They are stable from 0.2.0 on (docs/stability.md). Each method lists every outcome, failures included. An implementation
is verified with ``zope.interface.verify.verifyObject`` and with the contract suites of ``orosync.testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Hashable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from orosync.model import (
    Action,
    AdminSession,
    ConnectionFacts,
    ConnectionPolicy,
    Decision,
    Finding,
    Match,
    Principal,
    Rights,
    SharedPassword,
    User,
)

WAITING, RATE, TURN, IDENTIFYING = 1, 2, 4, 8
"""The reasons why a connection is paused, as flags. WAITING: its session waits for the answer of an authorizer. RATE:
its client has sent more than its message rate allows (``transport.message_rates``). TURN: it has used up its quantum of
this turn of the reactor (``transport.read_turns``). IDENTIFYING: its session waits for the answer of an authenticator.
While a connection has any of them, what arrives is kept and not handed to the session, and the connection is not read
from; for IDENTIFYING alone it is read on until a few KiB have arrived, so that the end of a client is noticed."""


@attrs.frozen
class HelloDetails:
    """What a WAMP v2 client said of itself in HELLO (already checked for shape)."""

    realm: str
    authid: str | None
    authmethods: tuple[str, ...]
    authextra: Mapping[str, Any]


@attrs.frozen
class AuthenticationStep:
    """A question to a v2 client: CHALLENGE ``method``, ``extra``; ``answer`` verifies its AUTHENTICATE.

    ``answer(signature, extra)`` fires with the Principal, or fails with Refused or Unavailable.

    ``decoy``: the authenticator does not know the client and abstains. The question is asked only if no other
    authenticator knows it, and ``answer`` always refuses: so it does not show which clients are known.
    """

    method: str
    extra: Mapping[str, Any]
    answer: Callable[[str, Mapping[str, Any]], Deferred[Principal]]
    decoy: bool = False


class IAuthenticator(Interface):
    """Authenticates clients. Bound to one [authenticator:NAME] section."""

    name: str = Attribute("The section's name; WELCOME's authprovider.")
    methods: tuple[str, ...] = Attribute("WAMP authmethods it can do after HELLO; may be empty.")

    def at_handshake(facts: ConnectionFacts) -> Deferred[Principal | None]:
        """Look at the HTTP upgrade. Fires with a Principal (accepted), with None (nothing of its kind
        was presented), or fails with Refused (presented and wrong) or Unavailable (cannot be decided now)."""

    def at_hello(
        facts: ConnectionFacts, hello: HelloDetails, method: str, session_id: int
    ) -> Deferred[Principal | AuthenticationStep | None]:
        """Answer a HELLO that chose ``method``. Fires with a Principal, or with a question to send; fails with Refused
        or Unavailable. Fires with None, or with a question that is a decoy, where it does not know the client and
        abstains: the realm's next authenticator of the method is asked."""


@attrs.frozen
class Renewal:
    """The credential of a login from now on, and the user's rights, which have changed."""

    credential: Hashable
    rights: Rights


class IRecheck(Interface):
    """An authenticator that can check later whether users whom it admitted may stay connected."""

    name: str = Attribute("The authenticator's name.")
    recheck_interval: float | None = Attribute("How often to ask, in seconds; None: as often as the router does.")

    def credential(facts: ConnectionFacts, principal: Principal) -> Hashable | None:
        """The credential that the login of ``principal``, admitted by this authenticator, depends on. Sessions with an
        equal credential are revalidated once, together. None where nothing can change (a back end). Never shown."""

    def recheck(credential: Hashable) -> Deferred[Renewal | None]:
        """Fires with None while nothing has changed, with a Renewal when the login is still valid and the user's
        rights have changed; fails with Refused when it is no longer valid, with Unavailable when that cannot be
        told now. Never prolongs anything."""


class IAmbientAuthenticator(IAuthenticator, IRecheck):
    """An authenticator that reads nothing but a cookie, which browsers send without being asked.

    It is asked only when the client presented no other credential: a presented ticket decides.
    """

    def watch(facts: ConnectionFacts, principal: Principal) -> Deferred[Hashable | None]:
        """Look at the cookie of a client that another authenticator admitted. Fires with a credential whose end is
        the end of the session too, or with None for no cookie or one without a user; fails with Refused when it is
        another user's, with Unavailable when that cannot be told."""


class IDirectory(Interface):
    """Where users are looked up."""

    def find(login: str) -> Deferred[User | None]:
        """The user whose username is ``login``, else whose e-mail it is, as Oro does. Fires with None
        when there is none (disabled users are found, and say so); fails with Unavailable."""


class ISharedPasswords(Interface):
    """What a directory has besides when it can tell which users have one password hash in common."""

    def shared_passwords() -> Deferred[Sequence[SharedPassword]]:
        """Every hash that more than one user has, blank ones left out; hashes that differ in case alone are different
        ones. A bounded number (``model.MOST_SHARED``), and of each the ids of the first users in order. Fails with
        Unavailable. Asked at the start and every minute, beside look-ups, which must not wait for it."""


class IProbe(Interface):
    """Optional, for a directory or session store that is a service, and for a backplane: it can be tried out before any
    client needs it (``orosync check-config --probe``, and once after each start)."""

    def probe() -> Deferred[Sequence[Finding]]:
        """Do what will be needed, with the same rights, and change nothing. Called while the service runs; of a
        backplane whether it has been started or not. Fires with at least one Finding and never fails; who calls it
        waits for 5 s. No finding holds a secret."""


class ISessionStore(Interface):
    """Where the back office's sessions are found by the value of its cookie. Only ever reads."""

    def find(session_id: str) -> Deferred[AdminSession | None]:
        """The logged-in back-office user of a session. Fires with None when there is no such session or it has
        expired; fails with Refused for a session without such a user ("not_logged_in", which None may stand for, too;
        "unknown_token", "switched_user", "second_factor", "unknown_user_class", "disabled"), and for an id or a
        session that cannot be read ("malformed_session"), with Unavailable when the store cannot answer now."""


class IAuthorizer(Interface):
    """Authorizes requests.

    One that answers at once, and always the same to the same principal, action, URI and match, whatever the options,
    may say so by an attribute ``constant = True``: its word is then remembered for those who ask often. It may also say
    by ``depends_on = ("authrole",)`` which attributes of a principal decide what it allows (hashable ones): what it
    allowed one is then remembered for all others that have the same. One that needs
    to know the session, its id and its connection, says so by ``sessions = True``: a session's principal then has its
    ``session``. One that answers later may have a ``timeout`` in seconds, in place of the realm's.
    """

    def authorize(
        principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision | Deferred[Decision] | Coroutine[Any, Any, Decision]:
        """Decide one request. For PREFIX and WILDCARD the answer must hold for every URI that ``uri``
        could match. A plain value is preferred; a Deferred or coroutine delays only this client. Raising or failing
        counts as a refusal."""


class IHealthCheck(Interface):
    """What a plugin may provide besides its interface: whether it can do its work, for ``/readyz`` of [listen:ops]."""

    shared: bool = Attribute(
        "Whether what it lacks is shared by all nodes (a database): they are degraded then, not unready."
    )

    def fault() -> str:
        """What is wrong, in words for an administrator; "" while all is well. Asked for each report: it answers at
        once, from what the plugin knows. One that raises is wrong."""


class IPublisher(Interface):
    """Publishes into a realm on behalf of orosync itself."""

    def publish(
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        """Deliver to subscribers (``eligible``: only those session ids). Returns how many receivers this node has."""


class ICaller(Interface):
    """Calls procedures of a realm on behalf of orosync itself."""

    def call(
        procedure: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callee_roles: Collection[str] | None = None,
    ) -> Deferred[tuple[list[Any], dict[str, Any]]]:
        """Call a procedure; ``callee_roles``: only a callee that has one of these roles (None: any).

        Fires with the RESULT's args and kwargs; fails with CallFailed for an ERROR, for a procedure that is not
        registered (by those roles), for a callee that leaves, for values that no serializer carries, and when too many
        calls are under way. There is no time limit: cancelling the Deferred ends the call, and interrupts the callee
        where it can be."""


class ILink(Interface):
    """A transport's end of one connection, as a session sees it."""

    facts: ConnectionFacts = Attribute("What the handshake said.")
    framer: Callable[[bytes, bool], bytes] = Attribute(
        "Turns (payload, binary) into the bytes of one frame. One function for each kind of transport, so that frames "
        "can be shared. Raises NotCarriable for what the peer does not take."
    )
    bucket: Any = Attribute(
        "What the client may still send unasked (``orosync.transport.message_rates``): set by a session that limits "
        "it, which takes from it for messages, as the transport does for what else arrives."
    )

    def push(frame: bytes) -> None:
        """Queue a framed message; sent with everything else of this reactor turn. Never raises; dropped
        silently once the connection is closing."""

    def send(frame: bytes) -> None:
        """As push(), and sent at once where nothing is gained by waiting: for a frame that many get, and for the answer
        to a message that came alone."""

    def close(code: int, reason: str) -> None:
        """Send what is queued, then a CLOSE frame with ``code`` (any of RFC 6455 section 7.4) and end the
        connection; dropped at the TCP level if the peer does not follow."""

    def drop(reason: str, linger: bool = False) -> None:
        """Drop the TCP connection without a CLOSE frame (unclean for a browser: it will reconnect). ``linger``: what is
        queued has to arrive, whatever the peer goes on saying."""

    def backlog() -> int:
        """Bytes that wait for the peer to read; frames of this turn of the reactor are not among them. 0 where that is
        not known."""

    def pause(reason: int = WAITING) -> None:
        """Hand over no more until resume() is called for the same ``reason``: WAITING, RATE or IDENTIFYING. Again: no
        difference."""

    def resume(reason: int = WAITING) -> None:
        """There is no such reason any more (``reason`` may hold several); go on if there is no other. For RATE alone in
        turn: others may go on in the same moment."""

    def may_continue(later: Callable[[], object]) -> bool:
        """Whether the session may handle one more of several messages that arrived as one, which is counted. False: it
        has had enough for this turn of the reactor; ``later`` is called in another, before anything else is read."""

    def call_in_turn(later: Callable[[], object]) -> None:
        """Call ``later`` when it is this connection's turn, before anything else is read: the session can go on with
        messages that arrived as one and were kept for their rate."""

    def set_authenticated(authenticated: bool) -> None:
        """The client has joined as a user that we know (WELCOME), or has sent GOODBYE and is unauthenticated again.
        Until it has joined it is one of the listener's unauthenticated connections, with a smaller message limit."""


class ISession(Interface):
    """One client's life, as a transport sees it."""

    policy: ConnectionPolicy = Attribute("How the transport treats the connection.")

    def opened(link: ILink) -> None:
        """The handshake is answered (the 101 is the first thing in the link's queue)."""

    def received(data: bytes, binary: bool) -> None:
        """One whole message arrived; text has been checked to be UTF-8."""

    def violated(reason: str) -> None:
        """The peer broke the rules of its transport: tell it so in the protocol's own words and close the link."""

    def closed(clean: bool, code: int | None, reason: str) -> None:
        """The connection is gone. Called exactly once after opened()."""


@attrs.frozen
class Admission:
    """A client let in: the subprotocol to answer with (None: none offered) and its session."""

    subprotocol: str | None
    session: ISession


class ISessionHost(Interface):
    """What a listener asks to let clients in."""

    def admit(facts: ConnectionFacts) -> Admission | Deferred[Admission]:
        """Authenticate the client. The Admission, or a Deferred that fires with it where something has to be waited
        for. Raises, or fails with, Refused or Unavailable, or ProtocolViolation when only unknown subprotocols were
        offered."""


class ILocalSession(Interface):
    """A session of orosync's own in a realm. It speaks WAMP v2 in values: messages of ``orosync.wamp.messages`` and
    payloads of ``orosync.wamp.payload``. Its maker says who it is, and takes what it receives."""

    mark: str = Attribute("Tells the realm from every other (``orosync.wamp.forwarding``).")

    def subscribe(topic: str, match: Match) -> int:
        """Listen, authorized by the configuration; the id that EVENTs carry. What was published to certain sessions
        only (``eligible``, and all lists of authids and roles) is not delivered here if it ``forwards``."""

    def register(procedure: str, match: Match) -> int:
        """Serve, authorized by the configuration; the id that INVOCATIONs carry. Raises RequestError."""

    def send(message: Any, payload: Any = None) -> bool:
        """PUBLISH, CALL, CANCEL, YIELD or ERROR, authorised and answered as a client's. False when it is not taken:
        the session has left, or (PUBLISH and CALL alone) too much waits for an authorizer. Never raises."""

    def leave() -> None:
        """End it; nothing is told to it afterwards. No matter how often."""


class ITopicWatcher(Interface):
    """A part of orosync that is told when a topic gains or loses subscribers (maintenance state, ping timer)."""

    topic: str = Attribute("The one exact topic it watches.")

    def subscribed(session_id: int, principal: Principal) -> None:
        """A session has just subscribed (its SUBSCRIBED is already queued)."""

    def last_unsubscribed() -> None:
        """The last subscriber has gone."""


@attrs.frozen
class Claim:
    """The answer to a claim. ``holder`` is "" when this node has it now, else the name of a node that has it.

    ``since``: when the holder first claimed it, in seconds of the engine's clock."""

    holder: str
    since: float


class IBackplane(Interface):
    """Carries batches of bytes between the nodes of a router, and keeps what all nodes share.

    The *engine* is what all nodes can reach, such as Redis. It gives each node a lease, which ends 10 s after the last
    sign of life. A Deferred fails with Unavailable while the engine cannot be reached or the lease has ended. Contract
    suite: ``orosync.testing.backplane_contracts``.

    One whose batches can come only from nodes of the router may say so by an attribute ``private = True``:
    they are not signed then. One that knows may have an attribute ``lone``, whether the batch that it hands over
    arrived alone: what that causes is sent at once then, and not gathered.
    """

    largest: int = Attribute("The most bytes of a batch, at least 64 KiB.")
    available: bool = Attribute("Whether the engine can be reached and this node has its lease.")

    def start(user: IBackplaneUser) -> Deferred[None]:
        """Join as ``user.node`` and ``user.boot``. Fails with NodeNameTaken when a live node has the name already; the
        lease of one that was killed is waited for. No claims are left of an earlier life.

        Fires although the engine cannot be reached: the backplane goes on trying and calls ``user.engine_back``."""

    def stop() -> Deferred[None]:
        """Leave: the other nodes are told at once, and the claims and whatever waits for this node are removed."""

    def send(node: str, batch: bytes) -> None:
        """Queue ``batch`` for a node: in order, at most once. It may be lost when the engine is away or either node
        ends. Never raises, never waits."""

    def claim(key: str, policy: str, since: float = 0.0, force: bool = False) -> Deferred[Claim]:
        """Claim ``key`` for this node until it is released or the lease ends.

        ``policy`` "" is for one node alone; nodes that name the same other policy hold a key together. ``since``: of an
        earlier claim of this node that may have been lost; the older claim wins. ``force``: take it from all others."""

    def release(key: str) -> None:
        """End this node's claim, if it has one. Lost while the engine is away."""

    def once(key: str, seconds: float, by: str = "") -> Deferred[bool]:
        """True for the first that asks about ``key``, on whatever node, and False for others until ``seconds`` have
        passed since. Who names the same ``by`` as the first, not "", gets True each time."""

    def put(area: str, key: str, value: bytes) -> None:
        """Keep a value, also when all nodes have ended; the last one wins. Lost while the engine is away."""

    def remove(area: str, key: str) -> None:
        """Keep it no more."""

    def load(area: str) -> Deferred[Mapping[str, bytes]]:
        """All values of an area by key."""

    def append(log: str, value: bytes, most: int, most_bytes: int) -> None:
        """Add to a list that keeps its last ``most`` values, about ``most_bytes``; one order for all nodes. Lost
        while the engine is away."""

    def read(log: str) -> Deferred[Sequence[bytes]]:
        """The values of a list, oldest first."""


class IBackplaneUser(Interface):
    """What a backplane tells of the other nodes, always in a later turn than ``start`` was called in."""

    node: str = Attribute("The name of this node, unique among those of the router.")
    boot: str = Attribute("Random for each life of the process: 16 hexadecimal digits.")

    def node_joined(node: str, boot: str) -> None:
        """Another node is there, from now on ``send`` reaches it: it is new or, with the boot that it had, has its
        lease again. With another boot than before it has restarted."""

    def node_left(node: str, boot: str, reason: str, stopped: bool) -> None:
        """It has gone. ``stopped``: this life of it has ended for certain: it has left, its process has ended, or
        another life has its name. False: its lease has ended, and it may live; should it be back, ``node_joined`` is
        called with the same boot."""

    def received(batch: bytes) -> None:
        """A batch has come. It need not be of a node: the engine may be open to others."""

    def engine_lost(reason: str) -> None:
        """The engine cannot be reached, or this node's lease has ended."""

    def engine_back() -> None:
        """The engine can be reached again. Leases, claims and batches may have been lost meanwhile. Other nodes have a
        whole lease to come back before ``node_left`` is called for them."""


class IJournal(Interface):
    """Where things worth counting and telling an administrator go."""

    debug = Attribute(
        "Whether events of the level debug are logged; otherwise they are only to be counted. Callers on "
        "the way of every client ask this before they gather the fields."
    )

    def note(event: str, code: str, **fields: object) -> None:
        """Count ``event`` under ``code`` (both short, stable words) and log one line with ``fields``,
        rate-limited for each (event, code). Never give it a ticket, cookie, secret or payload; text that
        came from a client is escaped by the journal."""

    def count(event: str, code: str, **fields: object) -> None:
        """Count only. ``fields`` are as those of note(), for an administrator who traces a user."""
