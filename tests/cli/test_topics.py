"""orosync topics."""

from __future__ import annotations

import io
import os
import re
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.factory import ORO_CHANNELS, topic_rules
from orosync.cli import main
from orosync.cli.topics import HEAD, table
from orosync.config import load
from tests.authz.oro_application import FILE, FILES, PLATFORM, route, written
from tests.cli.command_case import CommandCase

APPLICATION = {
    **FILES,
    f"src/Acme/{FILE}": route("acme.desk", "acme/desk/{user_id}/{kind}", kind=("[a-z]+", False))
    + route("acme.news", "acme/news")
    + route("acme.odd", "acme/odd/{x}", x=("(?i)a", False))
    + "acme.more: {resource: '@AcmeBundle/more.yml'}\n",
}
"""Oro's files and those of a bundle with four routes that orosync cannot decide by itself."""


class TableTests(SynchronousTestCase):
    """table"""

    def test_rows(self) -> None:
        """Who, which variables hold what and whose they are, and where it is written, in columns that line up."""
        both = {"user": frozenset({"ROLE_A"}), "backend": frozenset[str]()}
        channels = [
            Channel("a", subscribers=["user"], publishers=both, place="router.ini:3", retained=True),
            Channel(
                "b/{user_id}/{organization_id}/{role}/{x}",
                {"user_id": r"\d+|\*", "organization_id": "[0-9]+", "role": "[A-Z_]+", "x": "[a-z]"},
                {
                    "user_id": Binding(Owner.USER, frozenset("*")),
                    "organization_id": Binding(Owner.ORGANIZATION),
                    "role": Binding(Owner.ROLE),
                },
                place="f.yml:1",
                note="its handler is another one",
            ),
        ]
        lines = list(table(channels))
        self.assertEqual([line.split("  ")[0] for line in lines[:3]], [HEAD[0], "a", channels[1].pattern])
        self.assertEqual(lines[3], "    its handler is another one")
        for cell, row in (
            ("user", 1),
            ("backend or user with ROLE_A", 1),
            ("yes", 1),
            ("router.ini:3", 1),
            ("nobody", 2),
            (r"user_id \d+|\* (the client's own, * for all users)", 2),
            ("organization_id [0-9]+ (an own organization), role [A-Z_]+ (an own role in Oro), x [a-z]", 2),
            ("f.yml:1", 2),
        ):
            self.assertIn(cell, lines[row])
        for name in HEAD[1:]:
            at = lines[0].index(name)
            self.assertEqual([line[at - 2 : at] for line in lines[1:3]], ["  ", "  "], name)


class TopicsTests(CommandCase):
    async def test_built_in(self):
        """Oro's ten, those of one's own, and what was changed, each with its place."""
        self.configure("subscribe = user staff", "subscribe = user staff\nchannel.acme/x = subscribe nobody; retained\n"
                       "channel.oro/ping = publish nobody")  # fmt: skip
        self.assertEqual(await self.orosync("topics"), 0)
        title, head, *rows = self.out.splitlines()
        self.assertEqual((title, len(rows), self.err), ("[topics:oro] in realm oro", 11, ""))
        self.assertEqual({row.split()[0] for row in rows} - {one.pattern for one in ORO_CHANNELS}, {"acme/x"})
        self.assertRegex(head, r"^topic +subscribe +publish +variables +retained +written in$")
        shown = {row.split()[0]: row for row in rows}
        last = len(self.config.read_text().splitlines())
        self.assertRegex(shown["acme/x"], rf"nobody +backend +- +yes +router\.ini:{last - 1}$")
        self.assertRegex(shown["oro/ping"], rf"backend or staff or user +nobody +- +- +router\.ini:{last}, built in$")
        self.assertRegex(shown["oro/imap_sync_fail/{user_id}"], r"the client's own, \* for all users")

    async def test_of_an_application(self):
        """The channels of its files, and what is still to be said of those with another handler."""
        files = {**FILES, f"src/Acme/{FILE}": route("acme.desk", "acme/desk")}
        application = written(self.config.parent / "app", files)
        self.configure("[topics:oro]\n", f"[topics:oro]\noro_routing = {application}\n")
        self.assertEqual(await self.orosync("topics"), 0)
        lines = self.out.splitlines()
        self.assertEqual(len(lines), 2 + 11 + 1)
        at = next(row for row, line in enumerate(lines) if line.startswith("acme/desk "))
        self.assertRegex(lines[at], rf"nobody +backend +- +- +src/Acme/{FILE}:1$")
        self.assertIn("acme.desk is none of Oro's, so say who may: channel.acme/desk = subscribe ...", lines[at + 1])
        self.assertTrue(any(line.endswith(f"{PLATFORM}SyncBundle/{FILE}:6") for line in lines))

    async def test_several(self):
        """Each section by itself, with the realms that name it."""
        self.configure("[topics:oro]", "[topics:spare]\nuse = own\nchannel.a = subscribe user\n[topics:oro]")
        self.assertEqual(await self.orosync("topics"), 0)
        self.assertIn("[topics:spare] in no realm: no authorizers name it\ntopic ", self.out)
        self.assertIn("\n\n[topics:oro] in realm oro\n", self.out)

    async def test_faults(self):
        """What cannot be read is told, all of it, and no table is shown."""
        self.configure("[topics:oro]", "[topics:x]\nchannel.a/{b} = b .++\nchannel.c/{b} = b .++\n[topics:oro]")
        self.assertEqual(await self.orosync("topics"), 2)
        self.assertEqual((self.out, len(self.err.splitlines())), ("", 2))

    async def test_undecided(self):
        """Below the table, what is denied to everyone since it cannot be decided; the notes are not told twice."""
        text = "a: {pattern: acme/a, callback: a, odd: 1}\n" + route("acme.desk", "acme/desk")
        application = written(self.config.parent / "app", {**FILES, f"src/Acme/{FILE}": text})
        self.configure("[topics:oro]\n", f"[topics:oro]\noro_routing = {application}\n")
        self.assertEqual(await self.orosync("topics"), 0)
        last = self.out.splitlines()[-1]
        self.assertTrue(last.startswith(f"warning: [topics:oro] oro_routing: src/Acme/{FILE}:1: a: odd is not"), last)
        self.assertEqual(self.out.count("acme.desk is none of Oro's"), 1)
        self.assertEqual(await self.orosync("check-config"), 0)
        self.assertIn(f"warning: [topics:oro] oro_routing: src/Acme/{FILE}:1: a: odd is not", self.out)
        self.assertIn(f"warning: [topics:oro] src/Acme/{FILE}:2: its handler acme.desk is none of Oro's", self.out)


class FromOroTests(CommandCase):
    """orosync topics --from-oro"""

    async def from_oro(self, directory: object) -> int:
        """The exit status; no configuration is read."""
        from twisted.internet import reactor

        streams = main.Streams(io.StringIO(), io.StringIO(), io.StringIO())
        options = main.parser().parse_args(["topics", "--from-oro", str(directory)])
        status = await main.run(reactor, options, streams)
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()
        return status

    async def test_every_channel(self):
        """Each declared channel with its place and line, those that are denied with the reason."""
        application = written(self.config.parent / "app", APPLICATION)
        self.assertEqual(await self.from_oro(application), 0)
        for channel in ORO_CHANNELS:
            self.assertIn(
                f"# no line is needed, since the handler is one of Oro's: channel.{channel.pattern} = ", self.out
            )
        for text in (
            f"\n# src/Acme/{FILE}:1\n# its handler acme.desk is none of Oro's, so say who may: ",
            "\n#channel.acme/desk/{user_id}/{kind} = subscribe user; publish backend; user_id [0-9]+; kind [a-z]+\n",
            "\n#channel.acme/news = subscribe backend or user; publish backend\n",
            f"\n# src/Acme/{FILE}:18\n# denied to everyone: 'acme/odd/{{x}}': requirement of {{x}}: '(?i)a',",
            "\n#channel.acme/odd/{x} = subscribe ...; x REQUIREMENT\n",
            f"\n# [topics:oro] oro_routing: src/Acme/{FILE}:19: acme.more: '@AcmeBundle/more.yml' is not looked up",
        ):
            self.assertIn(text, self.out)

    async def test_is_a_section(self):
        """What is printed is a section of a configuration: with the lines uncommented, nothing is left to be said, and
        with Oro's written out the application's files are not needed."""
        application = written(self.config.parent / "app", APPLICATION)
        await self.from_oro(application)
        text = self.out.replace("subscribe ...; x REQUIREMENT", "subscribe user; x [a-z]+")
        sound = self.config.read_text().replace("[topics:oro]\nsubscribe = user staff\n", "")
        for section in (
            re.sub(r"(?m)^#(?=channel\.)", "", text),
            re.sub(r"(?m)^(?:#|# no line .*?: )(?=channel\.)", "", text)
            .replace("use = oro", "use = own")
            .replace(f"oro_routing = {application}\n", ""),
        ):
            self.config.write_text(sound + section)
            rules = topic_rules(load(self.config, os.environ).topics["oro"])
            self.assertEqual([one for one in rules.warnings if "@AcmeBundle" not in one], [])
            self.assertEqual(len(rules.channels), 10 + 3)
            stock = {channel.pattern: channel for channel in ORO_CHANNELS}
            for channel in rules.channels:
                if channel.pattern in stock:
                    known = stock[channel.pattern]
                    self.assertEqual(
                        (channel.requirements, channel.subscribers, channel.publishers),
                        (known.requirements, known.subscribers, known.publishers),
                    )

    async def test_no_application(self):
        """A directory of something else is told, and so are both questions at once, or none."""
        self.assertEqual(await self.from_oro(self.config.parent), 2)
        self.assertIn("has neither src nor vendor, name the directory of an Oro application", self.err)
        for arguments in (["topics"], ["topics", "--from-oro", "x", "--config", "y"]):
            with mock.patch("sys.stderr", io.StringIO()):
                self.assertRaises(SystemExit, main.parser().parse_args, arguments)
