"""What one principal may publish to or call, remembered: most do the same few things again and again.

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
"""URIs that are remembered for one principal and action; when there are more, all are forgotten."""

_EXACT, _ALLOW = Match.EXACT, Verdict.ALLOW


class Grants:
    """Made by ``Chain.grants``, for one ``action``. ``known`` holds the decision that allows it, by the exact URI: look
    there first."""

    __slots__ = ("__weakref__", "_action", "_chain", "_principal", "known")

    def __init__(self, chain: Chain, principal: Principal, action: Action) -> None:
        self._chain = chain
        self._principal = principal
        self._action = action
        self.known: dict[str, Decision] = {}

    def decide(self, uri: str, options: Mapping[str, Any]) -> Decision | Deferred[Decision]:
        """See ``Chain.decide``, for an exact URI that is not in ``known``; it may be there afterwards."""
        chain, known = self._chain, self.known
        decision = chain.decide(self._principal, self._action, uri, _EXACT, options)
        if chain.constant and isinstance(decision, Decision) and decision.verdict is _ALLOW:
            if len(known) >= MOST:
                known.clear()
            known[uri] = decision
        return decision

    def renew(self, before: Principal, after: Principal) -> None:
        """Forget everything, and from now on ask for ``after``, if it was ``before`` (the very same one)."""
        if self._principal is before:
            self._principal = after
            self.known.clear()
