"""A client in ten lines of autobahn-python that misses no event, whichever node of a router it comes back to.

python missing_nothing.py URL REALM TOPIC prints the values of the events.
"""

from __future__ import annotations

import os
import sys

from autobahn.twisted.component import Component, run
from autobahn.wamp.types import CallOptions, SubscribeOptions

URL, REALM, TOPIC = sys.argv[1:]
OUT = os.fdopen(os.dup(1), "w")  # autobahn turns what is printed into lines of its log
again = {"initial_retry_delay": 0.2, "max_retry_delay": 0.4, "max_retries": -1}
client = Component(transports=[{"type": "websocket", "url": URL, **again}], realm=REALM)
seen = []  # publication ids, the last one last


def handle(publication, value):
    if publication not in seen:
        seen.append(publication)
        print(value, file=OUT, flush=True)


@client.on_join
async def joined(session, details):
    options = SubscribeOptions(details_arg="details")
    subscription = await session.subscribe(lambda value, details: handle(details.publication, value), TOPIC, options)
    if seen:
        query = {"after_publication": seen[-1], "options": CallOptions(details=True)}
        missed = await session.call("wamp.subscription.get_events", subscription.id, **query)
        for event in missed.results:
            handle(event["publication"], *event["args"])
    print("joined", file=OUT, flush=True)


if __name__ == "__main__":
    run([client], log_level="critical")
