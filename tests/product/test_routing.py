"""The running product with the channels of an Oro application, and what it says of those that it cannot decide."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from tests.authz.oro_application import FILE, FILES, route, written
from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter


class RoutingTests(SynchronousTestCase):
    def application(self, **files: str) -> Path:
        """Oro's own files, and those of bundles of one's own below src."""
        top = Path(tempfile.mkdtemp(prefix="oro-"))
        self.addCleanup(rmtree, top)
        return written(top, {**FILES, **{f"src/{bundle}/{FILE}": text for bundle, text in files.items()}})

    def test_channels_of_an_application(self):
        """Its own topics and Oro's: PHP publishes, the user hears what is the user's; a topic with a handler of the
        application is nobody's until the configuration says whose."""
        desk = route("acme.desk", "acme/desk/{user_id}", user_id=(r"\d+", False)) + route("acme.shy", "acme/shy")
        more = f"oro_routing = {self.application(Acme=desk)}\nchannel.acme/desk/{{user_id}} = subscribe user\n"
        with RunningRouter(topics=more) as router, RawClient(router.url("anna"), "wamp") as anna:
            self.assertEqual(anna.read()[0], 0)
            for topic in ("acme/desk/2", "oro/email_event/2/1", "acme/shy"):
                anna.send([5, topic])
                self.assertEqual(anna.read(), f'You are not allowed to subscribe on topic "{topic}".')
            for topic in ("acme/desk/1", "oro/email_event/1/*"):
                anna.send([5, topic])
                anna.send([5, "acme/shy"])
                anna.read()  # in order: once that is refused the first has been heard
                router.publish(topic=topic, payload={"to": topic})
                self.assertEqual(anna.read()[:2], [8, topic])
            self.assertIn(
                "its handler acme.shy is none of Oro's, so say who may: channel.acme/shy = subscribe", router.log
            )
            self.assertIn(f"(router.ini:{line_of(router.config, 'channel.acme/desk')}, src/Acme/{FILE}:1)", router.log)

    def test_reload(self):
        """SIGHUP reads the files anew: without an application the old rules stay; a channel that an update has brought
        is there, and a file that is broken is told with its line."""
        application = self.application()
        with (
            RunningRouter(topics=f"oro_routing = {application}") as router,
            RawClient(router.url("anna"), "wamp") as anna,
        ):
            self.assertEqual(anna.read()[0], 0)
            away = application.rename(f"{application}.away")
            router.child.process.send_signal(signal.SIGHUP)
            router.child.wait_for_line("the old rules stay")
            away.rename(application)
            news = route("acme.news", "acme/news", "oro_sync.maintenance")
            written(application, {f"src/Odd/{FILE}": "odd: [\n", f"src/Acme/{FILE}": news})
            router.child.process.send_signal(signal.SIGHUP)
            router.child.wait_for_line(f"src/Odd/{FILE}:2: is no YAML")
            router.child.wait_for_line("rules reloaded")
            anna.send([5, "acme/news"], [5, "oro/email_event/2/1"])
            self.assertIn("not allowed", anna.read())  # in order: the first has been heard
            router.publish(topic="acme/news", payload="hello")
            self.assertEqual(anna.read(), [8, "acme/news", "hello"])

    def test_what_cannot_be_decided(self):
        """The router starts; what cannot be decided is denied to everyone, the back end included, with file, line and
        the line to write in the log. Everything else is as declared."""
        application = self.application(
            A="a: b: c\n",
            B="b: {pattern: 'acme/b/{x}', callback: oro_sync.maintenance, requirements: {x: '(?i)a'}}\n",
            C="c: {pattern: acme/c, callback: oro_sync.maintenance}\n",
            D="d: {pattern: 'acme/d/{x}', callback: oro_sync.maintenance, requirements: {x: '\\w+'}}\n",
        )
        with (
            RunningRouter(topics=f"oro_routing = {application}") as router,
            RawClient(router.url("anna"), "wamp") as anna,
        ):
            self.assertEqual(anna.read()[0], 0)
            for fault in (
                f"src/A/{FILE}:1: is no YAML",
                f"src/B/{FILE}:1: 'acme/b/{{x}}': requirement of {{x}}: '(?i)a', character 2",
                "denied to everyone until a line says who may: channel.acme/b/{x} = subscribe ...; x REQUIREMENT",
            ):
                self.assertIn(fault, router.log)
            anna.send([5, "acme/b/a"], [5, "acme/d/a b"], [5, "acme/c"], [5, "acme/d/a_1"], [5, "oro/email_event/2/1"])
            self.assertIn("not allowed", anna.read())  # in order: the others have been heard
            for topic in ("acme/b/a", "acme/d/a b", "acme/c", "acme/d/a_1"):
                router.publish(topic=topic, payload="hello")
            self.assertEqual([anna.read(), anna.read()], [[8, "acme/c", "hello"], [8, "acme/d/a_1", "hello"]])

    def test_no_application(self):
        """A directory of something else ends the start with status 1 and a line that says what to name."""
        with RunningRouter() as router:
            router.config.write_text(
                router.config.read_text().replace("use = oro", f"oro_routing = {router.config.parent}")
            )
            command = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "orosync", "--config"]
            done = subprocess.run(
                [sys.executable, *command, str(router.config)],
                cwd=router.config.parent, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 1)
        self.assertIn("has neither src nor vendor, name the directory of an Oro application", done.stdout + done.stderr)


def line_of(config: Path, beginning: str) -> int:
    lines = config.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))
