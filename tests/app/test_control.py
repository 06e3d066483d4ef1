"""The control socket of a running router."""

import os
import socket
import stat
from argparse import Namespace

from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel

from orosync.cli.router import Router, candidates
from orosync.config import operations
from orosync.ops import control
from tests.app.test_service import OPEN, ServiceCase
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

    async def deep(self, readers=""):
        """A router whose state is too deep for a socket, and the directory that is there for that."""
        everyones = self.directory / "tmp"
        everyones.mkdir(exist_ok=True)
        self.patch(operations, "EVERYONES", everyones)
        state = self.directory / ("x" * 120)
        state.mkdir(exist_ok=True)
        text = OPEN.format(one="", more="").replace("state = .", f"state = {state}\n{readers}")
        return self.serve(text=text), operations.short_directory(os.getuid())

    async def test_a_path_that_would_be_too_long(self):
        """The socket is in a directory of this user alone, where the commands find it."""
        service, directory = await self.deep()
        self.assertEqual(service._control.path.parent, directory)
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        options = Namespace(config=str(service._container.configuration.path), socket=None)
        status = await deferToThread(Router(candidates(options)).ask, "status")
        self.assertEqual(status["health"]["status"], "ready")

    async def test_readers_of_such_a_socket(self):
        """They may enter the directory, and make nothing there."""
        _, directory = await self.deep("control_readers = 1")
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o711)

    async def test_readers_without_a_mapping(self):
        """In a user namespace they would all be denied: the log says so, and what to do."""
        self.patch(control, "known_users", lambda: lambda uid: uid == 1)
        await self.deep("control_readers = 1 2")
        (line,) = [one for one in self.log if "control_readers" in str(one.get("log_format"))]
        self.assertEqual((line["uid"], line["log_level"]), (2, LogLevel.warn))
        self.assertIn("PrivateUsers=no", line["log_format"])

    async def test_a_directory_of_others(self):
        """What another user can have made in its place is not used, by neither side."""
        trap = self.directory / "trap"
        trap.mkdir(mode=0o700)
        (self.directory / "tmp").mkdir()
        (self.directory / "tmp" / f"orosync-{os.getuid()}").symlink_to(trap)
        service, directory = await self.deep()
        self.assertEqual(list(trap.iterdir()), [])
        (line,) = self.said_of_control()
        self.assertIn("is no directory of this user alone", line["why"])
        with socket.socket(socket.AF_UNIX) as left:
            self.addCleanup(os.chdir, os.getcwd())
            os.chdir(trap)
            left.bind(service._control.path.name)
            options = Namespace(config=str(service._container.configuration.path), socket=None)
            self.assertNotIn(directory, [one.parent for one in candidates(options)])

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
