"""WAMP's own procedures about sessions and subscriptions where a realm is on several nodes: the caller's node asks all
others, which answer about theirs, and puts the answers together (WAMP, "Session Meta API", "Subscriptions Meta API").

Registrations are known everywhere (``callees``); only to take one away from a callee of another node, that node is
asked. The caller has been authorized by its own node. What a node does not answer in time is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from orosync.backplane.messages import PackedPayload, packed, unpacked
from orosync.backplane.questions import Questions
from orosync.errors import RequestError
from orosync.model import Principal
from orosync.router.deliveries import Delivery, Member
from orosync.router.meta_call import MetaCall, Procedure
from orosync.session.realm_context import RealmContext
from orosync.session.replies import answer_when_decided, no_more_awaited
from orosync.wamp import uris
from orosync.wamp.messages import Result
from orosync.wamp.payload import Payload

Merge = Callable[[Sequence[Any]], Any]
"""Makes one answer of those of several nodes, that of the caller's node first."""


def _joined(answers: Sequence[list[int]]) -> list[int]:
    return [one for answer in answers for one in answer]


def _each_once(answers: Sequence[list[int] | None]) -> list[int] | None:
    return list(dict.fromkeys(one for answer in answers for one in answer or ())) or None


def _by_match(answers: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    return {match: _each_once([answer[match] for answer in answers]) or [] for match in answers[0]}


def _any(answers: Sequence[int | None]) -> int | None:
    return next((answer for answer in answers if answer is not None), None)


MERGED: dict[str, Merge] = {
    "wamp.session.count": sum,
    "wamp.session.list": _joined,
    "wamp.session.kill_by_authid": _joined,
    "wamp.session.kill_by_authrole": sum,
    "wamp.session.kill_all": sum,
    "wamp.subscription.list": _by_match,
    "wamp.subscription.lookup": _any,
    "wamp.subscription.match": _each_once,
    "wamp.subscription.list_subscribers": _joined,
    "wamp.subscription.count_subscribers": sum,
}
"""Procedures that all nodes are asked about."""

FOUND = (
    "wamp.session.get",
    "wamp.session.kill",
    "wamp.subscription.get",
    "wamp.subscription.remove_subscriber",
    "wamp.registration.remove_callee",
)
"""Procedures about something that is on one node, or the same on all: others are asked if this one does not have it."""

_NOT_HERE = {uris.NO_SUCH_SESSION, uris.NO_SUCH_SUBSCRIPTION, uris.NO_SUCH_REGISTRATION}
_ELSEWHERE = Principal("node", "trusted", "node", "node")


class _Question(Struct, array_like=True):
    procedure: str
    caller: int
    payload: PackedPayload | None = None


class _Answer(Struct, array_like=True):
    """``error``: the URI of an ERROR, with its text."""

    payload: PackedPayload | None = None
    error: str = ""
    message: str = ""


_encode = msgspec.msgpack.Encoder().encode
_read_question = msgspec.msgpack.Decoder(_Question).decode
_read_answer = msgspec.msgpack.Decoder(_Answer).decode


class SharedMeta:
    """The procedures of one realm."""

    def __init__(self, realm_context: RealmContext, questions: Questions) -> None:
        self._realm_context = realm_context
        self._deliver = realm_context.dispatcher.deliver
        self._questions = questions
        self._subject = f"wamp {realm_context.name}"
        procedures = realm_context.realm.dealer.meta_procedures
        self._here: dict[str, Procedure] = {name: procedures[name] for name in (*MERGED, *FOUND)}
        procedures.update({name: partial(self._called, name) for name in self._here})
        questions.serve(self._subject, self._asked)

    def _called(self, name: str, caller: Member, request: int, payload: Payload | None) -> list[Delivery]:
        here = self._here[name]
        if self._questions.alone:
            return here(caller, request, payload)
        dispatcher = self._realm_context.dispatcher
        no_more_awaited(dispatcher, caller)
        merge = MERGED.get(name)
        own: Any = None
        try:
            deliveries = here(caller, request, payload)
        except RequestError as error:
            if error.uri not in _NOT_HERE:
                raise
            deliveries, own = [], error
        else:
            if merge is None:
                return deliveries
            own = _values(deliveries.pop(0))
        call = MetaCall(caller, request, payload)
        question = _encode(_Question(name, caller.session, packed(payload)))
        together: Callable[[dict[str, bytes]], list[Any]] = partial(_together, merge, own)
        answer_when_decided(call, self._questions.ask(self._subject, question), together, dispatcher)
        return deliveries

    def _asked(self, data: bytes) -> bytes:
        """Answer another node."""
        question = _read_question(data)
        caller = Member(question.caller, _ELSEWHERE)
        try:
            deliveries = self._here[question.procedure](caller, 1, unpacked(question.payload))
        except RequestError as error:
            return _encode(_Answer(None, error.uri, error.message))
        self._deliver(deliveries[1:])
        return _encode(_Answer(packed(deliveries[0].payload)))


def _together(merge: Merge | None, own: Any, replies: dict[str, bytes]) -> list[Any]:
    """The answer, of this node's ``own`` and the others' by their names. RequestError if no node has one."""
    answers = [] if isinstance(own, RequestError) else [own]
    for _, reply in sorted(replies.items()):
        answer = _read_answer(reply)
        if not answer.error:
            answers.append(_arguments(unpacked(answer.payload)))
        elif answer.error not in _NOT_HERE:
            own = RequestError(answer.error, answer.message)
    if not answers:
        assert isinstance(own, RequestError)
        raise own
    return answers[0] if merge is None else [merge([arguments[0] for arguments in answers])]


def _values(delivery: Delivery) -> list[Any]:
    assert isinstance(delivery.message, Result)
    return _arguments(delivery.payload)


def _arguments(payload: Payload | None) -> list[Any]:
    return [] if payload is None else payload.values()[0]
