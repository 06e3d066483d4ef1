"""Remote authorizer: a procedure of a realm decides, as Crossbar.io's dynamic authorizers do.

The procedure is called with (session, uri, action, options) and answers a boolean or a dict of ``allow``, ``disclose``
and ``cache``. Only a clear yes allows: an error, no answer, a malformed answer and a missing callee all deny (the chain
waits, and reports it).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from orosync.interfaces import IAuthorizer, ICaller, IJournal
from orosync.model import Action, Decision, Match, Principal, SessionFacts, Verdict
from orosync.transport_details import transport_details

_EXACT = Match.EXACT
_FLAGS = ("allow", "disclose", "cache")


def _flag(value: object) -> bool:
    return value is True or value is False


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) and not _flag(one) for one in value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


_PASSED_OPTIONS: Mapping[Action, Mapping[str, Callable[[object], bool]]] = {
    Action.SUBSCRIBE: {"get_retained": _flag},
    Action.PUBLISH: {
        "acknowledge": _flag,
        "exclude_me": _flag,
        "exclude": _ids,
        "exclude_authid": _texts,
        "exclude_authrole": _texts,
        "eligible": _ids,
        "eligible_authid": _texts,
        "eligible_authrole": _texts,
        "retain": _flag,
    },
    Action.CALL: {"timeout": _number, "receive_progress": _flag},
    Action.REGISTER: {"invoke": _text, "concurrency": _number, "force_reregister": _flag},
}
"""The options that are passed on. One of a wrong type is not: the router refuses the request or ignores the option."""


def session_details(principal: Principal) -> dict[str, Any]:
    """The client and its connection. ``session`` is None for principals without a session (orosync's uplinks).

    For a user of Oro, authextra has ``user_id``, ``organizations`` and ``roles``, which orosync's authorizer reads when
    it serves another router.
    """
    session = principal.session
    return {
        "session": None if session is None else session.id,
        "authid": principal.authid,
        "authrole": principal.authrole,
        "authmethod": principal.authmethod,
        "authprovider": principal.authprovider,
        "authextra": principal.authextra,
        "transport": transport_details(None if session is None else session.connection),
    }


def request_options(action: Action, match: Match, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the request, without those that are unset; ``match`` and ``invoke`` only where they are other than
    WAMP's default."""
    found: dict[str, Any] = {} if match is _EXACT else {"match": match.value}
    if options:
        for name, suits in _PASSED_OPTIONS[action].items():
            value = options.get(name)
            if value is not None and suits(value) and not (name == "invoke" and value == "single"):
                found[name] = value
    return found


def identity(principal: Principal, session: Mapping[str, Any]) -> bytes:
    """32 bytes for everything of the client that an answer may depend on, except its session id."""
    rights = (principal.user_id, sorted(principal.organizations), sorted(principal.roles))
    return _digest(({**session, "session": None}, rights))


def fingerprint(who: bytes, uri: str, action: Action, match: Match, options: Mapping[str, Any]) -> bytes:
    """32 bytes for a request of ``who`` (``identity``), different for every difference in it."""
    return _digest((who, uri, action.value, match.value, options))


def _digest(thing: object) -> bytes:
    return blake2b(repr(thing).encode("utf-8", "surrogatepass"), digest_size=32).digest()


@attrs.frozen
class RemoteDecision:
    """One answer. ``cache``: it may be used again for the same request."""

    allow: bool
    disclose: bool = False
    cache: bool = False


def read_decision(args: Sequence[Any], kwargs: Mapping[str, Any]) -> RemoteDecision:
    """Read a RESULT: a boolean, or a dict of ``allow`` and if need be ``disclose``, ``cache`` and ``validate``.

    ``validate`` (Crossbar.io's payload types) is a dict or None and ignored. ValueError for anything else; the message
    repeats only its type and the names of keys.
    """
    if kwargs or len(args) != 1:
        raise ValueError("the answer is not one value")
    (answer,) = args
    if isinstance(answer, bool):
        return RemoteDecision(answer)
    if not isinstance(answer, dict):
        raise ValueError(f"the answer is a {type(answer).__name__}, neither a boolean nor a dict")
    if "allow" not in answer:
        raise ValueError("the answer has no allow")
    for key, value in answer.items():
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"the answer's {key} is no boolean")
        elif key != "validate":
            raise ValueError(f"the answer has a key {str(key)[:40]!r}, which means nothing")
        elif value is not None and not isinstance(value, dict):
            raise ValueError("the answer's validate is neither a dict nor null")
    return RemoteDecision(**{key: answer[key] for key in _FLAGS if key in answer})


class DecisionCache:
    """Decisions by the fingerprint of their request, for ``age`` seconds at most; the ``entries`` last used are kept.

    ``epoch`` counts the purges: a decision that was asked for before a purge is not put."""

    def __init__(self, age: float, entries: int, clock: IReactorTime) -> None:
        self._age = age
        self._entries = entries
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Decision]] = OrderedDict()
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, question: bytes) -> Decision | None:
        """The decision, if it is not too old."""
        known = self._known.get(question)
        if known is None:
            return None
        until, decision = known
        if until <= self._clock.seconds():
            del self._known[question]
            return None
        self._known.move_to_end(question)
        return decision

    def put(self, question: bytes, decision: Decision, epoch: int) -> None:
        """Keep a decision that was asked for in ``epoch``, unless there was a purge since."""
        if epoch != self.epoch:
            return
        self._known[question] = (self._clock.seconds() + self._age, decision)
        self._known.move_to_end(question)
        if len(self._known) > self._entries:
            self._known.popitem(last=False)

    def purge(self) -> None:
        """Forget everything, including the answers still to come."""
        self._known.clear()
        self.epoch += 1


class _Described(NamedTuple):
    """The details of a principal that are passed on, and their fingerprint (b"" without a cache). The principal is
    a weak reference: it refers to its session facts, which are the weak key that this is stored under."""

    principal: ref[Principal]
    session: dict[str, Any]
    identity: bytes


@implementer(IAuthorizer)
class RemoteAuthorizer:
    """Asks ``procedure`` through ``caller()``, of callees with a role in ``registered_by``, within ``timeout`` seconds.

    Abstains only for sessions of those roles: a callee that waits for its own answer would never get it. With ``cache``
    an answer with ``cache: true`` is used again for the same request.
    """

    sessions = True

    def __init__(
        self,
        name: str,
        caller: Callable[[], ICaller],
        procedure: str,
        journal: IJournal,
        *,
        registered_by: Collection[str],
        timeout: float,
        cache: DecisionCache | None = None,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self._caller = caller
        self._procedure = procedure
        self._journal = journal
        self._registered_by = frozenset(registered_by)
        self._cache = cache
        self._title = f"[authorizer:{name}] {procedure}"
        self._own = Decision(
            Verdict.ABSTAIN, f"{self._title}: does not decide about the sessions that answer it", declared=False
        )
        self._described: WeakKeyDictionary[SessionFacts, _Described] = WeakKeyDictionary()

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision | Deferred[Decision]:
        """See IAuthorizer."""
        if principal.authrole in self._registered_by:
            return self._own
        who, passed = self._who(principal), request_options(action, match, options)
        question = b""
        if self._cache is not None:
            question = fingerprint(who.identity, uri, action, match, passed)
            known = self._cache.get(question)
            if known is not None:
                self._journal.count("authorizer.cache", "hit")
                return known
        return Deferred.fromCoroutine(self._ask(who.session, uri, action, passed, question))

    def purge(self) -> None:
        """Forget every answer."""
        if self._cache is not None:
            self._cache.purge()

    def _who(self, principal: Principal) -> _Described:
        """The details of ``principal``; made once for each session, and again when its principal changes."""
        facts = principal.session
        known = None if facts is None else self._described.get(facts)
        if known is None or known.principal() is not principal:
            session = session_details(principal)
            known = _Described(ref(principal), session, b"" if self._cache is None else identity(principal, session))
            if facts is not None:
                self._described[facts] = known
        return known

    async def _ask(
        self, session: dict[str, Any], uri: str, action: Action, passed: dict[str, Any], question: bytes
    ) -> Decision:
        cache = self._cache
        epoch = 0 if cache is None else cache.epoch
        asked = (session, uri, action.value, passed)
        answer = read_decision(*await self._caller().call(self._procedure, asked, callee_roles=self._registered_by))
        verdict = Verdict.ALLOW if answer.allow else Verdict.DENY
        decision = Decision(verdict, f"{self._title}: {verdict.value}", disclose=answer.disclose)
        if cache is not None and answer.cache:
            cache.put(question, decision, epoch)
        return decision
