"""Questions that all nodes are asked, whose answers are put together by who asks.

    questions.serve("sessions", answer)                  # on every node: bytes to bytes
    replies = await questions.ask("sessions", question)  # by node, of the others

A node that does not answer in time, or cannot, is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.backplane.messages import NodeQuestion, NodeReply
from orosync.backplane.nodes import Nodes
from orosync.backplane.peer import Peer
from orosync.interfaces import IJournal

LONGEST = 2.0
"""Seconds that answers are waited for."""

Answer = Callable[[bytes], bytes | Deferred[bytes]]
"""Answers a question of another node. What it raises costs only this answer."""

_log = Logger()


class Questions:
    """Asks the peers of this node, and answers them. To be made before ``nodes`` is started."""

    def __init__(self, nodes: Nodes, clock: IReactorTime, journal: IJournal) -> None:
        self._nodes = nodes
        self._clock = clock
        self._journal = journal
        self._answers: dict[str, Answer] = {}
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        nodes.handle(NodeQuestion, self._question)
        nodes.handle(NodeReply, self._reply)
        nodes.on_left(self._gone)

    @property
    def alone(self) -> bool:
        """Whether there are no peers to be asked."""
        return not self._nodes.peers

    def serve(self, subject: str, answer: Answer) -> None:
        """Have ``answer`` answer questions about ``subject``. ValueError if something does already."""
        if subject in self._answers:
            raise ValueError(f"questions about {subject!r} are answered already")
        self._answers[subject] = answer

    def ask(self, subject: str, data: bytes, seconds: float = LONGEST) -> Deferred[dict[str, bytes]]:
        """Ask all peers. Fires with the answers by the names of the nodes, after ``seconds`` with those that are there.
        Never fails; cancelled, it is forgotten."""
        self._number = number = self._number + 1
        question = NodeQuestion(number, subject, data)
        waiting = {peer for peer in tuple(self._nodes.peers) if self._nodes.send(peer, question)}
        if not waiting:
            return succeed({})
        answered: Deferred[dict[str, bytes]] = Deferred(lambda _: self._forget(number))
        late = self._clock.callLater(seconds, self._late, number)
        self._asked[number] = _Asked(subject, waiting, answered, late)
        return answered

    # -- what is asked

    def _question(self, peer: Peer, message: NodeQuestion) -> None:
        answer = self._answers.get(message.subject)
        if answer is None:
            self._nodes.send(peer.node, NodeReply(message.number, b"", "nothing here answers that"))
            return
        found = maybeDeferred(answer, message.data)
        found.addCallbacks(
            lambda data: self._answer(peer, message, data), lambda failure: self._failed(peer, message, failure)
        )

    def _answer(self, peer: Peer, message: NodeQuestion, data: bytes) -> None:
        if not self._nodes.send(peer.node, NodeReply(message.number, data)):
            self._nodes.send(peer.node, NodeReply(message.number, b"", "the answer is too large"))

    def _failed(self, peer: Peer, message: NodeQuestion, failure: Failure) -> None:
        _log.failure("a question about {subject} could not be answered", failure=failure, subject=message.subject)
        self._nodes.send(peer.node, NodeReply(message.number, b"", "it failed: see that node's log"))

    # -- what is answered

    def _reply(self, peer: Peer, message: NodeReply) -> None:
        asked = self._asked.get(message.number)
        if asked is not None and peer.node in asked.waiting:
            if message.error:
                self._left_out(asked, peer.node, message.error)
            else:
                asked.answers[peer.node] = message.data
            self._settle(message.number, asked, peer.node)

    def _gone(self, peer: Peer) -> None:
        for number, asked in tuple(self._asked.items()):
            if peer.node in asked.waiting:
                self._left_out(asked, peer.node, "it has gone")
                self._settle(number, asked, peer.node)

    def _settle(self, number: int, asked: _Asked, node: str) -> None:
        asked.waiting.discard(node)
        if not asked.waiting:
            self._forget(number)
            asked.answered.callback(asked.answers)

    def _late(self, number: int) -> None:
        asked = self._asked.pop(number)
        for node in sorted(asked.waiting):
            self._left_out(asked, node, "it has not answered in time")
        asked.answered.callback(asked.answers)

    def _left_out(self, asked: _Asked, node: str, reason: str) -> None:
        self._journal.note("backplane.unanswered", "left_out", node=node, subject=asked.subject, reason=reason)

    def _forget(self, number: int) -> None:
        asked = self._asked.pop(number, None)
        if asked is not None and asked.late.active():
            asked.late.cancel()


class _Asked:
    """A question that has been asked."""

    __slots__ = ("answered", "answers", "late", "subject", "waiting")

    def __init__(
        self, subject: str, waiting: set[str], answered: Deferred[dict[str, bytes]], late: IDelayedCall
    ) -> None:
        self.subject = subject
        self.waiting = waiting
        self.answered = answered
        self.late = late
        self.answers: dict[str, bytes] = {}
