"""T1, T4: a real browser with compression, and polling from pages that may and from one that may not."""

from __future__ import annotations

import http.server
import shutil
import tempfile
import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import shared
from tests.product.test_demo_story import Browser

LONG = "a text that repeats itself, " * 100

OVER_WEBSOCKET = """
const done = arguments[1];
const socket = new WebSocket(arguments[0], ['wamp.2.json']);
const heard = [];
socket.onopen = () => socket.send(JSON.stringify([1, 'open', {roles: {subscriber: {}}}]));
socket.onclose = () => done({heard, closed: true});
socket.onmessage = ({data}) => {
  const message = JSON.parse(data);
  heard.push(message[0]);
  if (message[0] === 2) socket.send(JSON.stringify([32, 1, {}, 'com.example.news']));
  if (message[0] === 36) done({heard, extensions: socket.extensions, event: message[4]});
};
"""

OVER_LONGPOLL = """
const [base, done] = arguments;
const post = (path, body) => fetch(base + path, {
  method: 'POST', body, credentials: 'include', headers: {'Content-Type': 'application/json'},
});
const poll = async (path) => {
  for (;;) {
    const answer = await post(path + '/receive');
    if (answer.status !== 204) return answer.json();
  }
};
(async () => {
  const opened = await (await post('/open', JSON.stringify({protocols: ['wamp.2.json']}))).json();
  const path = '/' + opened.transport;
  await post(path + '/send', JSON.stringify([1, 'open', {roles: {subscriber: {}}}]));
  const welcome = await poll(path);
  await post(path + '/send', JSON.stringify([32, 1, {}, 'com.example.news']));
  const subscribed = await poll(path);
  const event = await poll(path);
  const closed = await post(path + '/close');
  done({heard: [welcome[0], subscribed[0], event[0]], event: event[4], closed: closed.status});
})().catch((error) => done({error: String(error)}));
"""


class BrowserTests(SynchronousTestCase):
    """T1, T4."""

    def setUp(self) -> None:
        self.router = shared(listen="compression = deflate\nlongpoll = /lp")
        profile = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, profile, True)
        self.browser = Browser(profile)
        self.addCleanup(self.browser.driver.quit)
        self.browser.driver.set_script_timeout(30)
        self.publisher = RawClient(self.router.url()).join()
        self.addCleanup(self.publisher.close)

    def visit(self, host: str) -> None:
        """An empty page of another server than the router."""
        server = http.server.ThreadingHTTPServer((host, 0), EmptyPage)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.browser.driver.get(f"http://{host}:{server.server_port}/")

    def run_in_page(self, script: str, address: str) -> Any:
        """What the script gives; meanwhile an event is published again and again, until it has been heard."""
        over = threading.Event()

        def publish() -> None:
            number = 0
            while not over.wait(0.2):
                number += 1
                self.publisher.send([16, number, {}, "com.example.news", [LONG]])

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            return self.browser.driver.execute_async_script(script, address)
        finally:
            over.set()
            publishing.join()

    def test_compression(self) -> None:
        """Chromium agrees upon it, and reads what is compressed for it."""
        self.visit("127.0.0.1")
        found = self.run_in_page(OVER_WEBSOCKET, self.router.url())
        self.assertEqual((found["heard"], found["event"]), ([2, 33, 36], [LONG]))
        self.assertIn("permessage-deflate", found["extensions"])

    def test_polling_from_pages(self) -> None:
        """A listed page of another port asks, polls and closes; a page that is not listed gets nothing out of it."""
        address = f"http://127.0.0.1:{self.router.public}/lp"
        self.visit("127.0.0.1")
        found = self.run_in_page(OVER_LONGPOLL, address)
        self.assertEqual((found["heard"], found["event"], found["closed"]), ([2, 33, 36], [LONG], 204), found)
        self.visit("127.0.0.2")
        self.assertIn("Failed to fetch", self.run_in_page(OVER_LONGPOLL, address)["error"])
        self.assertIn("handshake.refused (origin)", self.router.log)


class EmptyPage(http.server.BaseHTTPRequestHandler):
    """One page, empty."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>empty</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
