"""The running product and the back office's cookie: sessions written by PHP, a logout in another tab, a browser."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import AdminSession
from tests.identity.sessions.logins import written
from tests.product.raw import RawClient
from tests.product.running_router import start, ticket
from tests.product.test_demo_story import Browser
from tests.support.ports import free_port

CONFIGURATION = """
[router]
drain = 1s
state = {state}
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = http://127.0.0.1:{page} https://oro.example.com
origin = optional
[realm:oro]
authenticators = cookie tickets
authorizers = topics:oro
[authenticator:cookie]
use = cookie
sessions = office
directory = people
recheck = 1s
[authenticator:tickets]
use = ticket
secret = file:{state}/secret
directory = people
[sessions:office]
use = files
path = {state}/sessions
[directory:people]
use = static
user.anna = 1 file:{state}/anna
user.ben = 2 file:{state}/ben
[topics:oro]
"""
ANNAS, BENS, STALE, NOBODYS, UNKNOWN = (letter * 26 for letter in "abcde")
OFFICE = "https://oro.example.com"

PAGE = """<!DOCTYPE html><title>Office</title><script>
const heard = [];
function open_socket(subprotocol) {
  const socket = new WebSocket("ws://127.0.0.1:%d/ws", [subprotocol]);
  socket.onopen = () => {
    if (subprotocol !== "wamp") socket.send(JSON.stringify([1, "oro", {roles: {subscriber: {}}}]));
  };
  socket.onmessage = (event) => heard.push(JSON.parse(event.data));
  socket.onclose = (event) => heard.push(["closed", event.wasClean]);
}
</script>"""


class CookieCase(SynchronousTestCase):
    def setUp(self):
        self.state = Path(tempfile.mkdtemp(prefix="router-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.port, self.page, self.secret = free_port(), free_port(), secrets.token_hex(20)
        self.hashes = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        for name, value in {"secret": self.secret, **self.hashes}.items():
            (self.state / name).write_text(value)
        self.sessions = self.state / "sessions"
        self.sessions.mkdir()
        anna, ben = (AdminSession(name, n, self.hashes[name], 1) for n, name in enumerate(self.hashes, 1))
        stale = AdminSession("anna", 1, "the password before", 1)
        sessions = {ANNAS: anna, BENS: ben, STALE: stale, NOBODYS: None}
        written("files", sessions, path=str(self.sessions), mode="0600")
        config = self.state / "router.ini"
        config.write_text(CONFIGURATION.format(state=self.state, port=self.port, page=self.page))
        self.child = start(config)
        self.addCleanup(self.child.end)
        self.child.wait_for_port(self.port)

    def log_out(self, session_id):
        """As PHP does it: the file is gone."""
        (self.sessions / f"sess_{session_id}").unlink()

    def client(self, cookie=ANNAS, subprotocol="wamp", origin=OFFICE, user=None):
        query = ""
        if user is not None:
            query = "?ticket=" + quote(ticket(user, self.hashes[user], self.secret), safe="")
        headers = () if cookie is None else (f"Cookie: other=1; BAPID={cookie}",)
        client = RawClient(f"ws://127.0.0.1:{self.port}/ws{query}", subprotocol, origin, headers)
        self.addCleanup(client.close)
        return client

    def v2(self, **options):
        client = self.client(subprotocol="wamp.2.json", **options)
        client.send([1, "oro", {"roles": {"subscriber": {}}}])
        return client, client.read()


class RawTests(CookieCase):
    def test_without_a_ticket(self):
        """The cookie alone lets v1 and v2 in, as the user of the session."""
        self.assertEqual(self.client().read()[0], 0)
        _, welcome = self.v2()
        who = {key: welcome[2][key] for key in ("authid", "authmethod", "authprovider", "authrole")}
        expected = {"authid": "anna", "authmethod": "cookie", "authprovider": "cookie", "authrole": "user"}
        self.assertEqual((welcome[0], who), (2, expected))

    def test_refused(self):
        """One answer for whatever is wrong; the log knows what, and holds no cookie."""
        answers = {
            (client.status, client.head)
            for client in (
                *(self.client(cookie) for cookie in (STALE, NOBODYS, UNKNOWN, "../sess_" + ANNAS, None)),
                self.client(origin=None),
                self.client(origin="https://evil.example"),
                self.client(BENS, user="anna"),
            )
        }
        self.assertEqual([status for status, _ in answers], [403])
        log = self.child.output
        for kind in (
            "password_changed",
            "no_session",
            "not_logged_in",
            "malformed_session",
            "no_credentials",
            "no_origin",
            "other_user",
        ):
            self.assertIn(kind, log)
        for cookie in (ANNAS, BENS, STALE, NOBODYS, UNKNOWN):
            self.assertNotIn(cookie, log)

    def test_logout(self):
        """Whoever came by cookie, or by ticket with it, is out soon after the logout: v1 loses TCP, v2 gets GOODBYE.
        Who has no cookie, or a dead one, stays by the ticket."""
        old, both = self.client(), self.client(user="anna")
        new, _ = self.v2()
        alone = [self.client(None, user="anna"), self.client(NOBODYS, user="anna"), self.client(BENS, user="ben")]
        for client in (old, both, *alone):
            self.assertEqual(client.read()[0], 0)
        time.sleep(1.2)
        self.assertTrue(old.silent(0.1))
        began = time.monotonic()
        self.log_out(ANNAS)
        self.assertEqual(new.read()[2], "wamp.close.killed")
        self.assertEqual([old.ended(), both.ended()], [None, None])
        self.assertLess(time.monotonic() - began, 3)
        for client in alone:
            self.assertTrue(client.silent(0.1))
        self.assertEqual(self.client().status, 403)
        self.assertIn("session.ended (logged_out)", self.child.output)
        for code in ("not_sent", "not_logged_in"):
            self.assertIn(f"cookie.ignored ({code}): listener=public", self.child.output)

    def test_store_that_is_gone(self):
        """While sessions cannot be read nobody comes in by cookie, everybody stays, and tickets are good."""
        here = self.client()
        self.assertEqual(here.read()[0], 0)
        self.sessions.rename(self.state / "elsewhere")
        self.assertEqual(self.client().status, 503)
        bound = self.client(user="anna")
        self.assertEqual(bound.read()[0], 0)
        self.assertTrue(here.silent(2.5))
        (self.state / "elsewhere").rename(self.sessions)
        deadline = time.monotonic() + 10
        while (status := self.client().status) != 101 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(status, 101)
        for client in (here, bound):
            self.assertTrue(client.silent(1.5))
        self.log_out(ANNAS)
        self.assertEqual([here.ended(), bound.ended()], [None, None])


class BrowserTests(CookieCase):
    """Chromium, with pages of the back office on one port of this machine and others on another."""

    def setUp(self):
        super().setUp()
        self.evil = free_port()
        for port in (self.page, self.evil):
            self.serve(port)
        profile = tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True)
        self.addCleanup(profile.cleanup)
        self.browser = Browser(profile.name)
        self.addCleanup(self.browser.driver.quit)

    def serve(self, port):
        """A site whose /login sets the back office's cookie."""
        page = (PAGE % self.port).encode()

        class Site(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                if self.path == "/login":
                    self.send_header("Set-Cookie", f"BAPID={ANNAS}; Path=/; HttpOnly")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *args):
                """Nothing to say."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Site)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def visit(self, path, port=None):
        self.browser.driver.get(f"http://127.0.0.1:{port or self.page}{path}")

    def heard(self):
        return self.browser.driver.execute_script("return heard")

    def connect(self, *subprotocols):
        for number, subprotocol in enumerate(subprotocols, 1):
            self.browser.driver.execute_script("open_socket(arguments[0])", subprotocol)
            self.browser.until(lambda at_least=number: len(self.heard()) >= at_least, f"an answer on {subprotocol}")
        return self.heard()

    def test_life_of_a_tab(self):
        """No way in before the login; after it no ticket is needed; a foreign page with the very same cookie is
        refused; a logout ends the sockets."""
        self.visit("/")
        self.assertEqual(self.connect("wamp"), [["closed", False]])
        self.visit("/login")
        old, new = self.connect("wamp", "wamp.2.json")
        self.assertEqual((old[0], new[0], new[2]["authid"]), (0, 2, "anna"))
        office = self.browser.driver.current_window_handle
        self.browser.driver.switch_to.new_window("tab")
        self.visit("/", self.evil)
        self.assertEqual(self.connect("wamp"), [["closed", False]])
        self.assertIn("origin", self.child.output)
        self.browser.driver.switch_to.window(office)
        self.assertEqual(len(self.heard()), 2, "the others stay")
        self.log_out(ANNAS)
        self.browser.until(lambda: len(self.heard()) == 5, "both sockets have ended")
        later = self.heard()[2:]
        self.assertIn(["closed", False], later)
        self.assertIn([6, {"message": "this login is no longer good"}, "wamp.close.killed"], later)
        self.browser.driver.execute_script("open_socket('wamp')")
        self.browser.until(lambda: len(self.heard()) == 6, "nobody comes in any more")
        self.assertEqual(self.heard()[-1], ["closed", False])
