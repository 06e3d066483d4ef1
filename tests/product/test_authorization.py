"""Authorization, tried from outside against the running product."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter, shared, start, ticket

OWN, FOREIGN = "oro/email_event/2/1", "oro/email_event/1/1"


class GuardingTests(SynchronousTestCase):
    def setUp(self):
        self.router = shared()

    def client(self, *args, **options):
        client = RawClient(*args, **options)
        self.addCleanup(client.close)
        return client

    def v1(self, user):
        client = self.client(self.router.url(user), "wamp")
        self.assertEqual(client.read()[0], 0)
        return client

    def v2(self, user):
        return self.client(self.router.url(user)).join("oro")

    def test_publishing_is_a_right(self):
        """A user's PUBLISH reaches nobody on v1 and v2; acknowledged, it is answered with not_authorized."""
        listeners = [self.v1("anna"), self.v2("anna")]
        listeners[0].send([5, "oro/maintenance"], [5, "oro/data/update"])
        self.assertEqual(listeners[0].read(), [8, "oro/maintenance", {"isOn": False, "userId": None}])
        listeners[1].send([32, 1, {}, "oro/maintenance"], [32, 2, {}, "oro/data/update"])
        self.assertEqual([listeners[1].read()[0] for _ in range(3)], [33, 36, 33])
        old, new = self.v1("ben"), self.v2("ben")
        for topic in ("oro/maintenance", "oro/data/update", "oro/ping", FOREIGN, OWN):
            old.send([7, topic, {"isOn": True}], [7, topic, {"isOn": True}, [], []])
            new.send([16, 7, {}, topic, [{"isOn": True}]], [16, 8, {"acknowledge": True}, topic, [{"isOn": True}]])
            self.assertEqual(new.read()[:5], [8, 16, 8, {}, "wamp.error.not_authorized"])
        for listener in (*listeners, old):
            self.assertTrue(listener.silent())

    def test_secured_topics(self):
        """Another user's topic by exact name, prefix, wildcard and odd spellings yields no event; one's own does."""
        old, new = self.v1("ben"), self.v2("ben")
        spellings = [
            FOREIGN,
            "oro/email_event/%31/1",
            "oro/email_event/\u0661/1",
            "oro/email_event/\uff11/1",
            "oro/email_event/1/1/",
            "oro/email_event/1/1\n",
            "ORO/email_event/1/1",
            "oro/email_event/01/1",
            "oro/email_event/*/1",
        ]
        for topic in spellings:
            old.send([5, topic])
        old.send([1, "oro", "oro/email_event/1"], [5, "oro:1"], [1, "m", "oro/email_event/1/1"], [5, "m:"])
        patterns = [
            (FOREIGN, "exact"),
            ("oro/email_event/", "prefix"),
            ("oro/", "prefix"),
            ("", "prefix"),
            ("o", "prefix"),
            ("oro/email_event/1/1", "prefix"),
            ("oro/email_event/2/", "prefix"),
            ("", "wildcard"),
            ("oro/email_event/1/1", "wildcard"),
            (".", "wildcard"),
            ("oro/email_event/%31/1", "exact"),
            ("oro/email_event/%31/1", "prefix"),
            ("oro/email_event/\u0661/1", "exact"),
            ("oro/email_event/\uff11/1", "exact"),
            ("oro/email_event/\u0661/", "prefix"),
            ("oro/email_event/01/1", "exact"),
            ("oro:1", "exact"),
        ]
        for request, (topic, match) in enumerate(patterns, 1):
            new.send([32, request, {"match": match}, topic])
            self.assertEqual(new.read()[0], 8, (topic, match))
        old.send([5, "oro/maintenance"])
        refusals = []
        while isinstance(answer := old.read(), str):
            refusals.append(answer)
        self.assertIn(f'You are not allowed to subscribe on topic "{FOREIGN}".', refusals)
        self.router.publish(topic=FOREIGN, port=self.router.backend)
        for client in (old, new):
            self.assertTrue(client.silent())
        old.send([5, OWN])
        new.send([32, 99, {}, OWN])
        self.assertEqual(new.read()[0], 33)
        self.router.publish(topic=OWN, port=self.router.backend, payload={"hasNewEmail": True})
        self.assertEqual(old.read(), [8, OWN, {"hasNewEmail": True}])
        self.assertEqual(new.read()[4], [{"hasNewEmail": True}])

    def test_one_answer_for_every_refusal(self):
        """Wrong, old, forged and missing tickets get the same 403; the log knows why, and holds no ticket."""
        router, hashes = self.router, self.router.users
        tickets = {
            "bad_digest": ticket("anna", hashes["ben"], router.secret),
            "unknown_user": ticket("zoe", hashes["ben"], router.secret),
            "expired": ticket("anna", hashes["anna"], router.secret, age=400),
            "future": ticket("anna", hashes["anna"], router.secret, age=-60),
            "malformed": "bm9uc2Vuc2U=",
            "no_credentials": "",
        }
        answers = set()
        for text in tickets.values():
            client = self.client(router.url(ticket=text), "wamp")
            answers.add((client.status, client.head))
        self.assertEqual([status for status, _ in answers], [403])
        self.assertIsNone(self.client(router.url("anna"), "wamp", origin="http://evil.example").ended())
        for kind, text in tickets.items():
            self.assertIn(kind, router.log)
            self.assertTrue(not text or text not in router.log, kind)
        self.assertIn("origin", router.log)

    def test_publisher_on_the_shared_port(self):
        """The back end's ticket is refused when a proxy or a cookie shows that a browser brought it."""
        self.router = shared(anew=True)  # proxy.hidden is told once
        url = self.router.url("")
        table = [
            ((), 101),
            (("Cookie: BAPID=x",), 403),
            (("X-Forwarded-For: 127.0.0.1",), 403),
            (("Forwarded: for=127.0.0.1",), 403),
            (("X-Real-IP: 127.0.0.1",), 403),
            (("Via: 1.1 proxy",), 403),
            (("CF-Connecting-IP: 127.0.0.1",), 403),
            (("True-Client-IP: 127.0.0.1",), 403),
        ]
        for headers, status in table:
            self.assertEqual(self.client(url, "wamp", "127.0.0.1", headers).status, status, headers)
        for origin in (None, "http://127.0.0.1", "http://localhost"):
            self.assertEqual(self.client(url, "wamp", origin).status, 403, origin)
        self.assertEqual(self.client(self.router.url("anna"), "wamp", "http://127.0.0.1").read()[0], 0)
        self.assertEqual(self.client(self.router.url("ben"), "wamp", "http://127.0.0.1").read()[0], 0)
        self.assertEqual(self.router.log.count("proxy.hidden (publisher_from)"), 1)

    def test_publisher_needs_a_listener_that_grants_it(self):
        """Where neither the listener nor the network grants it, the secret alone opens nothing."""
        router = RunningRouter()
        self.addCleanup(router.close)
        router.child.end()
        router.config.write_text(router.config.read_text().replace("publisher_from = loopback", ""))
        router.child = start(router.config)
        router.child.wait_for_port(router.backend)
        self.assertEqual(self.client(router.url(""), "wamp", "127.0.0.1").status, 403)
        self.assertEqual(self.client(router.url("", port=router.backend), "wamp", "127.0.0.1").status, 101)

    def test_origin(self):
        """A page from elsewhere is refused, whatever it brings."""
        table = [
            ("http://127.0.0.1", 101),
            ("https://localhost:8443", 101),
            ("127.0.0.1", 101),
            (None, 101),
            ("http://evil.example", 403),
            ("http://localhost.evil.example", 403),
            ("null", 403),
            ("", 403),
        ]
        for origin, status in table:
            self.assertEqual(self.client(self.router.url("anna"), "wamp", origin).status, status, origin)
        for origin, status in ((None, 403), ("127.0.0.1", 101)):
            client = self.client(self.router.url("", port=self.router.backend), "wamp", origin)
            self.assertEqual(client.status, status, origin)
