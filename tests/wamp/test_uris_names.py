"""The predefined URIs are WAMP's, letter for letter."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import uris

CLOSING = {"system_shutdown", "close_realm", "goodbye_and_out", "killed", "normal"}


class Names(SynchronousTestCase):
    """A client compares these strings; one wrong letter and it takes the error for another."""

    def predefined(self) -> dict[str, str]:
        return {name: value for name, value in vars(uris).items() if name.isupper() and str(value).startswith("wamp.")}

    def test_a_name_says_its_uri(self) -> None:
        """Each constant is named after the last part of its URI, and is in the branch where WAMP has it."""
        self.assertTrue(len(self.predefined()) > 25)
        for name, uri in self.predefined().items():
            branch = "wamp.close." if name.lower() in CLOSING else "wamp.error."
            self.assertTrue(uri.startswith(branch), uri)
            self.assertEqual(uri.removeprefix(branch).replace(".", "_"), name.lower())

    def test_strict(self) -> None:
        """Each is a strict URI of the protocol's own."""
        for uri in self.predefined().values():
            uris.check(uri, strict=True)
            self.assertTrue(uris.is_reserved(uri))

    def test_the_one_with_a_dot(self) -> None:
        """The only URI with a component more is the one of the option disclose_me."""
        dotted = [uri for uri in self.predefined().values() if uri.count(".") != 2]
        self.assertEqual(dotted, ["wamp.error.option_disallowed.disclose_me"])
