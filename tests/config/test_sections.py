"""Tests of orosync.config.sections."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import sections
from orosync.config.authentication import METHODS
from orosync.config.credentials import Secret
from orosync.model import User
from tests.config.files import SOUND, FilesCase


class Sections(SynchronousTestCase):
    """What sections say when the file does not, and what they never say."""

    def test_times_of_tickets(self) -> None:
        """Tickets live as long as in Oro: 300 seconds, and 30 ahead of our clock."""
        section = sections.TicketSection(name="t", use="ticket", secret=Secret("s", "env:S"), directory="d")
        self.assertEqual((section.ttl, section.future), (300.0, 30.0))
        self.assertEqual((section.role, section.publisher_role, section.previous_secret), ("user", "backend", None))

    def test_secrets_are_not_shown(self) -> None:
        """No section's repr holds a secret, a password's hash or a foreign option."""
        shown = repr(
            [
                sections.TicketSection(
                    name="t",
                    use="ticket",
                    secret=Secret("hush", "env:S"),
                    previous_secret=Secret("hush", "env:P"),
                    directory="d",
                ),
                sections.StaticDirectorySection(name="d", use="static", user=(User(1, "admin", "hush"),)),
                sections.ForeignSection(name="f", use="a.b:c", options={"token": "hush"}),
            ]
        )
        self.assertIn("env:S", shown)
        self.assertNotIn("hush", shown)

    def test_topics_are_oros_unless_said_otherwise(self) -> None:
        """Users subscribe, the back end publishes."""
        section = sections.TopicsSection(name="oro")
        roles = ({"user": frozenset()}, {"backend": frozenset()})
        self.assertEqual((section.use, section.subscribe, section.publish), ("oro", *roles))

    def test_process(self) -> None:
        """Five seconds to let go, and no demo unless asked for."""
        section = sections.RouterSection()
        self.assertEqual((section.drain, section.demo), (5.0, False))
        self.assertEqual(sections.NotificationsSection().ping_interval, 50.0)

    def test_databases(self) -> None:
        """Seconds to give up in, a moment to remember for, and a DSN that is not shown."""
        section = sections.SqlDirectorySection(name="x", use="mysql", dsn=Secret("mysql://u:p@h/d", "env:DSN"))
        self.assertEqual((section.users, section.connections), ("oro_user", 4))
        self.assertEqual((section.connect_timeout, section.query_timeout, section.cache), (3.0, 2.0, 1.0))
        self.assertNotIn("u:p", repr(section))

    def test_built_in_kinds(self) -> None:
        """The names that `use` knows."""
        self.assertEqual(list(sections.AUTHENTICATORS), ["ticket", "cookie", *METHODS, "anonymous", "remote"])
        self.assertEqual(list(sections.DIRECTORIES), ["static", "postgresql", "mysql", "demo"])


COOKIES = (
    SOUND.replace("authenticators = ticket", "authenticators = ticket cookie")
    + """
[authenticator:cookie]
use = cookie
sessions = office
directory = people
[sessions:office]
use = http
url = https://oro.example.com/admin/sync/ticket
authenticator = ticket
"""
)


class Cookies(FilesCase):
    """[authenticator:NAME] with use = cookie, and how often logins are looked at again."""

    def test_defaults(self) -> None:
        """Oro's cookie, the role of users, looked at again as often as all others: every five minutes."""
        configuration = self.load(COOKIES)
        section = configuration.authenticators["cookie"]
        assert isinstance(section, sections.CookieSection)
        self.assertEqual((section.cookie, section.role, section.recheck), ("BAPID", "user", None))
        self.assertEqual((configuration.router.recheck, configuration.warnings), (300.0, ()))
        changed = self.load(COOKIES.replace("sessions = office", "sessions = office\nrecheck = 30s"))
        self.assertEqual(changed.authenticators["cookie"].recheck, 30.0)

    def test_faults(self) -> None:
        """Names that lead nowhere, and a cookie that the exchange would send on by another name."""
        table = {
            ("sessions = office", "sessions = offices"): (
                "[authenticator:cookie] sessions: there is no [sessions:offices], did you mean office? (line 22)"
            ),
            ("office\ndirectory = people", "office\ndirectory = crowd"): (
                "[authenticator:cookie] directory: there is no [directory:crowd], add that section or name another "
                "(line 23)"
            ),
            ("sessions = office", "cookie = CRMID\nsessions = office"): (
                "[authenticator:cookie] cookie: [sessions:office] sends its value on as BAPID, make them one (line 22)"
            ),
            ("sessions = office", "cookie = a;b\nsessions = office"): (
                "[authenticator:cookie] cookie: 'a;b' is not the name of a cookie, write it like BAPID (line 22)"
            ),
            ("sessions = office", "recheck = 0s\nsessions = office"): (
                "[authenticator:cookie] recheck: 0s is no time at all, write more than that (line 22)"
            ),
        }
        for (old, new), expected in table.items():
            self.assertIn(old, COOKIES)
            self.assertEqual(self.faults(COOKIES.replace(old, new)), [expected])

    def test_role(self) -> None:
        """The role that cookies give is one that topics may name."""
        text = COOKIES.replace("sessions = office", "role = staff\nsessions = office")
        text = text.replace("[topics:oro]", "[topics:oro]\nsubscribe = user staff")
        self.assertEqual(self.load(text).warnings, ())
