"""The turnstile: counts up to its limit, and down again."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.admission import Turnstile


class TurnstileTests(SynchronousTestCase):
    def test_a_full_listener_turns_away_until_somebody_leaves(self) -> None:
        """The limit holds, whoever was turned away is counted, and a place that becomes free is given again."""
        turnstile = Turnstile(2)
        self.assertEqual([turnstile.entered() for _ in range(4)], [True, True, False, False])
        self.assertEqual((turnstile.inside, turnstile.turned_away), (2, 2))
        turnstile.left()
        self.assertTrue(turnstile.entered())
        self.assertEqual((turnstile.inside, turnstile.turned_away), (2, 2))
