"""Tests of orosync.config.sessions."""

from __future__ import annotations

from pathlib import Path

from orosync.config import sessions
from tests.config.files import ENVIRON, SOUND, FilesCase

DSN = "redis://orosync:top-secret@h"
DATABASE = "postgres://orosync:top-secret@h/oro"


class Sections(FilesCase):
    """[sessions:NAME] as an administrator writes it."""

    def loaded(self, *lines: str) -> object:
        """The section with these lines."""
        text = SOUND + "[sessions:oro]\n" + "\n".join(lines) + "\n"
        return self.load(text, {**ENVIRON, "DSN": DSN, "DATABASE": DATABASE}).session_stores["oro"]

    def fault(self, *lines: str) -> str:
        """The one fault of a section with these lines."""
        text = SOUND + "[sessions:oro]\n" + "\n".join(lines) + "\n"
        (fault,) = self.faults(text, {**ENVIRON, "DSN": DSN, "DATABASE": DATABASE})
        return fault

    def test_the_least(self) -> None:
        """What Oro has by default need not be written."""
        files = self.loaded("use = files", "path = /var/www/oro/var/sessions/prod")
        assert isinstance(files, sessions.SessionFilesSection)
        self.assertEqual((files.path, files.lifetime), (Path("/var/www/oro/var/sessions/prod"), 7200.0))
        self.assertEqual((files.context, files.serializer, files.tokens, files.users), ("main", "php", set(), set()))
        redis = self.loaded("use = redis", "dsn = env:DSN")
        assert isinstance(redis, sessions.RedisSessionsSection)
        self.assertEqual((redis.prefix, redis.ca, redis.timeout, redis.dsn.value), ("session", None, 2.0, DSN))
        pdo = self.loaded("use = pdo", "dsn = env:DATABASE")
        assert isinstance(pdo, sessions.PdoSessionsSection)
        self.assertEqual((pdo.table, pdo.connections), ("oro_session", 4))
        http = self.loaded("use = http", "url = https://oro.example.com/admin/sync/ticket", "authenticator = ticket")
        assert isinstance(http, sessions.TicketExchangeSection)
        self.assertEqual((http.cookie, http.timeout, http.ca), ("BAPID", 5.0, None))

    def test_dsn_is_not_shown(self) -> None:
        """It may hold a password."""
        for use, dsn in (("redis", "DSN"), ("pdo", "DATABASE")):
            self.assertNotIn("top-secret", repr(self.loaded(f"use = {use}", f"dsn = env:{dsn}")))

    def test_classes(self) -> None:
        """Classes of one's own are listed by their full names."""
        found = self.loaded("use = files", "path = /s", r"tokens = Acme\Saml\Token, \Other\T", "users = Admin")
        assert isinstance(found, sessions.SessionFilesSection)
        self.assertEqual((found.tokens, found.users), ({r"Acme\Saml\Token", r"\Other\T"}, {"Admin"}))
        for odd in ("Acme/Token", r"Acme\\Token", "Acme\\", "1Acme"):
            self.assertIn(
                "is not the full name of a PHP class", self.fault("use = files", "path = /s", f"users = {odd}")
            )

    def test_faults(self) -> None:
        """Each says what is wrong and what to write."""
        http = ("use = http", "authenticator = ticket")
        table = [
            (("use = file", "path = /s"), "'file' is not known, did you mean files?"),
            (("use = files",), "path: is missing, add a line like: path = /var/www/oro/var/sessions/prod"),
            (("use = redis", f"dsn = {DSN}"), "a secret never stands in this file"),
            (("use = redis", "dsn = env:DATABASE"), "dsn: env:DATABASE is not a DSN of Redis"),
            (("use = pdo", "dsn = env:DSN"), "dsn: env:DSN names no database that orosync can ask"),
            (("use = redis", "dsn = env:DSN", "prefix = a b"), "prefix: 'a b' is not the beginning of a key"),
            (("use = redis", "dsn = env:DSN", "ca = /nowhere"), "ca: /nowhere cannot be read"),
            (("use = pdo", "dsn = env:DATABASE", "table = a;b"), "table: 'a;b' is no name of a table"),
            ((*http, "url = oro.example.com"), "is not an address, write it like https://oro.example.com/admin"),
            ((*http, "url = https://user:pw@oro.example.com/x"), "is not an address"),
            ((*http, "url = https://oro.example.com/x", "cookie = a;b"), "cookie: 'a;b' is not the name of a cookie"),
        ]
        for lines, words in table:
            fault = self.fault(*lines)
            self.assertIn(words, fault)
            self.assertNotIn("top-secret", fault)

    def test_who_judges_exchanged_tickets(self) -> None:
        """The authenticator must be there, and one of tickets."""
        lines = ("use = http", "url = https://oro.example.com/x")
        self.assertIn(
            "there is no [authenticator:tickt], did you mean ticket?", self.fault(*lines, "authenticator = tickt")
        )
        guests = "authenticator = guests\n[authenticator:guests]\nuse = anonymous"
        self.assertIn("guests verifies no tickets, name one with use = ticket", self.fault(*lines, guests))

    def test_cookies_in_the_clear(self) -> None:
        """An exchange without TLS is warned of, unless it stays on the machine."""
        for url, warned in (
            ("http://oro.example.com/x", True),
            ("http://127.0.0.1:8000/x", False),
            ("http://localhost/x", False),
            ("http://[::1]/x", False),
            ("https://oro.example.com/x", False),
        ):
            text = f"{SOUND}[sessions:oro]\nuse = http\nauthenticator = ticket\nurl = {url}\n"
            found = [one for one in self.load(text).warnings if one.startswith("[sessions:oro] url: visitors' cookies")]
            self.assertEqual(bool(found), warned, url)
