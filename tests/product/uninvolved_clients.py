"""Clients that take no part in an attack: their events have to go on coming, in time, and no others."""

from __future__ import annotations

import threading
import time

from tests.product.raw import RawClient


class UninvolvedClients:
    """A publisher and a subscriber of their own topic, an event every 20 ms, timed; both in the realm ``open``."""

    def __init__(self, router):
        self.delays, self.strange = [], []
        self._stop = threading.Event()
        self._subscriber = RawClient(router.url()).join()
        self._publisher = RawClient(router.url()).join()
        self._subscriber.send([32, 1, {"match": "prefix"}, ""])
        assert self._subscriber.read()[0] == 33
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._publish, self._listen)]
        for thread in self._threads:
            thread.start()

    def _publish(self):
        request = 0
        while not self._stop.is_set():
            request += 1
            self._publisher.send([16, request, {}, "uninvolved.news", [time.monotonic()]])
            time.sleep(0.02)
        time.sleep(0.3)
        self._publisher.send([16, request + 1, {}, "uninvolved.news", ["end"]])

    def _listen(self):
        while True:
            message = self._subscriber.read()
            if message[0] == 36 and message[3].get("topic", "").startswith("wamp."):
                continue  # the router's own word on who subscribes to what
            if message[0] != 36 or message[3].get("topic") != "uninvolved.news":
                self.strange.append(message)
            elif message[4] == ["end"]:
                return
            else:
                self.delays.append(time.monotonic() - message[4][0])

    def finish(self):
        """The delays, of at least a second's events."""
        for _ in range(500):
            if len(self.delays) >= 50:
                break
            time.sleep(0.02)
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        return self.delays

    def stop(self):
        self._stop.set()
        self._subscriber.close()
        self._publisher.close()
