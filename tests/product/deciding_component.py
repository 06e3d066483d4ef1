"""A component of an application that authorizes, on autobahn-python; the URI says whether it answers correctly.

python deciding_component.py URL DIRECTORY. What it is asked goes to DIRECTORY/asked, a line of JSON each; it prints a
line when it has registered its procedures. The last word of a URI says how it is answered:

    allow, deny, garbage, raise, never, late, twice, die, cached (allowed to anna alone), wait-N (yes, after N ms)
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.message import Invocation, Yield
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

ASKED = Path(sys.argv[2], "asked")


def note(*what):
    with ASKED.open("a") as lines:
        lines.write(json.dumps(what) + "\n")


class DecidingComponent(ApplicationSession):
    def onConnect(self):
        self.join("oro", ["wampcra"], "desk")

    def onChallenge(self, challenge):
        from autobahn.wamp.auth import compute_wcs

        return compute_wcs(os.environ["DESK_SECRET"].encode(), challenge.extra["challenge"].encode()).decode()

    async def onJoin(self, details):
        await self.register(self.authorize, "com.example.authorize")
        await self.register(self.authenticate, "com.example.authenticate")
        print("registered", flush=True)

    def onMessage(self, message):
        if isinstance(message, Invocation) and message.args and str(message.args[1]).endswith(".twice"):
            for answer in (True, False):
                self._transport.send(Yield(message.request, args=[answer]))
            return
        super().onMessage(message)

    def authorize(self, session, uri, action, options):
        note(session, uri, action, options)
        how = uri.rpartition(".")[2]
        if how.startswith("wait-"):
            return deferLater(reactor, int(how.removeprefix("wait-")) / 1000, lambda: True)
        if how == "never":
            return Deferred()
        if how == "late":
            return deferLater(reactor, 2.0, lambda: True)
        if how == "die":
            os._exit(1)
        if how == "raise":
            raise ApplicationError("com.example.error.broken", "I am broken")
        if how == "cached":
            return {"allow": session["authid"] == "anna", "cache": True}
        return {"allow": True, "deny": False, "garbage": "yes"}.get(how, False)

    def authenticate(self, realm, authid, details):
        note(realm, authid, details)
        if details["ticket"] != f"ticket of {authid}":
            raise ApplicationError("com.example.error.wrong_ticket", "that is no ticket")
        return {"role": "admin" if authid == "mallory" else "user", "extra": {"desk": 7}}


ApplicationRunner(sys.argv[1], "oro").run(DecidingComponent)
