"""An example as somebody tries it: ``twistd orosync`` with its configuration, its page in a browser."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.test_demo_story import Browser
from tests.support.ports import free_port
from tests.support.processes import Child

TREE = Path(__file__).resolve().parents[2]
SECONDS = 30


class Example:
    """One example's router on a free port."""

    def __init__(self, test: SynchronousTestCase, name: str) -> None:
        holder = tempfile.TemporaryDirectory(prefix="example-")
        test.addCleanup(holder.cleanup)
        self.place = Path(holder.name)
        self.port = free_port()
        own = TREE / "examples" / name
        text = (own / "router.ini").read_text()
        # The same configuration from another place and on another port.
        text = re.sub(r"tcp:\d+:", f"tcp:{self.port}:", text)
        text = text.replace("= page ../shared", f"= {own / 'page'} {TREE / 'examples' / 'shared'}")
        text = text.replace("plugins = ..", f"plugins = {TREE / 'examples'}")
        (self.place / "router.ini").write_text(text)
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()
        test.addCleanup(self.end)

    def start(self) -> None:
        twistd = str(Path(sys.executable).with_name("twistd"))
        environ = {**os.environ, "PYTHONPATH": str(TREE)}
        command = [twistd, "--nodaemon", "--pidfile=", "orosync", "--config", str(self.place / "router.ini")]
        self.child = Child(command, cwd="/", environ=environ)
        self.child.wait_for_line("pages are at", SECONDS)

    def end(self) -> int:
        return self.child.end()

    def client(self, test: SynchronousTestCase, realm: str, user: str) -> RawClient:
        """A client that speaks for itself, right or wrong."""
        client = RawClient(f"ws://127.0.0.1:{self.port}/")
        test.addCleanup(client.close)
        return client.join(realm, authid=user, authmethods=["demo"])


class ExampleCase(SynchronousTestCase):
    """A test with one example and, when it is asked for, a browser."""

    name = ""

    def setUp(self) -> None:
        self.example = Example(self, self.name)

    def browse(self, where: str = "", width: int = 1280, height: int = 800) -> Browser:
        profile = tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True)
        self.addCleanup(profile.cleanup)
        browser = Browser(profile.name)
        self.addCleanup(browser.driver.quit)
        browser.resize(width, height)
        browser.driver.get(self.example.url + where)
        return browser

    def picture(self, browser: Browser, name: str) -> None:
        """What is seen now, kept beside the log of the test run."""
        browser.driver.save_screenshot(f"{self.name}-{name}.png")

    def window(self, browser: Browser, where: str) -> str:
        """One more window of the same browser."""
        browser.driver.switch_to.new_window("window")
        browser.resize(1280, 800)
        browser.driver.get(self.example.url + where)
        handle: str = browser.driver.current_window_handle
        return handle

    def sound(self, browser: Browser) -> None:
        """Nothing went wrong unseen."""
        self.assertEqual([entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"], [])

    def fits(self, browser: Browser, width: int) -> None:
        """Nothing is wider than the screen."""
        self.assertEqual(browser.driver.execute_script("return document.documentElement.scrollWidth"), width)


def asked(client: RawClient, *message: Any) -> Any:
    """The answer to one request; events that come before it are passed over."""
    client.send(list(message))
    while (answer := client.read())[0] == 36:
        continue
    return answer
