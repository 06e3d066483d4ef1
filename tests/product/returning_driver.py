"""autobahn-python as a client that comes back by itself, driven like tests/js/returning.mjs.

python returning_driver.py component|runner URL '{"realm": ..., "uri": ...}'

URLs begin with ws or rs. ``component`` is its Component, ``runner`` its ApplicationRunner with ``auto_reconnect``.
"""

from __future__ import annotations

import json
import os
import sys

import txaio
from autobahn.twisted.component import Component, run
from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession

OPTIONS = json.loads(sys.argv[3])
URI = OPTIONS["uri"]
OUT = os.fdopen(os.dup(1), "w")  # autobahn turns what is printed into lines of its log
joined = 0


def say(**what):
    OUT.write(json.dumps(what) + "\n")
    OUT.flush()


async def offer(session):
    global joined
    await session.subscribe(lambda value: say(event=value), URI)
    await session.register(lambda: "answer", f"{URI}.f")
    joined += 1
    say(joined=joined)


class Session(ApplicationSession):
    async def onJoin(self, details):
        await offer(self)


def component(url):
    raw = url.startswith("rs")
    transport = {"type": "rawsocket" if raw else "websocket", "url": url, "serializer": "cbor"}
    if not raw:
        transport["serializers"] = [transport.pop("serializer")]
    again = {"initial_retry_delay": 0.2, "max_retry_delay": 0.4, "max_retries": -1}
    made = Component(transports=[{**transport, **again}], realm=OPTIONS["realm"])
    made.on_join(lambda session, details: offer(session))
    run([made], log_level="critical")


def runner(url):
    txaio.use_twisted()
    ApplicationRunner(url, OPTIONS["realm"]).run(Session, auto_reconnect=True, log_level="critical")


if __name__ == "__main__":
    {"component": component, "runner": runner}[sys.argv[1]](sys.argv[2])
