"""README and docs: the example works, every link has a target, the lists are complete."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.container import Container
from orosync.config import load
from orosync.model import Action, Match, Verdict
from orosync.ops.journal import LEVELS
from orosync.testing import principal

TREE = Path(__file__).resolve().parents[2]
README = TREE / "README.md"
EXAMPLE = TREE / "docs" / "first-plugin.md"
INDEX = TREE / "docs" / "index.md"
OPERATIONS = TREE / "docs" / "operations.md"
PAGES = [*sorted(TREE.glob("*.md")), *sorted(TREE.glob("docs/*.md")), TREE / "bench" / "README.md"]

REST = """
[router]
state = .
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
[authenticator:ticket]
use = ticket
secret = env:SECRET
directory = people
[directory:people]
use = static
user.anna = 1 env:SECRET
[topics:oro]
use = oro
"""


def blocks(language: str) -> list[str]:
    """The page's blocks of code in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", EXAMPLE.read_text())


def first_arguments(*names: str) -> set[str]:
    """What the product's code hands to calls of ``names`` as their first argument, where that is written out. The
    commands (cli) write no log."""
    found = set()
    for path in set((TREE / "orosync").rglob("*.py")) - set((TREE / "orosync" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in names and isinstance(node.args[0].value, str):
                    found.add(node.args[0].value)
    return found


class PluginTests(SynchronousTestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(sys.modules.pop, "acme.warehouse", None)
        self.addCleanup(sys.modules.pop, "acme", None)
        self.patch(sys, "path", [str(self.directory), *sys.path])

    def test_example(self):
        """The authorizer of docs/first-plugin.md permits its topics to its role and leaves Oro's alone."""
        (code,), (sections,) = blocks("python"), blocks("ini")
        (self.directory / "acme").mkdir()
        (self.directory / "acme" / "warehouse.py").write_text(code)
        (self.directory / "router.ini").write_text(REST + sections)
        configuration = load(self.directory / "router.ini", {"SECRET": "0123456789abcdef"})
        chain = Container(configuration, Clock()).realms["oro"].chain
        keeper = principal(roles=frozenset({"ROLE_WAREHOUSE"}))
        other = principal("ben", user_id=2)
        for who, action, uri, match, verdict in [
            (keeper, Action.SUBSCRIBE, "acme/warehouse/1", Match.EXACT, Verdict.ALLOW),
            (keeper, Action.SUBSCRIBE, "acme/warehouse/", Match.PREFIX, Verdict.ALLOW),
            (keeper, Action.PUBLISH, "acme/warehouse/1", Match.EXACT, Verdict.DENY),
            (other, Action.SUBSCRIBE, "acme/warehouse/1", Match.EXACT, Verdict.DENY),
            (keeper, Action.SUBSCRIBE, "acme/", Match.PREFIX, Verdict.DENY),
            (other, Action.SUBSCRIBE, "oro/data/update", Match.EXACT, Verdict.ALLOW),
            (keeper, Action.SUBSCRIBE, "oro/email_event/2/1", Match.EXACT, Verdict.DENY),
        ]:
            decision = chain.decide(who, action, uri, match, {})
            self.assertIs(decision.verdict, verdict, (who.authid, action, uri))
            self.assertFalse(decision.failed, decision.rule)


class PageTests(SynchronousTestCase):
    def test_links(self):
        """Every link to a file of the project has a target."""
        links = 0
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
                if not re.match(r"[a-z]+:", target):
                    links += 1
                    self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")
        self.assertGreater(links, 8)

    def test_anchors(self):
        """Every link to a section of a page has a heading or an anchor there."""
        for page in PAGES:
            for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
                if re.match(r"[a-z]+:", target):
                    continue
                text = (page.parent / target if target else page).read_text()
                titles = re.findall(r"(?m)^#+ (.*)$", text)
                found = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
                found.update(re.findall(r'<a id="([^"]+)"', text))
                self.assertIn(anchor, found, f"{page.name}: {target}#{anchor}")

    def test_index(self):
        """docs/index.md leads to every page, and README to the index."""
        linked = set(re.findall(r"\]\(([\w-]+\.md)", INDEX.read_text()))
        self.assertEqual({page.name for page in TREE.glob("docs/*.md")} - linked, {"index.md"})
        self.assertIn("](docs/index.md)", README.read_text())

    def test_targets(self):
        """Every `make` command that README names exists."""
        named = set(re.findall(r"(?m)(?:^    |`)(?:[A-Z]+=\S+ )*make ([a-z]+)", README.read_text()))
        there = set(re.findall(r"(?m)^([a-z]+):", (TREE / "Makefile").read_text()))
        self.assertTrue({"run", "test", "bench"} <= named, named)
        self.assertEqual(named - there, set())

    def test_the_log_is_explained(self):
        """docs/operations.md has every reason for a refusal and every event, and says which are no information."""
        text = OPERATIONS.read_text()
        explained = set(re.findall(r"`([a-z_.]+)`", text))
        kinds = first_arguments("Refused", "Unavailable")
        self.assertTrue({"expired", "no_publish_right"} <= kinds, kinds)
        self.assertEqual(kinds - explained, set())
        events = first_arguments("note")
        self.assertTrue({"handshake.refused", "consumer.cut"} <= events, events)
        self.assertEqual({event for event in events if f"`{event}`" not in text and f"{event}:" not in text}, set())
        told = dict(re.findall(r"`([a-z_.]+)` \((warn|debug)\)", text))
        self.assertEqual(told, {event: level.name for event, level in LEVELS.items()})
