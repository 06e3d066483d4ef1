"""The alerts for Prometheus, their runbook and the dashboard for Grafana: what they name exists, and Prometheus itself
takes the rules."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.metrics import METRICS
from orosync.app.metrics_page import sample_names

TREE = Path(__file__).resolve().parent.parent
RULES = TREE / "etc" / "prometheus" / "orosync.rules.yml"
DASHBOARD = TREE / "etc" / "grafana" / "orosync.json"
RUNBOOK = TREE / "docs" / "runbook.md"

SAMPLES = {name for metric in METRICS.values() for name in sample_names(metric)}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def labels_of(name: str) -> set[str]:
    """The labels of a sample, those that Prometheus adds among them."""
    (metric,) = (one for one in METRICS.values() if name in sample_names(one))
    return {*metric.labels, "instance", "job", "le"}


def expressions_of_dashboard() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


class Names(SynchronousTestCase):
    """Metrics and labels of alerts and panels."""

    def test_they_exist(self) -> None:
        """Each is a sample of METRICS, and each label in braces or behind ``by`` is one of its expression's metrics."""
        for expression in [*(one["expr"] for one in alerts()), *expressions_of_dashboard()]:
            names = set(re.findall(r"\borosync_\w+", expression))
            self.assertLessEqual(names, SAMPLES, expression)
            used = set(re.findall(r"(\w+)=~?\"", expression))
            for words in re.findall(r"by \(([^)]*)\)", expression):
                used |= {word.strip() for word in words.split(",")}
            known = set().union(*(labels_of(name) for name in names)) if names else {"job"}
            self.assertLessEqual(used, known, expression)

    def test_reason_codes_exist(self) -> None:
        """An alert about an event of the log names one that there is."""
        recorded = (TREE / "tests" / "stability" / "reason_codes.txt").read_text()
        events = {line.partition(":")[0] for line in recorded.splitlines()}
        named = {event for one in alerts() for event in re.findall(r'event="([^"]+)"', one["expr"])}
        self.assertTrue(named)
        self.assertLessEqual(named, events)

    def test_the_dashboard_shows_all(self) -> None:
        """No metric is without a panel."""
        shown = set(re.findall(r"\borosync_\w+", " ".join(expressions_of_dashboard())))
        missing = [name for name, metric in METRICS.items() if not shown & set(sample_names(metric))]
        self.assertEqual(missing, [])

    def test_panels(self) -> None:
        """Each has a number of its own, a title and a place; none covers another."""
        panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            self.assertTrue(panel["title"])
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            self.assertEqual(cells & taken, set(), panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells


class Runbook(SynchronousTestCase):
    """docs/runbook.md."""

    def paragraphs(self) -> dict[str, str]:
        """The text below each heading, by the heading."""
        _, *sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
        return {heading.strip(): text for heading, _, text in (one.partition("\n") for one in sections)}

    def test_each_alert_has_its_paragraph(self) -> None:
        """In the same order, and its link leads there."""
        self.assertEqual([one["alert"] for one in alerts()], list(self.paragraphs()))
        for one in alerts():
            self.assertEqual(one["annotations"]["runbook_url"], f"docs/runbook.md#{one['alert'].lower()}")
            self.assertIn(one["labels"]["severity"], ("critical", "warning"))

    def test_what_a_paragraph_says(self) -> None:
        """What users see, three commands, and whether to roll back."""
        for alert, text in self.paragraphs().items():
            self.assertEqual(text.count("**What users see.**"), 1, alert)
            self.assertEqual(text.count("**Roll back**"), 1, alert)
            self.assertEqual(len(re.findall(r"^    \S", text, re.MULTILINE)), 3, alert)


TESTS = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'up{{job="orosync", instance="a"}}', values: '1x5 0x10'}}
    alert_rule_test:
      - {{eval_time: 4m, alertname: OrosyncDown}}
      - eval_time: 8m
        alertname: OrosyncDown
        exp_alerts:
          - exp_labels: {{severity: critical, job: orosync, instance: a}}
            exp_annotations:
              summary: orosync on a does not answer
              runbook_url: docs/runbook.md#orosyncdown
  - interval: 1m
    input_series:
      - {{series: 'orosync_refusals_total{{instance="a", code="bad_digest"}}', values: '0+60x30'}}
      - {{series: 'orosync_session_joins_total{{instance="a", method="ticket"}}', values: '0+6x30'}}
      - {{series: 'orosync_refusals_total{{instance="b", code="bad_digest"}}', values: '0+60x30'}}
      - {{series: 'orosync_session_joins_total{{instance="b", method="ticket"}}', values: '0+600x30'}}
      - {{series: 'orosync_refusals_total{{instance="c", code="bad_digest"}}', values: '0+60x30'}}
      - {{series: 'orosync_sessions{{instance="a", role="user"}}', values: '100x15 10x15'}}
      - {{series: 'orosync_sessions{{instance="b", role="user"}}', values: '10x15 1x15'}}
      - {{series: 'orosync_certificate_expiry_seconds{{instance="a", listener="web"}}', values: '864000x30'}}
      - {{series: 'orosync_certificate_expiry_seconds{{instance="b", listener="web"}}', values: '8640000x30'}}
      - {{series: 'orosync_uptime_seconds{{instance="a"}}', values: '60 120 10 70 10 70 10 70 130'}}
      - {{series: 'orosync_reactor_lag_seconds_bucket{{instance="a", le="0.1"}}', values: '0+10x30'}}
      - {{series: 'orosync_reactor_lag_seconds_bucket{{instance="a", le="1.0"}}', values: '0+100x30'}}
      - {{series: 'orosync_reactor_lag_seconds_bucket{{instance="a", le="+Inf"}}', values: '0+100x30'}}
    alert_rule_test:
      - eval_time: 20m
        alertname: OrosyncLoginsRefused
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a}}
            exp_annotations:
              summary: orosync on a refuses more logins than it accepts
              runbook_url: docs/runbook.md#orosyncloginsrefused
          - exp_labels: {{severity: warning, instance: c}}
            exp_annotations:
              summary: orosync on c refuses more logins than it accepts
              runbook_url: docs/runbook.md#orosyncloginsrefused
      - eval_time: 22m
        alertname: OrosyncSessionsLost
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a}}
            exp_annotations:
              summary: orosync on a has lost half of its sessions within 10 minutes
              runbook_url: docs/runbook.md#orosyncsessionslost
      - eval_time: 5m
        alertname: OrosyncCertificateExpires
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a, listener: web}}
            exp_annotations:
              summary: the certificate of listener web on a is valid for another 10d 0h 0m 0s
              runbook_url: docs/runbook.md#orosynccertificateexpires
      - eval_time: 9m
        alertname: OrosyncRestarts
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a}}
            exp_annotations:
              summary: orosync on a has restarted 3 times in 30 minutes
              runbook_url: docs/runbook.md#orosyncrestarts
      - eval_time: 15m
        alertname: OrosyncReactorLag
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a}}
            exp_annotations:
              summary: orosync on a is late by 990ms
              runbook_url: docs/runbook.md#orosyncreactorlag
"""
"""What Prometheus is shown, and which alerts it has to give at which time."""


class Rules(SynchronousTestCase):
    """Prometheus' own tool, promtool."""

    def promtool(self, *arguments: str) -> str:
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_it_takes_the_rules(self) -> None:
        self.assertIn(f"{len(alerts())} rules found", self.promtool("check", "rules", str(RULES)))

    def test_it_takes_the_panels(self) -> None:
        """As rules, with Grafana's variables replaced as Grafana does."""
        queries = [
            one.replace("$__rate_interval", "5m").replace("$instance", ".+") for one in expressions_of_dashboard()
        ]
        rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            self.promtool("check", "rules", "--lint=none", file.name)

    def test_when_they_fire(self) -> None:
        """On faults, and not on what is usual."""
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(TESTS.format(rules=RULES))
            file.flush()
            self.promtool("test", "rules", file.name)
