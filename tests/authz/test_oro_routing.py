"""Channels from an Oro application's files."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner, granted
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.oro_routing import Routing, routed_channels
from orosync.config import rules
from orosync.config.readers import Source
from orosync.errors import ConfigError
from tests.authz.oro_application import FILE, FILES, PLATFORM, route, written

USERS, BACKENDS = granted(["user"]), granted(["backend"])
SOURCE = Source(Path(), {})


class RoutedTests(SynchronousTestCase):
    """routed_channels"""

    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def routing(self, files: dict[str, str], *lines: str) -> Routing:
        """Of an application with these files, and lines of [topics:oro]."""
        known = {}
        for key, _, text in (line.partition(" = ") for line in lines):
            pattern = key.removeprefix("channel.")
            known[pattern] = rules.channel(pattern, text, SOURCE)
        return routed_channels(written(self.top, files), USERS, BACKENDS, "[topics:oro]", known)

    def channels(self, files: dict[str, str], *lines: str) -> dict[str, Channel]:
        """By pattern, where nothing is warned about."""
        routing = self.routing(files, *lines)
        self.assertEqual((routing.denied, routing.warnings), ((), ()))
        return {channel.pattern: channel for channel in routing.channels}

    def warnings(self, files: dict[str, str], *lines: str) -> list[str]:
        """The warnings of these files, without what all begin with; what they deny is no channel."""
        routing = self.routing(files, *lines)
        self.assertFalse({one.pattern for one in routing.denied} & {one.pattern for one in routing.channels})
        for warning in routing.warnings:
            self.assertTrue(warning.startswith("[topics:oro] oro_routing: "), warning)
        return [warning.partition("oro_routing: ")[2] for warning in routing.warnings]

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
        text = route("a", "acme/all", "oro_sync.maintenance") + route("b", "acme/u/{user_id}", "oro_email.event")
        channels = self.channels({f"src/Acme/{FILE}": text + route("c", "acme/i/{user_id}", "oro_imap.sync_fail",
                                                                   user_id=(r"\d+", True))})  # fmt: skip
        self.assertEqual(set(channels["acme/all"].subscribers), {"user", "backend"})
        self.assertEqual(channels["acme/u/{user_id}"].bindings, {"user_id": Binding(Owner.USER)})
        self.assertEqual(channels["acme/i/{user_id}"].bindings, {"user_id": Binding(Owner.USER, frozenset("*"))})

    def test_current_names(self) -> None:
        """pattern and callback, requirements as one text, options and defaults: the same rules as with Oro's names."""
        text = (
            "a:\n  pattern: 'acme/{user_id<\\d+>}/{path}'\n  callback: oro_email.event\n"
            "  requirements: {path: '^.*$'}\n"
            "  options: {utf8: true}\n"
            "b: {pattern: acme/all, callback: oro_sync.maintenance, requirements: {unused: '[a'}}\n"
            "c: {pattern: 'acme/w/{x}', callback: c, requirements: {x: '\\w+'}}\n"
        )
        channels = self.channels({f"src/A/{FILE}": text})
        own = channels["acme/{user_id}/{path}"]
        self.assertEqual(own.bindings, {"user_id": Binding(Owner.USER)})
        self.assertEqual(own.requirements, {"user_id": r"\d+", "path": ".+"})
        self.assertEqual(set(channels["acme/all"].subscribers), {"user", "backend"})
        self.assertEqual(channels["acme/w/{x}"].requirements, {"x": r"\w+"})

    def test_narrowed(self) -> None:
        """A variable that may hold what ends it is read without that character where Oro finds the same values; else it
        is denied."""
        mail = "oro_email.event"
        text = route("a", "a/{p}/{user_id}", mail, p=(".+", False), user_id=(r"\d+", False))
        text += route("b", "b/{p}-{q}", "b", p=(r"[a-z-]+", False), q=("[a-z]+", False))
        channels = self.channels({f"src/A/{FILE}": text})
        channel = channels["a/{p}/{user_id}"]
        self.assertEqual(channel.values("a/x.y/7"), {"p": "x.y", "user_id": "7"})
        self.assertIsNone(channel.values("a/x/y/7"))
        self.assertEqual(channels["b/{p}-{q}"].requirements, {"p": "[abcdefghijklmnopqrstuvwxyz]+", "q": "[a-z]+"})
        for text in (
            route("a", "a/{p}/{q}", mail, p=(".+", False), q=(".+", False)),
            route("a", "a/{p}/{q}/b", mail, p=(".+", False), q=(r"\d+", False)),
            route("a", "a/{p}/{q}", mail, p=(".+b", False), q=(r"\d+", False)),
            route("a", "a/{p}/{q}", mail, p=("/+", False), q=(r"\d+", False)),
            route("a", "a/{p}/{q}", mail, p=(".+", False), q=(r"\d+", False)) + "    defaults: {q: 1}\n",
        ):
            (warning,) = self.warnings({f"src/A/{FILE}": text})
            self.assertIn("{p} may hold '/', which is also what ends it; denied to everyone until a line", warning)
            self.assertIn("= subscribe ...; p REQUIREMENT", warning)

    def test_denied(self) -> None:
        """Whatever cannot be decided, in any file, with its file and line; the rest is there."""
        warnings = self.warnings(
            {
                f"src/A/{FILE}": route("a", "acme/{x}", x=("(?i)a", False)) + route("b", "oro/ping", "oro_sync.ping"),
                f"src/B/{FILE}": "a: b: c\n",
                f"src/D/{FILE}": route("d", "acme/{x}/d", "oro_email.event") + "e: {channel: 1, handler: h}\n",
                f"src/E/{FILE}": route("g", "acme/{a}{b}") + route("h", "acme/{" + "n" * 33 + "}/h"),
                f"src/F/{FILE}": "i: {resource: '@X/y.yml'}\nj: {channel: 'f/{x}', handler: j, odd: 1}\n",
                f"src/G/{FILE}": "k: {pattern: 'g/{x}', callback: k, defaults: {x: 1}}\n",
            }
        )
        until = "; denied to everyone until a line says who may: channel."
        expected = [
            f"src/B/{FILE}:1: is no YAML (mapping values are not allowed in this context), correct it; what it "
            "declares is denied to everyone",
            f"src/F/{FILE}:1: i: '@X/y.yml' is not looked up, name a file by its path from the folder of this one; "
            "what it imports is denied to everyone",
            f"src/A/{FILE}:7: 'acme/{{x}}': requirement of {{x}}: '(?i)a', character 2: of the groups with (? only (?: "
            f"is read{until}acme/{{x}} = subscribe ...; x REQUIREMENT",
            f"src/D/{FILE}:2: 'acme/{{x}}/d': the handler oro_email.event asks for {{user_id}}, the channel has none"
            f"{until}acme/{{x}}/d = subscribe ...",
            f"src/D/{FILE}:5: e: '1' is no text but a number or date, put it in quotes; denied to everyone",
            f"src/E/{FILE}:2: 'acme/{{a}}{{b}}': nothing stands between {{a}} and the next variable"
            f"{until}acme/{{a}}{{b}} = subscribe ...",
            f"src/E/{FILE}:6: 'acme/{{{'n' * 33}}}/h': {'n' * 33} is longer than 32 characters"
            f"{until}acme/{{{'n' * 33}}}/h = subscribe ...",
            f"src/F/{FILE}:2: j: odd is not known here, only these are: pattern, channel, callback, handler, "
            f"requirements, defaults, options, resource, type, exclude{until}f/{{x}} = subscribe ...",
            f"src/G/{FILE}:1: g/{{x}}: {{x}} has a default; the topic without it is denied to everyone until a line "
            "declares it: channel.g = subscribe ...",
        ]
        self.assertEqual(warnings, expected)

    def test_settled(self) -> None:
        """A line that says who may subscribe settles a route, so that it is the configuration's alone; one that says
        something else does not, except for a requirement."""
        files = {f"src/A/{FILE}": route("a", "acme/{x}", x=("(?i)a", False))}
        self.assertEqual(self.channels(files, "channel.acme/{x} = subscribe user"), {})
        self.assertEqual(len(self.warnings(files, "channel.acme/{x} = retained")), 1)
        channel = self.channels(files, "channel.acme/{x} = retained; x [b]")["acme/{x}"]
        self.assertEqual((channel.requirements, channel.subscribers), ({"x": "[b]"}, {}))

    def test_same_topics(self) -> None:
        """Two routes with different rules that could match one topic are both denied, since either may be asked; those
        with one rule, or with topics of their own, are not."""
        mail, all_ = "oro_email.event", "oro_sync.maintenance"
        own = route("a", "acme/{user_id}", mail, user_id=(r"\d+", False))
        for other, shared in (
            (route("b", "acme/{y}", all_), True),  # anything but a slash in Oro
            (route("b", "acme/{y}", all_, y=("[0-9a-f]+", False)), True),
            (route("b", "acme/{y}", all_, y=("[a-f]+", False)), False),
            (route("b", "acme/7", all_), True),
            (route("b", "acme/x", all_), False),
            (route("b", "acme/{y}/{z}", all_), False),
            (route("b", "acme/{y}", all_, y=("(?i)[a-f]+", False)), True),  # cannot be read
            (route("b", "acm{y}", all_, y=(".+", False)), True),
            (route("b", "acme/{user_id}", all_, user_id=(r"\d+", False)), True),
            (route("b", "acme/{user_id}", mail, user_id=(r"\d+", False)), False),
            (route("b", "acme/{user_id}", mail, user_id=(r"\d+", True)), True),
            (
                "b: {pattern: 'acme/7{y}', callback: oro_sync.maintenance, requirements: {y: 'a'}, defaults: {y: a}}\n",
                True,
            ),
            ("b: {pattern: 'acme/7{y}', callback: oro_sync.maintenance, requirements: {y: 'a*'}}\n", True),
            ("b: {pattern: 'acme/7{y}', callback: oro_sync.maintenance, requirements: {y: 'a+'}}\n", False),
        ):
            routing = self.routing({f"src/A/{FILE}": own, f"src/B/{FILE}": other})
            granted = {channel.pattern for channel in routing.channels}
            self.assertEqual("acme/{user_id}" not in granted, shared, other)
            if shared:
                self.assertEqual([one.pattern for one in routing.channels], [], other)
                self.assertIn("acme/{user_id}", {one.pattern for one in routing.denied})
        line = "channel.acme/{user_id} = subscribe user"
        routing = self.routing({f"src/A/{FILE}": own, f"src/B/{FILE}": route("b", "acme/{y}", all_)}, line)
        self.assertEqual([one.pattern for one in routing.channels], ["acme/{user_id}"])
        self.assertEqual([one.pattern for one in routing.denied], ["acme/{y}"])
        self.assertIn(f"acme/{{y}} could match a topic of acme/{{user_id}} (src/A/{FILE}:1) too", routing.warnings[0])

    def test_same_name(self) -> None:
        """Of two routes with one name Oro drops one, and nobody knows which; the same route twice is one."""
        one = route("a", "acme/one", "oro_sync.ping")
        files = {f"src/A/{FILE}": one, f"src/B/{FILE}": route("a", "acme/{user_id}", "oro_email.event")}
        first, second = self.warnings(files)
        self.assertEqual(
            first,
            f"src/A/{FILE}:1: a is the name of src/B/{FILE}:1 too, of which Oro drops one; denied to everyone until a "
            "line says who may: channel.acme/one = subscribe ...",
        )
        self.assertTrue(second.startswith(f"src/B/{FILE}:1: a is the name of src/A/{FILE}:1 too"), second)
        self.assertEqual(set(self.channels({f"src/A/{FILE}": one, f"src/B/{FILE}": one})), {"acme/one"})

    def test_no_application(self) -> None:
        """A directory of something else is a fault."""
        error = self.assertRaises(ConfigError, self.routing, {})
        (fault,) = error.faults
        self.assertTrue(fault.startswith("[topics:oro] oro_routing: "), fault)
        self.assertIn("has neither src nor vendor", fault)

    def test_without_the_module(self) -> None:
        """Without PyYAML the fault says what to install."""
        self.patch(sys, "modules", {**sys.modules, "yaml": None})
        (fault,) = self.assertRaises(ConfigError, self.routing, FILES).faults
        self.assertTrue(fault.endswith(" -m pip install '.[oro]'"), fault)
