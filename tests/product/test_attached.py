"""orosync uses orosync: the authenticator and authorizer processes that serve a Crossbar.io, at a router of orosync."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.crossbar_node import Denied, Visitor
from tests.product.running_router import TREE, start, ticket
from tests.support.ports import free_port
from tests.support.processes import Child

ROUTER = """
[listen:public]
endpoint = tcp:{port}:interface=127.0.0.1
origins = 127.0.0.1
origin = optional
[realm:oro]
authenticators = machines tickets
authorizers = acl
[authenticator:machines]
use = wampcra
user.orosync = authorizer file:attach.secret
[authenticator:tickets]
use = remote
method = ticket
procedure = com.orosync.authenticate
registered_by = authorizer
roles = user backend
[authorizer:acl]
use = remote
procedure = com.orosync.authorize
"""
ATTACH = """
[attach]
url = ws://127.0.0.1:{port}/
realm = oro
authid = orosync
secret = file:attach.secret
trusted_providers = tickets/ticket
"""
AUTHENTICATOR = """
publisher_from = loopback
[realm:oro]
authenticators = ticket
[authenticator:ticket]
use = ticket
secret = file:oro.secret
directory = people
[directory:people]
use = static
user.anna = 1 file:anna.hash organizations=1
"""
AUTHORIZER = """
[realm:oro]
authorizers = topics:oro
[topics:oro]
use = oro
channel.acme/news = subscribe user; publish backend
"""


class JudgesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="judges-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.port, self.secret, self.hash = free_port(), secrets.token_hex(20), "$2y$13$" + secrets.token_hex(20)
        files = {
            "attach.secret": secrets.token_hex(20),
            "oro.secret": self.secret,
            "anna.hash": self.hash,
            "router.ini": ROUTER.format(port=self.port),
            "authenticator.ini": ATTACH.format(port=self.port) + AUTHENTICATOR,
            "authorizer.ini": ATTACH.format(port=self.port) + AUTHORIZER,
        }
        for name, text in files.items():
            (self.state / name).write_text(text)
        self.router = start(self.state / "router.ini")
        self.addCleanup(self.router.end)
        self.router.wait_for_port(self.port)
        self.judges = [self.judge(part) for part in ("authenticator", "authorizer")]

    def judge(self, part: str) -> Child:
        """One of the two processes, attached."""
        command = [sys.executable, str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]
        command += [f"orosync-{part}", "--config", str(self.state / f"{part}.ini")]
        child = Child(command, cwd=self.state, environ={**os.environ, "PYTHONPATH": str(TREE)})
        self.addCleanup(child.end)
        child.wait_for_line("attach.joined")
        return child

    def visitor(self, user: str) -> Visitor:
        shown = ticket(user, self.hash if user else self.secret, self.secret)
        visitor = Visitor(self.port, "oro", ticket=shown)
        self.addCleanup(visitor.close)
        return visitor

    def test_tickets_and_topics(self) -> None:
        """Oro's users come in by their tickets and hear their own topics; the back end publishes; nobody else does."""
        anna, back_end = self.visitor("anna"), self.visitor("")
        self.assertEqual((anna.details["authid"], anna.details["authrole"]), ("anna", "user"))
        self.assertEqual(anna.details["authextra"]["organizations"], [1])
        self.assertEqual(back_end.details["authrole"], "backend")
        for topic in ("oro/email_event/1/1", "acme/news"):
            anna.subscribe(topic)
        back_end.publish("oro/email_event/1/1", {"new": 1})
        back_end.publish("acme/news", "hot")
        self.assertEqual(anna.heard(), [("oro/email_event/1/1", {"new": 1}), ("acme/news", "hot")])
        for refused in (
            lambda: anna.subscribe("oro/email_event/2/1"),
            lambda: anna.subscribe("oro/", match="prefix"),
            lambda: anna.publish("acme/news", "mine"),
            lambda: anna.call("com.orosync.authenticate", "oro", "anna", {}),
            lambda: anna.register("com.orosync.authorize"),
            lambda: anna.register("com.", match="prefix"),
        ):
            self.assertEqual(str(self.assertRaises(Denied, refused)), "wamp.error.not_authorized")
        with self.assertRaises(Denied) as caught:
            Visitor(self.port, "oro", ticket=ticket("anna", "another hash", self.secret))
        self.assertEqual(str(caught.exception), "wamp.error.authentication_denied")

    def test_one_that_goes_and_comes(self) -> None:
        """Without the authorizer nobody gets anything new and everybody keeps what they have; another takes over."""
        anna, back_end = self.visitor("anna"), self.visitor("")
        anna.subscribe("acme/news")
        back_end.publish("acme/news", "before")
        self.judges[1].end()
        error = self.assertRaises(Denied, anna.subscribe, "oro/email_event/1/1")
        self.assertEqual(str(error), "wamp.error.authorization_failed")
        self.assertEqual(anna.heard(), [("acme/news", "before")])
        self.judge("authorizer")
        anna.subscribe("oro/email_event/1/1")
        back_end.publish("acme/news", "after")
        self.assertEqual(anna.heard(), [("acme/news", "after")])
