"""orosync topics."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.factory import ORO_CHANNELS
from orosync.cli.topics import HEAD, table
from tests.authz.oro_application import FILE, FILES, PLATFORM, route, written
from tests.cli.command_case import CommandCase


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
        self.configure("[topics:oro]", "[topics:x]\nchannel.a/{b} = b .+\nchannel.c/{b} = b .+\n[topics:oro]")
        self.assertEqual(await self.orosync("topics"), 2)
        self.assertEqual((self.out, len(self.err.splitlines())), ("", 2))
