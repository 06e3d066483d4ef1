"""What one principal may publish to, remembered: most publishers publish to the same few topics again and again.

Only a constant word is remembered (``Chain.constant``), and only a yes. The chain makes everybody forget when its
authorizers are replaced. This file must not know sessions or topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from orosync.model import Action, Decision, Match, Principal, Verdict

if TYPE_CHECKING:
    from orosync.authz.chain import Chain

MOST = 256
"""Topics that are remembered for one principal; when there are more, all are forgotten."""

_PUBLISH, _EXACT, _ALLOW = Action.PUBLISH, Match.EXACT, Verdict.ALLOW


class Grants:
    """Made by ``Chain.grants``. ``known`` holds the decision that allows a PUBLISH, by its topic: look there first."""

    __slots__ = ("__weakref__", "_chain", "_principal", "known")

    def __init__(self, chain: Chain, principal: Principal) -> None:
        self._chain = chain
        self._principal = principal
        self.known: dict[str, Decision] = {}

    def decide(self, topic: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        """See ``Chain.decide``, for a topic that is not in ``known``; it may be there afterwards."""
        chain, known = self._chain, self.known
        decision = chain.decide(self._principal, _PUBLISH, topic, _EXACT, options)
        if chain.constant and isinstance(decision, Decision) and decision.verdict is _ALLOW:
            if len(known) >= MOST:
                known.clear()
            known[topic] = decision
        return decision
