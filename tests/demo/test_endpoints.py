"""The demonstration's endpoints, as values."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.endpoints import LONGEST_BODY, HttpCall, session_cookie, token_cookie
from orosync.identity.ticket import make_ticket, parse
from tests.demo.visitor import ANNA, BEN, SECRET, Ears, Visitor, application

TAG = "Oro_Bundle_AccountBundle_Entity_Account_12"


class Story(SynchronousTestCase):
    """What the page does, one request after the other."""

    def setUp(self) -> None:
        self.ears = Ears()
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.endpoints = application(self.ears, self.clock)
        self.anna = Visitor(self.endpoints).log_in("anna")
        self.ben = Visitor(self.endpoints).log_in("ben")

    def test_choose(self) -> None:
        """A newcomer is shown both users and is nobody; after a click the page knows who it is."""
        stranger = Visitor(self.endpoints)
        told = stranger.ask("GET", "/session")[1]
        self.assertEqual([one["username"] for one in told["users"]], ["anna", "ben"])
        self.assertEqual((told["user"], told["socket"]), (None, "/ws"))
        told = self.anna.ask("GET", "/session")[1]
        self.assertEqual((told["user"]["id"], told["maintenance"]), (1, {"isOn": False, "userId": None}))

    def test_two_users_in_one_browser(self) -> None:
        """Windows of both users work side by side in one browser, and neither can speak as the other by a header."""
        both = Visitor(self.endpoints).log_in("anna").log_in("ben")
        for name, number in (("anna", 1), ("ben", 2)):
            self.assertEqual(both.ask("GET", "/session", x_demo_user=name)[1]["user"]["id"], number)
        self.assertEqual(self.anna.ask("GET", "/session", x_demo_user="ben")[1]["user"], None)
        swapped = Visitor(self.endpoints)
        swapped.cookies = {session_cookie(BEN, True): self.anna.cookies[session_cookie(ANNA, True)]}
        self.assertEqual(swapped.ask("GET", "/session", x_demo_user="ben")[1]["user"], None)

    def test_session_cookie(self) -> None:
        """No script reads the session cookie, no other site sends it, and over TLS it is bound to TLS; without TLS it
        has another name and no ``Secure``, which a browser would drop. Logging out removes the one that logged in."""
        for secure, pattern in [
            (True, r"__Host-demo-session-1=[\w-]{43}; Path=/; HttpOnly; Secure; SameSite=Strict"),
            (False, r"demo-session-1=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict"),
        ]:
            visitor = Visitor(self.endpoints, secure).log_in("anna")
            (cookie,) = visitor.call("POST", "/login", {"user": "anna"}).cookies
            self.assertRegex(cookie, rf"\A{pattern}\Z")
            (gone,) = visitor.call("POST", "/logout").cookies
            wanted = pattern.replace(r"[\w-]{43}", "") + "; Max-Age=0"
            self.assertEqual(gone, wanted)

    def test_schemes_are_separate(self) -> None:
        """A session of the page without TLS does not count with TLS: its cookie could have been read on the way."""
        plain = Visitor(self.endpoints, False).log_in("anna")
        self.assertEqual(plain.ask("POST", "/sync/ticket")[0], 200)
        crossed = Visitor(self.endpoints)
        crossed.cookies, crossed.user = dict(plain.cookies), "anna"
        self.assertEqual(crossed.ask("GET", "/session")[1]["user"], None)

    def test_logging_in_again(self) -> None:
        """A second login ends the session before it."""
        old = dict(self.anna.cookies)
        self.anna.log_in("anna")
        self.assertNotEqual(old[session_cookie(ANNA, True)], self.anna.cookies[session_cookie(ANNA, True)])
        self.anna.cookies = old
        self.assertEqual(self.anna.ask("POST", "/sync/ticket")[0], 401)

    def test_log_out(self) -> None:
        """After logging out the cookie is gone, and a copy of it is worth nothing."""
        copy = dict(self.anna.cookies)
        self.assertEqual(self.anna.ask("POST", "/logout"), (200, {"user": None}))
        self.assertNotIn(session_cookie(ANNA, True), self.anna.cookies)
        self.anna.cookies = copy
        self.assertEqual(self.anna.ask("GET", "/session")[1]["user"], None)
        self.assertEqual(self.anna.ask("POST", "/logout"), (200, {"user": None}))

    def test_ticket(self) -> None:
        """The ticket is Oro's: made for this user, now, with the user's hash and the application's secret."""
        tickets = [self.anna.ask("POST", "/sync/ticket")[1]["ticket"] for _ in range(2)]
        self.assertNotEqual(*tickets)
        ticket = parse(tickets[0])
        self.assertEqual((ticket.username, ticket.created_at), ("anna", 1_790_000_000))
        self.assertRegex(ticket.nonce, rb"\A[0-9a-f]{16}\Z")
        again = make_ticket("anna", ANNA.password_hash, SECRET, ticket.nonce.decode(), ticket.created.decode())
        self.assertEqual(again, tickets[0])

    def test_save(self) -> None:
        """Saving stores the account and tells everybody what Oro would tell them, under the saver's name."""
        self.assertEqual(self.ben.ask("GET", "/record/12")[1]["tags"], [TAG])
        status, saved = self.anna.ask("POST", "/record/12", {"phone": "42"})
        self.assertEqual((status, saved["fields"]["phone"], saved["savedBy"]), (200, "42", "Anna Novak"))
        self.assertEqual(self.ears.heard, [("oro/data/update", [[{"username": "anna", "tagname": TAG}]])])
        self.assertEqual(self.ben.ask("GET", "/record/12")[1], saved)
        self.assertEqual(self.ben.ask("GET", "/record")[1]["records"][0], {"id": 12, "name": "Acme, Inc"})

    def test_save_refused(self) -> None:
        """What cannot be saved is explained, and nobody else hears of it."""
        for body, status in [({"phone": 5}, 422), ([], 400), (b"{", 400), (b"[" * 9000, 400), (b"\xff", 400)]:
            answer = self.anna.ask("POST", "/record/12", body)
            self.assertEqual(answer[0], status, body)
            self.assertTrue(answer[1]["error"].endswith("."))
        self.assertEqual(self.anna.ask("POST", "/record/12", b" " * (LONGEST_BODY + 1))[0], 413)
        self.assertEqual(self.anna.ask("POST", "/record/99", {})[0], 404)
        self.assertEqual(self.anna.ask("POST", "/record/12", {}, content_type="text/plain")[0], 415)
        self.assertEqual(self.ears.heard, [])

    def test_maintenance(self) -> None:
        """The switch tells everybody, keeps the others out as Oro does, and lets them in again."""
        self.assertEqual(self.anna.ask("POST", "/maintenance", {"on": True}), (200, {"isOn": True, "userId": 1}))
        for method, path in [
            ("POST", "/sync/ticket"),
            ("GET", "/record"),
            ("GET", "/record/12"),
            ("POST", "/record/12"),
            ("POST", "/maintenance"),
        ]:
            self.assertEqual(self.ben.ask(method, path, {})[0], 503, path)
        self.assertEqual(self.ben.ask("GET", "/session")[1]["maintenance"], {"isOn": True, "userId": 1})
        self.assertEqual(self.anna.ask("POST", "/sync/ticket")[0], 200)
        self.assertEqual(self.anna.ask("POST", "/maintenance", {"on": False})[0], 200)
        self.assertEqual(self.ben.ask("POST", "/sync/ticket")[0], 200)
        notices = [{"isOn": True, "userId": 1}, {"isOn": False, "userId": 1}]
        self.assertEqual(self.ears.heard, [("oro/maintenance", [notice]) for notice in notices])

    def test_maintenance_refused(self) -> None:
        """Only true and false switch."""
        for on in (1, "true", None, []):
            self.assertEqual(self.anna.ask("POST", "/maintenance", {"on": on})[0], 422)
        self.assertEqual(self.ears.heard, [])


class Doors(SynchronousTestCase):
    """What is not let through."""

    def setUp(self) -> None:
        self.ears = Ears()
        self.endpoints = application(self.ears)
        self.anna = Visitor(self.endpoints).log_in("anna")

    def test_not_logged_in(self) -> None:
        """Whoever has not chosen a user gets a sentence and status 401, and nothing happens."""
        stranger = Visitor(self.endpoints)
        stranger.call("GET", "/")
        stranger.user = "anna"
        for method, path in [
            ("GET", "/record"),
            ("GET", "/record/12"),
            ("POST", "/record/12"),
            ("POST", "/sync/ticket"),
            ("POST", "/maintenance"),
        ]:
            status, told = stranger.ask(method, path, {"on": True})
            self.assertEqual((status, "choose a demo user" in told["error"]), (401, True), path)
        self.assertEqual(self.ears.heard, [])

    def test_unknown_user(self) -> None:
        """Only the demo users can be chosen."""
        for user in ("eve", "", None, 1, ["anna"]):
            self.assertEqual(self.anna.ask("POST", "/login", {"user": user})[0], 400)

    def test_double_submit(self) -> None:
        """Another site can make a browser send cookies, but not the header that repeats one: nothing is done then."""
        name = token_cookie(True)
        right = self.anna.cookies[name]
        for path in ("/sync/ticket", "/login", "/logout", "/record/12", "/maintenance"):
            for cookie, header in [(right, ""), (right, right + "x"), (right, "\u00e9"), ("", ""), ("", right)]:
                self.anna.cookies[name] = cookie
                status, told = self.anna.ask("POST", path, {"on": True, "user": "ben"}, x_csrf_header=header)
                self.assertEqual((status, "CSRF" in told["error"]), (403, True), path)
        self.anna.cookies = {key: value for key, value in self.anna.cookies.items() if key != name}
        self.assertEqual(self.anna.ask("POST", "/sync/ticket", x_csrf_header=right)[0], 403)
        self.assertEqual(self.ears.heard, [])

    def test_token_cookie(self) -> None:
        """The page sets the CSRF cookie once, under Symfony's name for the scheme; scripts may read it."""
        for secure, pattern in [
            (True, r"\Ahttps-_csrf=[0-9a-f]{32}; Path=/; Secure; SameSite=Strict\Z"),
            (False, r"\A_csrf=[0-9a-f]{32}; Path=/; SameSite=Strict\Z"),
        ]:
            (cookie,) = self.endpoints.answer(HttpCall("GET", "/", secure=secure)).cookies
            self.assertRegex(cookie, pattern)
        again = HttpCall("GET", "/", cookies={token_cookie(True): "there"})
        self.assertEqual(self.endpoints.answer(again).cookies, ())

    def test_addresses(self) -> None:
        """What is not there is said not to be there; a method that does not fit names those that do."""
        for path in [
            "/nothing",
            "/static/",
            "/static/gone.js",
            "/static/../application.py",
            "/record/012",
            "//",
            "",
            "/ws",
        ]:
            self.assertEqual(self.anna.ask("GET", path)[0], 404, path)
        self.assertEqual(self.anna.ask("GET", "/record/99")[0], 404)
        answer = self.anna.call("PUT", "/record/12")
        self.assertEqual((answer.status, answer.headers), (405, {"Allow": "GET, POST"}))
        self.assertEqual(self.anna.call("GET", "/sync/ticket").headers, {"Allow": "POST"})

    def test_page_and_files(self) -> None:
        """The page and its parts come with their types; HEAD is answered like GET."""
        page = self.anna.call("GET", "/")
        self.assertEqual((page.status, page.content_type), (200, "text/html; charset=utf-8"))
        self.assertEqual(self.anna.call("HEAD", "/").status, 200)
        script = self.anna.call("GET", "/static/wamp1.js")
        self.assertEqual((script.status, script.content_type), (200, "text/javascript; charset=utf-8"))

    def test_nothing_secret_is_told(self) -> None:
        """No answer holds a password hash or the secret."""
        bodies = [self.anna.call("GET", path).body for path in ("/", "/session", "/record", "/record/12")]
        ticket = self.anna.ask("POST", "/sync/ticket")[1]
        for body in [*bodies, json.dumps(ticket).encode()]:
            self.assertNotIn(b"hash-of", body)
            self.assertNotIn(SECRET.encode(), body)
