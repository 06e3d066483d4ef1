"""How much a client may send, before the running product: who never notices, and who is slowed and loses nothing."""

from __future__ import annotations

import json
import threading

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter, shared
from tests.product.uninvolved_clients import UninvolvedClients
from tests.support.wires import client_frame

TOPICS = ("oro/ping", "oro/maintenance", "oro/data/update", "oro/email_event/1/1")


def text(message):
    return client_frame(json.dumps(message).encode())


class UnnoticedTests(SynchronousTestCase):
    def test_a_page_and_a_publisher(self):
        """Twelve subscriptions at once, then 500 events of one PHP process at once: all arrive, nobody is slowed."""
        router = shared()
        page = RawClient(router.url("anna"), "wamp")
        page.read()
        topics = [*TOPICS, *(f"oro/websocket/sync_{n}" for n in range(8))]
        page.socket.sendall(b"".join(text([5, topic]) for topic in topics))
        listener = Client("wamp1", router.url("ben"))
        self.addCleanup(listener.end)
        listener.ask("subscribe", "oro/data/update")
        for port in (router.public, router.backend):
            done = router.publish(port=port, per_connection=500, linger=0.5)
            self.assertEqual(done["published"], 500)
            self.assertEqual([listener.event()[1][0]["k"] for _ in range(500)], list(range(500)))
        page.close()
        self.assertNotIn("connection.slowed", router.log)

    def test_a_busy_service(self):
        """A role without a limit: six thousand requests at once."""
        with RunningRouter(more="[role:guest]\nunlimited = yes\n") as router, RawClient(router.url()) as service:
            service.join()
            sender = threading.Thread(target=service.socket.sendall, args=(_calls(6000),))
            sender.start()
            self.assertEqual([service.read()[2] for _ in range(6000)], list(range(6000)))
            sender.join(10)
            self.assertNotIn("connection.slowed", router.log)


class SlowedTests(SynchronousTestCase):
    def test_a_flood_of_subscriptions(self):
        """Each is answered, in order, though not at once; another client is served meanwhile; the log has one line."""
        with (
            RunningRouter(listen="message_rate = 500\nmessage_burst = 500") as router,
            RawClient(router.url()) as flooder,
        ):
            flooder.join()
            uninvolved = UninvolvedClients(router)
            self.addCleanup(uninvolved.stop)
            flood = b"".join(text([32, n, {}, f"com.flood.{n % 50}"]) for n in range(1500))
            sender = threading.Thread(target=flooder.socket.sendall, args=(flood,))
            sender.start()
            answers = [flooder.read()[:2] for _ in range(1500)]
            sender.join(10)
            self.assertEqual(answers, [[33, n] for n in range(1500)])
            delays = uninvolved.finish()
            self.assertEqual((len(delays) >= 50, uninvolved.strange), (True, []))
            self.assertLess(sorted(delays)[int(len(delays) * 0.99)], 0.1)
            self.assertEqual(router.log.count("connection.slowed (message_rate): listener=public"), 1)

    def test_before_hello(self):
        """Pings without end and without a HELLO: cut after five seconds, with a line in the log; over TLS too, which
        hands over what it has decrypted already."""
        router = shared()
        flooders = {name: RawClient(router.url(secure=name == "secure")) for name in ("public", "secure")}
        for flooder in flooders.values():
            self.addCleanup(flooder.close)
            for _ in range(4):  # over TLS a record may not be longer than a message
                flooder.socket.sendall(client_frame(b"", 9) * 500)
        for name, flooder in flooders.items():
            pongs = 0
            with self.assertRaises((Closed, OSError)):
                while flooder.read_frame()[0] == 10:
                    pongs += 1
            self.assertTrue(60 <= pongs <= 120, pongs)
            router.child.wait_for_line(f"connection.cut (message_rate): listener={name} address=127.0.0.1")


def _calls(count):
    return b"".join(text([48, n, {}, "no.such"]) for n in range(count))
