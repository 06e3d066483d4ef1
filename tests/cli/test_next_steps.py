"""NEXT-STEPS.txt."""

from __future__ import annotations

import attrs

from orosync.cli import next_steps
from orosync.cli.installation import Installation
from orosync.config.oro_application import Setting
from tests.cli.test_installation import InstallationCase


class StepsTests(InstallationCase):
    def text(self, made: Installation, **change: object) -> str:
        return " ".join(next_steps.text(Installation(made.application, self.decided(**change))).split())

    def test_order(self) -> None:
        """What is missing comes first, then numbered steps, then what was found and where."""
        made = self.install(ORO_SECRET="ThisTokenIsNotSoSecretChangeIt")
        text = next_steps.text(made)
        self.assertLess(
            text.index("is the secret that Oro is published with"), text.index("\n1. Create the database account")
        )
        self.assertLess(text.index("\n6. "), text.index("Found in the application:"))
        self.assertIn("- Session cookie: BAPID, framework.session.name in config/config.yml\n", text)
        self.assertNotIn("Not found", next_steps.text(self.install()))

    def test_no_secret_is_told(self) -> None:
        """Neither a secret nor a DSN stands in it: other users may read it."""
        text = next_steps.text(
            self.install(ORO_SESSION_DSN="redis://:hidden@h/0", ORO_DB_DSN="postgres://o:hidden@h/oro")
        )
        for word in ("hidden", "generated-password", "a secret of"):
            self.assertNotIn(word, text)

    def test_database(self) -> None:
        """The client of the engine, with the database's name."""
        self.assertIn(f"psql --dbname=oro_db < {self.output}/account.sql", self.text(self.install()))
        self.assertIn(
            f"mysql shop < {self.output}/account.sql", self.text(self.install(ORO_DB_DSN="mysql://o:p@h/shop"))
        )

    def test_sessions(self) -> None:
        """What PHP's files, Redis and neither of them need."""
        made = self.install()
        self.assertIn("save_path: '0;0640;%kernel.project_dir%/var/sessions", self.text(made))
        self.assertNotIn("save_path: '", self.text(made, cookie=False))
        self.assertIn("ACL SETUSER orosync", self.text(self.install(ORO_SESSION_DSN="redis://h")))
        readable = attrs.evolve(made.application, session_path=Setting("0;0640;/s", "config/config.yml"))
        self.assertNotIn("save_path: '", self.text(Installation(readable, self.decided())))

    def test_oros_settings(self) -> None:
        """They are told where the current ones lead elsewhere, and not where they are right."""
        made = self.install()
        text = self.text(made)
        self.assertIn("ORO_WEBSOCKET_FRONTEND_DSN=//*:443/ws", text)
        self.assertIn("ORO_WEBSOCKET_BACKEND_DSN=tcp://127.0.0.1:8080", text)
        self.assertIn("ORO_WEBSOCKET_FRONTEND_DSN=//*:80/ws", self.text(made, origin="http://oro.example.com"))
        self.assertIn("ORO_WEBSOCKET_FRONTEND_DSN=//*:8443/ws", self.text(made, origin="https://oro.example.com:8443"))
        self.assertIn("ORO_WEBSOCKET_FRONTEND_DSN=//*:9000/ws", self.text(made, proxy="none", port=9000))
        good = {"ORO_WEBSOCKET_FRONTEND_DSN": "//*:443/ws", "ORO_WEBSOCKET_BACKEND_DSN": "tcp://127.0.0.1:8080"}
        self.assertNotIn("ORO_WEBSOCKET", self.text(self.install(**good)))
        self.assertIn("//*:443/admin/ws", self.text(self.install("commerce", **good)))
        remote = self.text(self.install(ORO_WEBSOCKET_BACKEND_DSN="tcp://10.0.0.9:8080"))
        self.assertIn("set publisher_from", remote)
        self.assertIn("ORO_WEBSOCKET_SERVER_DSN=//0.0.0.0:8080", remote)

    def test_proxy(self) -> None:
        """Where its lines go; without one, pages by https need TLS."""
        made = self.install(ORO_WEBSOCKET_FRONTEND_DSN="//*:443/ws")
        self.assertIn(f"Add the lines of {self.output}/apache.conf", self.text(made, proxy="apache"))
        self.assertIn("in place of the location /ws of Oro's own server", self.text(made))
        self.assertIn("without TLS", self.text(made, proxy="none"))
        self.assertNotIn("without TLS", self.text(made, proxy="none", origin="http://oro.example.com"))

    def test_channels(self) -> None:
        """Channels of the application need its files, and a decision."""
        topics = ("[topics:oro]", "use = oro", "oro_routing = /var/www/oro")
        self.assertIn("complete [topics:oro]", self.text(self.install(), topics=topics))
