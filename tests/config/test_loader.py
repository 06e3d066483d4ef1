"""Tests of orosync.config.loader."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orosync.config import Configuration, load
from orosync.config.backplane import RedisBackplaneSection
from orosync.config.sections import (
    CookieSection,
    DemoDirectorySection,
    ForeignSection,
    StaticDirectorySection,
    TicketSection,
)
from orosync.errors import ConfigError
from orosync.model import User
from tests.config.files import ENVIRON, SECRET, SOUND, FilesCase, pem

ETC = Path(__file__).resolve().parents[2] / "etc"
PRODUCTION = ETC / "router.production.ini"

FOREIGN = """\
[authenticator:acme]
use = acme.auth:Cookie
cookie = BAPID
token = env:ORO_SECRET
"""

ATTACHED = """\
[attach]
url = wss://router.example.com/ws
realm = oro
believe = ticket
"""


class Sound(FilesCase):
    """Configurations without a fault."""

    def test_the_least(self) -> None:
        """Everything is in its place, under its name."""
        configuration = self.load(SOUND)
        self.assertEqual(configuration.path, self.directory / "router.ini")
        self.assertEqual(configuration.listeners["public"].realm, "oro")
        self.assertEqual(configuration.realms["oro"].authenticators, ("ticket",))
        ticket = configuration.authenticators["ticket"]
        assert isinstance(ticket, TicketSection)
        self.assertEqual((ticket.secret.value, ticket.directory), (SECRET, "people"))
        people = configuration.directories["people"]
        assert isinstance(people, StaticDirectorySection)
        self.assertEqual(people.user, (User(1, "admin", ENVIRON["ADMIN_HASH"]),))
        self.assertEqual(configuration.topics["oro"].use, "oro")
        self.assertEqual(configuration.notifications.realm, "oro")
        self.assertEqual((configuration.roles, configuration.authorizers, configuration.warnings), ((), {}, ()))

    def test_parts_from_elsewhere(self) -> None:
        """A foreign part keeps its options; those that are references have been followed; nothing is imported."""
        text = SOUND.replace("= ticket\nauthorizers = ", "= ticket acme\nauthorizers = rules ")
        configuration = self.load(text + FOREIGN + "[authorizer:rules]\nuse = acme.rules:make\n")
        self.assertEqual(
            configuration.authenticators["acme"],
            ForeignSection(name="acme", use="acme.auth:Cookie", options={"cookie": "BAPID", "token": SECRET}),
        )
        self.assertEqual(configuration.authorizers["rules"].use, "acme.rules:make")
        self.assertNotIn(SECRET, repr(configuration))

    def test_the_processs_environment(self) -> None:
        """Without being told otherwise, references are looked up in the process's own environment."""
        self.patch(os, "environ", {**ENVIRON})
        self.assertEqual(list(load(str(self.write(SOUND))).listeners), ["public"])

    def test_nothing_secret_is_shown(self) -> None:
        """The whole configuration's repr holds no secret and no hash."""
        shown = repr(self.load(SOUND))
        self.assertNotIn(SECRET, shown)
        self.assertNotIn(ENVIRON["ADMIN_HASH"], shown)


class Faulty(FilesCase):
    """Configurations with faults."""

    def test_keys_of_an_earlier_release(self) -> None:
        """A renamed key is an error with its section, its line and the new name; a file may have several."""
        text = SOUND.replace("[realm:oro]", "proxies = loopback\noutput_limit = 1MiB\noutput_stall = 5s\n\n[realm:oro]")
        text = text.replace("use = ticket", "use = ticket\nonce = yes") + ATTACHED
        self.assertEqual(
            self.faults(text),
            [
                "[listen:public] proxies: is no key of [listen:public], was renamed to trusted_proxies (line 4)",
                "[listen:public] output_limit: is no key of [listen:public], was renamed to send_buffer_limit (line 5)",
                "[listen:public] output_stall: is no key of [listen:public], was renamed to send_timeout (line 6)",
                "[authenticator:ticket] once: is no key of [authenticator:ticket], was renamed to single_use (line 14)",
                "[attach] believe: is no key of [attach], was renamed to trusted_providers (line 27)",
            ],
        )

    def test_a_key_that_is_gone(self) -> None:
        """A removed key is an error with its section, its line, and the reason."""
        self.assertEqual(
            self.faults(SOUND + "[notifications]\nmaintenance_lock = /var/www/oro/var/cache/maintenance_lock\n"),
            [
                "[notifications] maintenance_lock: was removed, delete the line: Oro's page never learned anything "
                "from it, and gets the change from Oro (line 20)"
            ],
        )

    def test_two_in_one_section(self) -> None:
        """A section that cannot be made for one fault is looked at for names that lead nowhere all the same."""
        text = SOUND.replace("env:ORO_SECRET", "file:nowhere").replace("directory = people", "directory = peopel")
        text = text.replace("endpoint", "header_limit = x\nrealm = orro\nauthenticators = tiket\nendpoint")
        self.assertEqual(
            [fault.partition(",")[0] for fault in self.faults(text)],
            [
                "[listen:public] header_limit: 'x' is not a size",
                "[listen:public] realm: there is no [realm:orro]",
                "[listen:public] authenticators: no realm has tiket",
                f"[authenticator:ticket] secret: {self.directory}/nowhere cannot be read (No such file or directory)",
                "[authenticator:ticket] directory: there is no [directory:peopel]",
            ],
        )

    def test_all_at_once(self) -> None:
        """Faults of syntax, of sections, of values and between sections: one line each, in the order of the file."""
        text = """\
[router]
drian = 5s
drain = 5
colour
[listen:public]
endpoint = ssl:443
header_limit = 16K
realm = orro
[listner:x]
endpoint = tcp:1
[listen]
endpoint = tcp:1
[router:one]
[realm:oro]
authenticators = ticket, guest
authorizers = topics:oro
[authenticator:ticket]
use = ticket
secret = s3cr3t-in-the-open
[authenticator:guest]
use = anonymos
[realm:oro]
[topics:oro]
channel.acme/{x = subscribe user
[colours]
"""
        own_tls = "would serve an old certificate after its renewal, write tcp: and let the keys certificate and key"
        sections = (
            "[router], [attach], [backplane], [notifications], [listen:NAME], [realm:NAME], [role:NAME], "
            "[authenticator:NAME], [authorizer:NAME], [directory:NAME], [sessions:NAME], [topics:NAME], "
            "[component:NAME], [uplink:NAME]"
        )
        self.assertEqual(
            self.faults(text),
            [
                "[router] drian: is no key of [router], did you mean drain? (line 2)",
                "[router] drain: '5' is not a duration, write 5s for seconds (line 3)",
                "[router]: this line is neither [section], nor key = value, nor a # comment, correct it (line 4)",
                f"[listen:public] endpoint: ssl: {own_tls} wrap it (line 6)",
                "[listen:public] header_limit: '16K' is not a size, write it like 512B, 64KiB or 1MiB (line 7)",
                "[listen:public] realm: there is no [realm:orro], did you mean oro? (line 8)",
                "[listner:x]: is not a section of orosync, did you mean listen? (line 9)",
                "[listen]: needs a name of letters, digits and . _ -, write [listen:NAME] (line 11)",
                "[router:one]: takes no name, write [router] (line 13)",
                "[authenticator:ticket] directory: is missing, add a line like: directory = people (line 17)",
                "[authenticator:ticket] secret: a secret never stands in this file, write file:/path or env:NAME to "
                "say where it is (line 19)",
                "[authenticator:guest] use: 'anonymos' is not known, did you mean anonymous? (line 21)",
                "[realm:oro] stands here a second time, join the two into one (line 22)",
                "[topics:oro] channel.acme/{x: the topic's name is missing, holds a blank or braces that do not pair, "
                "write {user_id} (line 24)",
                f"[colours]: is not a section of orosync; there are {sections} (line 25)",
            ],
        )

    def test_use(self) -> None:
        """A part that says not or wrongly what it is."""
        offered = "static or postgresql or mysql or demo or package.module:factory"
        table = {
            "": f"[directory:people] use: is missing, write use = {offered} (line 13)",
            "use = postgres\n": "[directory:people] use: 'postgres' is not known, did you mean postgresql? (line 14)",
            "use = ldap\n": f"[directory:people] use: 'ldap' is not known, write {offered} (line 14)",
            "use = acme.people:\n": "[directory:people] use: 'acme.people:' names no factory, write it like "
            "package.module:factory (line 14)",
        }
        for line, expected in table.items():
            self.assertEqual(self.faults(SOUND.replace("use = static\n", line)), [expected])

    def test_options_of_others(self) -> None:
        """A foreign part's references are followed, and Oro's published secret is refused there too."""
        text = SOUND + FOREIGN.replace("ORO_SECRET", "NONE") + "hint = ThisTokenIsNotSoSecretChangeIt\n"
        self.assertEqual(
            self.faults(text),
            [
                "[authenticator:acme] token: the environment has no NONE, set it (line 22)",
                "[authenticator:acme] hint: holds the secret that Oro is published with: choose your own (line 23)",
            ],
        )

    def test_published_secret(self) -> None:
        """Oro's published secret is refused however it comes, and not repeated."""
        for key in ("ORO_SECRET", "ADMIN_HASH"):
            faults = self.faults(SOUND, {**ENVIRON, key: "ThisTokenIsNotSoSecretChangeIt"})
            self.assertEqual(len(faults), 1)
            self.assertIn("the secret that Oro is published with", faults[0])
            self.assertNotIn("ThisToken", faults[0])

    def test_files_that_are_none(self) -> None:
        """A file that is not there, is a directory or no text: one line."""
        for path, words in (
            (self.directory / "none.ini", "cannot be read (No such file or directory), correct the path or its rights"),
            (self.directory, "cannot be read (Is a directory), correct the path or its rights"),
            (self.write(b"[a]\n\xff", "latin.ini"), "is not text in UTF-8, save it as that (line 2)"),
        ):
            error = self.assertRaises(ConfigError, load, path, ENVIRON)
            self.assertEqual(error.faults, (f"{path}: {words}",))

    def test_a_file_that_is_something_else(self) -> None:
        """Of a file full of faults a bounded number is told, and nothing is guessed from what is missing."""
        faults = self.faults("x\n" * 200)
        self.assertEqual(faults[-1], "there are too many faults to go on, correct these first")
        self.assertLess(len(faults), 60)
        self.assertFalse([fault for fault in faults if "realm" in fault])


class Shipped(FilesCase):
    """The files in etc/."""

    def test_demo(self) -> None:
        """The demo runs at once: loopback, with and without TLS, its own secret, no anonymous client, Oro's topics."""
        text = (ETC / "router.ini").read_text()
        configuration = load(ETC / "router.ini", {"STATE_DIRECTORY": str(self.directory)}, 1024)
        self.assertEqual(configuration.warnings, ())
        self.assertTrue(configuration.router.demo)
        self.assertEqual(configuration.router.state, self.directory)
        self.assertEqual(
            [(one.endpoint, one.tls) for one in configuration.listeners.values()],
            [("tcp:8442:interface=127.0.0.1", False), ("tcp:8443:interface=127.0.0.1", True)],
        )
        self.assertEqual(configuration.realms["oro"].authenticators, ("ticket",))
        ticket = configuration.authenticators["ticket"]
        assert isinstance(ticket, TicketSection)
        again = load(ETC / "router.ini", {}, 65536).authenticators["ticket"]
        assert isinstance(again, TicketSection)
        self.assertNotEqual(ticket.secret.value, again.secret.value)
        self.assertIsInstance(configuration.directories["demo"], DemoDirectorySection)
        self.assertEqual(configuration.topics["oro"].use, "oro")
        self.assertLess(len(text.splitlines()), 50)
        self.every_key_is_explained(text)

    def every_key_is_explained(self, text: str) -> None:
        """A comment stands above each key or its section's first key."""
        above = ""
        for line in text.splitlines():
            if re.match(r"[a-z]", line):
                self.assertTrue(above.startswith(("#", "use =", "authenticators =")), line)
            above = line

    def production(self, text: str) -> Configuration:
        """A version of the production file, whose secrets are there; nothing is warned of but its unencrypted port."""
        self.write(SECRET, "oro_secret")
        self.write("fedcba9876543210" * 2, "oro_secret_old")
        self.write("redis://orosync:password@10.0.0.5:6379/0", "backplane_dsn")
        self.write("0a1b2c3d" * 8, "backplane_key")
        self.write("postgres://orosync:password@127.0.0.1/oro", "db_dsn")
        self.write(ENVIRON["ADMIN_HASH"], "admin_hash")
        self.write(pem(), "fullchain.pem")
        self.write(pem(), "privkey.pem")
        environ = {"CREDENTIALS_DIRECTORY": str(self.directory), "STATE_DIRECTORY": str(self.directory)}
        configuration = self.load(text, environ)
        expected = ["[listen:shared] endpoint: tcp:8080 takes connections from other machines unencrypted"]
        if configuration.listeners["shared"].endpoint != "tcp:8080":
            expected = []
        self.assertEqual([one.partition(", so that")[0] for one in configuration.warnings], expected)
        return configuration

    def test_production(self) -> None:
        """What a real installation starts from is sound once its secrets are where it says: Oro's documented set-up,
        one port without a proxy, and all users of its database."""
        configuration = self.production(PRODUCTION.read_text())
        self.assertEqual(
            [(one.name, one.endpoint) for one in configuration.listeners.values()], [("shared", "tcp:8080")]
        )
        self.assertEqual(configuration.directories["people"].use, "postgresql")

    def test_production_behind_nginx(self) -> None:
        """The comment for nginx: its lines replace those of the port without a proxy, and warn of nothing."""
        text = PRODUCTION.read_text()
        endpoint, origins, proxies = re.findall(
            r"(?m)^#   ((?:endpoint = tcp:8080:|origins = |trusted_proxies = ).*)$", text
        )
        text = re.sub(r"(?m)^endpoint = .*$", f"{endpoint}\n{proxies}", text, count=1)
        text = re.sub(r"(?m)^origins = .*$", origins, text, count=1)
        listener = self.production(text).listeners["shared"]
        self.assertEqual(listener.endpoint, "tcp:8080:interface=127.0.0.1")
        self.assertTrue(listener.trusted_proxies)

    def test_production_with_a_list_of_users(self) -> None:
        """The comment with the static list replaces the two lines of the database."""
        text = PRODUCTION.read_text()
        use, user = re.findall(r"(?m)^#   (use = static|user\.admin = .*)$", text)
        text = re.sub(r"(?m)^use = postgresql\ndsn = .*$", f"{use}\n{user}", text)
        people = self.production(text).directories["people"]
        assert isinstance(people, StaticDirectorySection)
        self.assertEqual([one.username for one in people.user], ["admin"])

    def test_production_with_the_cookie_of_each_application(self) -> None:
        """The comments with the cookie of OroPlatform, OroCRM and OroCommerce, each with PHP's files."""
        text = PRODUCTION.read_text()
        cookies = {}
        for application in ("OroPlatform", "OroCRM", "OroCommerce"):
            written = text.replace("authenticators = ticket", "authenticators = ticket cookie")
            for title in (f"# {application}: ", "# PHP's sessions in files"):
                found = re.search(rf"(?m)^{title}(?:.*\n)(?:# .*\n)*?((?:#   .*\n)+)", text)
                assert found is not None, title
                written += re.sub(r"(?m)^#   ", "", found[1])
            written = written.replace("path = /var/www/oro/var/sessions/prod", f"path = {self.directory}")
            configuration = self.production(written)
            cookie = configuration.authenticators["cookie"]
            assert isinstance(cookie, CookieSection)
            cookies[application] = cookie.cookie
        self.assertEqual(cookies, {"OroPlatform": "BAPID", "OroCRM": "CRMID", "OroCommerce": "BAPID"})

    def test_production_with_everything(self) -> None:
        """So are the lines that are commented out there: TLS of our own, a port for PHP, rotation, own channels."""
        text = PRODUCTION.read_text()
        text = re.sub(r"(?m)^#(?=\[|[a-z_]+(\.\S+)? = )", "", text)
        text = text.replace("oro_routing = /var/www/oro", f"oro_routing = {self.directory}")
        configuration = self.production(text)
        self.assertEqual(list(configuration.listeners), ["shared", "public", "backend"])
        self.assertIsInstance(configuration.backplane, RedisBackplaneSection)

    def test_production_without_its_secrets(self) -> None:
        """Until then it does not start, and says what is missing."""
        error = self.assertRaises(ConfigError, load, PRODUCTION, {}, 65536)
        missing = "the environment has no CREDENTIALS_DIRECTORY, set it or write the path out"
        self.assertEqual(
            [re.sub(r" \(line \d+\)", "", fault) for fault in error.faults],
            [f"[authenticator:ticket] secret: {missing}", f"[directory:people] dsn: {missing}"],
        )
