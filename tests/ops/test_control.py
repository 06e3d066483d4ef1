"""The control socket on a real UNIX socket: who may ask, what is answered, what is written to the log."""

import http.client
import json
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.ops.control import (
    LONGEST_REQUEST,
    Control,
    ControlPeer,
    Rejected,
    StreamingVerb,
    Verb,
    control_site,
    known_users,
    peer_of,
)
from orosync.testing import RecordingJournal

OWNER, READER, STRANGER = 1000, 1001, 1002


class Rights(SynchronousTestCase):
    """Control.may."""

    def test_who_may(self):
        """Root and the owner everything, readers what changes nothing, a user that the kernel does not tell nothing."""
        control = Control(RecordingJournal(), OWNER, [READER])
        ask, act = Verb("status", dict), Verb("kick", dict, acts=True)
        for uid, may_ask, may_act in (
            (0, True, True),
            (OWNER, True, True),
            (READER, True, False),
            (STRANGER, False, False),
            (None, False, False),
        ):
            found = control.may(ControlPeer(uid), ask), control.may(ControlPeer(uid), act)
            self.assertEqual(found, (may_ask, may_act), uid)


class Users(SynchronousTestCase):
    """In a user namespace, as systemd makes it for PrivateUsers=yes."""

    def known(self, text):
        path = Path(self.mktemp())
        path.write_text(text)
        return known_users(path)

    def test_mapped_users(self):
        """root and the service's own user."""
        known = self.known("         0          0          1\n     61616      61616          1\n")
        self.assertEqual([uid for uid in (0, 1, 1001, 61616, 65534) if known(uid)], [0, 61616])

    def test_all_users(self):
        """Outside of a namespace, and where the kernel does not tell."""
        for known in (self.known("0 0 4294967295\n"), known_users(Path("/not/there"))):
            self.assertTrue(known(65534))

    def test_everybody_is_nobody(self):
        """A user without a mapping is not the user "nobody", who may be one of the readers."""
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            self.addCleanup(one.close)
        transport = SimpleNamespace(socket=ours)
        self.assertEqual(peer_of(transport, lambda uid: True), ControlPeer(os.getuid(), os.getpid()))
        self.assertEqual(peer_of(transport, lambda uid: False), ControlPeer(None, os.getpid()))


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class Sockets(TestCase):
    """control_site."""

    timeout = 30

    def setUp(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.path = str(Path(directory) / "control.sock")
        self.journal = RecordingJournal()
        self.control = Control(self.journal, os.getuid())
        port = reactor.listenUNIX(self.path, control_site(self.control, reactor))
        self.addCleanup(port.stopListening)

    def post(self, verb, body=b"{}"):
        """Fires with (status, value)."""

        def send():
            connection = Connection(self.path)
            try:
                connection.request("POST", f"/{verb}", body)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            finally:
                connection.close()

        return deferToThread(send)

    async def test_an_answer(self):
        """A value, or a Deferred of it."""
        self.control.add(Verb("echo", dict))
        later = Deferred()
        self.control.add(Verb("later", lambda _: later))
        self.assertEqual(await self.post("echo", '{"a": "é"}'.encode()), (200, {"a": "é"}))
        reactor.callLater(0.05, later.callback, [1])
        self.assertEqual(await self.post("later"), (200, [1]))
        self.assertEqual(self.journal.notes, [], "what only asks leaves no line")

    async def test_what_cannot_be_done(self):
        """Words for the user; what fails inside has its traceback in the log alone."""

        def reject(arguments):
            raise Rejected("no such session")

        self.control.add(Verb("reject", reject), Verb("fail", lambda _: 1 // 0))
        self.assertEqual(await self.post("reject"), (400, {"error": "no such session"}))
        status, value = await self.post("fail")
        self.assertEqual((status, value["error"]), (500, "failed inside the router, its log has the reason"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.control.add(Verb("value", lambda _: object()))  # no JSON
        self.assertEqual((await self.post("value"))[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertEqual((await self.post("nothing"))[0], 404)

    async def test_malformed_requests(self):
        """They cost their sender an error."""
        self.control.add(Verb("echo", dict))
        for body in (b"{", b"[]", b"\xff", b"{}" + b" " * LONGEST_REQUEST):
            self.assertEqual((await self.post("echo", body))[0], 400)

    async def test_acts_are_written_down(self):
        """With the user and what was asked for, but no payload."""
        self.control.add(Verb("kick", dict, acts=True))
        await self.post("kick", b'{"user": "anna", "args": ["secret"]}')
        (note,) = self.journal.notes
        self.assertEqual(note[:2], ("control", "act"))
        self.assertEqual(note[2]["verb"], "kick")
        self.assertEqual(note[2]["user"], ControlPeer(os.getuid()).user)
        self.assertEqual(note[2]["arguments"], "user=anna")

    async def test_who_may_not(self):
        """403, written down, and nothing is done."""
        done = []
        self.control.add(Verb("kick", done.append, acts=True))
        self.patch(Control, "may", lambda *_: False)
        status, value = await self.post("kick")
        self.assertEqual(status, 403)
        self.assertIn("may not use kick", value["error"])
        self.assertEqual(done, [])
        self.assertEqual([note[:2] for note in self.journal.notes], [("control", "denied")])

    async def test_lines(self):
        """They come as they are emitted; when the command goes, the verb is stopped."""
        started, stopped = Deferred(), Deferred()

        def start(arguments, emit, end):
            reactor.callLater(0, started.callback, (emit, end))
            return lambda: stopped.callback(None)

        self.control.add(StreamingVerb("watch", start))
        connection = Connection(self.path)
        await deferToThread(connection.request, "POST", "/watch", b"{}")
        emit, _ = await started
        answer = await deferToThread(connection.getresponse)
        emit({"n": 1})
        self.assertEqual(json.loads(await deferToThread(answer.readline)), {"n": 1})
        emit({"n": 2})
        self.assertEqual(json.loads(await deferToThread(answer.readline)), {"n": 2})
        answer.close()
        connection.close()
        await stopped
        emit({"n": 3})  # nobody is there: no error

    async def test_lines_that_end(self):
        """And a command that does not read costs a bounded memory: lines are left out, and counted."""

        def start(arguments, emit, end):
            def many():
                for _ in range(40):
                    emit({"text": "x" * 100_000})
                reactor.callLater(0.5, last)

            def last():
                emit({"text": "last"})
                end()

            reactor.callLater(0.1, many)
            return lambda: None

        self.control.add(StreamingVerb("watch", start))

        def read():
            connection = Connection(self.path)
            connection.request("POST", "/watch", b"{}")
            answer = connection.getresponse()
            return [json.loads(line) for line in answer]

        lines = await deferToThread(read)
        self.assertEqual(lines[-1], {"text": "last"})
        left_out = sum(line.get("lines", 0) for line in lines)
        self.assertEqual(left_out + len([line for line in lines if len(line.get("text", "")) > 10]), 40)
        self.assertGreater(left_out, 0)
