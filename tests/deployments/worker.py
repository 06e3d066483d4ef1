"""Plays cases in a private network, in one Chromium: a JSON case a line on standard input, a result a line on output.

The result is {"outcome": {client: {check: ...}}, "log": ...}; the log is that of all programs, where something was not
as expected. Started by ``python -m tests.deployments`` inside ``network.private()``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.deployments.cases import CHECKS, WORKS, Case
from tests.deployments.network import Network
from tests.deployments.site import NAMES, Site
from tests.product.test_demo_story import FLAGS, Browser

SECONDS = 20.0
OWN, OTHERS, SHARED = "oro/email_event/1/1", "oro/email_event/2/1", "oro/data/update"


class Failed(Exception):
    """A check did not come out as it should; the text says how."""


class Player:
    """One case, from login to logout."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._driver, self._site = browser.driver, site
        self._count = 0

    def play(self) -> dict[str, dict[str, str]]:
        """The outcome of each check, as Case.expected() has it."""
        page = {"in": self._outcome(self._enters)}
        php = {"in": self._outcome(self._php_publishes), "own topics": "never subscribes"}
        if page["in"] == WORKS:
            page["own topics"] = self._outcome(self._own_topics)
            php["publish"] = page["publish"] = self._outcome(self._published)
            php["restart"] = page["restart"] = self._outcome(self._restart)
            page["logout"] = self._outcome(self._logout)
        else:
            page |= dict.fromkeys(CHECKS["page"][1:], "not in")
            php["publish"] = php["in"]
            self._site.restart()
            php["restart"] = self._outcome(self._php_publishes)
        php |= {"logout": "no session", "through the proxy": self._outcome(self._php_through_the_proxy)}
        return {"page": page, "PHP": php}

    def _outcome(self, check: Callable[[], str]) -> str:
        try:
            return check()
        except Failed as failed:
            return f"failed: {failed}"

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._driver.execute_script("return state")
        return state

    def _until(
        self, condition: Callable[[dict[str, Any]], bool], what: str, seconds: float = SECONDS
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not condition(state := self._state()):
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

    def _enters(self) -> str:
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
        state = self._until(lambda now: now["welcomes"] > 0 or len(now["ends"]) > 1, "an answer")
        if state["welcomes"]:
            return WORKS
        refused = self._site.router.wait_for_line("handshake.refused")
        return "no cookie" if "(no_credentials)" in refused else f"failed: {refused}"

    def _own_topics(self) -> str:
        """Events on the user's own topic and on that of all arrive, those of another user do not."""
        self._until(lambda now: any(OTHERS in text for text in now["refused"]), f"{OTHERS} is refused")
        self._publish(OTHERS)
        own = self._publish(OWN)
        state = self._until(lambda now: [OWN, own] in now["events"], f"an event on {OWN}")
        if any(topic == OTHERS for topic, _ in state["events"]):
            raise Failed(f"the page has received an event on {OTHERS}")
        return WORKS

    def _published(self) -> str:
        """What PHP publishes arrives; what the page publishes does not, though it would come first."""
        self._driver.execute_script(f"current.send(JSON.stringify([7, '{SHARED}', 'of a page']))")
        payload = self._publish(SHARED)
        state = self._until(lambda now: [SHARED, payload] in now["events"], f"an event on {SHARED}")
        if [SHARED, "of a page"] in state["events"]:
            raise Failed("a page may publish")
        return WORKS

    def _restart(self) -> str:
        """The page is back by itself, and receives what is published then."""
        welcomes = self._state()["welcomes"]
        self._site.restart()
        self._until(lambda now: now["open"] and now["welcomes"] > welcomes, "the page is back")
        if (ends := self._state()["ends"])[0]:
            raise Failed(f"a clean end, after which Oro's page does not come back: {ends}")
        return self._published()

    def _logout(self) -> str:
        """Another tab logs out."""
        before = len(self._state()["ends"])
        self._driver.execute_script("fetch(`${arguments[0]}/user/logout`)", self._site.url)
        if self._site.case.method == "ticket" or "no cookie" in self._site.case.expected()["page"].values():
            time.sleep(2.5)  # revalidation takes place every second
            if not self._state()["open"]:
                raise Failed("the connection has ended")
            self._driver.execute_script("current.close(); state.open = false; connect()")
            self._until(lambda now: now["tickets"][-1] == 401, "no new ticket")
            return self._site.case.expected()["page"]["logout"]
        self._until(lambda now: len(now["ends"]) > before and not now["open"], "the connection ends")
        self._until(lambda now: len(now["ends"]) > before + 1 or now["tickets"][-1:] == [401], "the way back is closed")
        return WORKS

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
                print(json.dumps(_played(network, browser, Case(**json.loads(line)), text)), flush=True)
        finally:
            browser.driver.quit()


def _played(network: Network, browser: Browser, case: Case, text: str) -> dict[str, Any]:
    try:
        with Site(network, case, text) as site:
            outcome = Player(browser, site).play()
            log = "" if outcome == case.expected() else site.log()
            return {"case": attrs.asdict(case), "outcome": outcome, "log": log}
    except Exception:
        trace = traceback.format_exc()
        failed = {
            client: dict.fromkeys(checks, "failed: " + trace.splitlines()[-1])
            for client, checks in case.expected().items()
        }
        return {"case": attrs.asdict(case), "outcome": failed, "log": trace}


if __name__ == "__main__":
    main()
