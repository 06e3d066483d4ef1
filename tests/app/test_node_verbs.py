"""status, reload and drain, as commands for a running router."""

from __future__ import annotations

import socket

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from orosync.app.supervisor_verbs import SupervisorVerbs
from orosync.ops.answers import DrainAnswer, ReloadAnswer
from orosync.ops.control import StreamingVerb
from tests.cli.control_case import ControlCase, later


class Reloading(ControlCase):
    """orosync reload."""

    def write(self, text):
        (self.directory / "router.ini").write_text(text)

    async def test_rules(self):
        """What has changed is told, and what takes effect at a restart; nothing is no fault."""
        self.assertEqual(await self.orosync("reload"), 0)
        self.assertEqual(self.out, "nothing has changed\n")
        await self.client()
        self.write(self.text.replace("any all", "any subscribe").replace("drain = 1s", "drain = 2s"))
        self.assertEqual(await self.orosync("reload"), 0)
        self.assertEqual(
            self.out,
            "changed: [role:guest]\ntakes effect at a restart: [router]\n"
            "subscriptions of 1 sessions are authorized again\n",
        )
        answer = await self.answer("reload")
        self.assertEqual(list(answer), [field.name for field in attrs.fields(ReloadAnswer)])
        self.assertEqual((answer["changed"], answer["restart"], answer["sessions"]), ([], ["[router]"], 1))

    async def test_refused(self):
        """Status 1, every fault, and the rules stay."""
        self.write(self.text.replace("any all", "any dance"))
        self.assertEqual(await self.orosync("reload"), 1)
        self.assertRegex(self.out, r"(?s)^refused: \[role:guest\] permissions: .*\nrefused: .* the old rules stay\n$")
        client = await self.client()
        await deferToThread(client.send, [32, 1, {}, "com.news"])
        self.assertEqual((await deferToThread(client.read))[0], 33)

    async def test_workers_that_are_none(self):
        """orosync reload --replace: a router of one process says that it has no workers."""
        self.assertEqual(await self.orosync("reload", "--replace"), 2)
        self.assertIn("this router has no workers", self.err)


class Files(ControlCase):
    """orosync reload: what is read besides the configuration."""

    def setUp(self):
        self.text = ControlCase.text.replace("realm = open", "realm = open\npages = page\n{files}", 1)
        super().setUp()

    def configuration(self, **texts):
        page = self.directory / "page"
        page.mkdir()
        (page / "index.html").write_text("first")
        return super().configuration(text=texts["text"].format(files=self.certificate()))

    async def test_pages_and_certificates(self):
        self.assertEqual(await self.answer("reload"), attrs.asdict(ReloadAnswer()))
        (self.directory / "page" / "index.html").write_text("second")
        self.certificate()
        answer = await self.answer("reload")
        self.assertEqual(answer["changed"], ["[listen:one] pages", "[listen:one] certificate"])

    async def test_one_of_them_is_refused(self):
        """Status 1, although the other is in service."""
        (self.directory / "page" / "index.html").write_text("second")
        (self.directory / "key.pem").write_text("")
        self.assertEqual(await self.orosync("reload"), 1)
        changed, *_, refused = self.out.splitlines()
        self.assertEqual(changed, "changed: [listen:one] pages")
        self.assertIn("refused: [listen:one] certificate: cannot be read anew", refused)


class Draining(ControlCase):
    """orosync drain."""

    def setUp(self):
        super().setUp()
        self.ended = Deferred()
        self.service._verbs.node._end = lambda: self.ended.callback(None)

    def open(self):
        """Whether the listener accepts connections."""
        host, _, port = self.address.partition(":")
        with socket.socket() as client:
            return client.connect_ex((host, int(port))) == 0

    async def test_clients(self):
        """The listener closes, the router is unready, clients are let go as at a stop, and the process ends."""
        self.address = self.service.address_of("one")
        old, new = await self.client("wamp"), await self.client()
        self.assertTrue(await deferToThread(self.open))
        self.assertEqual(await self.orosync("drain", "--within", "200ms"), 0)
        self.assertEqual(self.out, "2 of 2 clients were let go, the router ends\n")
        self.assertFalse(await deferToThread(self.open))
        for client in (old, new):
            self.assertIsNone(await deferToThread(client.ended))
        status = await self.answer("status")
        self.assertEqual(status["health"]["status"], "unready")
        self.assertIn("drain", status["health"]["wrong"])
        await self.ended

    async def test_keep_running(self):
        """The process stays; a second command is refused."""
        self.assertEqual(
            await self.answer("drain", "--keep-running"), attrs.asdict(DrainAnswer(left=0, of=0, ends=False))
        )
        self.assertEqual(await self.orosync("drain"), 2)
        self.assertIn("is being drained already", self.err)
        await later(0.6)
        self.assertFalse(self.ended.called)
        self.assertEqual(await self.orosync("drain", "--within", "soon"), 2)

    async def test_spread(self):
        """Evenly over the time, and the command says how far it is, whether or not anybody waits."""
        clients = [await self.client() for _ in range(4)]
        leaving = [deferToThread(self.leave, client) for client in clients]
        seen = []
        lines = deferToThread(lambda: seen.extend(self.router().watch("drain", {"within": 2.0})))
        while len(self.service._sessions) == 4:
            await later(0.02)
        self.assertEqual(len(self.service._sessions), 3)
        await lines
        self.assertEqual(seen[-1], {"left": 0, "of": 4, "ends": True})
        self.assertIn(seen[0]["left"], (1, 2))
        for left in leaving:
            await left
        await self.ended

    def leave(self, client):
        """As a client does whose connection has ended."""
        client.ended()
        client.close()


class All(ControlCase):
    """ControlVerbs."""

    async def test_a_supervisor_has_the_same(self):
        """The same names, of the same kinds, and the same ones act."""

        def kinds(verbs):
            return {one.name: (isinstance(one, StreamingVerb), one.acts) for one in verbs}

        mine = kinds(self.service.verbs.control.verbs.values())
        self.assertEqual(mine, kinds(SupervisorVerbs(None, Deferred, Clock(), lambda: None).verbs))
        self.assertEqual(mine["drain"], (True, True))
