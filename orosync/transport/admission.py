"""How many may be inside at once. A counter with a limit; it knows nothing of connections."""

from __future__ import annotations


class Turnstile:
    """Counts those inside a listener, handshakes included; turns away whoever comes when it is full."""

    def __init__(self, limit: int) -> None:
        self.inside = 0
        self.turned_away = 0
        self._limit = limit

    def entered(self) -> bool:
        """One more wants in; False: turned away, and counted as that."""
        if self.inside >= self._limit:
            self.turned_away += 1
            return False
        self.inside += 1
        return True

    def left(self) -> None:
        """One who was inside is gone."""
        self.inside -= 1
