"""Tests of orosync.config.authentication: sections where procedures decide."""

from __future__ import annotations

from orosync.config import authentication
from orosync.config.readers import BUILTIN
from tests.config.files import SOUND, FilesCase

AUTHORIZER = """
[authorizer:acl]
use = remote
procedure = com.example.authorize
"""
AUTHENTICATOR = """
[authenticator:desk]
use = remote
method = ticket
procedure = com.example.authenticate
roles = user clerk
"""


class Sections(FilesCase):
    def test_defaults(self) -> None:
        """What need not be written: nothing is cached, no role purges, the usual roles answer."""
        acl = self.load(SOUND + AUTHORIZER).authorizers["acl"]
        assert isinstance(acl, authentication.RemoteAuthorizerSection)
        self.assertEqual(
            (acl.realm, acl.registered_by, acl.timeout, acl.cache, acl.cache_entries, acl.purge, acl.purge_role),
            ("", ("authorizer",), 5.0, None, 10_000, "", ""),
        )
        desk = self.load(SOUND + AUTHENTICATOR).authenticators["desk"]
        assert isinstance(desk, authentication.RemoteAuthenticatorSection)
        self.assertEqual(
            (desk.realm, desk.registered_by, desk.timeout, desk.roles, desk.default_role),
            ("", ("authenticator",), 5.0, ("user", "clerk"), ""),
        )

    def test_all_keys(self) -> None:
        """Everything that can be said."""
        keys = "realm = oro\nregistered_by = acl, ops\ntimeout = 250ms\ncache = 30s\ncache_entries = 5\n"
        acl = self.load(SOUND + AUTHORIZER + keys + "purge = com.example.purge\npurge_role = admin\n").authorizers[
            "acl"
        ]
        assert isinstance(acl, authentication.RemoteAuthorizerSection)
        self.assertEqual((acl.realm, acl.registered_by, acl.timeout), ("oro", ("acl", "ops"), 0.25))
        self.assertEqual((acl.cache, acl.cache_entries), (30.0, 5))
        self.assertEqual((acl.purge, acl.purge_role), ("com.example.purge", "admin"))

    def test_what_must_be_there(self) -> None:
        """A procedure, a method, and the roles that an answer may give: never just any."""
        faults = "\n".join(self.faults(SOUND + "[authorizer:a]\nuse = remote\n[authenticator:b]\nuse = remote\n"))
        for key in ("[authorizer:a] procedure", "[authenticator:b] procedure", "b] method", "b] roles"):
            self.assertIn(f"{key}: is missing", faults)

    def test_methods(self) -> None:
        """Each of Crossbar.io's names, and no other."""
        for method in authentication.REMOTE_METHODS:
            self.load(SOUND + AUTHENTICATOR.replace("ticket", method))
        self.assertIn("did you mean ticket?", self.faults(SOUND + AUTHENTICATOR.replace("ticket", "tickets"))[0])

    def test_procedures(self) -> None:
        """URIs of the application's own."""
        self.assertEqual(authentication.procedure_uri("com.example.authorize", BUILTIN), "com.example.authorize")
        for text in ("com..x", ".x", "x.", "a b", "com.#", "wamp.session.get", "wamp"):
            self.assertRaises(ValueError, authentication.procedure_uri, text, BUILTIN)
