"""The control socket of a running router."""

import os
import socket
import stat

from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel

from orosync.cli.router import Router
from tests.app.test_service import ServiceCase
from tests.product.raw import RawClient


class Sockets(ServiceCase):
    """ControlSocket."""

    def said_of_control(self):
        return [one for one in self.log if "[router] control" in str(one.get("log_format"))]

    async def test_it_is_private(self):
        """Made at the start, for this user alone, and gone at the stop."""
        service = self.serve()
        path = service._control.path
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        await service.stopService()
        self.assertFalse(path.exists())

    async def test_one_that_was_left_behind(self):
        """It is replaced: a router that was killed does not stand in the way of the next."""
        service = self.serve()
        path = service._control.path
        lock = path.with_name(path.name + ".lock")
        await service.stopService()
        os.symlink("999999", lock)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        self.serve()
        self.assertEqual((await deferToThread(Router([path]).ask, "status"))["health"]["status"], "ready")

    async def test_one_that_cannot_be_made(self):
        """The router serves all the same, and says what does not work."""
        path = self.directory / "file"
        path.touch()
        service = self.serve(
            text=f"[router]\ndrain = 1s\ncontrol = {path}/control.sock\n[listen:one]\n"
            "endpoint = tcp:0:interface=127.0.0.1\n[realm:open]\nauthenticators = guests\nauthorizers = roles\n"
            "[authenticator:guests]\nuse = anonymous\n"
        )
        self.assertTrue(service.running)
        (line,) = self.said_of_control()
        self.assertIs(line["log_level"], LogLevel.warn)
        self.assertIn("File exists", line["why"])

    async def test_sessions(self):
        """Who is connected, and from where; nothing of clients that have not joined."""
        service = self.serve()
        router = Router([service._control.path])
        client = await deferToThread(RawClient, f"ws://{service.address_of('one')}/")
        self.addCleanup(client.close)
        self.assertEqual(await deferToThread(router.ask, "sessions"), [])
        await deferToThread(client.join)
        (row,) = await deferToThread(router.ask, "sessions")
        (number,) = (member for member in service._container.realms["open"].realm.members)
        self.assertEqual((row["session"], row["realm"], row["role"]), (number, "open", "guest"))
        self.assertEqual((row["protocol"], row["listener"], row["address"]), ("v2", "one", "127.0.0.1"))
