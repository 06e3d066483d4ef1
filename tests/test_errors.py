"""The exceptions that are raised on purpose: what each one carries, and who is told what."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync import errors
from orosync.errors import CallFailed, ConfigError, OrosyncError, ProtocolViolation, Refused, RequestError, Unavailable


class ErrorTests(SynchronousTestCase):
    def test_one_root(self):
        """Catching OrosyncError catches all that orosync raises on purpose, and nothing else does."""
        raised = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)}
        self.assertEqual({one for one in raised if not issubclass(one, OrosyncError)}, set())
        self.assertGreater(len(raised), 6)
        for foreign in (ValueError, OSError, RuntimeError):
            self.assertFalse(issubclass(foreign, OrosyncError) or issubclass(OrosyncError, foreign))

    def test_whose_fault_it_is(self):
        """The kinds are told apart by type; only "something is down" is a special way of being refused."""
        kinds = (ConfigError, Refused, ProtocolViolation, RequestError, errors.NotCarriable, CallFailed)
        for one in kinds:
            self.assertEqual([other for other in kinds if issubclass(one, other)], [one])
        self.assertTrue(issubclass(Unavailable, Refused))

    def test_configuration(self):
        """All faults at once, one line each, and the same lines where the exception is printed."""
        error = ConfigError(["[a] b: wrong, correct it", "[c] d: missing, add it"])
        self.assertEqual(error.faults, ("[a] b: wrong, correct it", "[c] d: missing, add it"))
        self.assertEqual(str(error).splitlines(), list(error.faults))

    def test_refusal(self):
        """The counter's word and the log's sentence are kept apart."""
        for kind in (Refused, Unavailable):
            error = kind("expired", "ticket of 'anna': expired 7 s ago")
            self.assertEqual((error.code, error.reason), ("expired", "ticket of 'anna': expired 7 s ago"))
            self.assertEqual(str(error), error.reason)

    def test_request(self):
        """What the ERROR carries and how it explains itself."""
        error = RequestError("wamp.error.invalid_uri", "it is empty")
        self.assertEqual((error.uri, error.message), ("wamp.error.invalid_uri", "it is empty"))
        self.assertEqual(str(error), "wamp.error.invalid_uri: it is empty")

    def test_call(self):
        """What the ERROR carried is there for the caller; the text shows its first words at most."""
        error = CallFailed("com.error.full", ["no room", 7], {"left": 0})
        self.assertEqual((error.uri, error.arguments, error.kwargs), ("com.error.full", ("no room", 7), {"left": 0}))
        self.assertEqual(str(error), "com.error.full: no room")
        self.assertEqual(str(CallFailed("com.error.odd", [{"secret": 1}])), "com.error.odd")
        self.assertLess(len(str(CallFailed("a", ["x" * 5000]))), 300)
