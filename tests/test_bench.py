"""The benchmark stays able to run: its load generator builds, and drives orosync as bench/router.ini has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from tests.support.ports import free_port
from tests.support.processes import Child, run

BENCH = Path(__file__).resolve().parent.parent / "bench"


def free_ports(count: int) -> list[int]:
    """Free ports in a row."""
    ports = [free_port() for _ in range(count)]
    while ports[-1] - ports[0] != count - 1:
        ports = [*ports[1:], free_port()]
    return ports


class Benchmark(SynchronousTestCase):
    """bench/, on a small scale."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def generator(self) -> str:
        """The load generator, compiled."""
        path = str(self.directory / "wampload")
        run("gcc", "-O1", "-o", path, str(BENCH / "wampload.c"), "-lssl", "-lcrypto", "-lm")
        return path

    def test_load_generator_drives_orosync(self) -> None:
        """Over each listener of bench/router.ini, subscribers get every event in order, and callers their results."""
        generator = self.generator()
        port = free_ports(5)[0]
        pem = self.directory / "server.pem"
        made = "from own_router import *; certificate(Path(sys.argv[1]));"
        made += "[print(ticket(*user, 32 * 's')) for user in (('anna', 32 * 'h'), ('anna', 32 * 'h'), ('', 32 * 's'))]"
        anna, again, backend = run(sys.executable, "-c", made, str(self.directory), cwd=BENCH).split()
        tickets, of_oro = self.directory / "tickets", self.directory / "of_oro"
        tickets.write_text(quote(anna, safe=""))
        of_oro.write_text("\n".join(quote(one, safe="") for one in (anna, again, backend)))
        oro = "--realm oro --topic oro/data/update"
        environ = {**os.environ, "PYTHON": sys.executable, "BENCH_SECRET": 32 * "s", "BENCH_HASH": 32 * "h"}
        start = [str(BENCH / "peers" / "orosync" / "start.sh"), str(port), str(pem)]
        with Child(start, cwd=str(self.directory), environ=environ) as router:
            for offset in range(5):
                router.wait_for_port(port + offset)
            for offset, scenario in [
                (0, "--v 1 --scenario fanout --subs 10"),
                (0, "--v 2 --scenario fanout --subs 10 --ser msgpack"),
                (0, "--v 2 --scenario rpc --callers 2"),
                (1, "--v 2 --scenario fanout --subs 2 --tls 1"),
                (1, "--v 2 --scenario connect --subs 4 --conc 2 --tls 1 --resume 1"),
                (2, "--v 2 --scenario fanout --subs 2 --raw 1 --ser cbor"),
                (3, f"--v 1 --scenario fanout --subs 2 --tickets {tickets}"),
                (4, f"--v 1 --scenario fanout --subs 2 --tickets {of_oro} {oro}"),
                (4, f"--v 2 --scenario fanout --subs 2 --tickets {of_oro} {oro}"),
            ]:
                at = ("--port", str(port + offset), "--path", "/", "--pid", str(router.process.pid))
                load = ("--rate", "50", "--secs", "0.2", *scenario.split())
                figures = json.loads(run(generator, *at, *load, seconds=60))
                self.assertTrue(figures["ok"], (scenario, figures))
                self.assertEqual(figures.get("resumed"), 4 if "--resume" in scenario else None)

    def test_record(self) -> None:
        """A peer is started, driven and ended, its figures are written down, printed, and drawn."""
        results, drawing = self.directory / "results.jsonl", self.directory / "drawing.svg"
        asked = ("--peers", "orosync-raw", "--scenarios", "fan10", "--secs", "0.2", "--out", str(results))
        told = run(sys.executable, str(BENCH / "record.py"), "--generator", self.generator(), *asked, seconds=60)
        (row,) = map(json.loads, results.read_text().splitlines())
        self.assertEqual((row["case"], row["peer"], row["rep"], row["ok"]), ("fan10", "orosync-raw", 1, 1), row)
        self.assertRegex(told, r"\| orosync-raw \| \d")
        run(sys.executable, str(BENCH / "table.py"), str(results), "--svg", str(drawing))
        self.assertIn("orosync-raw", [text.text for text in ElementTree.parse(drawing).iter() if "text" in text.tag])

    def test_peer_that_does_not_start(self) -> None:
        """A peer that ends at once is an unclean run with what it said, and the record goes on."""
        asked = "import record; from scenarios import PEERS, Peer; PEERS['relay'] = Peer('floor.sh', ('sat100',), '');"
        asked += "import sys; sys.argv[1:] = ['--peers', 'relay', '--generator', sys.executable, '--out', sys.argv[1]];"
        asked += "sys.exit(record.main())"
        results = self.directory / "results.jsonl"
        done = subprocess.run([sys.executable, "-c", asked, str(results)], cwd=BENCH, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"not clean: sat100 relay rep 1: did not start", done.stdout)

    def test_tabs(self) -> None:
        """Pages that open behind nginx get every event, some are left and others opened, and all of it is drawn."""
        figures, drawing = self.directory / "tabs.jsonl", self.directory / "drawing.svg"
        asked = ("--tabs", "20", "--secs", "1.5", "--ways", "nginx", "--out", str(figures), "--svg", str(drawing))
        told = run(sys.executable, str(BENCH / "tabs.py"), "--generator", self.generator(), *asked, seconds=90)
        row, model = map(json.loads, figures.read_text().splitlines())
        self.assertEqual((row["ok"], row["open"], row["published"], row["gaps"]), (1, 20, 2, 0), row)
        self.assertGreater(row["logins"], 0)
        self.assertGreater(model["cores"]["router"], 0)
        self.assertIn("| orosync behind nginx | 20 | ", told)
        self.assertIn("Memory of a page, KiB", [part.text for part in ElementTree.parse(drawing).iter()])

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
        """Ratios are paired by repetition, and neither one over its bound nor an unclean run is passed over."""
        base = (10, 20, 10, 10, 10)
        met = "| fan10 | us_ev | orosync-v2 | 12.00 | floor-txd | 10.00 | 1.20 | 1.10..9.90 | 1.1 | ok |"
        over = "| fan10 | us_ev | orosync-v2 | 13.00 | floor-txd | 10.00 | 1.30 | 1.20..9.90 | 1.1 | over |"
        for costs, clean, more, code, said in [
            ((11, 24, 12, 12, 99), True, (), 0, met),
            ((12, 26, 13, 13, 99), True, (), 1, over),
            ((12, 26, 13, 13, 99), True, ("--slack", "0.15"), 0, over.replace("over", "ok")),
            ((11, 24, 12, 12, 99), False, (), 1, "not clean: fan10 orosync-v1 rep 1: timed out"),
        ]:
            common = {"case": "fan10", "ok": 1}
            rows = [{**common, "peer": "orosync-v2", "us_ev": cost, "rep": rep} for rep, cost in enumerate(costs)]
            rows += [{**common, "peer": "floor-txd", "us_ev": cost, "rep": rep} for rep, cost in enumerate(base)]
            if not clean:
                rows.append({"case": "fan10", "peer": "orosync-v1", "ok": 0, "why": "timed out", "rep": 1})
            results = self.directory / "results.jsonl"
            results.write_text("".join(json.dumps(row) + "\n" for row in rows))
            command = (sys.executable, str(BENCH / "ratios.py"), str(results), *more)
            if code:
                self.assertIn(said, str(self.assertRaises(AssertionError, run, *command)))
            else:
                self.assertIn(said, run(*command))

    def test_interval(self) -> None:
        """By order statistics: with five or seven from the least to the greatest, with eight without those two."""
        asked = "from ratios import interval; print([interval(range(count)) for count in (1, 2, 5, 7, 8, 20)])"
        told = run(sys.executable, "-c", asked, cwd=BENCH)
        self.assertEqual(told.strip(), "[(0, 0), (0, 1), (0, 4), (0, 6), (1, 6), (5, 14)]")

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
