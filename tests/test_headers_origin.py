"""The origin rule: which pages of which hosts may connect."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.headers import OriginRule

LISTED = ("localhost", "127.0.0.1", "Shop.example", "[::1]", "https://crm.example", "https://pim.example:8443")

CASES = [
    # Bare hosts: any scheme and port, or neither, as Oro's own server has it.
    ("http://shop.example", True),
    ("https://shop.example", True),
    ("https://shop.example:8443", True),
    ("shop.example", True),
    ("127.0.0.1", True),
    ("http://127.0.0.1:8080", True),
    ("localhost", True),
    ("http://[::1]:8080", True),
    # Full origins: exactly, the scheme's own port apart.
    ("https://crm.example", True),
    ("https://crm.example:443", True),
    ("http://crm.example", False),
    ("https://crm.example:80", False),
    ("https://crm.example:8443", False),
    ("crm.example", False),
    ("https://pim.example:8443", True),
    ("https://pim.example", False),
    # Browsers send lower case; upper case is not one.
    ("https://SHOP.example", False),
    ("HTTPS://shop.example", False),
    ("https://Crm.example", False),
    # None.
    ("", False),
    ("null", False),
    ("file://", False),
    ("*", False),
    # Tricks.
    ("https://shop.example.evil.example", False),
    ("https://evilshop.example", False),
    ("https://evil.example/shop.example", False),
    ("https://evil.example#shop.example", False),
    ("https://evil.example?shop.example", False),
    ("https://shop.example@evil.example", False),
    ("https://user@shop.example", False),
    ("https://shop.example/", False),
    ("https://shop.example:", False),
    ("https://shop.example:443443", False),
    ("https://shop.example ", False),
    ("https://shop.example\n", False),
    ("https://shop.example, https://evil.example", False),
    ("https://shop.example\\.evil.example", False),
    ("https://sh\u043ep.example", False),
    ("https://shop.example:\u0664\u0664\u0663", False),
    ("//shop.example", False),
    ("://shop.example", False),
    ("https:shop.example", False),
]


class OriginRuleTests(SynchronousTestCase):
    def test_each_origin(self) -> None:
        """A page is let in for its host or its full origin, and for nothing that merely looks like them."""
        rule = OriginRule(LISTED)
        for origin, allowed in CASES:
            self.assertEqual(rule.allows(origin), allowed, origin)

    def test_a_missing_origin_is_refused_where_one_is_required(self) -> None:
        """Only who is no browser can leave it out; a public listener does not want those."""
        self.assertFalse(OriginRule(LISTED, required=True).allows(None))
        self.assertTrue(OriginRule(LISTED, required=False).allows(None))

    def test_an_optional_origin_is_still_judged(self) -> None:
        """Optional means that it may be missing, not that any page may connect."""
        self.assertFalse(OriginRule(LISTED, required=False).allows("https://evil.example"))

    def test_an_empty_list_lets_no_page_in(self) -> None:
        """Without configured origins none is allowed."""
        self.assertFalse(OriginRule(()).allows("http://localhost"))

    def test_replaced(self) -> None:
        """Other entries hold from then on; with one that cannot be meant, those before stay."""
        rule = OriginRule(["a.example"], required=False)
        rule.replace(["https://b.example"])
        with self.assertRaises(ValueError):
            rule.replace(["a.example", "*"])
        origins = ("http://a.example", "https://b.example", None)
        self.assertEqual([rule.allows(one) for one in origins], [False, True, True])

    def test_entries_that_cannot_be_meant_are_errors(self) -> None:
        """A pattern, a port without a scheme or a URL with a path would never match as its author thinks."""
        for entry in ("*", "*.example", "shop.example:8443", "https://shop.example/admin", "null", "", "a b"):
            with self.assertRaises(ValueError, msg=entry):
                OriginRule([entry])
