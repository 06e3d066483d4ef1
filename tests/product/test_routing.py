"""The running product with the channels of an Oro application, and what it says of an application it cannot read."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from tests.authz.oro_application import FILE, FILES, route, written
from tests.product.house import House
from tests.product.raw import RawClient


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
        with House(topics=more) as house, RawClient(house.url("anna"), "wamp") as anna:
            self.assertEqual(anna.read()[0], 0)
            for topic in ("acme/desk/2", "oro/email_event/2/1", "acme/shy"):
                anna.send([5, topic])
                self.assertEqual(anna.read(), f'You are not allowed to subscribe on topic "{topic}".')
            for topic in ("acme/desk/1", "oro/email_event/1/*"):
                anna.send([5, topic])
                anna.send([5, "acme/shy"])
                anna.read()  # in order: once that is refused the first has been heard
                house.publish(topic=topic, payload={"to": topic})
                self.assertEqual(anna.read()[:2], [8, topic])
            self.assertIn(
                "its handler acme.shy is none of Oro's, so say who may: channel.acme/shy = subscribe", house.log
            )
            self.assertIn(f"(router.ini:{line_of(house.config, 'channel.acme/desk')}, src/Acme/{FILE}:1)", house.log)

    def test_reload(self):
        """SIGHUP reads the files anew: a channel that an update has brought is there, and while the files are broken
        the old rules stay, with the file and line in the log."""
        application = self.application()
        with House(topics=f"oro_routing = {application}") as house, RawClient(house.url("anna"), "wamp") as anna:
            self.assertEqual(anna.read()[0], 0)
            path = f"src/Acme/{FILE}"
            written(application, {path: "acme: [\n"})
            house.child.process.send_signal(signal.SIGHUP)
            house.child.wait_for_line(f"{path}:2: is no YAML")
            house.child.wait_for_line("the old rules stay")
            written(application, {path: route("acme.news", "acme/news", "oro_sync.maintenance")})
            house.child.process.send_signal(signal.SIGHUP)
            house.child.wait_for_line("rules reloaded")
            anna.send([5, "acme/news"], [5, "oro/email_event/2/1"])
            self.assertIn("not allowed", anna.read())  # in order: the first has been heard
            house.publish(topic="acme/news", payload="hello")
            self.assertEqual(anna.read(), [8, "acme/news", "hello"])

    def test_application_that_cannot_be_read(self):
        """The start ends with status 1, and a line for each fault with its file and line."""
        application = self.application(A="a: b: c\n", B="b:\n  channel: 1\n  handler: x\n", C=route("c", "oro/ping"))
        with House() as house:
            house.config.write_text(house.config.read_text().replace("use = oro", f"oro_routing = {application}"))
            command = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "orosync", "--config"]
            done = subprocess.run(
                [sys.executable, *command, str(house.config)],
                cwd=house.config.parent, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 1)
        for fault in (f"src/A/{FILE}:1: is no YAML", f"src/B/{FILE}:2: b: '1' is no text (int), put it in quotes",
                      f"SyncBundle/{FILE}:1: oro/ping is a channel of src/C/{FILE}:1 too"):  # fmt: skip
            self.assertIn(fault, done.stdout + done.stderr)


def line_of(config: Path, beginning: str) -> int:
    lines = config.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))
