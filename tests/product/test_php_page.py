"""docs/php.md: its bundle, its sections and its component, with real PHP, a running router and v1 clients."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.oro_routing import routed_channels
from orosync.cli.topics import from_oro
from tests.authz.oro_application import FILES, written
from tests.product.raw import RawClient
from tests.product.running_router import TREE, RunningRouter

PAGE = (TREE / "docs" / "php.md").read_text()
BUNDLE = "src/Acme/Bundle/DeskBundle"
REFUSED = 'You are not allowed to subscribe on topic "{}".'


def blocks(language: str) -> list[str]:
    """The page's blocks of code in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)


def sections(text: str) -> dict[str, str]:
    """The body of each section."""
    return dict(re.findall(r"(?ms)^\[([^]]+)\]\n(.*?)(?=^\[|\Z)", text))


class PhpPage(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="php-page-"))
        self.addCleanup(shutil.rmtree, self.place)
        files = dict(FILES)
        for text in (*blocks("yaml"), *blocks("php")):
            (name,) = re.findall(r"(?m)^(?:#|//) (src/\S+)$", text)
            files[name] = text
        self.application = written(self.place / "oro", files)
        self.first, self.second = (sections(text) for text in blocks("ini"))

    def topics(self) -> str:
        """The page's lines of [topics:oro], both of its blocks."""
        body = self.first["topics:oro"].replace("/var/www/oro", str(self.application))
        return body.replace("use = oro\n", "") + self.second["topics:oro"]

    def running(self) -> RunningRouter:
        """A router with the page's sections, the page's component among them; its timer is faster."""
        (self.place / "plugins").mkdir()
        (component,) = blocks("python")
        (self.place / "plugins" / component.partition("\n")[0].removeprefix("# ")).write_text(component)
        more = "\n".join(
            f"[{title}]\n{body}" for title, body in self.second.items() if title not in ("router", "topics:oro")
        )
        assert "every = 60" in more
        running = RunningRouter(
            router=self.second["router"].replace("/etc/orosync/plugins", str(self.place / "plugins")),
            topics=self.topics(),
            more=more.replace("every = 60", "every = 0.2"),
        )
        self.addCleanup(running.close)
        return running

    def client(self, running: RunningRouter, user: str) -> RawClient:
        """A v1 client that has its WELCOME."""
        client = RawClient(running.url(user), "wamp")
        self.addCleanup(client.close)
        self.assertEqual(client.read()[0], 0)
        return client

    def php(self, running: RunningRouter, *arguments: object) -> list[str]:
        """The page's class publishes: the topics."""
        job = {
            "file": str(self.application / f"{BUNDLE}/Notifier/OrderNotifier.php"),
            "class": "Acme\\Bundle\\DeskBundle\\Notifier\\OrderNotifier",
            "method": "orderChanged",
            "arguments": arguments,
            "host": "127.0.0.1",
            "port": running.public,
            "tls": False,
            "path": "/ws",
            "secret": running.secret,
        }
        command = ["php", str(TREE / "tests/php/bundle.php")]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return list(json.loads(done.stdout))

    def test_from_php_to_the_browser(self) -> None:
        """The bundle's class publishes in PHP, and the user whose order it is receives the event; each handler's line
        permits what the page says."""
        running = self.running()
        anna, ben = self.client(running, "anna"), self.client(running, "ben")
        for topic in ("acme/order/2", "acme/import_failed/2", "acme/board/a"):
            anna.send([5, topic])
            self.assertEqual(anna.read(), REFUSED.format(topic))
        for client, own in ((anna, 1), (ben, 2)):
            for topic in (f"acme/order/{own}", f"acme/import_failed/{own}", "acme/import_failed/*", "acme/news"):
                client.send([5, topic])
            client.send([5, "acme/board/a"])
            self.assertEqual(client.read(), REFUSED.format("acme/board/a"))  # in order: the others have been heard
        self.assertEqual(self.php(running, 1, "shipped"), ["acme/order/1"])
        self.assertEqual(anna.read(), [8, "acme/order/1", {"state": "shipped"}])
        for topic in ("acme/import_failed/*", "acme/news"):
            running.publish(topic=topic, payload=topic)
            self.assertEqual([client.read() for client in (anna, ben)], [[8, topic, topic]] * 2)

    def test_component(self) -> None:
        """The component's procedure can be called, and what it publishes at an interval is delivered."""
        running = self.running()
        anna = self.client(running, "anna")
        anna.send([2, "1", "acme.desk.open"])
        self.assertIn(anna.read(), ([3, "1", True], [3, "1", False]))
        anna.send([5, "acme/clock"])
        events = [anna.read() for _ in range(3)]
        self.assertEqual([event[:2] for event in events], [[8, "acme/clock"]] * 3)
        self.assertNotEqual(events[1], events[2])

    def test_command(self) -> None:
        """The command lists the page's channels, commented out, since their handlers are none of Oro's."""
        listed = "\n".join(from_oro(self.application))
        for key in re.findall(r"(?m)^(channel\.\S+)", self.first["topics:oro"]):
            self.assertIn(f"\n#{key} = subscribe ", listed)
        routing = routed_channels(self.application, {}, {}, "")
        self.assertEqual((len(routing.channels), routing.denied, routing.warnings), (10 + 4, (), ()))

    def test_table(self) -> None:
        """Every line of the table can be read, and those for the page's own channels are in its configuration."""
        lines = [line.replace("\\|", "|") for line in re.findall(r"`(channel\.[^`]+)`", PAGE)]
        self.assertGreater(len(lines), 5)
        parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string("[topics:oro]\n" + self.topics())
        written_out = dict(parser["topics:oro"])
        missing = []
        for line in lines:
            key, _, text = line.partition(" = ")
            if key in written_out:
                self.assertEqual(written_out[key], text)
            else:
                missing.append(line)
        self.assertEqual(len(missing), 2)
        running = RunningRouter(topics=f"oro_routing = {self.application}\n" + "\n".join(dict.fromkeys(lines)))
        self.addCleanup(running.close)
        self.assertNotIn("none of Oro's", running.log)
