"""A session that waits for somebody else's answer (an authenticator's, an authorizer's) before it reads on.

It must not know who answers, or what becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from orosync.interfaces import ILink


class Waiting:
    """A part of a session: ``_refused`` gets every failure, ``_over`` tells that nothing matters any more."""

    _link: ILink | None
    _over: bool
    _refused: Callable[[Failure], None]

    def wait(self, outcome: Deferred[Any], then: Callable[[Any], Any]) -> None:
        """Read nothing more from this client until ``outcome`` is there, and ``then``'s own if it returns a Deferred:
        that keeps its messages in order."""
        link = self._link
        assert link is not None
        outcome.addCallback(self._if_still_here, then)
        outcome.addErrback(self._refused)
        if not outcome.called or outcome.paused:  # the common case costs no pause
            link.pause()
            outcome.addBoth(lambda _: link.resume())

    def _if_still_here(self, outcome: Any, then: Callable[[Any], Any]) -> Any:
        return None if self._over else then(outcome)
