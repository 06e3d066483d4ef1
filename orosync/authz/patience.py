"""Waiting for an answer, but not for ever.

Knows Deferreds and a clock; must not know authorizers or decisions.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure


@attrs.frozen
class Trouble:
    """No answer: ``kind`` is "failed" or "late", ``reason`` says more for the log."""

    kind: str
    reason: str


def within(answer: Deferred[Any], seconds: float, clock: IReactorTime) -> Deferred[Any]:
    """Fires with what ``answer`` fires with, or with Trouble when it fails or takes longer than ``seconds``.

    Never fails, unless it is cancelled itself: then with CancelledError, and ``answer`` is cancelled too. A late answer
    is cancelled; whatever it still says or raises is dropped.
    """
    timer: IDelayedCall | None = None

    def settle(result: object) -> None:
        if timer is not None and timer.active():
            timer.cancel()
        if outcome.called:
            return
        if isinstance(result, Failure):
            outcome.callback(Trouble("failed", explain(result.value)))
        else:
            outcome.callback(result)

    def give_up() -> None:
        outcome.callback(Trouble("late", f"no answer within {seconds:g} s"))
        _cancel(answer)

    def withdrawn(_: Deferred[Any]) -> None:
        outcome.errback(CancelledError())
        _cancel(answer)
        if timer is not None and timer.active():
            timer.cancel()

    outcome: Deferred[Any] = Deferred(withdrawn)
    answer.addBoth(settle)
    if not outcome.called:
        timer = clock.callLater(seconds, give_up)
    return outcome


def explain(error: BaseException | None) -> str:
    """An exception in one line for the log."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _cancel(answer: Deferred[Any]) -> None:
    try:
        answer.cancel()
    except Exception:
        # Its canceller is somebody else's code; the outcome is settled already and must stand.
        return
