"""The programs of one case: the application, the proxy, the router and PHP's publisher, configured as the page says."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme

from tests.deployments import page
from tests.deployments.cases import APPLICATIONS, DEPLOYMENTS, VERSIONS, Case
from tests.deployments.network import HOST, PATIENCE, PHP, WEB, Machine, Network, wait_for
from tests.product.running_router import TREE
from tests.support.processes import Child

NAMES = {"oro.example.com": HOST, "containers.example.com": WEB}
"""Host names, which the browser resolves to machines."""

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr warn;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
    uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
    server {{
        listen 443 ssl;
        ssl_certificate {directory}/both.pem;
        ssl_certificate_key {directory}/both.pem;
        {snippet}
        location / {{
            proxy_pass http://{office};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""

APACHE = """
ServerRoot {directory}
ServerName oro.example.com
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ErrorLog /dev/stderr
Define APACHE_LOG_DIR {directory}
{user}
{modules}
LogFormat "%h %r %>s" combined
Listen 443
# The module's own implementation, as before 2.4.47.
ProxyWebsocketFallbackToProxyHttp Off
<VirtualHost *:443>
    SSLEngine on
    SSLCertificateFile {directory}/both.pem
    {snippet}
    RequestHeader set X-Forwarded-Proto https
    ProxyPass "/" "http://{office}/"
</VirtualHost>
"""
MODULES = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http", "proxy_wstunnel", "setenvif", "ssl")

HAPROXY = """
global
    maxconn 200
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend office
    mode http
    bind :443 ssl crt {directory}/both.pem
    http-request set-header X-Forwarded-Proto https
    default_backend office
backend office
    mode http
    server office {office}
{snippet}
"""

ROUTER = """
[router]
state = {directory}/state
drain = 1s

[authenticator:ticket]
use = ticket
secret = file:{directory}/secret
directory = people

[directory:people]
use = static
user.anna = 1 file:{directory}/anna organizations=1 roles=ROLE_ADMINISTRATOR
user.ben = 2 file:{directory}/ben organizations=1

[topics:oro]
use = oro
"""


class Site:
    """The programs of cases that differ only in their methods, as the page ``text`` says, in ``network``.

    ``with Site(...) as site``: all of them serve.
    """

    def __init__(self, network: Network, cases: Sequence[Case], text: str) -> None:
        case = cases[0]
        self._present = [one.method for one in cases]
        self._application, self._version = APPLICATIONS[case.application], VERSIONS[case.version]
        self._deployment = DEPLOYMENTS[case.deployment]
        sections = page.sections(text)
        section = sections[self._deployment.title]
        containers = self._deployment.containers
        self._web = network.web if containers else network.host
        self._php = network.php if containers else network.host
        self._router_machine = network.router if containers else network.host
        self.host = "containers.example.com" if containers else "oro.example.com"
        self._temporary = tempfile.TemporaryDirectory(prefix="site-")
        self._directory = Path(self._temporary.name)
        self._directory.chmod(0o755)
        for name in ("sessions", "state", str(Path(self._version.lock).parent)):
            (self._directory / name).mkdir(parents=True)
        self.secret = secrets.token_hex(20)
        self._hashes = {name: f"$2y$13${secrets.token_hex(20)}" for name in ("anna", "ben")}
        for name, value in {"secret": self.secret, **self._hashes}.items():
            (self._directory / name).write_text(value)
            (self._directory / name).chmod(0o600)
        (self._directory / "both.pem").touch(0o600)
        certificate = trustme.CA().issue_cert(*NAMES)
        (self._directory / "both.pem").write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
        self.lock = self._directory / self._version.lock
        self._settings = page.settings(self._adapted(page.blocks(section, "sh")[0]))
        self._proxy_snippet = "".join(map(self._adapted, page.blocks(section, self._deployment.web)))
        methods = page.blocks(sections["Authentication"], "ini")
        method = methods[0] if case.method == "ticket" else methods[1]
        self._config = self._directory / "router.ini"
        router = page.blocks(section, "ini")[0] + method + ROUTER.format(directory=self._directory)
        self._config.write_text(self._adapted(router))
        self._children: list[Child] = []
        try:
            self._serve_office()
            if self._deployment.web != "php":
                self._start_web_server()
            self.router = self._start_router()
        except BaseException:
            self.close()
            raise

    def _adapted(self, text: str) -> str:
        """The page's text with the case's host, cookie, path of the WebSocket and files."""
        for old, new in (
            ("oro.example.com.pem", "both.pem"),
            ("/etc/haproxy", str(self._directory)),
            ("/etc/orosync/fullchain.pem", str(self._directory / "both.pem")),
            ("/etc/orosync/privkey.pem", str(self._directory / "both.pem")),
            ("/var/www/oro/var/sessions/prod", str(self._directory / "sessions")),
            ("recheck = 30s", "recheck = 1s"),
            ("oro.example.com", self.host),
            ("cookie = BAPID", f"cookie = {self._application.cookie}"),
            ('"^/ws"', f'"^{self._application.socket_path}"'),
            ('ProxyPass "/ws"', f'ProxyPass "{self._application.socket_path}"'),
            ("location /ws", f"location {self._application.socket_path}"),
        ):
            text = text.replace(old, new)
        lines = text.splitlines(keepends=True)
        return "".join(
            line.replace("/ws", self._application.socket_path)
            if line.startswith("ORO_WEBSOCKET_FRONTEND_DSN")
            else line
            for line in lines
        )

    @property
    def url(self) -> str:
        """Of the back office, without a slash at the end."""
        return f"{'http' if self._deployment.web == 'php' else 'https'}://{self.host}{self._application.prefix}"

    @property
    def browsers_dsn(self) -> str:
        """The way of the browsers, for PHP; empty if it goes through no proxy."""
        if not self._deployment.proxied:
            return ""
        frontend = urlsplit(self._settings["ORO_WEBSOCKET_FRONTEND_DSN"].replace("*", NAMES[self.host]))
        return f"ssl://{frontend.netloc}{frontend.path}"

    def _serve_office(self) -> None:
        bind = PHP if self._deployment.containers else HOST
        port = 80 if self._deployment.web == "php" else 9000
        self._office = f"{bind}:{port}"
        users = {
            name: {"id": number, "password": self._hashes[name], "organization": 1}
            for number, name in enumerate(("anna", "ben"), 1)
        }
        (self._directory / "office.json").write_text(
            json.dumps(
                {
                    "prefix": self._application.prefix,
                    "cookie": self._application.cookie,
                    "cookie_path": self._application.cookie_path,
                    "samesite": self._version.samesite,
                    "sessions": str(self._directory / "sessions"),
                    "state_length": self._version.state_length,
                    "secret": self.secret,
                    "socket": self._settings["ORO_WEBSOCKET_FRONTEND_DSN"],
                    "present": self._present,
                    "lock": str(self.lock),
                    "users": users,
                }
            )
        )
        script = str(TREE / "tests/php/application.php")
        environ = {**os.environ, "OFFICE": str(self._directory / "office.json"), "PHP_CLI_SERVER_WORKERS": "3"}
        child = self._run(self._php, ["php", "-S", self._office, script], environ, family=True)
        wait_for(bind, port, child)

    def _start_web_server(self) -> None:
        root = os.getuid() == 0
        values = {"directory": self._directory, "snippet": self._proxy_snippet, "office": self._office}
        config = self._directory / "proxy.cfg"
        if self._deployment.web == "nginx":
            config.write_text(NGINX.format(user="user root;" if root else "", **values))
            command = ["/usr/sbin/nginx", "-c", str(config)]
        elif self._deployment.web == "apache":
            modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
            user = "User www-data\nGroup www-data" if root else ""
            config.write_text(APACHE.format(modules=modules, user=user, **values))
            command = ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(config)]
        else:
            config.write_text(HAPROXY.format(**values))
            command = ["/usr/sbin/haproxy", "-db", "-f", str(config)]
        child = self._run(self._web, command, family=True)
        wait_for(NAMES[self.host], 443, child)

    def _run(
        self, machine: Machine, command: list[str], environ: dict[str, str] | None = None, family: bool = False
    ) -> Child:
        child = Child(machine.inside(*command), environ=environ, family=family)
        self._children.append(child)
        return child

    def _start_router(self) -> Child:
        twistd = str(Path(sys.executable).with_name("twistd"))
        environ = {**os.environ, "PYTHONPATH": str(TREE), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, twistd, "--nodaemon", "--pidfile=", "orosync", "--config", str(self._config)]
        child = self._run(self._router_machine, command, environ)
        for section in (line for line in self._config.read_text().splitlines() if line.startswith("[listen:")):
            child.wait_for_line(f"{section} serves ", PATIENCE)
        return child

    def restart(self) -> None:
        """Stop the router, start another."""
        self.router.end()
        self.router = self._start_router()

    def publish(self, topic: str, payload: Any, through: str = "") -> Any:
        """PHP publishes; what the script printed. ``through``: another DSN than ORO_WEBSOCKET_BACKEND_DSN."""
        target = urlsplit(through or self._settings["ORO_WEBSOCKET_BACKEND_DSN"])
        job = {
            "host": target.hostname,
            "port": target.port,
            "tls": target.scheme == "ssl",
            "path": target.path or "/",
            "secret": self.secret,
            "topic": topic,
            "payload": payload,
            "times": 1,
            "linger": 0.05,
        }
        command = self._php.inside("php", str(TREE / "tests/php/publisher.php"))
        for _ in range(3):
            done = subprocess.run(
                command, input=json.dumps(job), capture_output=True, text=True, timeout=60, check=False
            )
            if done.returncode:
                raise AssertionError(f"php ended with {done.returncode}:\n{done.stdout}{done.stderr}")
            result = json.loads(done.stdout)
            # Oro's client waits for one second, in which a busy machine may not answer: nothing read is no refusal.
            if result["published"] or 'got ""' not in str(result["errors"]):
                break
        return result

    def log(self) -> str:
        """What every program has printed."""
        return "\n".join(f"--- {' '.join(child.command[2:])}\n{child.output}" for child in self._children)

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End every program."""
        for child in reversed(self._children):
            child.end()
        self._temporary.cleanup()
