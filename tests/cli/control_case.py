"""Commands that ask a router of this process, over its control socket, with clients on real connections."""

from __future__ import annotations

import io
import json

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from orosync.cli import main
from orosync.cli.router import Router
from orosync.cli.streams import Streams
from tests.app.test_service import ServiceCase
from tests.product.raw import RawClient

TWO_REALMS = """
[router]
drain = 1s
state = .
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
realm = open
[realm:open]
authenticators = guests
authorizers = roles
[realm:shop]
authenticators = guests
authorizers = roles
[role:guest]
permissions =
    any all
[authenticator:guests]
use = anonymous
role = guest
[notifications]
realm = open
"""


class ControlCase(ServiceCase):
    """``orosync(...)`` leaves what a command printed in ``out`` and ``err``."""

    text = TWO_REALMS

    def setUp(self):
        super().setUp()
        self.service = self.serve(text=self.text)
        self.out = self.err = ""

    async def client(self, subprotocol="wamp.2.json", realm="open"):
        """A client that has joined; ``number`` is the id of its session."""
        client = await deferToThread(RawClient, f"ws://{self.service.address_of('one')}/", subprotocol)
        self.addCleanup(client.close)
        if subprotocol == "wamp":
            client.number = int((await deferToThread(client.read))[1])
        else:
            await deferToThread(client.send, [1, realm, {"roles": {"subscriber": {}, "callee": {}}}])
            client.number = (await deferToThread(client.read))[1]
        return client

    async def subscriber(self, topic, subprotocol="wamp.2.json", realm="open"):
        """A client that has subscribed."""
        client = await self.client(subprotocol, realm)
        before = self.subscriptions()
        await deferToThread(client.send, [5, topic] if subprotocol == "wamp" else [32, 1, {}, topic])
        if subprotocol == "wamp":
            while self.subscriptions() == before:
                await later(0.01)
        else:
            assert (await deferToThread(client.read))[0] == 33
        return client

    def subscriptions(self):
        realms = self.service._container.realms.values()
        return sum(len(member.subscriptions) for one in realms for member in one.realm.members.values())

    def router(self):
        return Router([self.service._control.path])

    async def orosync(self, *arguments, stdout=None):
        """The exit status."""
        options = main.parser().parse_args([*arguments, "--config", str(self.directory / "router.ini")])
        streams = Streams(io.StringIO(), stdout or io.StringIO(), io.StringIO())
        status = await Deferred.fromCoroutine(main.run(reactor, options, streams))
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()
        return status

    async def answer(self, *arguments):
        """What a command prints with --json."""
        await self.orosync(*arguments, "--json")
        self.assertEqual(self.err, "")
        return json.loads(self.out)


def later(seconds):
    """Fires after so many seconds."""
    done = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done
