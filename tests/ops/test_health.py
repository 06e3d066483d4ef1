"""Health: what makes a process unready, and what only makes it degraded."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.ops.health import Check, Health


class Reports(SynchronousTestCase):
    """Health.report."""

    def report(self, *checks, required=()):
        health = Health(required)
        for check in checks:
            health.add(check)
        return health.report()

    def test_all_is_well(self):
        report = self.report(Check("a", str), Check("b", str, shared=True))
        self.assertEqual(report.words(), {"status": "ready", "wrong": {}})

    def test_what_is_its_own_makes_it_unready(self):
        report = self.report(Check("a", lambda: "is closed"), Check("b", str))
        self.assertEqual(report.words(), {"status": "unready", "wrong": {"a": "is closed"}})

    def test_what_all_nodes_share_makes_it_degraded(self):
        """Elsewhere it would be no better; unless the configuration says otherwise."""
        database = Check("directory:people", lambda: "is down", shared=True)
        self.assertEqual(self.report(database).words()["status"], "degraded")
        self.assertEqual(self.report(database, required=["directory:people"]).words()["status"], "unready")
        self.assertEqual(self.report(database, required=["sessions:office"]).words()["status"], "degraded")

    def test_a_check_that_raises(self):
        """It is a fault of its own, and the other checks are asked."""
        report = self.report(Check("a", lambda: str(1 // 0)), Check("b", lambda: "is closed"))
        self.assertEqual(report.wrong, {"a": "cannot be told (ZeroDivisionError)", "b": "is closed"})
        self.assertFalse(report.ready)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_check_that_raises_each_time(self):
        """It is asked every second: the log is told once, and again when it had answered meanwhile."""
        health = Health()
        divisor = [0]
        health.add(Check("a", lambda: str(1 // divisor[0])[1:]))
        for number, told in ((0, 1), (0, 0), (1, 0), (0, 1)):
            divisor[0] = number
            self.assertEqual(health.report().ready, bool(number))
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), told)

    def test_checks_that_change(self):
        """Those of plugins, which a reload may replace."""
        health, checks = Health(), []
        health.add_source(lambda: checks)
        self.assertTrue(health.report().ready)
        checks.append(Check("authorizer:mine", lambda: "has lost its key"))
        self.assertEqual(health.report().wrong, {"authorizer:mine": "has lost its key"})
