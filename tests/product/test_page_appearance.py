"""Each page that we serve, on a wide screen and on a phone, light and dark: it fits, and all of it can be read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.product.example import Example
from tests.product.test_demo_story import FLAGS, Browser, Demonstration

SIZES = ((1400, 900), (390, 844))
SCHEMES = ("light", "dark")
CONTRAST, LARGE_CONTRAST = 4.5, 3.0
"""WCAG 2.2, success criterion 1.4.3; large is from 24 px, or 18.66 px in bold."""

WIDE = """
return [document.scrollingElement, ...document.body.querySelectorAll("*")].filter((one) => {
    if (one.scrollWidth <= one.clientWidth || !one.checkVisibility()) return false;
    return one === document.scrollingElement || /auto|scroll/.test(getComputedStyle(one).overflowX);
}).map((one) => `${one.tagName}.${one.className}#${one.id}: ${one.scrollWidth} in ${one.clientWidth}`);
"""
"""What scrolls sideways: the page itself, or a part of it."""

UNREADABLE = """
const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
const parse = (text) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = text;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
};
const over = ([r, g, b, a], below, opacity = 1) => {
    const share = a * opacity;
    return [r, g, b].map((one, place) => one * share + below[place] * (1 - share));
};
const luminance = (color) => {
    const [r, g, b] = color.map((one) => one / 255)
        .map((one) => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
};
const contrast = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + .05) / (dark + .05);
};
const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
};
const found = [];
let texts = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const hidden = !element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const text = walk.currentNode.data.trim();
    if (!text || hidden || element.closest("script, noscript, .visually-hidden, .skip, :disabled")) continue;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
    const below = ground(element);
    const ratio = contrast(over(parse(style.color), below, opacity), below);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    texts += 1;
    if (ratio < (large ? arguments[1] : arguments[0])) found.push(`${ratio.toFixed(2)}: ${text}`);
}
return [texts, found, luminance(ground(document.body))];
"""
"""How many texts can be seen, those with too little contrast, and the brightness of the page's ground."""


class Appearance(SynchronousTestCase):
    """One browser for each test, which shows the page in every size and color scheme."""

    def setUp(self) -> None:
        profile = tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True)
        self.addCleanup(profile.cleanup)
        self.browser = Browser(profile.name, FLAGS)
        self.addCleanup(self.browser.driver.quit)

    def each(self, name: str) -> Iterator[tuple[int, str]]:
        """The page as it is now, in each size and color scheme; a picture of each is kept."""
        for width, height in SIZES:
            self.browser.resize(width, height)
            for scheme in SCHEMES:
                feature = {"name": "prefers-color-scheme", "value": scheme}
                self.browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
                self.browser.driver.save_screenshot(f"{name}-{width}-{scheme}.png")
                yield width, scheme

    def is_sound(self, name: str) -> None:
        """Nothing scrolls sideways, every text can be read, and dark is dark."""
        for width, scheme in self.each(name):
            where = f"{name}, {width} px, {scheme}"
            self.assertEqual(self.browser.driver.execute_script(WIDE), [], where)
            texts, unreadable, ground = self.browser.driver.execute_script(UNREADABLE, CONTRAST, LARGE_CONTRAST)
            self.assertGreater(texts, 4, where)
            self.assertEqual(unreadable, [], where)
            if scheme == "dark":
                self.assertLess(ground, 0.05, where)
            else:
                self.assertGreater(ground, 0.8, where)

    def shown(self, url: str, connected: str, ready: Callable[[], object]) -> None:
        """Open the page, choose Anna and wait until her page is complete; before and after it is judged."""
        self.browser.driver.get(url)
        self.browser.see("choose-anna")
        name = self.id().rpartition(".test_")[2]
        self.is_sound(f"{name}-choice")
        self.browser.resize(*SIZES[0])
        self.browser.click("choose-anna")
        self.browser.state(connected)
        self.browser.until(ready, "the page is complete")
        self.is_sound(name)

    def test_chat(self) -> None:
        """The rooms, with messages, a room of a long name and a refusal."""
        example = Example(self, "chat")
        browser = self.browser

        def ready() -> bool:
            browser.until(lambda: browser.see("room").text == "Garden", "the first room")
            for text in ("Good morning!", "A long line of text " * 12, "x" * 200):
                browser.type("text", text + "\n")
            browser.until(lambda: len(browser.all("message")) == 3, "the messages")
            browser.type("new-room", "abcdefghijklmnopqrstuvwx\n")
            browser.see("room-abcdefghijklmnopqrstuvwx")
            browser.type("new-room", "garden\n")
            browser.see("refusal")
            browser.click("room-garden")
            return True

        self.shown(example.url, "open", ready)

    def test_prices(self) -> None:
        """The chart, and a symbol that is locked."""
        example = Example(self, "prices")
        browser = self.browser

        def ready() -> bool:
            browser.until(lambda: int(browser.see("events").text) > 2, "prices come in")
            browser.click("symbol-FERN")
            return bool(browser.see("refusal"))

        self.shown(example.url, "open", ready)

    def test_demonstration(self) -> None:
        """The account with its guide first, frames, messages of each kind, and the notice of maintenance."""
        router = Demonstration(self)
        browser = self.browser

        def ready() -> bool:
            browser.until(lambda: browser.see("title").text == "Acme, Inc", "the account")
            browser.click("save")
            browser.see("flash-success")
            browser.click("forbidden")
            browser.see("refusal")
            tops = [browser.see(name).location["y"] for name in ("guide", "title", "frames")]
            self.assertEqual(tops, sorted(tops))
            return True

        self.shown(router.url, "connected", ready)
        browser.driver.execute_script("document.querySelector('[data-testid=modal]').showModal()")
        self.is_sound("demonstration-modal")
