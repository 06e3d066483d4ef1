"""Cookies as PHP reads them."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.headers import parse_cookies


class CookieTests(SynchronousTestCase):
    def test_cookies_as_php_reads_them(self) -> None:
        """Values stay as they are, the first of two counts, and rubbish is passed over without a fuss."""
        for header, cookies in [
            (None, {}),
            ("", {}),
            ("BAPID=abc", {"BAPID": "abc"}),
            ("a=1; BAPID=abc;b=2", {"a": "1", "BAPID": "abc", "b": "2"}),
            ("BAPID=first; BAPID=second", {"BAPID": "first"}),
            ("a=b=c", {"a": "b=c"}),
            ('a="x y"', {"a": '"x y"'}),
            ("https-_csrf=1", {"https-_csrf": "1"}),
            ("a=", {"a": ""}),
            (";;=x; lonely ; =", {}),
            ("a[b]=1; {}=2", {"a[b]": "1", "{}": "2"}),
        ]:
            self.assertEqual(dict(parse_cookies(header)), cookies, header)
