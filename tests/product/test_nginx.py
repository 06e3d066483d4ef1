"""Behind nginx with the location that Oro documents, browsers and the back end share one port."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.poller import Poller, Refused
from tests.product.raw import RawClient
from tests.product.running_router import shared
from tests.support.ports import free_port
from tests.support.processes import Child

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
    uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
    server {{
        listen 127.0.0.1:{port};
        location /ws {{
            proxy_pass http://127.0.0.1:{upstream}/$is_args$args;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "Upgrade";
            proxy_set_header Host $host:$server_port;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 86400;
            reset_timedout_connection on;
        }}
        location /real {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "Upgrade";
            proxy_set_header X-Real-IP 203.0.113.7;
        }}
        location /standard {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "Upgrade";
            proxy_set_header Forwarded 'for="203.0.113.7:4711";proto=https';
        }}
        location /lp {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $host:$server_port;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


class NginxTests(SynchronousTestCase):
    def setUp(self):
        self.router = shared(listen="longpoll = /lp")
        directory = tempfile.TemporaryDirectory(prefix="nginx-")
        self.addCleanup(directory.cleanup)
        self.port = free_port()
        path = Path(directory.name) / "nginx.conf"
        path.write_text(NGINX.format(directory=directory.name, port=self.port, upstream=self.router.public))
        self.nginx = Child(["/usr/sbin/nginx", "-c", str(path)])
        self.addCleanup(self.nginx.end)
        self.nginx.wait_for_port(self.port)

    def test_one_port_for_all(self):
        """Browsers come through nginx, PHP straight to the port: the back end publishes, the browsers hear it."""
        with Client("wamp1", self.router.url("anna", port=self.port)) as browser:
            browser.ask("subscribe", "oro/data/update")
            tags = [{"username": "ben", "tagname": "Acme_1"}]
            self.assertEqual(self.router.publish(payload=tags)["errors"], [])
            self.assertEqual(browser.event()[1], [tags])

    def test_right_to_publish_behind_nginx(self):
        """Through nginx a ticket without a user is refused: that way browsers come."""
        done = self.router.publish(port=self.port)
        self.assertEqual((done["connected"], done["errors"]), (0, ['Expected "HTTP/1.1 101", got "HTTP/1.1 403"']))
        with RawClient(self.router.url("anna", port=self.port), "wamp") as browser:
            browser.read()
            browser.send([5, "oro/data/update"], [7, "oro/data/update", "fake"])
            self.assertTrue(browser.silent())

    def test_polling(self):
        """T4: long-poll goes through nginx as it comes, with the browser's address in the log."""
        poller = Poller(self.port, query=f"?ticket={quote(self.router.ticket('anna'), safe='')}").join("oro")
        self.addCleanup(poller.leave)
        poller.send([32, 1, {}, "oro/data/update"])
        self.assertEqual(poller.read()[0], 33)
        self.router.publish(per_connection=3)
        self.assertEqual([poller.read()[4][0]["k"] for _ in range(3)], [0, 1, 2])
        with self.assertRaises(Refused):
            Poller(self.port, query="?ticket=bm9uc2Vuc2U=", headers={"X-Forwarded-For": "203.0.113.9"})
        self.router.child.wait_for_line("handshake.refused (malformed)")

    def test_other_headers(self):
        """X-Real-IP or Forwarded alone tell the browser's address too; one that X-Forwarded-For of the browser's own
        contradicts is refused with nginx's address, and with no other."""
        for number, (path, header, address) in enumerate(
            (
                ("/real", (), "203.0.113.7"),
                ("/real", ("X-Forwarded-For: 192.0.2.1",), "127.0.0.1"),
                ("/standard", (), "203.0.113.7"),
                ("/standard", ("X-Forwarded-For: 192.0.2.1",), "127.0.0.1"),
            )
        ):
            origin = f"https://refused{number}.example"
            url = f"ws://127.0.0.1:{self.port}{path}"
            with RawClient(url, "wamp", origin, headers=header) as client:
                self.assertEqual(client.status, 403)
            self.assertIn(f" address={address} ", self.router.child.wait_for_line(origin), path)

    def test_the_log_names_the_browser(self):
        """A refusal behind nginx is logged with the browser's address, not nginx's; the browser stands in for a proxy
        that is trusted too, since all the addresses of this machine are."""
        with RawClient(
            self.router.url(ticket="bm9uc2Vuc2U=", port=self.port), "wamp", headers=("X-Forwarded-For: 203.0.113.9",)
        ) as client:
            self.assertEqual(client.status, 403)
        refusal = self.router.child.wait_for_line("handshake.refused (malformed)")
        self.assertIn(" address=203.0.113.9 ", refusal)
