"""The demonstration as a customer is shown it: two windows of one browser before ``twistd orosync``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from twisted.trial.unittest import SynchronousTestCase

from tests.support.ports import free_port
from tests.support.processes import Child

TREE = Path(__file__).resolve().parents[2]
SECONDS = 30
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--ignore-certificate-errors",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--window-size=1280,800",
)


class Browser:
    """A headless Chromium with an empty profile. Elements are named by their data-testid."""

    def __init__(self, profile: str, flags: Sequence[str] = FLAGS) -> None:
        options = webdriver.ChromeOptions()
        for flag in (*flags, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
        assert browser and driver, "Chromium and its driver are not installed"
        options.binary_location = browser
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        self.resize(1280, 800)

    def resize(self, width: int, height: int) -> None:
        """The size of the page in this window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait; a failure says what for."""
        WebDriverWait(self.driver, SECONDS, poll_frequency=0.05).until(lambda _: condition(), f"never: {what}")

    def all(self, name: str) -> list[WebElement]:
        """Whatever of that name can be seen."""
        # In one go: an element may be replaced between being found and being asked.
        script = (
            "return [...document.querySelectorAll(`[data-testid='${arguments[0]}']`)]"
            ".filter((element) => element.checkVisibility({visibilityProperty: true, opacityProperty: true}))"
        )
        found: list[WebElement] = self.driver.execute_script(script, name)
        return found

    def see(self, name: str) -> WebElement:
        """The one element of that name, as soon as it can be seen."""
        self.until(lambda: self.all(name), name)
        return self.all(name)[0]

    def click(self, name: str) -> None:
        self.see(name).click()

    def type(self, name: str, text: str) -> None:
        field = self.see(name)
        field.clear()
        if max(text, default="") > "\uffff":  # ChromeDriver 150 has no keys for these; they are inserted, as phones do
            field.click()
            self.driver.execute_cdp_cmd("Input.insertText", {"text": text})
        else:
            field.send_keys(text)

    def state(self, state: str) -> None:
        """Wait until the status dot says so."""
        self.until(lambda: self.see("status").get_attribute("data-state") == state, f"the dot says {state}")

    def frames(self) -> list[tuple[str, str]]:
        """(direction, text) of every frame in the panel, also of those scrolled or filtered away."""
        script = (
            "return [...document.querySelectorAll('[data-testid=frames] > *')]"
            ".map((row) => [row.dataset.way, row.querySelector('code').textContent])"
        )
        return [(way, text) for way, text in self.driver.execute_script(script)]

    def got(self, part: str, times: int = 1) -> None:
        """Wait until so many frames with ``part`` have come in."""
        self.until(lambda: sum(way == "in" and part in text for way, text in self.frames()) >= times, part)


class Demonstration:
    """The demonstration's router with etc/router.ini, on free ports; it is started, and ended with the test."""

    def __init__(self, test: SynchronousTestCase) -> None:
        self.place = Path(test.mktemp()).absolute()
        self.place.mkdir()
        self._ports = free_port(), free_port()
        self.url, self.tls_url = (
            f"{scheme}://127.0.0.1:{port}/" for scheme, port in zip(("http", "https"), self._ports, strict=True)
        )
        text = (TREE / "etc" / "router.ini").read_text()
        for written, port in zip(("8442", "8443"), self._ports, strict=True):
            text = text.replace(written, str(port))
        self._config = self.place / "router.ini"
        self._config.write_text(text)
        self.start()
        test.addCleanup(self.end)

    def start(self) -> None:
        twistd = str(Path(sys.executable).with_name("twistd"))
        environ = {**os.environ, "PYTHONPATH": str(TREE), "STATE_DIRECTORY": str(self.place / "state")}
        command = [twistd, "--nodaemon", "--pidfile=", "orosync", "--config", str(self._config)]
        self._child = Child(command, cwd=self.place, environ=environ)
        for port in self._ports:
            self._child.wait_for_port(port, SECONDS)

    def end(self) -> int:
        return self._child.end()

    @property
    def output(self) -> str:
        return self._child.output


class Story(SynchronousTestCase):
    """Everything that the demonstration shows."""

    def setUp(self) -> None:
        self.router = Demonstration(self)
        # Chromium's profile stands elsewhere: its socket has a name that must not be long.
        profile = tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True)
        self.addCleanup(profile.cleanup)
        self.browser = Browser(profile.name)
        self.addCleanup(self.browser.driver.quit)
        self.browser.driver.get(self.router.url)

    def show(self, window: str) -> None:
        self.browser.driver.switch_to.window(window)

    def picture(self, name: str) -> None:
        """What is seen now, kept beside the log of the test run."""
        self.browser.driver.save_screenshot(str(self.router.place / f"{name}.png"))

    def two_windows(self) -> tuple[str, str]:
        """Anna's window, and Ben's, opened by the link in hers; both connected and showing the account."""
        browser = self.browser
        browser.see("choose-ben")
        self.picture("1-choice")
        browser.click("choose-anna")
        browser.state("connected")
        browser.until(lambda: browser.see("title").text == "Acme, Inc", "the account")
        anna = browser.driver.current_window_handle
        self.picture("2-record")
        browser.click("other-window")
        browser.until(lambda: len(browser.driver.window_handles) == 2, "a second window")
        (ben,) = set(browser.driver.window_handles) - {anna}
        self.show(ben)
        browser.resize(1280, 800)
        browser.state("connected")
        browser.until(lambda: browser.see("title").text == "Acme, Inc", "the account")
        self.assertEqual(browser.see("me").text, "Ben Carter")
        self.show(anna)
        self.assertEqual(browser.see("me").text, "Anna Novak")
        return anna, ben

    def test_story(self) -> None:
        """Save, be told, refresh; maintenance on and off; another user's topic: each window shows what it should."""
        browser = self.browser
        anna, ben = self.two_windows()

        # Anna saves. Ben is told, she is not, though the same event reached both.
        browser.type("field-phone", "+1 555 0199")
        browser.click("save")
        browser.see("flash-success")
        browser.got("oro/data/update")
        self.show(ben)
        self.assertIn("Content of “Acme, Inc” page is outdated", browser.see("flash-warning").text)
        self.assertEqual(browser.see("field-phone").get_attribute("value"), "+1 555 0112")
        self.picture("3-outdated")
        self.show(anna)
        self.assertEqual(browser.all("flash-warning"), [])

        # Ben refreshes by the link in the message.
        self.show(ben)
        browser.click("flash-action")
        browser.until(lambda: browser.see("field-phone").get_attribute("value") == "+1 555 0199", "the new number")
        self.assertEqual(browser.all("flash-warning"), [])
        self.assertIn("saved by Anna Novak", browser.see("saved").text)

        # Another account is none of Ben's page's business.
        self.show(anna)
        browser.click("account-13")
        browser.until(lambda: browser.see("title").text == "Globex Corporation", "the other account")
        browser.click("save")
        browser.got("Account_13")
        self.show(ben)
        browser.got("Account_13")
        self.assertEqual(browser.all("flash-warning"), [])

        # Ben asks for what is Anna's.
        browser.click("forbidden")
        refusal = 'You are not allowed to subscribe on topic "oro/email_event/1/*".'
        self.assertEqual(browser.see("refusal").text, f"Refused. {refusal}")
        browser.got(refusal)
        self.picture("4-refusal")
        browser.state("connected")

        # Maintenance: Ben is blocked and cannot help it, Anna is not.
        self.show(anna)
        browser.click("maintenance")
        browser.until(lambda: browser.see("maintenance").get_attribute("aria-checked") == "true", "the switch is on")
        browser.got('"isOn":true')
        self.assertEqual(browser.all("modal"), [])
        self.show(ben)
        modal = browser.see("modal")
        self.picture("5-maintenance")
        for _ in range(3):
            modal.send_keys(Keys.ESCAPE)
        self.assertTrue(modal.is_displayed())
        self.show(anna)
        browser.click("maintenance")
        browser.got('"isOn":false,"userId":1')
        self.show(ben)
        browser.until(lambda: not browser.all("modal"), "the notice goes away")

        # The panel: filtered and cleared.
        browser.type("frames-filter", "not allowed")
        browser.until(lambda: browser.see("frames-count").text.startswith("1 of "), "one frame left")
        browser.click("frames-clear")
        browser.until(lambda: browser.frames() == [], "no frames")

        # Nobody was shown a ticket, and nothing went wrong unseen.
        for window in (anna, ben):
            self.show(window)
            self.assertEqual([text for _, text in browser.frames() if "ticket=" in text and "ticket=…" not in text], [])
            severe = [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"]
            self.assertEqual(severe, [])
        self.assertNotIn("ticket=", self.router.output)

    def test_phone(self) -> None:
        """On a phone nothing is wider than the screen, and everything can be reached."""
        browser = self.browser
        browser.resize(390, 844)
        browser.click("choose-ben")
        browser.state("connected")
        browser.until(lambda: browser.see("title").text == "Acme, Inc", "the account")
        self.picture("6-phone")
        width = browser.driver.execute_script("return document.documentElement.scrollWidth")
        self.assertEqual(width, 390)
        for name in ("save", "cancel", "account-14", "maintenance", "forbidden", "frames-clear", "logout"):
            browser.see(name)
        browser.click("logout")
        browser.see("choose-anna")

    def test_restart(self) -> None:
        """Over TLS: the router is restarted, the dot follows and the page comes back; without its cookies it is
        refused. The log of an ordinary stop with a connected page has no warning."""
        browser = self.browser
        browser.driver.get(self.router.tls_url)
        browser.click("choose-anna")
        browser.state("connected")
        self.assertEqual(self.router.end(), 0, self.router.output)
        _, stops, stop = self.router.output.partition("stops: ")
        self.assertTrue(stops)
        self.assertNotRegex(stop, "#(warn|error|critical)|Traceback")
        browser.state("reconnecting")
        self.router.start()
        browser.state("connected")
        browser.got('[0,"', times=2)
        browser.type("field-phone", "after the restart")
        browser.click("save")
        browser.see("flash-success")
        browser.got("oro/data/update")

        self.assertEqual(self.router.end(), 0, self.router.output)
        browser.driver.delete_all_cookies()
        self.router.start()
        browser.state("refused")
        self.picture("7-refused")
