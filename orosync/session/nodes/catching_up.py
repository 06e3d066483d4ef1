"""Catching up: what other nodes have told before a certain moment has arrived.

A client whose procedure has been registered may have another client call it on another node, which the news may reach
later than the CALL. So a node that does not know a procedure asks the others something first: what they told earlier
comes before their answers. Clients that wait share a question, and there is one at a time.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.backplane.questions import Questions

LONGEST = 0.5
"""Seconds that a node is waited for."""

PAUSE = 0.01
"""Seconds between two questions at least."""


class CatchingUp:
    """The news of one realm."""

    def __init__(self, realm: str, questions: Questions, clock: IReactorTime) -> None:
        self._subject = f"sign {realm}"
        self._questions = questions
        self._clock = clock
        self._waiting: list[Deferred[None]] = []
        self._asking = False
        questions.serve(self._subject, lambda data: data)

    def caught_up(self) -> Deferred[None] | None:
        """Fires when the news of all nodes have arrived that were told by now, or after LONGEST. None: there are no
        other nodes. Never fails."""
        if self._questions.alone:
            return None
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        if not self._asking:
            self._ask()
        return done

    def _ask(self) -> None:
        self._asking = bool(self._waiting)
        if self._asking:
            waiting, self._waiting = self._waiting, []
            self._questions.ask(self._subject, b"", LONGEST).addCallback(self._answered, waiting)

    def _answered(self, replies: dict[str, bytes], waiting: list[Deferred[None]]) -> Any:
        self._clock.callLater(PAUSE, self._ask)
        for done in waiting:
            done.callback(None)
