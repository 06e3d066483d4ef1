"""What every response of the demonstration carries."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.endpoints import Problem, as_json, protective_headers


class Headers(SynchronousTestCase):
    """What a browser is told to beware of."""

    def policy(self, host: str | None, secure: bool = True) -> dict[str, str]:
        parts = protective_headers(host, secure)["Content-Security-Policy"].split("; ")
        return {name: rest for name, _, rest in (part.partition(" ") for part in parts)}

    def test_nothing_from_elsewhere(self) -> None:
        """Scripts, styles and pictures come from this server, inline ones are not run, and nobody frames the page."""
        policy = self.policy("localhost:8443")
        self.assertEqual(policy["default-src"], "'none'")
        for kind in ("script-src", "style-src", "img-src"):
            self.assertEqual(policy[kind], "'self'")
        for kind in ("base-uri", "form-action", "frame-ancestors"):
            self.assertEqual(policy[kind], "'none'")

    def test_its_own_websocket(self) -> None:
        """The page may connect to the WebSocket of the very host it came from, and to no other."""
        self.assertEqual(self.policy("localhost:8443")["connect-src"], "'self' wss://localhost:8443")
        self.assertEqual(self.policy("localhost:8442", False)["connect-src"], "'self' ws://localhost:8442")
        for host in ("shop.example.org", "localhost; script-src *", None):
            self.assertEqual(self.policy(host)["connect-src"], "'self'")

    def test_the_rest(self) -> None:
        """Nothing is kept in a cache, guessed from its content, or told to other sites."""
        headers = protective_headers(None, True)
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")


class Bodies(SynchronousTestCase):
    """JSON both ways."""

    def test_problem(self) -> None:
        """A problem is told as a sentence, with its status and the headers that belong to it."""
        answer = Problem(405, "Not so.", {"Allow": "GET"}).answer()
        self.assertEqual((answer.status, json.loads(answer.body)), (405, {"error": "Not so."}))
        self.assertEqual(answer.headers, {"Allow": "GET"})

    def test_secrets_stay_out_of_repr(self) -> None:
        """An answer that ends up in a log shows neither its body nor its cookies."""
        shown = repr(as_json({"ticket": "abcdef"}, cookies=("name=value",)))
        self.assertNotIn("abcdef", shown)
        self.assertNotIn("value", shown)
