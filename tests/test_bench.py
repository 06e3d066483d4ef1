"""The benchmark stays able to run: its load generator builds, and drives orosync as bench/router.ini has it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.ports import free_port
from tests.support.processes import Child, run

BENCH = Path(__file__).resolve().parent.parent / "bench"


class Benchmark(SynchronousTestCase):
    """bench/, on a small scale."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def test_load_generator_drives_orosync(self) -> None:
        """Ten subscribers of either protocol get every event of a publisher in order, and callers their results."""
        generator = str(self.directory / "wampload")
        run("gcc", "-O1", "-o", generator, str(BENCH / "wampload.c"), "-lssl", "-lcrypto", "-lm")
        port = free_port()
        config = self.directory / "router.ini"
        config.write_text((BENCH / "router.ini").read_text().replace("@PORT@", str(port)))
        command = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "orosync"]
        with Child([*command, "--config", str(config)], cwd="/") as router:
            router.wait_for_port(port)
            for scenario in [
                "--v 1 --scenario fanout --subs 10 --rate 50 --secs 0.5",
                "--v 2 --scenario fanout --subs 10 --rate 50 --secs 0.5",
                "--v 2 --scenario rpc --callers 2 --secs 0.5",
            ]:
                at = ("--port", str(port), "--path", "/", "--pid", str(router.process.pid))
                figures = json.loads(run(generator, *at, *scenario.split(), seconds=60))
                self.assertTrue(figures["ok"], (scenario, figures))

    def test_attack(self) -> None:
        """A flood of each shape is driven and its row printed; what it may cost, takes more time than a test has."""
        flood = str(self.directory / "flood")
        run("gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", flood, str(BENCH / "flood.c"), "-lssl", "-lcrypto")
        asked = ("--kinds", "ping tls", "--windows", "1", "--seconds", "1", "--conns", "2", "--flood", flood)
        command = [sys.executable, str(BENCH / "attack.py"), *asked]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120)
        rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
        self.assertEqual(len(rows), 3, done.stdout)
        control, *_ = done.stdout.splitlines()
        self.assertRegex(control, r"^control: p99 [\d.]+ ms \(at most 20\)$")
        met = all(row.endswith("| ok |") for row in rows[1:]) and "void" not in done.stdout
        self.assertEqual(done.returncode, 0 if met else 1, done.stdout)

    def test_ratios(self) -> None:
        """The table of bounds takes medians, and neither a figure over its bound nor an unclean run is passed over."""
        within = "| fan10 | us_ev | orosync-v2 | 12.00 | floor-txd | 10.00 | 1.20 | 1.2 | ok |"
        over = "| fan10 | us_ev | orosync-v2 | 13.00 | floor-txd | 10.00 | 1.30 | 1.2 | over |"
        for costs, clean, code, said in [
            ((10, 12, 99), True, 0, within),
            ((10, 13, 99), True, 1, over),
            ((10, 12, 99), False, 1, "not clean: fan10 orosync-v2 rep 1"),
        ]:
            rows = [{"case": "fan10", "peer": "orosync-v2", "us_ev": cost, "ok": clean, "rep": 1} for cost in costs]
            rows.append({"case": "fan10", "peer": "floor-txd", "us_ev": 10, "ok": True, "rep": 1})
            results = self.directory / "results.jsonl"
            results.write_text("".join(json.dumps(row) + "\n" for row in rows))
            command = (sys.executable, str(BENCH / "ratios.py"), str(results))
            if code:
                self.assertIn(said, str(self.assertRaises(AssertionError, run, *command)))
            else:
                self.assertIn(said, run(*command))

    def test_rules_are_measured(self) -> None:
        """What the rules cost is told for each case; how much it is, is nothing for a test."""
        command = [sys.executable, str(BENCH / "rules.py"), "--repeats", "1", "--count", "100"]
        told = json.loads(run(*command))["decisions"]
        self.assertIn("back end publishes, broadcast", told)
        for name, figures in told.items():
            self.assertEqual(set(figures), {"ns", "allow-all", "more"}, name)
            self.assertGreater(figures["allow-all"], 0, name)

    def test_monitoring_is_measured(self) -> None:
        """What increments and scrapes cost is told, on a small scale; how much it is, is nothing for a test."""
        command = [sys.executable, str(BENCH / "monitoring.py"), "--sessions", "20", "--scrapes", "2"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
        told = json.loads(done.stdout)
        self.assertEqual(set(told["scrape_ms"]), {"first", "each", "idle"})
        self.assertGreater(told["increment_us"]["counter"], 0)
        within = told["share_of_a_core"] <= 0.01 and told["increment_us"]["counter"] <= 0.1
        self.assertEqual(done.returncode, 0 if within else 1, told)

    def test_patterns(self) -> None:
        """What patterns cost a publish is measured, on a small scale; how much it is, is nobody's promise here."""
        command = [sys.executable, str(BENCH / "patterns.py"), "--patterns", "20", "--times", "5"]
        self.assertEqual(len(run(*command).splitlines()), 5)

    def test_backplane(self) -> None:
        """What crosses between processes is measured, on a small scale; every event that is sent has arrived."""
        command = [sys.executable, str(BENCH / "backplane.py"), "--nodes", "3", "--turns", "20", "--reps", "1"]
        rows = [line.split("|")[1:3] for line in run(*command, seconds=60).splitlines()[2:]]
        self.assertEqual(rows, [[f" {name} ", f" {batch} "] for name in ("busy", "idle") for batch in (1, 16)])

    def test_crossing(self) -> None:
        """What crosses is measured, in one process; how much it may be is asked of a quiet machine."""
        told = run(sys.executable, str(BENCH / "crossing.py"), "--rounds", "1").splitlines()
        self.assertEqual([line.partition(":")[0] for line in told], ["one event in a turn", "100 events in a turn"])

    def test_timing_is_measured(self) -> None:
        """The areas of all three pairs are told; how near to one half they are, takes more tries than a test has."""
        command = [sys.executable, str(BENCH / "timing.py"), "--tries", "5"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
        told = json.loads(done.stdout)
        self.assertEqual(set(told["area"]), {"unknown, wrong", "unknown, disabled", "wrong, disabled"})
        within = all(0.45 <= area <= 0.55 for area in told["area"].values())
        self.assertEqual(done.returncode, 0 if within else 1, told)

    def test_area(self) -> None:
        """One who always takes longer is told apart for certain, equals are not, and ties count half."""
        pairs = "[([1, 2], [3, 4]), ([3, 4], [1, 2]), ([1, 4], [2, 3]), ([1, 1], [1, 1]), ([1, 2], [2, 3])]"
        asked = f"from timing import area; print([area(one, other) for one, other in {pairs}])"
        told = run(sys.executable, "-c", asked, cwd=BENCH)
        self.assertEqual(json.loads(told), [0.0, 1.0, 0.5, 0.5, 0.125])
