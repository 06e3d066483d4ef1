"""What an Oro application's files say, on trees laid out as the applications ship."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import oro_application
from orosync.config.oro_application import OroApplication, Setting, WebSocketDsn, websocket_dsn
from orosync.errors import ConfigError
from tests.config.oro_trees import PUBLISHED_DSN, lay_out
from tests.deployments.cases import APPLICATIONS, VERSIONS


class ApplicationCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.tree = self.top / "oro"

    def lay_out(self, application: str = "platform", version: str = "6.1", **variables: str) -> None:
        lay_out(self.tree, application, version, variables)

    def configure(self, old: str, new: str, file: str = "config/config.yml") -> None:
        path = self.tree / file
        self.assertIn(old, path.read_text())
        path.write_text(path.read_text().replace(old, new))

    def read(self, environ: Mapping[str, str] | None = None) -> OroApplication:
        return oro_application.read(self.tree, environ or {})


class ShippedTests(ApplicationCase):
    """The applications as they ship."""

    def test_each(self) -> None:
        """Cookie, its path and the prefix are those that ``make deployments`` logs in with, in each version; the
        WebSocket server is not configured."""
        for version in VERSIONS:
            for name in ("platform", "crm", "commerce"):
                self.tree = self.top / f"{name}-{version}"
                lay_out(self.tree, name, version)
                found, shipped = self.read(), APPLICATIONS[name]
                self.assertEqual(
                    (found.cookie, found.cookie_path, found.prefix),
                    (
                        Setting(shipped.cookie, "framework.session.name in config/config.yml"),
                        Setting(shipped.cookie_path, "framework.session.cookie_path in config/config_prod.yml")
                        if shipped.prefix
                        else Setting("/", ""),
                        shipped.prefix,
                    ),
                )
                self.assertEqual((found.version, found.environment, found.missing), (version, "prod", ()))
                self.assertEqual((found.server, found.frontend, found.backend), (None, None, None))
                self.assertEqual(
                    (found.secret, found.database, found.sessions),
                    (
                        Setting("ThisTokenIsNotSoSecretChangeIt", "ORO_SECRET in .env-app"),
                        Setting(PUBLISHED_DSN, "ORO_DB_DSN in .env-app"),
                        Setting("native:", "ORO_SESSION_DSN in .env-app"),
                    ),
                )
                self.assertEqual(
                    (found.session_path, found.session_lifetime),
                    (
                        Setting(
                            str(self.tree / "var/sessions/prod"), "framework.session.save_path in config/config.yml"
                        ),
                        Setting("7200", "framework.session.gc_maxlifetime in config/config.yml"),
                    ),
                )

    def test_local_variables(self) -> None:
        """What stands in .env-app.local counts, and a variable of the process before it; values are not shown."""
        self.lay_out(ORO_SECRET="of the file", ORO_WEBSOCKET_FRONTEND_DSN="//*:443/ws")
        found = self.read({"ORO_SECRET": "of the process", "ORO_WEBSOCKET_BACKEND_DSN": "ssl://ws:8443"})
        self.assertEqual(found.secret, Setting("of the process", "ORO_SECRET in the environment"))
        self.assertEqual(found.frontend, WebSocketDsn("*", 443, "ws", False))
        self.assertEqual(found.backend, WebSocketDsn("ws", 8443, "", True))
        self.assertEqual(self.read().secret, Setting("of the file", "ORO_SECRET in .env-app.local"))
        self.assertNotIn("of the", repr(found))

    def test_no_application(self) -> None:
        """A directory without the application's files is refused."""
        self.tree.mkdir()
        with self.assertRaises(ConfigError) as raised:
            self.read()
        self.assertIn("name the directory of an Oro application", raised.exception.faults[0])


class SettingTests(ApplicationCase):
    """Changes that an application may have."""

    def test_without_env_files(self) -> None:
        """The defaults of the configuration count where no variable is set, as in a container."""
        self.lay_out()
        (self.tree / ".env-app").unlink()
        found = self.read()
        self.assertEqual(found.server, WebSocketDsn("0.0.0.0", 8080, "", False))
        self.assertEqual(found.frontend, WebSocketDsn("*", 8080, "ws", False))
        self.assertEqual(
            found.database, Setting("postgresql://root@127.0.0.1/bap_standard", "ORO_DB_DSN in config/config.yml")
        )
        self.assertEqual(found.environment, "prod")

    def test_order_of_files(self) -> None:
        """What a file sets itself counts before what it imports; of the imports the later one."""
        self.lay_out(application="commerce")
        (self.tree / "config/parameters.yml").write_text(
            "parameters:\n    web_backend_prefix: '/office'\n    session_handler_dsn: 'pdo:'\n"
        )
        found = self.read()
        self.assertEqual((found.prefix, found.cookie_path and found.cookie_path.value), ("/office", "/office"))
        self.assertEqual(found.sessions, Setting("native:", "ORO_SESSION_DSN in .env-app"))

    def test_another_environment(self) -> None:
        """ORO_ENV chooses the file of settings; where it has none, config.yml is read."""
        self.lay_out(application="commerce")
        (self.tree / "config/config_cloud.yml").write_text(
            "imports:\n    - { resource: config_prod.yml }\nframework:\n    session: {name: CLOUDID}\n"
        )
        found = self.read({"ORO_ENV": "cloud"})
        self.assertEqual(
            (found.cookie and found.cookie.value, found.cookie_path and found.cookie_path.value), ("CLOUDID", "/admin")
        )
        self.assertTrue(found.session_path and found.session_path.value.endswith("/var/sessions/cloud"))
        found = self.read({"ORO_ENV": "other"})
        self.assertEqual((found.environment, found.cookie_path), ("other", Setting("/", "")))

    def test_processors(self) -> None:
        """Those of Symfony that an application has for secrets; another one leaves the value unknown."""
        secret = self.top / "secret"
        secret.write_text("of a file\n")
        for written, value in (
            ("%env(trim:file:SECRET_FILE)%", "of a file"),
            ("%env(string:PLAIN)%", "100%% %kernel.environment%"),
            ("%env(resolve:PLAIN)%", "100% prod"),
            ("%env(base64:ENCODED)%", "plain"),
            ("%env(default:other:NONE)%", "another"),
            ("%env(default::NONE)%", ""),
            ("%env(urlencode:SPECIAL)%", "a%2Fb"),
            ("a%%b", "a%b"),
        ):
            self.lay_out(SECRET_FILE=str(secret), PLAIN="100%% %kernel.environment%", ENCODED="cGxhaW4=", SPECIAL="a/b")
            self.configure("secret: '%env(ORO_SECRET)%'", f"secret: '{written}'\n    other: another")
            found = self.read()
            self.assertEqual((found.secret and found.secret.value, found.missing), (value, ()), written)
            shutil.rmtree(self.tree)
        for written, why in (
            ("%env(json:PLAIN)%", "the processor json"),
            ("%env(NONE)%", "sets NONE"),
            ("%nowhere%", "the parameter nowhere"),
            ("%secret%", "refer to one another"),
            ("%env(file:NO_FILE)%", "cannot be read"),
        ):
            self.lay_out(PLAIN="x", NO_FILE="/nowhere/secret")
            self.configure("secret: '%env(ORO_SECRET)%'", f"secret: '{written}'")
            found = self.read()
            self.assertIsNone(found.secret)
            self.assertIn("its secret is not known: ", found.missing[0])
            self.assertIn(why, found.missing[0])
            shutil.rmtree(self.tree)

    def test_unreadable_files(self) -> None:
        """A file that is no YAML, is absent or in another language is named with what it means; the others count."""
        self.lay_out()
        self.configure("- { resource: doctrine.yml }", "- { resource: gone.yml }\n    - services.php")
        (self.tree / "config/security.yml").write_text("a: [\n")
        (self.tree / "composer.json").write_text("[]")
        found = self.read()
        self.assertEqual(found.cookie, Setting("BAPID", "framework.session.name in config/config.yml"))
        told = "\n".join(found.missing)
        for words in (
            "config/security.yml, line 2: is no YAML",
            "config/gone.yml cannot be read",
            "config/services.php",
            "composer.json",
        ):
            self.assertIn(words, told)
        self.assertEqual((found.name, found.version), ("", ""))

    def test_bad_address(self) -> None:
        """An address that is none is told by the variable's name."""
        self.lay_out(ORO_WEBSOCKET_SERVER_DSN="0.0.0.0:8080")
        found = self.read()
        self.assertEqual(found.server, None)
        self.assertEqual(
            found.missing,
            ("ORO_WEBSOCKET_SERVER_DSN in .env-app.local is not a DSN, write it like tcp://127.0.0.1:8080",),
        )


class WebSocketDsnTests(SynchronousTestCase):
    """websocket_dsn"""

    def test_forms(self) -> None:
        """As Oro reads them: the port is 8080 unless it is written, an empty host means no server."""
        for text, expected in (
            ("", None),
            ("//null:8080", None),
            ("//0.0.0.0:8080", WebSocketDsn("0.0.0.0", 8080, "", False)),
            ("//*:443/admin/ws", WebSocketDsn("*", 443, "admin/ws", False)),
            ("tcp://ws", WebSocketDsn("ws", 8080, "", False)),
            ("ssl://h:1/?user_agent=x", WebSocketDsn("h", 1, "", True)),
            ("tlsv1.2://[::1]:8080/x", WebSocketDsn("[::1]", 8080, "x", True)),
        ):
            self.assertEqual(websocket_dsn(text), expected, text)
        for text in ("localhost:8080", "//a:b", "x"):
            with self.assertRaises(ValueError):
                websocket_dsn(text)
