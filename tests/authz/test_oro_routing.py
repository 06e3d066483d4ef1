"""Channels from an Oro application's files."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner, granted
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.oro_routing import routed_channels
from orosync.errors import ConfigError
from tests.authz.oro_application import FILE, FILES, PLATFORM, route, written

USERS, BACKENDS = granted(["user"]), granted(["backend"])


class RoutedTests(SynchronousTestCase):
    """routed_channels"""

    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def channels(
        self, files: dict[str, str], overridden: Mapping[str, Iterable[str]] | None = None
    ) -> dict[str, Channel]:
        """By pattern, for an application with these files."""
        made = routed_channels(written(self.top, files), USERS, BACKENDS, "[topics:oro]", overridden or {})
        return {channel.pattern: channel for channel in made}

    def faults(self, files: dict[str, str]) -> list[str]:
        """The faults of these files, without what all begin with."""
        error = self.assertRaises(ConfigError, self.channels, files)
        for fault in error.faults:
            self.assertTrue(fault.startswith("[topics:oro] oro_routing: "), fault)
        return [fault.partition("oro_routing: ")[2] for fault in error.faults]

    def test_oros_own(self) -> None:
        """Oro's own files declare the ten channels that are built in, with the same rules, and say where."""
        channels = self.channels(FILES)
        self.assertEqual(len(channels), 10)
        for stock in ORO_CHANNELS:
            self.assertEqual(attrs.evolve(channels[stock.pattern], place="built in"), stock)
        sync = f"{PLATFORM}SyncBundle/{FILE}"
        self.assertEqual(channels["oro/ping"].place, f"{sync}:1")
        self.assertEqual(channels["oro/maintenance"].title, f"[topics:oro] oro/maintenance ({sync}:11)")

    def test_unknown_handler(self) -> None:
        """A handler that is none of Oro's: declared, bound by the names of its variables, and no client may
        subscribe."""
        text = route("acme.desk", "acme/desk/{user_id}/{kind}", "acme.topic.desk", kind=("[a-z]+", False))
        channel = self.channels({f"src/Acme/{FILE}": text})["acme/desk/{user_id}/{kind}"]
        self.assertEqual((channel.subscribers, channel.publishers), ({}, BACKENDS))
        self.assertEqual(channel.bindings, {"user_id": Binding(Owner.USER)})
        self.assertEqual(channel.requirements, {"user_id": "[0-9]+", "kind": "[a-z]+"})
        self.assertEqual(
            channel.note,
            "its handler acme.topic.desk is none of Oro's, so say who may: channel.acme/desk/{user_id}/{kind} = "
            "subscribe ...",
        )

    def test_oros_handlers_elsewhere(self) -> None:
        """An application's route that names one of Oro's handlers gets that handler's rule."""
        text = route("a", "acme/all", "oro_sync.maintenance") + route("b", "acme/{user_id}", "oro_email.event")
        channels = self.channels({f"src/Acme/{FILE}": text + route("c", "acme/i/{user_id}", "oro_imap.sync_fail",
                                                                   user_id=(r"\d+", True))})  # fmt: skip
        self.assertEqual(set(channels["acme/all"].subscribers), {"user", "backend"})
        self.assertEqual(channels["acme/{user_id}"].bindings, {"user_id": Binding(Owner.USER)})
        self.assertEqual(channels["acme/i/{user_id}"].bindings, {"user_id": Binding(Owner.USER, frozenset("*"))})

    def test_faults(self) -> None:
        """Every fault of every file, each with its file and line."""
        faults = self.faults(
            {
                f"src/A/{FILE}": route("a", "acme/{x}", x=(".+", False)) + route("b", "oro/ping", "oro_sync.ping"),
                f"src/B/{FILE}": "a: b: c\n",
                f"src/C/{FILE}": route("c", "oro/ping", "oro_sync.ping") + route("b", "acme/b", "x"),
                f"src/D/{FILE}": route("d", "acme/{x}/d", "oro_email.event") + "e: {channel: 1, handler: h}\n",
                f"src/E/{FILE}": route("f", "acme/f", x=("a", False)) + route("g", "acme/{a}{b}"),
            }
        )
        expected = [
            f"src/A/{FILE}:7: 'acme/{{x}}': requirement of {{x}}: '.+', character 1: a dot would match anything; "
            "name the characters, or write \\.",
            f"src/B/{FILE}:1: is no YAML (mapping values are not allowed in this context), correct it",
            f"src/C/{FILE}:1: oro/ping is a channel of src/A/{FILE}:8 too, remove one of the two",
            f"src/C/{FILE}:5: b is the name of src/A/{FILE}:8 too, of which Oro drops one",
            f"src/D/{FILE}:5: e: '1' is no text (int), put it in quotes",
            f"src/D/{FILE}:2: 'acme/{{x}}/d': the handler oro_email.event asks for {{user_id}}, the channel has none",
            f"src/E/{FILE}:2: 'acme/f': each variable has one requirement and the other way round: x",
            f"src/E/{FILE}:9: 'acme/{{a}}{{b}}': nothing stands between {{a}} and the next variable",
        ]
        self.assertEqual(faults, expected)

    def test_overridden(self) -> None:
        """A requirement that cannot be read is not read where the configuration gives another."""
        text = route("a", "acme/{x}", x=(".+", False))
        channel = self.channels({f"src/A/{FILE}": text}, {"acme/{x}": ["x"]})["acme/{x}"]
        self.assertEqual(channel.requirements, {"x": "[A-Za-z0-9_-]+"})

    def test_no_application(self) -> None:
        """A directory of something else is a fault, and so is a file that cannot be read."""
        (fault,) = self.faults({})
        self.assertIn("has neither src nor vendor", fault)

    def test_without_the_module(self) -> None:
        """Without PyYAML the fault says what to install."""
        self.patch(sys, "modules", {**sys.modules, "yaml": None})
        (fault,) = self.faults(FILES)
        self.assertTrue(fault.endswith(" -m pip install '.[oro]'"), fault)
