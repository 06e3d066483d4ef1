"""orosync.app.worker_settings: what a worker's configuration differs in from the file's."""

from __future__ import annotations

from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.worker_settings import DemoUser, WorkerSettings, generated_secrets
from orosync.config import load
from orosync.errors import ConfigError
from tests.app.worker_case import settings

TEXT = """
[router]
demo = yes
workers = 2
node = web
state = .
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
realm = oro
[realm:oro]
authenticators = tickets
authorizers = roles
[authenticator:tickets]
use = ticket
secret = generate
directory = people
[directory:people]
use = demo
[component:own]
use = tests.product.deciding_component:Component
realm = oro
role = feed
[role:feed]
permissions =
    any all
"""


class Adapting(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text(TEXT)
        self.found = load(self.path, {})

    def test_its_name_and_what_exists_once(self) -> None:
        """The components of the router are in its first worker alone, and so are warnings."""
        first, second = settings(0, "web/1").adapt(self.found), settings(1, "web/2").adapt(self.found)
        self.assertEqual((first.router.node, second.router.node), ("web/1", "web/2"))
        self.assertEqual((list(first.components), list(second.components)), (["own"], []))
        self.assertEqual((first.warnings, second.warnings), (self.found.warnings, ()))
        self.assertEqual(first.listeners, self.found.listeners)

    def test_generated_secrets_are_those_of_the_supervisor(self) -> None:
        """Each reading of the file makes another one."""
        again = load(self.path, {})
        secrets = dict(generated_secrets(self.found))
        self.assertNotEqual(secrets, generated_secrets(again))
        made = settings(secrets=secrets).adapt(again)
        self.assertEqual(made.authenticators["tickets"], self.found.authenticators["tickets"])

    def test_a_listener_that_the_supervisor_does_not_have(self) -> None:
        """A line for each says what to do, with its place in the file."""
        self.path.write_text(
            TEXT.replace("tcp:0:", "tcp:8080:") + "[listen:two]\nendpoint = tcp:1:interface=127.0.0.1\n"
        )
        with self.assertRaises(ConfigError) as caught:
            settings(endpoints={"one": "tcp:0:interface=127.0.0.1", "gone": "tcp:2"}).adapt(load(self.path, {}))
        self.assertEqual(
            caught.exception.faults,
            (
                "[listen:one] endpoint: differs from when the router was started, restart it (line 8)",
                "[listen:two] endpoint: differs from when the router was started, restart it (line 27)",
                "[listen:gone] endpoint: differs from when the router was started, restart it",
            ),
        )

    def test_users_of_the_demonstration(self) -> None:
        """As they come over the channel."""
        told = settings(users=[DemoUser(1, "anna", "hash")], secrets={"tickets": "s"})
        come = msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(told)), WorkerSettings)
        self.assertEqual(come, told)
        (anna,) = come.demo_users()
        self.assertEqual((anna.id, anna.username, anna.password_hash, anna.organizations), (1, "anna", "hash", {1}))
