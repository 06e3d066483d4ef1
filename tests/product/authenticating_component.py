"""A component of an application that authenticates clients, on autobahn-python: a procedure for each method.

python authenticating_component.py URL. The role of its session is in the environment's ROLE; it prints when it has
registered everything, and what it is asked.
"""

from __future__ import annotations

import json
import os
import sys

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.auth import compute_wcs, derive_key
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import RegisterOptions

SECRET = os.environ["PEOPLES_SECRET"]


class AuthenticatingComponent(ApplicationSession):
    def onConnect(self):
        self.join("inner", ["wampcra"], "desk")

    def onChallenge(self, challenge):
        return compute_wcs(os.environ["DESK_SECRET"].encode(), challenge.extra["challenge"].encode()).decode()

    async def onJoin(self, details):
        for method in ("wampcra", "scram", "cryptosign", "tls", "anonymous"):
            await self.register(getattr(self, method), f"door.{method}", RegisterOptions(invoke="roundrobin"))
        print("registered", flush=True)

    def known(self, name, details, **proof):
        print(json.dumps(["asked", name, details]), flush=True)
        if name == "nobody":
            raise ApplicationError("door.error.unknown", "nobody of that name")
        return {"role": "user", "extra": {"door": details["authmethod"]}, **proof}

    def wampcra(self, realm, authid, details):
        if authid == "ben":
            key = derive_key(SECRET, "pepper", 1000, 32).decode()
            return self.known(authid, details, secret=key, salt="pepper", iterations=1000, keylen=32)
        return self.known(authid, details, secret=SECRET, realm="other" if authid == "mover" else realm)

    def scram(self, realm, authid, details):
        return self.known(authid, details, **json.loads(os.environ["SCRAM"]))

    def cryptosign(self, realm, authid, details):
        return self.known("robot", details, authid="robot", pubkey=os.environ["PUBLIC_KEY"])

    def tls(self, realm, authid, details):
        certificate = details["transport"]["client_cert"]
        if certificate["sha256"] != os.environ["FINGERPRINT"]:
            raise ApplicationError("door.error.unknown")
        return self.known("desk-1", details, authid="desk-1")

    def anonymous(self, realm, authid, details):
        print(json.dumps(["asked", authid, details]), flush=True)
        return "user"


ApplicationRunner(sys.argv[1], "inner").run(AuthenticatingComponent)
