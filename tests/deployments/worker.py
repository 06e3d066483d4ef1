"""Plays cases in a private network, in one Chromium: JSON lists on standard input and output, one a line.

Those of the input are cases that one router serves together (``cases.batches``), those of the output their results,
{"outcome": {client: {check: ...}}, "log": ...}; the log is that of all programs, if something was not as expected.
Started by ``python -m tests.deployments`` inside ``network.private()``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.deployments.cases import CHECKS, WORKS, Case
from tests.deployments.network import Network
from tests.deployments.site import NAMES, Site
from tests.product.test_demo_story import FLAGS, Browser

SECONDS = 60.0
OWN, OTHERS, SHARED = "oro/email_event/1/1", "oro/email_event/2/1", "oro/data/update"


class Failed(Exception):
    """A check did not come out as it should; the text says how."""


def _is_back(welcomes: int, now: dict[str, Any]) -> bool:
    """Whether a page is connected again that had received so many WELCOME messages."""
    return bool(now["open"]) and now["welcomes"] > welcomes


class Player:
    """Cases that one site serves, from login to logout; they run side by side, each with a client of the same page."""

    def __init__(self, browser: Browser, site: Site, cases: list[Case]) -> None:
        self._driver, self._site = browser.driver, site
        self._expected = {case.method: case.expected() for case in cases}
        self._pages: dict[str, dict[str, str]] = {case.method: {} for case in cases}
        self._count = 0

    def play(self) -> list[dict[str, dict[str, str]]]:
        """The outcome of each check, as Case.expected() has it, for each case."""
        self._check("in", self._log_in, self._enters)
        php = {"in": self._outcome(self._php_publishes), "own topics": "never subscribes"}
        if inside := self._inside():
            self._check("own topics", self._publish_on_topics, self._own_topics)
            self._check("publish", self._publish_to_all, self._published)
            php["publish"] = self._pages[inside[0]]["publish"]
            self._check("restart", self._restart, self._back)
            php["restart"] = self._pages[inside[0]]["restart"]
            self._check("logout", self._log_out, self._logged_out)
        else:
            php["publish"] = php["in"]
            self._site.restart()
            php["restart"] = self._outcome(self._php_publishes)
        php |= {"logout": "no session", "through the proxy": self._outcome(self._php_through_the_proxy)}
        return [
            {"page": {**dict.fromkeys(CHECKS["page"], "not in"), **page}, "PHP": php} for page in self._pages.values()
        ]

    def _inside(self) -> list[str]:
        return [method for method, page in self._pages.items() if page.get("in") == WORKS]

    def _check(self, name: str, prepare: Callable[[], Any], verify: Callable[[str, Any], str]) -> None:
        """``prepare`` once; then ``verify`` each client with what it gave."""
        methods = self._inside() if name != "in" else list(self._pages)
        try:
            given = prepare()
        except Failed as failed:
            for method in methods:
                self._pages[method][name] = f"failed: {failed}"
        else:
            for method in methods:
                self._pages[method][name] = self._outcome(verify, method, given)

    def _outcome(self, check: Callable[..., str], *arguments: Any) -> str:
        try:
            return check(*arguments)
        except Failed as failed:
            return f"failed: {failed}"

    def _state(self, method: str) -> dict[str, Any]:
        state: dict[str, Any] = self._driver.execute_script("return clients[arguments[0]].state", method)
        return state

    def _until(self, method: str, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while not condition(state := self._state(method)):
            if time.monotonic() > deadline:
                raise Failed(f"never: {what}; the page's state is {json.dumps(state)}")
            time.sleep(0.05)
        return state

    def _publish(self, topic: str) -> Any:
        """PHP publishes a payload of its own on ``topic``: the payload."""
        self._count += 1
        done = self._site.publish(topic, payload := {"n": self._count})
        if done["published"] != 1:
            raise Failed(f"PHP has not published: {done['errors']}")
        return payload

    def _log_in(self) -> None:
        driver = self._driver
        driver.get("about:blank")
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        driver.get(f"{self._site.url}/user/login")
        driver.execute_script(
            "document.querySelector('input').value = 'anna'; document.querySelector('button').click()"
        )
        deadline = time.monotonic() + SECONDS
        while driver.title != "Dashboard":
            if time.monotonic() > deadline:
                raise Failed(f"never: logged in; {driver.current_url} {driver.page_source[:300]}")
            time.sleep(0.05)

    def _enters(self, method: str, _: None) -> str:
        state = self._until(method, lambda now: now["welcomes"] > 0 or len(now["ends"]) > 1, "an answer")
        if state["welcomes"]:
            return WORKS
        refused = self._site.router.wait_for_line("handshake.refused")
        return "no cookie" if "(no_credentials)" in refused else f"failed: {refused}"

    def _publish_on_topics(self) -> Any:
        for method in self._inside():
            self._until(method, lambda now: any(OTHERS in text for text in now["refused"]), f"{OTHERS} is refused")
        self._publish(OTHERS)
        return self._publish(OWN)

    def _own_topics(self, method: str, own: Any) -> str:
        """Events on the user's own topic arrive, those of another user, which were published before, do not."""
        state = self._until(method, lambda now: [OWN, own] in now["events"], f"an event on {OWN}")
        if any(topic == OTHERS for topic, _ in state["events"]):
            raise Failed(f"the page has received an event on {OTHERS}")
        return WORKS

    def _publish_to_all(self) -> Any:
        for method in self._inside():
            self._driver.execute_script(
                "clients[arguments[0]].socket.send(JSON.stringify([7, arguments[1], 'of a page']))", method, SHARED
            )
        return self._publish(SHARED)

    def _published(self, method: str, payload: Any) -> str:
        """What PHP publishes arrives; what the pages published does not, though it would come first."""
        state = self._until(method, lambda now: [SHARED, payload] in now["events"], f"an event on {SHARED}")
        if [SHARED, "of a page"] in state["events"]:
            raise Failed("a page may publish")
        return WORKS

    def _restart(self) -> Any:
        """The router restarts while the application is in maintenance mode, as in an update of Oro."""
        welcomes = {method: self._state(method)["welcomes"] for method in self._inside()}
        self._site.lock.touch()
        self._site.restart()
        for method in set(welcomes) - {"cookie"}:
            self._until(method, lambda now: now["tickets"][-1] == 503, "no ticket during maintenance")
        self._site.lock.unlink()
        for method, before in welcomes.items():
            self._until(method, partial(_is_back, before), "the page is back")
        return self._publish_to_all()

    def _back(self, method: str, payload: Any) -> str:
        """The page is back by itself, and receives what is published then."""
        if (ends := self._state(method)["ends"])[0]:
            raise Failed(f"a clean end, after which Oro's page does not come back: {ends}")
        return self._published(method, payload)

    def _log_out(self) -> tuple[float, dict[str, int]]:
        """Another tab logs out; when, and how many connections had ended until then."""
        ends = {method: len(self._state(method)["ends"]) for method in self._inside()}
        self._driver.execute_script("fetch(`${arguments[0]}/user/logout`)", self._site.url)
        return time.monotonic(), ends

    def _logged_out(self, method: str, given: tuple[float, dict[str, int]]) -> str:
        """The connection has ended and there is no way back; or it has not, though revalidation took place twice."""
        since, ends = given
        before = ends[method]
        expected = self._expected[method]["page"]["logout"]
        if expected == WORKS:
            self._until(method, lambda now: len(now["ends"]) > before and not now["open"], "the connection ends")
            self._until(
                method, lambda now: len(now["ends"]) > before + 1 or now["tickets"][-1:] == [401], "no way back"
            )
            return WORKS
        time.sleep(max(0.0, since + 2.5 - time.monotonic()))
        if not self._state(method)["open"]:
            raise Failed("the connection has ended")
        self._driver.execute_script("clients[arguments[0]].again()", method)
        self._until(method, lambda now: now["tickets"][-1] == 401, "no new ticket")
        return expected

    def _php_publishes(self) -> str:
        done = self._site.publish(SHARED, "at last")
        return WORKS if done["published"] == 1 else f"failed: {done['errors']}"

    def _php_through_the_proxy(self) -> str:
        """Where there is one: PHP takes the way of the browsers."""
        if not self._site.browsers_dsn:
            return "no proxy"
        done = self._site.publish(SHARED, "through the proxy", through=self._site.browsers_dsn)
        expected = ['Expected "HTTP/1.1 101", got "HTTP/1.1 403"']
        return "refused" if done["errors"] == expected else f"failed: {done}"


def main() -> None:
    """Until standard input ends. The argument is the path of the page that has the configurations."""
    text = Path(sys.argv[1]).read_text()
    rules = ",".join(f"MAP {name} {address}" for name, address in NAMES.items())
    with tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True) as profile, Network() as network:
        browser = Browser(profile, (*FLAGS, f"--host-resolver-rules={rules}"))
        try:
            for line in sys.stdin:
                cases = [Case(**case) for case in json.loads(line)]
                print(json.dumps(_played(network, browser, cases, text)), flush=True)
        finally:
            browser.driver.quit()


def _played(network: Network, browser: Browser, cases: list[Case], text: str) -> list[dict[str, Any]]:
    try:
        with Site(network, cases, text) as site:
            outcomes = Player(browser, site, cases).play()
            good = all(outcome == case.expected() for case, outcome in zip(cases, outcomes, strict=True))
            log = "" if good else site.log()
    except Exception:
        log = traceback.format_exc()
        failed = f"failed: {log.strip().splitlines()[-1]}"
        outcomes = [
            {client: dict.fromkeys(checks, failed) for client, checks in case.expected().items()} for case in cases
        ]
    return [{"outcome": outcome, "log": log} for outcome in outcomes]


if __name__ == "__main__":
    main()
