"""Who is logged in to a session of Oro: the logins of every version, and everything that only looks like one."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.php.serialized import ParseLimits, SessionUnreadable
from orosync.identity.php.session import TOKEN_CLASSES, USER_CLASSES, BackOfficeTokens
from orosync.model import AdminSession
from tests.identity.php.oracle import SAMPLE, sessions

HASH = "$2y$13$hash-of-anna"
ROLES = frozenset({"ROLE_MANAGER"})
ANNA = AdminSession("anna", 7, HASH, 3, ROLES)
HOMELESS = AdminSession("anna", 7, HASH, None, ROLES)

# The names are those of tests/php/oro_tokens.php.
ADMITTED = {
    "oro 4.2": ANNA,
    "oro 4.2 remembered": ANNA,
    "oro 5.0": ANNA,
    "oro 7.1": AdminSession("anna", 7, HASH, 3, frozenset({"ROLE_MANAGER", "ROLE_MODEL"})),
    "oro enterprise": ANNA,
    "oro remembered": ANNA,
    "oro impersonated": ANNA,
    "oro single sign-on": ANNA,
    "oro enterprise token": ANNA,
    "oro enterprise remembered": ANNA,
    "oro enterprise single sign-on": ANNA,
    "oro ldap": attrs.evolve(ANNA, password_hash=""),
    "oro proxies": ANNA,
    "oro without organization": HOMELESS,
    "oro attributes with another user": ANNA,
    "oro copies of one user": ANNA,
    "oro without password": attrs.evolve(ANNA, password_hash=""),
    "oro name in Ukrainian": AdminSession("Ганна", 7, HASH, 3, ROLES),
}
NOBODY = {
    "oro switched": (
        "switched_user",
        r"tokens of class Symfony\\?\S+\\SwitchUserToken are not accepted: the user acts as",
    ),
    "oro saml": ("unknown_token", r"tokens of class Acme\\SamlToken are not accepted; .* add the class to tokens"),
    "oro saml by hslavich": ("unknown_token", r"Hslavich\\OneloginSamlBundle\\\S+\\SamlToken are not"),
    "oro saml by nbgrp": ("unknown_token", r"Nbgrp\\OneloginSamlBundle\\\S+\\SamlToken are not"),
    "oro own authenticator": ("unknown_token", r"Symfony\\\S+\\PostAuthenticationToken are not"),
    "oro own users": ("unknown_user_class", r"users of class Acme\\Admin are not .* add the class to users"),
    "oro disabled": ("disabled", "disabled"),
    "oro never stored": ("malformed_session", "never stored"),
    "oro without name": ("malformed_session", "no name"),
    "oro not authenticated": ("not_logged_in", "not authenticated"),
    "oro second factor": ("second_factor", r"waits for its second factor \(token Scheb\\\S+\\TwoFactorToken\)"),
    "oro second factor of scheb 5": ("second_factor", "waits for its second factor"),
    "oro enterprise second factor": ("second_factor", r"\(token Oro\\Bundle\\UserProBundle\\\S+\\TwoFactorToken\)"),
    "oro customer": ("unknown_user_class", r"users of class Oro\\Bundle\\CustomerBundle\\Entity\\CustomerUser are not"),
    "oro customer proxy": ("unknown_user_class", r"of class Oro\\Bundle\\CustomerBundle\\Entity\\CustomerUser are not"),
    "oro customer visitor": ("unknown_token", r"tokens of class Oro\\Bundle\\CustomerBundle\S+ are not"),
    "oro user and customer": ("unknown_user_class", r"Oro\\Bundle\\CustomerBundle\\Entity\\CustomerUser are not"),
    "oro failed login": ("not_logged_in", "no user is logged in"),
    "oro logged out": ("not_logged_in", "no user is logged in"),
    "oro storefront": ("not_logged_in", "no user is logged in"),
    "oro other context": ("not_logged_in", r"no user is logged in \(_security_main is missing\)"),
    "oro users in a list": ("not_logged_in", "no user"),
}
UNREADABLE = {
    "oro two users": "several users",
    "oro two organizations": "several organizations",
    "oro name not UTF-8": "not UTF-8",
    "oro token no object": "not an object",
    "oro token no string": "not a string",
    "oro token cut": "byte",
    "oro token and more": "follows",
}
SWITCHED = r"Symfony\Component\Security\Core\Authentication\Token\SwitchUserToken"


def written(name: str, **options: Any) -> bytes:
    """The session of that name, as PHP wrote it."""
    return sessions(**options)[name].data


def meta(text: bytes) -> bytes:
    """A session with nothing but ``_sf2_meta``."""
    return b"_sf2_meta|" + text


class Logins(SynchronousTestCase):
    """Sessions that PHP wrote, with Oro's classes by name and layout."""

    def test_the_table_is_whole(self) -> None:
        """Every login that PHP writes for these tests is judged in one of them."""
        names = {name for name in sessions() if name.startswith("oro ")}
        self.assertEqual(names, set(ADMITTED) | set(NOBODY) | set(UNREADABLE))

    def test_admitted(self) -> None:
        """A user logged in to the back office is found with id, hash, organisation and roles, in every layout."""
        for entities in ("", "serializable"):
            for name, admin in ADMITTED.items():
                reading = BackOfficeTokens().read(written(name, entities=entities))
                self.assertEqual((reading.admin, reading.code, reading.reason), (admin, "", ""), name)
                self.assertEqual(reading.last_used, 1768472430, name)

    def test_nobody(self) -> None:
        """Customers, half-done logins, disabled users and unknown tokens have no user, each with a reason code and a
        reason that says what to do."""
        for entities in ("", "serializable"):
            for name, (code, reason) in NOBODY.items():
                reading = BackOfficeTokens().read(written(name, entities=entities))
                self.assertEqual((reading.admin, reading.code), (None, code), name)
                self.assertRegex(reading.reason, reason, name)

    def test_unreadable(self) -> None:
        """An ambiguous or broken session has no user either."""
        for entities in ("", "serializable"):
            for name, reason in UNREADABLE.items():
                error = self.assertRaises(SessionUnreadable, BackOfficeTokens().read, written(name, entities=entities))
                self.assertIn(reason, str(error), name)

    def test_every_handler(self) -> None:
        """Applications that changed session.serialize_handler are read when they say so."""
        for handler in ("php_binary", "php_serialize"):
            tokens = BackOfficeTokens(handler=handler)
            self.assertEqual(tokens.read(written("oro 5.0", handler=handler)).admin, ANNA)

    def test_sample(self) -> None:
        """The sample: a file of PHP's with Oro's own token class."""
        reading = BackOfficeTokens().read(SAMPLE)
        self.assertEqual(
            reading.admin,
            AdminSession(
                "admin",
                1,
                "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHRzb21lc2FsdA$2l8qv0mZ1b2yV9m6sL6T9w2m0b5yH6bX9nJ5m9Yd1xE",
                1,
                frozenset({"ROLE_ADMINISTRATOR"}),
            ),
        )
        self.assertEqual(reading.last_used, 1768472430)


class Configured(SynchronousTestCase):
    """What an administrator may name."""

    def test_context(self) -> None:
        """An application with another firewall context is read there, and only there."""
        self.assertEqual(BackOfficeTokens("backoffice").read(written("oro other context")).admin, ANNA)
        self.assertIsNone(BackOfficeTokens("backoffice").read(written("oro 5.0")).admin)

    def test_token_classes(self) -> None:
        """A single sign-on of one's own counts when it is named; the leading backslash is not minded."""
        for name in (r"Acme\SamlToken", r"\Acme\SamlToken"):
            tokens = BackOfficeTokens(token_classes=TOKEN_CLASSES | {name})
            self.assertEqual(tokens.read(written("oro saml")).admin, ANNA)

    def test_saml_bundles(self) -> None:
        """Tokens of Symfony's own kind, as the SAML bundles make them, know no organization; what they claim in their
        attributes is nobody's right."""
        for name, written_as in (
            (r"Hslavich\OneloginSamlBundle\Security\Http\Authenticator\Token\SamlToken", "oro saml by hslavich"),
            (r"Nbgrp\OneloginSamlBundle\Security\Http\Authenticator\Token\SamlToken", "oro saml by nbgrp"),
            (r"Symfony\Component\Security\Http\Authenticator\Token\PostAuthenticationToken", "oro own authenticator"),
        ):
            self.assertEqual(BackOfficeTokens(token_classes={name}).read(written(written_as)).admin, HOMELESS)

    def test_user_classes(self) -> None:
        """So do users of a class of one's own."""
        tokens = BackOfficeTokens(user_classes=USER_CLASSES | {r"Acme\Admin"})
        self.assertEqual(tokens.read(written("oro own users")).admin, ANNA)
        self.assertEqual(tokens.read(written("oro 5.0")).admin, ANNA)

    def test_switched_user(self) -> None:
        """A "switch user" login is the user it became, as in the application; never the original one."""
        tokens = BackOfficeTokens(token_classes={SWITCHED})
        self.assertEqual(tokens.read(written("oro switched")).admin, HOMELESS)

    def test_second_factor(self) -> None:
        """A login that waits for its second factor has no user, even where its class is named by mistake."""
        for name, written_as in (
            (r"Scheb\TwoFactorBundle\Security\Authentication\Token\TwoFactorToken", "oro second factor"),
            (r"Scheb\TwoFactorBundle\Security\Authentication\Token\TwoFactorToken", "oro second factor of scheb 5"),
            (r"Oro\Bundle\UserProBundle\Security\TwoFactorToken", "oro enterprise second factor"),
        ):
            reading = BackOfficeTokens(token_classes={name}).read(written(written_as))
            self.assertEqual((reading.admin, reading.reason), (None, "the token holds no user"), written_as)

    def test_limits(self) -> None:
        """The limits hold for the token inside of the session as well."""
        self.assertRaises(SessionUnreadable, BackOfficeTokens(limits=ParseLimits(values=20)).read, SAMPLE)
        self.assertRaises(SessionUnreadable, BackOfficeTokens(limits=ParseLimits(depth=4)).read, SAMPLE)
        self.assertRaises(SessionUnreadable, BackOfficeTokens(limits=ParseLimits(size=1000)).read, SAMPLE)


class Odd(SynchronousTestCase):
    """Sessions that no application writes."""

    def test_last_used(self) -> None:
        """A session that does not say when it was used says None, and is otherwise read."""
        for text, used in [
            (b'a:1:{s:1:"u";i:5;}', 5),
            (b'a:1:{s:1:"u";s:1:"5";}', None),
            (b'a:1:{s:1:"u";b:1;}', None),
            (b"a:0:{}", None),
            (b"N;", None),
        ]:
            reading = BackOfficeTokens().read(meta(text))
            self.assertEqual((reading.admin, reading.last_used), (None, used), text)

    def test_empty(self) -> None:
        """A new session has no user."""
        self.assertEqual(BackOfficeTokens().read(b"").admin, None)
        self.assertEqual(BackOfficeTokens().read(b"_sf2_attributes|a:0:{}").admin, None)

    def test_attributes_no_array(self) -> None:
        """What is not Symfony's is refused."""
        self.assertRaises(SessionUnreadable, BackOfficeTokens().read, b"_sf2_attributes|i:5;")

    def test_user_not_as_written_by_oro(self) -> None:
        """A user without one of the six fields is refused, rather than taken for another."""
        name = b"Oro\\Bundle\\UserBundle\\Entity\\User"
        for kind, content in [
            (b"O", b"0:{}"),
            (b"O", b"1:{i:0;N;}"),
            (b"C", b"2:{no}"),
            (b"C", b"0:{}"),
            (b"C", b"2:{N;}"),
        ]:
            user = b'%b:%d:"%b":%b' % (kind, len(name), name, content)
            state = b"a:4:{i:0;" + user + b"i:1;b:1;i:2;N;i:3;a:0:{}}"
            error = self.assertRaises(
                SessionUnreadable, BackOfficeTokens().read, logged_in(b"a:1:{i:0;" + state + b"}")
            )
            self.assertIn("not written as Oro", str(error))

    def test_a_token_in_itself(self) -> None:
        """Arrays that hold themselves do not keep the reader forever."""
        reading = BackOfficeTokens().read(logged_in(b"a:3:{i:0;a:1:{i:0;R:2;}i:1;R:2;i:2;R:1;}"))
        self.assertEqual((reading.admin, reading.reason), (None, "the token holds no user"))

    def test_nothing_shows_the_hash(self) -> None:
        """Neither a reading nor an error shows what belongs to the user alone."""
        self.assertNotIn(HASH, repr(BackOfficeTokens().read(written("oro 5.0"))))
        for name in UNREADABLE:
            error = self.assertRaises(SessionUnreadable, BackOfficeTokens().read, written(name))
            self.assertNotIn("hash", str(error))


def logged_in(content: bytes) -> bytes:
    """A session with a token of Oro's; ``content`` is an array, taken for what its __serialize returned."""
    name = b"Oro\\Bundle\\SSOBundle\\Security\\OAuthToken"
    token = b'O:%d:"%b"%b' % (len(name), name, content.removeprefix(b"a"))
    return b'_sf2_attributes|a:1:{s:14:"_security_main";s:%d:"%b";}' % (len(token), token)
