"""Text for a terminal."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.cli.streams import line


class Lines(SynchronousTestCase):
    """line."""

    def test_nothing_reaches_the_terminal(self):
        """Control sequences, line ends and what turns text around are written out."""
        self.assertEqual(line("a\x1b[2Jb\nc\u202ed é"), "a\\x1b[2Jb\\nc\\u202ed é")
