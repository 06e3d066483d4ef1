"""T2: who comes by RawSocket says who it is by WAMP's own methods, or by its TLS certificate."""

from __future__ import annotations

from tests.product.methods_case import DENIED, OTHER, ROBOT, SECRET, STRANGER, MethodsCase


class MethodTests(MethodsCase):
    """T2."""

    def test_secrets(self) -> None:
        """wampcra and scram, right and wrong."""
        for method in ("wampcra", "scram"):
            with self.client("autobahn-python", scheme="rs", method=method, authid="anna", secret=SECRET) as client:
                self.assertEqual((client.details["role"], client.details["method"]), ("user", method))
                client.ask("subscribe", "com.example.news")
            self.refused(DENIED, "autobahn-python", scheme="rs", method=method, authid="anna", secret=OTHER)

    def test_keys(self) -> None:
        """cryptosign, over TLS bound to the connection."""
        options = {"method": "cryptosign", "serializer": "cbor"}
        with self.client("autobahn-python", scheme="rs", key=ROBOT.hex(), **options) as client:
            self.assertEqual((client.details["authid"], client.details["method"]), ("robot", "cryptosign"))
        self.refused(DENIED, "autobahn-python", scheme="rs", key=STRANGER.hex(), **options)
        bound = {**options, "key": ROBOT.hex(), "channel_binding": "tls-unique", "realm": "bound"}
        with self.client("autobahn-python", tls=True, scheme="rs", **bound) as client:
            self.assertEqual(client.details["authid"], "robot")

    def test_certificates(self) -> None:
        """A certificate is enough, by name and by fingerprint."""
        for name, role in (("desk", "user"), ("laptop", "admin")):
            certificate = str(self.directory / name)
            with self.client("autobahn-python", tls=True, scheme="rs", certificate=certificate) as client:
                self.assertEqual((client.details["authid"], client.details["role"]), (name, role))
                self.assertEqual(client.details["method"], "tls")
