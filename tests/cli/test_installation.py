"""The files for an application: that the configuration can be loaded, and what differs between applications."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.cli import installation
from orosync.cli.installation import Decisions, Installation
from orosync.config import Configuration, database_dsn, load, oro_application
from orosync.config.sections import CookieSection, SqlDirectorySection
from orosync.config.sessions import PdoSessionsSection, RedisSessionsSection, SessionFilesSection, TicketExchangeSection
from tests.config.oro_trees import lay_out
from tests.deployments import page

SECRET = "a secret of the application"
ORIGIN = "https://oro.example.com"


class InstallationCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.output = self.top / "etc"
        self.output.mkdir()

    def install(self, application: str = "platform", version: str = "6.1", **variables: str) -> Installation:
        """For an application with these variables; ``change`` is applied to what is decided."""
        tree = self.top / "oro"
        shutil.rmtree(tree, ignore_errors=True)
        lay_out(tree, application, version, {"ORO_SECRET": SECRET, **variables})
        return Installation(oro_application.read(tree, {}), self.decided())

    def decided(self, **change: object) -> Decisions:
        decided = Decisions(
            origin=ORIGIN, proxy="nginx", port=8080, cookie=True, directory=self.output, password="generated-password"
        )
        return attrs.evolve(decided, **change)  # type: ignore[arg-type]

    def loaded(self, made: Installation) -> Configuration:
        """The configuration, read as the router reads it, without a warning."""
        shutil.rmtree(self.output)
        self.output.mkdir()
        for name, text in made.files().items():
            (self.output / name).write_text(text)
            (self.output / name).chmod(0o600)
        environ = {"CREDENTIALS_DIRECTORY": str(self.output), "STATE_DIRECTORY": str(self.top)}
        found = load(self.output / "router.ini", environ)
        self.assertEqual(found.warnings, ())
        return found


class ConfigurationTests(InstallationCase):
    """router.ini."""

    def test_applications(self) -> None:
        """Each has its cookie, and a path of the WebSocket to which browsers send it."""
        for application, cookie, path in (
            ("platform", "BAPID", "/ws"),
            ("crm", "CRMID", "/ws"),
            ("commerce", "BAPID", "/admin/ws"),
        ):
            made = self.install(application)
            found = self.loaded(made)
            section = found.authenticators["cookie"]
            assert isinstance(section, CookieSection)
            self.assertEqual((section.cookie, section.recheck, made.path), (cookie, 30.0, path))
            self.assertEqual(found.realms["oro"].authenticators, ("ticket", "cookie"))
            store = found.session_stores["office"]
            assert isinstance(store, SessionFilesSection)
            self.assertEqual((store.path, store.lifetime), (self.top / "oro/var/sessions/prod", 7200.0))
            self.assertEqual(made.missing, [])

    def test_current_path_is_kept(self) -> None:
        """The path that pages connect to stays, if browsers send the cookie there."""
        self.assertEqual(self.install(ORO_WEBSOCKET_FRONTEND_DSN="//*:443/live").path, "/live")
        commerce = {"application": "commerce"}
        self.assertEqual(self.install(**commerce, ORO_WEBSOCKET_FRONTEND_DSN="//*:443/ws").path, "/admin/ws")
        self.assertEqual(self.install(**commerce, ORO_WEBSOCKET_FRONTEND_DSN="//*:443/admin/x").path, "/admin/x")

    def test_without_the_cookie(self) -> None:
        """Tickets alone: neither an authenticator nor a session store for cookies."""
        made = self.install("commerce", ORO_WEBSOCKET_FRONTEND_DSN="//*:443/ws", ORO_SESSION_DSN="redis://h/0")
        made = Installation(made.application, self.decided(cookie=False))
        found = self.loaded(made)
        self.assertEqual((found.realms["oro"].authenticators, found.session_stores), (("ticket",), {}))
        self.assertEqual((made.path, (self.output / "session_dsn").exists()), ("/ws", False))

    def test_listener(self) -> None:
        """Behind a proxy on the loopback interface, if Oro's PHP is on this machine; without one for all."""
        made = self.install()
        one = self.loaded(made).listeners["shared"]
        self.assertEqual((one.endpoint, one.origins), ("tcp:8080:interface=127.0.0.1", (ORIGIN, "127.0.0.1")))
        self.assertEqual(len(one.trusted_proxies), 2)
        remote = self.install(ORO_WEBSOCKET_BACKEND_DSN="tcp://ws:8080")
        self.assertEqual((remote.remote_php, "endpoint = tcp:8080\n" in remote.files()["router.ini"]), ("ws", True))
        text = Installation(made.application, self.decided(proxy="none", port=9000)).files()["router.ini"]
        self.assertIn("endpoint = tcp:9000\n", text)
        self.assertNotIn("trusted_proxies", text)

    def test_topics(self) -> None:
        """Lines for the application's own channels take the place of the built-in ones."""
        made = self.install()
        self.assertIn("use = oro\n", made.files()["router.ini"])
        lines = ("[topics:oro]", "use = oro", "channel.acme/x = subscribe user")
        made = Installation(made.application, self.decided(topics=lines))
        self.assertEqual([one.pattern for one in self.loaded(made).topics["oro"].channel], ["acme/x"])


class StoreTests(InstallationCase):
    """The session store by ORO_SESSION_DSN."""

    def test_redis(self) -> None:
        """The DSN is a secret of its own."""
        dsn = "redis://:pass@127.0.0.1:6379/0"
        found = self.loaded(self.install(ORO_SESSION_DSN=dsn))
        store = found.session_stores["office"]
        assert isinstance(store, RedisSessionsSection)
        self.assertEqual(store.dsn.value, dsn)
        self.assertIn("LoadCredential=session_dsn:", (self.output / "systemd-drop-in.conf").read_text())
        self.assertNotIn("pass", (self.output / "router.ini").read_text().replace("passes", ""))

    def test_table(self) -> None:
        """pdo: is a table beside the users, which the account may read too."""
        made = self.install(ORO_SESSION_DSN="pdo:")
        store = self.loaded(made).session_stores["office"]
        assert isinstance(store, PdoSessionsSection)
        self.assertEqual(store.dsn.value, (self.output / "db_dsn").read_text().strip())
        self.assertIn("ON oro_session TO orosync;", (self.output / "account.sql").read_text())
        made = self.install(ORO_SESSION_DSN="postgres://s:p@h/sessions")
        store = self.loaded(made).session_stores["office"]
        assert isinstance(store, PdoSessionsSection)
        self.assertEqual(store.dsn.value, "postgres://s:p@h/sessions")
        self.assertIn("ORO_SESSION_DSN in .env-app.local is another database", made.missing[0])
        self.assertNotIn("oro_session", (self.output / "account.sql").read_text())

    def test_over_http(self) -> None:
        """A cluster, and a store that is not known: the application is asked, and what that means is said."""
        for dsn in ("redis://h:1?host[h:2]&redis_cluster=1", "memcached://h"):
            made = self.install("commerce", ORO_SESSION_DSN=dsn)
            store = self.loaded(made).session_stores["office"]
            assert isinstance(store, TicketExchangeSection)
            self.assertEqual(store.url, f"{ORIGIN}/admin/sync/ticket")
            (told,) = made.missing
            self.assertIn("does not end connections", told)

    def test_files(self) -> None:
        """PHP's depth and mode before the directory are not part of it; without a lifetime it is PHP's."""
        made = self.install()
        path = self.top / "oro/config/config.yml"
        text = path.read_text().replace("save_path:            '%", "save_path:            '0;0640;%")
        path.write_text(text.replace("gc_maxlifetime:", "# gc_maxlifetime:"))
        made = Installation(oro_application.read(self.top / "oro", {}), self.decided())
        store = self.loaded(made).session_stores["office"]
        assert isinstance(store, SessionFilesSection)
        self.assertEqual((store.path, store.lifetime), (self.top / "oro/var/sessions/prod", 1440.0))
        path.write_text(text.replace("save_path:", "# save_path:"))
        made = Installation(oro_application.read(self.top / "oro", {}), self.decided())
        self.assertIn("framework.session.save_path is not set", made.missing[0])
        path.write_text(text.replace("/var/sessions/", "/var/elsewhere/"))
        made = Installation(oro_application.read(self.top / "oro", {}), self.decided())
        self.assertIn("oro/var/elsewhere/prod, where PHP's sessions are to be, is no directory", made.missing[0])


class AccountTests(InstallationCase):
    """The database account."""

    def test_dsn(self) -> None:
        """It is Oro's with another user and password; the rest stays, whatever the form."""
        for dsn, expected in (
            ("postgres://o:p%2Fw@h:5433/oro?sslmode=require&serverVersion=16", "h 5433 oro require"),
            ("pgsql://o@localhost/oro?host=/var/run/postgresql&user=o&password=p", "/var/run/postgresql None oro None"),
            ("mysql://o:p@w:x@h/oro?charset=utf8mb4", "h None oro None"),
            ("mysql://h/oro?user=o", "h None oro None"),
        ):
            made = self.install(ORO_DB_DSN=dsn)
            found = self.loaded(made)
            people = found.directories["people"]
            assert isinstance(people, SqlDirectorySection)
            account = database_dsn.parse(people.dsn.value)
            self.assertEqual((account.user, account.password), ("orosync", "generated-password"), dsn)
            where = [account.socket or account.host, account.port, account.database, account.options.get("sslmode")]
            self.assertEqual(" ".join(map(str, where)), expected)
            self.assertEqual(people.use, account.engine)
            self.assertIn("generated-password", (self.output / "account.sql").read_text())

    def test_statements(self) -> None:
        """They are those of etc/sql, with the password at the end."""
        text = self.install().files()["account.sql"]
        self.assertTrue(text.startswith((page.PAGE.parents[1] / "etc/sql/postgresql.sql").read_text()))
        self.assertTrue(text.endswith("ALTER ROLE orosync PASSWORD 'generated-password';\n"))
        text = self.install(ORO_DB_DSN="mysql://o:p@h/oro").files()["account.sql"]
        self.assertTrue(text.startswith((page.PAGE.parents[1] / "etc/sql/mysql.sql").read_text()))
        self.assertTrue(text.endswith("ALTER USER 'orosync'@'%' IDENTIFIED BY 'generated-password' ACCOUNT UNLOCK;\n"))


class MissingTests(InstallationCase):
    """What was not found."""

    def test_told(self) -> None:
        """Secret, database and URL: each with what to do, and without a file that would be wrong."""
        made = self.install(ORO_SECRET="ThisTokenIsNotSoSecretChangeIt", ORO_DB_DSN="sqlite:///var/oro.db")
        made = Installation(attrs.evolve(made.application, missing=("a file is not read",)), self.decided(origin=""))
        first, *told = made.missing
        self.assertEqual(first, "a file is not read")
        for one, words in zip(
            told, ("ORO_DB_DSN in .env-app.local", "ORO_SECRET in .env-app.local", "--application-url"), strict=True
        ):
            self.assertIn(words, one)
        self.assertEqual({"db_dsn", "account.sql"} & set(made.files()), set())
        self.assertIn("https://oro.example.com", made.files()["router.ini"])
        unknown = attrs.evolve(made.application, secret=None, database=None, sessions=None, cookie=None)
        made = Installation(unknown, self.decided())
        self.assertEqual({"db_dsn", "account.sql", "oro_secret"} & set(made.files()), set())
        self.assertEqual(len(made.missing), 3)


class LocationTests(InstallationCase):
    """The proxy's configuration, which is that of docs/deployments.md, where each is tried with Chromium."""

    def test_one_source(self) -> None:
        """etc/proxies has the text that the page shows."""
        sections = page.sections(page.PAGE.read_text())
        for title, language in (("nginx", "nginx"), ("Apache", "apache")):
            (shown,) = page.blocks(sections[title], language)
            self.assertEqual((installation.shipped() / "proxies" / f"{language}.conf").read_text(), shown)

    def test_path_and_port(self) -> None:
        """They are those of this installation."""
        commerce = self.install("commerce").application
        for proxy, lines in (
            ("nginx", ("location /admin/ws {", "    proxy_pass http://127.0.0.1:9000;")),
            (
                "apache",
                ('ProxyPass "/admin/ws" "http://127.0.0.1:9000/"', 'SetEnvIf Request_URI "^/admin/ws" websocket'),
            ),
        ):
            files = Installation(commerce, self.decided(proxy=proxy, port=9000)).files()
            for line in lines:
                self.assertIn(line, files[f"{proxy}.conf"])
        self.assertEqual(
            {"nginx.conf", "apache.conf"} & set(Installation(commerce, self.decided(proxy="none")).files()), set()
        )


class DropInTests(InstallationCase):
    """The drop-in for orosync.service; systemd reads it in tests/test_units.py."""

    def test_needs(self) -> None:
        """A port below 1024 and files below /home need permission."""
        made = self.install()
        text = made.files()["systemd-drop-in.conf"]
        self.assertIn(f" --config {self.output}/router.ini\n", text)
        self.assertIn(f"LoadCredential=db_dsn:{self.output}/db_dsn\n", text)
        for line in ("AmbientCapabilities", "ProtectHome"):
            self.assertNotIn(line, text)
        text = Installation(made.application, self.decided(port=443)).files()["systemd-drop-in.conf"]
        self.assertIn("AmbientCapabilities=CAP_NET_BIND_SERVICE\n", text)
        home = attrs.evolve(made.application, directory=Path("/home/oro/app"))
        text = Installation(home, self.decided(topics=("oro_routing = /home/oro/app",))).files()["systemd-drop-in.conf"]
        self.assertIn("ProtectHome=read-only\n", text)
