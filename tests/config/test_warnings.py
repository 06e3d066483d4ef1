"""Tests of orosync.config.warnings."""

from __future__ import annotations

from orosync.config import load
from orosync.config.warnings import SPARE_FILES
from tests.config.files import ENVIRON, SOUND, FilesCase, pem

LISTEN = "[listen:public]\nendpoint = tcp:8080:interface=127.0.0.1\n"


class Warnings(FilesCase):
    """What works and is yet likely to be a mistake."""

    def test_open_files(self) -> None:
        """Connections that the process could not hold."""
        text = SOUND.replace("endpoint", "max_connections = 1000\nbackend_places = 10\nendpoint")
        self.assertEqual(self.load(text, open_files=1010 + SPARE_FILES).warnings, ())
        self.assertEqual(self.load(text, open_files=-1).warnings, ())
        self.assertEqual(
            self.load(text, open_files=1024).warnings,
            (
                "[router] the process may open 1024 files, its listeners allow 1010 connections: raise LimitNOFILE "
                "(ulimit -n) or lower max_connections",
            ),
        )

    def test_the_publishers_origin(self) -> None:
        """Oro's PHP would be refused for its Origin."""
        text = SOUND.replace("endpoint", "origins = https://a.example\npublisher_from = loopback\nendpoint")
        self.assertEqual(
            self.load(text).warnings,
            ("[listen:public] origins: Oro's publisher sends 127.0.0.1 and is refused, add it (line 2)",),
        )
        self.assertEqual(self.load(text.replace("a.example", "a.example 127.0.0.1")).warnings, ())

    def test_roles_that_no_user_has(self) -> None:
        """A role in a topic's rule that no authenticator gives, unless a foreign one might."""
        text = SOUND + "channel.acme = subscribe usr; publish nobody\n"
        expected = "[topics:oro] channel.acme: no authenticator gives usr, did you mean user? (line 19)"
        self.assertEqual(self.load(text).warnings, (expected,))
        foreign = text.replace("= ticket\nauthorizers", "= ticket acme\nauthorizers")
        self.assertEqual(self.load(foreign + "[authenticator:acme]\nuse = acme.auth:make\n").warnings, ())

    def test_tickets_that_are_good_once_here_and_often_there(self) -> None:
        """Two authenticators of one secret, of which one alone remembers what was used."""
        start = SOUND.index("[authenticator:ticket]")
        ticket = SOUND[start : SOUND.index("[", start + 1)].rstrip() + "\n"
        other = ticket.replace("[authenticator:ticket]", "[authenticator:more]")
        sound = SOUND.replace("authenticators = ticket\n", "authenticators = ticket more\n", 1)
        for first, second, warned in (("", "", ""), ("yes", "yes", ""), ("yes", "", "more"), ("", "yes", "ticket")):
            text = sound.replace(ticket, ticket + (f"single_use = {first}\n" if first else "")) + other
            found = self.load(text + (f"single_use = {second}\n" if second else "")).warnings
            told = [one for one in found if " single_use: " in one]
            self.assertEqual([one.partition("]")[0] for one in told], [f"[authenticator:{warned}"] if warned else [])

    def test_roles_of_remote_rights_that_no_user_has(self) -> None:
        """The same for sections of roles and for who may register a procedure that decides."""
        section = "[authorizer:rules]\nuse = remote\nprocedure = com.acme.decide\nregistered_by = bakend\ncache = 9s\n"
        purge = "purge = com.acme.forget\npurge_role = usre\n"
        rights = "permissions = any all\n"
        realm = SOUND.replace("topics:oro\n\n", "topics:oro rules roles\n\n", 1)
        text = realm + f"[role:oro/usr]\n{rights}[role:backend]\n{rights}{section}{purge}"
        self.assertEqual(
            self.load(text).warnings,
            (
                "[role:oro/usr] no authenticator gives it, did you mean user? (line 19)",
                "[authorizer:rules] registered_by: no authenticator gives bakend, did you mean backend? (line 26)",
                "[authorizer:rules] purge_role: no authenticator gives usre, did you mean user? (line 29)",
            ),
        )
        right = text.replace("/usr]", "/user]").replace("bakend", "backend").replace("usre", "user")
        self.assertEqual(self.load(right).warnings, ())

    def test_the_origin_of_pages_behind_a_proxy(self) -> None:
        """Without ``origins`` a listener behind a proxy on the same machine lets in this machine's own pages alone."""
        text = SOUND.replace("endpoint", "trusted_proxies = loopback\nendpoint")
        (warning,) = self.load(text).warnings
        self.assertIn("[listen:public] origins: pages that come through proxies have another Origin", warning)
        for line in ("origins = https://a.example\n", "publisher = yes\n", "origin = optional\norigins = a.example\n"):
            self.assertEqual(self.load(text.replace("endpoint", line + "endpoint")).warnings, (), line)
        database = text.replace(
            "use = static\nuser.admin = 1 env:ADMIN_HASH", "use = postgresql\ndsn = env:ORO_DB_DSN"
        ).replace("endpoint", "origins_from = directory:people\nendpoint")
        environ = {**ENVIRON, "ORO_DB_DSN": "postgres://a:b@localhost/oro"}
        self.assertEqual(self.load(database, environ).warnings, ())

    def test_a_directory_without_users(self) -> None:
        """No client could be authenticated."""
        lines = SOUND.replace("user.admin = 1 env:ADMIN_HASH\n", "")
        self.assertEqual(
            self.load(lines).warnings,
            ("[directory:people] has no user, add a line like: user.admin = 1 file:admin.hash (line 13)",),
        )

    def test_unused(self) -> None:
        """An authenticator that no realm names."""
        text = SOUND + "[authenticator:guest]\nuse = anonymous\n"
        self.assertEqual(
            self.load(text).warnings, ("[authenticator:guest] no realm names it, it is not used (line 19)",)
        )

    def test_the_publishers_origin_on_a_shared_port(self) -> None:
        """There no other client publishes, so that an Origin that may be missing does not help."""
        text = SOUND.replace("endpoint", "origins = https://a.example\norigin = optional\nendpoint")
        self.assertEqual(self.load(text.replace("endpoint", "publisher = yes\nendpoint")).warnings, ())
        (warning,) = self.load(text.replace("endpoint", "publisher_from = loopback\nendpoint")).warnings
        self.assertIn("[listen:public] origins: Oro's publisher sends 127.0.0.1 and is refused", warning)

    def listening(self, lines: str) -> list[str]:
        self.write(pem(), "file.pem")
        text = SOUND.replace(LISTEN, f"[listen:public]\norigins = https://a.example\n{lines}\n")
        return list(self.load(text).warnings)

    def test_unencrypted(self) -> None:
        """What other machines reach without TLS; where a proxy of another machine is named, its own network is its own
        matter."""
        for told, lines in [
            (True, "endpoint = tcp:8080"),
            (True, "endpoint = tcp:port=8080:backlog=100"),
            (True, "endpoint = tcp:8080:interface=0.0.0.0"),
            (True, "endpoint = tcp:8080:interface=\\:\\:"),
            (True, "endpoint = tcp:8080\ntrusted_proxies = 10.0.0.1"),
            (True, "endpoint = tcp:8080:interface=192.0.2.7"),
            (True, "endpoint = tcp:8080\ntransport = universal"),
            (False, "endpoint = tcp:8080:interface=10.0.0.7\ntrusted_proxies = 10.0.0.1"),
            (False, "endpoint = tcp:8080:interface=127.0.0.1"),
            (False, "endpoint = tcp:8080:interface=\\:\\:1"),
            (False, "endpoint = tcp:8443\ncertificate = file.pem\nkey = file.pem"),
            (False, "endpoint = unix:/run/orosync.sock"),
            (False, "endpoint = systemd:domain=INET:name=ws"),
        ]:
            found = self.listening(lines)
            self.assertEqual(len(found), told, (lines, found))
            if told:
                self.assertTrue(found[0].startswith("[listen:public] endpoint: tcp:"), found)
                self.assertIn("certificate and key", found[0])
                self.assertTrue(found[0].endswith("(line 3)"), found)

    def test_published_secret(self) -> None:
        """Accepted only where the section says so, and told then; the key alone is told too."""
        published = {**ENVIRON, "OLD": "ThisTokenIsNotSoSecretChangeIt"}
        text = SOUND.replace("directory = people", "previous_secret = env:OLD\ndirectory = people")
        (fault,) = self.faults(text, published)
        self.assertIn(
            "[authenticator:ticket] previous_secret: env:OLD holds the secret that Oro is published with", fault
        )
        self.assertIn("accept_published_secret = yes", fault)
        accepting = text.replace("use = ticket", "use = ticket\naccept_published_secret = yes")
        (warning,) = self.load(accepting, published).warnings
        self.assertTrue(
            warning.startswith("[authenticator:ticket] accept_published_secret: the secret is public"), warning
        )
        self.assertTrue(warning.endswith("(line 10)"), warning)
        self.assertIn("from this machine alone", warning)
        needless = SOUND.replace("use = ticket", "use = ticket\naccept_published_secret = yes")
        self.assertEqual(
            self.load(needless).warnings,
            (
                "[authenticator:ticket] accept_published_secret: the secret is none that Oro is published with, remove "
                "the line (line 10)",
            ),
        )

    def test_order(self) -> None:
        """In the order of lines, whichever check found them; what concerns no line comes last."""
        self.write("x" * 20, "secret").chmod(0o666)
        text = SOUND.replace("env:ORO_SECRET", "file:secret") + "[authenticator:guest]\nuse = anonymous\n"
        text = text.replace("endpoint", "trusted_proxies = 0.0.0.0/0\norigins = a.example\nendpoint")
        path = self.write(text)
        path.chmod(0o606)
        found = load(path, ENVIRON, 64).warnings
        starts = ["[listen:public] trusted_proxies", *["[authenticator:ticket] secret"] * 2, "[authenticator:guest]"]
        for start, line in zip(starts, found, strict=False):
            self.assertTrue(line.startswith(start), found)
        self.assertIn("may open 64 files", " ".join(found[len(starts) :]))
        self.assertIn(f"{path} can be changed by all users", " ".join(found[len(starts) :]))
        self.assertEqual(len(found), len(starts) + 2)

    def test_places_that_are_not_there(self) -> None:
        """The directory of PHP's session files: the router starts and never sees it."""
        text = SOUND + "[sessions:office]\nuse = files\npath = {0}\n"
        found = self.load(text.format("/nowhere/oro")).warnings
        self.assertEqual(
            found,
            ("[sessions:office] path: /nowhere/oro is no directory, so that no cookie is accepted (line 21)",),
        )
        self.assertEqual(self.load(text.format(self.directory)).warnings, ())

    def test_never_asked(self) -> None:
        """A second authenticator of a method in a realm, unless a listener is there for it."""
        second = "[authenticator:later]\nuse = ticket\nsecret = env:ORO_SECRET\ndirectory = people\n"
        text = SOUND.replace("authenticators = ticket", "authenticators = ticket later") + second
        (warning,) = self.load(text).warnings
        self.assertTrue(
            warning.startswith("[realm:oro] authenticators: later is never asked, since ticket takes all clients"),
            warning,
        )
        apart = text + "[listen:own]\nendpoint = tcp:8081:interface=127.0.0.1\nauthenticators = later\n"
        self.assertEqual(self.load(apart).warnings, ())
        both = text + "[listen:own]\nendpoint = tcp:8081:interface=127.0.0.1\nauthenticators = ticket later\n"
        self.assertEqual(len(self.load(both).warnings), 1)
        self.assertEqual(self.load(text.replace(second, "[authenticator:later]\nuse = anonymous\n")).warnings, ())

    def test_those_that_abstain(self) -> None:
        """Two with accounts are both asked; behind one that takes all clients of its method nobody is."""
        signing = "[authenticator:{}]\nuse = wampcra\nuser.{} = user env:ORO_SECRET\n"
        asking = (
            "[authenticator:asked]\nuse = remote\nmethod = wampcra\nprocedure = com.example.authenticate\n"
            "roles = user\nrealm = oro\n"
        )
        sections = signing.format("one", "anna") + signing.format("two", "ben") + asking

        def warned(order: str) -> list[str]:
            text = SOUND.replace("authenticators = ticket", f"authenticators = ticket {order}") + sections
            return [one for one in self.load(text).warnings if "never asked" in one]

        self.assertEqual(warned("one two asked"), [])
        (warning,) = warned("one asked two")
        self.assertIn("two is never asked, since asked takes all clients with the authmethod wampcra", warning)
        self.assertIn("name two before asked", warning)
