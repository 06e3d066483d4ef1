"""orosync.app.worker: what a worker does when its supervisor says something, in this process and with real sockets."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from orosync.app import worker as module
from orosync.app.opening import Opening
from orosync.app.sockets import ListeningSockets
from orosync.app.worker import ServingWorker
from orosync.app.worker_settings import DemoUser
from orosync.backplane.channel import ProcessChannel, connect, pair
from orosync.errors import NotDone
from tests.app.test_service import OPEN, ServiceCase
from tests.app.worker_case import settings
from tests.product.raw import RawClient


class FakeEnding:
    def __init__(self) -> None:
        self.sockets: list[str] = []
        self.ended: Deferred[int] = Deferred()

    def configure(self, *anything: Any) -> None:
        pass

    def watch(self) -> None:
        pass

    def tell_also(self, observer: Any) -> None:
        self.observer = observer

    def end_now(self, status: int) -> None:
        self.ended.callback(status)


class Supervised(ServiceCase):
    """``self.channel`` is the supervisor's end, ``self.told`` what the worker says there."""

    def setUp(self):
        super().setUp()
        self.ending = FakeEnding()
        self.observers = []
        self.triggers = []
        add = reactor.addSystemEventTrigger
        self.patch(
            reactor,
            "addSystemEventTrigger",
            lambda *trigger: self.triggers.append(trigger) if trigger[0] == "before" else add(*trigger),
        )
        self.patch(module, "settle_memory", lambda: None)
        self.worker = ServingWorker(reactor, self.ending, self.observers.extend)
        self.told = []
        self.waiting = {}
        self.lost = Deferred()
        self.channel = ProcessChannel(self.lost.callback)
        for name in ("ready", "alive", "draining", "refused", "log", "line", "over"):
            self.channel.on(f"worker.{name}", lambda *fields, name=name: self.hear(name, fields))
        mine, its = pair()
        connect(reactor, mine, self.channel)
        connect(reactor, its, self.worker.channel)
        self.sockets = ListeningSockets(Opening(reactor, Logger(), []), 2)
        self.addCleanup(self.finish)

    async def finish(self):
        for trigger in self.triggers:
            await trigger[2](*trigger[3:])
        await self.sockets.close()
        self.worker._stopped = True
        self.channel.close()
        await self.lost

    def hear(self, name, fields):
        self.told.append((name, *fields))
        waiting = self.waiting.pop(name, None)
        if waiting is not None:
            waiting.callback(fields)

    def until(self, name):
        """The fields of the next frame of that name."""
        self.waiting[name] = Deferred()
        return self.waiting[name]

    async def begin(self, place=0, text=None, **changes):
        configuration = self.configuration(text=text)
        listeners = list(configuration.listeners.values())
        self.sockets.bind(listeners)
        self.hand_over(place)
        endpoints = {one.name: one.endpoint for one in listeners}
        told = settings(place, f"web1/{place + 1}", path=str(configuration.path), **{"endpoints": endpoints, **changes})
        ready = self.until("ready")
        self.channel.send("worker.start", msgspec.to_builtins(told, builtin_types=(bytes,)))
        await ready
        self.hand_over(1 - place)  # nobody else accepts there

    def hand_over(self, place):
        for name, one in self.sockets.of(place).items():
            self.channel.send_descriptor("worker.socket", one.fileno(), name, place)

    async def client(self, place=None):
        """One that has joined, over whichever socket."""
        host, port = self.sockets.of(0)["one"].getsockname()
        client = await deferToThread(RawClient, f"ws://{host}:{port}/")
        self.addCleanup(client.close)
        return await deferToThread(client.join)


class Serving(Supervised):
    async def test_it_serves_on_the_sockets_that_it_is_given(self):
        """Its own, and those of another place until they are taken away; it gives signs of life and says how it is."""
        await self.begin()
        clients = [await self.client() for _ in range(12)]
        self.assertEqual(self.worker._router.client_count, len(clients))
        self.assertEqual(list(self.worker._covering), [(1, "one")])
        self.channel.send("worker.uncover", 1)
        count, health = await self.until("alive")
        self.assertEqual((count, health["status"]), (len(clients), "ready"))
        self.assertEqual(self.worker._covering, {})

    async def test_what_the_supervisor_has_is_not_made(self):
        """No control socket and no [listen:ops]; the name is the worker's."""
        await self.begin(text=OPEN.format(one="", more="[listen:ops]\nendpoint = tcp:0:interface=127.0.0.1\n"))
        router = self.worker._router
        self.assertFalse(router._control.path.exists())
        self.assertEqual(router._operations_ports, [])
        self.assertEqual(router._configuration.router.node, "web1/1")

    async def test_draining(self):
        """It is told at once that no client is admitted, so that another one accepts."""
        await self.begin()
        await self.client()
        draining = self.until("draining")
        self.worker._router._admit_none()
        await draining
        self.assertEqual(self.worker._covering, {})
        self.hand_over(1)
        await self.channel.ask("worker.metrics")
        self.assertEqual(self.worker._covering, {})

    async def test_hold(self):
        """Nothing more is accepted, and those that are there are served on."""
        await self.begin()
        client = await self.client()
        self.channel.send("worker.hold")
        await self.channel.ask("worker.metrics")
        with socket.create_connection(self.sockets.of(0)["one"].getsockname()) as late:
            late.settimeout(0.2)
            late.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await self.assertFailure(deferToThread(late.recv, 1), TimeoutError)
        await deferToThread(client.send, [32, 1, {}, "com.topic"])
        self.assertEqual((await deferToThread(client.read))[0], 33)

    async def test_a_configuration_that_cannot_be_used(self):
        """Every fault is told, and nothing is served."""
        path = self.configuration().path
        path.write_text(path.read_text() + "[topcis:x]\n[realm:open]\n")
        refused = self.until("refused")
        told = msgspec.to_builtins(settings(path=str(path)), builtin_types=(bytes,))
        stopped = []
        self.patch(module, "fail_process", stopped.append)
        self.patch(module, "REFUSED", 0.01)
        self.channel.send("worker.start", told)
        (faults,) = await refused
        self.assertEqual(len(faults), 2, faults)
        self.assertIsNone(self.worker._router)
        for _ in range(200):
            if not stopped:
                await deferLater(reactor, 0.01)
        self.assertEqual(stopped, [reactor])

    async def test_the_log(self):
        """Events go to the supervisor, from the level of the router on."""
        await self.begin()
        (observer,) = self.observers
        log = Logger("some.where", observer=observer)
        heard = self.until("log")
        log.debug("not this")
        log.warn("but {this}", this="that")
        ((_, level, namespace, text, *_),) = await heard
        self.assertEqual((level, namespace, text), ("warn", "some.where", "but that"))
        threads = []

        def relayed(*event):
            threads.append(threading.current_thread())

        self.patch(self.worker.channel, "send", relayed)
        await deferToThread(log.warn, "from another thread")
        await deferLater(reactor, 0.01)
        self.assertEqual(set(threads), {threading.main_thread()})

    async def test_the_last_words(self):
        """Of a worker whose reactor is stuck: they go to standard error, with its name."""
        await self.begin()
        said = io.StringIO()
        self.patch(sys, "__stderr__", said)
        self.ending.observer({"log_format": "{part} hangs", "part": "directory:people"})
        self.assertEqual(said.getvalue(), "web1/1: directory:people hangs\n")


class Asked(Supervised):
    async def test_verbs(self):
        """As on the control socket; what is rejected there is not done here, with the same words."""
        await self.begin()
        client = await self.client()
        (row,) = await self.channel.ask("worker.verb", "sessions", {})
        self.assertEqual((row["realm"], row["listener"]), ("open", "one"))
        failure = await self.assertFailure(self.channel.ask("worker.verb", "sessions", {"sort": "x"}), NotDone)
        self.assertIn("sessions cannot be sorted by x", str(failure))
        await deferToThread(client.send, [32, 1, {}, "com.topic"])
        await deferToThread(client.read)
        for user, count in (("", 1), ("nobody", 0)):
            self.assertEqual(await self.channel.ask("worker.receivers", "open", "com.topic", user), count)
        self.assertEqual(await self.channel.ask("worker.nodes"), [])
        snapshot = await self.channel.ask("worker.metrics")
        self.assertEqual([value for _, value in snapshot["sessions"]], [1])

    async def test_verbs_that_go_on(self):
        """Each line with the number of the question, and a last one when it is over by itself."""
        await self.begin()
        await self.channel.ask("worker.watch", 5, "subscribe", {"topic": "com.topic"})
        line = self.until("line")
        await self.channel.ask("worker.verb", "publish", {"topic": "com.topic", "args": [1]})
        number, event = await line
        self.assertEqual((number, event["args"]), (5, [1]))
        self.channel.send("worker.unwatch", 5)
        await self.channel.ask("worker.verb", "publish", {"topic": "com.topic"})
        self.assertEqual([one for one in self.told if one[0] == "line"], [("line", 5, event)])
        over = self.until("over")
        await self.client()
        await self.channel.ask("worker.watch", 6, "kick", {"address": "127.0.0.1"})
        self.assertEqual(await over, (6,))
        self.assertEqual([one[2]["kicked"] for one in self.told if one[:2] == ("line", 6)], [1])
        await self.assertFailure(self.channel.ask("worker.watch", 7, "kick", {}), NotDone)

    async def test_reload(self):
        """The answer is that of a single router; only one worker writes it to the log."""
        await self.begin(1)
        path = self.worker._router._configuration.path
        path.write_text(path.read_text() + "[topcis:x]\n")
        answer = await self.channel.ask("worker.reload", "web1/1")
        self.assertEqual(len(answer["refused"]), 2)
        self.assertFalse(self.worker._muted)
        path.write_text(path.read_text().replace("[topcis:x]\n", "").replace("any all", "any subscribe"))
        answer = await self.channel.ask("worker.reload", "web1/1")
        self.assertEqual((answer["changed"], answer["restart"], answer["refused"]), (["[role:guest]"], [], []))


class Demonstration(Supervised):
    """What is saved in the demonstration is in the first worker alone."""

    def demo(self):
        text = (Path(__file__).resolve().parents[2] / "etc" / "router.ini").read_text()
        text = text.replace("demo = yes", f"demo = yes\nworkers = 2\nstate = {self.directory}", 1)
        return text.replace("tcp:8442", "tcp:0").replace("tcp:8443", "tcp:0")

    async def test_the_first_worker_answers(self):
        await self.begin(text=self.demo(), secrets={"demo": "s" * 32}, users=[DemoUser(7, "anna", "hash")])
        call = {"method": "GET", "path": "/session"}
        answer = await self.channel.ask("worker.demo", call)
        self.assertEqual(answer["status"], 200)
        self.assertIn(b'"id": 7', answer["body"])

    async def test_another_one_asks_it(self):
        asked = []

        def other(*question):
            asked.append(question)
            return {"status": 203, "body": b"{}", "content_type": "x/y", "headers": {}, "cookies": []}

        self.channel.on_question("worker.ask_other", other)
        await self.begin(1, text=self.demo(), users=[DemoUser(7, "anna", "hash")])
        port = self.sockets.of(1)["http"].getsockname()[1]

        def get():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/session", timeout=10) as answer:
                return answer.status, answer.read(), answer.headers["content-type"]

        self.assertEqual(await deferToThread(get), (203, b"{}", "x/y"))
        ((number, name, (call,)),) = asked
        self.assertEqual((number, name, call["path"], call["method"]), ("", "worker.demo", "/session", "GET"))


class Once(Supervised):
    TEXT = OPEN.format(
        one="", more="[component:own]\nuse = tests.product.monitored_component:Monitored\nrealm = open\nrole = guest\n"
    )

    async def components(self):
        return len(self.worker._router._components.sessions)

    async def test_the_first_worker_has_components(self):
        await self.begin(text=self.TEXT)
        self.assertEqual(await self.components(), 1)
        await self.channel.ask("worker.resign")
        self.assertEqual(await self.components(), 0)

    async def test_another_one_has_none(self):
        await self.begin(1, text=self.TEXT)
        self.assertEqual(await self.components(), 0)

    async def test_a_successor_waits(self):
        """Until its predecessor has stopped them."""
        configuration = self.configuration(text=self.TEXT)
        self.sockets.bind(configuration.listeners.values())
        self.hand_over(0)
        told = settings(
            0, "web1/3", True, path=str(configuration.path),
            endpoints={name: one.endpoint for name, one in configuration.listeners.items()},
        )  # fmt: skip
        ready = self.until("ready")
        self.channel.send("worker.start", msgspec.to_builtins(told, builtin_types=(bytes,)))
        await ready
        self.assertEqual(await self.components(), 0)
        self.channel.send("worker.lead")
        for _ in range(200):
            rows = await self.channel.ask("worker.verb", "sessions", {})
            if [row["registrations"] for row in rows] != [3]:
                await deferLater(reactor, 0.01)
        self.assertEqual(await self.components(), 1)


class Lost(Supervised):
    async def test_the_supervisor_is_gone(self):
        """The worker ends at once, with status 1."""
        await self.begin()
        self.channel.close()
        self.assertEqual(await self.ending.ended, 1)

    async def test_at_its_own_end(self):
        """That the channel ends with it is no reason to speak of it."""
        await self.begin()
        self.assertEqual([trigger[:2] for trigger in self.triggers], [("before", "shutdown")])
        for trigger in self.triggers:
            await trigger[2](*trigger[3:])
        self.triggers.clear()
        self.channel.close()
        await self.channel.ask("x").addErrback(lambda _: None)
        self.assertNoResult(self.ending.ended)


class ParentTests(ServiceCase):
    def test_it_dies_with_its_parent(self):
        """Also when it is stopped: nobody else would end it."""
        script = (
            "import os, signal, sys, time\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    from orosync.app.worker import die_with_parent\n"
            "    die_with_parent()\n"
            "    os.kill(os.getpid(), signal.SIGSTOP)\n"
            "    time.sleep(60)\n"
            "os.waitpid(child, os.WUNTRACED)\n"
            "print(child, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, -signal.SIGKILL)
        child = int(done.stdout)
        deadline = time.monotonic() + 5
        while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
            with open(f"/proc/{child}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return
            time.sleep(0.01)
        self.assertFalse(os.path.exists(f"/proc/{child}"))
