"""Components in a router as it runs: joined before anybody is let in, at the end the last to go."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.container import Container
from orosync.config import load
from orosync.errors import ConfigError
from tests.app.test_service import OPEN, ServiceCase
from tests.product.raw import Closed, RawClient
from tests.product.running_router import start
from tests.support.ports import free_port

COMPONENTS = """
[role:feed]
permissions =
    any all
[component:adder]
use = acme_components:Adder
role = feed
more = 1000
[component:asker]
use = acme_components:Asker
role = feed
"""

MODULE = '''
from autobahn.twisted.wamp import ApplicationSession
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

class Adder(ApplicationSession):
    """Takes its time to start."""

    async def onJoin(self, details):
        await deferLater(reactor, 0.3, lambda: None)
        await self.register(lambda a, b: a + b + int(self.config.extra["more"]), "add")
        print("adder is ready")

    def onLeave(self, details):
        print("adder leaves:", details.reason)
        super().onLeave(details)

class Asker(ApplicationSession):
    """Counts on the one before it."""

    async def onJoin(self, details):
        print("asker was told", await self.call("add", 1, 2))

class Broken(ApplicationSession):
    async def onJoin(self, details):
        await self.subscribe(print, "topic")
        raise ValueError("no luck today")

class Endless(ApplicationSession):
    async def onJoin(self, details):
        print("endless has begun")
        await Deferred()

class Unmakeable(ApplicationSession):
    def __init__(self, config):
        raise LookupError("no such thing")
'''


def place(test, components=COMPONENTS):
    """A directory with a configuration and the module of its components; the port."""
    holder = tempfile.TemporaryDirectory(prefix="hosting-")
    test.addCleanup(holder.cleanup)
    directory = Path(holder.name)
    (directory / "acme_components.py").write_text(MODULE)
    port = free_port()
    text = (
        OPEN.format(one="origin = optional", more="")
        .replace("tcp:0:", f"tcp:{port}:")
        .replace("state = .", "state = .\nplugins = .")
    )
    (directory / "router.ini").write_text(text + components)
    return directory, port


class ProcessTests(SynchronousTestCase):
    """``twistd orosync`` with components."""

    def test_life(self):
        """The port is open at once, but whoever comes is served when every component is there; at SIGTERM clients go
        first, and the status is 0."""
        directory, port = place(self)
        with start(directory / "router.ini") as child:
            child.wait_for_port(port)
            client = RawClient(f"ws://127.0.0.1:{port}/", "wamp.2.json")
            self.addCleanup(client.close)
            self.assertIn("asker was told 1003", child.output)
            client.join("open")
            client.send([48, 1, {}, "add", [4, 5]])
            self.assertEqual(client.read(), [50, 1, {}, [1009]])
            self.assertEqual(child.end(), 0, child.output)
        lines = child.output
        self.assertLess(lines.index("adder is ready"), lines.index("[component:adder] has started"))
        self.assertLess(lines.index("[component:adder] has started"), lines.index("asker was told"))
        self.assertIn("adder leaves: wamp.close.system_shutdown", lines)
        with self.assertRaises(Closed):
            client.read()

    def test_cannot_start(self):
        """A component that fails in onJoin or cannot be made ends the process with status 1 and a line."""
        for name, words in [
            ("Broken", "[component:adder] failed in onJoin: ValueError: no luck today"),
            ("Unmakeable", "[component:adder] cannot be made: LookupError: no such thing"),
        ]:
            directory, _ = place(self, COMPONENTS.replace("Adder", name))
            with start(directory / "router.ini") as child:
                self.assertEqual(child.process.wait(20), 1, child.output)
            self.assertIn(words, child.output)
            self.assertNotIn("asker was told", child.output)

    def test_stopped_while_starting(self):
        """A router that is stopped while a component is still starting ends properly, and at once."""
        directory, _ = place(self, COMPONENTS.replace("Adder", "Endless"))
        with start(directory / "router.ini") as child:
            child.wait_for_line("endless has begun")
            self.assertEqual(child.end(5), 0, child.output)
        self.assertNotIn("Traceback", child.output)
        self.assertNotIn("asker was told", child.output)


class ConfigurationTests(SynchronousTestCase):
    def test_import_fails(self):
        """Modules that are not there are told together with everything else, before anything starts."""
        directory, _ = place(self, COMPONENTS.replace("acme_components:Adder", "acme_nowhere:Adder"))
        self.patch(sys, "path", list(sys.path))
        configuration = load(directory / "router.ini", os.environ)
        with self.assertRaises(ConfigError) as caught:
            Container(configuration, Clock()).realms  # noqa: B018
        self.assertEqual(
            [fault.partition(",")[0] for fault in caught.exception.faults],
            ["[component:adder] use: there is no module acme_nowhere"],
        )


class ServiceTests(ServiceCase):
    async def test_without_components(self):
        """A router without components lets people in at once, as it always did."""
        service = self.serve()
        host, _, port = service.address_of("one").partition(":")
        client = await deferToThread(RawClient, f"ws://{host}:{port}/")
        self.addCleanup(client.close)
        await deferToThread(client.join)
        self.assertEqual(self.said(LogLevel.critical), [])
