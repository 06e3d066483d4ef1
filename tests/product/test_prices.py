"""The example of live prices: who may see which symbol."""

from __future__ import annotations

from tests.product.example import ExampleCase, asked
from tests.product.raw import RawClient


class Prices(ExampleCase):
    name = "prices"

    def test_page(self) -> None:
        """Free symbols move, the others are locked until one pays; that opens them to no other."""
        browser = self.browse()
        browser.see("choose-anna")
        self.picture(browser, "1-choice")
        browser.click("choose-anna")
        browser.state("open")
        browser.until(lambda: browser.see("name").text == "Amber Foods", "the first symbol")
        browser.until(lambda: int(browser.see("events").text) > 6, "prices come in")
        self.assertRegex(browser.see("price").text, r"^\d+\.\d\d$")
        self.assertTrue(browser.see("chart").find_element("css selector", ".line").get_attribute("d").count("L") > 100)
        self.picture(browser, "2-free")
        self.assertEqual(browser.see("plan").text.lower(), "free")
        locked = lambda symbol: browser.see(f"symbol-{symbol}").get_attribute("data-locked")  # noqa: E731
        browser.until(lambda: locked("FERN") == "true", "the last symbol is there")
        self.assertEqual([locked(symbol) for symbol in ("AMBR", "CDAR", "DHLA")], ["false", "false", "true"])

        browser.click("symbol-FERN")
        self.assertEqual(browser.see("refusal").text, "The router refuses: not allowed to subscribe prices.live.FERN.")
        self.assertEqual(browser.see("price").text, "\u2013")
        self.picture(browser, "3-refused")
        browser.click("upgrade")
        browser.until(lambda: locked("FERN") == "false", "the symbol is open")
        self.assertEqual(browser.all("refusal"), [])
        self.assertEqual(browser.all("upgrade"), [])
        browser.until(lambda: browser.see("price").text != "\u2013", "its price")
        browser.until(lambda: int(browser.see("events").text) > 40, "more prices")
        self.picture(browser, "4-pro")

        self.window(browser, "?user=ben")
        browser.state("open")
        browser.until(lambda: browser.all("symbol-FERN"), "the last symbol is there")
        browser.until(lambda: locked("FERN") == "true", "it is locked")
        self.sound(browser)

    def test_phone_and_restart(self) -> None:
        """On a phone everything fits; when the router is restarted the page comes back by itself."""
        browser = self.browse("?user=anna", 390, 844)
        browser.state("open")
        browser.until(lambda: int(browser.see("events").text) > 2, "prices come in")
        self.fits(browser, 390)
        self.picture(browser, "5-phone")
        self.assertEqual(self.example.end(), 0, self.example.child.output)
        browser.state("lost")
        self.example.start()
        browser.state("open")
        seen = int(browser.see("events").text)
        browser.until(lambda: int(browser.see("events").text) > seen + 2, "prices come in again")

    def test_nobody_else(self) -> None:
        """What the page does not try: patterns, other people's names, publishing, procedures of the component's."""
        client = self.example.client(self, "market", "anna")
        for message, error in [
            ([32, 1, {"match": "prefix"}, "prices.live."], "wamp.error.not_authorized"),
            ([32, 1, {"match": "prefix"}, "prices."], "wamp.error.not_authorized"),
            ([32, 1, {"match": "wildcard"}, "prices.live."], "wamp.error.not_authorized"),
            ([32, 1, {"match": "wildcard"}, "..FERN"], "wamp.error.not_authorized"),
            ([48, 1, {}, "prices.history.FERN"], "wamp.error.not_authorized"),
            ([48, 1, {}, "prices.history.NONE"], "wamp.error.not_authorized"),
            ([16, 1, {"acknowledge": True}, "prices.live.AMBR", [0.01]], "wamp.error.not_authorized"),
            ([64, 1, {}, "prices.plan.mine"], "wamp.error.not_authorized"),
        ]:
            answer = asked(client, *message)
            self.assertEqual((answer[0], answer[4]), (8, error), message)
        self.assertEqual(asked(client, 48, 2, {}, "prices.plan")[3], ["free"])
        self.assertEqual(len(asked(client, 48, 3, {}, "prices.history.AMBR")[3][0]), 180)
        stranger = RawClient(f"ws://127.0.0.1:{self.example.port}/")
        self.addCleanup(stranger.close)
        stranger.send([1, "market", {"roles": {"caller": {}}, "authid": "mallory", "authmethods": ["demo"]}])
        self.assertEqual(stranger.read()[2], "wamp.error.authentication_denied")
